// A file descriptor that closes itself.
#pragma once

#include <unistd.h>

#include <utility>

namespace sluice {

class Fd {
 public:
  Fd() = default;
  /// Takes the descriptor over; a negative number is "none".
  explicit Fd(int number) : number_(number) {}
  Fd(Fd&& other) noexcept : number_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const { return number_; }
  bool valid() const { return number_ >= 0; }
  explicit operator bool() const { return valid(); }

  /// Gives the descriptor away; the caller closes it.
  int release() { return std::exchange(number_, -1); }

  /// Closes the descriptor and takes over `number`.
  void reset(int number = -1) {
    // No retry on EINTR: Linux has freed the number by then, and another thread may own it already.
    if (number_ >= 0) ::close(number_);
    number_ = number;
  }

 private:
  int number_ = -1;
};

}  // namespace sluice
