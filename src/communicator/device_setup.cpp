// Making the device parts of a communicator's ranks: what fits on each GPU, memory, and where the
// peers' is. Each step is collective, and an error of one rank in it is one of all.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "communicator/agreement.hpp"
#include "communicator/device_kernels.hpp"
#include "communicator/device_part.hpp"
#include "device/shareable.hpp"
#include "memory/region.hpp"
#include "plan/kernels/kernels.hpp"

namespace sluice {
namespace {

/// More strands cost memory, and no device is known that they would make faster.
constexpr int kMostStrands = 64;
constexpr std::uint64_t kMostStrandsByHost = 8;

/// What schedules cost on a device, in nanoseconds, as far as thought goes: none of it has been
/// measured. A flag's way is that through the second-level cache with a barrier on both sides;
/// bytes are moved by all strands of a call at once, packets by one.
CostModel device_costs(const device::Facts& facts, int ranks) {
  CostModel model;
  model.alpha = 1500;
  model.packet_write = 0.05;
  model.packet_read = 0.002;
  model.stage_write = 0.001;
  model.stage_read = 0.002;
  model.cached_byte = 0.001;
  model.memory_byte = 0.0008;
  model.cache_bytes = static_cast<double>(facts.cache_bytes) / ranks;
  return model;
}

/// Shared memory of the host that kernels reach, for as long as somebody keeps it.
Result<std::shared_ptr<std::byte>> pinned_by(int device, SharedMemory memory) {
  SLUICE_TRY(device::pin(memory.data(), memory.bytes()));
  auto kept = std::make_shared<SharedMemory>(std::move(memory));
  return std::shared_ptr<std::byte>(kept->data(), [device, kept](std::byte* data) {
    const device::Using using_it(device);
    static_cast<void>(device::unpin(data));
  });
}

/// SLUICE_DEVICE_SEGMENTS.
Result<bool> host_memory_wanted() {
  const std::string text = environment::text("SLUICE_DEVICE_SEGMENTS", "device");
  if (text == "host" || text == "device") return text == "host";
  return fail(Errc::kInvalidArgument, "bad SLUICE_DEVICE_SEGMENTS",
              fmt::format("SLUICE_DEVICE_SEGMENTS={}: expected device or host", text));
}

}  // namespace

class DeviceSetup {
 public:
  DeviceSetup(const DeviceJob& job, DevicePart& part) : job_(job), part_(part) {}
  ~DeviceSetup() {  // all have fetched them, or never will
    for (const std::uint64_t offer : offers_) job_.shm->withdraw(offer);
  }
  DeviceSetup(const DeviceSetup&) = delete;
  DeviceSetup& operator=(const DeviceSetup&) = delete;

  Status run() {
    if (job_.make_proxy) return run_by_proxy();
    SLUICE_TRY_ASSIGN(const auto found, exchange(look()));
    SLUICE_TRY_ASSIGN(const int strands, strands_of(found));
    part_.shape_ = {static_cast<std::uint64_t>(size()), static_cast<std::uint64_t>(strands)};
    SLUICE_TRY_ASSIGN(const auto shown, exchange(make_memory()));
    SLUICE_TRY_ASSIGN(const auto wired, exchange(wire(shown)));
    const auto all_reached = std::all_of(wired.begin(), wired.end(),
                                         [](const Wired& each) { return each.reached != 0; });
    if (!all_reached) SLUICE_TRY(meet_in_host_memory());
    SLUICE_TRY_ASSIGN(part_.selection_, Selection::make(device_costs(part_.facts_, size()), size(),
                                                        Placement::kOneHost, job_.algorithm));
    log::info(log::Topic::kInit,
              "rank {} of {}: device {} ({}), {} strands, {:.0f} MiB of segments, {}", rank(),
              size(), part_.device_, part_.facts_.name, part_.shape_.strands,
              static_cast<double>(part_.shape_.segments_bytes()) / (1 << 20),
              !part_.reaches_peers_ ? "in memory of the host"
              : part_.direct_       ? "all ranks in one process"
                                    : "ranks in several processes");
    return {};
  }

  /// Of ranks on several hosts: each has a strand of its own, that only asks the host.
  Status run_by_proxy() {
    SLUICE_TRY(exchange(look()).status());
    part_.shape_ = {1, 1};
    part_.reaches_peers_ = false;
    SLUICE_TRY(exchange(make_lone_strand()).status());
    const device::Using device(job_.device);
    SLUICE_TRY(device.status());
    SLUICE_TRY_ASSIGN(part_.proxy_, job_.make_proxy());
    log::info(log::Topic::kInit, "rank {} of {}: device {} ({}), through the host", rank(), size(),
              part_.device_, part_.facts_.name);
    return {};
  }

 private:
  /// What a rank finds on its machine.
  struct Found {
    std::array<std::uint8_t, 16> uuid;
    std::int32_t blocks;  // that the device holds at once
    StrandsAsked strands;
  };
  /// Where its segments are.
  struct Shown {
    std::uint64_t base;
    device::Handle handle;
    std::int32_t device;
    std::uint64_t descriptor;  // where their owner serves one; 0: there is a handle
    std::uint64_t bytes;       // behind the descriptor
  };
  struct Wired {
    std::uint64_t reached;  // whether it has everybody's segments
  };
  using Segments = std::shared_ptr<std::byte>;

  int rank() const { return job_.bootstrap.rank(); }
  int size() const { return job_.bootstrap.size(); }
  bool same_process(int r) const {
    return job_.processes[static_cast<std::size_t>(r)].same_process;
  }
  bool one_process() const {
    return std::all_of(job_.processes.begin(), job_.processes.end(),
                       [](const PeerProcess& each) { return each.same_process; });
  }

  /// Everybody's result of a step.
  template <class Fields>
  Result<std::vector<Fields>> exchange(const Result<Fields>& mine) {
    return agree(job_.bootstrap, job_.deadline, mine, "no device to work with");
  }

  Result<Found> look();
  Result<int> strands_of(const std::vector<Found>& found);
  Result<Shown> make_memory();
  Status show(Shown& segments);
  Result<Wired> wire(const std::vector<Shown>& shown);
  /// null: kernels here do not reach them.
  Result<Segments> segments_of(int peer, const Shown& shown) const;
  Result<Segments> opened(int peer, const Shown& shown) const;
  Result<Segments> shared_here(int peer, const Shown& shown) const;

  Result<Wired> make_lone_strand();

  Status meet_in_host_memory();
  Result<Shown> make_host_segments();
  Result<Segments> host_segments_of(int peer, const Shown& shown) const;

  const DeviceJob& job_;
  DevicePart& part_;
  bool wants_host_memory_ = false;  // although the devices may reach each other
  std::vector<std::uint64_t> offers_;
};

Result<DeviceSetup::Found> DeviceSetup::look() {
  const auto devices = device::count();
  if (!devices.ok())
    return fail(devices.status().code(), "no device",
                fmt::format("rank {}: device {} was asked for, and there is none: {}", rank(),
                            job_.device, device::why_none()));
  if (std::min({job_.strands.wanted, job_.strands.least, job_.strands.most}) < 0)
    return fail(Errc::kInvalidArgument, "bad number of strands",
                fmt::format("rank {}: {} strands were asked for, {} at least, {} at most; expected "
                            "numbers from 0",
                            rank(), job_.strands.wanted, job_.strands.least, job_.strands.most));
  if (job_.device >= devices.value())
    return fail(Errc::kInvalidArgument, "no such device",
                fmt::format("rank {}: device {} was asked for; expected 0 to {}", rank(),
                            job_.device, devices.value() - 1));
  SLUICE_TRY_ASSIGN(wants_host_memory_, host_memory_wanted());
  part_.device_ = job_.device;
  part_.rank_ = rank();
  part_.ranks_ = size();
  const device::Using device(job_.device);
  SLUICE_TRY(device.status());
  SLUICE_TRY_ASSIGN(part_.facts_, device::facts(job_.device));
  SLUICE_TRY(load_kernels(job_.device));
  SLUICE_TRY_ASSIGN(const int blocks, blocks_of_any());
  return Found{part_.facts_.uuid, blocks, job_.strands};
}

/// How many strands each rank gets: the blocks of all ranks that share a device must be on it at
/// the same time. Half of them are left to others unless somebody asks for a number.
Result<int> DeviceSetup::strands_of(const std::vector<Found>& found) {
  constexpr int kAny = std::numeric_limits<int>::max();
  int fit = kAny, wanted = kAny, most = kAny, least = 1;
  for (const Found& each : found) {
    const auto sharing = std::count_if(found.begin(), found.end(),
                                       [&](const Found& other) { return other.uuid == each.uuid; });
    fit = std::min(fit, each.blocks / static_cast<int>(sharing));
    if (each.strands.wanted > 0) wanted = std::min(wanted, each.strands.wanted);
    if (each.strands.most > 0) most = std::min(most, each.strands.most);
    least = std::max(least, each.strands.least);
  }
  if (fit < 1)
    return fail(Errc::kInvalidUsage, "too many ranks on a device",
                fmt::format("rank {}: more ranks share a device than it holds blocks of {} threads",
                            rank(), kernels::kThreads));
  most = std::min(most, fit);
  least = std::min(least, most);
  part_.least_strands_ = static_cast<std::uint64_t>(least);
  return std::clamp(wanted < kAny ? wanted : std::min(fit / 2, kMostStrands), least, most);
}

Result<DeviceSetup::Shown> DeviceSetup::make_memory() {
  const device::Using device(job_.device);
  SLUICE_TRY(device.status());
  auto& store = device::Store::instance();
  SLUICE_TRY_ASSIGN(part_.segments_,
                    store.device_memory(part_.shape_.segments_bytes(), !one_process()));
  SLUICE_TRY_ASSIGN(part_.memory_, store.device_memory(part_.shape_.bytes(), false));
  SLUICE_TRY_ASSIGN(part_.pinned_, store.pinned_memory(sizeof(DevicePart::Pinned)));
  Shown shown{reinterpret_cast<std::uint64_t>(part_.segments_.get()), {}, job_.device, 0, 0};
  if (!one_process()) SLUICE_TRY(show(shown));
  return shown;
}

/// To other processes. By a descriptor where they can have one: whoever has opened that keeps the
/// memory when this rank has left, whose peers may still be reading what it sent.
Status DeviceSetup::show(Shown& segments) {
  std::byte* const base = part_.segments_.get();
  SLUICE_TRY_ASSIGN(const Fd descriptor, device::descriptor_of(base));
  if (!descriptor) {
    SLUICE_TRY_ASSIGN(segments.handle, device::share(base));
    return {};
  }
  SLUICE_TRY_ASSIGN(const device::Allocation whole, device::allocation_of(base));
  SLUICE_TRY_ASSIGN(segments.descriptor, job_.shm->offer(descriptor.get(), whole.bytes));
  offers_.push_back(segments.descriptor);
  segments.bytes = whole.bytes;
  return {};
}

Result<DeviceSetup::Segments> DeviceSetup::segments_of(int peer, const Shown& shown) const {
  if (!part_.reaches_peers_) return host_segments_of(peer, shown);
  if (!same_process(peer)) return opened(peer, shown);
  SLUICE_TRY_ASSIGN(const bool reached, device::reach(shown.device));
  if (!reached) return Segments();
  return shared_here(peer, shown);
}

/// Segments of a rank of another process.
Result<DeviceSetup::Segments> DeviceSetup::opened(int peer, const Shown& shown) const {
  const int own = job_.device;
  if (shown.descriptor == 0) {
    const auto base = device::open(shown.handle);
    if (!base.ok()) return Segments();
    return Segments(static_cast<std::byte*>(base.value()), [own](std::byte* mapping) {
      const device::Using device(own);
      static_cast<void>(device::close(mapping));
    });
  }
  SLUICE_TRY_ASSIGN(const auto received,
                    job_.shm->fetch(job_.processes[static_cast<std::size_t>(peer)].descriptors,
                                    shown.descriptor, job_.deadline));
  const auto base = device::open_shareable(received.fd, shown.bytes);
  if (!base.ok()) return Segments();
  return Segments(static_cast<std::byte*>(base.value()),
                  [own, bytes = shown.bytes](std::byte* mapping) {
                    const device::Using device(own);
                    static_cast<void>(device::close_shareable(mapping, bytes));
                  });
}

/// Segments of a rank of this process.
Result<DeviceSetup::Segments> DeviceSetup::shared_here(int peer, const Shown& shown) const {
  auto segments = device::Store::instance().find(reinterpret_cast<std::byte*>(shown.base));
  if (segments == nullptr)
    return fail(Errc::kRemoteError, "no segments",
                fmt::format("rank {}: the segments of rank {} are gone", rank(), peer));
  return segments;
}

Result<DeviceSetup::Wired> DeviceSetup::wire(const std::vector<Shown>& shown) {
  const device::Using device(job_.device);
  SLUICE_TRY(device.status());
  std::vector<std::byte*> segments;
  for (int r = 0; r < size(); ++r) {
    auto theirs = part_.segments_;
    if (r != rank()) {
      SLUICE_TRY_ASSIGN(theirs, segments_of(r, shown[static_cast<std::size_t>(r)]));
    }
    if (theirs == nullptr) return Wired{0};
    segments.push_back(theirs.get());
    part_.peers_segments_.push_back(std::move(theirs));
  }
  const auto image = strand_image(part_.shape_, rank(),
                                  {.memory = part_.memory_.get(),
                                   .segments = segments,
                                   .failure = &part_.pinned().failure,
                                   .host_abort_word = &part_.pinned().abort_word},
                                  static_cast<std::uint64_t>(job_.timeout.count()));
  SLUICE_TRY(device::copy(part_.memory_.get(), image.data(), image.size()));
  part_.direct_ = one_process() && part_.reaches_peers_;
  return Wired{wants_host_memory_ ? 0u : 1u};
}

Result<DeviceSetup::Wired> DeviceSetup::make_lone_strand() {
  const device::Using device(job_.device);
  SLUICE_TRY(device.status());
  auto& store = device::Store::instance();
  SLUICE_TRY_ASSIGN(part_.segments_, store.device_memory(part_.shape_.segments_bytes(), false));
  SLUICE_TRY_ASSIGN(part_.memory_, store.device_memory(part_.shape_.bytes(), false));
  SLUICE_TRY_ASSIGN(part_.pinned_, store.pinned_memory(sizeof(DevicePart::Pinned)));
  std::byte* const segments[] = {part_.segments_.get()};
  // The host's collectives keep the deadline, and answer when it has passed.
  const auto timeout = 2 * job_.timeout + std::chrono::seconds(10);
  const auto image = strand_image(part_.shape_, 0,
                                  {.memory = part_.memory_.get(),
                                   .segments = segments,
                                   .failure = &part_.pinned().failure,
                                   .host_abort_word = &part_.pinned().abort_word},
                                  static_cast<std::uint64_t>(timeout.count()));
  SLUICE_TRY(device::copy(part_.memory_.get(), image.data(), image.size()));
  return Wired{1};
}

/// Where one rank does not reach another's device: the segments of all lie in pinned memory of the
/// host, which every device reaches. A few strands fill what leads there.
Status DeviceSetup::meet_in_host_memory() {
  part_.reaches_peers_ = false;
  part_.segments_on_device_ = false;
  wants_host_memory_ = false;
  part_.peers_segments_.clear();
  const auto kept = part_.segments_;  // until all have let go of them
  part_.shape_.strands = std::min<std::uint64_t>(part_.shape_.strands, kMostStrandsByHost);
  SLUICE_TRY_ASSIGN(const auto shown, exchange(make_host_segments()));
  return exchange(wire(shown)).status();
}

Result<DeviceSetup::Shown> DeviceSetup::make_host_segments() {
  const device::Using device(job_.device);
  SLUICE_TRY(device.status());
  const std::uint64_t bytes = part_.shape_.segments_bytes();
  Shown shown{0, {}, job_.device, 0, bytes};
  if (one_process()) {
    SLUICE_TRY_ASSIGN(part_.segments_, device::Store::instance().pinned_memory(bytes));
    shown.base = reinterpret_cast<std::uint64_t>(part_.segments_.get());
    return shown;
  }
  SLUICE_TRY_ASSIGN(auto memory, SharedMemory::create(bytes, "device-segments"));
  SLUICE_TRY(memory.populate());
  SLUICE_TRY_ASSIGN(shown.descriptor, job_.shm->offer(memory.fd(), bytes));
  offers_.push_back(shown.descriptor);
  SLUICE_TRY_ASSIGN(part_.segments_, pinned_by(job_.device, std::move(memory)));
  return shown;
}

Result<DeviceSetup::Segments> DeviceSetup::host_segments_of(int peer, const Shown& shown) const {
  if (one_process()) return shared_here(peer, shown);
  SLUICE_TRY_ASSIGN(auto received,
                    job_.shm->fetch(job_.processes[static_cast<std::size_t>(peer)].descriptors,
                                    shown.descriptor, job_.deadline));
  SLUICE_TRY_ASSIGN(auto memory,
                    SharedMemory::map(std::move(received.fd), part_.shape_.segments_bytes()));
  return pinned_by(job_.device, std::move(memory));
}

Result<std::unique_ptr<DevicePart>> DevicePart::make(const DeviceJob& job) {
  std::unique_ptr<DevicePart> part(new DevicePart);
  SLUICE_TRY(DeviceSetup(job, *part).run());
  return part;
}

}  // namespace sluice
