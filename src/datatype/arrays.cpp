// Parts of arrays: subarray and darray.
#include <algorithm>
#include <utility>
#include <vector>

#include "datatype/make_layout.hpp"

namespace sluice::datatype {

namespace {

/// Which dimension is the k-th fastest.
std::size_t kth_fastest(std::size_t k, std::size_t dimensions, ArrayOrder order) {
  return order == ArrayOrder::kFortran ? k : dimensions - 1 - k;
}

/// The part of one dimension that a process has: blocks of `length` elements, `processes` *
/// `length` apart, the last one perhaps shorter. `stride` is an element's.
Form distributed(const Form& element, std::int64_t stride, std::int64_t global_size,
                 std::int64_t length, std::int64_t processes, std::int64_t place, Checked& math) {
  const std::int64_t blocks = (global_size - 1) / length + 1;
  const std::int64_t mine = blocks / processes + (place < blocks % processes ? 1 : 0);
  if (mine == 0) return {};
  const bool has_last = (blocks - 1) % processes == place;
  const std::int64_t last_length = global_size - (blocks - 1) * length;
  const std::int64_t short_ones = has_last && last_length != length ? 1 : 0;
  const std::int64_t block_stride = math.multiply(length, stride);
  const std::int64_t round_stride = mine > 1 ? math.multiply(block_stride, processes) : 0;
  const std::int64_t begin = math.multiply(block_stride, place);
  Form whole = repeat(repeat(element, length, stride, math), mine - short_ones, round_stride, math);
  whole.offset = math.add(whole.offset, begin);
  if (short_ones == 0) return whole;
  Form rest = repeat(element, last_length, stride, math);
  rest.offset = math.add(rest.offset, math.add(begin, math.multiply(mine - 1, round_stride)));
  std::vector<Form> parts;
  parts.push_back(std::move(whole));
  parts.push_back(std::move(rest));
  return sequence(std::move(parts), math);
}

/// The length of a distributed dimension's blocks; 0 where MPI has none.
std::int64_t block_length(const DistributedDimension& dimension) {
  const std::int64_t size = dimension.global_size;
  const std::int64_t argument = dimension.argument;
  if (size < 1 || dimension.processes < 1) return 0;
  if (argument != kDefaultArgument && argument < 1 && dimension.distribution != Distribution::kNone)
    return 0;
  const std::int64_t share = (size - 1) / dimension.processes + 1;
  switch (dimension.distribution) {
    case Distribution::kNone: return dimension.processes == 1 ? size : 0;
    case Distribution::kCyclic: return argument == kDefaultArgument ? 1 : std::min(argument, size);
    case Distribution::kBlock:
      if (argument == kDefaultArgument) return share;
      return argument >= share ? std::min(argument, size) : 0;
  }
  return 0;
}

}  // namespace

LayoutPtr subarray(std::span<const std::int64_t> sizes, std::span<const std::int64_t> subsizes,
                   std::span<const std::int64_t> starts, ArrayOrder order, const LayoutPtr& old) {
  const std::size_t n = sizes.size();
  if (old == nullptr || n == 0 || subsizes.size() != n || starts.size() != n) return nullptr;
  Checked math;
  Form form = old->form();
  std::int64_t stride = old->extent();
  for (std::size_t k = 0; k < n; ++k) {
    const std::size_t d = kth_fastest(k, n, order);
    if (sizes[d] < 1 || subsizes[d] < 1 || subsizes[d] > sizes[d]) return nullptr;
    if (starts[d] < 0 || starts[d] > sizes[d] - subsizes[d]) return nullptr;
    form = repeat(std::move(form), subsizes[d], stride, math);
    form.offset = math.add(form.offset, math.multiply(starts[d], stride));
    stride = math.multiply(stride, sizes[d]);
  }
  if (math.failed()) return nullptr;
  return make_layout(std::move(form), {0, stride, true}, math);
}

LayoutPtr darray(std::int64_t processes, std::int64_t rank,
                 std::span<const DistributedDimension> dimensions, ArrayOrder order,
                 const LayoutPtr& old) {
  const std::size_t n = dimensions.size();
  if (old == nullptr || n == 0 || rank < 0 || rank >= processes) return nullptr;
  Checked math;
  std::int64_t grid = 1;
  for (const DistributedDimension& dimension : dimensions) {
    if (block_length(dimension) == 0) return nullptr;
    grid = math.multiply(grid, dimension.processes);
  }
  if (math.failed() || grid != processes) return nullptr;
  // The grid of processes is in C order, whatever the array's is.
  std::vector<std::int64_t> place(n);
  for (std::size_t d = n; d-- > 0; rank /= dimensions[d].processes)
    place[d] = rank % dimensions[d].processes;

  Form form = old->form();
  std::int64_t stride = old->extent();
  for (std::size_t k = 0; k < n; ++k) {
    const std::size_t d = kth_fastest(k, n, order);
    const DistributedDimension& dimension = dimensions[d];
    form = distributed(form, stride, dimension.global_size, block_length(dimension),
                       dimension.processes, place[d], math);
    stride = math.multiply(stride, dimension.global_size);
  }
  if (math.failed()) return nullptr;
  return make_layout(std::move(form), {0, stride, true}, math);
}

}  // namespace sluice::datatype
