// A form made ready to be moved: its shapes with their movers. Private to src/datatype;
// docs/datatypes.md.
#pragma once

#include <cstddef>
#include <cstdint>

#include "datatype/form.hpp"
#include "datatype/movers.hpp"
#include "datatype/shape.hpp"

namespace sluice::datatype {

/// A shape with what moves it. Movers of contents that are no leaf find the parts here.
struct MovedShape : Shape {
  Content content = Content::kEmpty;
  const Store* store = nullptr;
  std::int64_t per_element = 1;  ///< the outer count of one element
  Movers movers{};
};

/// Any number of elements of a form, each `stride` behind the one before.
class Run {
 public:
  Run(Form form, std::int64_t stride);
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  void pack(const std::byte* user, std::int64_t count, std::byte* packed) const {
    const MovedShape& shape = count == 1 ? one_ : many_;
    shape.movers.pack(shape, shape.per_element * count, user, packed);
  }
  void unpack(const std::byte* packed, std::int64_t count, std::byte* user) const {
    const MovedShape& shape = count == 1 ? one_ : many_;
    shape.movers.unpack(shape, shape.per_element * count, packed, user);
  }
  const Form& form() const { return form_; }
  std::int64_t bytes() const { return bytes_; }
  std::int64_t stride() const { return dimensions_[0].stride; }
  const MovedShape& one() const { return one_; }
  const MovedShape& many() const { return many_; }
  /// Any number of elements is one block.
  bool contiguous() const { return form_.one_block() && stride() == bytes_; }

 private:
  MovedShape one_;
  MovedShape many_;
  std::int64_t bytes_;
  Form form_;
  Dimensions dimensions_;  // one for the elements, then the form's
};

/// Moves parts: shape.store says which.
Movers tree_movers();

}  // namespace sluice::datatype
