// Frame stores: sparse, zero until written, given back by release, read-only where a guest maps a file's frames.
#include "frame/store.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>

#include "base/page.h"

namespace pagefold::frame {
namespace {

constexpr Bytes kFarPage = Bytes{1} << 40;

TEST(Store, IsSparseAndStartsAsZeros) {
  const auto store = *Store::create("test", kFarPage + kPageSize);
  EXPECT_EQ(store->resident(), 0U);
  std::array<char, kPageSize> contents{};
  contents.fill('x');
  ASSERT_TRUE(store->write(kFarPage, contents.data(), contents.size()));
  EXPECT_EQ(store->resident(), kPageSize);
  ASSERT_TRUE(store->read(0, contents.data(), contents.size()));
  EXPECT_EQ(contents, (std::array<char, kPageSize>{}));
}

TEST(Store, ReleasedFramesAreZerosAndCostNothing) {
  const auto store = *Store::create("test", 8 * kPageSize);
  const std::string text(8 * kPageSize, 'x');
  ASSERT_TRUE(store->write(0, text.data(), text.size()));
  ASSERT_TRUE(store->release(2 * kPageSize, 3 * kPageSize));
  EXPECT_EQ(store->resident(), 5 * kPageSize);
  char first = '?';
  for (PageIndex page = 0; page < 8; ++page) {
    ASSERT_TRUE(store->read(bytes_of(page), &first, 1));
    EXPECT_EQ(first, page >= 2 && page < 5 ? 0 : 'x');
  }
}

TEST(Store, AReleasedFrameLeavesEveryMapping) {
  const auto store = *Store::create("test", kPageSize);
  auto* at = static_cast<char*>(::mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, store->fd(), 0));
  ASSERT_NE(at, MAP_FAILED);
  at[7] = 'x';
  ASSERT_TRUE(store->release(0, kPageSize));
  EXPECT_EQ(at[7], 0);
  ::munmap(at, kPageSize);
}

TEST(Store, ReadingBeyondTheEndIsAnError) {
  const auto store = *Store::create("test", kPageSize);
  char byte = 0;
  const auto read = store->read(kPageSize, &byte, 1);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, EIO);
}

TEST(Store, ItsReaderCannotWrite) {
  const auto store = *Store::create("test", kPageSize);
  const UniqueFd reader = std::move(*store->open_read_only());
  EXPECT_EQ(::pwrite(reader.get(), "x", 1, 0), -1);
  EXPECT_EQ(::mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, reader.get(), 0), MAP_FAILED);
  auto* copy = static_cast<char*>(::mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE, reader.get(), 0));
  ASSERT_NE(copy, MAP_FAILED);
  copy[0] = 'x';
  char byte = '?';
  ASSERT_TRUE(store->read(0, &byte, 1));
  EXPECT_EQ(byte, 0);
  ::munmap(copy, kPageSize);
}

}  // namespace
}  // namespace pagefold::frame
