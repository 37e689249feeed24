// The public point-to-point calls.
#include <algorithm>

#include "base/error.hpp"
#include "communicator/impl.hpp"
#include "communicator/transfers.hpp"

namespace sluice {

using Transfer = Communicator::Transfer;

Status Communicator::exchange(std::span<const Transfer> transfers) {
  const Impl::Turn turn(*impl_);
  SLUICE_TRY(turn.status());
  SLUICE_TRY(check_transfers(*impl_, transfers));
  const bool own = std::any_of(transfers.begin(), transfers.end(),
                               [&](const Transfer& transfer) { return transfer.peer == rank(); });
  if (own) {
    SLUICE_TRY_ASSIGN(const auto pairs, own_messages(rank(), transfers));
    for (const auto& [from, to] : pairs)
      if (from->count != 0)
        compute::copy(to->destination, from->source, from->count * size_in_bytes(from->type));
  }
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
  SLUICE_TRY(impl_->expect_host_memory({list, count}));
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
