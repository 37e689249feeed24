// Device memory that ranks register with each other, so that kernels use it in place.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "communicator/agreement.hpp"
#include "communicator/device_part.hpp"
#include "communicator/device_sharing.hpp"
#include "communicator/impl.hpp"
#include "sluice/on_stream.hpp"

namespace sluice {
namespace {

struct Done {};

}  // namespace

Result<std::uint64_t> DevicePart::next_region() const {
  const auto free = std::find_if(regions_.begin(), regions_.end(),
                                 [](const Region& region) { return region.base == nullptr; });
  const auto number = static_cast<std::uint64_t>(free - regions_.begin());
  if (number < RegionTable::kMost) return number;
  return fail(Errc::kInvalidUsage, "too much is registered",
              fmt::format("rank {}: expected less than {} registered stretches of device memory",
                          rank_, RegionTable::kMost));
}

Result<std::uint64_t> DevicePart::region_at(const void* base) const {
  const auto found = std::find_if(regions_.begin(), regions_.end(),
                                  [&](const Region& region) { return region.base == base; });
  if (base != nullptr && found != regions_.end())
    return static_cast<std::uint64_t>(found - regions_.begin());
  return Status(Errc::kInvalidArgument, "not registered");
}

Status DevicePart::set_region(std::uint64_t number, Region region) {
  std::vector<std::byte*> bases(static_cast<std::size_t>(ranks_), nullptr);
  for (std::size_t r = 0; r < region.of_ranks.size(); ++r) bases[r] = region.of_ranks[r].base;
  SLUICE_TRY(device::copy(memory_.get() + shape_.region(number), bases.data(),
                          bases.size() * sizeof(std::byte*)));
  if (regions_.size() <= number) regions_.resize(number + 1);
  regions_[number] = std::move(region);
  return {};
}

RegionPlace DevicePart::place_in_regions(const std::byte* buffer, std::uint64_t bytes) const {
  if (buffer == nullptr || bytes == 0) return {ExposedBuffer::kUnused, 0};
  for (std::uint64_t number = 0; number < regions_.size(); ++number) {
    const Region& region = regions_[number];
    if (region.base == nullptr || buffer < region.base) continue;
    const auto offset = static_cast<std::uint64_t>(buffer - region.base);
    if (offset <= region.bytes && bytes <= region.bytes - offset) return {number + 1, offset};
  }
  return {};
}

Status Communicator::Impl::register_device_memory(void* memory, std::uint64_t bytes) {
  DeviceSharing sharing(*device_, rank(), std::get_if<transport::Shm>(&transport_), processes_,
                        deadline());
  std::uint64_t number = 0;
  const auto show = [&]() -> Result<ShownMemory> {
    SLUICE_TRY_ASSIGN(const ShownMemory mine, sharing.show(memory, bytes));
    if (device_->region_at(memory).ok())
      return sharing.refused(memory, bytes, "memory that is registered already");
    SLUICE_TRY_ASSIGN(number, device_->next_region());
    return mine;
  };
  const auto take_in = [&](const std::vector<ShownMemory>& shown) -> Result<Done> {
    SLUICE_TRY_ASSIGN(auto windows, sharing.open(shown));
    const device::Using device(device_->device());
    SLUICE_TRY(device.status());
    SLUICE_TRY(
        device_->set_region(number, {static_cast<std::byte*>(memory), bytes, std::move(windows)}));
    return Done{};
  };
  SLUICE_TRY_ASSIGN(const auto shown,
                    agree(*bootstrap_, deadline(), show(), "no memory to register"));
  return agree(*bootstrap_, deadline(), take_in(shown), "not found the memory of others").status();
}

Status Communicator::Impl::withdraw_device_memory(void* memory) {
  auto mine = device_->region_at(memory);
  if (!mine.ok())
    mine = fail(Errc::kInvalidArgument, "not registered",
                fmt::format("rank {}: expected registered device memory, found none at {}", rank(),
                            memory));
  SLUICE_TRY_ASSIGN(const auto numbers,
                    agree(*bootstrap_, deadline(), mine, "nothing to withdraw"));
  for (int r = 0; r < size(); ++r)
    if (numbers[static_cast<std::size_t>(r)] != mine.value())
      return fail(Errc::kInvalidUsage, "not the same memory",
                  fmt::format("rank {} withdraws what was registered with number {}, rank {} with "
                              "number {}",
                              rank(), mine.value(), r, numbers[static_cast<std::size_t>(r)]));
  const Status cleared = device_->set_region(mine.value(), {});
  const Result<Done> done = cleared.ok() ? Result<Done>(Done{}) : Result<Done>(cleared);
  return agree(*bootstrap_, deadline(), done, "not let go of it").status();
}

namespace {

/// Ok, or why nothing may be registered or withdrawn.
Status may_register(Communicator::Impl& impl, const Communicator::Impl::Turn& turn) {
  impl.take_device_failure();
  SLUICE_TRY(turn.status());
  if (impl.device() != nullptr) return {};
  return fail(Errc::kInvalidUsage, "no device",
              fmt::format("rank {}, device memory to be registered: the communicator was made "
                          "without a device; expected Options::device",
                          impl.rank()));
}

}  // namespace

Status register_device_memory(Communicator& communicator, void* memory, std::size_t bytes) {
  Communicator::Impl& impl = communicator.impl();
  const Communicator::Impl::Turn turn(impl);
  SLUICE_TRY(may_register(impl, turn));
  return impl.register_device_memory(memory, bytes);
}

Status withdraw_device_memory(Communicator& communicator, void* memory) {
  Communicator::Impl& impl = communicator.impl();
  const Communicator::Impl::Turn turn(impl);
  SLUICE_TRY(may_register(impl, turn));
  return impl.withdraw_device_memory(memory);
}

}  // namespace sluice
