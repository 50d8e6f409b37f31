// LD_TRACE_LOADED_OBJECTS and --list: what ldd prints, instead of a run.
#pragma once

namespace pagefold::ld {

[[noreturn]] void list_and_exit();

}  // namespace pagefold::ld
