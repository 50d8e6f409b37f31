// Medians and how far to trust them: a percentile bootstrap of the ratio (or difference) of two medians. Deterministic: the
// same samples give the same interval.
#pragma once

#include <vector>

namespace pagefold::bench {

struct Interval {
  double low = 0;
  double high = 0;
};

// Middle value, mean of the two middle ones when their number is even. At least one sample.
double median(std::vector<double> samples);

// 95 % interval of median(b) / median(a). Both at least one sample; samples of a positive.
Interval ratio_interval(const std::vector<double>& a, const std::vector<double>& b);

// 95 % interval of median(b) - median(a).
Interval difference_interval(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace pagefold::bench
