// Memory and streams of the double, for tests that call NCCL's interface.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "device/device.hpp"
#include "nccl/door.hpp"
#include "nccl_device.h"
#include "sluice/memory.hpp"

namespace sluice::test {

/// An environment variable for the life of this object.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* const before = std::getenv(name)) before_ = before;
    setenv(name, value, 1);
  }
  ~Variable() {
    if (before_)
      setenv(name_, before_->c_str(), 1);
    else
      unsetenv(name_);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

/// Less than a test's time: what waits for ever is to be told by the library.
inline const Variable kShortTimeout("SLUICE_TIMEOUT_MS", "30000");

/// A stream, as the type that NCCL's interface takes.
class DeviceStream {
 public:
  DeviceStream() : own_(device::OwnStream::create()) {}
  operator cudaStream_t() const { return static_cast<cudaStream_t>(own_.value().stream().handle); }
  Stream get() const { return own_.value().stream(); }
  /// Returns when everything on it is done.
  void wait() const { EXPECT_TRUE(own_.value().wait().ok()); }

 private:
  mutable Result<device::OwnStream> own_;
};

/// Elements in the memory of the device. The double's can be read and written from here.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::size_t count) : count_(count) {
    const auto memory = alloc(std::max<std::size_t>(count, 1) * sizeof(T), MemoryKind::kDevice);
    EXPECT_TRUE(memory.ok());
    data_ = static_cast<T*>(memory.value());
  }
  ~DeviceArray() { EXPECT_TRUE(sluice::free(data_).ok()); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  std::size_t size() const { return count_; }
  void fill(T value) { std::fill_n(data_, count_, value); }
  T& operator[](std::size_t i) { return data_[i]; }
  std::vector<T> values() const { return std::vector<T>(data_, data_ + count_); }

 private:
  T* data_ = nullptr;
  std::size_t count_;
};

}  // namespace sluice::test
