// The memory that a rank measures with: an input and an output, each with room for guard bytes
// behind it.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "sluice/status.hpp"

namespace sluice::perf {

enum class Memory {
  kOrdinary,    // the heap
  kRegistered,  // sluice::alloc
  kCuda,        // of a GPU
};
constexpr std::string_view name(Memory memory) {
  return memory == Memory::kOrdinary     ? "ordinary"
         : memory == Memory::kRegistered ? "registered"
                                         : "cuda";
}

class Buffers {
 public:
  /// Bytes that every call must leave alone, behind the input and behind the output.
  static constexpr std::size_t kGuardBytes = 256;

  /// Room for `bytes` and the guard, twice; of kCuda on the calling thread's device, and as much on
  /// the host, where the data are made and looked at.
  static Result<Buffers> create(std::size_t bytes, Memory memory);

  std::byte* input() const { return input_.get(); }
  std::byte* output() const { return output_.get(); }
  /// What a call gets: on the device, or the same as above.
  std::byte* device_input() const { return on_device() ? device_input_.get() : input(); }
  std::byte* device_output() const { return on_device() ? device_output_.get() : output(); }
  bool on_device() const { return device_input_ != nullptr; }

 private:
  struct Release {
    bool registered;
    void operator()(std::byte* pointer) const;
  };
  using Owned = std::unique_ptr<std::byte, Release>;
  static Result<Owned> allocate(std::size_t bytes, Memory memory);

  Buffers(Owned input, Owned output) : input_(std::move(input)), output_(std::move(output)) {}
  Owned input_, output_;
  Owned device_input_, device_output_;
};

}  // namespace sluice::perf
