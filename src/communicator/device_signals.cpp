#include "communicator/device_signals.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "communicator/device_part.hpp"

namespace sluice {

Result<std::unique_ptr<DeviceSignals>> DeviceSignals::make(Communicator::Impl& impl,
                                                           std::uint32_t contexts,
                                                           std::uint32_t indices) {
  std::unique_ptr<DeviceSignals> made(new DeviceSignals);
  made->rank_ = impl.rank();
  made->contexts_ = contexts;
  made->indices_ = indices;
  made->count_ = static_cast<std::uint64_t>(impl.size()) * contexts * indices;
  made->bytes_ = made->count_ * (sizeof(Counter) + sizeof(std::uint64_t));
  auto memory = impl.device()->memory_to_show(made->bytes_);
  if (memory.ok()) made->memory_ = memory.value();  // else there is nothing to show, which all hear
  auto shared = impl.share_device_buffer(made->memory_.get(), made->bytes_);
  SLUICE_TRY(memory.status());
  SLUICE_TRY(shared.status());
  if (!shared.value().why_not.empty())
    return fail(Errc::kInvalidUsage, "no signals between devices", shared.value().why_not);
  made->boards_ = std::move(shared.value().of_ranks);
  for (int rank = 0; rank < impl.size(); ++rank)
    if (const Window& board = made->boards_[static_cast<std::size_t>(rank)];
        board.bytes != made->bytes_)
      return fail(
          Errc::kInvalidUsage, "numbers of signals differ",
          fmt::format("rank {}: {} contexts of {} signals are {} bytes here, rank {} has {}",
                      impl.rank(), contexts, indices, made->bytes_, rank, board.bytes));
  return made;
}

ListedWait DeviceSignals::wait(int peer, const SignalName& name, std::uint64_t count) const {
  Counter* const given = counters(memory_.get());
  auto* const taken = reinterpret_cast<std::uint64_t*>(given + count_);
  const std::uint64_t at = place(peer, name);
  return {
      .given = &given[at].value, .taken = &taken[at], .count = count, .peer = peer, .name = name};
}

}  // namespace sluice
