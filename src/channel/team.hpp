// A team: some ranks of a fabric that run a schedule over links among themselves.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/port.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

/// What schedules over links call, with the team's own numbers for its ranks. Messages go over the
/// fabric's links, so they keep their order with all others between the same two ranks.
template <class Fabric>
class Team {
 public:
  /// `members`: ranks of the fabric; members[rank] is this one.
  SLUICE_FN Team(Fabric& fabric, const std::int32_t* members, std::int32_t size, std::int32_t rank)
      : fabric_(fabric), members_(members), size_(size), rank_(rank) {}

  SLUICE_FN std::int32_t rank() const { return rank_; }
  SLUICE_FN std::int32_t size() const { return size_; }
  SLUICE_FN std::int32_t neighbour(std::int32_t distance) const {
    const std::int32_t to = (rank_ + distance) % size_;
    return to < 0 ? to + size_ : to;
  }
  template <ThreadGroup Group>
  SLUICE_FN bool failed(const Group& group) const {
    return fabric_.failed(group);
  }
  SLUICE_FN std::uint64_t slot_bytes() const { return fabric_.slot_bytes(); }
  SLUICE_FN std::uint64_t piece_bytes() const { return fabric_.piece_bytes(); }
  SLUICE_FN std::uint64_t slice_bytes() const { return fabric_.slice_bytes(); }
  SLUICE_FN std::uint64_t slices_under_way() const { return fabric_.slices_under_way(); }
  SLUICE_FN std::byte* piece_scratch() const { return fabric_.piece_scratch(); }
  /// Never: what comes to a team's member, its host's other ranks read soon.
  SLUICE_FN bool streaming(std::uint64_t) const { return false; }

  template <ThreadGroup Group>
  SLUICE_FN void send(const Group& group, std::int32_t to, const std::byte* source,
                      std::uint64_t bytes) {
    fabric_.send(group, members_[to], source, bytes);
  }
  /// Nothing: the parts of a hierarchical schedule receive into what other parts use.
  template <ThreadGroup Group>
  SLUICE_FN void expect(const Group&, std::int32_t, std::byte*, std::uint64_t) {}
  template <ThreadGroup Group, class Consume>
  SLUICE_FN void receive(const Group& group, std::int32_t from, std::uint64_t bytes,
                         Consume consume) {
    fabric_.receive(group, members_[from], bytes, consume);
  }
  template <ThreadGroup Group>
  SLUICE_FN void receive_copy(const Group& group, std::int32_t from, std::byte* destination,
                              std::uint64_t bytes, bool streaming = false) {
    fabric_.receive_copy(group, members_[from], destination, bytes, streaming);
  }
  template <ThreadGroup Group, class Arithmetic>
  SLUICE_FN void receive_reduce(const Group& group, const Arithmetic& arithmetic, std::int32_t from,
                                const std::byte* own, std::byte* destination, std::uint64_t bytes,
                                bool own_first, bool last = false) {
    fabric_.receive_reduce(group, arithmetic, members_[from], own, destination, bytes, own_first,
                           last);
  }

 private:
  Fabric& fabric_;
  const std::int32_t* members_;
  std::int32_t size_;
  std::int32_t rank_;
};

}  // namespace sluice
