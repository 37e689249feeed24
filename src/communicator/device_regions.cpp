// Device memory that ranks register with each other, so that kernels use it in place.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "communicator/agreement.hpp"
#include "communicator/device_part.hpp"
#include "communicator/impl.hpp"
#include "device/shareable.hpp"
#include "sluice/on_stream.hpp"

namespace sluice {
namespace {

/// What a rank tells the others of its memory.
struct ShownMemory {
  std::uint64_t number;            // of the region, from 0
  std::uint64_t address;           // of the memory, in its owner's addresses
  std::uint64_t offset;            // of the memory in its allocation
  std::uint64_t allocation_bytes;  // all of which other processes open
  std::uint64_t descriptor;        // where its owner serves one; 0: there is a handle
  device::Handle handle;
};
struct Done {};

using Mapping = std::shared_ptr<void>;

}  // namespace

/// One rank's part in registering memory.
class RegionSetup {
 public:
  RegionSetup(Bootstrap& bootstrap, DevicePart& part, transport::Shm* shm,
              std::span<const PeerProcess> peers, Deadline deadline)
      : bootstrap_(bootstrap), part_(part), shm_(shm), peers_(peers), deadline_(deadline) {}
  ~RegionSetup() {
    if (offered_ != 0) shm_->withdraw(offered_);  // all have fetched it, or never will
  }
  RegionSetup(const RegionSetup&) = delete;
  RegionSetup& operator=(const RegionSetup&) = delete;

  Status run(void* memory, std::uint64_t bytes) {
    SLUICE_TRY_ASSIGN(const auto shown,
                      agree(bootstrap_, deadline_, show(memory, bytes), "no memory to register"));
    return agree(bootstrap_, deadline_, open(memory, bytes, shown),
                 "not found the memory of others")
        .status();
  }

 private:
  Result<ShownMemory> show(void* memory, std::uint64_t bytes);
  Result<Done> open(void* memory, std::uint64_t bytes, const std::vector<ShownMemory>& shown);
  Result<Mapping> open_one(int peer, const ShownMemory& theirs) const;
  bool one_process() const {
    return std::all_of(peers_.begin(), peers_.end(),
                       [](const PeerProcess& peer) { return peer.same_process; });
  }

  Bootstrap& bootstrap_;
  DevicePart& part_;
  transport::Shm* shm_;  // null where all ranks are in one process
  std::span<const PeerProcess> peers_;
  Deadline deadline_;
  std::uint64_t offered_ = 0;
};

Result<ShownMemory> RegionSetup::show(void* memory, std::uint64_t bytes) {
  const auto refused = [&](const std::string& found) {
    return fail(Errc::kInvalidArgument, "not memory of the device",
                fmt::format("rank {}, registering {} bytes at {}: expected memory of device {}, "
                            "found {}",
                            bootstrap_.rank(), bytes, memory, part_.device(), found));
  };
  if (!part_.reaches_peers())
    return fail(Errc::kInvalidUsage, "devices do not reach each other",
                fmt::format("rank {}, registering {} bytes at {}: expected devices with access to "
                            "one another, found that they have none (SLUICE_DEVICE_SEGMENTS or the "
                            "driver)",
                            bootstrap_.rank(), bytes, memory));
  if (memory == nullptr || bytes == 0) return refused("nothing");
  SLUICE_TRY_ASSIGN(const device::Place place, device::place_of(memory));
  if (place.device != part_.device())
    return refused(place.device < 0 ? std::string("other memory")
                                    : fmt::format("memory of device {}", place.device));
  const device::Using device(part_.device());
  SLUICE_TRY(device.status());
  SLUICE_TRY_ASSIGN(const device::Allocation whole, device::allocation_of(memory));
  const auto offset = static_cast<std::uint64_t>(static_cast<std::byte*>(memory) - whole.base);
  if (offset > whole.bytes || bytes > whole.bytes - offset)
    return refused(
        fmt::format("an allocation that ends {} bytes behind that address", whole.bytes - offset));
  if (part_.region_at(memory).ok()) return refused("memory that is registered already");
  SLUICE_TRY_ASSIGN(const std::uint64_t number, part_.next_region());
  ShownMemory shown{number, reinterpret_cast<std::uint64_t>(memory), offset, whole.bytes, 0, {}};
  if (one_process()) return shown;
  SLUICE_TRY_ASSIGN(const Fd descriptor, device::descriptor_of(whole.base));
  if (descriptor) {
    SLUICE_TRY_ASSIGN(offered_, shm_->offer(descriptor.get(), whole.bytes));
    shown.descriptor = offered_;
  } else {
    SLUICE_TRY_ASSIGN(shown.handle, device::share(whole.base));
  }
  return shown;
}

Result<Mapping> RegionSetup::open_one(int peer, const ShownMemory& theirs) const {
  const int own = part_.device();
  const std::uint64_t bytes = theirs.allocation_bytes;
  if (theirs.descriptor == 0) {
    SLUICE_TRY_ASSIGN(void* const opened, device::open(theirs.handle));
    return Mapping(opened, [own](void* mapping) {
      const device::Using device(own);
      static_cast<void>(device::close(mapping));
    });
  }
  SLUICE_TRY_ASSIGN(const auto received,
                    shm_->fetch(peers_[static_cast<std::size_t>(peer)].descriptors,
                                theirs.descriptor, deadline_));
  SLUICE_TRY_ASSIGN(void* const opened, device::open_shareable(received.fd, bytes));
  return Mapping(opened, [own, bytes](void* mapping) {
    const device::Using device(own);
    static_cast<void>(device::close_shareable(mapping, bytes));
  });
}

Result<Done> RegionSetup::open(void* memory, std::uint64_t bytes,
                               const std::vector<ShownMemory>& shown) {
  const device::Using device(part_.device());
  SLUICE_TRY(device.status());
  DevicePart::Region region{static_cast<std::byte*>(memory), bytes, {}};
  std::vector<std::byte*> bases;
  for (int r = 0; r < bootstrap_.size(); ++r) {
    const ShownMemory& theirs = shown[static_cast<std::size_t>(r)];
    if (peers_[static_cast<std::size_t>(r)].same_process) {
      bases.push_back(reinterpret_cast<std::byte*>(theirs.address));
      continue;
    }
    SLUICE_TRY_ASSIGN(Mapping mapping, open_one(r, theirs));
    bases.push_back(static_cast<std::byte*>(mapping.get()) + theirs.offset);
    region.mappings.push_back(std::move(mapping));
  }
  const std::uint64_t number = shown[static_cast<std::size_t>(bootstrap_.rank())].number;
  SLUICE_TRY(part_.set_region(number, std::move(region), bases));
  return Done{};
}

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

Status DevicePart::set_region(std::uint64_t number, Region region,
                              std::span<std::byte* const> bases) {
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
  return RegionSetup(*bootstrap_, *device_, std::get_if<transport::Shm>(&transport_), processes_,
                     deadline())
      .run(memory, bytes);
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
  const std::vector<std::byte*> nothing(static_cast<std::size_t>(size()), nullptr);
  const Status cleared = device_->set_region(mine.value(), {}, nothing);
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
