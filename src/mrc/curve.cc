#include "mrc/curve.h"

#include <algorithm>

namespace pagefold::mrc {
namespace {

// Points of a curve; sizes that a person would choose lie among them closely enough.
constexpr unsigned kPoints = 64;
constexpr double kHardlyAny = 0.05;

}  // namespace

Curve make_curve(std::vector<std::string> command, const reclaim::ReuseDistances& distances) {
  const Bytes footprint = bytes_of(distances.footprint);
  Curve curve;
  curve.command = std::move(command);
  curve.footprint = footprint;
  curve.first = static_cast<double>(distances.first);
  curve.references = distances.references;
  curve.rate = distances.rate;
  curve.resolution = bytes_of(distances.resolution);
  // Estimated distances may be somewhat greater than the footprint; there the curve ends.
  const PageIndex last = std::max<PageIndex>(page_of(footprint), distances.at.size() * reclaim::ReuseDistances::kGrain);
  const PageIndex from = distances.resolution;
  for (unsigned i = 0; i <= kPoints && from < last; ++i) {
    const PageIndex pages = from + (last - from) * i / kPoints;
    curve.points.push_back({bytes_of(pages), distances.beyond(pages)});
    if (bytes_of(pages) > footprint && curve.points.back().again == 0) break;
  }
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
