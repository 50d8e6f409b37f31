// Microbenchmarks of what every call and every fault goes through: how the model's data structures behave as an address space
// grows. `make micro`; MICRO="--benchmark_filter=Map" passes options on (Google Benchmark).
#include <benchmark/benchmark.h>

BENCHMARK_MAIN();
