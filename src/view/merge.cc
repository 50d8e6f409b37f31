// See merge.h.
#include "view/merge.h"

#include "view/memory_totals.h"

namespace pagefold::view {
namespace {

bool same_protection(const MappingView& a, const MappingView& b) {
  return a.read == b.read && a.write == b.write && a.execute == b.execute && a.shared == b.shared;
}

bool same_flags(const MappingView& a, const MappingView& b) {
  return a.grows_down == b.grows_down && a.locked == b.locked && a.dont_fork == b.dont_fork &&
         a.wipe_on_fork == b.wipe_on_fork && a.dont_dump == b.dont_dump && a.no_reserve == b.no_reserve &&
         a.may_write == b.may_write && a.was_writable == b.was_writable;
}

// Shared anonymous memory is an object with offsets, as a file is.
bool continues_object(const MappingView& a, const MappingView& b) {
  if (a.file != b.file || a.device != b.device || a.inode != b.inode) return false;
  const bool has_offsets = a.file || a.shared;
  return !has_offsets || a.offset + a.range.size() == b.offset;
}

bool is_one_mapping(const MappingView& a, const MappingView& b) {
  if (a.range.end != b.range.start || a.name != b.name || !same_protection(a, b)) return false;
  if (a.name == "[stack]") return true;
  return same_flags(a, b) && continues_object(a, b);
}

void append_runs(std::vector<PageRun>& runs, const std::vector<PageRun>& more) {
  for (const PageRun& run : more) {
    if (!runs.empty() && runs.back().state == run.state &&
        runs.back().start + bytes_of(runs.back().count) == run.start) {
      runs.back().count += run.count;
    } else {
      runs.push_back(run);
    }
  }
}

void extend(MappingView& mapping, const MappingView& next) {
  mapping.range.end = next.range.end;
  mapping.grows_down |= next.grows_down;
  mapping.locked |= next.locked;
  mapping.dont_fork |= next.dont_fork;
  mapping.wipe_on_fork |= next.wipe_on_fork;
  mapping.dont_dump |= next.dont_dump;
  mapping.no_reserve |= next.no_reserve;
  mapping.host_mapped &= next.host_mapped;
  mapping.pages += next.pages;
  append_runs(mapping.runs, next.runs);
}

}  // namespace

std::vector<MappingView> merge_adjacent(const std::vector<MappingView>& mappings) {
  std::vector<MappingView> merged;
  merged.reserve(mappings.size());
  for (const MappingView& mapping : mappings) {
    if (!merged.empty() && is_one_mapping(merged.back(), mapping)) {
      extend(merged.back(), mapping);
    } else {
      merged.push_back(mapping);
    }
  }
  return merged;
}

}  // namespace pagefold::view
