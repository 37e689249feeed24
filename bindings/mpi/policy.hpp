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

enum class Call : std::uint8_t { kPack, kUnpack, kSend, kReceive, kCollective };
inline constexpr int kCalls = 5;

/// Of numbers of bytes, both ends included.
struct Range {
  std::uint64_t first = 1;
  std::uint64_t last = 0;
};

/// Where one kind of call is accelerated for one type. Most are one range or none: `hull` decides
/// then.
class Window {
 public:
  bool contains(std::uint64_t bytes) const {
    return bytes >= hull_.first && bytes <= hull_.last && (ranges_.size() < 2 || in_one(bytes));
  }
  void add(Range range);
  bool empty() const { return hull_.first > hull_.last; }

 private:
  bool in_one(std::uint64_t bytes) const;

  Range hull_;
  std::vector<Range> ranges_;
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

}  // namespace sluice::mpi::policy
