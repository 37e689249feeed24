#include "communicator/device_channels.hpp"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/error.hpp"
#include "communicator/device_part.hpp"
#include "device/store.hpp"

namespace sluice {
namespace {

/// A line of its own, so that peers do not disturb each other.
struct alignas(kPollSpacing) Counter {
  std::uint64_t value;
};

/// What a rank has on its device for a ChannelSet: the state of its waits, the counters that peers
/// raise, and how far its waits on those have come.
class Board {
 public:
  Board(std::byte* base, std::size_t ranks) : base_(base), ranks_(ranks) {}
  static std::size_t bytes(std::size_t ranks) { return kWaitsBytes + 2 * ranks * sizeof(Counter); }

  WaitState* waits() const { return reinterpret_cast<WaitState*>(base_); }
  std::uint64_t* inbound(std::size_t peer) const { return counter(peer); }
  std::uint64_t* expected(std::size_t peer) const { return counter(ranks_ + peer); }

 private:
  static constexpr std::size_t kWaitsBytes =
      (sizeof(WaitState) + kPollSpacing - 1) / kPollSpacing * kPollSpacing;
  std::uint64_t* counter(std::size_t index) const {
    return &reinterpret_cast<Counter*>(base_ + kWaitsBytes)[index].value;
  }

  std::byte* base_;
  std::size_t ranks_;
};

/// Where kernels of this rank reach the memory that each rank shows, as long on every one.
/// Collective.
Result<std::vector<HeldWindow>> share(Communicator::Impl& impl, void* memory, std::size_t bytes,
                                      const char* what) {
  SLUICE_TRY_ASSIGN(auto shared, impl.share_device_buffer(memory, bytes));
  if (!shared.why_not.empty())
    return fail(Errc::kInvalidUsage, "no channels between devices",
                fmt::format("make_channels: {}", shared.why_not));
  for (int r = 0; r < impl.size(); ++r)
    if (const Window& theirs = shared.of_ranks[static_cast<std::size_t>(r)]; theirs.bytes != bytes)
      return fail(Errc::kInvalidUsage, "buffers of different sizes",
                  fmt::format("make_channels: {} of rank {} has {} bytes, of rank {} {}", what,
                              impl.rank(), bytes, r, theirs.bytes));
  return std::move(shared.of_ranks);
}

}  // namespace

Result<ChannelSet> make_device_channels(Communicator::Impl& impl, void* buffer, std::size_t bytes) {
  const auto ranks = static_cast<std::size_t>(impl.size()),
             me = static_cast<std::size_t>(impl.rank());
  SLUICE_TRY_ASSIGN(const auto buffers, share(impl, buffer, bytes, "the buffer"));
  const auto memory = impl.device()->memory_to_show(Board::bytes(ranks));
  // Where there is none, that is what all hear.
  std::byte* const base = memory.ok() ? memory.value().get() : nullptr;
  const auto boards = share(impl, base, Board::bytes(ranks), "the state of waits");
  SLUICE_TRY(memory.status());
  SLUICE_TRY(boards.status());
  const Board mine(base, ranks);
  SLUICE_TRY(impl.device()->begin_waits(mine.waits(), impl.options().timeout));
  impl.keep(memory.value());
  std::vector<MemoryChannel> channels;
  for (std::size_t peer = 0; peer < ranks; ++peer) {
    const Board theirs(boards.value()[peer].base, ranks);
    channels.push_back({.local = buffers[me],
                        .remote = buffers[peer],
                        .semaphore = {.inbound = mine.inbound(peer),
                                      .outbound = theirs.inbound(me),
                                      .expected = mine.expected(peer),
                                      .peer = static_cast<std::int32_t>(peer)},
                        .waits = mine.waits()});
    impl.keep(buffers[peer].mapping);
    impl.keep(boards.value()[peer].mapping);
  }
  return ChannelSet(std::move(channels));
}

}  // namespace sluice
