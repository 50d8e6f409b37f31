#include "crash/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "crash/fallocate.h"

namespace pagefold::crash {
namespace {

// {0} the file, {1} offset, {2} length, {3} size, {4} page, {5} name, {6} other name, {7} which kind of creation or fallocate
constexpr std::array<const char*, kEventKinds> kSentences = {
    "the program starts",
    "{7} {5}",
    "link {5}",
    "unlink {5}",
    "rename {5} to {6}",
    "store to {0}, page {4}",
    "write {2} bytes to {0} at {1}",
    "truncate {0} to {3} bytes",
    "{7} {0}, {2} bytes at {1}",
    "fsync {0}",
    "fdatasync {0}",
    "msync {0}, {2} bytes at {1}",
    "sync",
    "the program says {5}",
    "",
};

constexpr std::array<const char*, 5> kFallocates = {"fallocate", "punch a hole into", "zero a range of", "collapse a range of",
                                                    "insert a range into"};

constexpr std::array<const char*, 3> kCreations = {"create", "make the directory", "make the link"};

std::string first_line(const std::string& text) {
  constexpr std::size_t kMost = 60;
  std::string line = text.substr(0, std::min(text.find('\n'), kMost));
  std::ranges::replace_if(
      line, [](unsigned char c) { return c < ' '; }, '?');
  return '"' + line + '"';
}

// The grain of a data atom within its event, where the event has several.
std::string describe_unit(const History& history, const Atom& atom) {
  if (atom.kind != Atom::Kind::Data) return atom.kind == Atom::Kind::Growth ? "the size" : "";
  const Unit& unit = history.units()[atom.changes.front().unit];
  const Bytes at = unit.index * history.grain();
  if (history.grain() == kPageSize) return fmt::format("page {}", unit.index);
  return fmt::format("page {} sector {}", page_of(at), (at & kPageMask) / history.grain());
}

struct Fate {
  std::size_t reached = 0, lost = 0;
  std::string lost_parts;
};

std::map<Position, Fate> fates_of(const History& history, const Cut& cut, const Chosen& chosen) {
  constexpr std::size_t kMostParts = 4;
  std::map<Position, Fate> fates;
  for (std::size_t i = 0; i < cut.size(); ++i) {
    const Atom& atom = history.atoms()[cut.open()[i]];
    Fate& fate = fates[atom.event];
    if (chosen[i]) {
      ++fate.reached;
      continue;
    }
    if (fate.lost++ < kMostParts)
      fate.lost_parts += (fate.lost_parts.empty() ? "" : ", ") + describe_unit(history, atom);
  }
  return fates;
}

// What those who see a first violation like to overlook.
std::string hint(const History& history, Position cut) {
  const auto& events = history.log().events();
  const auto promises = [](const Event& e) { return synchronises(e.kind) || e.kind == EventKind::Output; };
  const auto begin = events.begin() + static_cast<std::ptrdiff_t>(history.log().begin());
  if (std::any_of(begin, events.begin() + static_cast<std::ptrdiff_t>(cut), promises)) return "";
  return "Until this cut the program had neither synchronised nor told anything: should the check accept files that are not there "
         "yet?\n";
}

std::string mark(const Fate& fate) {
  if (fate.lost == 0) return "reached";
  return fate.reached == 0 ? "LOST" : "in part";
}

}  // namespace

std::string Describer::operator()(Position p) const {
  const Event& event = history_.log().events()[p];
  const std::string name = event.kind == EventKind::Output ? first_line(event.text) : names_[p].name;
  const char* const how = event.kind == EventKind::Allocate ? kFallocates[static_cast<std::size_t>(fallocate_of(event.mode))]
                                                            : kCreations[static_cast<std::size_t>(event.type)];
  std::string text =
      fmt::format(fmt::runtime(kSentences[static_cast<std::size_t>(event.kind)]), names_[p].file, event.offset,
                  event.length, event.size, page_of(event.offset), name, names_[p].to_name, how);
  if (!event.place.empty()) text += fmt::format("  ({})", event.place);
  return text;
}

std::string describe_events(const History& history, const Cut& cut, const Chosen& chosen, std::size_t most_lines) {
  const auto fates = fates_of(history, cut, chosen);
  const Describer describe(history);
  const Position first_open = fates.empty() ? cut.position() : fates.begin()->first;
  constexpr Position kBefore = 3;  // events that are certain, for the scene
  std::vector<std::string> lines;
  for (Position p = std::max(history.log().begin(), first_open > kBefore ? first_open - kBefore : 0);
       p < cut.position(); ++p) {
    const auto fate = fates.find(p);
    std::string line = fmt::format("  {:>6}  {:<8} {}", p, fate == fates.end() ? "" : mark(fate->second),
                                   describe(p));
    if (fate != fates.end() && fate->second.lost > 0 && fate->second.reached > 0)
      line += ": lost " + fate->second.lost_parts;
    lines.push_back(line + "\n");
  }
  std::string text;
  const std::size_t left_out = lines.size() > most_lines ? lines.size() - most_lines : 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (left_out > 0 && i == most_lines / 2) text += fmt::format("          ... {} more events\n", left_out);
    if (left_out == 0 || i < most_lines / 2 || i >= most_lines / 2 + left_out) text += lines[i];
  }
  return text + fmt::format("  {:>6}  the power is cut\n", cut.position());
}

std::string describe_case(const History& history, const MinimalCase& minimal) {
  const Describer describe(history);
  const bool missing = minimal.form == MinimalCase::Form::Missing;
  std::string text = missing ? "Everything before the cut has reached the disk"
                             : "Of what was not synchronised, nothing has reached the disk";
  if (minimal.size() == 0) return text + ".\n" + hint(history, minimal.cut->position());
  text += missing ? fmt::format(", but not ({}):\n", minimal.size()) : fmt::format(", but for ({}):\n", minimal.size());
  for (std::size_t i = 0; i < minimal.cut->size(); ++i) {
    if (minimal.chosen[i] == missing) continue;
    const Atom& atom = history.atoms()[minimal.cut->open()[i]];
    const std::string part = describe_unit(history, atom);
    text += fmt::format("  {:>6}  {}{}\n", atom.event, describe(atom.event),
                        part.empty() ? "" : ": " + part);
  }
  if (!minimal.smallest && minimal.trials > 0)
    text += fmt::format("A smaller case may exist: {} checks were made to find this one.\n", minimal.trials);
  return text + hint(history, minimal.cut->position());
}

std::string describe_verdict(const Verdict& verdict) {
  if (verdict.kind == Verdict::Kind::TimedOut) return fmt::format("The check was ended: it took too long.\n{}\n", verdict.said);
  if (verdict.said.empty()) return fmt::format("The check says nothing; its exit code is {}.\n", verdict.exit_code);
  return fmt::format("The check says (exit code {}):\n{}\n", verdict.exit_code, verdict.said);
}

}  // namespace pagefold::crash
