// `make soak OPS=N`: N random operations, natively and under Pagefold in every file state. Prints how many were
// compared and what differed; each difference is shrunk to a scene that can be kept in scenes/.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "compare.h"

using namespace pagefold::soak;

namespace {

constexpr unsigned kOperations = 60, kScenes = 10;  // of a scene, of a program

std::uint64_t seed_of(std::uint64_t first, std::uint64_t program, std::uint64_t scene) {
  return (first * 0x9e3779b97f4a7c15 + program) * 1000 + scene;
}

std::size_t states_of(Outsiders outsiders) {
  const auto exact = [outsiders](const State& state) { return outsiders != Outsiders::Some || state.exact_outside; };
  return static_cast<std::size_t>(std::count_if(states().begin(), states().end(), exact));
}

}  // namespace

int main(int argc, char** argv) {
  const auto wanted = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 10000;
  const auto first = argc > 2 ? std::strtoull(argv[2], nullptr, 10)
                              : static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  const auto most = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 5;
  const State* only = nullptr;  // of the states, by its name
  for (const State& state : states())
    if (argc > 4 && std::string_view(argv[4]) == state.name) only = &state;
  fmt::print("seed {}\n", first);
  if (!no_overlay().empty()) fmt::print("{}: its file states are not compared\n", no_overlay());
  std::fflush(stdout);
  std::uint64_t done = 0, divergences = 0;
  for (std::uint64_t program = 0; done < wanted && divergences < most; ++program) {
    const Place place = places()[program % places().size()];
    std::vector<Scene> scenes;
    constexpr Outsiders kOutsiders[] = {Outsiders::None, Outsiders::None, Outsiders::None, Outsiders::Some,
                                        Outsiders::None, Outsiders::None, Outsiders::None, Outsiders::Announced};
    const auto outsiders = kOutsiders[program % std::size(kOutsiders)];
    for (std::uint64_t i = 0; i < kScenes; ++i)
      scenes.push_back(make_scene(seed_of(first, program, i), kOperations, outsiders));
    for (const Scene& scene : scenes) done += scene.size() * states_of(outsiders);
    Difference whole = compare(scenes, place, only);
    if (whole.text.empty()) continue;
    ++divergences;
    fmt::print("program {}: {}: {}\n", program, whole.state->name, whole.text);
    std::fflush(stdout);
    bool alone = false;
    for (const Scene& scene : scenes) {
      const Difference one = compare({scene}, place, only);
      if (one.text.empty()) continue;
      alone = true;
      const Scene least = shrink(scene, place, *one.state);
      fmt::print("--- {}, {}\n{}{}\n", one.state->name, name_of(place), text_of({least}),
                 compare({least}, place, one.state).text);
      break;
    }
    if (!alone)
      fmt::print("--- {}: only in the whole program {}, not in a scene alone\n{}\n", whole.state->name, program,
                 whole.text);
    std::fflush(stdout);
  }
  fmt::print("{} operations, {} divergences\n", done, divergences);
  return divergences == 0 ? 0 : 1;
}
