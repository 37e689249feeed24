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
    const TypeInfo& info = Types<A>::find(type);
    const std::uint64_t bytes = bytes_of(count, info);
    if (info.window(Call::kSend).contains(bytes)) [[unlikely]]
      return send_packed<kFunction>(info, buffer, count, type, peer, tag, comm);
    note_passed(kFunction, info, bytes);
    return next<kName>(kFunction, buffer, count, type, peer, tag, comm);
  }

  static int receive(void* buffer, N count, Handle type, int peer, int tag, Handle comm,
                     void* status) {
    constexpr Function kFunction = form<N>(Function::kRecv);
    const TypeInfo& info = Types<A>::find(type);
    const std::uint64_t bytes = bytes_of(count, info);
    if (info.window(Call::kReceive).contains(bytes)) [[unlikely]]
      return receive_packed<kFunction>(info, buffer, count, type, status, peer, tag, comm);
    note_passed(kFunction, info, bytes);
    const int result = next<kName>(kFunction, buffer, count, type, peer, tag, comm, status);
    if (orphans::number.load(std::memory_order_relaxed) != 0) [[unlikely]]
      Completion<A, kName>::visit_orphans();
    return result;
  }

  static int receive_matched(void* buffer, N count, Handle type, Handle* message, void* status) {
    constexpr Function kFunction = form<N>(Function::kMrecv);
    const TypeInfo& info = Types<A>::find(type);
    const std::uint64_t bytes = bytes_of(count, info);
    if (info.window(Call::kReceive).contains(bytes)) [[unlikely]]
      return receive_packed<kFunction>(info, buffer, count, type, status, message);
    note_passed(kFunction, info, bytes);
    return next<kName>(kFunction, buffer, count, type, message, status);
  }

  static int send_receive(const void* out, N out_count, Handle out_type, int to, int out_tag,
                          void* in, N in_count, Handle in_type, int from, int in_tag, Handle comm,
                          void* status) {
    constexpr Function kFunction = form<N>(Function::kSendrecv);
    const TypeInfo& out_info = Types<A>::find(out_type);
    const TypeInfo& in_info = Types<A>::find(in_type);
    const bool packs =
        to != A::kProcNull && out_info.window(Call::kSend).contains(bytes_of(out_count, out_info));
    const bool unpacks = from != A::kProcNull &&
                         in_info.window(Call::kReceive).contains(bytes_of(in_count, in_info));
    if (packs || unpacks) [[unlikely]]
      return send_receive_packed(packs ? &out_info : nullptr, unpacks ? &in_info : nullptr, out,
                                 out_count, out_type, to, out_tag, in, in_count, in_type, from,
                                 in_tag, comm, status);
    note_passed(kFunction, out_info, bytes_of(out_count, out_info));
    return next<kName>(kFunction, out, out_count, out_type, to, out_tag, in, in_count, in_type,
                       from, in_tag, comm, status);
  }

  static int send_receive_replace(void* buffer, N count, Handle type, int to, int out_tag, int from,
                                  int in_tag, Handle comm, void* status) {
    constexpr Function kFunction = form<N>(Function::kSendrecv_replace);
    const TypeInfo& info = Types<A>::find(type);
    const std::uint64_t bytes = bytes_of(count, info);
    if (info.window(Call::kReceive).contains(bytes) &&
        (info.always_received || info.window(Call::kSend).contains(bytes))) [[unlikely]]
      return replace_packed(info, buffer, count, type, to, out_tag, from, in_tag, comm, status);
    note_passed(kFunction, info, bytes);
    return next<kName>(kFunction, buffer, count, type, to, out_tag, from, in_tag, comm, status);
  }

  // ---- with a request ----

  template <Function kBase>
  static int start_send(const void* buffer, N count, Handle type, int peer, int tag, Handle comm,
                        Handle* request) {
    constexpr Function kFunction = form<N>(kBase);
    const TypeInfo& info = Types<A>::find(type);
    const std::uint64_t bytes = bytes_of(count, info);
    if (info.window(Call::kSend).contains(bytes)) [[unlikely]]
      return request_packed<kFunction, false>(info, buffer, count, type, request, peer, tag, comm);
    note_passed(kFunction, info, bytes);
    return next<kName>(kFunction, buffer, count, type, peer, tag, comm, request);
  }

  template <Function kBase>
  static int start_receive(void* buffer, N count, Handle type, int peer, int tag, Handle comm,
                           Handle* request) {
    constexpr Function kFunction = form<N>(kBase);
    const TypeInfo& info = Types<A>::find(type);
    const std::uint64_t bytes = bytes_of(count, info);
    if (info.window(Call::kReceive).contains(bytes)) [[unlikely]]
      return request_packed<kFunction, true>(info, buffer, count, type, request, peer, tag, comm);
    note_passed(kFunction, info, bytes);
    return next<kName>(kFunction, buffer, count, type, peer, tag, comm, request);
  }

  static int start_receive_matched(void* buffer, N count, Handle type, Handle* message,
                                   Handle* request) {
    constexpr Function kFunction = form<N>(Function::kImrecv);
    const TypeInfo& info = Types<A>::find(type);
    const std::uint64_t bytes = bytes_of(count, info);
    if (info.window(Call::kReceive).contains(bytes)) [[unlikely]]
      return request_packed<kFunction, true>(info, buffer, count, type, request, message);
    note_passed(kFunction, info, bytes);
    return next<kName>(kFunction, buffer, count, type, message, request);
  }

 private:
  static constexpr bool is_persistent(Function function) {
    return function >= Function::kSend_init && function <= Function::kRecv_init_c;
  }

  /// Whether we stay out of this one, although the table would have us; counted as passed on then.
  static bool stays_out(Function function, const TypeInfo& info, const void* buffer) {
    if (nested != 0) return note_passed(function, Reason::kNested), true;
    if (!of_host(info, buffer)) return note_passed(function, Reason::kDevice), true;
    return false;
  }
  static bool no_peer(int peer) { return peer == A::kProcNull; }
  static bool no_peer(int peer, int, Handle) { return peer == A::kProcNull; }
  static bool no_peer(Handle*) { return false; }

  static N packed_count(N count, const TypeInfo& info) {
    return static_cast<N>(bytes_of(count, info));
  }

  template <Function kFunction>
  static int send_packed(const TypeInfo& info, const void* buffer, N count, Handle type, int peer,
                         int tag, Handle comm) {
    const bool out = no_peer(peer) || stays_out(kFunction, info, buffer);
    const pool::Buffer packed(out ? -1 : static_cast<std::int64_t>(bytes_of(count, info)));
    if (!packed) {
      if (!out) note_passed(kFunction, Reason::kMemory);
      return next<kName>(kFunction, buffer, count, type, peer, tag, comm);
    }
    const Hold hold(&info);
    const Inside inside;
    info.layout->pack(buffer, count, packed.get());
    note_accelerated(kFunction, info, packed_count(count, info));
    return next<kName>(kFunction, static_cast<const void*>(packed.get()), packed_count(count, info),
                       A::byte(), peer, tag, comm);
  }

  /// `from`: peer, tag, communicator; or the message.
  template <Function kFunction, class... From>
  static int receive_packed(const TypeInfo& info, void* buffer, N count, Handle type, void* status,
                            From... from) {
    const bool out = no_peer(from...) || stays_out(kFunction, info, buffer);
    const pool::Buffer packed(out ? -1 : static_cast<std::int64_t>(bytes_of(count, info)),
                              info.always_received);
    if (!packed) {
      if (!out) note_passed(kFunction, Reason::kMemory);
      return next<kName>(kFunction, buffer, count, type, from..., status);
    }
    const Hold hold(&info);
    StatusRoom room;
    void* const seen = ignored<A>(status) ? &room : status;
    int result;
    {
      const Inside inside;
      result = next<kName>(kFunction, static_cast<void*>(packed.get()), packed_count(count, info),
                           A::byte(), from..., seen);
    }
    if (result == kSuccess)
      unpack_received(info, packed.get(), count, received_bytes<A>(seen), buffer);
    note_accelerated(kFunction, info, packed_count(count, info));
    if (orphans::number.load(std::memory_order_relaxed) != 0) Completion<A, kName>::visit_orphans();
    return result;
  }

  static int send_receive_packed(const TypeInfo* out_info, const TypeInfo* in_info, const void* out,
                                 N out_count, Handle out_type, int to, int out_tag, void* in,
                                 N in_count, Handle in_type, int from, int in_tag, Handle comm,
                                 void* status) {
    constexpr Function kFunction = form<N>(Function::kSendrecv);
    if (out_info != nullptr && stays_out(kFunction, *out_info, out)) out_info = nullptr;
    if (in_info != nullptr && stays_out(kFunction, *in_info, in)) in_info = nullptr;
    const pool::Buffer out_packed(
        out_info != nullptr ? static_cast<std::int64_t>(bytes_of(out_count, *out_info)) : -1);
    const pool::Buffer in_packed(
        in_info != nullptr ? static_cast<std::int64_t>(bytes_of(in_count, *in_info)) : -1,
        in_info != nullptr && in_info->always_received);
    const Hold hold_out(out_info), hold_in(in_info);
    StatusRoom room;
    void* const seen = in_packed && ignored<A>(status) ? &room : status;
    if (out_packed) {
      out_info->layout->pack(out, out_count, out_packed.get());
      note_accelerated(kFunction, *out_info, packed_count(out_count, *out_info));
    }
    int result;
    {
      const Inside inside;
      result = next<kName>(kFunction, out_packed ? static_cast<const void*>(out_packed.get()) : out,
                           out_packed ? packed_count(out_count, *out_info) : out_count,
                           out_packed ? A::byte() : out_type, to, out_tag,
                           in_packed ? static_cast<void*>(in_packed.get()) : in,
                           in_packed ? packed_count(in_count, *in_info) : in_count,
                           in_packed ? A::byte() : in_type, from, in_tag, comm, seen);
    }
    if (in_packed && result == kSuccess)
      unpack_received(*in_info, in_packed.get(), in_count, received_bytes<A>(seen), in);
    if (in_packed) note_accelerated(kFunction, *in_info, packed_count(in_count, *in_info));
    return result;
  }

  static int replace_packed(const TypeInfo& info, void* buffer, N count, Handle type, int to,
                            int out_tag, int from, int in_tag, Handle comm, void* status) {
    constexpr Function kFunction = form<N>(Function::kSendrecv_replace);
    const bool out = stays_out(kFunction, info, buffer);
    const pool::Buffer packed(out ? -1 : static_cast<std::int64_t>(bytes_of(count, info)),
                              info.always_received);
    if (!packed) {
      if (!out) note_passed(kFunction, Reason::kMemory);
      return next<kName>(kFunction, buffer, count, type, to, out_tag, from, in_tag, comm, status);
    }
    const Hold hold(&info);
    StatusRoom room;
    void* const seen = ignored<A>(status) ? &room : status;
    info.layout->pack(buffer, count, packed.get());
    int result;
    {
      const Inside inside;
      result = next<kName>(kFunction, static_cast<void*>(packed.get()), packed_count(count, info),
                           A::byte(), to, out_tag, from, in_tag, comm, seen);
    }
    if (result == kSuccess && from != A::kProcNull)
      unpack_received(info, packed.get(), count, received_bytes<A>(seen), buffer);
    note_accelerated(kFunction, info, packed_count(count, info));
    return result;
  }

  template <Function kFunction, bool kReceives, class Buffer, class... Peer>
  static int request_packed(const TypeInfo& info, Buffer* buffer, N count, Handle type,
                            Handle* request, Peer... peer) {
    const bool out = no_peer(peer...) || stays_out(kFunction, info, buffer);
    Pending* const pending =
        out ? nullptr : make_pending(kFunction, info, buffer, count, kReceives);
    if (pending == nullptr) {
      if (!out) note_passed(kFunction, Reason::kMemory);
      return next<kName>(kFunction, buffer, count, type, peer..., request);
    }
    pending->persistent = is_persistent(kFunction);
    pending->active = !pending->persistent;
    if (!kReceives && !pending->persistent) pending->pack();
    int result;
    {
      const Inside inside;
      result = next<kName>(kFunction, static_cast<Buffer*>(pending->packed()),
                           packed_count(count, info), A::byte(), peer..., request);
    }
    note_accelerated(kFunction, info, pending->bytes());
    if (result != kSuccess || *request == A::request_null())
      dispose(pending);
    else
      pending::insert(pending, key_of(*request));
    return result;
  }
};

}  // namespace sluice::mpi
