// Whose rights count when the supervisor changes a file in a guest's place: the guest's. A thread takes them on for a
// moment (ActingAs), so that reserved blocks, quotas, permissions and the withdrawal of lent rights (set-user-id) are
// what they are natively. Rights can be put down, never gained: for a guest that has more, the supervisor's are used.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace pagefold {

// What the host's kernel asks for when a file is opened or changed.
struct Rights {
  uid_t user = 0;   // for file accesses
  gid_t group = 0;  // the same
  std::vector<gid_t> groups;
  std::uint64_t capabilities = 0;  // effective
};

// This process's own, as they were when first asked for. No thread may be ActingAs then.
const Rights& own_rights();

// The effective capabilities of a thread (0: this one), in its own user namespace; nullopt: it is gone.
std::optional<std::uint64_t> effective_capabilities(pid_t thread);

// This thread has put its own rights down.
bool acting_for_another();

// This thread has these rights as long as the object lives; nullopt: nothing changes. Nests.
class ActingAs {
 public:
  explicit ActingAs(const std::optional<Rights>& rights);
  ~ActingAs();
  ActingAs(const ActingAs&) = delete;
  ActingAs& operator=(const ActingAs&) = delete;

 private:
  std::optional<Rights> rights_;
  const Rights* before_ = nullptr;
};

}  // namespace pagefold
