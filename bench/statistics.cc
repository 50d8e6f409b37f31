// Percentile bootstrap: draw as many samples as there are, with replacement, from each side; look at the medians; repeat; the
// middle 95 % of the outcomes is the interval.
#include "bench/statistics.h"

#include <algorithm>
#include <cstddef>
#include <random>

namespace pagefold::bench {
namespace {

constexpr std::size_t kResamples = 4000;
constexpr double kTail = 0.025;
constexpr std::uint64_t kSeed = 20;

std::vector<double> resample(const std::vector<double>& samples, std::mt19937_64& random) {
  std::uniform_int_distribution<std::size_t> any(0, samples.size() - 1);
  std::vector<double> drawn(samples.size());
  std::ranges::generate(drawn, [&] { return samples[any(random)]; });
  return drawn;
}

template <class Combine>
Interval bootstrap(const std::vector<double>& a, const std::vector<double>& b, Combine combine) {
  std::mt19937_64 random(kSeed);
  std::vector<double> outcomes(kResamples);
  for (double& outcome : outcomes) {
    const double from_a = median(resample(a, random));
    const double from_b = median(resample(b, random));
    outcome = combine(from_a, from_b);
  }
  std::ranges::sort(outcomes);
  const auto tail = static_cast<std::size_t>(kTail * static_cast<double>(kResamples));
  return {outcomes[tail], outcomes[kResamples - 1 - tail]};
}

}  // namespace

double median(std::vector<double> samples) {
  const std::size_t middle = samples.size() / 2;
  std::ranges::nth_element(samples, samples.begin() + static_cast<std::ptrdiff_t>(middle));
  const double upper = samples[middle];
  if (samples.size() % 2 == 1) return upper;
  return (*std::max_element(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(middle)) + upper) / 2;
}

Interval ratio_interval(const std::vector<double>& a, const std::vector<double>& b) {
  return bootstrap(a, b, [](double x, double y) { return y / x; });
}

Interval difference_interval(const std::vector<double>& a, const std::vector<double>& b) {
  return bootstrap(a, b, [](double x, double y) { return y - x; });
}

}  // namespace pagefold::bench
