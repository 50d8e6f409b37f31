// Sizes and times as people read them.
#pragma once

#include <cstdint>
#include <string>

#include "base/page.h"

namespace pagefold::report {

// "512 B", "96 KiB", "1.9 MiB", "12.4 GiB": powers of 1024; one decimal below 100 unless the number is whole.
std::string human_bytes(Bytes bytes);

// "850 ns", "1.2 us", "12 ms", "3.4 s": three digits or fewer until seconds, one decimal below 10.
std::string human_time(std::uint64_t nanoseconds);

// "1,234,567".
std::string human_count(std::uint64_t count);

// "25 %"; "< 1 %" for a small part that is not nothing; whole must not be 0.
std::string human_share(std::uint64_t part, std::uint64_t whole);

}  // namespace pagefold::report
