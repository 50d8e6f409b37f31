// See proc_path.h.
#include "view/proc_path.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace pagefold::view {
namespace {

struct KindRow {
  std::string_view name;
  ProcFileKind kind;
};

constexpr std::array kKinds = {
    KindRow{"maps", ProcFileKind::Maps},     KindRow{"smaps", ProcFileKind::Smaps},
    KindRow{"status", ProcFileKind::Status}, KindRow{"smaps_rollup", ProcFileKind::SmapsRollup},
    KindRow{"statm", ProcFileKind::Statm},   KindRow{"stat", ProcFileKind::Stat},
    KindRow{"limits", ProcFileKind::Limits},
};

// Hands out the components of a path one by one; "" when there is none left.
class Components {
 public:
  explicit Components(std::string_view path) : rest_(path) {}

  std::string_view next() {
    for (;;) {
      rest_.remove_prefix(std::min(rest_.find_first_not_of('/'), rest_.size()));
      const std::string_view component = rest_.substr(0, rest_.find('/'));
      rest_.remove_prefix(component.size());
      if (component != ".") return component;
    }
  }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

// As the kernel's name_to_int: decimal digits, no sign, no leading zero.
std::optional<pid_t> parse_pid(std::string_view text) {
  if (text.empty() || text.front() < '1' || text.front() > '9') return std::nullopt;
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return pid;
}

bool parse_subject(std::string_view component, ProcFile& file) {
  if (component == "self") {
    file.subject = ProcSubject::Self;
  } else if (component == "thread-self") {
    file.subject = ProcSubject::ThreadSelf;
  } else if (const auto pid = parse_pid(component)) {
    file.subject = ProcSubject::Pid;
    file.pid = *pid;
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::optional<ProcFile> parse_proc_path(std::string_view absolute_path) {
  if (!absolute_path.starts_with('/')) return std::nullopt;
  Components components(absolute_path);
  ProcFile file;
  if (components.next() != "proc" || !parse_subject(components.next(), file)) return std::nullopt;

  std::string_view name = components.next();
  if (name == "task" && file.subject != ProcSubject::ThreadSelf) {  // thread-self is .../task/TID already
    file.task = parse_pid(components.next());
    if (!file.task) return std::nullopt;
    name = components.next();
  }
  const auto* row = std::ranges::find(kKinds, name, &KindRow::name);
  if (row == kKinds.end() || !components.at_end()) return std::nullopt;
  file.kind = row->kind;
  return file;
}

}  // namespace pagefold::view
