// The public communicator: creation, splitting, leaving. The collectives are in collectives.cpp.
#include "sluice/communicator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <tuple>

#include "base/error.hpp"
#include "bootstrap/launcher.hpp"
#include "bootstrap/unique_id_format.hpp"
#include "communicator/impl.hpp"

namespace sluice {

Communicator::Communicator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Communicator::Communicator(Communicator&&) noexcept = default;
Communicator& Communicator::operator=(Communicator&&) noexcept = default;
Communicator::~Communicator() = default;

Result<Communicator> Communicator::create(const UniqueId& id, int rank, int size,
                                          const Options& options) {
  if (size < 1 || rank < 0 || rank >= size)
    return fail(Errc::kInvalidArgument, "bad rank or size",
                fmt::format("rank {} of {}: expected 0 <= rank < size", rank, size));
  SLUICE_TRY_ASSIGN(auto impl, Impl::create(id, rank, size, options));
  return Communicator(std::move(impl));
}

Result<Communicator> Communicator::from_environment(const Options& options) {
  SLUICE_TRY_ASSIGN(const LaunchInfo info, launch_from_environment());
  return create(info.id, info.rank, info.size, options);
}

int Communicator::rank() const { return impl_->rank(); }
int Communicator::size() const { return impl_->size(); }

namespace {

struct SplitEntry {
  int color;
  int key;
  int rank;
};

}  // namespace

Result<Communicator> Communicator::split(int color, int key) {
  return split(color, key, impl_->options());
}

Result<Communicator> Communicator::split(int color, int key, const Options& options) {
  const Impl::Turn turn(*impl_);
  SLUICE_TRY(turn.status());
  Bootstrap& bootstrap = impl_->bootstrap();
  const Deadline deadline = impl_->deadline();
  const SplitEntry mine{color, key, rank()};
  SLUICE_TRY_ASSIGN(const auto blobs,
                    bootstrap.all_gather(std::as_bytes(std::span(&mine, 1)), deadline));
  std::vector<SplitEntry> group;
  for (const auto& blob : blobs) {
    SplitEntry entry{};
    if (blob.size() != sizeof entry)
      return fail(Errc::kInvalidUsage, "ranks disagree",
                  fmt::format("rank {}: split() met another call", rank()));
    std::memcpy(&entry, blob.data(), sizeof entry);
    if (entry.color == color) group.push_back(entry);
  }
  std::sort(group.begin(), group.end(), [](const auto& a, const auto& b) {
    return std::tie(a.key, a.rank) < std::tie(b.key, b.rank);
  });

  // The first of each group makes the ticket of its new job.
  UniqueId id{};
  const bool leads = color >= 0 && group.front().rank == rank();
  if (leads) {
    SLUICE_TRY_ASSIGN(id, sluice::bootstrap::create_unique_id_at(bootstrap.reachable_address()));
  }
  SLUICE_TRY_ASSIGN(const auto ids,
                    bootstrap.all_gather(leads ? std::span(id.bytes).first(id.bytes.size())
                                               : std::span<const std::byte>(),
                                         deadline));
  if (color < 0) return Communicator(nullptr);
  const auto& ticket = ids[static_cast<std::size_t>(group.front().rank)];
  if (ticket.size() != id.bytes.size())
    return fail(Errc::kRemoteError, "no ticket",
                fmt::format("rank {}: rank {} sent no ticket for color {}", rank(),
                            group.front().rank, color));
  std::memcpy(id.bytes.data(), ticket.data(), id.bytes.size());
  const auto place = std::find_if(group.begin(), group.end(),
                                  [&](const auto& entry) { return entry.rank == rank(); });
  return create(id, static_cast<int>(place - group.begin()), static_cast<int>(group.size()),
                options);
}

Status Communicator::abort() { return impl_->abort(); }
Status Communicator::error() const {
  impl_->take_device_failure();
  return impl_->error();
}
std::string_view Communicator::last_algorithm() const { return impl_->last_algorithm(); }

}  // namespace sluice
