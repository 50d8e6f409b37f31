#include "ld/resolve/versions.h"

#include "elf/versions.h"
#include "ld/base/text.h"
#include "ld/debug/debug.h"
#include "ld/find/load.h"

namespace pagefold::ld {
namespace {

constexpr const char* kRelrVersion = "GLIBC_ABI_DT_RELR";

class Checker {
 public:
  Checker(Module& module, bool verbose, bool trace, VersionProblems& problems)
      : module_(module), verbose_(verbose), trace_(trace), problems_(problems) {}

  Status run() {
    uint32_t highest = 0;
    bool needs_libc = false;
    const elf::Defect needed = elf::for_each_needed_version(module_.view, [&](const elf::NeededVersion& want) {
      if ((want.index & elf::kVersionIndex) > highest) highest = want.index & elf::kVersionIndex;
      if (want.file != last_file_) {
        last_file_ = want.file;
        last_module_ = module_named(want.file);
      }
      needs_libc |= starts_with(want.file, "libc.so.");
      if (equal(want.name, kRelrVersion)) module_.relr_version_seen = true;
      status_ = check(want);
      return status_ == nullptr;
    });
    LD_TRY(status_);
    if (needed) return fail_at(display_name(module_), needed.what, needed.where);
    const elf::Defect defined = elf::for_each_defined_version(module_.view, [&](const elf::DefinedVersion& have) {
      if ((have.index & elf::kVersionIndex) > highest) highest = have.index & elf::kVersionIndex;
      return true;
    });
    if (defined) return fail_at(display_name(module_), defined.what, defined.where);
    if (!module_.view.relr.empty() && needs_libc && !module_.relr_version_seen)
      return problem(display_name(module_), "DT_RELR without GLIBC_ABI_DT_RELR dependency");
    if (highest == 0) {
      module_.view.versyms = {};
    } else {
      build_table(highest + 1);
    }
    publish();
    return nullptr;
  }

 private:
  static Module* module_named(const char* file) {
    for (Module* module = world.first; module != nullptr; module = module->next())
      if (answers_to(*module, file)) return module;
    return nullptr;
  }

  Status problem(const char* object, const char* text) {
    ++problems_.missing;
    debug::tell_error(object, "version lookup error", text, problems_.report == nullptr);
    if (problems_.report == nullptr) return fail(object, text);
    problems_.report(object, text);
    return nullptr;
  }

  Status problem_with(const char* object, const char* before, const char* name, const char* between,
                      const char* requirer) {
    char* text = concatenate(before, name, between, requirer, ")");
    const Status status = problem(object, text);
    release_string(text);
    return status;
  }

  Status check(const elf::NeededVersion& want) {
    const Module* definer = last_module_;
    if (definer == nullptr) {
      if (trace_) return nullptr;
      return problem_with(display_name(module_), "version `", want.name,
                          "' wanted of a file that is not loaded (required by ", display_name(module_));
    }
    if (definer->faked) return nullptr;
    const char* requirer = display_name(module_);
    if (debug::on(debug::kVersions))
      debug::print("checking for version `%s' in file %s [0] required by file %s [0]\n", want.name,
                   debug::file_of(*definer), requirer);
    if (definer->view.verdef.empty()) {
      if (!verbose_) return nullptr;
      --problems_.missing;  // told, but not counted
      return problem_with(display_name(*definer), "no version information available (required by ", requirer, "", "");
    }
    bool found = false;
    const elf::Defect defect = elf::for_each_defined_version(definer->view, [&](const elf::DefinedVersion& have) {
      found = have.hash == want.hash && equal(have.name, want.name);
      return !found;
    });
    if (defect) return fail_at(display_name(*definer), defect.what, defect.where);
    if (found) return nullptr;
    if (want.weak) {
      if (!verbose_) return nullptr;
      --problems_.missing;
      return problem_with(display_name(*definer), "weak version `", want.name, "' not found (required by ", requirer);
    }
    return problem_with(display_name(*definer), "version `", want.name, "' not found (required by ", requirer);
  }

  void build_table(uint32_t count) {
    auto* versions = make_array<Version>(count);
    auto** files = make_array<Module*>(count);
    const char* file = nullptr;
    Module* definer = nullptr;
    elf::for_each_needed_version(module_.view, [&](const elf::NeededVersion& want) {
      const uint32_t number = want.index & elf::kVersionIndex;
      if (want.file != file) {
        file = want.file;
        definer = module_named(file);
      }
      versions[number] = {want.name, want.hash, want.index & elf::kVersionHidden, want.file};
      files[number] = definer;
      return true;
    });
    elf::for_each_defined_version(module_.view, [&](const elf::DefinedVersion& have) {
      const uint32_t number = have.index & elf::kVersionIndex;
      // The base version is the file's own name: nobody can want it.
      if (!have.base) versions[number] = {have.name, have.hash, 0, nullptr}, files[number] = nullptr;
      return true;
    });
    module_.versions = versions;
    module_.version_files = files;
    module_.version_count = count;
  }

  void publish() {
    const auto& layout = world.layout->link_map;
    at<const uint16_t*>(module_.map(), layout.l_versyms) = module_.view.versyms.data;
    at<Version*>(module_.map(), layout.l_versions) = module_.versions;
    at<uint32_t>(module_.map(), layout.l_nversions) = module_.version_count;
  }

  Module& module_;
  bool verbose_, trace_;
  VersionProblems& problems_;
  const char* last_file_ = nullptr;
  Module* last_module_ = nullptr;
  Status status_ = nullptr;
};

}  // namespace

Status check_versions(Module& module, bool verbose, bool trace, VersionProblems& problems) {
  if (module.verified || module.faked) return nullptr;
  module.verified = true;
  return Checker(module, verbose, trace, problems).run();
}

}  // namespace pagefold::ld
