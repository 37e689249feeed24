#include "bindings/nccl/signals.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "bindings/nccl/errors.hpp"
#include "communicator/device_signals.hpp"
#include "communicator/impl.hpp"

namespace sluice::nccl {
namespace {

SignalName named(const SignalBoard::Name& name) {
  return {static_cast<std::uint32_t>(name.context), static_cast<std::uint32_t>(name.index)};
}

}  // namespace

SignalBoard::SignalBoard() = default;

SignalBoard::~SignalBoard() {
  if (memory_ != nullptr) static_cast<void>(sluice::free(memory_));
}

Status SignalBoard::make(Communicator& ranks, int contexts, int signals, Memory memory) {
  contexts_ = contexts;
  signals_ = signals;
  if (memory == Memory::kDevice) {
    SLUICE_TRY_ASSIGN(on_device_,
                      DeviceSignals::make(ranks.impl(), static_cast<std::uint32_t>(contexts),
                                          static_cast<std::uint32_t>(signals)));
  } else {
    SLUICE_TRY(make_on_host(ranks));
  }
  ranks_ = ranks.size();
  return {};
}

Status SignalBoard::make_on_host(Communicator& ranks) {
  const std::size_t counters = static_cast<std::size_t>(ranks.size()) *
                               static_cast<std::size_t>(contexts_) *
                               static_cast<std::size_t>(signals_);
  if (memory_ == nullptr) {  // an attempt that failed may have left it, and peers that map it
    SLUICE_TRY_ASSIGN(void* const memory, sluice::alloc(counters * sizeof(Counter)));
    memory_ = static_cast<Counter*>(memory);
  }
  taken_.assign(counters, 0);
  SLUICE_TRY_ASSIGN(boards_, ranks.impl().share_buffer(memory_, counters * sizeof(Counter)));
  for (int rank = 0; rank < ranks.size(); ++rank)
    if (const Window& board = boards_[static_cast<std::size_t>(rank)];
        board.bytes != counters * sizeof(Counter))
      return bad_usage(
          fmt::format("rank {}: numRmaCtx or numRmaSig differ: {} bytes of signals here, {} on "
                      "rank {}",
                      ranks.rank(), counters * sizeof(Counter), board.bytes, rank));
  return {};
}

Status SignalBoard::check(const Name& name) const {
  if (name.peer < 0 || name.peer >= ranks_)
    return bad_argument(fmt::format("signal: peer {} is not a rank of {}", name.peer, ranks_));
  if (name.context < 0 || name.context >= contexts_)
    return bad_argument(fmt::format("signal: ctx {}, expected 0 to {} (ncclConfig_t::numRmaCtx)",
                                    name.context, contexts_ - 1));
  if (name.index < 0 || name.index >= signals_)
    return bad_argument(fmt::format("signal: sigIdx {}, expected 0 to {} (ncclConfig_t::numRmaSig)",
                                    name.index, signals_ - 1));
  return {};
}

std::size_t SignalBoard::index_of(int rank, const Name& name) const {
  return (static_cast<std::size_t>(rank) * static_cast<std::size_t>(contexts_) +
          static_cast<std::size_t>(name.context)) *
             static_cast<std::size_t>(signals_) +
         static_cast<std::size_t>(name.index);
}

Semaphore SignalBoard::semaphore(Communicator& ranks, const Name& name) const {
  auto* theirs = reinterpret_cast<Counter*>(boards_[static_cast<std::size_t>(name.peer)].base);
  return {.inbound = &memory_[index_of(name.peer, name)].value,
          .outbound = &theirs[index_of(ranks.rank(), name)].value,
          .expected = const_cast<std::uint64_t*>(&taken_[index_of(name.peer, name)]),
          .peer = name.peer,
          .doorbell = &ranks.impl().doorbell_of(name.peer),
          .sleepers = ranks.impl().waits().sleepers};
}

std::uint64_t* SignalBoard::device_counter(const Name& name) const {
  return on_device_->of_peer(name.peer, named(name));
}

ListedWait SignalBoard::device_wait(const Name& name, std::uint64_t count) const {
  return on_device_->wait(name.peer, named(name), count);
}

std::uint64_t SignalBoard::device_bytes() const {
  return on_device_ == nullptr ? 0 : on_device_->bytes();
}

void SignalBoard::signal(Communicator& ranks, const Name& name) const {
  semaphore(ranks, name).signal();
}

Status SignalBoard::wait(Communicator& ranks, const Name& name, std::uint64_t count) {
  if (semaphore(ranks, name).wait(ranks.impl().waits(), count)) return {};
  return ranks.exchange({});  // the call after a failed wait tells why
}

}  // namespace sluice::nccl
