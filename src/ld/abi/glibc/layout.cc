// The table of known libcs, one generated file a build, and the search in it. Plain constants: no relocation, no
// start-up code.
#include "ld/abi/glibc/layout.h"

namespace pagefold::ld::glibc {
namespace {

constexpr Build kBuilds[] = {
#include "ld/abi/glibc/tables/index.inc"
};

bool same(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); i++)
    if (a[i] != b[i]) return false;
  return true;
}

}  // namespace

std::span<const Build> known_builds() { return kBuilds; }

const Build* find_build(std::span<const uint8_t> build_id) {
  for (const Build& build : kBuilds)
    if (same(build.build_id, build_id)) return &build;
  return nullptr;
}

const Layout* find_layout(std::span<const uint8_t> build_id) {
  const Build* build = find_build(build_id);
  return build ? &build->layout : nullptr;
}

}  // namespace pagefold::ld::glibc
