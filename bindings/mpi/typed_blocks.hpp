// One side of a collective call whose blocks have a type each. side.hpp says what the packed form
// is.
#pragma once

#include <utility>
#include <vector>

#include "bindings/mpi/call.hpp"

namespace sluice::mpi {

/// D: of displacements, which are in bytes.
template <class A, class N, class D>
class TypedBlocks {
 public:
  using Handle = typename A::Handle;

  TypedBlocks(const void* buffer, const N* counts, const D* displacements, const Handle* types,
              int blocks)
      : buffer_(buffer),
        user_displacements_(displacements),
        counts_(counts, counts + blocks),
        displacements_(displacements, displacements + blocks),
        types_(types, types + blocks),
        infos_(static_cast<std::size_t>(blocks)) {}
  ~TypedBlocks() {
    for (const TypeInfo* info : held_) drop(info);
  }
  TypedBlocks(const TypedBlocks&) = delete;
  TypedBlocks& operator=(const TypedBlocks&) = delete;

  /// All blocks are packed, or none: they have one address. Only if the table wants it of all that
  /// have gaps, or one is in a GPU's memory.
  bool prepare(Function function) {
    find_routes();
    std::uint64_t all_bytes = 0;
    const TypeInfo* one = nullptr;
    // Of what must be packed and what need not be the whole is.
    bool must = false;
    for (std::size_t each = 0; each < infos_.size(); ++each)
      must = must || (counts_[each] != 0 && infos_[each]->always_received);
    for (std::size_t each = 0; each < infos_.size(); ++each) {
      if (counts_[each] == 0) continue;
      const TypeInfo& info = *infos_[each];
      const std::uint64_t bytes = bytes_of(counts_[each], info);
      const Route& route = routes_[each];
      if (info.layout == nullptr || bytes > INT_MAX ||
          !(route.packs || must || info.contiguous() || route_.packs))
        return note_passed(function, info, bytes), false;
      if (!route.packs && !route_.packs && route.place.where != device::Where::kHost)
        return note_passed(function, route.reason), false;
      if (route.packs || (must && one == nullptr && !info.contiguous())) one = &info;
      all_bytes += bytes;
    }
    if (one == nullptr) return note_passed(function, Reason::kContiguous), false;
    if (all_bytes > INT_MAX) return note_passed(function, Reason::kLarge), false;
    if (!make_twins() || !packed_.acquire(route_, static_cast<std::int64_t>(all_bytes), must))
      return note_passed(function, Reason::kMemory), false;
    note_accelerated(function, *one, static_cast<std::int64_t>(all_bytes), route_.way);
    set_places();
    is_packed_ = true;
    return true;
  }

  /// What this rank sends itself goes type to type; nobody else knows of it. Both sides have been
  /// asked to prepare.
  void copy_self(TypedBlocks& to, int self) {
    const auto me = static_cast<std::size_t>(self);
    if (counts_[me] == 0 || to.counts_[me] == 0) return;
    const TypeInfo& from_info = Types<A>::find(types_of_user(me));
    const TypeInfo& to_info = Types<A>::find(to.types_of_user(me));
    if (from_info.layout == nullptr || to_info.layout == nullptr) return;
    const std::int64_t count = counts_[me], to_count = to.counts_[me];
    if (bytes_of(counts_[me], from_info) != bytes_of(to.counts_[me], to_info)) return;
    if (!of_host(from_info, place(me)) || !of_host(to_info, to.place(me))) return;
    datatype::copy(*from_info.layout, count, place(me), *to_info.layout, to_count,
                   const_cast<std::byte*>(to.place(me)));
    counts_[me] = to.counts_[me] = 0;
  }

  // False after a failure of a GPU. Of blocks that are not packed, nothing is done.
  bool pack() const {
    if (!is_packed_) return true;
    for (std::size_t each = 0; each < infos_.size(); ++each)
      if (counts_[each] != 0 && !packed_.pack(*infos_[each], routes_[each].place, place(each),
                                              counts_[each], displacements_[each]))
        return false;
    return true;
  }
  /// `silent`: blocks that nothing has come for; may be shorter than there are blocks.
  bool unpack(const std::vector<bool>& silent = {}) const {
    if (!is_packed_) return true;
    for (std::size_t each = 0; each < infos_.size(); ++each)
      if (counts_[each] != 0 && !(each < silent.size() && silent[each]) &&
          !packed_.unpack(*infos_[each], routes_[each].place, counts_[each] * infos_[each]->size,
                          counts_[each], const_cast<std::byte*>(place(each)), displacements_[each]))
        return false;
    return true;
  }

  void* buffer() const { return is_packed_ ? packed_.get() : const_cast<void*>(buffer_); }
  const N* counts() const { return counts_.data(); }
  const D* displacements() const { return displacements_.data(); }
  const Handle* types() const { return types_.data(); }

 private:
  const std::byte* place(std::size_t each) const {
    return static_cast<const std::byte*>(buffer_) + user_displacements_[each];
  }
  /// Types and routes of all blocks, and that of the packed form: with one on a GPU the packed form
  /// lies where its kernels reach it, and with others elsewhere where all can write.
  void find_routes() {
    bool elsewhere = false;
    for (std::size_t each = 0; each < infos_.size(); ++each) {
      if (counts_[each] == 0) continue;
      const TypeInfo& info = *(infos_[each] = &Types<A>::find(types_[each]));
      Route& route = routes_[each];
      route = route_of(Call::kCollective, info, place(each), bytes_of(counts_[each], info));
      const bool is_there = route.place.where == device::Where::kDevice;
      if (is_there && !route_.packs) route_ = route;
      elsewhere = elsewhere || !is_there || route.place.context != route_.place.context;
    }
    if (route_.way == policy::Way::kDevice && elsewhere) route_.way = policy::Way::kOneShot;
  }
  Handle types_of_user(std::size_t each) const {
    return user_types_.empty() ? types_[each] : user_types_[each];
  }

  bool make_twins() {
    std::vector<Handle> twins = types_;
    for (std::size_t each = 0; each < infos_.size(); ++each) {
      const TypeInfo* const info = infos_[each];
      twins[each] = info == nullptr || info->size == 0 ? A::byte() : Types<A>::twin(info->size);
      if (twins[each] == A::datatype_null()) return false;
    }
    for (const TypeInfo* info : infos_)
      if (info != nullptr) {
        retain(info);
        held_.push_back(info);
      }
    user_types_ = std::exchange(types_, std::move(twins));
    return true;
  }
  void set_places() {
    std::uint64_t before = 0;
    for (std::size_t each = 0; each < infos_.size(); ++each) {
      displacements_[each] = static_cast<D>(before);
      if (counts_[each] != 0) before += bytes_of(counts_[each], *infos_[each]);
    }
  }

  const void* buffer_;
  const D* user_displacements_;
  std::vector<N> counts_;
  std::vector<D> displacements_;
  std::vector<Handle> types_;
  std::vector<Handle> user_types_;
  std::vector<const TypeInfo*> infos_;
  std::vector<const TypeInfo*> held_;
  std::vector<Route> routes_ = std::vector<Route>(infos_.size());
  bool is_packed_ = false;
  Route route_;  ///< of the packed form
  Packed packed_;
};

}  // namespace sluice::mpi
