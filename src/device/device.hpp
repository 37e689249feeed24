// The GPUs of this process: the few calls of the vendor's runtime that the library makes, as
// functions that return a Status. No header of a GPU toolkit.
//
// runtime.cpp implements them where the build has nvcc or SLUICE_HIP, absent.cpp elsewhere. CUDA's
// runtime is linked statically and finds the driver at the first call, HIP's is loaded then; where
// there is none every call fails with kSystemError and a sentence. Unless it says otherwise, a
// function may be called from any thread, and while streams are being captured: it neither touches
// them nor waits for kernels of others.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "sluice/device.hpp"
#include "sluice/status.hpp"

namespace sluice::device {

/// Devices that this process sees, at least 1. Errors: kSystemError (no driver, no device, a build
/// without kernels), which is not logged: whoever needs one says so.
Result<int> count();
/// Why count() fails, as part of a sentence; empty where it does not.
std::string why_none();

struct Facts {
  std::array<std::uint8_t, 16> uuid{};  // of the GPU, whatever number a process gives it
  std::int32_t multiprocessors = 0;
  std::int32_t major = 0, minor = 0;  // compute capability
  std::uint64_t cache_bytes = 0;      // second-level cache
  bool reads_pageable = false;        // kernels may use any host memory
  std::string name;
};
Result<Facts> facts(int device);

/// The calling thread's device.
Result<int> current();
Status use(int device);

/// `device` is the calling thread's for the life of this object.
class Using {
 public:
  explicit Using(int device);
  ~Using();
  Using(const Using&) = delete;
  Using& operator=(const Using&) = delete;
  Status status() const { return status_; }

 private:
  int before_ = -1;  // < 0: nothing to restore
  Status status_;
};

// ---- memory; on the calling thread's device ----

/// Zeroed device memory, aligned to 256 bytes.
Result<void*> allocate(std::uint64_t bytes);
/// May wait for all work on the device.
Status release(void* memory);
/// Zeroes device memory, and waits until it is done.
Status clear(void* memory, std::uint64_t bytes);
/// Zeroed memory of the host that kernels on every device can reach, under the same address.
Result<void*> allocate_pinned(std::uint64_t bytes);
Status release_pinned(void* memory);
/// Memory that exists from here on in the stream's order; in a capture, in the graph's.
Result<void*> allocate_on(Stream stream, std::uint64_t bytes);
Status release_on(Stream stream, void* memory);
/// Copies between any two kinds of memory, beside all streams, and waits until it is done.
Status copy(void* to, const void* from, std::uint64_t bytes);
Status copy_on(Stream stream, void* to, const void* from, std::uint64_t bytes);

struct Place {
  MemoryKind kind = MemoryKind::kHost;
  bool reached = false;  // kernels can use it
  int device = -1;       // whose memory it is, where it is a device's own
};
/// What a pointer points to.
Result<Place> place_of(const void* pointer);

/// What another process on this host needs to open an allocation; plain data.
struct Handle {
  std::array<std::uint8_t, 64> bytes{};
};
Result<Handle> share(void* allocation);
/// Another process's allocation, here. To be closed as often as it was opened.
Result<void*> open(const Handle& handle);
Status close(void* opened);

/// Whether kernels on the calling thread's device can reach `peer`'s memory; if so, from now on
/// they do.
Result<bool> reach(int peer);

// ---- kernels ----

/// Blocks of `threads` of the kernel that the calling thread's device holds at once.
Result<int> blocks_at_once(const void* kernel, unsigned threads);
/// Enqueues a kernel; `arguments` are pointers to its arguments, which are copied.
Status launch(const void* kernel, unsigned blocks, unsigned threads, void** arguments,
              Stream stream);

// ---- streams, events, graphs ----

struct CloseStream {
  void operator()(void* stream) const;
};
struct CloseEvent {
  void operator()(void* event) const;
};
struct CloseGraph {
  void operator()(void* graph) const;
};

/// A stream of the calling thread's device that the default stream does not wait for, nor it for
/// that.
class OwnStream {
 public:
  static Result<OwnStream> create();
  Stream stream() const { return {handle_.get()}; }
  /// Returns when everything on it is done. Not during its capture.
  Status wait() const;

 private:
  explicit OwnStream(void* handle) : handle_(handle) {}
  std::unique_ptr<void, CloseStream> handle_;
};

/// Which capture of this process `stream` is part of; 0: none.
Result<std::uint64_t> capture_of(Stream stream);

/// A place in a stream.
class Event {
 public:
  enum class Time : std::uint8_t { kTaken, kNotTaken };
  /// With its time, unless that is not asked for, which is quicker.
  static Result<Event> create(Time time = Time::kTaken);
  Status record(Stream stream) const;
  Status wait() const;
  /// What is enqueued on `stream` from now on runs after what this has come past when it was last
  /// recorded; nothing waits where it never was. Recorded in a capture: `stream` joins that.
  Status holds_up(Stream stream) const;
  /// Whether all before it is done. Not of one recorded in a capture.
  Result<bool> done() const;
  /// Both recorded and done.
  static Result<double> between_us(const Event& first, const Event& second);

 private:
  explicit Event(void* handle) : handle_(handle) {}
  std::unique_ptr<void, CloseEvent> handle_;
};

/// What was enqueued on a stream between begin() and end(), to be enqueued again and again.
class Graph {
 public:
  static Status begin(Stream stream);
  static Result<Graph> end(Stream stream);
  Status launch(Stream stream) const;

 private:
  explicit Graph(void* handle) : handle_(handle) {}
  std::unique_ptr<void, CloseGraph> handle_;
};

}  // namespace sluice::device
