#include "report/code_place.h"

#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gelf.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "report/function_name.h"
#include "report/summary.h"

// libdwfl can ask a server for debugging information, and for that loads a library when the command starts. The command links no
// library at run time and asks nobody: with this function of its own here, that part of libdw.a is left out.
extern "C" void __libdwfl_debuginfod_end(void* /*client*/) {}

namespace pagefold::report {
namespace {

using event::CodeSnapshot;

// As DWARF numbers them (System V psABI, AMD64, figure 3.36).
constexpr int kStackPointer = 7;
constexpr pid_t kTheThread = 1;  // libdwfl wants a number

std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// The C library, its loaders, and what the kernel maps: their functions are not where a program asked for something.
bool is_runtime(std::string_view name) {
  constexpr std::string_view kRuntime[] = {"libc.so.", "libc-2.", "libpthread", "ld-linux", "ld-pagefold", "ld-musl", "[vdso]"};
  return std::ranges::any_of(kRuntime, [&](std::string_view prefix) { return name.starts_with(prefix); });
}

// What is added to the file's addresses, given where the segment at `offset` of the file lies.
std::optional<Dwarf_Addr> bias_of(int fd, const CodeSnapshot::Module& module) {
  Elf* const elf = ::elf_begin(fd, ELF_C_READ_MMAP, nullptr);
  std::size_t count = 0;
  std::optional<Dwarf_Addr> bias;
  if (elf != nullptr && ::elf_getphdrnum(elf, &count) == 0) {
    for (std::size_t i = 0; i < count && !bias; ++i) {
      GElf_Phdr segment;
      if (::gelf_getphdr(elf, static_cast<int>(i), &segment) == nullptr || segment.p_type != PT_LOAD) continue;
      if (module.offset < page_down(segment.p_offset) || module.offset >= segment.p_offset + segment.p_filesz) continue;
      if ((segment.p_flags & PF_X) != 0) bias = module.range.start - (segment.p_vaddr - segment.p_offset + module.offset);
    }
  }
  ::elf_end(elf);
  return bias;
}

int no_elf(Dwfl_Module*, void**, const char*, Dwarf_Addr, char**, Elf**) { return -1; }

// Separate debugging information, by build id, where Debian puts it.
int find_debug_file(Dwfl_Module* module, void**, const char*, Dwarf_Addr, const char*, const char*, GElf_Word, char** found) {
  const unsigned char* id = nullptr;
  GElf_Addr address = 0;
  const int length = ::dwfl_module_build_id(module, &id, &address);
  if (length < 2) return -1;
  std::string path = fmt::format("/usr/lib/debug/.build-id/{:02x}/", id[0]);
  for (int i = 1; i < length; ++i) path += fmt::format("{:02x}", id[i]);
  path += ".debug";
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd >= 0) *found = ::strdup(path.c_str());
  return fd;
}

constexpr Dwfl_Callbacks kFiles = {no_elf, find_debug_file, nullptr, nullptr};

// ---- the stack

pid_t next_thread(Dwfl*, void* code, void** thread_code) {
  if (*thread_code != nullptr) return 0;
  *thread_code = code;
  return kTheThread;
}

bool read_stack(Dwfl*, Dwarf_Addr address, Dwarf_Word* word, void* argument) {
  const auto& code = *static_cast<const CodeSnapshot*>(argument);
  if (address < code.stack || address - code.stack + sizeof *word > code.stack_bytes.size()) return false;
  std::memcpy(word, code.stack_bytes.data() + (address - code.stack), sizeof *word);
  return true;
}

bool set_registers(Dwfl_Thread* thread, void* argument) {
  const auto& code = *static_cast<const CodeSnapshot*>(argument);
  const Dwarf_Word stack = code.stack;
  if (!::dwfl_thread_state_registers(thread, kStackPointer, 1, &stack)) return false;
  ::dwfl_thread_state_register_pc(thread, code.instruction);
  return true;
}

constexpr Dwfl_Thread_Callbacks kThread = {next_thread, nullptr, read_stack, set_registers, nullptr, nullptr};

struct Walk {
  Dwfl* files;
  Dwarf_Addr place = 0;  // of the innermost frame of the program; 0: none has been met
  Dwarf_Addr named = 0;  // the innermost from there whose function has a name
};

const char* function_at(Dwfl_Module* module, Dwarf_Addr at, GElf_Off& into) {
  GElf_Sym symbol;
  return ::dwfl_module_addrinfo(module, at, &into, &symbol, nullptr, nullptr, nullptr);
}

int look_at_frame(Dwfl_Frame* frame, void* argument) {
  auto& walk = *static_cast<Walk*>(argument);
  Dwarf_Addr pc = 0;
  bool is_activation = false;
  if (!::dwfl_frame_pc(frame, &pc, &is_activation)) return DWARF_CB_ABORT;
  if (!is_activation) --pc;  // a return address: the call is before it
  Dwfl_Module* const module = ::dwfl_addrmodule(walk.files, pc);
  if (module == nullptr) return DWARF_CB_ABORT;
  if (is_runtime(::dwfl_module_info(module, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr))) return DWARF_CB_OK;
  if (walk.place == 0) walk.place = pc;
  GElf_Off into = 0;
  if (function_at(module, pc, into) == nullptr) return DWARF_CB_OK;
  walk.named = pc;
  return DWARF_CB_ABORT;
}

std::string describe(Dwfl* files, Dwarf_Addr at) {
  Dwfl_Module* const module = ::dwfl_addrmodule(files, at);
  if (module == nullptr) return {};
  const std::string_view name = ::dwfl_module_info(module, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
  GElf_Off into = 0;
  Dwarf_Addr bias = 0;
  ::dwfl_module_getelf(module, &bias);
  const char* const function = function_at(module, at, into);
  std::string text = function == nullptr ? fmt::format("{}+{:#x}", name, at - bias) : fmt::format("{}+{:#x} ({})", function_name(function), into, name);
  int line = 0;
  if (Dwfl_Line* const source = ::dwfl_module_getsrc(module, at))
    if (const char* file = ::dwfl_lineinfo(source, nullptr, &line, nullptr, nullptr, nullptr)) text += fmt::format(", {}:{}", file_name(file), line);
  return text;
}

}  // namespace

class PlaceFinder::Files {
 public:
  explicit Files(const std::vector<CodeSnapshot::Module>& modules) : dwfl_(::dwfl_begin(&kFiles)), modules_(modules) {
    if (dwfl_ == nullptr) return;
    for (const CodeSnapshot::Module& module : modules_) report(module);
    ::dwfl_report_end(dwfl_, nullptr, nullptr);
  }
  ~Files() { ::dwfl_end(dwfl_); }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  [[nodiscard]] Dwfl* get() const { return dwfl_; }
  [[nodiscard]] bool are(const std::vector<CodeSnapshot::Module>& modules) const {
    return std::ranges::equal(modules, modules_, [](const auto& a, const auto& b) {
      return a.range.start == b.range.start && a.offset == b.offset && a.file == b.file;
    });
  }

 private:
  void report(const CodeSnapshot::Module& module) {
    const int fd = ::open(module.file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    const auto bias = bias_of(fd, module);
    const std::string name(file_name(module.file));
    // The descriptor is libdwfl's from here on, if it takes the file.
    if (!bias || ::dwfl_report_elf(dwfl_, name.c_str(), module.file.c_str(), fd, *bias, true) == nullptr) ::close(fd);
  }

  Dwfl* dwfl_;
  std::vector<CodeSnapshot::Module> modules_;
};

PlaceFinder::PlaceFinder() { ::elf_version(EV_CURRENT); }
PlaceFinder::~PlaceFinder() = default;

std::string PlaceFinder::find(const CodeSnapshot& code) {
  if (code.instruction == 0) return {};
  // A session's thread is attached once, so each snapshot with a stack wants its own.
  if (!files_ || !files_->are(code.modules) || code.stack != 0) files_ = std::make_unique<Files>(code.modules);
  Dwfl* const dwfl = files_->get();
  if (dwfl == nullptr) return {};
  Walk walk{dwfl};
  if (code.stack != 0 && ::dwfl_attach_state(dwfl, nullptr, kTheThread, &kThread, const_cast<CodeSnapshot*>(&code)))
    ::dwfl_getthread_frames(dwfl, kTheThread, look_at_frame, &walk);
  const std::string place = describe(dwfl, walk.place != 0 ? walk.place : code.instruction);
  return walk.named == walk.place || walk.named == 0 ? place : place + ", called from " + describe(dwfl, walk.named);
}

void find_places(RunSummary& summary) {
  PlaceFinder finder;
  for (HitLine& hit : summary.hits) hit.place = finder.find(hit.code);
}

}  // namespace pagefold::report
