// A curve as a file.
#include <nlohmann/json.hpp>

#include "mrc/curve.h"

namespace pagefold::mrc {
namespace {

constexpr int kSchemaVersion = 2;

}  // namespace

std::string to_json(const Curve& curve) {
  nlohmann::ordered_json points = nlohmann::ordered_json::array();
  for (const Point& p : curve.points)
    points.push_back({{"memory_bytes", p.memory},
                      {"again_pages", p.again},
                      {"miss_ratio", curve.references > 0 ? (curve.first + p.again) / curve.references : 0}});
  const nlohmann::ordered_json json = {{"schema_version", kSchemaVersion},
                                       {"command", curve.command},
                                       {"policy", curve.policy},
                                       {"footprint_bytes", curve.footprint},
                                       {"first_pages", curve.first},
                                       {"references", curve.references},
                                       {"sampled_part", curve.rate},
                                       {"resolution_bytes", curve.resolution},
                                       {"enough_bytes", curve.enough()},
                                       {"points", points}};
  constexpr int kIndent = 2;
  return json.dump(kIndent, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

Result<Curve> from_json(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded() || !json.is_object() || json.value("schema_version", 0) != kSchemaVersion || !json.contains("points"))
    return fail(EBADMSG, "no miss-ratio curve");
  try {
    Curve curve;
    curve.command = json.at("command").get<std::vector<std::string>>();
    curve.policy = json.at("policy");
    curve.footprint = json.at("footprint_bytes");
    curve.first = json.at("first_pages");
    curve.references = json.at("references");
    curve.rate = json.at("sampled_part");
    curve.resolution = json.at("resolution_bytes");
    for (const auto& p : json.at("points")) curve.points.push_back({p.at("memory_bytes"), p.at("again_pages")});
    return curve;
  } catch (const nlohmann::json::exception& wrong) {
    return fail(EBADMSG, wrong.what());
  }
}

}  // namespace pagefold::mrc
