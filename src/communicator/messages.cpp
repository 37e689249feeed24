// The public point-to-point calls.
#include <fmt/format.h>

#include <deque>

#include "base/error.hpp"
#include "communicator/impl.hpp"

namespace sluice {
namespace {

using Transfer = Communicator::Transfer;

constexpr std::uint64_t message_kind(DataType type) {
  return kMessageKind | static_cast<std::uint64_t>(type);
}

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

/// Pairs the sends of a rank to itself with its receives from itself, in order.
Status move_own(int rank, std::span<const Transfer> transfers) {
  std::deque<const Transfer*> sends, receives;
  for (const Transfer& transfer : transfers)
    if (transfer.peer == rank)
      (transfer.direction == Transfer::Direction::kSend ? sends : receives).push_back(&transfer);
  if (sends.size() != receives.size())
    return fail(Errc::kInvalidUsage, "unpaired message to oneself",
                fmt::format("rank {}: {} sends to itself and {} receives from itself", rank,
                            sends.size(), receives.size()));
  for (; !sends.empty(); sends.pop_front(), receives.pop_front()) {
    const Transfer &from = *sends.front(), &to = *receives.front();
    if (from.count != to.count || from.type != to.type)
      return fail(Errc::kInvalidUsage, "message of another size",
                  fmt::format("rank {} sends itself {} {} and receives {} {}", rank, from.count,
                              name(from.type), to.count, name(to.type)));
    if (from.count != 0)
      compute::copy(to.destination, from.source, from.count * size_in_bytes(from.type));
  }
  return {};
}

}  // namespace

Status Communicator::exchange(std::span<const Transfer> transfers) {
  const Impl::Turn turn(*impl_);
  SLUICE_TRY(turn.status());
  bool own = false;
  for (std::size_t i = 0; i < transfers.size(); ++i) {
    SLUICE_TRY(check(*impl_, transfers[i], i));
    own |= transfers[i].peer == rank();
  }
  if (own) SLUICE_TRY(move_own(rank(), transfers));
  constexpr std::size_t kFew = 8;
  LinkTransfer few[kFew];
  std::vector<LinkTransfer> many;
  LinkTransfer* list = few;
  if (transfers.size() > kFew) {
    many.resize(transfers.size());
    list = many.data();
  }
  std::size_t count = 0;
  for (const Transfer& transfer : transfers) {
    if (transfer.peer == rank()) continue;
    const bool sends = transfer.direction == Transfer::Direction::kSend;
    // A send's buffer is only read; LinkTransfer has one pointer for both directions.
    list[count++] = {.peer = transfer.peer,
                     .sending = sends,
                     .data = static_cast<std::byte*>(sends ? const_cast<void*>(transfer.source)
                                                           : transfer.destination),
                     .bytes = transfer.count * size_in_bytes(transfer.type),
                     .kind = message_kind(transfer.type)};
  }
  return impl_->exchange({list, count});
}

Status Communicator::send(const void* source, std::size_t count, DataType type, int peer) {
  const Transfer transfer{.direction = Transfer::Direction::kSend,
                          .peer = peer,
                          .source = source,
                          .count = count,
                          .type = type};
  return exchange({&transfer, 1});
}

Status Communicator::receive(void* destination, std::size_t count, DataType type, int peer) {
  const Transfer transfer{.direction = Transfer::Direction::kReceive,
                          .peer = peer,
                          .destination = destination,
                          .count = count,
                          .type = type};
  return exchange({&transfer, 1});
}

}  // namespace sluice
