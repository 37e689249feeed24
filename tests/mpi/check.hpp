// What the programs of tests/mpi share: counting what is wrong, and ending with it.
#pragma once

#include <mpi.h>

#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace mpi_test {

inline constexpr int kShownFailures = 20;

/// The process's failures; several threads may add.
inline int& failures() {
  static int count = 0;
  return count;
}

/// Counts a failure unless `right`, and prints the first ones. `what` is a format of printf.
[[gnu::format(printf, 2, 3)]] inline bool check(bool right, const char* what, ...) {
  if (right) {
    return true;
  }
  if (__atomic_fetch_add(&failures(), 1, __ATOMIC_RELAXED) < kShownFailures) {
    std::va_list arguments;
    va_start(arguments, what);
    std::fprintf(stderr, "wrong: ");
    std::vfprintf(stderr, what, arguments);
    std::fprintf(stderr, "\n");
    va_end(arguments);
  }
  return false;
}

/// An MPI call that must succeed.
inline void must(int code, std::string_view what) {
  if (code != MPI_SUCCESS) {
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    MPI_Error_string(code, text, &length);
    check(false, "%.*s: %s", static_cast<int>(what.size()), what.data(), text);
  }
}

inline int error_class(int code) {
  int result = code;
  MPI_Error_class(code, &result);
  return result;
}

inline void check_count(MPI_Status& status, MPI_Datatype type, int expected, const char* where) {
  int count = -1;
  MPI_Get_count(&status, type, &count);
  check(count == expected, "%s: MPI_Get_count %d, not %d", where, count, expected);
}

inline int rank_in(MPI_Comm comm) {
  int rank = 0;
  MPI_Comm_rank(comm, &rank);
  return rank;
}

inline int size_of(MPI_Comm comm) {
  int size = 0;
  MPI_Comm_size(comm, &size);
  return size;
}

/// For buffered sends, until detach_buffer().
inline void attach_buffer() {
  static std::vector<std::byte> buffer(std::size_t{8} << 20);
  must(MPI_Buffer_attach(buffer.data(), static_cast<int>(buffer.size())), "MPI_Buffer_attach");
}
/// Waits until they are gone.
inline void detach_buffer() {
  void* detached = nullptr;
  int bytes = 0;
  must(MPI_Buffer_detach(static_cast<void*>(&detached), &bytes), "MPI_Buffer_detach");
}

/// The exit status: the same for all ranks, before MPI_Finalize.
inline int worst() {
  int mine = failures(), all = 0;
  MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  if (rank_in(MPI_COMM_WORLD) == 0) {
    std::printf(all == 0 ? "all right\n" : "%d wrong\n", all);
    std::fflush(stdout);
  }
  return all == 0 ? 0 : 1;
}

/// The number in the program's argument `k`, or `otherwise`.
inline int argument(int argc, char** argv, int k, int otherwise) {
  return argc > k ? std::atoi(argv[k]) : otherwise;
}

/// Pseudo-random numbers that are the same everywhere: xorshift64*.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 0x2545F4914F6CDD1Du) {}

  std::uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1Du;
  }
  /// From `low` to `high`, both included.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low +
           static_cast<std::int64_t>((next() >> 11) % static_cast<std::uint64_t>(high - low + 1));
  }
  bool one_in(int n) { return between(1, n) == 1; }

 private:
  std::uint64_t state_;
};

}  // namespace mpi_test
