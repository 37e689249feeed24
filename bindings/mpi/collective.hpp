// Collective calls with derived datatypes. Counts stay, datatypes become contiguous ones of the
// same size: side.hpp.
#pragma once

#include <type_traits>
#include <vector>

#include "bindings/mpi/neighbors.hpp"
#include "bindings/mpi/side.hpp"
#include "bindings/mpi/typed_blocks.hpp"

namespace sluice::mpi {

template <class A, Name kName, class N>
struct Collective {
  using Handle = typename A::Handle;
  using OneSide = Side<A, N>;

  static int broadcast(void* buffer, N count, Handle type, int root, Handle comm) noexcept {
    constexpr Function kFunction = form<N>(Function::kBcast);
    if (passes(type) || !joins(kFunction, comm))
      return passed<kFunction>(type, buffer, count, type, root, comm);
    OneSide side(buffer, count, type, 1);
    if (!side.prepare(kFunction)) {
      note_passed(kFunction, side.reason());
      return next<kName>(kFunction, buffer, count, type, root, comm);
    }
    const bool is_root = rank_in(comm) == root;
    if (is_root && !side.pack()) return device_failed<A>();
    const int result = on<kFunction>(side.buffer(), count, side.type(), root, comm);
    return done(result, result != kSuccess || is_root || side.unpack());
  }

  static int gather(const void* out, N out_count, Handle out_type, void* in, N in_count,
                    Handle in_type, int root, Handle comm) noexcept {
    constexpr Function kFunction = form<N>(Function::kGather);
    if ((passes(out_type) && passes(in_type)) || !joins(kFunction, comm))
      return passed<kFunction>(out_type, out, out_count, out_type, in, in_count, in_type, root,
                               comm);
    OneSide from(out, out_count, out_type, 1);
    OneSide to(in, in_count, in_type, size_of(comm));
    return gather_sides<kFunction>(
        from, out, out_count, to, root, comm, [&](const void* sent, N count, Handle type) {
          return on<kFunction>(sent, count, type, to.buffer(), in_count, to.type(), root, comm);
        });
  }

  static int gather_v(const void* out, N out_count, Handle out_type, void* in, const N* in_counts,
                      const N* displacements, Handle in_type, int root, Handle comm) noexcept {
    constexpr Function kFunction = form<N>(Function::kGatherv);
    if ((passes(out_type) && passes(in_type)) || !joins(kFunction, comm))
      return passed<kFunction>(out_type, out, out_count, out_type, in, in_counts, displacements,
                               in_type, root, comm);
    OneSide from(out, out_count, out_type, 1);
    OneSide to(in, in_counts, displacements, in_type, size_of(comm));
    return gather_sides<kFunction>(
        from, out, out_count, to, root, comm, [&](const void* sent, N count, Handle type) {
          return on<kFunction>(sent, count, type, to.buffer(), in_counts, to.displacements(),
                               to.type(), root, comm);
        });
  }

  static int scatter(const void* out, N out_count, Handle out_type, void* in, N in_count,
                     Handle in_type, int root, Handle comm) noexcept {
    constexpr Function kFunction = form<N>(Function::kScatter);
    if ((passes(out_type) && passes(in_type)) || !joins(kFunction, comm))
      return passed<kFunction>(out_type, out, out_count, out_type, in, in_count, in_type, root,
                               comm);
    OneSide from(out, out_count, out_type, size_of(comm));
    OneSide to(in, in_count, in_type, 1);
    return scatter_sides<kFunction>(
        from, to, in, in_count, root, comm, [&](void* received, N count, Handle type) {
          return on<kFunction>(static_cast<const void*>(from.buffer()), out_count, from.type(),
                               received, count, type, root, comm);
        });
  }

  static int scatter_v(const void* out, const N* out_counts, const N* displacements,
                       Handle out_type, void* in, N in_count, Handle in_type, int root,
                       Handle comm) noexcept {
    constexpr Function kFunction = form<N>(Function::kScatterv);
    if ((passes(out_type) && passes(in_type)) || !joins(kFunction, comm))
      return passed<kFunction>(out_type, out, out_counts, displacements, out_type, in, in_count,
                               in_type, root, comm);
    OneSide from(out, out_counts, displacements, out_type, size_of(comm));
    OneSide to(in, in_count, in_type, 1);
    return scatter_sides<kFunction>(
        from, to, in, in_count, root, comm, [&](void* received, N count, Handle type) {
          return on<kFunction>(static_cast<const void*>(from.buffer()), out_counts,
                               from.displacements(), from.type(), received, count, type, root,
                               comm);
        });
  }

  static int all_gather(const void* out, N out_count, Handle out_type, void* in, N in_count,
                        Handle in_type, Handle comm) noexcept {
    constexpr Function kFunction = form<N>(Function::kAllgather);
    if ((passes(out_type) && passes(in_type)) || !joins(kFunction, comm))
      return passed<kFunction>(out_type, out, out_count, out_type, in, in_count, in_type, comm);
    OneSide from(out, out_count, out_type, 1);
    OneSide to(in, in_count, in_type, size_of(comm));
    return all_gather_sides<kFunction>(from, out, to, comm, [&] {
      return on<kFunction>(static_cast<const void*>(from.buffer()), out_count, from.type(),
                           to.buffer(), in_count, to.type(), comm);
    });
  }

  static int all_gather_v(const void* out, N out_count, Handle out_type, void* in,
                          const N* in_counts, const N* displacements, Handle in_type,
                          Handle comm) noexcept {
    constexpr Function kFunction = form<N>(Function::kAllgatherv);
    if ((passes(out_type) && passes(in_type)) || !joins(kFunction, comm))
      return passed<kFunction>(out_type, out, out_count, out_type, in, in_counts, displacements,
                               in_type, comm);
    OneSide from(out, out_count, out_type, 1);
    OneSide to(in, in_counts, displacements, in_type, size_of(comm));
    return all_gather_sides<kFunction>(from, out, to, comm, [&] {
      return on<kFunction>(static_cast<const void*>(from.buffer()), out_count, from.type(),
                           to.buffer(), in_counts, to.displacements(), to.type(), comm);
    });
  }

  static int all_to_all(const void* out, N out_count, Handle out_type, void* in, N in_count,
                        Handle in_type, Handle comm) noexcept {
    constexpr Function kFunction = form<N>(Function::kAlltoall);
    const bool is_in_place = in_place<A>(out);
    if ((passes(in_type) && (is_in_place || passes(out_type))) || !joins(kFunction, comm))
      return passed<kFunction>(is_in_place ? in_type : out_type, out, out_count, out_type, in,
                               in_count, in_type, comm);
    const int size = size_of(comm);
    OneSide to(in, in_count, in_type, size);
    if (is_in_place)
      return in_place_side<kFunction>(to, [&] {
        return on<kFunction>(out, out_count, out_type, to.buffer(), in_count, to.type(), comm);
      });
    OneSide from(out, out_count, out_type, size);
    if (from.prepare(kFunction) && !from.pack()) return device_failed<A>();
    to.prepare(kFunction);
    note_unless_packed(kFunction, from, to);
    const int result = on<kFunction>(static_cast<const void*>(from.buffer()), out_count,
                                     from.type(), to.buffer(), in_count, to.type(), comm);
    return done(result, result != kSuccess || to.unpack());
  }

  static int all_to_all_v(const void* out, const N* out_counts, const N* out_displacements,
                          Handle out_type, void* in, const N* in_counts, const N* in_displacements,
                          Handle in_type, Handle comm) noexcept {
    constexpr Function kFunction = form<N>(Function::kAlltoallv);
    const bool is_in_place = in_place<A>(out);
    if ((passes(in_type) && (is_in_place || passes(out_type))) || !joins(kFunction, comm))
      return passed<kFunction>(is_in_place ? in_type : out_type, out, out_counts, out_displacements,
                               out_type, in, in_counts, in_displacements, in_type, comm);
    const int size = size_of(comm);
    OneSide to(in, in_counts, in_displacements, in_type, size);
    if (is_in_place)
      return in_place_side<kFunction>(to, [&] {
        return on<kFunction>(out, out_counts, out_displacements, out_type, to.buffer(), in_counts,
                             to.displacements(), to.type(), comm);
      });
    const int self = rank_in(comm);
    OneSide from(out, out_counts, out_displacements, out_type, size);
    const bool packs = from.prepare(kFunction);
    const bool unpacks = to.prepare(kFunction);
    // Nobody but this rank knows of what it sends to itself.
    const bool copied = (packs || unpacks) && copy_block(from, self, to, self);
    note_unless_packed(kFunction, from, to);
    std::vector<N> sent(out_counts, out_counts + size);
    std::vector<N> received(in_counts, in_counts + size);
    if (copied) sent[static_cast<std::size_t>(self)] = received[static_cast<std::size_t>(self)] = 0;
    for (int each = 0; packs && each < size; ++each)
      if ((!copied || each != self) && !from.pack_block(each)) return device_failed<A>();
    const int result =
        on<kFunction>(static_cast<const void*>(from.buffer()), static_cast<const N*>(sent.data()),
                      from.displacements(), from.type(), to.buffer(),
                      static_cast<const N*>(received.data()), to.displacements(), to.type(), comm);
    return done(result, result != kSuccess || to.unpack(copied ? self : -1));
  }

  static int all_to_all_w(const void* out, const N* out_counts, const N* out_displacements,
                          const Handle* out_types, void* in, const N* in_counts,
                          const N* in_displacements, const Handle* in_types, Handle comm) noexcept {
    constexpr Function kFunction = form<N>(Function::kAlltoallw);
    if (!joins(kFunction, comm))
      return next<kName>(kFunction, out, out_counts, out_displacements, out_types, in, in_counts,
                         in_displacements, in_types, comm);
    const int size = size_of(comm);
    const int self = rank_in(comm);
    TypedBlocks<A, N, N> to(in, in_counts, in_displacements, in_types, size);
    if (in_place<A>(out))
      return in_place_side<kFunction>(to, [&] {
        return on<kFunction>(out, out_counts, out_displacements, out_types, to.buffer(),
                             to.counts(), to.displacements(), to.types(), comm);
      });
    TypedBlocks<A, N, N> from(out, out_counts, out_displacements, out_types, size);
    const bool packs = from.prepare(kFunction);
    const bool unpacks = to.prepare(kFunction);
    if (packs || unpacks) from.copy_self(to, self);
    if (!from.pack()) return device_failed<A>();
    const int result =
        on<kFunction>(static_cast<const void*>(from.buffer()), from.counts(), from.displacements(),
                      from.types(), to.buffer(), to.counts(), to.displacements(), to.types(), comm);
    return done(result, result != kSuccess || to.unpack());
  }

  static int neighbor_all_to_all(const void* out, N out_count, Handle out_type, void* in,
                                 N in_count, Handle in_type, Handle comm) noexcept {
    constexpr Function kFunction = form<N>(Function::kNeighbor_alltoall);
    Neighbors neighbors;
    if ((passes(out_type) && passes(in_type)) || !joins(kFunction, comm) ||
        !neighbors_of<A>(comm, rank_in(comm), neighbors))
      return passed<kFunction>(out_type, out, out_count, out_type, in, in_count, in_type, comm);
    OneSide from(out, out_count, out_type, neighbors.destinations);
    OneSide to(in, in_count, in_type, neighbors.sources);
    if (from.prepare(kFunction) && !from.pack()) return device_failed<A>();
    to.prepare(kFunction);
    note_unless_packed(kFunction, from, to);
    const int result = on<kFunction>(static_cast<const void*>(from.buffer()), out_count,
                                     from.type(), to.buffer(), in_count, to.type(), comm);
    return done(result, result != kSuccess || unpack_heard(to, neighbors));
  }

  static int neighbor_all_to_all_v(const void* out, const N* out_counts, const N* out_displacements,
                                   Handle out_type, void* in, const N* in_counts,
                                   const N* in_displacements, Handle in_type,
                                   Handle comm) noexcept {
    constexpr Function kFunction = form<N>(Function::kNeighbor_alltoallv);
    Neighbors neighbors;
    if ((passes(out_type) && passes(in_type)) || !joins(kFunction, comm) ||
        !neighbors_of<A>(comm, rank_in(comm), neighbors))
      return passed<kFunction>(out_type, out, out_counts, out_displacements, out_type, in,
                               in_counts, in_displacements, in_type, comm);
    OneSide from(out, out_counts, out_displacements, out_type, neighbors.destinations);
    OneSide to(in, in_counts, in_displacements, in_type, neighbors.sources);
    if (from.prepare(kFunction) && !from.pack()) return device_failed<A>();
    to.prepare(kFunction);
    note_unless_packed(kFunction, from, to);
    const int result =
        on<kFunction>(static_cast<const void*>(from.buffer()), out_counts, from.displacements(),
                      from.type(), to.buffer(), in_counts, to.displacements(), to.type(), comm);
    return done(result, result != kSuccess || unpack_heard(to, neighbors));
  }

  static int neighbor_all_to_all_w(const void* out, const N* out_counts,
                                   const Aint* out_displacements, const Handle* out_types, void* in,
                                   const N* in_counts, const Aint* in_displacements,
                                   const Handle* in_types, Handle comm) noexcept {
    constexpr Function kFunction = form<N>(Function::kNeighbor_alltoallw);
    Neighbors neighbors;
    if (!joins(kFunction, comm) || !neighbors_of<A>(comm, rank_in(comm), neighbors))
      return next<kName>(kFunction, out, out_counts, out_displacements, out_types, in, in_counts,
                         in_displacements, in_types, comm);
    TypedBlocks<A, N, Aint> from(out, out_counts, out_displacements, out_types,
                                 neighbors.destinations);
    TypedBlocks<A, N, Aint> to(in, in_counts, in_displacements, in_types, neighbors.sources);
    to.prepare(kFunction);
    if (from.prepare(kFunction) && !from.pack()) return device_failed<A>();
    const int result =
        on<kFunction>(static_cast<const void*>(from.buffer()), from.counts(), from.displacements(),
                      from.types(), to.buffer(), to.counts(), to.displacements(), to.types(), comm);
    return done(result, result != kSuccess || to.unpack(neighbors.silent));
  }

 private:
  static bool passes(Handle type) {
    return Types<A>::known_to_pass(type, Call::kCollective) && !device::possible();
  }
  /// Counts no failure of a GPU as the library's.
  static int done(int result, bool unpacked) { return unpacked ? result : device_failed<A>(); }

  /// Whether we take part in this one: not in a tool's own call, not between two groups.
  static bool joins(Function function, Handle comm) {
    if (nested != 0) return note_passed(function, Reason::kNested), false;
    if (is_inter(comm)) return note_passed(function, Reason::kInter), false;
    return true;
  }
  static int size_of(Handle comm) {
    int size = 0;
    invoke(own_calls().comm_size, comm, &size);
    return size;
  }

  /// Passed on; counted if all there is to say is that the type needs no packing.
  template <Function kFunction, class... Arguments>
  static int passed(Handle type, Arguments... arguments) {
    if (report::on && passes(type)) [[unlikely]] {
      const TypeInfo& info = Types<A>::find(type);
      report::passed(kFunction, why_not(info, static_cast<std::uint64_t>(info.size)));
    }
    return next<kName>(kFunction, arguments...);
  }

  static void note_unless_packed(Function function, const OneSide& one, const OneSide& other) {
    if (!one.packed() && !other.packed()) note_passed(function, one.reason());
  }

  /// The changed call.
  template <Function kFunction, class... Arguments>
  static int on(Arguments... arguments) {
    const Inside inside;
    return next<kName>(kFunction, arguments...);
  }

  static const void* in_place_buffer() { return reinterpret_cast<const void*>(A::kInPlace); }

  /// What comes in counts only at the root. Its own block goes there type to type, which the
  /// library sees as "in place".
  template <Function kFunction, class Ask>
  static int gather_sides(OneSide& from, const void* out, N out_count, OneSide& to, int root,
                          Handle comm, const Ask& ask) {
    const int self = rank_in(comm);
    const bool is_root = self == root;
    const bool was_in_place = is_root && in_place<A>(out);
    const bool unpacks = is_root && to.prepare(kFunction);
    const bool packs = !was_in_place && from.prepare(kFunction);
    const bool copied = unpacks && !was_in_place && copy_block(from, 0, to, self);
    if (packs && !copied && !from.pack()) return device_failed<A>();
    note_unless_packed(kFunction, from, to);
    const int result = ask(copied ? in_place_buffer() : from.buffer(), out_count, from.type());
    return done(result,
                result != kSuccess || !unpacks || to.unpack(copied || was_in_place ? self : -1));
  }

  /// What goes out counts only at the root.
  template <Function kFunction, class Ask>
  static int scatter_sides(OneSide& from, OneSide& to, void* in, N in_count, int root, Handle comm,
                           const Ask& ask) {
    const int self = rank_in(comm);
    const bool is_root = self == root;
    const bool was_in_place = is_root && in_place<A>(in);
    const bool packs = is_root && from.prepare(kFunction);
    if (!was_in_place) to.prepare(kFunction);
    const bool copied = packs && !was_in_place && copy_block(from, self, to, 0);
    if (packs && !from.pack()) return device_failed<A>();
    note_unless_packed(kFunction, to, from);
    const int result =
        ask(copied ? const_cast<void*>(in_place_buffer()) : to.buffer(), in_count, to.type());
    return done(result, result != kSuccess || copied || to.unpack());
  }

  template <Function kFunction, class Ask>
  static int all_gather_sides(OneSide& from, const void* out, OneSide& to, Handle comm,
                              const Ask& ask) {
    const bool was_in_place = in_place<A>(out);
    if (!was_in_place && from.prepare(kFunction) && !from.pack()) return device_failed<A>();
    const bool unpacks = to.prepare(kFunction);
    const int self = was_in_place ? rank_in(comm) : -1;
    if (unpacks && was_in_place && !to.pack_block(self)) return device_failed<A>();
    note_unless_packed(kFunction, from, to);
    const int result = ask();
    return done(result, result != kSuccess || to.unpack(self));
  }

  /// What goes out lies where what comes is to go, so all of it is packed and all unpacked.
  template <Function kFunction, class Blocks, class Ask>
  static int in_place_side(Blocks& blocks, const Ask& ask) {
    const bool packs = blocks.prepare(kFunction);
    if constexpr (std::is_same_v<Blocks, OneSide>)
      if (!packs) note_passed(kFunction, blocks.reason());
    if (!blocks.pack()) return device_failed<A>();
    const int result = ask();
    return done(result, result != kSuccess || blocks.unpack());
  }

  static bool unpack_heard(const OneSide& to, const Neighbors& neighbors) {
    for (int each = 0; to.packed() && each < neighbors.sources; ++each)
      if (!neighbors.silent[static_cast<std::size_t>(each)] && !to.unpack_block(each)) return false;
    return true;
  }
};

}  // namespace sluice::mpi
