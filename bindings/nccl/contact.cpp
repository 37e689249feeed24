#include "bindings/nccl/contact.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "base/error.hpp"
#include "bindings/nccl/errors.hpp"
#include "bootstrap/unique_id_format.hpp"
#include "communicator/impl.hpp"

namespace sluice::nccl {
namespace {

/// Of one release of the library; all ranks have the same.
struct Card {
  std::uint64_t process;
  std::int32_t nccl_version;
  std::int32_t family;
  char release[24];
  std::uint8_t ip[16];
  std::uint32_t scope;
  std::uint16_t port;
  std::uint16_t unused;
};
static_assert(sizeof(Card) == 64, "the same on all ranks");

/// Different in every process of a job.
std::uint64_t this_process() {
  static const std::uint64_t number = [] {
    std::random_device source;
    return std::uint64_t{source()} << 32 | source();
  }();
  return number;
}

Card card_with(const bootstrap::Address& address) {
  Card card{};
  card.process = this_process();
  card.nccl_version = NCCL_VERSION_CODE;
  card.family = address.family;
  std::strncpy(card.release, SLUICE_VERSION, sizeof card.release - 1);
  std::copy(address.ip.begin(), address.ip.end(), card.ip);
  card.scope = address.scope;
  card.port = address.port;
  return card;
}

bootstrap::Address address_on(const Card& card) {
  bootstrap::Address address;
  address.family = card.family;
  std::copy(std::begin(card.ip), std::end(card.ip), address.ip.begin());
  address.scope = card.scope;
  address.port = card.port;
  return address;
}

}  // namespace

Result<Contacts> Contacts::exchange(Communicator& ranks) {
  Contacts contacts;
  const bootstrap::Address here = ranks.impl().bootstrap().reachable_address();
  bootstrap::OpenResult opened = bootstrap::listen_on(here);
  if (!opened.fd.valid())
    return fail_os("no port", fmt::format("rank {}: no port of {}", ranks.rank(), here.number()),
                   opened.error);
  SLUICE_TRY_ASSIGN(const bootstrap::Address kept, bootstrap::local_address(opened.fd));
  contacts.kept_port_ = std::move(opened.fd);
  bootstrap::Address reachable = here;
  reachable.port = kept.port;
  const Card mine = card_with(reachable);
  std::vector<Card> cards(static_cast<std::size_t>(ranks.size()));
  SLUICE_TRY(ranks.all_gather(&mine, cards.data(), sizeof mine, DataType::kUint8));
  contacts.one_process_ = true;
  for (int rank = 0; rank < ranks.size(); ++rank) {
    const Card& card = cards[static_cast<std::size_t>(rank)];
    if (card.nccl_version != mine.nccl_version ||
        std::strncmp(card.release, mine.release, sizeof card.release) != 0)
      return bad_usage(fmt::format(
          "rank {} runs Sluice {} (NCCL {}), rank {} runs {} (NCCL {}): all ranks need the same",
          ranks.rank(), mine.release, mine.nccl_version, rank,
          std::string_view(card.release, ::strnlen(card.release, sizeof card.release)),
          card.nccl_version));
    contacts.one_process_ &= card.process == mine.process;
    contacts.addresses_.push_back(address_on(card));
  }
  return contacts;
}

Result<Communicator> Contacts::meet_again(Communicator& old, std::span<const int> members,
                                          const Options& options) {
  const auto place = std::find(members.begin(), members.end(), old.rank());
  const int rank = static_cast<int>(place - members.begin());
  const bootstrap::Address& server = addresses_[static_cast<std::size_t>(members.front())];
  const std::string names = fmt::format("{}", fmt::join(members, ","));
  const bootstrap::IdFields fields{.server = server,
                                   .secret = old.impl().bootstrap().derive_key(fmt::format(
                                       "nccl meeting {} of {}", ++meetings_[names], names)),
                                   .rank_zero_serves = true};
  // The port is free from here until the first of them serves the rendezvous there: connections
  // that come meanwhile are refused, and tried again.
  if (rank == 0) kept_port_.reset();
  auto met = Communicator::create(bootstrap::encode_unique_id(fields), rank,
                                  static_cast<int>(members.size()), options);
  if (rank == 0) kept_port_ = bootstrap::listen_on(server).fd;
  return met;
}

}  // namespace sluice::nccl
