// What it costs to make a layout, and to move few bytes with it. How fast many bytes are moved:
// movers.
#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "datatype/layout.hpp"

namespace {

using namespace sluice::datatype;  // NOLINT(google-build-using-namespace)
using Numbers = std::vector<std::int64_t>;

const LayoutPtr kInt = named(4), kDouble = named(8), kByte = named(1);

void BM_MakeVector(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(vector(64, 1, 2, kDouble));
}
BENCHMARK(BM_MakeVector);

void BM_MakeSubarray(benchmark::State& state) {
  const std::array<std::int64_t, 3> sizes{256, 256, 256}, subsizes{1, 256, 256}, starts{3, 0, 0};
  for (auto _ : state)
    benchmark::DoNotOptimize(subarray(sizes, subsizes, starts, ArrayOrder::kFortran, kDouble));
}
BENCHMARK(BM_MakeSubarray);

void BM_MakeStructResized(benchmark::State& state) {
  const std::array<std::int64_t, 3> lengths{1, 1, 3}, displacements{0, 8, 16};
  const std::array<LayoutPtr, 3> olds{kInt, kDouble, kByte};
  for (auto _ : state)
    benchmark::DoNotOptimize(resized(0, 24, structure(lengths, displacements, olds)));
}
BENCHMARK(BM_MakeStructResized);

void BM_MakeStructOfVectors(benchmark::State& state) {
  const std::array<std::int64_t, 2> lengths{1, 1}, displacements{0, 100000};
  const std::array<LayoutPtr, 2> olds{vector(100, 1, 2, kDouble), vector(50, 1, 3, kInt)};
  for (auto _ : state) benchmark::DoNotOptimize(structure(lengths, displacements, olds));
}
BENCHMARK(BM_MakeStructOfVectors);

Numbers random_places(std::int64_t n) {
  std::mt19937_64 engine(7);
  Numbers places(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i)
    places[static_cast<std::size_t>(i)] = 4 * i + static_cast<std::int64_t>(engine() % 3);
  return places;
}

void BM_MakeIndexList(benchmark::State& state) {
  const Numbers places = random_places(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(indexed_block(1, places, kDouble));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_MakeIndexList)->Arg(10)->Arg(100)->Arg(131072);

void BM_MakeRaggedList(benchmark::State& state) {
  const Numbers places = random_places(state.range(0));
  Numbers lengths(places.size());
  for (std::size_t i = 0; i < lengths.size(); ++i)
    lengths[i] = 1 + static_cast<std::int64_t>(i % 2);
  for (auto _ : state) benchmark::DoNotOptimize(indexed(lengths, places, kDouble));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_MakeRaggedList)->Arg(10)->Arg(100)->Arg(131072);

void pack(benchmark::State& state, const LayoutPtr& layout, std::int64_t count) {
  std::vector<std::byte> user(static_cast<std::size_t>(layout->extent() * count + 4096));
  std::vector<std::byte> packed(static_cast<std::size_t>(layout->size() * count + 64));
  for (auto _ : state) {
    layout->pack(user.data(), count, packed.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * layout->size() * count);
}

void BM_PackVectorOf64Bytes(benchmark::State& state) { pack(state, vector(8, 1, 2, kDouble), 1); }
BENCHMARK(BM_PackVectorOf64Bytes);
void BM_PackOneDouble(benchmark::State& state) { pack(state, kDouble, 1); }
BENCHMARK(BM_PackOneDouble);
void BM_PackTwoVectors(benchmark::State& state) { pack(state, vector(8, 1, 2, kDouble), 2); }
BENCHMARK(BM_PackTwoVectors);

void BM_PackRangeInTheMiddle(benchmark::State& state) {
  const LayoutPtr layout = vector(1000000, 1, 2, kDouble);
  std::vector<std::byte> user(16000000), packed(65536);
  for (auto _ : state) {
    layout->pack_range(user.data(), 1, 4000004, 4000004 + state.range(0), packed.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_PackRangeInTheMiddle)->Arg(64)->Arg(65536);

/// 64 KiB between two layouts.
void copy_between(benchmark::State& state, const LayoutPtr& from, const LayoutPtr& to) {
  const std::int64_t from_count = 65536 / from->size(), to_count = 65536 / to->size();
  std::vector<std::byte> source(static_cast<std::size_t>(from->extent() * from_count + 65536));
  std::vector<std::byte> target(static_cast<std::size_t>(to->extent() * to_count + 65536));
  for (auto _ : state) {
    copy(*from, from_count, source.data(), *to, to_count, target.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * 65536);
}
LayoutPtr record() {
  const std::array<std::int64_t, 2> lengths{1, 1}, displacements{0, 16};
  const std::array<LayoutPtr, 2> olds{kDouble, kDouble};
  return resized(0, 32, structure(lengths, displacements, olds));
}
LayoutPtr strided(std::int64_t block, std::int64_t stride) {
  return hvector(65536 / block, 1, stride, contiguous(block, kByte));
}
void BM_CopyStrided(benchmark::State& state) {
  copy_between(state, strided(state.range(0), state.range(0) * 2),
               strided(state.range(0), state.range(0) * 3));
}
BENCHMARK(BM_CopyStrided)->Arg(4)->Arg(8)->Arg(64)->Arg(256)->Arg(1024);
void BM_CopyStridedToTwiceTheBlock(benchmark::State& state) {
  copy_between(state, strided(state.range(0), state.range(0) * 2),
               strided(state.range(0) * 2, state.range(0) * 3));
}
BENCHMARK(BM_CopyStridedToTwiceTheBlock)->Arg(4)->Arg(8)->Arg(64)->Arg(256)->Arg(1024);
void BM_CopyRecordToStrided(benchmark::State& state) {
  copy_between(state, record(), strided(8, 16));
}
BENCHMARK(BM_CopyRecordToStrided);
void BM_CopyIndexedToStrided(benchmark::State& state) {
  copy_between(state, indexed_block(1, random_places(8192), kDouble), strided(8, 16));
}
BENCHMARK(BM_CopyIndexedToStrided);

}  // namespace
