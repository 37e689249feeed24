// What a derived datatype means to who moves its bytes: any MPI datatype in a canonical form.
// docs/datatypes.md.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "datatype/form.hpp"
#include "datatype/movers.hpp"
#include "datatype/run.hpp"
#include "datatype/shape.hpp"

namespace sluice::datatype {

class Layout;
using LayoutPtr = std::shared_ptr<const Layout>;

/// Bytes in packed order, with the bounds that MPI gives a datatype. All numbers are bytes.
/// Immutable, so thread-safe.
class Layout {
 public:
  /// What MPI calls the bounds; `marked` if a resized type has set them, for all types made from
  /// this one.
  struct Bounds {
    std::int64_t lower = 0;
    std::int64_t extent = 0;
    bool marked = false;
  };
  /// What makers call; 0 bytes of `form` are an element, too.
  Layout(Form form, Bounds bounds, Range true_range);
  ~Layout();
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;

  std::int64_t size() const { return run_.bytes(); }
  std::int64_t lower_bound() const { return bounds_.lower; }
  std::int64_t extent() const { return bounds_.extent; }
  /// Of what has no bytes: 0.
  std::int64_t true_lower_bound() const { return true_range_.low; }
  std::int64_t true_extent() const { return true_range_.high - true_range_.low; }

  /// Any number of elements is one block, which begins true_lower_bound() behind the address
  /// passed. So is nothing.
  bool contiguous() const { return run_.contiguous() || size() == 0; }

  /// Between `count` elements at `user` and count * size() bytes at `packed`. No count below 1
  /// moves anything.
  void pack(const void* user, std::int64_t count, void* packed) const {
    if (count > 0)
      run_.pack(static_cast<const std::byte*>(user), count, static_cast<std::byte*>(packed));
  }
  void unpack(const void* packed, std::int64_t count, void* user) const {
    if (count > 0)
      run_.unpack(static_cast<const std::byte*>(packed), count, static_cast<std::byte*>(user));
  }

  /// Only the bytes [first, last) of the packed form of `count` elements: `packed` is where byte
  /// `first` lies. 0 <= first <= last <= count * size(). What a message brought that is shorter
  /// than what was waited for; fragments.
  void pack_range(const void* user, std::int64_t count, std::int64_t first, std::int64_t last,
                  void* packed) const;
  void unpack_range(const void* packed, std::int64_t count, std::int64_t first, std::int64_t last,
                    void* user) const;

  /// How many blocks one element has, after those that touch have become one.
  std::int64_t blocks() const { return run_.form().blocks(); }
  /// The bytes of the smallest and the largest block: what policies go by, with the average, size()
  /// / blocks().
  std::int64_t smallest_block() const { return run_.form().smallest; }
  std::int64_t largest_block() const { return run_.form().largest; }
  /// What moves several elements, for reports: "contiguous", "rows", "gather8", "record", ...,
  /// "tree", "empty".
  const char* mover_name() const { return run_.many().movers.name; }
  /// The shapes that one element is moved as, in packed order; each with the outer count that it is
  /// moved with. What another executor (a GPU) needs. Valid as long as the layout. None, although
  /// there are bytes, where one element is more than kMaxPieces shapes.
  struct Piece {
    const Shape* shape;
    std::int64_t outer_count;
  };
  static constexpr std::size_t kMaxPieces = 256;
  std::span<const Piece> pieces() const;
  /// The shape that any number of elements is moved as, if there is one; outer_count is that of one
  /// element, to be multiplied by their number. Else {nullptr, 0}: move pieces() for each element,
  /// extent() apart.
  Piece many() const;
  /// The blocks of one element in packed order, those that touch as one; for whoever can do with
  /// neither pieces() nor many(). Empty where they are more than `most`.
  std::vector<Block> list_blocks(std::size_t most) const;
  /// For tests and logs: the canonical form in one line.
  std::string describe() const;

  const Form& form() const { return run_.form(); }
  const Run& run() const { return run_; }
  const Bounds& bounds() const { return bounds_; }

 private:
  struct Pieces;  ///< made when first asked for

  Run run_;
  Bounds bounds_;
  Range true_range_;
  mutable std::atomic<const Pieces*> pieces_{nullptr};
};

/// Moves the elements of one layout to the places of another, without a packed copy: the bytes of
/// both are the same in number, or the smaller of both numbers is moved. Buffers do not overlap.
/// Returns how many bytes were moved.
std::int64_t copy(const Layout& from_layout, std::int64_t from_count, const void* from,
                  const Layout& to_layout, std::int64_t to_count, void* to);

// Makers, named after MPI's constructors, and with the same meaning. They return null where MPI's
// would be an error (a negative count or block length, sizes whose products do not fit 63 bits),
// and where the layout would need more than kMaxListEntries list entries. The old layout is shared,
// not copied.

inline constexpr std::int64_t kMaxListEntries = std::int64_t{1} << 28;

/// A named type: `size` bytes in one block.
LayoutPtr named(std::int64_t size);
LayoutPtr contiguous(std::int64_t count, const LayoutPtr& old);
LayoutPtr vector(std::int64_t count, std::int64_t block_length, std::int64_t stride_elems,
                 const LayoutPtr& old);
LayoutPtr hvector(std::int64_t count, std::int64_t block_length, std::int64_t stride_bytes,
                  const LayoutPtr& old);
/// `displacements` in elements of the old type.
LayoutPtr indexed(std::span<const std::int64_t> block_lengths,
                  std::span<const std::int64_t> displacements, const LayoutPtr& old);
/// `displacements` in bytes.
LayoutPtr hindexed(std::span<const std::int64_t> block_lengths,
                   std::span<const std::int64_t> displacements, const LayoutPtr& old);
LayoutPtr indexed_block(std::int64_t block_length, std::span<const std::int64_t> displacements,
                        const LayoutPtr& old);
LayoutPtr hindexed_block(std::int64_t block_length, std::span<const std::int64_t> displacements,
                         const LayoutPtr& old);
LayoutPtr structure(std::span<const std::int64_t> block_lengths,
                    std::span<const std::int64_t> displacements, std::span<const LayoutPtr> olds);
LayoutPtr resized(std::int64_t lower_bound, std::int64_t extent, const LayoutPtr& old);

enum class ArrayOrder : std::uint8_t { kC, kFortran };
enum class Distribution : std::uint8_t { kBlock, kCyclic, kNone };
/// MPI_DISTRIBUTE_DFLT_DARG
inline constexpr std::int64_t kDefaultArgument = -1;

LayoutPtr subarray(std::span<const std::int64_t> sizes, std::span<const std::int64_t> subsizes,
                   std::span<const std::int64_t> starts, ArrayOrder order, const LayoutPtr& old);

struct DistributedDimension {
  std::int64_t global_size;
  Distribution distribution;
  std::int64_t argument;  ///< kDefaultArgument or the block's length
  std::int64_t processes;
};
LayoutPtr darray(std::int64_t processes, std::int64_t rank,
                 std::span<const DistributedDimension> dimensions, ArrayOrder order,
                 const LayoutPtr& old);

}  // namespace sluice::datatype
