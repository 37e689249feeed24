// MPI_Pack and MPI_Unpack.
#pragma once

#include "bindings/mpi/call.hpp"

namespace sluice::mpi {

/// N: of counts, sizes and positions.
template <class A, Name kName, class N>
struct Packing {
  using Handle = typename A::Handle;

  static int pack(const void* in, N count, Handle type, void* out, N out_size, N* position,
                  Handle comm) {
    constexpr Function kFunction = form<N>(Function::kPack);
    const TypeInfo& info = Types<A>::find(type);
    const std::uint64_t bytes = bytes_of(count, info);
    if (info.window(Call::kPack).contains(bytes) && fits(bytes, out_size, position, comm))
        [[likely]] {
      if (of_host(info, in) && !device::may_be_of_device(out)) [[likely]] {
        info.layout->pack(in, count, static_cast<std::byte*>(out) + *position);
        *position += static_cast<N>(bytes);
        note_accelerated(kFunction, info, static_cast<std::int64_t>(bytes));
        return kSuccess;
      }
      note_passed(kFunction, Reason::kDevice);
    } else {
      note_passed_unfit(kFunction, Call::kPack, info, bytes);
    }
    return next<kName>(kFunction, in, count, type, out, out_size, position, comm);
  }

  static int unpack(const void* in, N in_size, N* position, void* out, N count, Handle type,
                    Handle comm) {
    constexpr Function kFunction = form<N>(Function::kUnpack);
    const TypeInfo& info = Types<A>::find(type);
    const std::uint64_t bytes = bytes_of(count, info);
    if (info.window(Call::kUnpack).contains(bytes) && fits(bytes, in_size, position, comm))
        [[likely]] {
      if (of_host(info, out) && !device::may_be_of_device(in)) [[likely]] {
        info.layout->unpack(static_cast<const std::byte*>(in) + *position, count, out);
        *position += static_cast<N>(bytes);
        note_accelerated(kFunction, info, static_cast<std::int64_t>(bytes));
        return kSuccess;
      }
      note_passed(kFunction, Reason::kDevice);
    } else {
      note_passed_unfit(kFunction, Call::kUnpack, info, bytes);
    }
    return next<kName>(kFunction, in, in_size, position, out, count, type, comm);
  }

 private:
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
