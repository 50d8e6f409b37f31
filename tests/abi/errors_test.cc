// Errors across the border to libc, without libc's help: the loader's own catch and signal (glibc 2.37 and later). The
// pointer to whoever waits is put into an unused part of this thread's block.
#include "ld/abi/glibc/exports/errors.h"

#include <gtest/gtest.h>
#include <stdarg.h>

#include <cstdlib>
#include <string>

#include "ld/abi/glibc/exports/format.h"
#include "ld/abi/glibc/info_index.h"

extern "C" {
using pagefold::ld::glibc::Exception;
using pagefold::ld::glibc::Operate;
void _dl_exception_create(Exception*, const char*, const char*);
void _dl_exception_create_format(Exception*, const char*, const char*, ...);
void _dl_exception_free(Exception*);
[[noreturn]] void _dl_signal_exception(int, Exception*, const char*);
[[noreturn]] void _dl_signal_error(int, const char*, const char*, const char*);
int _dl_catch_exception(Exception*, Operate, void*);
int _dl_catch_error(const char**, const char**, bool*, Operate, void*);
}

namespace {

using namespace pagefold::ld::glibc;

class Errors : public testing::Test {
 protected:
  void SetUp() override {
    layout = known_builds().front().layout;
    layout.pthread.rtld_catch = layout.tcb.size - 8;  // the TCB's padding
    set_error_border({&layout, 41, std::malloc, std::free,
                      [](int) -> const char* { return "No such file or directory"; }, "prog", nullptr, nullptr});
  }
  Layout layout;
};

struct Depth {
  int wanted, reached = 0;
};

// Fails below `wanted` frames, each with a catcher of its own that does not let go.
void fail_deep(void* argument) {
  auto& depth = *static_cast<Depth*>(argument);
  if (++depth.reached == depth.wanted) _dl_signal_error(2, "libx.so", nullptr, "cannot open");
  Exception inner;
  const int code = _dl_catch_exception(&inner, fail_deep, argument);
  if (code) _dl_signal_exception(code + 1, &inner, nullptr);
}

TEST_F(Errors, UnwindToTheInnermostWaiterAndOnFromThere) {
  Exception caught;
  Depth depth{4};
  EXPECT_EQ(_dl_catch_exception(&caught, fail_deep, &depth), 2 + 3);
  EXPECT_EQ(depth.reached, 4);
  EXPECT_STREQ(caught.object, "libx.so");
  EXPECT_STREQ(caught.text, "cannot open");
  _dl_exception_free(&caught);
  EXPECT_EQ(caught.text, nullptr);
}

TEST_F(Errors, SuccessClearsTheException) {
  Exception caught{"a", "b", nullptr};
  EXPECT_EQ(_dl_catch_exception(
                &caught, [](void*) {}, nullptr),
            0);
  EXPECT_EQ(caught.object, nullptr);
  EXPECT_EQ(caught.text, nullptr);
}

TEST_F(Errors, OldInterfaceSaysWhetherToFree) {
  const char *object, *text;
  bool allocated;
  EXPECT_EQ(_dl_catch_error(
                &object, &text, &allocated, [](void*) { _dl_signal_error(0, nullptr, nullptr, "why"); }, nullptr),
            0);
  EXPECT_STREQ(object, "");
  EXPECT_STREQ(text, "why");
  EXPECT_TRUE(allocated);
  free_error(const_cast<char*>(text));
}

TEST_F(Errors, NobodyWaitsIsFatalInGlibcsWords) {
  EXPECT_EXIT(_dl_signal_error(2, "libx.so", nullptr, "cannot open shared object file"), testing::ExitedWithCode(127),
              "^prog: error while loading shared libraries: libx.so: cannot open shared object file: No such file or "
              "directory\n$");
  EXPECT_EXIT(_dl_catch_exception(
                  nullptr, [](void*) { _dl_signal_error(0, nullptr, "relocation error", "x"); }, nullptr),
              testing::ExitedWithCode(127), "^prog: relocation error: x\n$");
}

TEST_F(Errors, OutOfMemoryNeedsNone) {
  set_error_border({&layout, 41, [](size_t) -> void* { return nullptr; }, [](void*) { std::abort(); }, nullptr, "prog",
                    nullptr, nullptr});
  Exception e;
  _dl_exception_create(&e, "x", "y");
  EXPECT_STREQ(e.text, "out of memory");
  EXPECT_EQ(e.buffer, nullptr);
  free_error(const_cast<char*>(e.text));
}

TEST_F(Errors, FormatsPadNumbersToFullWidth) {
  Exception e;
  _dl_exception_create_format(&e, nullptr, "%s: 0x%x 0x%lx 100%%", "tag", 0x1fu, 0xabcul);
  EXPECT_STREQ(e.text, "tag: 0x0000001f 0x0000000000000abc 100%");
  _dl_exception_free(&e);
}

std::string printed(const char* format, ...) {
  testing::internal::CaptureStderr();
  Printer printer(2);
  va_list arguments;
  va_start(arguments, format);
  printer.format(format, arguments);
  va_end(arguments);
  printer.flush();
  return testing::internal::GetCapturedStderr();
}

TEST_F(Errors, PrinterKnowsLdSosConversions) {
  EXPECT_EQ(printed("%s|%.*s|%c|%d|%u|%x|%lx|%zu|%0*lx|%5d|%%", "text", 2, "cut", 'c', -7, 7u, 0xffu, 0x123456789abul,
                    size_t{42}, 8, 0xbeeful, 12),
            "text|cu|c|-7|7|ff|123456789ab|42|0000beef|   12|%");
}

TEST(InfoIndex, PlacesTagsAsGlibcDoes) {
  Layout old{}, recent{};
  old.link_map.l_info_count = 80;
  recent.link_map.l_info_count = 84;
  EXPECT_EQ(InfoIndex(old)[DT_RELR], 36u);
  EXPECT_EQ(InfoIndex(old)[DT_VERSYM], 38u + (DT_VERNEEDNUM - DT_VERSYM));
  EXPECT_EQ(InfoIndex(recent)[DT_VERSYM], 42u + (DT_VERNEEDNUM - DT_VERSYM));
  EXPECT_EQ(InfoIndex(old)[DT_GNU_HASH], 38u + 16 + 3 + 12 + (DT_ADDRRNGHI - DT_GNU_HASH));
  EXPECT_EQ(InfoIndex(recent)[0x70000001], 39u);
  EXPECT_EQ(InfoIndex(old)[0x70000001], InfoIndex::kNoPlace);
  EXPECT_EQ(InfoIndex(old)[0x6000000d], InfoIndex::kNoPlace);
  EXPECT_EQ(InfoIndex(old)[DT_FLAGS_1], 38u + (DT_VERNEEDNUM - DT_FLAGS_1));
}

}  // namespace
