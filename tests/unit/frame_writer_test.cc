// Dirty frames on their way to a file: in few runs by pwrite(2), in many through a mapping of it.
#include "cache/frame_writer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "scratch_file.h"

namespace pagefold::cache {
namespace {

constexpr PageIndex kPages = 1200;  // some windows

class FrameWriting : public testing::Test {
 protected:
  // Every page of the store is of 'n', of the file of 'o'.
  void SetUp() override {
    const std::string contents(bytes_of(kPages), 'n');
    ASSERT_TRUE(scratch_.usable());
    ASSERT_TRUE(file_);
    ASSERT_TRUE(store_->write(0, contents.data(), contents.size()));
  }
  // Each `step`th page is written; the first errno.
  int write(PageIndex step, Bytes size, Hurry hurry = Hurry::No) {
    vm::PageSet pages;
    for (PageIndex page = 0; page < page_of(page_up(size)); page += step) pages.set(page);
    FrameWriter frames(*store_, file_.get(), size, pages, hurry);
    int error = 0;
    pages.for_each_run(0, kPages, [&](PageIndex first, PageIndex last) {
      for (PageIndex to = first; first < last; first = to) {
        to = std::min(last, first + FrameWriter::kStep);
        if (const auto done = frames.write(first, to); !done && error == 0) error = done.error().code;
      }
    });
    return error;
  }
  [[nodiscard]] std::string contents() const {
    std::string all(bytes_of(kPages) + 1, '?');
    const ssize_t n = ::pread(file_.get(), all.data(), all.size(), 0);
    all.resize(n < 0 ? 0 : static_cast<Bytes>(n));
    return all;
  }
  [[nodiscard]] static std::string mixed(PageIndex step, Bytes size) {
    std::string all;
    for (PageIndex page = 0; page < kPages; ++page) all.append(kPageSize, page % step == 0 ? 'n' : 'o');
    return all.substr(0, size);
  }

  std::shared_ptr<frame::Store> store_ = *frame::Store::create("test", bytes_of(kPages));
  ScratchFile scratch_{std::string(bytes_of(kPages), 'o')};
  UniqueFd file_ = scratch_.open(O_RDWR);
};

TEST_F(FrameWriting, OneRunReachesTheFile) {
  EXPECT_EQ(write(1, bytes_of(kPages)), 0);
  EXPECT_EQ(contents(), mixed(1, bytes_of(kPages)));
}

TEST_F(FrameWriting, ScatteredPagesReachTheFileAndNothingElseDoes) {
  for (const PageIndex step : {PageIndex{2}, PageIndex{7}, PageIndex{600}}) {
    const std::string old(bytes_of(kPages), 'o');
    ASSERT_EQ(::pwrite(file_.get(), old.data(), old.size(), 0), static_cast<ssize_t>(old.size()));
    EXPECT_EQ(write(step, bytes_of(kPages), Hurry::Yes), 0);
    EXPECT_EQ(contents(), mixed(step, bytes_of(kPages))) << "each " << step << "th page";
  }
}

TEST_F(FrameWriting, TheLastPageIsWrittenAsFarAsTheFileReaches) {
  const Bytes size = bytes_of(1000) + 10;
  ASSERT_EQ(::ftruncate(file_.get(), static_cast<off_t>(size)), 0);
  EXPECT_EQ(write(2, size), 0);
  EXPECT_EQ(contents(), mixed(2, size));
}

// Somebody outside has cut the file off: a mapping cannot reach there, but what was stored must not be lost.
TEST_F(FrameWriting, PagesBehindAnEndThatCameNearerAreWrittenAllTheSame) {
  ASSERT_EQ(::ftruncate(file_.get(), static_cast<off_t>(bytes_of(100))), 0);
  EXPECT_EQ(write(2, bytes_of(kPages)), 0);
  const std::string seen = contents();
  ASSERT_EQ(seen.size(), bytes_of(kPages - 1));
  for (PageIndex page = 0; page < kPages - 1; ++page)
    ASSERT_EQ(seen[bytes_of(page)], page % 2 == 0 ? 'n' : page < 100 ? 'o' : '\0') << page;
}

TEST_F(FrameWriting, AFileThatCannotBeMappedIsWrittenByCalls) {
  file_ = scratch_.open(O_WRONLY);
  EXPECT_EQ(write(2, bytes_of(kPages)), 0);
  file_ = scratch_.open(O_RDONLY);
  EXPECT_EQ(contents(), mixed(2, bytes_of(kPages)));
}

TEST_F(FrameWriting, AnErrorIsTold) {
  file_ = scratch_.open(O_RDONLY);
  EXPECT_EQ(write(2, bytes_of(kPages)), EBADF);
  EXPECT_EQ(write(1, bytes_of(kPages)), EBADF);
}

}  // namespace
}  // namespace pagefold::cache
