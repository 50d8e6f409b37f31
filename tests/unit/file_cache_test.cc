// The page cache and its leases, with real files: who opens a file for writing waits until every mapping has been handed back.
#include "cache/file_cache.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include "scratch_file.h"

namespace pagefold::cache {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Patience = FileObject::Patience;

std::string pages(PageIndex count, Bytes more = 0) {
  std::string text;
  for (PageIndex page = 0; page < count; ++page) text += std::string(kPageSize, static_cast<char>('a' + page));
  return text + std::string(more, '.');
}

char first_byte(FileObject& file, PageIndex page) {
  std::array<char, kPageSize> contents{};
  EXPECT_TRUE(file.copy_page(page, contents.data(), Patience::Wait));
  return contents[0];
}

std::shared_ptr<FileObject> whole(const ScratchFile& scratch) {
  UniqueFd fd = scratch.open();
  struct stat status {};
  EXPECT_EQ(::fstat(fd.get(), &status), 0);
  auto made = FileObject::create(std::move(fd), status, scratch.path());
  EXPECT_TRUE(made);
  return *made;
}

TEST(FileObject, ReadsEachPageOnce) {
  const ScratchFile scratch(pages(8));
  ASSERT_TRUE(scratch.usable());
  const auto file = whole(scratch);
  EXPECT_EQ(file->pages(), 8U);
  EXPECT_EQ(*file->ensure(2, 5, Patience::Wait), 3U);
  EXPECT_EQ(*file->ensure(0, 8, Patience::Wait), 5U);
  EXPECT_EQ(*file->ensure(0, 8, Patience::Wait), 0U);
  EXPECT_EQ(file->resident_pages(), 8U);
  for (PageIndex page = 0; page < 8; ++page) EXPECT_EQ(first_byte(*file, page), static_cast<char>('a' + page));
}

TEST(FileObject, EndsInZeros) {
  const ScratchFile scratch(pages(1, 5));
  const auto file = whole(scratch);
  ASSERT_EQ(file->pages(), 2U);
  ASSERT_TRUE(file->ensure(0, 2, Patience::Wait));
  std::array<char, kPageSize> last{};
  last.fill('x');
  ASSERT_TRUE(file->copy_page(1, last.data(), Patience::Wait));
  EXPECT_EQ(std::string(last.data(), 7), std::string(".....\0\0", 7));
  EXPECT_EQ(last.back(), 0);
}

TEST(FileObject, ManyReadersReadEachPageOnce) {
  const ScratchFile scratch(pages(26));
  const auto file = whole(scratch);
  std::atomic<PageIndex> read{0};
  std::vector<std::thread> readers;
  for (PageIndex first = 0; first < 8; ++first)
    readers.emplace_back([&, first] { read += file->ensure(first, 26, Patience::Wait).value_or(1000); });
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(read, 26U);
}

TEST(FileObject, NoLongerTrustsFramesOnceGivenUp) {
  const ScratchFile scratch(pages(2));
  const auto file = whole(scratch);
  ASSERT_TRUE(file->ensure(0, 2, Patience::Wait));
  file->give_up();
  const UniqueFd writer = scratch.open(O_RDWR);
  ASSERT_EQ(::pwrite(writer.get(), "Z", 1, 0), 1);
  ASSERT_EQ(::ftruncate(writer.get(), static_cast<off_t>(3 * kPageSize)), 0);
  EXPECT_EQ(first_byte(*file, 0), 'Z');
  EXPECT_EQ(file->pages(), 3U);
}

class FileCacheTest : public testing::Test {
 protected:
  FileCacheTest() : cache_([this](const auto& file) { handler_(file); }) {}
  void SetUp() override {
    ASSERT_TRUE(scratch_.usable());
    cache_.start();
    const UniqueFd probe = scratch_.open();
    if (::fcntl(probe.get(), F_SETLEASE, F_RDLCK) != 0) GTEST_SKIP() << "no file leases in the build folder";
  }
  std::shared_ptr<FileObject> look(const ScratchFile& file) {
    const UniqueFd fd = file.open();
    const auto object = cache_.lookup(fd.get(), file.path());
    return object ? std::dynamic_pointer_cast<FileObject>(*object) : nullptr;
  }

  std::function<void(const std::shared_ptr<FileObject>&)> handler_ = [](const auto&) {};
  ScratchFile scratch_{pages(3)};
  FileCache cache_;
};

TEST_F(FileCacheTest, AFileNobodyWritesIsOneObject) {
  const auto file = look(scratch_);
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(look(scratch_), file);
  EXPECT_EQ(cache_.objects().size(), 1U);
}

TEST_F(FileCacheTest, AFileSomebodyWritesIsLeftToTheHost) {
  UniqueFd writer = scratch_.open(O_RDWR);
  EXPECT_EQ(look(scratch_), nullptr);
  EXPECT_EQ(cache_.host_mapped(), 1U);
  writer.reset();
  EXPECT_NE(look(scratch_), nullptr);
}

TEST_F(FileCacheTest, EmptyFilesAndDevicesAreLeftToTheHost) {
  const ScratchFile empty("");
  EXPECT_EQ(look(empty), nullptr);
  const UniqueFd device(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  const auto object = cache_.lookup(device.get(), "/dev/zero");
  ASSERT_TRUE(object);
  EXPECT_EQ((*object)->kind(), vm::Object::Kind::Host);
}

TEST_F(FileCacheTest, AWriterWaitsUntilTheFileIsHandedBack) {
  std::atomic<bool> opened{false}, opened_early{false};
  std::shared_ptr<FileObject> told;
  handler_ = [&](const std::shared_ptr<FileObject>& file) {
    told = file;
    std::this_thread::sleep_for(200ms);
    opened_early = opened.load();
  };
  const auto file = look(scratch_);
  ASSERT_NE(file, nullptr);
  const auto before = Clock::now();
  const UniqueFd writer = scratch_.open(O_RDWR);
  opened = true;
  ASSERT_TRUE(writer);
  EXPECT_GE(Clock::now() - before, 200ms);
  EXPECT_LT(Clock::now() - before, 10s);
  EXPECT_FALSE(opened_early);
  EXPECT_EQ(told, file);
  EXPECT_TRUE(file->given_up());
  EXPECT_EQ(look(scratch_), nullptr);
  EXPECT_TRUE(cache_.objects().empty());
}

TEST_F(FileCacheTest, AChangedFileIsANewObject) {
  const auto before = look(scratch_);
  ASSERT_NE(before, nullptr);
  {
    const UniqueFd writer = scratch_.open(O_RDWR);
    ASSERT_EQ(::pwrite(writer.get(), "Z", 1, 0), 1);
  }
  const auto after = look(scratch_);
  ASSERT_NE(after, nullptr);
  EXPECT_NE(after, before);
  ASSERT_TRUE(after->ensure(0, 1, Patience::Wait));
  EXPECT_EQ(first_byte(*after, 0), 'Z');
}

// A writer may come between the lease and the moment the cache knows whose lease it is. It must not wait for the host to break
// the lease by force (45 s).
TEST_F(FileCacheTest, NoWriterIsForgottenWhoComesDuringALookup) {
  std::atomic<bool> done{false};
  std::thread writer([&] {
    while (!done) {
      const UniqueFd fd = scratch_.open(O_RDWR);
      EXPECT_TRUE(fd);
    }
  });
  auto longest = Clock::duration::zero();
  const auto end = Clock::now() + 2s;
  while (Clock::now() < end) {
    const auto before = Clock::now();
    (void)look(scratch_);
    const UniqueFd fd = scratch_.open(O_RDWR);
    longest = std::max(longest, Clock::now() - before);
  }
  done = true;
  writer.join();
  EXPECT_LT(Clock::now() - end, 5s);
  EXPECT_LT(longest, 5s);
}

}  // namespace
}  // namespace pagefold::cache
