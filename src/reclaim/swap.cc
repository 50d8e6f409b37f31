// What --swap says, and the backends by their kind.
#include "reclaim/swap.h"

#include <sys/sysinfo.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace pagefold::reclaim {
namespace {

// As zram-generator(8) sizes it: half of the machine's memory, at most 4 GiB.
Bytes usual_size() {
  struct sysinfo machine {};
  if (::sysinfo(&machine) != 0) return Bytes{1} << 30;
  return std::min<Bytes>(Bytes{machine.totalram} * machine.mem_unit / 2, Bytes{4} << 30);
}

constexpr struct {
  const char* name;
  SwapSpec::Kind kind;
} kKinds[] = {{"zram", SwapSpec::Kind::Zram},
              {"file", SwapSpec::Kind::File},
              {"memory", SwapSpec::Kind::Memory},
              {"none", SwapSpec::Kind::None}};

}  // namespace

Result<Bytes> parse_size(const std::string& text) {
  Bytes number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{}) return fail(EINVAL, "'" + text + "' is no size (write 64M, 2G, 65536)");
  constexpr const char* kUnits = "KMGT";
  unsigned shift = 0;
  if (rest != end) {
    const char* unit = std::strchr(kUnits, *rest & ~0x20);
    if (unit == nullptr || rest + 1 != end) return fail(EINVAL, "'" + text + "' is no size (units are K, M, G, T)");
    shift = 10 * static_cast<unsigned>(unit - kUnits + 1);
  }
  if (number == 0 || number > (~Bytes{0} >> 1) >> shift) return fail(EINVAL, "'" + text + "' is no possible size (1 byte to 8 EiB)");
  return number << shift;
}

Result<SwapSpec> parse_swap(const std::string& text) {
  const std::size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  const auto known = std::find_if(std::begin(kKinds), std::end(kKinds), [&](const auto& k) { return k.name == name; });
  if (known == std::end(kKinds))
    return fail(EINVAL, "'" + text + "' is no swap: zram[:SIZE], file:PATH[:SIZE], memory[:SIZE] or none");
  SwapSpec spec;
  spec.kind = known->kind;
  std::string rest = colon == std::string::npos ? "" : text.substr(colon + 1);
  if (spec.kind == SwapSpec::Kind::None && colon != std::string::npos) return fail(EINVAL, "'none' takes no size");
  if (spec.kind == SwapSpec::Kind::File) {
    // What follows the last colon is a size if it reads as one; a path may hold colons.
    const std::size_t last = rest.rfind(':');
    const auto size = last == std::string::npos ? Result<Bytes>(fail(EINVAL)) : parse_size(rest.substr(last + 1));
    if (size) {
      spec.size = *size;
      rest.resize(last);
    }
    if (rest.empty()) return fail(EINVAL, "the path is missing (file:PATH[:SIZE])");
    spec.path = rest;
  } else if (colon != std::string::npos) {
    spec.size = PAGEFOLD_TRY(parse_size(rest));
  }
  return spec;
}

std::string SwapSpec::name() const {
  const auto known = std::find_if(std::begin(kKinds), std::end(kKinds), [&](const auto& k) { return k.kind == kind; });
  return path.empty() ? known->name : std::string(known->name) + ":" + path;
}

Result<std::unique_ptr<SwapBackend>> make_swap(const SwapSpec& spec) {
  const Bytes size = spec.size != 0 ? spec.size : usual_size();
  switch (spec.kind) {
    case SwapSpec::Kind::Zram:
      return make_zram(size);
    case SwapSpec::Kind::Memory:
      return make_memory_swap(size);
    case SwapSpec::Kind::File:
      return make_swap_file(spec.path, size);
    case SwapSpec::Kind::None:
      break;
  }
  return std::unique_ptr<SwapBackend>();
}

bool all_zeros(const std::byte* page) {
  std::uint64_t first = 0;
  std::memcpy(&first, page, sizeof first);
  return first == 0 && std::memcmp(page, page + sizeof first, kPageSize - sizeof first) == 0;
}

}  // namespace pagefold::reclaim
