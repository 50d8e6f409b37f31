#include "crash/case_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace pagefold::crash {
namespace {

constexpr int kCaseVersion = 1;

}  // namespace

std::string to_json(const CaseFile& file) {
  const nlohmann::ordered_json json = {
      {"pagefold_crash_case", kCaseVersion},
      {"log", file.log},
      {"check", file.command},
      {"target", file.target},
      {"model", name_of(file.model)},
      {"grain", file.grain},
      {"cut", file.cut},
      {"reached", file.reached},
      {"told_as", file.form == MinimalCase::Form::Missing ? "missing" : "reached"},
  };
  return json.dump(2) + "\n";
}

Result<CaseFile> case_from_json(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  CaseFile file;
  try {
    if (json.at("pagefold_crash_case").get<int>() != kCaseVersion) return fail(EBADMSG, "case of another version");
    json.at("log").get_to(file.log);
    json.at("check").get_to(file.command);
    json.at("target").get_to(file.target);
    json.at("grain").get_to(file.grain);
    json.at("cut").get_to(file.cut);
    json.at("reached").get_to(file.reached);
    file.form =
        json.at("told_as").get<std::string>() == "missing" ? MinimalCase::Form::Missing : MinimalCase::Form::Reached;
    const auto model = model_named(json.at("model").get<std::string>());
    const bool sound_grain = file.grain >= 64 && file.grain <= kPageSize && (file.grain & (file.grain - 1)) == 0;
    if (!model || !sound_grain || file.log.find('/') != std::string::npos) return fail(EBADMSG, "no case that `pagefold crash` wrote (case.json)");
    file.model = *model;
  } catch (const nlohmann::json::exception&) {
    return fail(EBADMSG, "no case that `pagefold crash` wrote (case.json)");
  }
  return file;
}

std::vector<AtomNumber> reached_atoms(const Cut& cut, const Chosen& chosen) {
  std::vector<AtomNumber> atoms;
  for (std::size_t i = 0; i < cut.size(); ++i)
    if (chosen[i]) atoms.push_back(cut.open()[i]);
  return atoms;
}

Result<Chosen> chosen_atoms(const Cut& cut, const std::vector<AtomNumber>& reached) {
  Chosen chosen(cut.size());
  for (const AtomNumber atom : reached) {
    const auto it = std::ranges::lower_bound(cut.open(), atom);
    if (it == cut.open().end() || *it != atom) return fail(EBADMSG, "an atom of the case that is not open at its cut");
    chosen[static_cast<std::size_t>(it - cut.open().begin())] = true;
  }
  if (!cut.is_closed(chosen)) return fail(EBADMSG, "a case that its model forbids");
  return chosen;
}

}  // namespace pagefold::crash
