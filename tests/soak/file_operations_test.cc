// A bounded part of the soak (soak.cc): some random programs by fixed seeds, and the scenes that once showed a
// difference. A scene in scenes/NAME.scene becomes a test by being there; its first line, a comment, says what rule it
// is about.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "compare.h"

namespace pagefold::soak {
namespace {

std::vector<std::string> scene_files() {
  std::vector<std::string> names;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(PAGEFOLD_SCENES, missing))
    if (entry.path().extension() == ".scene") names.push_back(entry.path().stem());
  std::sort(names.begin(), names.end());
  return names;
}

class FileScene : public testing::TestWithParam<std::string> {};

TEST_P(FileScene, NativeVsPagefold) {
  std::ifstream file(std::string(PAGEFOLD_SCENES) + "/" + GetParam() + ".scene");
  Scene scene;
  for (std::string line; std::getline(file, line);)
    if (!line.empty() && line.front() != '#') scene.push_back(line);
  ASSERT_FALSE(scene.empty());
  for (const Place place : places()) {
    const Difference difference = compare({scene}, place);
    EXPECT_EQ(difference.text, "") << difference.state->name << ", " << name_of(place);
  }
}

INSTANTIATE_TEST_SUITE_P(Soak, FileScene, testing::ValuesIn(scene_files()),
                         [](const auto& info) { return info.param; });

class RandomFileOperations : public testing::TestWithParam<std::uint64_t> {};

TEST_P(RandomFileOperations, NativeVsPagefold) {
  std::vector<Scene> scenes;
  for (std::uint64_t i = 0; i < 20; ++i) scenes.push_back(make_scene(GetParam() * 1000 + i, 60, static_cast<Outsiders>(GetParam() % 3)));
  const Difference difference = compare(scenes, places()[GetParam() % places().size()]);
  EXPECT_EQ(difference.text, "") << difference.state->name << ", seed " << GetParam();
}

INSTANTIATE_TEST_SUITE_P(Soak, RandomFileOperations, testing::Range<std::uint64_t>(1, 11));

// The tester itself must see what differs: a program that asks for its own process id natively and under Pagefold
// would.
TEST(Soak, TheSameSeedGivesTheSameScene) {
  EXPECT_EQ(make_scene(7, 60), make_scene(7, 60));
  EXPECT_NE(make_scene(7, 60), make_scene(8, 60));
}

}  // namespace
}  // namespace pagefold::soak
