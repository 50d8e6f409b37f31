// The words of the grammar, as tables: the parser, the messages about mistakes and `--fail help` all read them.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "inject/spec.h"

namespace pagefold::inject {

// Conditions and outcomes that a place takes.
enum Takes : unsigned {
  kPath = 1, kPage = 2, kVia = 4, kCall = 8, kAfter = 16, kShort = 32
};

struct PlaceRow {
  Place place;
  std::string_view name;
  unsigned takes;
  std::span<const std::string_view> calls;
  std::string_view meaning;
};

std::span<const PlaceRow> places();
const PlaceRow& row_of(Place place);

struct ConditionRow {
  std::string_view name;
  unsigned needs;  // of Takes; 0: every place takes it
  std::string_view value, meaning;
};

std::span<const ConditionRow> conditions();

// An errno by its name, in either case; 0: there is none of this name.
int errno_of(std::string_view name);
// "eio"; the number for what has no name.
std::string name_of_errno(int error);

// What `pagefold run --fail help` prints.
std::string help();

}  // namespace pagefold::inject
