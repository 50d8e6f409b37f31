// The map of an address space with few and with very many mappings: what an mmap with its munmap, an mprotect and a fault ask of it.
#include <benchmark/benchmark.h>

#include "vm/address_space.h"

namespace pagefold::vm {
namespace {

Vma page_at(VirtAddr at, Prot prot) {
  Vma v;
  v.range = {at, at + kPageSize};
  v.prot = prot;
  v.layer = at;
  return v;
}

// Neighbours that differ in protection, so that none are merged.
AddressSpace with_mappings(std::int64_t count) {
  AddressSpace space;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto at = space.find_gap(kPageSize);
    space.insert(page_at(*at, i % 2 == 0 ? kRead : kNone));
  }
  return space;
}

void MapAndUnmap(benchmark::State& state) {
  AddressSpace space = with_mappings(state.range(0));
  for (auto _ : state) {
    const auto at = space.find_gap(16 * kPageSize);
    Vma v = page_at(*at, kRead | kWrite);
    v.range.end = *at + 16 * kPageSize;
    space.insert(std::move(v));
    benchmark::DoNotOptimize(space.remove({*at, *at + 16 * kPageSize}));
  }
}

void ReplaceInTheMiddle(benchmark::State& state) {
  AddressSpace space = with_mappings(state.range(0));
  auto it = space.all().begin();
  std::advance(it, space.all().size() / 2);
  const VirtAddr at = it->first;
  for (auto _ : state) {
    benchmark::DoNotOptimize(space.remove({at, at + kPageSize}));
    space.insert(page_at(at, kRead | kExec));
  }
}

void ProtectAndBack(benchmark::State& state) {
  AddressSpace space = with_mappings(state.range(0));
  const VirtRange r = space.all().begin()->second.range;
  for (auto _ : state)
    for (const Prot prot : {kWrite, kExec}) space.modify(r, [prot](Vma& v) { v.prot = prot; });
}

void Find(benchmark::State& state) {
  const AddressSpace space = with_mappings(state.range(0));
  const VirtAddr low = space.all().begin()->first, high = space.all().rbegin()->first;
  VirtAddr at = low;
  for (auto _ : state) {
    benchmark::DoNotOptimize(space.find(at));
    at = at + 7919 * kPageSize;
    if (at > high) at = low + at % kPageSize;
  }
}

BENCHMARK(MapAndUnmap)->RangeMultiplier(16)->Range(16, 65536);
BENCHMARK(ReplaceInTheMiddle)->RangeMultiplier(16)->Range(16, 65536);
BENCHMARK(ProtectAndBack)->RangeMultiplier(16)->Range(16, 65536);
BENCHMARK(Find)->RangeMultiplier(16)->Range(16, 65536);

}  // namespace
}  // namespace pagefold::vm
