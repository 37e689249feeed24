// Memory that ends, on both sides, where the next byte faults.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>

namespace sluice::datatype::test {

class Guarded {
 public:
  /// Room for at least `bytes`.
  explicit Guarded(std::size_t bytes)
      : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))),
        room_((bytes + page_ - 1) / page_ * page_) {
    mapping_ = mmap(nullptr, room_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping_ == MAP_FAILED || mprotect(begin(), room_, PROT_READ | PROT_WRITE) != 0)
      std::abort();
  }
  ~Guarded() { munmap(mapping_, room_ + 2 * page_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  /// The byte before this one faults.
  std::byte* begin() const { return static_cast<std::byte*>(mapping_) + page_; }
  /// So does the byte here.
  std::byte* end() const { return begin() + room_; }
  std::size_t room() const { return room_; }

 private:
  std::size_t page_;
  std::size_t room_;
  void* mapping_;
};

}  // namespace sluice::datatype::test
