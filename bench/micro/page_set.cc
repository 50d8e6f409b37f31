// Sets of pages: what a fault and a munmap ask of them, in a dense set and in one with a page here and there.
#include <benchmark/benchmark.h>

#include "vm/page_set.h"

namespace pagefold::vm {
namespace {

constexpr PageIndex kPages = 1 << 18;  // 1 GiB

PageSet every(PageIndex stride) {
  PageSet set;
  for (PageIndex page = 0; page < kPages; page += stride) set.set(page);
  return set;
}

void SetAndClear(benchmark::State& state) {
  PageSet set = every(static_cast<PageIndex>(state.range(0)));
  PageIndex page = 1;
  for (auto _ : state) {
    benchmark::DoNotOptimize(set.set(page));
    benchmark::DoNotOptimize(set.clear(page));
    page = (page + 7919) % kPages | 1;
  }
}

void WalkTheRuns(benchmark::State& state) {
  const PageSet set = every(static_cast<PageIndex>(state.range(0)));
  PageIndex runs = 0;
  for (auto _ : state) set.for_each_run(0, kPages, [&](PageIndex, PageIndex) { ++runs; });
  benchmark::DoNotOptimize(runs);
}

void CountARange(benchmark::State& state) {
  const PageSet set = every(static_cast<PageIndex>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(set.count_range(100, kPages - 100));
}

BENCHMARK(SetAndClear)->Arg(1)->Arg(2)->Arg(1024);
BENCHMARK(WalkTheRuns)->Arg(1)->Arg(2)->Arg(1024);
BENCHMARK(CountARange)->Arg(1)->Arg(2)->Arg(1024);

}  // namespace
}  // namespace pagefold::vm
