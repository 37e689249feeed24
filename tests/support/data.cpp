#include "support/data.hpp"

#include <fmt/format.h>

#include <cstring>
#include <map>
#include <mutex>
#include <tuple>

#include "unit/compute_reference.hpp"

namespace sluice::test {
namespace {

namespace reference = compute::reference;
using reference::Bytes;

bool is_integer(DataType type) {
  return static_cast<int>(type) <= static_cast<int>(DataType::kUint64);
}
bool is_8_bit_float(DataType type) {
  return type == DataType::kFloat8E4M3 || type == DataType::kFloat8E5M2;
}

/// Small enough that the sums and products of 16 ranks are exact in every format (8 is the largest
/// run of whole numbers that fp8 e5m2 holds).
double exact_value(DataType type, ReduceOp op, int rank, std::uint64_t i) {
  const auto mixed = (i * 2654435761u + static_cast<unsigned>(rank) * 40503u) >> 4;
  const bool has_turn = (static_cast<unsigned>(rank) + i) % 4 == 0;
  const double sign = mixed % 2 == 0 ? 1 : -1;
  if (op == ReduceOp::kProduct) return has_turn ? 2 * sign : sign;
  if (is_8_bit_float(type)) return has_turn ? sign : 0;
  return static_cast<double>(mixed % 8) * sign;
}

Bytes exact_elements(DataType type, ReduceOp op, int rank) {
  return reference::with_type(type, [&](auto traits) {
    using Traits = decltype(traits);
    Bytes bytes(Tile::kPeriod * Traits::kSize);
    for (std::uint64_t i = 0; i < Tile::kPeriod; ++i)
      Traits::store(&bytes[i * Traits::kSize],
                    static_cast<typename Traits::Wide>(exact_value(type, op, rank, i)));
    return bytes;
  });
}

/// Integers wrap, so their order of additions never matters.
Bytes elements(DataType type, ReduceOp op, Values values, int rank) {
  if (values == Values::kExact && !is_integer(type)) return exact_elements(type, op, rank);
  return reference::random_elements(
      type, Tile::kPeriod,
      static_cast<std::uint64_t>(rank) * 1000 + static_cast<std::uint64_t>(type));
}

TilePointer make_tile(DataType type, const Bytes& period) {
  auto tile = std::make_shared<Tile>();
  tile->elem_bytes = size_in_bytes(type);
  tile->bytes = period;
  tile->bytes.insert(tile->bytes.end(), period.begin(), period.end());
  return tile;
}

using Key = std::tuple<int, DataType, ReduceOp, Values, int>;

/// The tile for `key`, made by `make` the first time.
template <class Make>
TilePointer cached(const Key& key, Make make) {
  static std::mutex mutex;
  static std::map<Key, TilePointer> tiles;
  const std::lock_guard lock(mutex);
  TilePointer& tile = tiles[key];
  if (tile == nullptr) tile = make();
  return tile;
}

}  // namespace

void Tile::fill(std::byte* to, std::uint64_t first, std::uint64_t count) const {
  std::uint64_t at = first % kPeriod;
  while (count != 0) {
    const std::uint64_t length = std::min(count, kPeriod);
    std::memcpy(to, bytes.data() + at * elem_bytes, length * elem_bytes);
    to += length * elem_bytes;
    count -= length;
    at = (at + length) % kPeriod;
  }
}

std::uint64_t Tile::mismatch(const std::byte* from, std::uint64_t first,
                             std::uint64_t count) const {
  for (std::uint64_t done = 0; done < count;) {
    const std::uint64_t length = std::min(count - done, kPeriod);
    const std::uint8_t* expected = bytes.data() + (first + done) % kPeriod * elem_bytes;
    if (std::memcmp(from + done * elem_bytes, expected, length * elem_bytes) != 0)
      for (std::uint64_t i = 0; i < length; ++i)
        if (std::memcmp(from + (done + i) * elem_bytes, expected + i * elem_bytes, elem_bytes) != 0)
          return done + i;
    done += length;
  }
  return count;
}

std::string Tile::element(std::uint64_t i) const {
  std::string text = "0x";
  for (std::size_t b = elem_bytes; b-- > 0;)
    text += fmt::format("{:02x}", bytes[i % kPeriod * elem_bytes + b]);
  return text;
}

TilePointer input_tile(DataType type, ReduceOp op, Values values, int rank) {
  return cached({-1 - rank, type, op, values, 0},
                [&] { return make_tile(type, elements(type, op, values, rank)); });
}

Reduction reduction_of(DataType type, ReduceOp op, Values values, int rank) {
  Reduction reduction(op);
  if (op != ReduceOp::kPreMulSum) return reduction;
  constexpr int kExactScales[] = {1, 2, -1};
  const int scale = kExactScales[rank % 3];
  reduction.scale = values == Values::kExact || is_8_bit_float(type) ? scale : 0.75 + 0.3 * rank;
  reduction.integer_scale =
      static_cast<std::uint64_t>(static_cast<std::int64_t>(scale) * (rank + 1));
  return reduction;
}

TilePointer reduced_tile(DataType type, ReduceOp op, Values values, int ranks) {
  return cached({ranks, type, op, values, 1}, [&] {
    std::vector<Bytes> sources;
    for (int rank = 0; rank < ranks; ++rank) {
      sources.push_back(elements(type, op, values, rank));
      const Reduction reduction = reduction_of(type, op, values, rank);
      if (op == ReduceOp::kPreMulSum)
        sources.back() =
            reference::scale(type, sources.back(), reduction.scale, reduction.integer_scale);
    }
    return make_tile(type, reference::reduce(type, op, sources, static_cast<std::uint32_t>(ranks)));
  });
}

}  // namespace sluice::test
