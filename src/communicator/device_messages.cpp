// Messages on streams: what a call's transfers are launched as.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.hpp"
#include "communicator/device_part.hpp"
#include "plan/kernels/kernels.hpp"

namespace sluice {
namespace {

/// Counts for each transfer with another rank how many of the pair's, in its direction, come before
/// it; returns how many turns that makes.
std::uint32_t take_turns(std::vector<ListedTransfer>& transfers, int rank) {
  std::map<std::pair<int, bool>, std::uint16_t> before;
  std::uint32_t turns = 0;
  for (ListedTransfer& transfer : transfers) {
    if (transfer.peer == rank) continue;
    transfer.turn = before[{transfer.peer, transfer.sending}]++;
    turns = std::max<std::uint32_t>(turns, transfer.turn + 1u);
  }
  return turns;
}

}  // namespace

Status DevicePart::exchange(std::span<const ListedTransfer> transfers, ExchangeCall call,
                            Stream stream) {
  const device::Using device(device_);
  SLUICE_TRY(device.status());
  if (transfers.size() > kMostTransfers)
    return fail(
        Errc::kInvalidUsage, "too many transfers",
        fmt::format("rank {}: expected at most {} transfers in a call on a stream, found {}", rank_,
                    kMostTransfers, transfers.size()));
  if (transfers.empty()) return {};
  call.count = static_cast<std::uint32_t>(transfers.size());
  if (proxy_ != nullptr) return exchange_by_proxy(transfers, call, stream);
  std::uint64_t largest = 0, all = 0;
  for (const ListedTransfer& transfer : transfers) {
    largest = std::max(largest, transfer.bytes);
    all += transfer.bytes;
  }
  const auto blocks = static_cast<unsigned>(parts_of_message(largest, shape_.strands));
  const unsigned threads = all <= kBytesOfFew ? kFewThreads : kernels::kThreads;
  SLUICE_TRY_ASSIGN(ExchangeLaunch launch, list(transfers, call, stream));
  launch.strands = blocks;
  auto* strands = reinterpret_cast<Strand*>(memory_.get());
  void* arguments[] = {&strands, &launch};
  return device::launch(kernels::exchange(), blocks, threads, arguments, stream);
}

/// A launch of a call, with its transfers; more than fit are listed by launches before it.
Result<ExchangeLaunch> DevicePart::list(std::span<const ListedTransfer> transfers,
                                        const ExchangeCall& call, Stream stream) const {
  auto* strands = reinterpret_cast<Strand*>(memory_.get());
  ExchangeLaunch launch{.call = call, .strands = 1, .lists = true};
  void* arguments[] = {&strands, &launch};
  const bool few = transfers.size() <= kTransfersOfLaunch;
  for (std::size_t first = 0; first < transfers.size(); first += kTransfersOfLaunch) {
    const auto part = transfers.subspan(
        first, std::min<std::size_t>(transfers.size() - first, kTransfersOfLaunch));
    std::copy(part.begin(), part.end(), launch.transfers);
    launch.first = static_cast<std::uint32_t>(first);
    launch.count = static_cast<std::uint32_t>(part.size());
    if (!few) SLUICE_TRY(device::launch(kernels::exchange(), 1, kFewThreads, arguments, stream));
  }
  launch.lists = false;
  if (!few) launch.count = 0;
  return launch;
}

Status DevicePart::exchange_by_proxy(std::span<const ListedTransfer> transfers,
                                     const ExchangeCall& call, Stream stream) {
  std::vector<ListedTransfer> in_turns(transfers.begin(), transfers.end());
  ProxiedExchange launch{
      .list = {}, .rank = rank_, .ranks = ranks_, .turns = take_turns(in_turns, rank_)};
  SLUICE_TRY_ASSIGN(launch.list, list(in_turns, call, stream));
  auto* strand = reinterpret_cast<Strand*>(memory_.get());
  ProxyPlaces places = proxy_->places();
  void* arguments[] = {&strand, &places, &launch};
  return device::launch(kernels::proxied_exchange(), 1, kernels::kThreads, arguments, stream);
}

}  // namespace sluice
