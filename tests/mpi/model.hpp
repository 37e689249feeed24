// Random MPI datatypes, each with its type map: what the standard says it means, computed beside
// the library.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "check.hpp"
#include "gpu.hpp"

namespace mpi_test {

struct MapBlock {
  std::int64_t offset;
  std::int64_t bytes;
};

/// A datatype that owns its handle. The bounds are those that the library reports; the blocks are
/// ours, in packed order.
class Model {
 public:
  Model() = default;
  Model(Model&& other) noexcept;
  Model& operator=(Model&& other) noexcept;
  ~Model();

  std::int64_t size() const;
  std::int64_t blocks_with(std::int64_t count) const {
    return static_cast<std::int64_t>(blocks.size()) * count;
  }
  /// The first and the last byte, behind it, that `count` elements touch; both 0 if none.
  MapBlock span(std::int64_t count) const;
  /// Whether a byte occurs twice in `count` elements: nobody may receive such.
  bool overlaps(std::int64_t count) const;

  /// By the type map; `user` is the address that MPI would be given.
  void pack(const std::byte* user, std::int64_t count, std::byte* packed) const;
  /// The first `bytes` of the packed form.
  void unpack(const std::byte* packed, std::int64_t count, std::byte* user,
              std::int64_t bytes) const;

  MPI_Datatype handle = MPI_DATATYPE_NULL;
  bool named = false;
  std::int64_t lower_bound = 0;
  std::int64_t extent = 0;
  std::vector<MapBlock> blocks;
  std::string text;  ///< how it was made, for messages
};

/// A committed type of at most `depth` constructors one in the other, of some thousand blocks at
/// the most.
Model random_type(Random& random, int depth);

/// `count` doubles, every other one of an array.
Model strided(int count);
/// A C struct {int; double; char[3]}, `count` of them in an array.
Model records(int count);
/// `count` floats at ascending, irregular places.
Model scattered(int count);

/// Elements of a model in a buffer with room on both sides, filled from a seed.
class Elements {
 public:
  Elements(const Model& model, std::int64_t count, std::uint64_t seed);

  std::byte* user() { return bytes.data() + origin_; }
  const std::byte* user() const { return bytes.data() + origin_; }
  std::vector<std::byte> packed(const Model& model, std::int64_t count) const;

  /// What MPI is given: user(), or with SLUICE_TEST_GPU a copy of all bytes in a GPU's memory, made
  /// at the first call.
  std::byte* there() const;
  /// Brings the copy, if there is one, to what `bytes` are now.
  void renew() { copy_.renew(bytes); }
  /// The bytes as MPI has left them there.
  const std::vector<std::byte>& back();

  std::vector<std::byte> bytes;

 private:
  std::int64_t origin_;
  mutable GpuCopy copy_;
};

/// What the receiver's buffer must hold when the first `sent_count` elements of `sent` came into
/// one filled from `seed`.
std::vector<std::byte> image(const Model& model, std::int64_t count, const Elements& sent,
                             std::int64_t sent_count, std::uint64_t seed);

}  // namespace mpi_test
