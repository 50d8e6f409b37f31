// The packed bookkeeping of frames and slots against plain containers.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <list>
#include <map>
#include <vector>

#include "reclaim/frame_list.h"
#include "reclaim/page_map.h"

namespace pagefold::reclaim {
namespace {

using Marks = FrameList<unsigned>;
using Model = std::list<std::pair<FrameKey, unsigned>>;

Model::iterator look_up(Model& model, FrameKey frame) {
  return std::find_if(model.begin(), model.end(), [=](const auto& entry) { return entry.first == frame; });
}

void same(const Marks& frames, const Model& model) {
  std::vector<FrameKey> order, expected;
  frames.first(model.size() + 1, order, [](unsigned) { return true; });
  for (const auto& [frame, mark] : model) expected.push_back(frame);
  RC_ASSERT(order == expected);
  RC_ASSERT(frames.size() == model.size());
}

// Frames of a few owners, far apart and side by side, so that some share their place in the table.
RC_GTEST_PROP(FrameList, IsAListWithAPlaceForEach, ()) {
  Marks frames;
  Model model;
  for (int step = *rc::gen::inRange(0, 400); step > 0; --step) {
    const FrameKey frame = frame_key(*rc::gen::inRange(1U, 4U), *rc::gen::inRange<PageIndex>(0, 40) * 4096);
    const auto known = look_up(model, frame);
    RC_ASSERT(frames.contains(frame) == (known != model.end()));
    switch (*rc::gen::inRange(0, 6)) {
      case 0:
      case 1:
        if (known != model.end()) break;
        frames.push_back(frame, static_cast<unsigned>(step));
        model.emplace_back(frame, step);
        break;
      case 2:
        RC_ASSERT(frames.erase(frame) == (known != model.end()));
        if (known != model.end()) model.erase(known);
        break;
      case 3:
        RC_ASSERT(frames.to_back(frame) == (known != model.end()));
        if (known != model.end()) model.splice(model.end(), model, known);
        break;
      case 4:
        if (unsigned* mark = frames.mark(frame)) {
          RC_ASSERT(known != model.end() && *mark == known->second);
          *mark = known->second = 7;
        }
        break;
      default:
        if (model.empty()) break;
        RC_ASSERT(frames.front().frame == model.front().first && frames.front().mark == model.front().second);
        if (step % 2 == 0) {
          frames.pop_front();
          model.pop_front();
        } else {
          frames.front_to_back();
          model.splice(model.end(), model, model.begin());
        }
    }
    same(frames, model);
  }
}

TEST(FrameList, HoldsMoreThanItsFirstTable) {
  FrameList<unsigned> frames;
  for (PageIndex page = 0; page < 100'000; ++page) frames.push_back(frame_key(1, page), static_cast<unsigned>(page));
  for (PageIndex page = 0; page < 100'000; page += 2) ASSERT_TRUE(frames.erase(frame_key(1, page)));
  for (PageIndex page = 0; page < 100'000; ++page) ASSERT_EQ(frames.contains(frame_key(1, page)), page % 2 == 1);
  EXPECT_EQ(frames.size(), 50'000U);
}

RC_GTEST_PROP(PageMap, IsAMapByPage, ()) {
  PageMap<unsigned> pages;
  std::map<PageIndex, unsigned> model;
  for (unsigned step = *rc::gen::inRange(0U, 200U); step > 0; --step) {
    const PageIndex page = *rc::gen::inRange<PageIndex>(0, 40) * *rc::gen::element<PageIndex>(1, 1000);
    if (*rc::gen::arbitrary<bool>()) {
      pages.set(page, step);
      model[page] = step;
    } else {
      pages.erase(page);
      model.erase(page);
    }
    for (const auto& [there, value] : model) RC_ASSERT(pages.find(there) != nullptr && *pages.find(there) == value);
    RC_ASSERT((pages.find(page) != nullptr) == model.contains(page));
    std::vector<unsigned> values, expected;
    pages.for_each([&](unsigned value) { values.push_back(value); });
    for (const auto& [there, value] : model) expected.push_back(value);
    RC_ASSERT(values == expected);
  }
}

}  // namespace
}  // namespace pagefold::reclaim
