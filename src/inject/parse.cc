#include "inject/parse.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "inject/grammar.h"
#include "inject/values.h"

namespace pagefold::inject {

PageIndex Pages::next(PageIndex from, PageIndex to) const {
  if (all()) return std::min(from, to);
  for (const auto& [first, last] : runs)
    if (last > from) return std::min(std::max(first, from), to);
  return to;
}

namespace {

using std::chrono::nanoseconds;

std::vector<Piece> fields_of(std::string_view text) {
  std::vector<Piece> fields;
  std::size_t start = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '\\') {
      ++i;
      continue;
    }
    if (i < text.size() && text[i] != ':') continue;
    const std::size_t end = std::min(i, text.size());
    fields.push_back({text.substr(start, end - start), start});
    start = i + 1;
  }
  if (start <= text.size() && text.ends_with('\\') && start < text.size()) fields.push_back({text.substr(start), start});
  return fields;
}

// ---- what is meant

std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t corner = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = corner + (a[i - 1] == b[j - 1] ? 0 : 1);
      corner = row[j];
      row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

std::string meant(std::string_view word, const std::vector<std::string_view>& words) {
  if (words.empty()) return {};
  const auto nearest = std::ranges::min_element(words, {}, [&](std::string_view w) { return distance(word, w); });
  return distance(word, *nearest) <= 2 && word.size() > 2 ? fmt::format("; did you mean `{}`?", *nearest) : "";
}

std::vector<std::string_view> place_names() {
  std::vector<std::string_view> names;
  for (const PlaceRow& row : places()) names.push_back(row.name);
  return names;
}

std::vector<std::string_view> condition_names(unsigned takes) {
  std::vector<std::string_view> names;
  for (const ConditionRow& row : conditions())
    if (row.needs == 0 || (row.needs & takes) != 0) names.push_back(row.name);
  return names;
}

Parsed<const PlaceRow*> place_of(const Piece& word) {
  for (const PlaceRow& row : places())
    if (row.name == word.text) return &row;
  auto names = place_names();
  names.emplace_back("kill");
  return wrong(word, fmt::format("no such place; there are {}{}", fmt::join(names, ", "), meant(word.text, names)));
}

// ---- fields

struct Reader {
  Spec spec;
  const PlaceRow* place = nullptr;
  std::set<std::string_view> seen;
  std::optional<Piece> short_at, page_at;

  Parsed<void> condition(const ConditionRow& row, const Piece& name, const Piece& value);
  Parsed<void> outcome(const Piece& field);
  Parsed<void> field(const Piece& piece);
  Parsed<void> set_outcome(const Piece& where, Outcome outcome);
};

Parsed<void> Reader::condition(const ConditionRow& row, const Piece& name, const Piece& value) {
  if (row.needs != 0 && (place->takes & row.needs) == 0)
    return wrong(name, fmt::format("`{}` takes no {}=; it takes {}", place->name, row.name, fmt::join(condition_names(place->takes), ", ")));
  if (!seen.insert(row.name).second) return wrong(name, fmt::format("{}= has been given already", row.name));
  if (row.name == "path") {
    spec.path = INJECT_TRY(pattern_of(value));
  } else if (row.name == "program") {
    spec.program = INJECT_TRY(pattern_of(value));
  } else if (row.name == "page") {
    spec.pages = INJECT_TRY(pages_of(value));
  } else if (row.name == "when") {
    spec.when = INJECT_TRY(when_of(value));
  } else if (row.name == "chance") {
    spec.chance = INJECT_TRY(chance_of(value));
  } else if (row.name == "after") {
    spec.after = INJECT_TRY(measure(value, kSizes, "a size is a number, with K, M, G or T behind it"));
  } else if (row.name == "via") {
    if (value.text != "call" && value.text != "map") return wrong(value, "via= is call or map");
    spec.via = value.text == "call" ? Via::Call : Via::Map;
  } else if (row.name == "call") {
    if (std::ranges::find(place->calls, value.text) == place->calls.end())
      return wrong(value, fmt::format("`{}` is one of {}", place->name, fmt::join(place->calls, ", ")));
    spec.call = value.text;
  }
  return {};
}

Parsed<void> Reader::set_outcome(const Piece& where, Outcome outcome) {
  if (spec.outcome != Outcome::Proceed) return wrong(where, "there is an outcome already; one failure has one");
  spec.outcome = outcome;
  return {};
}

Parsed<void> Reader::outcome(const Piece& field) {
  if (field.text == "kill") return set_outcome(field, Outcome::Kill);
  const std::size_t equals = field.text.find('=');
  if (field.text.substr(0, equals) == "short") {
    if ((place->takes & kShort) == 0) return wrong(field, fmt::format("`{}` cannot be short; read and write can", place->name));
    if (equals != std::string_view::npos) {
      spec.most = INJECT_TRY(measure(field.from(equals + 1), kSizes, "short=N is a number of bytes, K or M may stand behind it"));
      if (spec.most == 0) return wrong(field.from(equals + 1), "at least one byte");
    }
    short_at = field;
    return set_outcome(field, Outcome::Short);
  }
  spec.error = errno_of(field.text);
  if (spec.error == 0) {
    std::vector<std::string_view> words = condition_names(place->takes);
    words.insert(words.end(), {"delay", "short", "kill", "eio", "enospc", "enomem", "eintr", "eagain", "edquot"});
    return wrong(field, fmt::format("neither a condition nor an outcome; `{}` takes the conditions {}; outcomes are an errno such as eio, {}kill, delay=TIME{}",
                                    place->name, fmt::join(condition_names(place->takes), ", "),
                                    (place->takes & kShort) != 0 ? "short, " : "", meant(field.text.substr(0, equals), words)));
  }
  return set_outcome(field, Outcome::Error);
}

Parsed<void> Reader::field(const Piece& piece) {
  if (piece.text.empty()) return wrong(piece, "something is missing between colons");
  const std::size_t equals = piece.text.find('=');
  if (equals == std::string_view::npos) return outcome(piece);
  const Piece name = piece.until(equals), value = piece.from(equals + 1);
  if (name.text == "delay") {
    constexpr const char* kWhat = "a time is a number with us, ms, s or m behind it: 20ms";
    if (spec.delay != nanoseconds(0)) return wrong(name, "delay= has been given already");
    spec.delay = nanoseconds(INJECT_TRY(measure(value, kTimes, kWhat)));
    if (spec.delay == nanoseconds(0) || spec.delay > std::chrono::hours(1)) return wrong(value, "a delay is more than nothing, and at most 60m");
    return {};
  }
  for (const ConditionRow& row : conditions())
    if (row.name == name.text) return condition(row, name, value);
  return outcome(piece);
}

// "kill:when=PLACE[:WHEN]": the place and its condition; returns how many fields that was.
Parsed<std::size_t> read_kill(Reader& reader, const std::vector<Piece>& fields) {
  constexpr std::string_view kWhen = "when=";
  if (fields.size() < 2 || !fields[1].text.starts_with(kWhen))
    return wrong(fields.size() < 2 ? fields[0] : fields[1], "kill says at which call: kill:when=msync:2");
  reader.place = INJECT_TRY(place_of(fields[1].from(kWhen.size())));
  reader.spec.outcome = Outcome::Kill;
  const bool counted = fields.size() > 2 && !fields[2].text.empty() && fields[2].text.front() >= '0' && fields[2].text.front() <= '9';
  reader.spec.when = counted ? INJECT_TRY(when_of(fields[2])) : When{1, 1, 1};
  reader.seen.insert("when");
  return counted ? 3 : 2;
}

Parsed<void> check_whole(const Reader& reader, std::string_view text) {
  const Spec& spec = reader.spec;
  const Piece end{text.substr(text.size()), text.size()};
  if (spec.outcome == Outcome::Proceed && spec.delay == nanoseconds(0))
    return wrong(end, "what shall happen? An errno such as eio, short, kill, or delay=TIME is missing");
  if (spec.outcome == Outcome::Short && spec.via == Via::Map) return wrong(*reader.short_at, "only a call can be short, and via=map excludes calls");
  if (!spec.call.empty() && spec.via == Via::Map) return wrong(end, "call= names a system call, and via=map excludes them");
  if (spec.place == Place::Alloc && !reader.seen.contains("after"))
    return wrong(end, "alloc wants after=SIZE, what the run may hold before it fails");
  return {};
}

}  // namespace

std::string Mistake::shown(std::string_view spec) const {
  std::string line(spec);  // one byte, one column
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return fmt::format("column {}: {}\n  {}\n  {:>{}}{}", column, message, line, '^', column, std::string(length - 1, '~'));
}

tl::expected<Spec, Mistake> parse(std::string_view text) {
  const std::vector<Piece> fields = fields_of(text);
  Reader reader;
  std::size_t next = 1;
  if (fields[0].text == "kill")
    next = INJECT_TRY(read_kill(reader, fields));
  else
    reader.place = INJECT_TRY(place_of(fields[0]));
  reader.spec.place = reader.place->place;
  for (; next < fields.size(); ++next)
    if (auto read = reader.field(fields[next]); !read) return tl::unexpected(std::move(read).error());
  if (auto whole = check_whole(reader, text); !whole) return tl::unexpected(std::move(whole).error());
  reader.spec.text = text;
  return std::move(reader.spec);
}

std::string to_text(const Spec& spec) {
  std::string text(row_of(spec.place).name);
  const auto out = std::back_inserter(text);
  if (!spec.path.empty()) fmt::format_to(out, ":path={}", spec.path);
  if (!spec.program.empty()) fmt::format_to(out, ":program={}", spec.program);
  if (!spec.pages.all()) {
    std::vector<std::string> runs;
    for (const auto& [first, last] : spec.pages.runs)
      runs.push_back(last == Pages::kEnd ? fmt::format("{}..", first) : fmt::format("{}..{}", first, last - 1));
    fmt::format_to(out, ":page={}", fmt::join(runs, ","));
  }
  if (spec.via != Via::Any) fmt::format_to(out, ":via={}", spec.via == Via::Call ? "call" : "map");
  if (!spec.call.empty()) fmt::format_to(out, ":call={}", spec.call);
  if (spec.place == Place::Alloc) fmt::format_to(out, ":after={}", spec.after);
  if (spec.when != When{}) {
    fmt::format_to(out, ":when={}", spec.when.first);
    if (spec.when.last != When::kNever && spec.when.last != spec.when.first) fmt::format_to(out, "..{}", spec.when.last);
    if (spec.when.last == When::kNever || spec.when.step != 1) fmt::format_to(out, "+{}", spec.when.step);
  }
  if (spec.chance != 1) fmt::format_to(out, ":chance={:f}", spec.chance);
  if (spec.delay != nanoseconds(0)) fmt::format_to(out, ":delay={}ns", spec.delay.count());
  if (spec.outcome == Outcome::Error) fmt::format_to(out, ":{}", name_of_errno(spec.error));
  if (spec.outcome == Outcome::Short) text += spec.most == 0 ? ":short" : fmt::format(":short={}", spec.most);
  if (spec.outcome == Outcome::Kill) text += ":kill";
  return text;
}

}  // namespace pagefold::inject
