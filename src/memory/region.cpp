#include "memory/region.hpp"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#include <cerrno>
#include <utility>

#include "base/error.hpp"

namespace sluice {
namespace {

constexpr std::uint64_t kHugePageBytes = std::uint64_t{2} << 20;
constexpr unsigned kNoExecSeal =
    0x8;                       // MFD_NOEXEC_SEAL of Linux 6.3, newer than the C library's headers
constexpr int kCollapse = 25;  // MADV_COLLAPSE of Linux 6.1, likewise

std::uint64_t round_up(std::uint64_t bytes, std::uint64_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

std::uint64_t mapped_bytes(std::uint64_t bytes) {
  return round_up(bytes, static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
}

Status check_physical_memory(std::uint64_t bytes, const char* label) {
  struct sysinfo info = {};
  if (::sysinfo(&info) != 0) return {};
  const std::uint64_t total_bytes = (std::uint64_t{info.totalram} + info.totalswap) * info.mem_unit;
  if (bytes <= total_bytes) return {};
  return fail_os(
      "not enough memory",
      fmt::format(
          "shared memory '{}': {} bytes asked for, this host has {} bytes of RAM and swap in all",
          label, bytes, total_bytes),
      ENOMEM);
}

Fd open_memfd(const char* label) {
  const std::string name = fmt::format("sluice-{:.200}", label);
  // Kernels with vm.memfd_noexec=2 insist on this seal; kernels before 6.3 do not know it.
  Fd fd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING | kNoExecSeal));
  if (!fd && errno == EINVAL)
    fd.reset(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  return fd;
}

Result<Fd> create_sealed_file(std::uint64_t bytes, const char* label) {
  Fd fd = open_memfd(label);
  if (!fd)
    return fail_os("memfd_create failed", fmt::format("shared memory '{}': memfd_create", label),
                   errno);
  if (::ftruncate(fd.get(), static_cast<off_t>(mapped_bytes(bytes))) != 0)
    return fail_os("no shared memory",
                   fmt::format("shared memory '{}': cannot get {} bytes", label, bytes), errno);
  // SEAL_SEAL too: nobody may add a seal against writing later and so lock the next peer out.
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return fail_os("sealing failed", fmt::format("shared memory '{}': F_ADD_SEALS", label), errno);
  return fd;
}

/// A reserved stretch of addresses of `bytes`, aligned for huge pages; nullptr if there is none.
void* reserve_aligned(std::uint64_t bytes) {
  void* whole = ::mmap(nullptr, bytes + kHugePageBytes, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (whole == MAP_FAILED) return nullptr;
  const auto address = reinterpret_cast<std::uintptr_t>(whole);
  const std::uint64_t before = round_up(address, kHugePageBytes) - address;
  std::byte* const aligned = static_cast<std::byte*>(whole) + before;
  if (before > 0) ::munmap(whole, before);
  if (before < kHugePageBytes) ::munmap(aligned + bytes, kHugePageBytes - before);
  return aligned;
}

void* map_file(int fd, std::uint64_t bytes) {
  constexpr int kProtection = PROT_READ | PROT_WRITE;
  void* wanted = bytes >= kHugePageBytes ? reserve_aligned(bytes) : nullptr;
  if (wanted == nullptr) return ::mmap(nullptr, bytes, kProtection, MAP_SHARED, fd, 0);
  void* data = ::mmap(wanted, bytes, kProtection, MAP_SHARED | MAP_FIXED, fd, 0);
  if (data == MAP_FAILED) {
    const int error = errno;
    ::munmap(wanted, bytes);
    errno = error;
    return data;
  }
  // Only advice: where huge pages are off, small ones serve.
  static_cast<void>(::madvise(data, bytes, MADV_HUGEPAGE));
  return data;
}

Status check_foreign_file(int fd, std::uint64_t expected_bytes) {
  struct stat file = {};
  if (::fstat(fd, &file) != 0)
    return fail_os("fstat failed", "shared memory of a peer: fstat", errno);
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0)
    return fail(
        Errc::kRemoteError, "memory of a peer is not sealed",
        fmt::format("shared memory of a peer: expected a file sealed against shrinking, found {}",
                    seals < 0 ? "one that cannot be sealed" : "one without that seal"));
  if (file.st_size < 0 || static_cast<std::uint64_t>(file.st_size) < expected_bytes)
    return fail(Errc::kRemoteError, "memory of a peer is too small",
                fmt::format("shared memory of a peer: expected {} bytes, found {}", expected_bytes,
                            file.st_size));
  return {};
}

/// Brings the pages in as if written to. 0 or the error number.
int touch_pages(std::byte* data, std::uint64_t bytes) {
  while (::madvise(data, bytes, MADV_POPULATE_WRITE) != 0)
    if (errno != EINTR && errno != EAGAIN) return errno;
  return 0;
}

/// Asks for huge pages by a way that works where shared memory gets none by default: one page of
/// each huge page's stretch is made, then the kernel is told to collapse the stretch. Failing is
/// fine: small pages serve.
void collapse_to_huge_pages(std::byte* data, std::uint64_t bytes) {
  if (reinterpret_cast<std::uintptr_t>(data) % kHugePageBytes != 0) return;
  const std::uint64_t whole_bytes = bytes / kHugePageBytes * kHugePageBytes;
  for (std::uint64_t offset = 0; offset < whole_bytes; offset += kHugePageBytes)
    if (touch_pages(data + offset, mapped_bytes(1)) != 0) return;
  if (whole_bytes > 0) static_cast<void>(::madvise(data, whole_bytes, kCollapse));
}

}  // namespace

Result<SharedMemory> SharedMemory::create(std::uint64_t bytes, const char* label) {
  if (bytes == 0)
    return fail(Errc::kInvalidArgument, "0 bytes of memory",
                fmt::format("shared memory '{}' of 0 bytes", label));
  SLUICE_TRY(check_physical_memory(bytes, label));
  SLUICE_TRY_ASSIGN(Fd fd, create_sealed_file(bytes, label));
  void* data = map_file(fd.get(), mapped_bytes(bytes));
  if (data == MAP_FAILED)
    return fail_os("mmap failed", fmt::format("shared memory '{}': mapping {} bytes", label, bytes),
                   errno);
  return SharedMemory(std::move(fd), static_cast<std::byte*>(data), bytes);
}

Result<SharedMemory> SharedMemory::map(Fd fd, std::uint64_t expected_bytes) {
  if (!fd)
    return fail(Errc::kInvalidArgument, "no descriptor",
                "shared memory of a peer: no descriptor given");
  if (expected_bytes == 0)
    return fail(Errc::kInvalidArgument, "0 bytes of memory",
                "shared memory of a peer: 0 bytes expected");
  SLUICE_TRY(check_foreign_file(fd.get(), expected_bytes));
  void* data = map_file(fd.get(), mapped_bytes(expected_bytes));
  if (data == MAP_FAILED)
    return fail_os("mmap failed",
                   fmt::format("shared memory of a peer: mapping {} bytes", expected_bytes), errno);
  return SharedMemory(std::move(fd), static_cast<std::byte*>(data), expected_bytes);
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : fd_(std::move(other.fd_)),
      data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)) {}

SharedMemory& SharedMemory::operator=(SharedMemory&& other) noexcept {
  if (this == &other) return *this;
  unmap();
  fd_ = std::move(other.fd_);
  data_ = std::exchange(other.data_, nullptr);
  bytes_ = std::exchange(other.bytes_, 0);
  return *this;
}

void SharedMemory::unmap() {
  if (data_ != nullptr) ::munmap(data_, mapped_bytes(bytes_));
  data_ = nullptr;
}

Status SharedMemory::populate() const {
  if (data_ == nullptr) return {};
  collapse_to_huge_pages(data_, bytes_);
  int error = touch_pages(data_, mapped_bytes(bytes_));
  // Before Linux 5.14: reserve in the file instead.
  if (error == EINVAL)
    error = ::posix_fallocate(fd_.get(), 0, static_cast<off_t>(mapped_bytes(bytes_)));
  if (error == 0) return {};
  if (error == EFAULT)
    error = ENOMEM;  // what the kernel says where a touch would have been a SIGBUS
  return fail_os("not enough memory",
                 fmt::format("shared memory: cannot make {} bytes resident", bytes_), error);
}

}  // namespace sluice
