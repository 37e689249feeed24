// Making the device parts of a communicator's ranks: what fits on each GPU, memory, and where the
// peers' is. Each step is collective, and an error of one rank in it is one of all.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <set>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "communicator/agreement.hpp"
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

/// Every kernel once, with nothing to do. A kernel is loaded when it is first launched, and may get
/// memory for its stack then; both could wait for kernels in flight, which may wait for this one.
Status load_kernels(int device) {
  static std::mutex mutex;
  static std::set<int> loaded;
  const std::lock_guard lock(mutex);
  if (loaded.contains(device)) return {};
  SLUICE_TRY_ASSIGN(const device::OwnStream stream, device::OwnStream::create());
  Strand* strands = nullptr;
  GroupArithmetic math;
  StrandCall nothing{.strands = 0};
  kernels::BlockLists lists{};
  void* arguments[] = {&strands, &math, &nothing, &lists};
  for (std::size_t line = 0; line < host_catalogue().size(); ++line)
    if (const void* kernel = kernels::schedule(line); kernel != nullptr)
      SLUICE_TRY(device::launch(kernel, 1, kernels::kThreads, arguments, stream.stream()));
  ProxyPlaces places;
  ProxiedCall no_call;
  void* asked[] = {&strands, &places, &no_call, &lists};
  SLUICE_TRY(device::launch(kernels::proxied(), 1, kernels::kThreads, asked, stream.stream()));
  ExchangeLaunch no_messages;
  void* messages[] = {&strands, &no_messages};
  SLUICE_TRY(device::launch(kernels::exchange(), 1, kernels::kThreads, messages, stream.stream()));
  std::byte* bytes = nullptr;
  std::uint64_t count = 0;
  kernels::ScaleBy by{DataType::kFloat32, 1, 1, nullptr};
  void* scaling[] = {&bytes, &bytes, &count, &by};
  SLUICE_TRY(device::launch(kernels::scale(), 1, kernels::kThreads, scaling, stream.stream()));
  SLUICE_TRY(stream.wait());
  loaded.insert(device);
  return {};
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

/// Blocks of any of the kernels that the current device holds at once.
Result<int> blocks_of_any() {
  SLUICE_TRY_ASSIGN(int least, device::blocks_at_once(kernels::exchange(), kernels::kThreads));
  for (std::size_t line = 0; line < host_catalogue().size(); ++line) {
    const void* kernel = kernels::schedule(line);
    if (kernel == nullptr) continue;
    SLUICE_TRY_ASSIGN(const int blocks, device::blocks_at_once(kernel, kernels::kThreads));
    least = std::min(least, blocks);
  }
  return least;
}

}  // namespace

class DeviceSetup {
 public:
  DeviceSetup(const DeviceJob& job, DevicePart& part) : job_(job), part_(part) {}

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
    log::info("rank {} of {}: device {} ({}), {} strands, {:.0f} MiB of segments, {}", rank(),
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
    log::info("rank {} of {}: device {} ({}), through the host", rank(), size(), part_.device_,
              part_.facts_.name);
    return {};
  }

 private:
  /// What a rank finds on its machine.
  struct Found {
    std::array<std::uint8_t, 16> uuid;
    std::int32_t blocks;   // that the device holds at once
    std::int32_t strands;  // asked for
  };
  /// Where its segments are.
  struct Shown {
    std::uint64_t base;
    device::Handle handle;
    std::int32_t device;
    std::uint64_t descriptor;  // in memory of the host: where its owner serves them
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
  Result<int> strands_of(const std::vector<Found>& found) const;
  Result<Shown> make_memory();
  Result<Wired> wire(const std::vector<Shown>& shown);
  /// null: kernels here do not reach them.
  Result<Segments> segments_of(int peer, const Shown& shown) const;
  Result<Segments> shared_here(int peer, const Shown& shown) const;

  Result<Wired> make_lone_strand();

  Status meet_in_host_memory();
  Result<Shown> make_host_segments();
  Result<Segments> host_segments_of(int peer, const Shown& shown) const;

  const DeviceJob& job_;
  DevicePart& part_;
  bool wants_host_memory_ = false;  // although the devices may reach each other
};

Result<DeviceSetup::Found> DeviceSetup::look() {
  const auto devices = device::count();
  if (!devices.ok())
    return fail(devices.status().code(), "no device",
                fmt::format("rank {}: device {} was asked for, and there is none: {}", rank(),
                            job_.device, device::why_none()));
  if (job_.strands < 0)
    return fail(Errc::kInvalidArgument, "bad number of strands",
                fmt::format("rank {}: {} strands were asked for; expected at least 0", rank(),
                            job_.strands));
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
Result<int> DeviceSetup::strands_of(const std::vector<Found>& found) const {
  int fit = std::numeric_limits<int>::max(), wanted = 0;
  for (const Found& each : found) {
    const auto sharing = std::count_if(found.begin(), found.end(),
                                       [&](const Found& other) { return other.uuid == each.uuid; });
    fit = std::min(fit, each.blocks / static_cast<int>(sharing));
    if (each.strands > 0) wanted = wanted == 0 ? each.strands : std::min(wanted, each.strands);
  }
  if (fit < 1)
    return fail(Errc::kInvalidUsage, "too many ranks on a device",
                fmt::format("rank {}: more ranks share a device than it holds blocks of {} threads",
                            rank(), kernels::kThreads));
  return wanted > 0 ? std::min(wanted, fit) : std::clamp(fit / 2, 1, kMostStrands);
}

Result<DeviceSetup::Shown> DeviceSetup::make_memory() {
  const device::Using device(job_.device);
  SLUICE_TRY(device.status());
  auto& store = device::Store::instance();
  SLUICE_TRY_ASSIGN(part_.segments_,
                    store.device_memory(part_.shape_.segments_bytes(), !one_process()));
  SLUICE_TRY_ASSIGN(part_.memory_, store.device_memory(part_.shape_.bytes(), false));
  SLUICE_TRY_ASSIGN(part_.pinned_, store.pinned_memory(sizeof(DevicePart::Pinned)));
  Shown shown{reinterpret_cast<std::uint64_t>(part_.segments_.get()), {}, job_.device, 0};
  if (!one_process()) {
    SLUICE_TRY_ASSIGN(shown.handle, device::share(part_.segments_.get()));
  }
  return shown;
}

Result<DeviceSetup::Segments> DeviceSetup::segments_of(int peer, const Shown& shown) const {
  if (!part_.reaches_peers_) return host_segments_of(peer, shown);
  if (!same_process(peer)) {
    const auto opened = device::open(shown.handle);
    if (!opened.ok()) return Segments();
    return Segments(static_cast<std::byte*>(opened.value()),
                    [own = job_.device](std::byte* mapping) {
                      const device::Using device(own);
                      static_cast<void>(device::close(mapping));
                    });
  }
  SLUICE_TRY_ASSIGN(const bool reached, device::reach(shown.device));
  if (!reached) return Segments();
  return shared_here(peer, shown);
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
  wants_host_memory_ = false;
  part_.peers_segments_.clear();
  const auto kept = part_.segments_;  // until all have let go of them
  part_.shape_.strands = std::min<std::uint64_t>(part_.shape_.strands, kMostStrandsByHost);
  const auto mine = make_host_segments();
  const auto shown = exchange(mine);
  const auto wired = shown.ok() ? exchange(wire(shown.value())) : shown.status();
  if (mine.ok() && mine.value().descriptor != 0) job_.shm->withdraw(mine.value().descriptor);
  return wired.status();
}

Result<DeviceSetup::Shown> DeviceSetup::make_host_segments() {
  const device::Using device(job_.device);
  SLUICE_TRY(device.status());
  const std::uint64_t bytes = part_.shape_.segments_bytes();
  Shown shown{0, {}, job_.device, 0};
  if (one_process()) {
    SLUICE_TRY_ASSIGN(part_.segments_, device::Store::instance().pinned_memory(bytes));
    shown.base = reinterpret_cast<std::uint64_t>(part_.segments_.get());
    return shown;
  }
  SLUICE_TRY_ASSIGN(auto memory, SharedMemory::create(bytes, "device-segments"));
  SLUICE_TRY(memory.populate());
  SLUICE_TRY_ASSIGN(shown.descriptor, job_.shm->offer(memory.fd(), bytes));
  auto pinned = pinned_by(job_.device, std::move(memory));
  if (!pinned.ok()) {
    job_.shm->withdraw(shown.descriptor);
    return pinned.status();
  }
  part_.segments_ = std::move(pinned).value();
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
