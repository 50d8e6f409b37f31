// The public head of link_map (address, name, dynamic section, next) is ABI; its TLS members are found with the layout
// tables of src/ld/abi, which both loaders' libc obeys.
#include "snapshot.h"

#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "ld/abi/glibc/layout.h"
#include "tracee.h"

namespace pagefold::bindings {
namespace {

constexpr size_t kMostObjects = 4096;

std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

struct Loaded {
  Object object;
  uint64_t map = 0;
  uint64_t base = 0;
};

class Taker {
 public:
  Taker(const std::string& program, const std::string& loader, const std::vector<std::string>& environment)
      : program_(program), loader_file_(elf_file(loader)), tracee_(program, loader, environment, STDERR_FILENO) {}

  Snapshot take() {
    if (!tracee_.started() || loader_file_ == nullptr) return failed("not started: " + tracee_.ending());
    if (tracee_.auxiliary(AT_SECURE) != 0)
      return failed("privileged: always the genuine loader's, and out of reach here");
    if (!reach_relocated()) return failed("ended before it was relocated: " + tracee_.ending());
    read_objects();
    read_words();
    read_tls();
    follow_constructors();
    for (Loaded& one : loaded_) snapshot_.objects.push_back(std::move(one.object));
    return std::move(snapshot_);
  }

 private:
  static Snapshot failed(const std::string& why) {
    Snapshot none;
    none.failure = why;
    return none;
  }

  [[nodiscard]] uint64_t loader_symbol(const char* name) const {
    const auto found = loader_file_->address_of.find(name);
    return found == loader_file_->address_of.end() ? 0 : tracee_.auxiliary(AT_BASE) + found->second;
  }

  bool reach_relocated() {
    const uint64_t told = loader_symbol("_dl_debug_state");
    debug_ = loader_symbol("_r_debug");
    if (told == 0 || debug_ == 0) return false;
    tracee_.set_breakpoint(told);
    tracee_.set_breakpoint(tracee_.auxiliary(AT_ENTRY));
    while (tracee_.go_on() == Tracee::Stop::Breakpoint && tracee_.stopped_at() == told) {
      const auto state = static_cast<uint32_t>(tracee_.word(debug_ + offsetof(r_debug, r_state)));
      const bool relocated = state == r_debug::RT_CONSISTENT && tracee_.word(debug_ + offsetof(r_debug, r_map)) != 0;
      tracee_.skip_function();
      if (relocated) return true;
    }
    return false;
  }

  void read_objects() {
    uint64_t map = tracee_.word(debug_ + offsetof(r_debug, r_map));
    for (; map != 0 && loaded_.size() < kMostObjects; map = tracee_.word(map + offsetof(link_map, l_next))) {
      Loaded one;
      one.map = map;
      one.base = tracee_.word(map + offsetof(link_map, l_addr));
      const std::string name = tracee_.text(tracee_.word(map + offsetof(link_map, l_name)));
      const bool is_loader = one.base == tracee_.auxiliary(AT_BASE);
      one.object.name = loaded_.empty() ? last_part(program_) : is_loader ? "the loader" : last_part(name);
      if (!is_loader) one.object.file = elf_file(loaded_.empty() ? program_ : name);
      if (is_loader) loader_base_ = one.base;
      if (one.object.file != nullptr) by_address_[one.base + one.object.file->start] = loaded_.size();
      loaded_.push_back(std::move(one));
    }
  }

  [[nodiscard]] Value told(uint64_t word) const {
    if (word >= loader_base_ && loader_file_->contains(word - loader_base_)) {
      const auto name = loader_file_->exported.find(word - loader_base_);
      return {kLoader, name == loader_file_->exported.end() ? 0 : std::hash<std::string>{}(name->second)};
    }
    const auto next = by_address_.upper_bound(word);
    if (next != by_address_.begin()) {
      const Loaded& one = loaded_[std::prev(next)->second];
      if (one.object.file->contains(word - one.base))
        return {static_cast<int>(std::prev(next)->second), word - one.base};
    }
    const auto after = std::ranges::upper_bound(mappings_, word, {}, &Range::start);
    if (after != mappings_.begin() && word < std::prev(after)->end) return {kElsewhere, 0};
    return {kPlain, word};
  }

  void read_words() {
    mappings_ = tracee_.mappings();
    std::string bytes;
    for (Loaded& one : loaded_) {
      if (one.object.file == nullptr) continue;
      read_image(one, bytes);
      const uint64_t start = one.object.file->start;
      for (const Site& site : one.object.file->sites) {
        for (uint64_t done = 0; done < site.bytes; done += 8) {
          uint64_t word = 0;
          const uint64_t at = site.offset + done - start;
          if (at + 8 <= bytes.size())
            std::copy_n(bytes.data() + at, std::min<uint64_t>(8, site.bytes - done), reinterpret_cast<char*>(&word));
          one.object.words.push_back(told(word));
        }
      }
    }
  }

  // The whole of an object's address range; what is not mapped reads as zeros.
  void read_image(const Loaded& one, std::string& bytes) const {
    const uint64_t start = one.base + one.object.file->start;
    const uint64_t end = one.base + one.object.file->end;
    bytes.assign(end - start, '\0');
    for (const Range& range : mappings_) {
      const uint64_t from = std::max(start, range.start);
      const uint64_t to = std::min(end, range.end);
      if (from < to) (void)tracee_.read(from, bytes.data() + (from - start), to - from);
    }
  }

  void read_tls() {
    const ld::glibc::Layout* layout = nullptr;
    for (const Loaded& one : loaded_) {
      if (one.object.name == "libc.so.6" && one.object.file != nullptr)
        layout = ld::glibc::find_layout(one.object.file->build_id);
    }
    if (layout == nullptr) return;
    for (Loaded& one : loaded_) {
      one.object.tls_module = tracee_.word(one.map + layout->link_map.l_tls_modid);
      one.object.tls_offset = static_cast<int64_t>(tracee_.word(one.map + layout->link_map.l_tls_offset));
    }
  }

  void watch(std::map<uint64_t, std::string>& names, uint64_t address, const std::string& name) {
    if (address == 0 || address == ~0ULL) return;
    names.emplace(address, name);
    tracee_.set_breakpoint(address);
  }

  void follow_constructors() {
    std::map<uint64_t, std::string> names;
    for (const Loaded& one : loaded_) {
      const ElfFile* file = one.object.file;
      if (file == nullptr) continue;
      if (file->init != 0) watch(names, one.base + file->init, one.object.name + " DT_INIT");
      for (uint64_t i = 0; i < file->init_entries; ++i) {
        watch(names, tracee_.word(one.base + file->init_array + i * 8),
              one.object.name + " DT_INIT_ARRAY[" + std::to_string(i) + "]");
      }
      for (uint64_t i = 0; &one == &loaded_.front() && i < file->preinit_entries; ++i) {
        watch(names, tracee_.word(one.base + file->preinit_array + i * 8),
              one.object.name + " DT_PREINIT_ARRAY[" + std::to_string(i) + "]");
      }
    }
    while (tracee_.go_on() == Tracee::Stop::Breakpoint) {
      const auto name = names.find(tracee_.stopped_at());
      if (name != names.end()) snapshot_.constructors.push_back(name->second);
      if (tracee_.stopped_at() == tracee_.auxiliary(AT_ENTRY)) {
        snapshot_.constructors.emplace_back("entry");
        return;
      }
      tracee_.skip_function();
    }
    snapshot_.constructors.push_back("ended: " + tracee_.ending());
  }

  std::string program_;
  const ElfFile* loader_file_;
  Tracee tracee_;
  uint64_t debug_ = 0;
  uint64_t loader_base_ = 0;
  std::vector<Loaded> loaded_;
  std::vector<Range> mappings_;
  std::map<uint64_t, size_t> by_address_;  // where an object starts -> its index
  Snapshot snapshot_;
};

std::string shown(const Value& value, const Snapshot& snapshot) {
  char hex[32];
  std::snprintf(hex, sizeof hex, "%#lx", value.offset);
  if (value.object == kPlain) return hex;
  if (value.object == kElsewhere) return "memory of no object";
  if (value.object == kLoader) return value.offset == 0 ? "inside the loader" : "an export of the loader";
  return snapshot.objects[static_cast<size_t>(value.object)].name + "+" + hex;
}

void compare_words(const Snapshot& genuine, const Snapshot& tested, size_t index, Comparison& result) {
  const Object& a = genuine.objects[index];
  const Object& b = tested.objects[index];
  size_t word = 0;
  for (const Site& site : a.file->sites) {
    for (uint64_t done = 0; done < site.bytes; done += 8, ++word) {
      ++result.words;
      if (a.words[word] == b.words[word]) continue;
      const std::string symbol = site.symbol < a.file->symbol_names.size() ? a.file->symbol_names[site.symbol] : "";
      char place[64];
      std::snprintf(place, sizeof place, "+%#lx type %u ", site.offset + done, site.type);
      result.differences.push_back("word " + a.name + " " + (symbol.empty() ? "-" : symbol) + " " + place +
                                   shown(a.words[word], genuine) + " / " + shown(b.words[word], tested));
    }
  }
}

std::string object_names(const Snapshot& snapshot) {
  std::string names;
  for (const Object& one : snapshot.objects) names += " " + one.name;
  return names;
}

}  // namespace

Snapshot take_snapshot(const std::string& program, const std::string& loader, bool bind_now,
                       const std::vector<std::string>& more_environment) {
  std::vector<std::string> environment = {"PATH=/usr/bin:/bin", "HOME=/", "LC_ALL=C",
                                          bind_now ? "LD_BIND_NOW=1" : "BOUND=lazily"};
  environment.insert(environment.end(), more_environment.begin(), more_environment.end());
  return Taker(program, loader, environment).take();
}

Comparison compare(const Snapshot& genuine, const Snapshot& tested) {
  Comparison result;
  if (!genuine.failure.empty() || !tested.failure.empty()) {
    if (genuine.failure != tested.failure)
      result.differences.push_back("load - - " + genuine.failure + " / " + tested.failure);
    return result;
  }
  if (object_names(genuine) != object_names(tested)) {
    result.differences.push_back("objects - -" + object_names(genuine) + " /" + object_names(tested));
    return result;
  }
  for (size_t i = 0; i < genuine.objects.size(); ++i) {
    const Object& a = genuine.objects[i];
    const Object& b = tested.objects[i];
    if (a.file != nullptr && a.file == b.file) compare_words(genuine, tested, i, result);
    if (a.tls_offset != b.tls_offset || a.tls_module != b.tls_module) {
      result.differences.push_back("tls " + a.name + " - module " + std::to_string(a.tls_module) + " offset " +
                                   std::to_string(a.tls_offset) + " / module " + std::to_string(b.tls_module) +
                                   " offset " + std::to_string(b.tls_offset));
    }
  }
  const auto [x, y] = std::ranges::mismatch(genuine.constructors, tested.constructors);
  if (x != genuine.constructors.end() || y != tested.constructors.end()) {
    result.differences.push_back("order " + (x == genuine.constructors.end() ? "nothing" : *x) + " / " +
                                 (y == tested.constructors.end() ? "nothing" : *y));
  }
  return result;
}

}  // namespace pagefold::bindings
