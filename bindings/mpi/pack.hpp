// MPI_Pack and MPI_Unpack.
#pragma once

#include <cstring>

#include "bindings/mpi/call.hpp"

namespace sluice::mpi {

/// N: of counts, sizes and positions.
template <class A, Name kName, class N>
struct Packing {
  using Handle = typename A::Handle;

  static int pack(const void* in, N count, Handle type, void* out, N out_size, N* position,
                  Handle comm) {
    const CachedType* const entry = Types<A>::find_entry(type);
    if (entry == nullptr) [[unlikely]]
      return pack_here(in, count, type, out, out_size, position, comm);
    if (passes_at_once(*entry->type, Call::kPack, count)) [[likely]]
      return next<kName>(form<N>(Function::kPack), in, count, type, out, out_size, position, comm);
    return pack_at_once(in, count, entry, out, out_size, position, comm);
  }

  static int unpack(const void* in, N in_size, N* position, void* out, N count, Handle type,
                    Handle comm) {
    const CachedType* const entry = Types<A>::find_entry(type);
    if (entry == nullptr) [[unlikely]]
      return unpack_here(in, in_size, position, out, count, type, comm);
    if (passes_at_once(*entry->type, Call::kUnpack, count)) [[likely]]
      return next<kName>(form<N>(Function::kUnpack), in, in_size, position, out, count, type, comm);
    return unpack_at_once(in, in_size, position, out, count, entry, comm);
  }

 private:
  /// As Point's: what is left of the handler then is a jump. Written out in both: by a function for
  /// both a passed send costs 3.3 ns more than the library's own, so 1.7.
  static bool passes_at_once(const TypeInfo& info, Call call, N count) {
    if (report::on) [[unlikely]]
      return false;
    return info.window(call).hull().misses(bytes_of(count, info)) && !device::possible();
  }

  // What is packed and not counted: 2.5 ns less than by pack_here(), of 13 for 64 bytes. With the
  // entry in the type's place all arguments stay where they are, so these are jumped to, and jump
  // to pack_here(); the kernel is all that is called.

  static bool moves_at_once(const TypeInfo& info, Call call, std::uint64_t bytes) {
    return !info.window(call).core().misses(bytes) && !device::possible() && !report::on;
  }

  /// Hides where a pointer comes from: else the compiler passes what it points to in its place, and
  /// the jump becomes a call.
  static const CachedType& opaque(const CachedType* entry) {
    asm("" : "+r"(entry));
    return *entry;
  }

  [[gnu::noinline]] static int pack_at_once(const void* in, N count, const CachedType* given,
                                            void* out, N out_size, N* position, Handle comm) {
    const CachedType& entry = opaque(given);
    const TypeInfo& info = *entry.type;
    const std::uint64_t bytes = bytes_of(count, info);
    if (!moves_at_once(info, Call::kPack, bytes) || !fits(bytes, out_size, position, comm))
        [[unlikely]]
      return pack_here(in, count, handle_of<Handle>(entry.key), out, out_size, position, comm);
    std::byte* const packed = static_cast<std::byte*>(out) + *position;
    if (info.contiguous())
      std::memcpy(packed, static_cast<const std::byte*>(in) + info.block_at, bytes);
    else
      info.layout->pack(in, count, packed);
    *position += static_cast<N>(bytes);
    return kSuccess;
  }

  [[gnu::noinline]] static int unpack_at_once(const void* in, N in_size, N* position, void* out,
                                              N count, const CachedType* given, Handle comm) {
    const CachedType& entry = opaque(given);
    const TypeInfo& info = *entry.type;
    const std::uint64_t bytes = bytes_of(count, info);
    if (!moves_at_once(info, Call::kUnpack, bytes) || !fits(bytes, in_size, position, comm))
        [[unlikely]]
      return unpack_here(in, in_size, position, out, count, handle_of<Handle>(entry.key), comm);
    const std::byte* const packed = static_cast<const std::byte*>(in) + *position;
    if (info.contiguous())
      std::memcpy(static_cast<std::byte*>(out) + info.block_at, packed, bytes);
    else
      info.layout->unpack(packed, count, out);
    *position += static_cast<N>(bytes);
    return kSuccess;
  }

  [[gnu::noinline]] static int pack_here(const void* in, N count, Handle type, void* out,
                                         N out_size, N* position, Handle comm) {
    constexpr Function kFunction = form<N>(Function::kPack);
    const TypeInfo& info = Types<A>::find(type);
    const std::uint64_t bytes = bytes_of(count, info);
    if (device::possible()) [[unlikely]] {
      const device::Place from = place_in(info, in, bytes), to = device::place_of(out);
      if (from.where != device::Where::kHost || to.where != device::Where::kHost)
        return pack_there(info, from, to, in, count, type, out, out_size, position, comm);
    }
    if (info.window(Call::kPack).contains(bytes) && fits(bytes, out_size, position, comm)) {
      info.layout->pack(in, count, static_cast<std::byte*>(out) + *position);
      return done(kFunction, info, bytes, position, policy::Way::kHost);
    }
    note_passed_unfit(kFunction, Call::kPack, info, bytes);
    return next<kName>(kFunction, in, count, type, out, out_size, position, comm);
  }

  [[gnu::noinline]] static int unpack_here(const void* in, N in_size, N* position, void* out,
                                           N count, Handle type, Handle comm) {
    constexpr Function kFunction = form<N>(Function::kUnpack);
    const TypeInfo& info = Types<A>::find(type);
    const std::uint64_t bytes = bytes_of(count, info);
    if (device::possible()) [[unlikely]] {
      const device::Place from = device::place_of(in), to = place_in(info, out, bytes);
      if (from.where != device::Where::kHost || to.where != device::Where::kHost)
        return unpack_there(info, from, to, in, in_size, position, out, count, type, comm);
    }
    if (info.window(Call::kUnpack).contains(bytes) && fits(bytes, in_size, position, comm)) {
      info.layout->unpack(static_cast<const std::byte*>(in) + *position, count, out);
      return done(kFunction, info, bytes, position, policy::Way::kHost);
    }
    note_passed_unfit(kFunction, Call::kUnpack, info, bytes);
    return next<kName>(kFunction, in, in_size, position, out, count, type, comm);
  }

  static device::Place place_in(const TypeInfo& info, const void* user, std::uint64_t bytes) {
    return info.layout == nullptr || bytes == 0 ? device::Place{} : place_of(info, user);
  }

  /// Between the memory of GPUs of one vendor, or of one and the host.
  static bool can_move(const TypeInfo& info, const device::Place& from, const device::Place& to) {
    if (from.where == device::Where::kUnknown || to.where == device::Where::kUnknown ||
        policy::leaves_devices())
      return false;
    if (from.driver != nullptr && to.driver != nullptr && from.driver != to.driver) return false;
    return info.contiguous() || device::has_kernels(from.driver != nullptr ? from : to);
  }

  /// Whether a call with memory of a GPU is ours.
  static bool takes(Function function, const TypeInfo& info, std::uint64_t bytes,
                    const device::Place& from, const device::Place& to, bool fit) {
    Reason reason = Reason::kDevice;
    if (info.layout == nullptr || bytes == 0 || bytes > INT_MAX)
      reason = why_not(info, bytes);
    else if (!fit)
      reason = Reason::kArguments;
    else if (can_move(info, from, to))
      return true;
    note_passed(function, reason);
    return false;
  }

  static int done(Function function, const TypeInfo& info, std::uint64_t bytes, N* position,
                  policy::Way way) {
    *position += static_cast<N>(bytes);
    note_accelerated(function, info, static_cast<std::int64_t>(bytes), way);
    return kSuccess;
  }

  /// Between elements at `user` and a packed form at `packed`: `direct` where kernels reach both,
  /// else `beside`, with pinned memory between them and the place that copies to or from `packed`.
  template <class Direct, class Beside>
  static int move(Function function, const TypeInfo& info, const device::Place& user,
                  const device::Place& packed, std::uint64_t bytes, N* position,
                  const Direct& direct, const Beside& beside) {
    const bool is_near = user.where == device::Where::kDevice && user.context == packed.context;
    const Route route{.packs = true,
                      .way = is_near ? policy::Way::kDevice : policy::Way::kOneShot,
                      .place = user.where == device::Where::kDevice ? user : packed};
    Packed pinned;
    const bool moved = is_near ? direct()
                               : pinned.acquire(route, static_cast<std::int64_t>(bytes), true) &&
                                     beside(pinned, packed.driver != nullptr ? packed : user);
    if (!moved) return device_failed<A>();
    return done(function, info, bytes, position, route.way);
  }

  static int pack_there(const TypeInfo& info, const device::Place& from, const device::Place& to,
                        const void* in, N count, Handle type, void* out, N out_size, N* position,
                        Handle comm) {
    constexpr Function kFunction = form<N>(Function::kPack);
    const std::uint64_t bytes = bytes_of(count, info);
    if (!takes(kFunction, info, bytes, from, to, fits(bytes, out_size, position, comm)))
      return next<kName>(kFunction, in, count, type, out, out_size, position, comm);
    std::byte* const packed = static_cast<std::byte*>(out) + *position;
    return move(
        kFunction, info, from, to, bytes, position,
        [&] { return device::pack(from, info.layout, in, count, packed); },
        [&](const Packed& pinned, const device::Place& place) {
          return pinned.pack(info, from, in, count) &&
                 device::copy(place, packed, pinned.get(), static_cast<std::int64_t>(bytes));
        });
  }

  static int unpack_there(const TypeInfo& info, const device::Place& from, const device::Place& to,
                          const void* in, N in_size, N* position, void* out, N count, Handle type,
                          Handle comm) {
    constexpr Function kFunction = form<N>(Function::kUnpack);
    const std::uint64_t bytes = bytes_of(count, info);
    if (!takes(kFunction, info, bytes, from, to, fits(bytes, in_size, position, comm)))
      return next<kName>(kFunction, in, in_size, position, out, count, type, comm);
    const auto length = static_cast<std::int64_t>(bytes);
    const std::byte* const packed = static_cast<const std::byte*>(in) + *position;
    return move(
        kFunction, info, to, from, bytes, position,
        [&] { return device::unpack(to, info.layout, packed, length, count, out); },
        [&](const Packed& pinned, const device::Place& place) {
          return device::copy(place, pinned.get(), packed, length) &&
                 pinned.unpack(info, to, length, count, out);
        });
  }

  /// Else the library says what is wrong. A null communicator is wrong; another bad one we cannot
  /// tell.
  static bool fits(std::uint64_t bytes, N size, const N* position, Handle comm) {
    return position != nullptr && *position >= 0 && size >= *position &&
           bytes <= static_cast<std::uint64_t>(size - *position) && comm != Handle{};
  }

  static void note_passed_unfit(Function function, Call call, const TypeInfo& info,
                                std::uint64_t bytes) {
    if (!report::on) [[likely]]
      return;
    report::passed(function,
                   info.window(call).contains(bytes) ? Reason::kArguments : why_not(info, bytes));
  }
};

}  // namespace sluice::mpi
