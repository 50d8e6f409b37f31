#include "mrc/curve.h"

#include <algorithm>

namespace pagefold::mrc {
namespace {

constexpr double kHardlyAny = 0.05;

}  // namespace

Curve make_curve(std::vector<std::string> command, std::string policy, const reclaim::SampledRun& run) {
  Curve curve;
  curve.command = std::move(command);
  curve.policy = std::move(policy);
  curve.footprint = bytes_of(run.footprint);
  curve.first = static_cast<double>(run.first);
  curve.references = run.references;
  curve.rate = run.rate;
  curve.resolution = bytes_of(run.resolution);
  for (const auto& size : run.sizes) curve.points.push_back({bytes_of(size.frames), size.again});
  if (run.footprint > run.resolution) curve.points.push_back({curve.footprint, 0});
  return curve;
}

double Curve::brought_in(Bytes memory) const {
  if (points.empty() || memory >= points.back().memory) return first + (points.empty() ? 0 : points.back().again);
  const auto above = std::find_if(points.begin(), points.end(), [&](const Point& p) { return p.memory > memory; });
  if (above == points.begin()) return first + above->again;
  const Point &low = above[-1], &high = *above;
  const double part = static_cast<double>(memory - low.memory) / static_cast<double>(high.memory - low.memory);
  return first + low.again + (high.again - low.again) * part;
}

Bytes Curve::enough() const {
  const auto it = std::find_if(points.begin(), points.end(), [&](const Point& p) { return p.again <= kHardlyAny * first; });
  return it == points.end() ? 0 : it->memory;
}

}  // namespace pagefold::mrc
