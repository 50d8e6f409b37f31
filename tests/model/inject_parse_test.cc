// The grammar of --fail under random input: what is written in canonical form is read as it was meant, and whatever is refused is
// refused at a place within the text.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cerrno>

#include "inject/grammar.h"
#include "inject/parse.h"

namespace pagefold::inject {
namespace {

template <class T>
T one_of(const std::vector<T>& values) {
  return *rc::gen::elementOf(values);
}

std::uint64_t up_to(std::uint64_t most) { return *rc::gen::inRange<std::uint64_t>(0, most + 1); }

Spec any_spec() {
  Spec spec;
  const PlaceRow& row = places()[up_to(places().size() - 1)];
  spec.place = row.place;
  const auto takes = [&](unsigned what) { return (row.takes & what) != 0 && *rc::gen::arbitrary<bool>(); };
  if (takes(kPath)) spec.path = one_of<std::string>({"/a/b", "*.db", "*/x\\:y", "[ab]*"});
  if (takes(kPage)) {
    PageIndex at = 0;
    for (std::uint64_t i = 0; i <= up_to(3); ++i) {
      const PageIndex first = at + up_to(5), last = first + 1 + up_to(4);
      spec.pages.runs.emplace_back(first, last);
      at = last + 1;
    }
    if (*rc::gen::arbitrary<bool>()) spec.pages.runs.back().second = Pages::kEnd;
  }
  if (takes(kCall)) spec.call = row.calls[up_to(row.calls.size() - 1)];
  if (takes(kVia)) spec.via = spec.call.empty() ? one_of<Via>({Via::Call, Via::Map}) : Via::Call;
  if ((row.takes & kAfter) != 0) spec.after = up_to(1'000'000);
  if (*rc::gen::arbitrary<bool>()) spec.program = "/usr/bin/*";
  if (*rc::gen::arbitrary<bool>()) spec.when.first = 1 + up_to(9);
  if (*rc::gen::arbitrary<bool>()) {
    spec.when.last = spec.when.first + up_to(9);
    if (spec.when.last != spec.when.first) spec.when.step = 1 + up_to(3);
  }
  if (*rc::gen::arbitrary<bool>()) spec.chance = static_cast<double>(1 + up_to(99)) / 100;
  if (*rc::gen::arbitrary<bool>()) spec.delay = std::chrono::nanoseconds(1 + up_to(1'000'000));
  const auto kinds = (row.takes & kShort) != 0 && spec.via != Via::Map
                         ? std::vector<Outcome>{Outcome::Error, Outcome::Short, Outcome::Kill}
                         : std::vector<Outcome>{Outcome::Error, Outcome::Kill};
  if (spec.delay.count() == 0 || *rc::gen::arbitrary<bool>()) spec.outcome = one_of(kinds);
  if (spec.outcome == Outcome::Error) spec.error = one_of<int>({EIO, ENOSPC, ENOMEM, EINTR, EDQUOT});
  if (spec.outcome == Outcome::Short) spec.most = up_to(100'000);
  return spec;
}

RC_GTEST_PROP(FailGrammar, WhatIsWrittenIsReadAsItWasMeant, ()) {
  Spec spec = any_spec();
  const std::string text = to_text(spec);
  RC_LOG(text);
  const auto read = parse(text);
  RC_ASSERT(read.has_value());
  spec.text = text;
  RC_ASSERT(to_text(*read) == text);
  RC_ASSERT(*read == spec);
}

// A right spec with some bytes changed, and bytes at random.
void refuse_or_read(const std::string& text) {
  const auto read = parse(text);
  if (read) {
    RC_ASSERT(parse(to_text(*read)).has_value());
    return;
  }
  RC_ASSERT(read.error().column >= 1U);
  RC_ASSERT(read.error().column <= text.size() + 1);
  RC_ASSERT(read.error().column - 1 + read.error().length <= text.size() + 1);
  RC_ASSERT(!read.error().message.empty());
  RC_ASSERT(!read.error().shown(text).empty());
}

RC_GTEST_PROP(FailGrammar, RightSpecsWithMistakesAreRefusedWithinTheText, ()) {
  std::string text = to_text(any_spec());
  for (std::uint64_t i = 0; i <= up_to(3); ++i) {
    const std::size_t at = up_to(text.size() - 1);
    text[at] = one_of<char>({':', '=', '.', '+', '\\', ',', '0', '9', 'x', '%', '-', '\0', static_cast<char>(0xff)});
  }
  refuse_or_read(text);
}

RC_GTEST_PROP(FailGrammar, AnyBytesAreRefusedWithinTheText, (const std::string& text)) { refuse_or_read(text); }

}  // namespace
}  // namespace pagefold::inject
