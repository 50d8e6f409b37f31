// The miss-ratio curve of a run: how many pages would have to be brought in with so and so much memory, under a policy. One run
// with sampled touches (reclaim/reference_sampler.h) gives all points of it; docs/mrc.md says how well.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "reclaim/reference_sampler.h"

namespace pagefold::mrc {

struct Point {
  Bytes memory = 0;
  double again = 0;  // pages brought in that had been there before
};

struct Curve {
  std::vector<std::string> command;
  std::string policy;
  Bytes footprint = 0;      // most frames at a time, without a limit
  double first = 0;         // pages that came for the first time: they are brought in at every size
  double references = 0;    // touches of pages that were seen, first ones among them
  double rate = 1;          // of the pages that were watched
  Bytes resolution = 0;     // below it nothing is known
  std::vector<Point> points;  // by memory, ascending, from `resolution` to the footprint

  // Pages brought in with that much memory; between points, in proportion.
  [[nodiscard]] double brought_in(Bytes memory) const;
  // The least memory listed with which hardly any page is brought in again: at most a twentieth of the first ones. 0: none.
  [[nodiscard]] Bytes enough() const;
};

Curve make_curve(std::vector<std::string> command, std::string policy, const reclaim::SampledRun& run);

// A table with a bar for each size, and what is enough.
std::string render(const Curve& curve);

std::string to_json(const Curve& curve);
// EBADMSG: it is no such file.
Result<Curve> from_json(const std::string& text);

}  // namespace pagefold::mrc
