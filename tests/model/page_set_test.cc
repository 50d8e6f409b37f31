// PageSet against std::set: random operations on pages spread over several chunks and far apart.
#include "vm/page_set.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>
#include <tuple>
#include <vector>

namespace pagefold::vm {
namespace {

// Kind, first page, length. Pages above kFar stand for a second, distant part of a sparse object.
using Step = std::tuple<int, PageIndex, PageIndex>;

constexpr PageIndex kNear = 1600, kFar = PageIndex{1} << 40;

PageIndex place(PageIndex page) { return page < kNear ? page : kFar + (page - kNear); }

struct Reference {
  std::set<PageIndex> pages;

  [[nodiscard]] PageIndex next(PageIndex first, PageIndex last) const {
    const auto it = pages.lower_bound(first);
    return it == pages.end() || *it >= last ? last : *it;
  }
  [[nodiscard]] PageIndex next_gap(PageIndex first, PageIndex last) const {
    while (first < last && pages.contains(first)) ++first;
    return first;
  }
  PageIndex erase(PageIndex first, PageIndex last) {
    const std::size_t before = pages.size();
    if (first < last) pages.erase(pages.lower_bound(first), pages.lower_bound(last));
    return before - pages.size();
  }
};

void apply(PageSet& set, Reference& reference, const Step& step) {
  const auto [kind, page, length] = step;
  const PageIndex first = place(page), last = first + length;
  switch (kind) {
    case 0: RC_ASSERT(set.set(first) == reference.pages.insert(first).second); break;
    case 1: RC_ASSERT(set.clear(first) == (reference.pages.erase(first) == 1)); break;
    case 2:
      set.set_range(first, last);
      for (PageIndex p = first; p < last; ++p) reference.pages.insert(p);
      break;
    default: RC_ASSERT(set.clear_range(first, last) == reference.erase(first, last));
  }
  set.check_invariants();
  RC_ASSERT(set.count() == reference.pages.size());
  RC_ASSERT(set.empty() == reference.pages.empty());
  RC_ASSERT(set.test(first) == reference.pages.contains(first));
  RC_ASSERT(set.next(first, last) == reference.next(first, last));
  RC_ASSERT(set.next(0, 2 * kFar) == reference.next(0, 2 * kFar));
  RC_ASSERT(set.next_gap(first, last + length) == reference.next_gap(first, last + length));
  const auto in_range = std::distance(reference.pages.lower_bound(first), reference.pages.lower_bound(last));
  RC_ASSERT(set.count_range(first, last) == static_cast<PageIndex>(in_range));
  RC_ASSERT(set.any(first, last) == (in_range > 0));
}

std::set<PageIndex> pages_of_runs(const PageSet& set, PageIndex first, PageIndex last) {
  std::set<PageIndex> pages;
  PageIndex end_before = 0;
  bool any = false;
  set.for_each_run(first, last, [&](PageIndex from, PageIndex to) {
    RC_ASSERT(from < to);
    RC_ASSERT(!any || from > end_before);  // maximal: a gap lies between two runs
    any = true;
    end_before = to;
    for (PageIndex p = from; p < to; ++p) pages.insert(p);
  });
  return pages;
}

RC_GTEST_PROP(PageSetModel, BehavesAsASetOfPages, ()) {
  const auto steps = *rc::gen::resize(
      200, rc::gen::container<std::vector<Step>>(rc::gen::tuple(rc::gen::inRange(0, 4), rc::gen::inRange<PageIndex>(0, 2 * kNear),
                                                                rc::gen::element<PageIndex>(0, 1, 7, 63, 64, 65, 512, 900))));
  PageSet set;
  Reference reference;
  for (const Step& step : steps) apply(set, reference, step);
  RC_ASSERT(pages_of_runs(set, 0, 2 * kFar) == reference.pages);
  set.clear_all();
  RC_ASSERT(set.empty() && set.next(0, 2 * kFar) == 2 * kFar);
}

}  // namespace
}  // namespace pagefold::vm
