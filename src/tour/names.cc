// Chapter "names", claims 24 and 25: what objects provide and want, and how the loader searches for one name in all of
// them, followed live with LD_DEBUG.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "tour/tour.h"

namespace pagefold::tour {
namespace {

constexpr const char* kRemedy = "apt-get install binutils";

struct Lookup {
  std::string name, object;  // the object without its directory
};

std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// LD_DEBUG=symbols writes "  PID:<tab>symbol=NAME;  lookup in file=PATH [0]", one line for each look.
std::vector<Lookup> lookups_in(const std::string& log) {
  constexpr std::string_view kName = "\tsymbol=", kObject = ";  lookup in file=";
  std::vector<Lookup> lookups;
  std::istringstream stream(log);
  for (std::string line; std::getline(stream, line);) {
    const std::size_t name = line.find(kName), object = line.find(kObject);
    if (name == std::string::npos || object == std::string::npos) continue;
    const std::size_t start = name + kName.size(), path = object + kObject.size();
    lookups.push_back({line.substr(start, object - start), last_part(line.substr(path, line.rfind(" [") - path))});
  }
  return lookups;
}

// The objects that were looked into for a name, in this order, without what follows ".so".
std::string way_of(const std::vector<Lookup>& lookups, std::string_view name) {
  std::string way;
  for (const Lookup& lookup : lookups)
    if (lookup.name == name) way += (way.empty() ? "" : ", ") + lookup.object.substr(0, lookup.object.find(".so"));
  return way;
}

// Lines of nm that end in this, or in this and a version: " U puts@GLIBC_2.2.5", "000... W puts@@GLIBC_2.2.5".
std::int64_t symbols(const GuestRun& nm, std::string_view types, std::string_view name) {
  std::int64_t found = 0;
  std::istringstream stream(nm.output);
  for (std::string line; std::getline(stream, line);) {
    const std::size_t space = line.rfind(' ');
    if (space == std::string::npos || space == 0) continue;
    const std::string symbol = line.substr(space + 1);
    found += symbol.substr(0, symbol.find('@')) == name && types.find(line[space - 1]) != std::string_view::npos;
  }
  return found;
}

constexpr std::string_view kDefined = "TWi", kWanted = "U";

void provided_and_wanted(Lesson& lesson, const GuestRun& search) {
  lesson.claim(24);
  lesson.equal("the program prints with puts", "by puts", search.text("printed"));
  const auto program = lesson.attempt({{"nm", "-D", "./search"}}, kRemedy);
  if (!program) return lesson.holds("nm, of which the claim speaks, could be run", false);
  lesson.show_lines(*program, " U puts");
  lesson.equal("symbols puts that the program wants (U)", 1, symbols(*program, kWanted, "puts"));
  lesson.equal("that it provides", 0, symbols(*program, kDefined, "puts"));
  const std::string libc = search.text("puts is in").value_or("");
  const GuestRun provider = lesson.run({{"nm", "-D", libc}});
  lesson.show_lines(provider, " puts@", 1);
  lesson.equal("that the C library provides (T or W)", 1, symbols(provider, kDefined, "puts"));
  const GuestRun gamma = lesson.run({{"nm", "-D", "./libgamma.so"}});
  lesson.show_lines(gamma, " T ");
  lesson.equal("symbols only_in_gamma that libgamma.so provides", 1, symbols(gamma, kDefined, "only_in_gamma"));
  lesson.equal("that the program wants", 1, symbols(*program, kWanted, "only_in_gamma"));
}

void searched_everywhere(Lesson& lesson, const GuestRun& search) {
  lesson.claim(25);
  lesson.show("Each name wanted, and the objects the loader looked into for it:");
  const GuestRun run = lesson.run({{"./search"}, Where::Pagefold, {}, {"LD_DEBUG=symbols,bindings", "LD_BIND_NOW=1"}});
  const std::vector<Lookup> lookups = lookups_in(run.errors);
  lesson.equal("only_in_gamma", "search, libalpha, libbeta, libgamma", way_of(lookups, "only_in_gamma"));
  lesson.equal("in_two (of beta and gamma)", "search, libalpha, libbeta", way_of(lookups, "in_two"));
  lesson.equal("so the call went to number", 2, run.number("in_two is number"));
  lesson.equal("puts", "search, libalpha, libbeta, libgamma, libc", way_of(lookups, "puts"));
  lesson.holds("found there, the loader says", run.errors.find("normal symbol `puts'") != std::string::npos);
  const std::string missing = way_of(lookups, "nobody_has_it");
  lesson.show("nobody_has_it, which a library wants:");
  lesson.show(missing);
  lesson.between("all of them were asked", 6, 20, missing.empty() ? 0 : 1 + std::ranges::count(missing, ','));
  lesson.answer("so the library that wants it could be opened", false,
                search.number("library that wants what nobody has was opened"));
  lesson.equal("it is told", "libwanting.so: undefined symbol: nobody_has_it", search.text("dlerror"));
  std::set<std::string> names;
  for (const Lookup& lookup : lookups) names.insert(lookup.name);
  lesson.between("different names searched in this small program's run", 10, 1000,
                 static_cast<std::int64_t>(names.size()));
  lesson.between("looks into an object", static_cast<std::int64_t>(2 * names.size()), 10000,
                 static_cast<std::int64_t>(lookups.size()));
}

}  // namespace

void tell_names(Lesson& lesson) {
  lesson.say(
      "An object provides names and wants names; that is all it knows of other objects. The loader looks for each "
      "wanted name in the program first, then in one library after the other, until one provides it.");
  const GuestRun search = lesson.run({{"./search"}});
  provided_and_wanted(lesson, search);
  searched_everywhere(lesson, search);
  lesson.subtler(
      "the first that provides a name wins, for all: a library that is put in front (LD_PRELOAD) replaces "
      "functions of the others. Hash tables and Bloom filters make most looks cheap, but looks they are.");
}

}  // namespace pagefold::tour
