// How kernels move elements of any layout: which shapes are launched, and where each begins.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "datatype/gpu/plan.hpp"
#include "datatype/layout.hpp"

namespace sluice::datatype::gpu {

/// One launch.
struct Part {
  const Shape* shape = nullptr;
  std::int64_t outer_count = 0;
  std::int64_t user_offset = 0;    ///< bytes from the address that the user passes
  std::int64_t packed_offset = 0;  ///< bytes
};

/// Of one layout, which must live as long. One launch where the layout is one shape; where it is
/// not, a launch for each of its pieces in each element, if those are few, else one launch for a
/// list of all blocks of an element.
class Parts {
 public:
  static constexpr std::int64_t kMostLaunches = 16;
  /// Blocks of an element that is listed; each is 16 bytes of device memory.
  static constexpr std::size_t kMostListed = std::size_t{1} << 24;

  explicit Parts(const Layout& layout);

  /// The launches for `count` elements, in packed order. None, although there are bytes, where
  /// kernels cannot move the layout: more than kMostListed blocks. Not thread-safe.
  std::vector<Part> of(std::int64_t count);

 private:
  bool make_list();

  const Layout& layout_;
  Layout::Piece whole_{nullptr, 0};
  std::span<const Layout::Piece> pieces_;  // if kernels can move each
  std::vector<Block> blocks_;
  Dimension list_dimension_;
  Shape list_;
};

}  // namespace sluice::datatype::gpu
