// What differs between the three binary interfaces of MPI libraries, as far as we look. Facts of
// the interfaces, not anybody's mpi.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace sluice::mpi {

/// How a datatype was made.
enum class Combiner : std::uint8_t {
  kNamed,
  kDup,
  kContiguous,
  kVector,
  kHvector,
  kIndexed,
  kHindexed,
  kIndexedBlock,
  kHindexedBlock,
  kStruct,
  kSubarray,
  kDarray,
  kResized,
  kUnknown,
};

/// MPI_Get_address's integers, and MPI_Count: 64 bits in all three.
using Aint = std::int64_t;

/// What is the address of an object of the library, so known only at run time. Set once, before any
/// call.
struct RuntimeHandles {
  void* byte = nullptr;
  void* datatype_null = nullptr;
  void* request_null = nullptr;
  void* comm_world = nullptr;
};

struct OpenMpi {
  using Handle = void*;
  /// Whether its typed receives lose what a fragment of a message has of an element that the next
  /// fragment ends. MPICH does, where elements do not all have the same size of at most 8 bytes:
  /// docs/mpi.md.
  static constexpr bool kLosesCutElements = false;
  static inline RuntimeHandles handles;
  static Handle byte() { return handles.byte; }
  static Handle datatype_null() { return handles.datatype_null; }
  static Handle request_null() { return handles.request_null; }
  static Handle comm_world() { return handles.comm_world; }
  static constexpr std::uintptr_t kInPlace = 1;
  static constexpr std::uintptr_t kStatusIgnore = 0;
  static constexpr std::size_t kStatusBytes = 24;
  static constexpr std::size_t kStatusError = 8;
  static constexpr int kProcNull = -2, kRoot = -4;
  static constexpr int kUndefined = -32766;
  static constexpr int kErrInStatus = 18;
  static constexpr int kErrPending = 19;
  static constexpr int kErrOther = 16;
  static constexpr int kGraph = 2, kCart = 1, kDistGraph = 3;
  static constexpr int kOrderC = 0;
  static constexpr int kDistributeBlock = 0, kDistributeCyclic = 1, kDefaultArgument = -1;
  static constexpr int error_class(int code) { return code; }
  /// Whether the handle can be one of a datatype; and whether it shows by itself that the datatype
  /// is predefined.
  static bool may_be_type(Handle type) { return type != nullptr && type != handles.datatype_null; }
  static bool shows_named(Handle) { return false; }
  static Combiner combiner(int number) {
    constexpr Combiner kTable[] = {
        Combiner::kNamed,    Combiner::kDup,          Combiner::kContiguous,   Combiner::kVector,
        Combiner::kHvector,  Combiner::kHvector,      Combiner::kIndexed,      Combiner::kHindexed,
        Combiner::kHindexed, Combiner::kIndexedBlock, Combiner::kStruct,       Combiner::kStruct,
        Combiner::kSubarray, Combiner::kDarray,       Combiner::kNamed,        Combiner::kNamed,
        Combiner::kNamed,    Combiner::kResized,      Combiner::kHindexedBlock};
    return number >= 0 && number < int{sizeof(kTable) / sizeof(kTable[0])} ? kTable[number]
                                                                           : Combiner::kUnknown;
  }
};

/// MPICH, Intel MPI, MVAPICH, Cray MPICH, ParaStation: handles are numbers that say what they are.
struct Mpich {
  using Handle = int;
  static constexpr bool kLosesCutElements = true;
  static constexpr Handle byte() { return 0x4c00010d; }
  static constexpr Handle datatype_null() { return 0x0c000000; }
  static constexpr Handle request_null() { return 0x2c000000; }
  static constexpr Handle comm_world() { return 0x44000000; }
  static constexpr std::uintptr_t kInPlace = ~std::uintptr_t{0};
  static constexpr std::uintptr_t kStatusIgnore = 1;
  static constexpr std::size_t kStatusBytes = 20;
  static constexpr std::size_t kStatusError = 16;
  static constexpr int kProcNull = -1, kRoot = -3;
  static constexpr int kUndefined = -32766;
  static constexpr int kErrInStatus = 17;
  static constexpr int kErrPending = 18;
  static constexpr int kErrOther = 15;
  static constexpr int kGraph = 1, kCart = 2, kDistGraph = 3;
  static constexpr int kOrderC = 56;
  static constexpr int kDistributeBlock = 121, kDistributeCyclic = 122, kDefaultArgument = -49767;
  static constexpr int error_class(int code) { return code & 0x7f; }
  static constexpr bool may_be_type(Handle type) {
    return (type & 0x3c000000) == 0x0c000000 && (type & static_cast<int>(0xc0000000)) != 0;
  }
  static constexpr bool shows_named(Handle type) {
    return (type & static_cast<int>(0xfc000000)) == 0x4c000000;
  }
  static Combiner combiner(int number) {
    return number == 20  ? Combiner::kNamed
           : number >= 1 ? OpenMpi::combiner(number - 1)
                         : Combiner::kUnknown;
  }
};

/// The binary interface of MPI 5: pointers, small numbers for what is predefined.
struct Standard {
  using Handle = void*;
  static constexpr bool kLosesCutElements = true;  // it may be MPICH
  static Handle number(std::uintptr_t value) { return reinterpret_cast<Handle>(value); }
  static Handle byte() { return number(0x247); }
  static Handle datatype_null() { return number(0x200); }
  static Handle request_null() { return number(0x180); }
  static Handle comm_world() { return number(0x101); }
  static constexpr std::uintptr_t kInPlace = 1;
  static constexpr std::uintptr_t kStatusIgnore = 0;
  static constexpr std::size_t kStatusBytes = 32;
  static constexpr std::size_t kStatusError = 8;
  static constexpr int kProcNull = -3, kRoot = -4;
  static constexpr int kUndefined = -32766;
  static constexpr int kErrInStatus = 19;
  static constexpr int kErrPending = 18;
  static constexpr int kErrOther = 16;
  static constexpr int kGraph = 212, kCart = 211, kDistGraph = 213;
  static constexpr int kOrderC = 12;
  static constexpr int kDistributeBlock = 17, kDistributeCyclic = 18, kDefaultArgument = 19;
  static constexpr int error_class(int code) { return code; }
  static bool may_be_type(Handle type) { return type > datatype_null(); }
  static bool shows_named(Handle type) { return type > datatype_null() && type < number(0x400); }
  static Combiner combiner(int number) {
    constexpr Combiner kTable[] = {
        Combiner::kNamed,    Combiner::kDup,          Combiner::kContiguous,
        Combiner::kVector,   Combiner::kHvector,      Combiner::kIndexed,
        Combiner::kHindexed, Combiner::kIndexedBlock, Combiner::kHindexedBlock,
        Combiner::kStruct,   Combiner::kSubarray,     Combiner::kDarray,
        Combiner::kNamed,    Combiner::kNamed,        Combiner::kNamed,
        Combiner::kResized,  Combiner::kNamed};
    return number >= 101 && number <= 117 ? kTable[number - 101] : Combiner::kUnknown;
  }
};

/// The same number for equal handles, not zero for those that are in use.
inline std::uintptr_t key_of(void* handle) { return reinterpret_cast<std::uintptr_t>(handle); }
inline std::uintptr_t key_of(int handle) { return static_cast<std::uint32_t>(handle); }
template <class Handle>
Handle handle_of(std::uintptr_t key) {
  if constexpr (std::is_pointer_v<Handle>)
    return reinterpret_cast<Handle>(key);
  else
    return static_cast<Handle>(key);
}

template <class A>
bool in_place(const void* buffer) {
  return reinterpret_cast<std::uintptr_t>(buffer) == A::kInPlace;
}
template <class A>
bool ignored(const void* status) {
  return reinterpret_cast<std::uintptr_t>(status) == A::kStatusIgnore;
}

}  // namespace sluice::mpi
