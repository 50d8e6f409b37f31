// Runs a fuzz target on files (and the files of folders), and on every truncation and many single-byte changes of each:
// a bounded check where no libFuzzer is installed. Any finding is a crash or a sanitizer's report.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

void run(const std::vector<uint8_t>& bytes, size_t size) { LLVMFuzzerTestOneInput(bytes.data(), size); }

uint64_t run_with_changes(std::vector<uint8_t> bytes) {
  uint64_t runs = 1;
  run(bytes, bytes.size());
  for (size_t size = 0; size < bytes.size(); size += 13, ++runs) run(bytes, size);
  for (size_t at = 0; at < bytes.size(); ++at) {
    const uint8_t before = bytes[at];
    for (const unsigned change : {0x01U, 0x80U, 0xffU}) {
      bytes[at] = static_cast<uint8_t>(before ^ change);
      run(bytes, bytes.size());
      ++runs;
    }
    bytes[at] = before;
  }
  return runs;
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t runs = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      std::ifstream in(entry.path(), std::ios::binary);
      runs += run_with_changes({std::istreambuf_iterator<char>(in), {}});
    }
  }
  std::printf("%llu runs\n", static_cast<unsigned long long>(runs));
  return runs > 0 ? 0 : 1;
}
