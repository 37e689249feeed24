// One side of a collective call, what it sends or what it receives, and its packed form.
//
// The packed form has as many elements of the same size, in a contiguous type: all that a library's
// choice of algorithm and segments may depend on. So this rank may pack whatever the others do.
#pragma once

#include <vector>

#include "bindings/mpi/call.hpp"

namespace sluice::mpi {

/// The blocks of a call with one type, each with a count and a displacement in elements.
template <class A, class N>
class Side {
 public:
  using Handle = typename A::Handle;

  /// Counts of a call with one count: `blocks` of them, one behind the other.
  Side(const void* buffer, N count, Handle type, int blocks)
      : buffer_(buffer), type_(type), blocks_(blocks), count_(count) {}
  Side(const void* buffer, const N* counts, const N* displacements, Handle type, int blocks)
      : buffer_(buffer),
        type_(type),
        blocks_(blocks),
        counts_(counts),
        displacements_(displacements) {}

  /// Whether it is to be packed and can be: then there is memory for it.
  bool prepare(Function function) {
    info_ = &Types<A>::find(type_);
    const std::int64_t elements = elements_of_all();
    const std::uint64_t bytes =
        elements < 0 ? ~std::uint64_t{0} : bytes_of(static_cast<Aint>(elements), *info_);
    route_ = route_of(Call::kCollective, *info_, buffer_, bytes);
    if (!route_.packs) return reason_ = route_.reason, false;
    if (counts_ != nullptr) route_.own_form = nullptr;  // its one element may be displaced
    twin_ = Types<A>::twin(info_->size);
    if (twin_ == A::datatype_null() ||
        !packed_.acquire(route_, static_cast<std::int64_t>(bytes), info_->always_received))
      return reason_ = Reason::kMemory, false;
    retain(info_);
    held_ = true;
    note_accelerated(function, *info_, static_cast<std::int64_t>(bytes), route_.way);
    set_places();
    return true;
  }
  ~Side() {
    if (held_) drop(info_);
  }
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;

  bool packed() const { return held_; }
  /// Whether prepare() has been asked: a side that does not count is not.
  bool was_asked() const { return info_ != nullptr; }
  /// Why prepare() said no; meaningless before.
  Reason reason() const { return reason_; }
  // False after a failure of a GPU. Of a side that is not packed, nothing is done.
  bool pack() const {
    if (!held_) return true;
    if (counts_ == nullptr)
      return packed_.pack(*info_, route_.place, buffer_, std::int64_t{count_} * blocks_);
    for (int each = 0; each < blocks_; ++each)
      if (!pack_block(each)) return false;
    return true;
  }
  bool pack_block(int each) const {
    return packed_.pack(*info_, route_.place, place(each), count(each), packed_offset(each));
  }
  /// All blocks but one, or all: -1.
  bool unpack(int except = -1) const {
    if (!held_) return true;
    if (counts_ == nullptr && except < 0) {
      const std::int64_t elements = std::int64_t{count_} * blocks_;
      return packed_.unpack(*info_, route_.place, elements * info_->size, elements,
                            const_cast<void*>(buffer_));
    }
    for (int each = 0; each < blocks_; ++each)
      if (each != except && !unpack_block(each)) return false;
    return true;
  }
  bool unpack_block(int each) const {
    return packed_.unpack(*info_, route_.place, count(each) * info_->size, count(each),
                          const_cast<std::byte*>(place(each)), packed_offset(each));
  }

  // What the library is given.
  void* buffer() const { return held_ ? packed_.get() : const_cast<void*>(buffer_); }
  Handle type() const { return held_ ? twin_ : type_; }
  const N* displacements() const { return held_ ? packed_displacements_.data() : displacements_; }

  // One block of the caller's.
  const std::byte* place(int each) const {
    const std::int64_t elements =
        counts_ == nullptr ? std::int64_t{count_} * each : std::int64_t{displacements_[each]};
    return static_cast<const std::byte*>(buffer_) + elements * info_->extent;
  }
  std::int64_t count(int each) const { return counts_ == nullptr ? count_ : counts_[each]; }
  const TypeInfo& info() const { return *info_; }
  Handle user_type() const { return type_; }

 private:
  std::int64_t elements_of_all() const {
    std::int64_t elements = 0;
    for (int each = 0; each < blocks_; ++each) {
      const std::int64_t some = count(each);
      if (some < 0 || some > INT_MAX) return -1;
      elements += some;
    }
    return elements;
  }
  void set_places() {
    if (counts_ == nullptr) return;
    packed_displacements_.reserve(static_cast<std::size_t>(blocks_));
    N before = 0;
    for (int each = 0; each < blocks_; ++each) {
      packed_displacements_.push_back(before);
      before = static_cast<N>(before + counts_[each]);
    }
  }
  std::int64_t packed_offset(int each) const {
    const std::int64_t elements =
        counts_ == nullptr ? std::int64_t{count_} * each
                           : std::int64_t{packed_displacements_[static_cast<std::size_t>(each)]};
    return elements * info_->size;
  }

  const void* buffer_;
  Handle type_;
  int blocks_;
  N count_ = 0;
  const N* counts_ = nullptr;
  const N* displacements_ = nullptr;
  const TypeInfo* info_ = nullptr;
  bool held_ = false;
  Reason reason_ = Reason::kTable;
  Handle twin_{};
  Route route_;
  Packed packed_;
  std::vector<N> packed_displacements_;
};

/// Moves a rank's block to itself, type to type. Both sides have been prepared, whatever came of
/// it. False where the two are not as long as each other: the library is to say so.
template <class A, class N>
bool copy_block(const Side<A, N>& from, int from_block, const Side<A, N>& to, int to_block) {
  const TypeInfo& from_info = from.info();
  const TypeInfo& to_info = to.info();
  if (from_info.layout == nullptr || to_info.layout == nullptr) return false;
  if (from.count(from_block) * from_info.size != to.count(to_block) * to_info.size) return false;
  if (!of_host(from_info, from.place(from_block)) || !of_host(to_info, to.place(to_block)))
    return false;
  datatype::copy(*from_info.layout, from.count(from_block), from.place(from_block), *to_info.layout,
                 to.count(to_block), const_cast<std::byte*>(to.place(to_block)));
  return true;
}

}  // namespace sluice::mpi
