// Loopback: the ranks are threads of one process, so their memory is one another's already. It is
// an anonymous file (memfd) all the same, so that sluice-top can look at it from outside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "memory/region.hpp"
#include "transports/mapped_datapath.hpp"
#include "transports/transport.hpp"

namespace sluice::transport {

namespace loopback {
struct Remote {
  std::shared_ptr<SharedMemory> memory;  // lives until its owner and all who opened it are done
  Window window;
};
}  // namespace loopback

class Loopback : public MappedDatapath<loopback::Remote> {
 public:
  using Remote = loopback::Remote;
  static constexpr const char* kName = "loopback";
  static constexpr std::uint32_t kCapabilities = kMapped | kOrdered;

  /// `label` shows in /proc: SharedMemory::create().
  Result<Window> allocate(std::uint64_t bytes, const char* label = "memory");
  Result<Blob> publish(Window window);
  Result<Remote> open(std::span<const std::byte> blob, Deadline deadline);
  void close() noexcept;

  Loopback() = default;
  Loopback(Loopback&&) = default;
  ~Loopback() { close(); }

 private:
  std::vector<std::shared_ptr<SharedMemory>> owned_;
  std::vector<std::uint64_t> published_;
};
static_assert(Transport<Loopback>);

}  // namespace sluice::transport
