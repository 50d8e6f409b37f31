// Whether ld-pagefold.so knows this machine's libc and processor: a table by the libc's build-id, agreement of the
// descriptors that the libc exports with that table, and rules for the processor's vendor.
#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <vector>

#include "base/fd.h"
#include "host/probes.h"
#include "ld/abi/glibc/cpu_features.h"
#include "ld/abi/glibc/cross_check.h"

namespace pagefold::host {
namespace {

namespace glibc = ld::glibc;

Result<std::vector<uint8_t>> part(int fd, uint64_t offset, uint64_t size) {
  std::vector<uint8_t> bytes(size);
  const ssize_t n = ::pread(fd, bytes.data(), size, static_cast<off_t>(offset));
  if (n < 0) return fail(errno, "pread");
  bytes.resize(static_cast<size_t>(n));
  return bytes;
}

template <class T>
T at(std::span<const uint8_t> bytes, uint64_t offset) {
  T value{};
  if (offset <= bytes.size() && sizeof(T) <= bytes.size() - offset)
    std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

// The descriptor of NT_GNU_BUILD_ID in a note segment; empty: there is none.
std::span<const uint8_t> build_id_in(std::span<const uint8_t> notes) {
  for (uint64_t offset = 0; offset + sizeof(Elf64_Nhdr) <= notes.size();) {
    const auto note = at<Elf64_Nhdr>(notes, offset);
    const uint64_t description = offset + sizeof note + ((note.n_namesz + 3ull) & ~3ull);
    if (note.n_type == NT_GNU_BUILD_ID && description + note.n_descsz <= notes.size())
      return notes.subspan(description, note.n_descsz);
    offset = description + ((note.n_descsz + 3ull) & ~3ull);
  }
  return {};
}

Result<std::vector<uint8_t>> build_id(int fd) {
  const auto header_bytes = PAGEFOLD_TRY(part(fd, 0, sizeof(Elf64_Ehdr)));
  const auto header = at<Elf64_Ehdr>(header_bytes, 0);
  if (header_bytes.size() < sizeof header || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
    return fail(ENOEXEC, "not an ELF file");
  const auto segments = PAGEFOLD_TRY(part(fd, header.e_phoff, uint64_t{header.e_phnum} * sizeof(Elf64_Phdr)));
  for (unsigned i = 0; i < header.e_phnum; i++) {
    const auto segment = at<Elf64_Phdr>(segments, i * sizeof(Elf64_Phdr));
    if (segment.p_type != PT_NOTE || segment.p_filesz > 65536) continue;
    const auto notes = PAGEFOLD_TRY(part(fd, segment.p_offset, segment.p_filesz));
    if (const auto found = build_id_in(notes); !found.empty()) return std::vector<uint8_t>(found.begin(), found.end());
  }
  return fail(ENOENT, "no build-id");
}

std::string hexadecimal(const std::vector<uint8_t>& bytes) {
  std::string text;
  for (const uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace

std::string system_libc() {
  constexpr std::array kPlaces = {"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/usr/lib64/libc.so.6", "/usr/lib/libc.so.6"};
  const auto* found = std::ranges::find_if(kPlaces, [](const char* path) { return ::access(path, R_OK) == 0; });
  return found == kPlaces.end() ? std::string() : *found;
}

Result<std::string> probe_loader_libc(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return fail(errno, path.empty() ? "no libc.so.6 where distributions have it" : path);
  const auto id = build_id(file.get());
  if (!id) return fail(id.error().code, path + ": " + id.error().context);
  const glibc::Build* build = glibc::find_build(*id);
  if (!build) return fail(ENOTSUP, fmt::format("{} with build-id {} has no table", path, hexadecimal(*id)));
  const glibc::DescriptorRange range = glibc::descriptor_range(build->layout);
  const auto descriptors = part(file.get(), range.offset, range.size);
  if (!descriptors) return fail(descriptors.error().code, path + ": " + descriptors.error().context);
  if (const char* member = glibc::contradicted_descriptor(build->layout, *descriptors))
    return fail(EBADMSG, fmt::format("{}: its descriptor of {} contradicts the table", path, member));
  return fmt::format("{} {}", path, build->version);
}

Result<std::string> probe_loader_processor() {
  glibc::Cpuid cpuid;
  glibc::CpuFeatures cpu;
  if (!glibc::detect(cpu, cpuid, glibc::known_builds().front().minor, ::getauxval(AT_HWCAP2)))
    return fail(ENOTSUP, "its rules for IFUNC choices are not written down");
  return fmt::format("{} family {} model {}, x86-64-v{}", cpu.vendor == glibc::Vendor::kIntel ? "Intel" : "AMD",
                     cpu.family, cpu.model, __builtin_popcount(cpu.isa_level));
}

}  // namespace pagefold::host
