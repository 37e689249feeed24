// The memory that a rank measures with: an input and an output, each with room for guard bytes
// behind it.
#pragma once

#include <cstddef>
#include <memory>

#include "sluice/status.hpp"

namespace sluice::perf {

class Buffers {
 public:
  /// Bytes that every call must leave alone, behind the input and behind the output.
  static constexpr std::size_t kGuardBytes = 256;

  /// Room for `bytes` and the guard, twice; `registered`: from sluice::alloc, else ordinary memory.
  static Result<Buffers> create(std::size_t bytes, bool registered);

  std::byte* input() const { return input_.get(); }
  std::byte* output() const { return output_.get(); }

 private:
  struct Release {
    bool registered = false;
    void operator()(std::byte* pointer) const;
  };
  using Memory = std::unique_ptr<std::byte, Release>;
  static Result<Memory> allocate(std::size_t bytes, bool registered);

  Buffers(Memory input, Memory output) : input_(std::move(input)), output_(std::move(output)) {}
  Memory input_;
  Memory output_;
};

}  // namespace sluice::perf
