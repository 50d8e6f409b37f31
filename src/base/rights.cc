#include "base/rights.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace pagefold {
namespace {

using Capabilities = std::array<__user_cap_data_struct, 2>;

bool get_capabilities(pid_t thread, Capabilities& all) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, thread};
  return ::syscall(SYS_capget, &header, all.data()) == 0;
}

void set_effective(std::uint64_t effective) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  Capabilities all{};
  if (!get_capabilities(0, all)) return;
  for (std::size_t i = 0; i < all.size(); ++i)
    all[i].effective = static_cast<__u32>(effective >> (32 * i)) & all[i].permitted;
  ::syscall(SYS_capset, &header, all.data());
}

// By system calls: the C library's functions would change all threads. What was put down must be taken up first.
void apply(const Rights& rights) {
  set_effective(own_rights().capabilities);
  ::syscall(SYS_setgroups, rights.groups.size(), rights.groups.data());
  ::syscall(SYS_setfsgid, rights.group);
  ::syscall(SYS_setfsuid, rights.user);
  set_effective(rights.capabilities);
}

Rights read_own() {
  Rights own{::geteuid(), ::getegid(), {}, effective_capabilities(0).value_or(0)};
  own.groups.resize(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
  (void)!::getgroups(static_cast<int>(own.groups.size()), own.groups.data());
  return own;
}

thread_local const Rights* acting = nullptr;  // null: as ourselves

}  // namespace

const Rights& own_rights() {
  static const Rights own = read_own();
  return own;
}

std::optional<std::uint64_t> effective_capabilities(pid_t thread) {
  Capabilities all{};
  if (!get_capabilities(thread, all)) return std::nullopt;
  return all[0].effective | std::uint64_t{all[1].effective} << 32;
}

bool acting_for_another() { return acting != nullptr; }

ActingAs::ActingAs(const std::optional<Rights>& rights) : rights_(rights), before_(acting) {
  if (!rights_) return;
  acting = &*rights_;
  apply(*acting);
}

ActingAs::~ActingAs() {
  if (!rights_) return;
  acting = before_;
  apply(acting != nullptr ? *acting : own_rights());
}

}  // namespace pagefold
