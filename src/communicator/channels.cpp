#include "sluice/channel.hpp"

#include <fmt/format.h>

#include <cstring>

#include "base/error.hpp"
#include "communicator/device_channels.hpp"
#include "communicator/device_part.hpp"
#include "communicator/impl.hpp"

namespace sluice {
namespace {

/// A rank's counters for one ChannelSet: what each peer raises, and how far this rank's waits have
/// come.
struct alignas(kPollSpacing) Counter {
  std::uint64_t value;
};

}  // namespace

Result<std::vector<HeldWindow>> Communicator::Impl::share_buffer(void* buffer,
                                                                 std::uint64_t bytes) {
  struct Shown {
    ExposedBuffer buffer;
    std::uint64_t bytes;
  };
  const Shown mine{describe_buffer(buffer, bytes, true), bytes};
  SLUICE_TRY_ASSIGN(const auto blobs,
                    bootstrap_->all_gather(std::as_bytes(std::span(&mine, 1)), deadline()));
  std::vector<HeldWindow> windows;
  for (int r = 0; r < size(); ++r) {
    Shown theirs{};
    const auto& blob = blobs[static_cast<std::size_t>(r)];
    if (blob.size() != sizeof theirs)
      return fail(Errc::kInvalidUsage, "ranks disagree",
                  fmt::format("rank {}: showing a buffer met another call of rank {}", rank(), r));
    std::memcpy(&theirs, blob.data(), sizeof theirs);
    HeldWindow window{{static_cast<std::byte*>(buffer), theirs.bytes}, nullptr};
    if (r != rank()) {
      SLUICE_TRY_ASSIGN(window, peer_memory_->hold(r, theirs.buffer, theirs.bytes, deadline()));
    }
    if (window.base == nullptr)
      return fail(
          Errc::kInvalidArgument, "buffer cannot be mapped",
          fmt::format("rank {}: the buffer of rank {} is not from sluice::alloc", rank(), r));
    windows.push_back(std::move(window));
  }
  return windows;
}

Result<ChannelSet> make_channels(Communicator& communicator, void* buffer, std::size_t bytes) {
  Communicator::Impl& impl = communicator.impl();
  const Communicator::Impl::Turn turn(impl);
  SLUICE_TRY(turn.status());
  if (buffer == nullptr || bytes == 0)
    return fail(Errc::kInvalidArgument, "no buffer",
                fmt::format("make_channels: rank {} passed {} bytes at {}", impl.rank(), bytes,
                            fmt::ptr(buffer)));
  for (int r = 0; r < impl.size(); ++r)
    if (impl.is_across(r))
      return fail(Errc::kInvalidUsage, "ranks on several hosts",
                  fmt::format("make_channels: rank {} cannot map memory of rank {}, which is on "
                              "another host",
                              impl.rank(), r));
  if (impl.device() != nullptr) {
    SLUICE_TRY_ASSIGN(const device::Place place, device::place_of(buffer));
    if (place.device >= 0) return make_device_channels(impl, buffer, bytes);
  }
  SLUICE_TRY_ASSIGN(const auto buffers, impl.share_buffer(buffer, bytes));
  for (int r = 0; r < impl.size(); ++r)
    if (const Window& theirs = buffers[static_cast<std::size_t>(r)]; theirs.bytes != bytes)
      return fail(Errc::kInvalidUsage, "buffers of different sizes",
                  fmt::format("make_channels: rank {} has {} bytes, rank {} has {}", impl.rank(),
                              bytes, r, theirs.bytes));
  for (const HeldWindow& each : buffers) impl.keep(each.mapping);
  const auto ranks = static_cast<std::size_t>(impl.size());
  SLUICE_TRY_ASSIGN(const Window counters,
                    impl.allocate(2 * ranks * sizeof(Counter), "semaphores"));
  SLUICE_TRY_ASSIGN(const auto all_counters, impl.share(counters, "semaphores"));
  const auto counter = [&](std::size_t owner, std::size_t index) {
    return &reinterpret_cast<Counter*>(all_counters[owner].base)[index].value;
  };
  const auto me = static_cast<std::size_t>(impl.rank());
  std::vector<MemoryChannel> channels;
  for (std::size_t peer = 0; peer < ranks; ++peer)
    channels.push_back({.local = buffers[me],
                        .remote = buffers[peer],
                        .semaphore = {.inbound = counter(me, peer),
                                      .outbound = counter(peer, me),
                                      .expected = counter(me, ranks + peer),
                                      .peer = static_cast<std::int32_t>(peer),
                                      .doorbell = &impl.doorbell_of(static_cast<int>(peer)),
                                      .sleepers = impl.waits().sleepers},
                        .waits = &impl.waits()});
  return ChannelSet(std::move(channels));
}

}  // namespace sluice
