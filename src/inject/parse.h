// Reads what --fail says:
//
//   spec      = place { ":" field } | "kill" ":" "when" "=" place [ ":" when ] { ":" field }
//   field     = condition "=" value | outcome | "delay" "=" time
//   condition = "path" | "page" | "via" | "call" | "after" | "program" | "when" | "chance"
//   outcome   = ERRNO | "short" [ "=" size ] | "kill"
//   when      = N | N "+" | N "+" step | N ".." M | N ".." M "+" step
//
// In a value "\:" is a colon; fnmatch(3) takes the backslash away. Places, and what each takes: grammar.h.
#pragma once

#include <tl/expected.hpp>

#include "inject/spec.h"

namespace pagefold::inject {

// Why a spec was refused. Columns count bytes, from 1.
struct Mistake {
  std::size_t column = 1, length = 1;
  std::string message;  // what is wrong, and what is allowed there

  // "column 6: MESSAGE", the spec, and a line with carets below the mistake. Three lines without a newline at the end.
  [[nodiscard]] std::string shown(std::string_view spec) const;
};

tl::expected<Spec, Mistake> parse(std::string_view text);

// A spec's canonical text: parse(to_text(s)) is s again (but for `text`).
std::string to_text(const Spec& spec);

}  // namespace pagefold::inject
