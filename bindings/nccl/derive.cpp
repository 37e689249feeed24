// Communicators made of others: split, shrink, grow.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/error.hpp"
#include "bindings/nccl/communicator.hpp"
#include "bindings/nccl/door.hpp"
#include "bindings/nccl/errors.hpp"
#include "bindings/nccl/group.hpp"
#include "bindings/nccl/ids.hpp"
#include "bootstrap/unique_id_format.hpp"
#include "communicator/impl.hpp"

namespace sluice::nccl {
namespace {

using State = ncclComm::State;

/// A child of `parent` around `ranks`, ready for calls.
Result<ncclComm_t> child_of(const ncclComm& parent, Communicator ranks, Config config) {
  auto child = std::make_shared<ncclComm>(std::move(config));
  child->device = parent.device;
  SLUICE_TRY(welcome(*child, std::move(ranks)));
  child->settle({});
  child->self = child;
  return child.get();
}

/// What making a child of `comm` needs first: the handle, where it goes, its configuration.
Result<Config> begin(ncclComm* comm, ncclComm_t* out, const ncclConfig_t* given) {
  SLUICE_TRY(check_handle(comm));
  if (out == nullptr) return bad_argument("where to put the new communicator is null");
  *out = nullptr;
  return read_config(given, comm->config);
}

/// After a failure or a revocation only what needs no old connection is left.
bool works(const ncclComm& comm) {
  return comm.state != State::kRevoked && comm.ranks->error().ok();
}

Status split(ncclComm& comm, int color, int key, ncclComm_t* out, const Config& config) {
  const Options options = configured(comm.ranks->impl().options(), config);
  const auto divide = [&](Communicator& ranks) -> Status {
    SLUICE_TRY_ASSIGN(auto part, ranks.split(color, key, options));
    if (!part.valid()) return {};
    SLUICE_TRY_ASSIGN(*out, child_of(comm, std::move(part), config));
    return {};
  };
  if (works(comm)) return divide(*comm.ranks);
  std::vector<int> everybody(static_cast<std::size_t>(comm.ranks->size()));
  std::iota(everybody.begin(), everybody.end(), 0);
  SLUICE_TRY_ASSIGN(auto again, comm.contacts.meet_again(*comm.ranks, everybody, options));
  return divide(again);
}

/// The ranks that stay, or why the list is none.
Result<std::vector<int>> remaining(const ncclComm& comm, const int* excluded, int count) {
  const int size = comm.ranks->size();
  if (excluded == nullptr || count < 1 || count >= size)
    return bad_argument(fmt::format("ncclCommShrink: {} ranks to exclude at {}, expected 1 to {}",
                                    count, fmt::ptr(excluded), size - 1));
  std::vector<bool> stays(static_cast<std::size_t>(size), true);
  for (int i = 0; i < count; ++i) {
    if (excluded[i] < 0 || excluded[i] >= size || !stays[static_cast<std::size_t>(excluded[i])])
      return bad_argument(
          fmt::format("ncclCommShrink: entry {} of the list, {}, is not a rank of {}, or there "
                      "twice",
                      i, excluded[i], size));
    stays[static_cast<std::size_t>(excluded[i])] = false;
  }
  if (!stays[static_cast<std::size_t>(comm.ranks->rank())])
    return bad_argument(
        fmt::format("ncclCommShrink: rank {} excludes itself; ranks that leave do not call",
                    comm.ranks->rank()));
  std::vector<int> ranks;
  for (int rank = 0; rank < size; ++rank)
    if (stays[static_cast<std::size_t>(rank)]) ranks.push_back(rank);
  return ranks;
}

Status shrink(ncclComm& comm, const std::vector<int>& members, ncclComm_t* out,
              const Config& config) {
  SLUICE_TRY_ASSIGN(auto ranks,
                    comm.contacts.meet_again(*comm.ranks, members,
                                             configured(comm.ranks->impl().options(), config)));
  SLUICE_TRY_ASSIGN(*out, child_of(comm, std::move(ranks), config));
  return {};
}

Status check_flags(int flags) {
  if (flags == NCCL_SHRINK_DEFAULT || flags == NCCL_SHRINK_ABORT) return {};
  return bad_argument(fmt::format("ncclCommShrink: flags {:#x}, expected 0 or 1", flags));
}

/// The id that one rank has, to all of them.
Result<ncclUniqueId> agree_on_id(Communicator& ranks, const std::optional<ncclUniqueId>& mine) {
  struct Entry {
    ncclUniqueId id;
    std::uint8_t given;
  };
  const Entry entry{mine.value_or(ncclUniqueId{}), mine.has_value()};
  std::vector<Entry> all(static_cast<std::size_t>(ranks.size()));
  SLUICE_TRY(ranks.all_gather(&entry, all.data(), sizeof entry, DataType::kUint8));
  const auto given = std::count_if(all.begin(), all.end(), [](const Entry& e) { return e.given; });
  if (given != 1)
    return bad_usage(fmt::format(
        "ncclCommGrow: {} ranks passed a unique id, expected the one that made it", given));
  return std::find_if(all.begin(), all.end(), [](const Entry& e) { return e.given; })->id;
}

Status grow(ncclComm& comm, int size, std::optional<ncclUniqueId> id, ncclComm_t* out,
            const Config& config) {
  SLUICE_TRY_ASSIGN(const ncclUniqueId agreed, agree_on_id(*comm.ranks, id));
  if (id) comm.growing_by.reset();
  SLUICE_TRY_ASSIGN(const UniqueId opened, sealed(from_nccl(agreed)));
  SLUICE_TRY_ASSIGN(auto ranks,
                    Communicator::create(opened, comm.ranks->rank(), size,
                                         configured(comm.ranks->impl().options(), config)));
  SLUICE_TRY_ASSIGN(*out, child_of(comm, std::move(ranks), config));
  return {};
}

Status check_growth(const ncclComm& comm, int size, const ncclUniqueId* id, int rank) {
  SLUICE_TRY(comm.admit());
  if (size <= comm.ranks->size())
    return bad_argument(fmt::format("ncclCommGrow: from {} to {} ranks", comm.ranks->size(), size));
  if (rank != -1)
    return bad_argument(fmt::format(
        "ncclCommGrow: rank {}; ranks of the communicator keep theirs and pass -1", rank));
  if (id != nullptr && !comm.growing_by)
    return bad_usage(
        "ncclCommGrow: the id was not made by ncclCommGetUniqueId of this communicator "
        "and rank, or has been used");
  return {};
}

Status make_growing_id(ncclComm* comm, ncclUniqueId* out) {
  SLUICE_TRY(check_handle(comm));
  SLUICE_TRY(comm->admit());
  if (out == nullptr) return bad_argument("ncclCommGetUniqueId: where to put it is null");
  if (comm->growing_by)
    return bad_usage("ncclCommGetUniqueId: the id before this one has not been used yet");
  SLUICE_TRY_ASSIGN(const UniqueId id, bootstrap::create_unique_id_at(
                                           comm->ranks->impl().bootstrap().reachable_address()));
  SLUICE_TRY_ASSIGN(const UniqueId hidden, sealed(id));
  comm->growing_by = *out = to_nccl(hidden);
  return {};
}

}  // namespace

ncclResult_t CommSplit(ncclComm_t comm, int color, int key, ncclComm_t* newcomm,
                       ncclConfig_t* config) {
  const auto child = begin(comm, newcomm, config);
  if (!child.ok()) return conclude(child.status());
  if (color < 0 && color != NCCL_SPLIT_NOCOLOR)
    return conclude(bad_argument(
        fmt::format("ncclCommSplit: color {}, expected 0 or more, or NCCL_SPLIT_NOCOLOR", color)));
  if (comm->state != State::kRevoked)
    if (const Status status = comm->admit(); !status.ok()) return conclude(comm, status);
  return manage(comm, [=, config = child.value()](ncclComm& parent) {
    return split(parent, color, key, newcomm, config);
  });
}

ncclResult_t CommShrink(ncclComm_t comm, int* excludeRanksList, int excludeRanksCount,
                        ncclComm_t* newcomm, ncclConfig_t* config, int shrinkFlags) {
  const auto child = begin(comm, newcomm, config);
  if (!child.ok()) return conclude(child.status());
  if (const Status status = check_flags(shrinkFlags); !status.ok()) return conclude(status);
  const bool aborts = shrinkFlags == NCCL_SHRINK_ABORT;
  if (comm->state != State::kRevoked && !(aborts && comm->state == State::kBusy))
    if (const Status status = comm->admit(); !status.ok()) return conclude(comm, status);
  const auto members = remaining(*comm, excludeRanksList, excludeRanksCount);
  if (!members.ok()) return conclude(comm, members.status());
  if (aborts && comm->state.exchange(State::kRevoked) != State::kRevoked) comm->interrupt();
  return manage(comm, [=, config = child.value(), members = members.value()](ncclComm& parent) {
    return shrink(parent, members, newcomm, config);
  });
}

ncclResult_t CommGetUniqueId(ncclComm_t comm, ncclUniqueId* uniqueId) {
  return conclude(make_growing_id(comm, uniqueId));
}

ncclResult_t CommGrow(ncclComm_t comm, int nranks, const ncclUniqueId* uniqueId, int rank,
                      ncclComm_t* newcomm, ncclConfig_t* config) {
  if (comm == nullptr) {
    if (uniqueId == nullptr)
      return conclude(bad_argument("ncclCommGrow: a new rank needs the unique id"));
    return CommInitRankConfig(newcomm, nranks, *uniqueId, rank, config);
  }
  const auto child = begin(comm, newcomm, config);
  if (!child.ok()) return conclude(child.status());
  if (const Status status = check_growth(*comm, nranks, uniqueId, rank); !status.ok())
    return conclude(comm, status);
  std::optional<ncclUniqueId> id;
  if (uniqueId != nullptr) id = *uniqueId;
  return manage(comm, [=, config = child.value()](ncclComm& parent) {
    return grow(parent, nranks, id, newcomm, config);
  });
}

}  // namespace sluice::nccl
