// Loopback: the ranks are threads of one process, so their memory is one another's already.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "transports/mapped_datapath.hpp"
#include "transports/transport.hpp"

namespace sluice::transport {

namespace loopback {
class Memory;  // one allocation; lives until its owner and all who opened it are done
struct Remote {
  std::shared_ptr<Memory> memory;
  Window window;
};
}  // namespace loopback

class Loopback : public MappedDatapath<loopback::Remote> {
 public:
  using Remote = loopback::Remote;
  static constexpr const char* kName = "loopback";
  static constexpr std::uint32_t kCapabilities = kMapped | kOrdered;

  Result<Window> allocate(std::uint64_t bytes);
  Result<Blob> publish(Window window);
  Result<Remote> open(std::span<const std::byte> blob, Deadline deadline);
  void close() noexcept;

  Loopback() = default;
  Loopback(Loopback&&) = default;
  ~Loopback() { close(); }

 private:
  std::vector<std::shared_ptr<loopback::Memory>> owned_;
  std::vector<std::uint64_t> published_;
};
static_assert(Transport<Loopback>);

}  // namespace sluice::transport
