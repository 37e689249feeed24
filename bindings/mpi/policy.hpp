// When a call is accelerated: rows of a measured table that fit the library and the type.
// docs/mpi.md, "The table".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::datatype {
class Layout;
}

namespace sluice::mpi::policy {

enum class Mode : std::uint8_t { kOff, kPack, kAll, kAlways };

/// kSelf: both sides of a message from a rank to itself, in place of kSend and kReceive.
enum class Call : std::uint8_t { kPack, kUnpack, kSend, kReceive, kCollective, kSelf };
inline constexpr int kCalls = 6;

/// Of numbers of bytes, both ends included.
struct Range {
  std::uint64_t first = 1;
  std::uint64_t last = 0;

  bool empty() const { return first > last; }
  bool misses(std::uint64_t bytes) const { return bytes < first || bytes > last; }
  /// Both and what is between them.
  Range with(Range other) const;
};

/// Where one kind of call is accelerated for one type. Most are one range or none.
class Window {
 public:
  bool contains(std::uint64_t bytes) const {
    return !core_.misses(bytes) || (!hull_.misses(bytes) && in_one(bytes));
  }
  /// What it misses the window does not contain; it may have gaps.
  const Range& hull() const { return hull_; }
  /// What it does not miss the window contains; it may contain more.
  const Range& core() const { return core_; }
  void add(Range range);
  bool empty() const { return hull_.empty(); }

 private:
  bool in_one(std::uint64_t bytes) const;

  Range hull_;
  Range core_;  ///< the first of the widest ranges
  std::vector<Range> ranges_;
};

/// How the packed form of a message reaches the library.
enum class Way : std::uint8_t {
  kHost,     ///< from memory of the host into memory of the host
  kOneShot,  ///< from a GPU's memory by a kernel straight into pinned memory of the host
  kStaged,   ///< by a kernel into that GPU's memory, from there copied into pinned memory
  kDevice,   ///< by a kernel into that GPU's memory, which a library takes that knows of GPUs
  kOff,      ///< not at all: a library that knows of GPUs is given the call as it is
};

/// How one kind of call goes for one type in a GPU's memory.
struct DeviceRange {
  Call call = Call::kSend;
  Range packed_bytes;
  Way way = Way::kOneShot;
};

/// What SLUICE_MPI says.
Mode mode();
/// Bytes that may be packed and in flight.
std::int64_t buffer_limit_bytes();

/// Reads the table. Once, when the library is known.
void load();
/// "built in", or the file's name.
const std::string& table_name();

/// Sets the windows of a type; nothing is accelerated where the layout is null.
void choose(const datatype::Layout* layout, Window (&windows)[kCalls]);
/// The rows for GPUs' memory that fit a type, the first that fits a call first.
std::vector<DeviceRange> device_ranges(const datatype::Layout* layout);

/// What SLUICE_MPI_GPU says: null: nothing, the table decides.
const Way* forced_way();
/// Whether messages in a GPU's memory are left to the library: SLUICE_MPI_GPU=off.
bool leaves_devices();

}  // namespace sluice::mpi::policy
