// The stub as bytes, embedded in the supervisor, with the addresses of its entry points.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pagefold::stub {

extern const unsigned char kBlob[];
extern const std::size_t kBlobSize;
extern const std::uint64_t kForkEntry;
extern const std::uint64_t kSignalEntry;
extern const std::uint64_t kSystemCall;

}  // namespace pagefold::stub
