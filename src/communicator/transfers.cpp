#include "communicator/transfers.hpp"

#include <fmt/format.h>

#include <deque>

#include "base/error.hpp"
#include "communicator/calls.hpp"

namespace sluice {
namespace {

using Transfer = Communicator::Transfer;

Status bad_transfer(int rank, std::size_t index, const std::string& text) {
  return fail(Errc::kInvalidArgument, "invalid argument",
              fmt::format("rank {}, transfer {}: {}", rank, index, text));
}

Status check(const Communicator::Impl& impl, const Transfer& transfer, std::size_t index) {
  const std::uint64_t elem_bytes = size_in_bytes(transfer.type);
  const bool sends = transfer.direction == Transfer::Direction::kSend;
  if (elem_bytes == 0)
    return bad_transfer(impl.rank(), index,
                        fmt::format("unknown data type {}", static_cast<int>(transfer.type)));
  if (transfer.peer < 0 || transfer.peer >= impl.size())
    return bad_transfer(impl.rank(), index,
                        fmt::format("peer {} is not a rank of {}", transfer.peer, impl.size()));
  if (transfer.count > (std::uint64_t{1} << 62) / elem_bytes)
    return bad_transfer(impl.rank(), index, fmt::format("count {} is too large", transfer.count));
  if (transfer.count != 0 && (sends ? transfer.source == nullptr : transfer.destination == nullptr))
    return bad_transfer(impl.rank(), index, "the buffer is null");
  return {};
}

}  // namespace

Status check_transfers(const Communicator::Impl& impl, std::span<const Transfer> transfers) {
  for (std::size_t i = 0; i < transfers.size(); ++i) SLUICE_TRY(check(impl, transfers[i], i));
  return {};
}

Result<std::vector<OwnMessage>> own_messages(int rank, std::span<const Transfer> transfers) {
  std::deque<const Transfer*> sends, receives;
  for (const Transfer& transfer : transfers)
    if (transfer.peer == rank)
      (transfer.direction == Transfer::Direction::kSend ? sends : receives).push_back(&transfer);
  if (sends.size() != receives.size())
    return fail(Errc::kInvalidUsage, "unpaired message to oneself",
                fmt::format("rank {}: {} sends to itself and {} receives from itself", rank,
                            sends.size(), receives.size()));
  std::vector<OwnMessage> pairs;
  for (; !sends.empty(); sends.pop_front(), receives.pop_front()) {
    const Transfer &from = *sends.front(), &to = *receives.front();
    if (from.count != to.count || from.type != to.type)
      return fail(Errc::kInvalidUsage, "message of another size",
                  fmt::format("rank {} sends itself {} {} and receives {} {}", rank, from.count,
                              name(from.type), to.count, name(to.type)));
    pairs.emplace_back(&from, &to);
  }
  return pairs;
}

Status check(const Communicator::Impl& impl, const AllToAllV& call) {
  const Call me(Collective::kAllToAllV, call.type);
  if (me.elem_bytes == 0)
    return bad_argument(impl, me, fmt::format("unknown data type {}", static_cast<int>(call.type)));
  const Collective collective = me.collective;
  SLUICE_TRY(check_list(impl, collective, "send counts", call.send_counts, call.type));
  SLUICE_TRY(
      check_list(impl, collective, "send displacements", call.send_displacements, call.type));
  SLUICE_TRY(check_list(impl, collective, "receive counts", call.receive_counts, call.type));
  SLUICE_TRY(
      check_list(impl, collective, "receive displacements", call.receive_displacements, call.type));
  const auto own = static_cast<std::size_t>(impl.rank());
  if (call.send_counts[own] != call.receive_counts[own])
    return bad_argument(impl, me,
                        fmt::format("sends {} elements to itself and receives {}",
                                    call.send_counts[own], call.receive_counts[own]));
  for (std::size_t r = 0; r < call.send_counts.size(); ++r)
    if ((call.send_counts[r] != 0 && call.input == nullptr) ||
        (call.receive_counts[r] != 0 && call.output == nullptr))
      return bad_argument(impl, me, "a buffer is null");
  return {};
}

}  // namespace sluice
