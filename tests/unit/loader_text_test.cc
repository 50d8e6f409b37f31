// Names are compared eight bytes at a time; what lies behind the end of a page must not be touched for it.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "ld/base/text.h"

namespace pagefold::ld {
namespace {

// Two pages of which the second may not be touched; strings are put at the very end of the first.
class LoaderText : public ::testing::Test {
 protected:
  void SetUp() override {
    page_ = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    for (char*& side : sides_) {
      side = static_cast<char*>(::mmap(nullptr, page_ * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      ASSERT_NE(side, MAP_FAILED);
      ASSERT_EQ(::mprotect(side + page_, page_, PROT_NONE), 0);
    }
  }
  void TearDown() override {
    for (char* side : sides_) ::munmap(side, page_ * 2);
  }

  const char* at_end(int side, const std::string& text) {
    char* place = sides_[side] + page_ - text.size() - 1;
    std::memcpy(place, text.c_str(), text.size() + 1);
    return place;
  }

  std::size_t page_ = 0;
  char* sides_[2] = {};
};

TEST_F(LoaderText, EqualAtTheEndOfAPage) {
  const std::string letters = "abcdefghijklmnopqrstuvwxyz";
  for (std::size_t length = 0; length < letters.size(); ++length) {
    const std::string text = letters.substr(0, length);
    EXPECT_TRUE(equal(at_end(0, text), at_end(1, text))) << text;
    EXPECT_TRUE(equal(at_end(0, text), text.c_str())) << text;
    EXPECT_FALSE(equal(at_end(0, text), at_end(1, text + "z"))) << text;
    EXPECT_FALSE(equal(at_end(0, text + "z"), text.c_str())) << text;
    for (std::size_t i = 0; i < length; ++i) {
      std::string other = text;
      other[i] = static_cast<char>(other[i] ^ 0x80);
      EXPECT_FALSE(equal(at_end(0, text), at_end(1, other))) << text << i;
      EXPECT_FALSE(equal(text.c_str(), other.c_str())) << text << i;
    }
  }
}

// What follows the terminating zero is another string of the same table, and does not count.
TEST_F(LoaderText, EqualWhateverFollows) {
  const char a[] = "name\0one of many", b[] = "name\0two";
  EXPECT_TRUE(equal(a, b));
  EXPECT_FALSE(equal("name", "nam"));
}

}  // namespace
}  // namespace pagefold::ld
