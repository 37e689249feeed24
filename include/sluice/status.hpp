// Errors: Status, Result<T>, and the text of the last error.
//
// A Status is two words: a code, the operating system's error number, and a pointer to a static
// sentence. It never allocates, so data paths return it. The full story (rank, peer, collective,
// sequence number, expected, found) is text: the function that detects an error logs it once and
// leaves it in last_error(); callers only pass the Status on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace sluice {

/// The first eight values are those of ncclResult_t.
enum class Errc : std::uint16_t {
  kOk = 0,
  kGpuError = 1,         // a CUDA or HIP call failed
  kSystemError = 2,      // the operating system refused; os_error() says why
  kInternalError = 3,    // a bug in Sluice
  kInvalidArgument = 4,  // the caller passed something wrong; nothing was changed
  kInvalidUsage =
      5,  // the calls do not fit each other: ranks disagree, wrong order, communicator in use
  kRemoteError = 6,  // a peer died, closed its connection or reported an error
  kInProgress = 7,
  kTimeout = 8,  // the deadline passed
  kAborted = 9,  // abort() was called here or on another rank
};

const char* name(Errc code);

class [[nodiscard]] Status {
 public:
  constexpr Status() = default;
  /// `what` must point to static storage.
  constexpr Status(Errc code, const char* what, int os_error = 0)
      : what_(what), os_error_(os_error), code_(code) {}

  constexpr bool ok() const { return code_ == Errc::kOk; }
  constexpr explicit operator bool() const { return ok(); }
  constexpr Errc code() const { return code_; }
  constexpr int os_error() const { return os_error_; }
  constexpr const char* what() const { return what_; }

 private:
  const char* what_ = "ok";
  int os_error_ = 0;
  Errc code_ = Errc::kOk;
};
static_assert(sizeof(Status) == 16);

/// A value, or the Status that says why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Status error) : status_(error) {}

  bool ok() const { return status_.ok(); }
  explicit operator bool() const { return ok(); }
  Status status() const { return status_; }
  /// Only when ok().
  T& value() & { return *value_; }
  const T& value() const& { return *value_; }
  T&& value() && { return std::move(*value_); }
  T* operator->() { return &*value_; }

 private:
  std::optional<T> value_;
  Status status_;
};

/// The sentence of the last error that this thread met; empty when there was none.
/// Valid until the thread's next failing call.
const std::string& last_error();

}  // namespace sluice
