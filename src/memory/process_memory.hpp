// Cross-memory attach: reading another process's memory with one copy and no shared mapping.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/fd.hpp"
#include "sluice/status.hpp"

namespace sluice {

/// Reads and writes the memory of one process. Several threads may use one reader at a time.
class ProcessReader {
 public:
  /// Keeps single system calls short (some 25 ms at 10 GB/s): the kernel does not interrupt one for
  /// less than a kill.
  static constexpr std::uint64_t kMaxBytesPerCall = std::uint64_t{256} << 20;

  /// Errors: kInvalidArgument, kRemoteError (no such process). Does not ask whether the kernel
  /// permits reading: probe().
  static Result<ProcessReader> open(pid_t pid, std::uint64_t max_bytes_per_call = kMaxBytesPerCall);

  /// Copies `bytes` at `remote_address` of the process to `local`; any alignment. On an error
  /// `local` is partly written. Errors: kRemoteError (the process has ended, or its pid is
  /// another's now), kSystemError (address not mapped there, not permitted), kInvalidArgument (the
  /// range wraps round).
  Status read(void* local, std::uint64_t remote_address, std::uint64_t bytes) const;

  /// read() the other way round: `bytes` from `local` to `remote_address` of the process.
  Status write(const void* local, std::uint64_t remote_address, std::uint64_t bytes) const;

  pid_t pid() const { return pid_; }

 private:
  ProcessReader(pid_t pid, Fd process, std::uint64_t max_bytes_per_call)
      : pid_(pid), process_(std::move(process)), max_bytes_per_call_(max_bytes_per_call) {}
  Status check_alive() const;
  template <class Once>
  Status move(const char* doing, std::uint64_t remote_address, std::uint64_t bytes,
              Once once) const;
  Status move_failed(const char* doing, std::uint64_t address, std::uint64_t bytes,
                     int error) const;

  pid_t pid_;
  Fd process_;  // pidfd: tells the process from a later one with the same pid; none on systems
                // without
  std::uint64_t max_bytes_per_call_;
};

/// Whether this process may read `pid`'s memory: reads the word at `remote`, which the peer has set
/// to `expected_value`. False where Yama or a container forbids it. For use when connecting; logs
/// at debug level only.
bool probe(pid_t pid, const volatile std::uint64_t* remote, std::uint64_t expected_value);

}  // namespace sluice
