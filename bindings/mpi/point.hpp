// Messages between two ranks.
#pragma once

#include "bindings/mpi/call.hpp"
#include "bindings/mpi/completion.hpp"

namespace sluice::mpi {

template <class A, Name kName, class N>
struct Point {
  using Handle = typename A::Handle;

  // ---- blocking ----

  template <Function kBase>
  static int send(const void* buffer, N count, Handle type, int peer, int tag, Handle comm) {
    constexpr Function kFunction = form<N>(kBase);
    if (passes_at_once(type, Call::kSend, count, peer)) [[likely]]
      return next<kName>(kFunction, buffer, count, type, peer, tag, comm);
    return send_packed<kFunction>(buffer, count, type, peer, tag, comm);
  }

  static int receive(void* buffer, N count, Handle type, int peer, int tag, Handle comm,
                     void* status) {
    constexpr Function kFunction = form<N>(Function::kRecv);
    if (passes_at_once(type, Call::kReceive, count, peer) &&
        orphans::number.load(std::memory_order_relaxed) == 0) [[likely]]
      return next<kName>(kFunction, buffer, count, type, peer, tag, comm, status);
    return receive_packed<kFunction>(buffer, count, type, status, peer, tag, comm);
  }

  static int receive_matched(void* buffer, N count, Handle type, Handle* message, void* status) {
    return receive_packed<form<N>(Function::kMrecv)>(buffer, count, type, status, message);
  }

  static int send_receive(const void* out, N out_count, Handle out_type, int to, int out_tag,
                          void* in, N in_count, Handle in_type, int from, int in_tag, Handle comm,
                          void* status) {
    constexpr Function kFunction = form<N>(Function::kSendrecv);
    const TypeInfo& out_info = Types<A>::find(out_type);
    const TypeInfo& in_info = Types<A>::find(in_type);
    const std::uint64_t out_bytes = bytes_of(out_count, out_info);
    const std::uint64_t in_bytes = bytes_of(in_count, in_info);
    const bool to_self = is_self(out_info, Call::kSend, out_bytes, to, out_tag, comm);
    const bool from_self = is_self(in_info, Call::kReceive, in_bytes, from, in_tag, comm);
    if ((!no_peer(to) && may_pack(out_info, Call::kSend, to_self, out_bytes)) ||
        (!no_peer(from) && may_pack(in_info, Call::kReceive, from_self, in_bytes))) [[unlikely]]
      return send_receive_packed(out_info, in_info, to_self, from_self, out, out_count, out_type,
                                 to, out_tag, in, in_count, in_type, from, in_tag, comm, status);
    note_passed(kFunction, out_info, out_bytes);
    return next<kName>(kFunction, out, out_count, out_type, to, out_tag, in, in_count, in_type,
                       from, in_tag, comm, status);
  }

  static int send_receive_replace(void* buffer, N count, Handle type, int to, int out_tag, int from,
                                  int in_tag, Handle comm, void* status) {
    constexpr Function kFunction = form<N>(Function::kSendrecv_replace);
    const TypeInfo& info = Types<A>::find(type);
    const std::uint64_t bytes = bytes_of(count, info);
    // Both sides or none: they share a buffer. With a driver loaded the receive decides.
    const bool from_self = is_self(info, Call::kReceive, bytes, from, in_tag, comm);
    if (device::possible() ||
        (info.packs(Call::kReceive, from_self, bytes) &&
         (info.always_received ||
          info.packs(Call::kSend, is_self(info, Call::kSend, bytes, to, out_tag, comm), bytes))))
        [[unlikely]]
      return replace_packed(info, from_self, buffer, count, type, to, out_tag, from, in_tag, comm,
                            status);
    note_passed(kFunction, info, bytes);
    return next<kName>(kFunction, buffer, count, type, to, out_tag, from, in_tag, comm, status);
  }

  // ---- with a request ----

  template <Function kBase>
  static int start_send(const void* buffer, N count, Handle type, int peer, int tag, Handle comm,
                        Handle* request) {
    constexpr Function kFunction = form<N>(kBase);
    if (passes_at_once(type, Call::kSend, count, peer)) [[likely]]
      return next<kName>(kFunction, buffer, count, type, peer, tag, comm, request);
    return request_packed<kFunction, false>(buffer, count, type, request, peer, tag, comm);
  }

  template <Function kBase>
  static int start_receive(void* buffer, N count, Handle type, int peer, int tag, Handle comm,
                           Handle* request) {
    constexpr Function kFunction = form<N>(kBase);
    if (passes_at_once(type, Call::kReceive, count, peer)) [[likely]]
      return next<kName>(kFunction, buffer, count, type, peer, tag, comm, request);
    return request_packed<kFunction, true>(buffer, count, type, request, peer, tag, comm);
  }

  static int start_receive_matched(void* buffer, N count, Handle type, Handle* message,
                                   Handle* request) {
    return request_packed<form<N>(Function::kImrecv), true>(buffer, count, type, request, message);
  }

 private:
  static constexpr bool is_persistent(Function function) {
    return function >= Function::kSend_init && function <= Function::kRecv_init_c;
  }

  /// Whether a call is passed on for certain and not counted. Calls nothing, so what is left of the
  /// handler is a jump.
  static bool passes_at_once(Handle type, Call call, N count, int peer) {
    if (report::on) [[unlikely]]
      return false;
    const TypeInfo* const info = Types<A>::find_cached(type);
    return (info != nullptr && info->reach(call).misses(bytes_of(count, *info)) &&
            !device::possible()) ||
           no_peer(peer);
  }
  static bool no_peer(int peer) { return peer == A::kProcNull; }
  static bool no_peer(int peer, int, Handle) { return no_peer(peer); }
  static bool no_peer(Handle*) { return false; }

  /// Whether the peer is this rank. Asked only where the table makes a difference of it, since the
  /// library has to say. Who sent a matched message is not known.
  static bool is_self(const TypeInfo& info, Call call, std::uint64_t bytes, int peer, int,
                      Handle comm) {
    return peer >= 0 && info.packs(call, false, bytes) != info.packs(call, true, bytes) &&
           peer == rank_in(comm) && groups_of(comm) == 1;
  }
  static bool is_self(const TypeInfo&, Call, std::uint64_t, Handle*) { return false; }

  static N packed_count(N count, const TypeInfo& info) {
    return static_cast<N>(bytes_of(count, info));
  }

  /// route_of() and memory for what is packed; an empty `packed` where the call is passed on, which
  /// is counted.
  static Route prepare(Function function, Call call, bool self, const TypeInfo& info,
                       const void* buffer, std::uint64_t bytes, Packed& packed) {
    const Route route = route_of(call, info, buffer, bytes, self);
    const bool must = call == Call::kReceive && info.always_received;
    if (!route.packs)
      note_passed(function, route.reason);
    else if (!packed.acquire(route, static_cast<std::int64_t>(bytes), must))
      note_passed(function, Reason::kMemory);
    return route;
  }

  // Whatever does not pass at once.

  template <Function kFunction>
  [[gnu::noinline]] static int send_packed(const void* buffer, N count, Handle type, int peer,
                                           int tag, Handle comm) {
    const TypeInfo& info = Types<A>::find(type);
    const std::uint64_t bytes = no_peer(peer) ? 0 : bytes_of(count, info);
    Packed packed;
    const Route route =
        prepare(kFunction, Call::kSend, is_self(info, Call::kSend, bytes, peer, tag, comm), info,
                buffer, bytes, packed);
    if (!packed) return next<kName>(kFunction, buffer, count, type, peer, tag, comm);
    const Hold hold(&info);
    const Inside inside;
    if (!packed.pack(info, route.place, buffer, count)) return device_failed<A>();
    note_accelerated(kFunction, info, packed_count(count, info), route.way);
    return next<kName>(kFunction, static_cast<const void*>(packed.get()), packed_count(count, info),
                       A::byte(), peer, tag, comm);
  }

  /// `from`: peer, tag, communicator; or the message.
  template <Function kFunction, class... From>
  [[gnu::noinline]] static int receive_packed(void* buffer, N count, Handle type, void* status,
                                              From... from) {
    const TypeInfo& info = Types<A>::find(type);
    const std::uint64_t bytes = no_peer(from...) ? 0 : bytes_of(count, info);
    Packed packed;
    const Route route =
        prepare(kFunction, Call::kReceive, is_self(info, Call::kReceive, bytes, from...), info,
                buffer, bytes, packed);
    if (!packed)
      return Completion<A, kName>::visited(
          next<kName>(kFunction, buffer, count, type, from..., status));
    const Hold hold(&info);
    StatusRoom room;
    void* const seen = ignored<A>(status) ? &room : status;
    int result;
    {
      const Inside inside;
      result = next<kName>(kFunction, static_cast<void*>(packed.get()), packed_count(count, info),
                           A::byte(), from..., seen);
    }
    if (result == kSuccess &&
        !packed.unpack(info, route.place, received_bytes<A>(seen), count, buffer))
      result = device_failed<A>();
    note_accelerated(kFunction, info, packed_count(count, info), route.way);
    return Completion<A, kName>::visited(result);
  }

  static int send_receive_packed(const TypeInfo& out_info, const TypeInfo& in_info, bool to_self,
                                 bool from_self, const void* out, N out_count, Handle out_type,
                                 int to, int out_tag, void* in, N in_count, Handle in_type,
                                 int from, int in_tag, Handle comm, void* status) {
    constexpr Function kFunction = form<N>(Function::kSendrecv);
    Packed out_packed, in_packed;
    Route out_route, in_route;
    if (!no_peer(to))
      out_route = prepare(kFunction, Call::kSend, to_self, out_info, out,
                          bytes_of(out_count, out_info), out_packed);
    if (!no_peer(from))
      in_route = prepare(kFunction, Call::kReceive, from_self, in_info, in,
                         bytes_of(in_count, in_info), in_packed);
    const Hold hold_out(&out_info), hold_in(&in_info);
    StatusRoom room;
    void* const seen = in_packed && ignored<A>(status) ? &room : status;
    if (out_packed) {
      if (!out_packed.pack(out_info, out_route.place, out, out_count)) return device_failed<A>();
      note_accelerated(kFunction, out_info, packed_count(out_count, out_info), out_route.way);
    }
    int result;
    {
      const Inside inside;
      result = next<kName>(kFunction, out_packed ? static_cast<const void*>(out_packed.get()) : out,
                           out_packed ? packed_count(out_count, out_info) : out_count,
                           out_packed ? A::byte() : out_type, to, out_tag,
                           in_packed ? static_cast<void*>(in_packed.get()) : in,
                           in_packed ? packed_count(in_count, in_info) : in_count,
                           in_packed ? A::byte() : in_type, from, in_tag, comm, seen);
    }
    if (!in_packed) return result;
    note_accelerated(kFunction, in_info, packed_count(in_count, in_info), in_route.way);
    if (result == kSuccess &&
        !in_packed.unpack(in_info, in_route.place, received_bytes<A>(seen), in_count, in))
      return device_failed<A>();
    return result;
  }

  static int replace_packed(const TypeInfo& info, bool from_self, void* buffer, N count,
                            Handle type, int to, int out_tag, int from, int in_tag, Handle comm,
                            void* status) {
    constexpr Function kFunction = form<N>(Function::kSendrecv_replace);
    Packed packed;
    const Route route =
        prepare(kFunction, Call::kReceive, from_self, info, buffer, bytes_of(count, info), packed);
    if (!packed)
      return next<kName>(kFunction, buffer, count, type, to, out_tag, from, in_tag, comm, status);
    const Hold hold(&info);
    StatusRoom room;
    void* const seen = ignored<A>(status) ? &room : status;
    if (!packed.pack(info, route.place, buffer, count)) return device_failed<A>();
    int result;
    {
      const Inside inside;
      result = next<kName>(kFunction, static_cast<void*>(packed.get()), packed_count(count, info),
                           A::byte(), to, out_tag, from, in_tag, comm, seen);
    }
    note_accelerated(kFunction, info, packed_count(count, info), route.way);
    if (result == kSuccess && from != A::kProcNull &&
        !packed.unpack(info, route.place, received_bytes<A>(seen), count, buffer))
      return device_failed<A>();
    return result;
  }

  /// Short messages are gone when the call returns, and nothing is left to be done for them. It
  /// must be asked: the requests of all that are gone may be one, with one handle (MPICH), under
  /// which nobody would find what is pending of each.
  static bool is_sent(Handle request) {
    StatusRoom room;
    return has_completed(request, room);
  }

  template <Function kFunction, bool kReceives, class Buffer, class... Peer>
  [[gnu::noinline]] static int request_packed(Buffer* buffer, N count, Handle type, Handle* request,
                                              Peer... peer) {
    constexpr Call kCall = kReceives ? Call::kReceive : Call::kSend;
    const TypeInfo& info = Types<A>::find(type);
    const std::uint64_t bytes = no_peer(peer...) ? 0 : bytes_of(count, info);
    const Route route = route_of(kCall, info, buffer, bytes, is_self(info, kCall, bytes, peer...));
    Pending* const pending =
        route.packs ? make_pending(kFunction, route, info, buffer, count, kReceives) : nullptr;
    if (pending == nullptr) {
      note_passed(kFunction, route.packs ? Reason::kMemory : route.reason);
      return next<kName>(kFunction, buffer, count, type, peer..., request);
    }
    pending->persistent = is_persistent(kFunction);
    pending->active = !pending->persistent;
    if (!kReceives && !pending->persistent && !pending->pack()) {
      dispose(pending);
      return device_failed<A>();
    }
    int result;
    {
      const Inside inside;
      result = next<kName>(kFunction, static_cast<Buffer*>(pending->packed.get()),
                           packed_count(count, info), A::byte(), peer..., request);
    }
    note_accelerated(kFunction, info, pending->bytes(), route.way);
    const bool sends = !kReceives && !pending->persistent && result == kSuccess;
    if (result != kSuccess || *request == A::request_null() || (sends && is_sent(*request)))
      dispose(pending);
    else
      pending::insert(pending, key_of(*request));
    return result;
  }
};

}  // namespace sluice::mpi
