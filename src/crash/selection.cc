#include "crash/selection.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <memory>

namespace pagefold::crash {
namespace {

// A directory, which must be there before the run.
Result<std::string> absolute(const std::string& path) {
  char* const resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr && errno == ENOENT) return fail(ENOENT, "there is no directory " + path + " (make it before the run)");
  if (resolved == nullptr) return fail_errno(path);
  std::string result(resolved);
  ::free(resolved);
  return result;
}

bool is_directory(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace

Result<Selection> Selection::parse(const std::string& pattern) {
  Selection selection;
  if (pattern.empty()) return fail(EINVAL, "empty file pattern");
  const bool globs = pattern.find_first_of("*?[") != std::string::npos;
  if (!globs && (pattern.back() == '/' || is_directory(pattern))) {
    selection.directory = PAGEFOLD_TRY(absolute(pattern));
    return selection;
  }
  const std::size_t slash = pattern.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : pattern.substr(0, slash + 1);
  if (directory.find_first_of("*?[") != std::string::npos)
    return fail(EINVAL, "pattern in the directory's name: " + pattern);
  selection.directory = PAGEFOLD_TRY(absolute(directory));
  selection.pattern = slash == std::string::npos ? pattern : pattern.substr(slash + 1);
  if (!globs) selection.target = selection.pattern;
  return selection;
}

bool Selection::matches(const std::string& name) const {
  if (!target.empty()) return name == target;
  return pattern.empty() || ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

}  // namespace pagefold::crash
