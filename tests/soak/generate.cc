#include "generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <random>

namespace pagefold::soak {
namespace {

constexpr long kPage = 4096;

// Numbers that tend to matter: a few slots, offsets at and around the borders of pages and files.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  long below(long bound) { return static_cast<long>(random_() % static_cast<std::uint64_t>(bound)); }
  long slot() { return below(4); }
  long map() { return below(4); }
  long name() { return below(10) < 8 ? below(3) : 3 + below(4); }  // 5 and 6 may be symbolic links
  long offset() {
    const long page = below(4) == 0 ? below(24) : below(6);
    constexpr long kAside[] = {0, 0, 0, 1, -1, 100, 2048, 4000};
    return std::max(0L, page * kPage + kAside[below(8)]);
  }
  long length() {
    constexpr long kUsual[] = {1, 100, kPage, kPage, 2 * kPage, 5000, 3 * kPage + 10, 12 * kPage};
    return kUsual[below(8)];
  }
  long pages() { return 1 + below(below(3) == 0 ? 24 : 5); }
  long page() { return below(below(3) == 0 ? 24 : 4); }
  long prot() {
    constexpr long kProt[] = {3, 3, 3, 1, 1, 0, 5, 2};
    return kProt[below(8)];
  }
  long byte() { return 32 + below(90); }

 private:
  std::mt19937_64 random_;
};

using Maker = std::string (*)(Dice&);

struct Kind {
  unsigned weight;
  Maker make;
};

const Kind kKinds[] = {
    {6,
     [](Dice& d) {
       return fmt::format("open {} {} {}", d.slot(), d.name(), d.below(3) == 0 ? d.below(10) : d.below(2));
     }},
    {2, [](Dice& d) { return fmt::format("close {}", d.slot()); }},
    {3, [](Dice& d) { return fmt::format("read {} {}", d.slot(), d.length()); }},
    {5, [](Dice& d) { return fmt::format("pread {} {} {}", d.slot(), d.offset(), d.length()); }},
    {2, [](Dice& d) { return fmt::format("preadv {} {} {} {}", d.slot(), d.offset(), d.length(), d.length()); }},
    {3, [](Dice& d) { return fmt::format("write {} {} {}", d.slot(), d.length(), d.byte()); }},
    {5, [](Dice& d) { return fmt::format("pwrite {} {} {} {}", d.slot(), d.offset(), d.length(), d.byte()); }},
    {2,
     [](Dice& d) {
       return fmt::format("pwritev {} {} {} {} {}", d.slot(), d.offset(), d.length(), d.byte(), d.below(4) == 0);
     }},
    {2, [](Dice& d) { return fmt::format("seek {} {} {}", d.slot(), d.offset(), d.below(3)); }},
    {1, [](Dice& d) { return fmt::format("hole {} {} {}", d.slot(), d.offset(), d.below(2)); }},
    {3,
     [](Dice& d) {
       return fmt::format("read_map {} {} {} {} {}", d.slot(), d.map(), d.offset(), d.length(), d.offset());
     }},
    {3,
     [](Dice& d) {
       return fmt::format("write_map {} {} {} {} {}", d.slot(), d.map(), d.offset(), d.length(), d.offset());
     }},
    {9,
     [](Dice& d) {
       return fmt::format("map {} {} {} {} {} {}", d.map(), d.slot(), d.pages(), d.prot(),
                          d.below(6) == 0 ? 2 + d.below(2) : d.below(2), d.below(3) == 0 ? d.page() : 0);
     }},
    {2, [](Dice& d) { return fmt::format("unmap {} {} {}", d.map(), d.page(), d.pages()); }},
    {3, [](Dice& d) { return fmt::format("protect {} {} {} {}", d.map(), d.page(), d.pages(), d.prot()); }},
    {3, [](Dice& d) { return fmt::format("msync {} {} {} {}", d.map(), d.page(), d.pages(), d.below(5)); }},
    {3, [](Dice& d) { return fmt::format("advise {} {} {} {}", d.map(), d.page(), d.pages(), d.below(12)); }},
    {2,
     [](Dice& d) {
       return fmt::format("remap {} {} {} {} {} {}", d.map(), d.page(), d.pages(), d.pages(), d.map(), d.page());
     }},
    {12, [](Dice& d) { return fmt::format("store {} {} {} {}", d.map(), d.offset(), d.length(), d.byte()); }},
    {10, [](Dice& d) { return fmt::format("load {} {} {}", d.map(), d.offset(), d.length()); }},
    {3, [](Dice& d) { return fmt::format("ftruncate {} {}", d.slot(), d.offset()); }},
    {1, [](Dice& d) { return fmt::format("truncate {} {}", d.name(), d.offset()); }},
    {2, [](Dice& d) { return fmt::format("allocate {} {} {} {}", d.slot(), d.below(7), d.offset(), d.length()); }},
    {2, [](Dice& d) { return fmt::format("fsync {} {}", d.slot(), d.below(2)); }},
    {2, [](Dice& d) { return fmt::format("sendfile {} {} {} {}", d.slot(), d.slot(), d.offset(), d.length()); }},
    {2,
     [](Dice& d) {
       return fmt::format("copy {} {} {} {} {}", d.slot(), d.offset(), d.slot(), d.offset(), d.length());
     }},
    {2,
     [](Dice& d) {
       return fmt::format("splice {} {} {} {} {}", d.slot(), d.offset(), d.slot(), d.offset(), d.length());
     }},
    {1, [](Dice& d) { return fmt::format("rename {} {}", d.name(), d.name()); }},
    {1, [](Dice& d) { return fmt::format("link {} {}", d.name(), d.name()); }},
    {1, [](Dice& d) { return fmt::format("unlink {}", d.name()); }},
    {1, [](Dice& d) { return fmt::format("stat {}", d.name()); }},
    {1, [](Dice&) { return std::string("maps"); }},
    {1, [](Dice& d) { return fmt::format("child {}", 1 + d.below(6)); }},
    {3, [](Dice& d) { return fmt::format("partner {}", 1 + d.below(8)); }},
    {2, [](Dice& d) { return fmt::format("stranger {}", 1 + d.below(8)); }},
    {5, [](Dice& d) { return fmt::format("outside {}", 1 + d.below(8)); }},
    {2, [](Dice& d) { return fmt::format("resize {} {} {} {}", d.map(), d.page(), d.pages(), d.pages()); }},
    {2,
     [](Dice& d) {
       return fmt::format("twin {} {} {} {} {} {}", d.map(), d.page(), d.pages(), d.below(2), d.map(), d.page());
     }},
    {1, [](Dice& d) { return fmt::format("lock {} {} {} {}", d.map(), d.page(), d.pages(), d.below(2)); }},
    {2,
     [](Dice& d) {
       return fmt::format("preadv_map {} {} {} {} {}", d.slot(), d.map(), d.offset(), d.length(), d.offset());
     }},
    {2,
     [](Dice& d) {
       return fmt::format("pwritev_map {} {} {} {} {}", d.slot(), d.map(), d.offset(), d.length(), d.offset());
     }},
    {1, [](Dice& d) { return fmt::format("exchange {} {}", d.name(), d.name()); }},
    {1, [](Dice& d) { return fmt::format("append {} {} {}", d.name(), d.length(), d.byte()); }},
    {1, [](Dice& d) { return fmt::format("dup {} {}", d.slot(), d.slot()); }},
    {1, [](Dice& d) { return fmt::format("sendfile_here {} {} {}", d.slot(), d.slot(), d.length()); }},
    {1, [](Dice& d) { return fmt::format("copy_here {} {} {}", d.slot(), d.slot(), d.length()); }},
    {1, [](Dice& d) { return fmt::format("splice_here {} {} {}", d.slot(), d.length(), d.byte()); }},
    {1, [](Dice& d) { return fmt::format("symlink {} {}", d.name(), d.below(2)); }},
    {1,
     [](Dice& d) { return fmt::format("unnamed {} {} {} {}", d.slot(), d.below(6) - 1, d.byte(), d.length()); }},
    {2, [](Dice& d) { return fmt::format("hint {} {} {} {}", d.slot(), d.below(4), d.offset(), d.length()); }},
    {3,
     [](Dice& d) {
       return fmt::format("anon {} {} {} {} {}", d.map(), d.pages(), d.prot(), d.below(4), d.page());
     }},
    {1, [](Dice& d) { return fmt::format("lock_on_fault {} {} {}", d.map(), d.page(), d.pages()); }},
    {1, [](Dice& d) { return fmt::format("resident {} {} {}", d.map(), d.page(), d.pages()); }},
    {1, [](Dice& d) { return fmt::format("pipe_map {} {} {}", d.map(), d.offset(), d.length()); }},
};

}  // namespace

Scene make_scene(std::uint64_t seed, unsigned operations, Outsiders outsiders) {
  Dice dice(seed);
  unsigned all = 0;
  for (const Kind& kind : kKinds) all += kind.weight;
  Scene scene{"reset"};
  // A scene in which nothing is opened for writing keeps its files owned; most open something for writing.
  const bool calm = dice.below(4) == 0;
  for (long slot = 0; slot < 3; ++slot)
    scene.push_back(fmt::format("open {} {} {}", slot, slot, calm ? 0 : dice.below(2)));
  const auto is_one_of = [](const std::string& line, std::initializer_list<const char*> words) {
    return std::any_of(words.begin(), words.end(), [&](const char* word) { return line.starts_with(word); });
  };
  long outside = 0;  // of an announced outsider's lines, so many are still to come
  while (scene.size() < operations || outside > 0) {
    long roll = dice.below(static_cast<long>(all));
    const Kind* kind = kKinds;
    while (roll >= static_cast<long>(kind->weight)) roll -= static_cast<long>((kind++)->weight);
    std::string line = kind->make(dice);
    if (calm && line.starts_with("open ") && line.back() != '0') continue;
    if (outsiders == Outsiders::None && line.starts_with("outside ")) continue;
    if (outsiders == Outsiders::Announced) {
      if (is_one_of(line, {"child ", "partner ", "stranger "}) || (outside > 0 && line.starts_with("outside "))) continue;
      if (line.starts_with("outside ")) {
        scene.emplace_back("settle");
        outside = line.back() - '0';
        scene.push_back(std::move(line));
        continue;
      }
    }
    scene.push_back(std::move(line));
    if (outside > 0 && --outside == 0) scene.emplace_back("look_again");
  }
  scene.insert(scene.end(), {"maps", "files"});
  return scene;
}

std::string text_of(const std::vector<Scene>& scenes) {
  std::string text;
  for (const Scene& scene : scenes)
    for (const std::string& line : scene) text += line + "\n";
  return text;
}

}  // namespace pagefold::soak
