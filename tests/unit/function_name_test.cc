// Names of functions as the story and crash reports show them.
#include <gtest/gtest.h>

#include "report/function_name.h"

namespace pagefold::report {
namespace {

TEST(FunctionName, OfCPlusPlusIsDemangledWithoutParameters) {
  EXPECT_EQ(function_name("main"), "main");
  EXPECT_EQ(function_name("_ZN5store4openERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"), "store::open");
  EXPECT_EQ(function_name("_ZNK5store4sizeEv"), "store::size");
  EXPECT_EQ(function_name("_ZNK4LessclEii"), "Less::operator()");
  EXPECT_EQ(function_name("_ZN12_GLOBAL__N_14openEi"), "(anonymous namespace)::open");
  EXPECT_EQ(function_name("_Z4callPFviE"), "call");
  EXPECT_EQ(function_name("_Zwrong"), "_Zwrong");
}

}  // namespace
}  // namespace pagefold::report
