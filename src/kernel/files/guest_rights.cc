#include "kernel/files/guest_rights.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdio>
#include <sstream>

#include "kernel/calls.h"
#include "kernel/process/host_proc.h"

namespace pagefold::kernel {
namespace {

std::atomic<bool> others_exist{false};

ino_t user_namespace(const std::string& process) {
  struct stat status {};
  return ::stat(fmt::format("/proc/{}/ns/user", process).c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace

std::optional<Rights> rights_to_act_with(pid_t thread) {
  static const ino_t home = user_namespace("self");
  const Rights& own = own_rights();
  if (own.capabilities == 0) return std::nullopt;
  const auto capabilities = effective_capabilities(thread);
  const bool at_home = !others_exist || user_namespace(std::to_string(thread)) == home;
  if (!capabilities || (at_home && *capabilities == own.capabilities)) return std::nullopt;
  const auto user = host_status_field(thread, "Uid:"), group = host_status_field(thread, "Gid:");
  const auto groups = host_status_field(thread, "Groups:");
  Rights rights;
  rights.capabilities = at_home ? *capabilities : 0;
  // Real, effective, saved, for file accesses.
  if (!user || !group || std::sscanf(user->c_str(), "%*u %*u %*u %u", &rights.user) != 1 ||
      std::sscanf(group->c_str(), "%*u %*u %*u %u", &rights.group) != 1)
    return std::nullopt;
  std::istringstream words(groups.value_or(""));
  for (gid_t more = 0; words >> more;) rights.groups.push_back(more);
  return rights;
}

void expect_user_namespaces() { others_exist = true; }

void on_namespace(const Call& call) {
  expect_user_namespaces();
  call.proceed();
}

}  // namespace pagefold::kernel
