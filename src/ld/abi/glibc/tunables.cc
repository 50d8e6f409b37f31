// Two readers, because glibc 2.39 became strict: before, a malformed assignment is skipped and any text is a number (0
// at worst); since, one mistake drops the whole list with a warning. There the last of two assignments of the
// environment wins, before the first.
#include "ld/abi/glibc/tunables.h"

namespace pagefold::ld::glibc {
namespace {

constexpr uint32_t kNone = UINT32_MAX;
constexpr char kList[] = "GLIBC_TUNABLES";

// ld.so's own tunables whose effect is exactly ours; `glibc.rtld.` and `glibc.cpu.` hold no others that may be set.
constexpr const char kOurs[][32] = {"glibc.rtld.nns", "glibc.rtld.optional_static_tls", "glibc.pthread.rseq"};
constexpr const char kLoaders[][12] = {"glibc.rtld.", "glibc.cpu."};

bool starts_with(const char* text, const char* prefix) {
  for (; *prefix; text++, prefix++)
    if (*text != *prefix) return false;
  return true;
}

bool equal(const char* a, const char* b) {
  for (; *a && *a == *b; a++, b++) {
  }
  return *a == *b;
}

// The rest after "NAME=" if `variable` assigns to `name`.
const char* assigned(const char* variable, const char* name) {
  for (; *name; variable++, name++)
    if (*variable != *name) return nullptr;
  return *variable == '=' ? variable + 1 : nullptr;
}

bool belongs_to_genuine(const char* name) {
  for (const auto& ours : kOurs)
    if (equal(name, ours)) return false;
  for (const auto& prefix : kLoaders)
    if (starts_with(name, prefix)) return true;
  return false;
}

bool is_signed(TunableType type) { return type == TunableType::kInt32; }

bool less(uint64_t a, uint64_t b, TunableType type) {
  return is_signed(type) ? static_cast<int64_t>(a) < static_cast<int64_t>(b) : a < b;
}

}  // namespace

uint64_t parse_number(const char* text, const char** end) {
  while (*text == ' ' || *text == '\t') text++;
  const bool negative = *text == '-';
  if (*text == '-' || *text == '+') text++;
  unsigned base = 10;
  if (*text == '0') {
    const bool hexadecimal = text[1] == 'x' || text[1] == 'X';
    base = hexadecimal ? 16 : 8;
    if (hexadecimal) text += 2;
  }
  uint64_t result = 0;
  for (;; text++) {
    const char lower = static_cast<char>(*text | 0x20);
    unsigned digit = base;
    if (*text >= '0' && *text <= '9') digit = static_cast<unsigned>(*text - '0');
    if (base == 16 && lower >= 'a' && lower <= 'f') digit = static_cast<unsigned>(lower - 'a') + 10;
    if (digit >= base) break;
    if (result >= (UINT64_MAX - digit) / base) {
      *end = text;
      return UINT64_MAX;
    }
    result = result * base + digit;
  }
  *end = text;
  return negative ? 0 - result : result;
}

uint32_t Tunables::find(Text name) const {
  for (uint32_t i = 0; i < build_->tunables; i++) {
    const char* known = build_->tunable[i].name;
    if (__builtin_strlen(known) == name.size && __builtin_memcmp(known, name.start, name.size) == 0) return i;
  }
  return kNone;
}

uint32_t Tunables::find_alias(const char* variable, const char** value) const {
  for (uint32_t i = 0; i < build_->tunables; i++) {
    const char* alias = build_->tunable[i].env_alias;
    if (alias[0] == variable[0] && alias[0] && (*value = assigned(variable, alias))) return i;
  }
  return kNone;
}

const char* Tunables::take(uint32_t id, Text text) {
  const Tunable& tunable = build_->tunable[id];
  if (belongs_to_genuine(tunable.name)) return tunable.name;
  if (tunable.type == TunableType::kString) return tunable.name;
  const char* end;
  uint64_t value = parse_number(text.start, &end);
  if (strict() && end != text.start + text.size) return tunable.name;  // a warning of ld.so's
  if (strict() && tunable.type == TunableType::kInt32) value = static_cast<uint64_t>(static_cast<int32_t>(value));
  if (less(value, tunable.minimum, tunable.type) || less(tunable.maximum, value, tunable.type)) return nullptr;
  value_[id] = value;
  set_[id] = true;
  return nullptr;
}

const char* Tunables::read_list(const char* p) {
  while (*p) {
    const char* name = p;
    while (*p != '=' && *p != ':' && *p) p++;
    if (!*p) break;
    if (*p++ == ':') continue;
    const uint32_t id = find({name, static_cast<uint64_t>(p - 1 - name)});
    const char* value = p;
    while (*p != ':' && *p) p++;
    if (id != kNone)
      if (const char* reason = take(id, {value, static_cast<uint64_t>(p - value)})) return reason;
    if (!*p) break;
    p++;
  }
  return nullptr;
}

const char* Tunables::read_list_strictly(const char* p) {
  Text chosen[kMaxTunables] = {};
  for (bool done = *p == 0; !done;) {
    const char* name = p;
    while (*p != '=' && *p != ':' && *p) p++;
    if (!*p) return kList;
    if (*p++ == ':') continue;
    const uint32_t id = find({name, static_cast<uint64_t>(p - 1 - name)});
    const char* value = p;
    while (*p != '=' && *p != ':' && *p) p++;
    if (*p == '=') return kList;
    if (id != kNone) chosen[id] = {value, static_cast<uint64_t>(p - value)};
    done = !*p;
    if (!done) p++;
  }
  for (uint32_t i = 0; i < build_->tunables; i++)
    if (chosen[i].start)
      if (const char* reason = take(i, chosen[i])) return reason;
  return nullptr;
}

const char* Tunables::take_alias(uint32_t id, const char* value) {
  if (set_[id]) return nullptr;
  return take(id, {value, __builtin_strlen(value)});
}

const char* Tunables::read(const Build& build, const char* const* environment) {
  build_ = &build;
  for (uint32_t i = 0; i < build.tunables; i++) {
    value_[i] = build.tunable[i].initial;
    set_[i] = false;
  }
  const char* alias[kMaxTunables] = {};
  for (; *environment; environment++) {
    const char* reason = nullptr;
    if (const char* list = assigned(*environment, kList)) {
      reason = strict() ? read_list_strictly(list) : read_list(list);
    } else {
      const char* value;
      const uint32_t id = find_alias(*environment, &value);
      if (id == kNone) continue;
      if (strict())
        alias[id] = value;
      else
        reason = take_alias(id, value);
    }
    if (reason) return reason;
  }
  for (uint32_t i = 0; i < build.tunables; i++)
    if (alias[i])
      if (const char* reason = take_alias(i, alias[i])) return reason;
  return nullptr;
}

void Tunables::get(uint32_t id, void* to, Callback callback) const {
  switch (build_->tunable[id].type) {
    case TunableType::kInt32:
      *static_cast<int32_t*>(to) = static_cast<int32_t>(value_[id]);
      break;
    case TunableType::kUint64:
    case TunableType::kSizeT:
      *static_cast<uint64_t*>(to) = value_[id];
      break;
    case TunableType::kString:
      *static_cast<const char**>(to) = nullptr;
      break;
  }
  if (set_[id] && callback) callback(&value_[id]);
}

uint64_t Tunables::number(const char* name, uint64_t fallback) const {
  const uint32_t id = find({name, __builtin_strlen(name)});
  return id == kNone ? fallback : value_[id];
}

TlsSurplus tls_surplus(const Tunables& tunables) {
  constexpr int kNamespaces = 16, kLibcTls = 144, kOtherTls = 144, kDefaultNamespaces = 4, kDefaultOptional = 512,
                kHistoric = 1664;
  const auto surplus = [](int namespaces, int optional) {
    return (namespaces - 1) * kLibcTls + namespaces * kOtherTls + optional;
  };
  const uint64_t wanted = tunables.number("glibc.rtld.nns", kDefaultNamespaces);
  const uint64_t optional = tunables.number("glibc.rtld.optional_static_tls", kDefaultOptional);
  const int namespaces = wanted > kNamespaces ? kNamespaces : static_cast<int>(wanted);
  // The sum is an int in glibc, and wraps like one.
  const int sum = surplus(namespaces, 0) + kHistoric - surplus(kDefaultNamespaces, kDefaultOptional);
  return {static_cast<uint64_t>(
              static_cast<int64_t>(static_cast<int32_t>(static_cast<uint32_t>(sum) + static_cast<uint32_t>(optional)))),
          optional};
}

}  // namespace pagefold::ld::glibc
