// Collective calls with derived datatypes. Counts stay, datatypes become contiguous ones of the
// same size: side.hpp.
#pragma once

#include <type_traits>
#include <vector>

#include "bindings/mpi/neighbors.hpp"
#include "bindings/mpi/part.hpp"
#include "bindings/mpi/side.hpp"
#include "bindings/mpi/typed_blocks.hpp"

namespace sluice::mpi {

template <class A, Name kName, class N>
struct Collective {
  using Handle = typename A::Handle;
  using OneSide = Side<A, N>;

  static int broadcast(void* buffer, N count, Handle type, int root, Handle comm) noexcept {
    constexpr Function kFunction = form<N>(Function::kBcast);
    Part part;
    if (passes(type) || !joins(kFunction, Rooted::kBroadcast, root, comm, part))
      return passed<kFunction>(type, type, buffer, count, type, root, comm);
    OneSide side(buffer, count, type, 1);
    if (!side.prepare(kFunction)) {
      note_passed(kFunction, side.reason());
      return next<kName>(kFunction, buffer, count, type, root, comm);
    }
    if (part.sends && !side.pack()) return device_failed<A>();
    const int result = on<kFunction>(side.buffer(), count, side.type(), root, comm);
    return done(result, result != kSuccess || !part.receives || side.unpack());
  }

  static int gather(const void* out, N out_count, Handle out_type, void* in, N in_count,
                    Handle in_type, int root, Handle comm) noexcept {
    constexpr Function kFunction = form<N>(Function::kGather);
    Part part;
    if ((passes(out_type) && passes(in_type)) ||
        !joins(kFunction, Rooted::kGather, root, comm, part))
      return passed<kFunction>(out_type, in_type, out, out_count, out_type, in, in_count, in_type,
                               root, comm);
    OneSide from(out, out_count, out_type, 1);
    OneSide to(in, in_count, in_type, part.blocks);
    return gather_sides<kFunction>(
        from, out, out_count, to, part, [&](const void* sent, N count, Handle type) {
          return on<kFunction>(sent, count, type, to.buffer(), in_count, to.type(), root, comm);
        });
  }

  static int gather_v(const void* out, N out_count, Handle out_type, void* in, const N* in_counts,
                      const N* displacements, Handle in_type, int root, Handle comm) noexcept {
    constexpr Function kFunction = form<N>(Function::kGatherv);
    Part part;
    if ((passes(out_type) && passes(in_type)) ||
        !joins(kFunction, Rooted::kGather, root, comm, part))
      return passed<kFunction>(out_type, in_type, out, out_count, out_type, in, in_counts,
                               displacements, in_type, root, comm);
    OneSide from(out, out_count, out_type, 1);
    OneSide to(in, in_counts, displacements, in_type, part.blocks);
    return gather_sides<kFunction>(
        from, out, out_count, to, part, [&](const void* sent, N count, Handle type) {
          return on<kFunction>(sent, count, type, to.buffer(), in_counts, to.displacements(),
                               to.type(), root, comm);
        });
  }

  static int scatter(const void* out, N out_count, Handle out_type, void* in, N in_count,
                     Handle in_type, int root, Handle comm) noexcept {
    constexpr Function kFunction = form<N>(Function::kScatter);
    Part part;
    if ((passes(out_type) && passes(in_type)) ||
        !joins(kFunction, Rooted::kScatter, root, comm, part))
      return passed<kFunction>(out_type, in_type, out, out_count, out_type, in, in_count, in_type,
                               root, comm);
    OneSide from(out, out_count, out_type, part.blocks);
    OneSide to(in, in_count, in_type, 1);
    return scatter_sides<kFunction>(
        from, to, in, in_count, part, [&](void* received, N count, Handle type) {
          return on<kFunction>(static_cast<const void*>(from.buffer()), out_count, from.type(),
                               received, count, type, root, comm);
        });
  }

  static int scatter_v(const void* out, const N* out_counts, const N* displacements,
                       Handle out_type, void* in, N in_count, Handle in_type, int root,
                       Handle comm) noexcept {
    constexpr Function kFunction = form<N>(Function::kScatterv);
    Part part;
    if ((passes(out_type) && passes(in_type)) ||
        !joins(kFunction, Rooted::kScatter, root, comm, part))
      return passed<kFunction>(out_type, in_type, out, out_counts, displacements, out_type, in,
                               in_count, in_type, root, comm);
    OneSide from(out, out_counts, displacements, out_type, part.blocks);
    OneSide to(in, in_count, in_type, 1);
    return scatter_sides<kFunction>(
        from, to, in, in_count, part, [&](void* received, N count, Handle type) {
          return on<kFunction>(static_cast<const void*>(from.buffer()), out_counts,
                               from.displacements(), from.type(), received, count, type, root,
                               comm);
        });
  }

  static int all_gather(const void* out, N out_count, Handle out_type, void* in, N in_count,
                        Handle in_type, Handle comm) noexcept {
    constexpr Function kFunction = form<N>(Function::kAllgather);
    Part part;
    if ((passes(out_type) && passes(in_type)) || !joins(kFunction, comm, part))
      return passed<kFunction>(out_type, in_type, out, out_count, out_type, in, in_count, in_type,
                               comm);
    OneSide from(out, out_count, out_type, 1);
    OneSide to(in, in_count, in_type, part.blocks);
    return all_gather_sides<kFunction>(from, out, to, part, [&] {
      return on<kFunction>(static_cast<const void*>(from.buffer()), out_count, from.type(),
                           to.buffer(), in_count, to.type(), comm);
    });
  }

  static int all_gather_v(const void* out, N out_count, Handle out_type, void* in,
                          const N* in_counts, const N* displacements, Handle in_type,
                          Handle comm) noexcept {
    constexpr Function kFunction = form<N>(Function::kAllgatherv);
    Part part;
    if ((passes(out_type) && passes(in_type)) || !joins(kFunction, comm, part))
      return passed<kFunction>(out_type, in_type, out, out_count, out_type, in, in_counts,
                               displacements, in_type, comm);
    OneSide from(out, out_count, out_type, 1);
    OneSide to(in, in_counts, displacements, in_type, part.blocks);
    return all_gather_sides<kFunction>(from, out, to, part, [&] {
      return on<kFunction>(static_cast<const void*>(from.buffer()), out_count, from.type(),
                           to.buffer(), in_counts, to.displacements(), to.type(), comm);
    });
  }

  static int all_to_all(const void* out, N out_count, Handle out_type, void* in, N in_count,
                        Handle in_type, Handle comm) noexcept {
    constexpr Function kFunction = form<N>(Function::kAlltoall);
    const bool is_in_place = in_place<A>(out);
    Part part;
    if ((passes(in_type) && (is_in_place || passes(out_type))) || !joins(kFunction, comm, part))
      return passed<kFunction>(is_in_place ? in_type : out_type, in_type, out, out_count, out_type,
                               in, in_count, in_type, comm);
    OneSide to(in, in_count, in_type, part.blocks);
    if (is_in_place)
      return in_place_side<kFunction>(to, [&] {
        return on<kFunction>(out, out_count, out_type, to.buffer(), in_count, to.type(), comm);
      });
    OneSide from(out, out_count, out_type, part.blocks);
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
    Part part;
    if ((passes(in_type) && (is_in_place || passes(out_type))) || !joins(kFunction, comm, part))
      return passed<kFunction>(is_in_place ? in_type : out_type, in_type, out, out_counts,
                               out_displacements, out_type, in, in_counts, in_displacements,
                               in_type, comm);
    OneSide to(in, in_counts, in_displacements, in_type, part.blocks);
    if (is_in_place)
      return in_place_side<kFunction>(to, [&] {
        return on<kFunction>(out, out_counts, out_displacements, out_type, to.buffer(), in_counts,
                             to.displacements(), to.type(), comm);
      });
    const int self = part.self;
    OneSide from(out, out_counts, out_displacements, out_type, part.blocks);
    const bool packs = from.prepare(kFunction);
    const bool unpacks = to.prepare(kFunction);
    // Nobody but this rank knows of what it sends to itself.
    const bool copied = self >= 0 && (packs || unpacks) && copy_block(from, self, to, self);
    note_unless_packed(kFunction, from, to);
    std::vector<N> sent(out_counts, out_counts + part.blocks);
    std::vector<N> received(in_counts, in_counts + part.blocks);
    if (copied) sent[static_cast<std::size_t>(self)] = received[static_cast<std::size_t>(self)] = 0;
    for (int each = 0; packs && each < part.blocks; ++each)
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
    Part part;
    if (!joins(kFunction, comm, part))
      return next<kName>(kFunction, out, out_counts, out_displacements, out_types, in, in_counts,
                         in_displacements, in_types, comm);
    const int self = part.self;
    TypedBlocks<A, N, N> to(in, in_counts, in_displacements, in_types, part.blocks);
    if (in_place<A>(out))
      return in_place_side<kFunction>(to, [&] {
        return on<kFunction>(out, out_counts, out_displacements, out_types, to.buffer(),
                             to.counts(), to.displacements(), to.types(), comm);
      });
    TypedBlocks<A, N, N> from(out, out_counts, out_displacements, out_types, part.blocks);
    const bool packs = from.prepare(kFunction);
    const bool unpacks = to.prepare(kFunction);
    if (self >= 0 && (packs || unpacks)) from.copy_self(to, self);
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
    if ((passes(out_type) && passes(in_type)) || is_nested(kFunction) ||
        !neighbors_of<A>(comm, rank_in(comm), neighbors))
      return passed<kFunction>(out_type, in_type, out, out_count, out_type, in, in_count, in_type,
                               comm);
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
    if ((passes(out_type) && passes(in_type)) || is_nested(kFunction) ||
        !neighbors_of<A>(comm, rank_in(comm), neighbors))
      return passed<kFunction>(out_type, in_type, out, out_counts, out_displacements, out_type, in,
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
    if (is_nested(kFunction) || !neighbors_of<A>(comm, rank_in(comm), neighbors))
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

  /// Whether it is a tool's own call, inside one of ours.
  static bool is_nested(Function function) {
    if (nested == 0) return false;
    return note_passed(function, Reason::kNested), true;
  }
  // Whether we join in this one, with the rank's part in it.
  static bool joins(Function function, Handle comm, Part& part) {
    return !is_nested(function) && does_any(function, part = part_among_all(comm));
  }
  static bool joins(Function function, Rooted call, int root, Handle comm, Part& part) {
    return !is_nested(function) && does_any(function, part = part_with_root<A>(call, root, comm));
  }
  static bool does_any(Function function, const Part& part) {
    if (part.sends || part.receives) return true;
    return note_passed(function, Reason::kEmpty), false;
  }

  /// Passed on; counted if all there is to say is that the types need no packing.
  template <Function kFunction, class... Arguments>
  static int passed(Handle type, Handle other, Arguments... arguments) {
    if (report::on && passes(type) && passes(other)) [[unlikely]] {
      const TypeInfo& info = Types<A>::find(type);
      report::passed(kFunction, why_not(info, static_cast<std::uint64_t>(info.size)));
    }
    return next<kName>(kFunction, arguments...);
  }

  static void note_unless_packed(Function function, const OneSide& one, const OneSide& other) {
    if (!one.packed() && !other.packed())
      note_passed(function, one.was_asked() ? one.reason() : other.reason());
  }

  /// The changed call.
  template <Function kFunction, class... Arguments>
  static int on(Arguments... arguments) {
    const Inside inside;
    return next<kName>(kFunction, arguments...);
  }

  static const void* in_place_buffer() { return reinterpret_cast<const void*>(A::kInPlace); }

  /// The root's own block goes type to type, which the library sees as "in place". Elsewhere "in
  /// place" is wrong: the library is to say so.
  template <Function kFunction, class Ask>
  static int gather_sides(OneSide& from, const void* out, N out_count, OneSide& to,
                          const Part& part, const Ask& ask) {
    const int self = part.self;
    const bool was_in_place = in_place<A>(out);
    const bool unpacks = part.receives && to.prepare(kFunction);
    const bool packs = part.sends && !was_in_place && from.prepare(kFunction);
    const bool copied = self >= 0 && unpacks && !was_in_place && copy_block(from, 0, to, self);
    if (packs && !copied && !from.pack()) return device_failed<A>();
    note_unless_packed(kFunction, from, to);
    const int result = ask(copied ? in_place_buffer() : from.buffer(), out_count, from.type());
    return done(result,
                result != kSuccess || !unpacks || to.unpack(copied || was_in_place ? self : -1));
  }

  template <Function kFunction, class Ask>
  static int scatter_sides(OneSide& from, OneSide& to, void* in, N in_count, const Part& part,
                           const Ask& ask) {
    const int self = part.self;
    const bool was_in_place = in_place<A>(in);
    const bool packs = part.sends && from.prepare(kFunction);
    if (part.receives && !was_in_place) to.prepare(kFunction);
    const bool copied = self >= 0 && packs && !was_in_place && copy_block(from, self, to, 0);
    if (packs && !from.pack()) return device_failed<A>();
    note_unless_packed(kFunction, to, from);
    const int result =
        ask(copied ? const_cast<void*>(in_place_buffer()) : to.buffer(), in_count, to.type());
    return done(result, result != kSuccess || copied || to.unpack());
  }

  template <Function kFunction, class Ask>
  static int all_gather_sides(OneSide& from, const void* out, OneSide& to, const Part& part,
                              const Ask& ask) {
    const bool was_in_place = in_place<A>(out);
    if (!was_in_place && from.prepare(kFunction) && !from.pack()) return device_failed<A>();
    const bool unpacks = to.prepare(kFunction);
    const int self = was_in_place ? part.self : -1;
    if (unpacks && self >= 0 && !to.pack_block(self)) return device_failed<A>();
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
