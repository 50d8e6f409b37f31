// Which lines /proc/PID/smaps has depends on the kernel's release and configuration (KSM, ProtectionKey, the soft-dirty
// flag). A guest should see the lines that this host prints, so they are learned once from the host's own files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pagefold::view {

struct SmapsField {
  std::string name;       // without the colon
  bool kilobytes = true;  // ends in " kB"
};

struct SmapsFormat {
  std::vector<SmapsField> mapping;  // smaps, in order, VmFlags left out (it is always the last)
  std::vector<SmapsField> rollup;   // smaps_rollup, in order
  bool soft_dirty = false;          // new mappings carry the VmFlags code "sd" (CONFIG_MEM_SOFT_DIRTY)
};

// Linux 6.12 on x86-64 in its common configuration.
SmapsFormat common_smaps_format();

// From the texts of /proc/self/smaps and /proc/self/smaps_rollup. A part that cannot be learned is the common one.
SmapsFormat learn_smaps_format(std::string_view smaps, std::string_view rollup);

// Learned from the host at the first call; any thread may call.
const SmapsFormat& host_smaps_format();

}  // namespace pagefold::view
