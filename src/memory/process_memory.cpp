#include "memory/process_memory.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.hpp"
#include "base/log.hpp"

namespace sluice {
namespace {

ssize_t read_once(pid_t pid, void* local, std::uint64_t remote_address, std::uint64_t bytes) {
  const iovec to = {local, bytes};
  // An address of the other process, never followed here. NOLINTNEXTLINE(performance-no-int-to-ptr)
  const iovec from = {reinterpret_cast<void*>(remote_address), bytes};
  return ::process_vm_readv(pid, &to, 1, &from, 1, 0);
}

ssize_t write_once(pid_t pid, const void* local, std::uint64_t remote_address,
                   std::uint64_t bytes) {
  const iovec from = {const_cast<void*>(local), bytes};
  // An address of the other process, never followed here. NOLINTNEXTLINE(performance-no-int-to-ptr)
  const iovec to = {reinterpret_cast<void*>(remote_address), bytes};
  return ::process_vm_writev(pid, &from, 1, &to, 1, 0);
}

const char* advice(int error) {
  return error == EPERM ? " (the kernel forbids it: see kernel.yama.ptrace_scope, or "
                          "CAP_SYS_PTRACE in a container)"
                        : "";
}

}  // namespace

Result<ProcessReader> ProcessReader::open(pid_t pid, std::uint64_t max_bytes_per_call) {
  if (pid <= 0 || max_bytes_per_call == 0)
    return fail(
        Errc::kInvalidArgument, "bad process",
        fmt::format("reading process memory: pid {}, {} bytes per call; both must be at least 1",
                    pid, max_bytes_per_call));
  Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (process) return ProcessReader(pid, std::move(process), max_bytes_per_call);
  if (errno == ESRCH)
    return fail(Errc::kRemoteError, "process has ended",
                fmt::format("there is no process {}", pid));
  if (errno != ENOSYS && errno != EPERM)
    return fail_os("pidfd_open failed", fmt::format("pidfd_open({})", pid), errno);
  return ProcessReader(pid, Fd(),
                       max_bytes_per_call);  // system calls filtered: reading still works
}

/// Moves `bytes` in calls of once(offset, bytes).
template <class Once>
Status ProcessReader::move(const char* doing, std::uint64_t remote_address, std::uint64_t bytes,
                           Once once) const {
  if (bytes > UINT64_MAX - remote_address)
    return fail(
        Errc::kInvalidArgument, "bad range",
        fmt::format("{} pid {}: {} bytes at {:#x} wrap round", doing, pid_, bytes, remote_address));
  std::uint64_t done = 0;
  while (done < bytes) {
    const ssize_t moved = once(done, std::min(bytes - done, max_bytes_per_call_));
    if (moved > 0) {
      done += static_cast<std::uint64_t>(moved);
    } else if (moved == 0 || errno != EINTR) {
      return move_failed(doing, remote_address + done, bytes - done, moved == 0 ? EFAULT : errno);
    }
  }
  // Alive after the copy means: the pid was that process's all along, and the bytes are its bytes.
  return check_alive();
}

Status ProcessReader::read(void* local, std::uint64_t remote_address, std::uint64_t bytes) const {
  return move("reading", remote_address, bytes, [&](std::uint64_t offset, std::uint64_t length) {
    return read_once(pid_, static_cast<std::byte*>(local) + offset, remote_address + offset,
                     length);
  });
}

Status ProcessReader::write(const void* local, std::uint64_t remote_address,
                            std::uint64_t bytes) const {
  SLUICE_TRY(check_alive());  // before, too: the pid may be another process's by now
  return move("writing", remote_address, bytes, [&](std::uint64_t offset, std::uint64_t length) {
    return write_once(pid_, static_cast<const std::byte*>(local) + offset, remote_address + offset,
                      length);
  });
}

Status ProcessReader::check_alive() const {
  if (!process_) return {};
  pollfd polled = {process_.get(), POLLIN, 0};
  if (::poll(&polled, 1, 0) <= 0) return {};
  return fail(Errc::kRemoteError, "process has ended",
              fmt::format("pid {}: the process has ended", pid_));
}

Status ProcessReader::move_failed(const char* doing, std::uint64_t address, std::uint64_t bytes,
                                  int error) const {
  if (error == ESRCH)
    return fail(Errc::kRemoteError, "process has ended",
                fmt::format("{} pid {}: the process has ended", doing, pid_), error);
  SLUICE_TRY(check_alive());  // a process that is being torn down has lost its memory first
  return fail_os(
      "process memory not reachable",
      fmt::format("{} {} bytes at {:#x} of pid {}{}", doing, bytes, address, pid_, advice(error)),
      error);
}

bool probe(pid_t pid, const volatile std::uint64_t* remote, std::uint64_t expected_value) {
  if (pid <= 0) return false;
  std::uint64_t found = 0;
  const ssize_t got =
      read_once(pid, &found, reinterpret_cast<std::uintptr_t>(remote), sizeof found);
  if (got != sizeof found) {
    log::debug(log::Topic::kMemory, "cross-memory attach to pid {} is not possible: {}", pid,
               got < 0 ? std::strerror(errno) : "partial read");
    return false;
  }
  // The right word: not, say, of a process in another PID namespace that has the same number.
  if (found != expected_value)
    log::debug(log::Topic::kMemory, "cross-memory attach to pid {}: expected {:#x}, found {:#x}",
               pid, expected_value, found);
  return found == expected_value;
}

}  // namespace sluice
