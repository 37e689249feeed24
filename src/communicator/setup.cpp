#include "communicator/setup.hpp"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "bootstrap/unique_id_format.hpp"
#include "communicator/device_part.hpp"
#include "communicator/setup_blobs.hpp"
#include "memory/registry.hpp"

namespace sluice {
namespace {

std::uint64_t hash_of(const std::string& text) {
  std::uint64_t hash = 0;
  crypto_generichash(reinterpret_cast<unsigned char*>(&hash), sizeof hash,
                     reinterpret_cast<const unsigned char*>(text.data()), text.size(), nullptr, 0);
  return hash;
}

std::string device_text(int device) {
  return device < 0 ? "no device" : fmt::format("device {}", device);
}

}  // namespace

Status Setup::run() {
  SLUICE_TRY(meet());
  SLUICE_TRY(make_segment());
  SLUICE_TRY(open_segments());
  SLUICE_TRY(open_segments_within());
  SLUICE_TRY(open_remote_segments());
  wire_fabric();
  SLUICE_TRY(find_reach());
  SLUICE_TRY(plan());
  SLUICE_TRY(make_device_part());
  announce_frees();
  impl_.bootstrap_->watch(
      [impl = &impl_](const Bootstrap::Event& event) { impl->on_event(event); });
  // Nobody returns before everybody has opened everything.
  return impl_.bootstrap_->all_gather({}, deadline_).status();
}

Result<Setup::WantedTransport> Setup::wanted_transport(const std::string& name) {
  if (name == "auto") return kAuto;
  if (name == "shm") return kShm;
  if (name == "loopback") return kLoopback;
  if (name == "tcp") return kTcp;
  return fail(Errc::kInvalidArgument, "unknown transport",
              fmt::format("no transport \"{}\"; there are auto, shm, loopback and tcp", name));
}

std::string Setup::host_identity(WantedTransport wanted) const {
  if (wanted == kTcp) return fmt::format("rank {}", rank());
  const std::string& said = impl_.options_.host;
  return said.empty() ? topology::host_identity() : said;
}

Status Setup::meet() {
  SLUICE_TRY_ASSIGN(const WantedTransport wanted, wanted_transport(impl_.options_.transport));
  std::uint64_t communicator = 0;
  randombytes_buf(&communicator, sizeof communicator);
  Hello mine{.process = topology::process_identity(),
             .communicator = communicator,
             .pid = getpid(),
             .transport = wanted,
             .algorithm_hash = hash_of(impl_.options_.algorithm),
             .machine_hash = hash_of(topology::machine_identity()),
             .cores = topology::allowed_cores(),
             .cache_bytes = topology::last_level_cache_bytes(),
             .device = impl_.options_.device,
             .selected = 0,
             .places_listed = 0,
             .places = {}};
  list_places(mine);
  SLUICE_TRY_ASSIGN(const auto blobs,
                    impl_.bootstrap_->all_gather(blob_of(mine, host_identity(wanted)), deadline_));
  std::vector<std::string> identities;
  for (int r = 0; r < size(); ++r) {
    const auto& blob = blobs[static_cast<std::size_t>(r)];
    SLUICE_TRY_ASSIGN(const Hello theirs, fields_of<Hello>(blob, r));
    identities.emplace_back(reinterpret_cast<const char*>(blob.data()) + sizeof(Hello),
                            blob.size() - sizeof(Hello));
    if (theirs.transport != wanted || theirs.algorithm_hash != mine.algorithm_hash)
      return fail(
          Errc::kInvalidUsage, "options differ",
          fmt::format("rank {} asks for transport \"{}\" and algorithm \"{}\", rank {} for others",
                      rank(), impl_.options_.transport, impl_.options_.algorithm, r));
    if ((theirs.device < 0) != (mine.device < 0) && impl_.options_.device_required)
      return fail(Errc::kInvalidUsage, "options differ",
                  fmt::format("rank {} asks for {}, rank {} for {}", rank(),
                              device_text(mine.device), r, device_text(theirs.device)));
    hellos_.push_back(theirs);
    rails_ = std::max(rails_, theirs.rails());
  }
  impl_.hosts_ = topology::HostMap(identities);
  impl_.peers_.resize(static_cast<std::size_t>(size()));
  for (int r = 0; r < size(); ++r)
    impl_.peers_[static_cast<std::size_t>(r)].across = !impl_.hosts_.together(rank(), r);
  return choose_transport(wanted);
}

Status Setup::choose_transport(WantedTransport wanted) {
  const bool own_process = std::all_of(neighbours().begin(), neighbours().end(), [&](int r) {
    return hello(r).process == hello(rank()).process;
  });
  impl_.one_process_ = own_process && !spread();
  if (spread() && (wanted == kShm || wanted == kLoopback))
    return fail(Errc::kInvalidUsage, "ranks on several hosts",
                fmt::format("rank {}: the {} ranks are on {} hosts, which transport {} does not "
                            "join; expected auto or tcp",
                            rank(), size(), impl_.hosts_.hosts(), impl_.options_.transport));
  if (wanted == kLoopback && !own_process)
    return fail(Errc::kInvalidUsage, "loopback across processes",
                fmt::format("rank {}: transport loopback needs all ranks in one process", rank()));
  use_loopback_ = own_process && wanted != kShm;
  return {};
}

Status Setup::make_segment() {
  if (use_loopback_) {
    impl_.transport_.emplace<transport::Loopback>();
  } else {
    SLUICE_TRY_ASSIGN(
        auto shm,
        transport::Shm::start(impl_.bootstrap_->derive_key("sluice descriptors"),
                              [](std::uint64_t id) { return Registry::instance().duplicate(id); }));
    impl_.transport_.emplace<transport::Shm>(std::move(shm));
  }
  SLUICE_TRY_ASSIGN(const Window window, impl_.allocate(layout().bytes(), kSegmentLabel));
  auto& header = *reinterpret_cast<SegmentHeader*>(window.base);
  header.ranks = layout().ranks;
  header.rank = static_cast<std::uint64_t>(rank());
  randombytes_buf(&header.probe, sizeof header.probe);
  header.communicator = hello(0).communicator;
  header.pid = static_cast<std::uint64_t>(getpid());
  // Pairs with read_flight(): whoever finds the number finds the rest.
  port::store_release(&header.magic, kSegmentMagic);
  segment_ = window;
  return {};
}

Status Setup::open_segments() {
  SLUICE_TRY_ASSIGN(const auto windows, impl_.share(segment_, "segment"));
  for (const int r : neighbours()) {
    const Window& window = windows[static_cast<std::size_t>(r)];
    const auto& header = *reinterpret_cast<const SegmentHeader*>(window.base);
    if (window.bytes < layout().bytes() || header.magic != kSegmentMagic ||
        header.ranks != layout().ranks || header.rank != static_cast<std::uint64_t>(r))
      return fail(Errc::kInvalidUsage, "bad segment",
                  fmt::format("the segment of rank {} has {} bytes, magic {:#x}, rank {} of {}; "
                              "expected {} bytes, {:#x}, "
                              "rank {} of {}",
                              r, window.bytes, header.magic, header.rank, header.ranks,
                              layout().bytes(), kSegmentMagic, r, size()));
    impl_.peers_[static_cast<std::size_t>(r)].segment = window.base;
  }
  return {};
}

Status Setup::open_segments_within() {
  if (!spread()) return {};
  const SegmentLayout layout{neighbours().size()};
  SLUICE_TRY_ASSIGN(const Window own, impl_.allocate(layout.bytes(), "host-segment"));
  SLUICE_TRY_ASSIGN(const auto windows, impl_.share(own, "segment within the host"));
  for (const int r : neighbours()) {
    const Window& window = windows[static_cast<std::size_t>(r)];
    if (window.bytes < layout.bytes())
      return fail(Errc::kInvalidUsage, "bad segment",
                  fmt::format("the segment of rank {} within the host has {} bytes, expected {}", r,
                              window.bytes, layout.bytes()));
    FabricPeer& neighbour = impl_.neighbours_.emplace_back();
    neighbour.segment = window.base;
    neighbour.doorbell = &impl_.header(r).doorbell;
  }
  return {};
}

SegmentLayout Setup::layout() const {
  const auto ranks = static_cast<std::uint64_t>(size());
  return {ranks, spread() ? links_across_hosts(ranks) : kHostLinks};
}

double Setup::ranks_per_core(int r) const {
  double ranks = 0;
  topology::CoreSet cores;
  for (const Hello& each : hellos_) {
    if (each.machine_hash != hello(r).machine_hash) continue;
    ++ranks;
    cores |= each.cores;
  }
  return ranks / static_cast<double>(cores.count());
}

void Setup::wire_fabric() {
  const auto ranks = static_cast<std::size_t>(size());

  WaitState& waits = *impl_.waits_;
  waits.timeout_ns = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(impl_.options_.timeout).count());
  // With a core for each rank a spin of some ten microseconds is the quickest wait; without,
  // every spin keeps the peer that is waited for from running.
  waits.spins = ranks_per_core(rank()) <= 1 ? 4000 : 32;
  waits.contradicts = &Communicator::Impl::contradicts;
  waits.note = &Communicator::Impl::note_wait;
  waits.context = &impl_;
  waits.doorbell = &impl_own_header().doorbell;
  waits.sleepers = &impl_.header(neighbours().front()).sleepers;
  if (spread()) waits.take_in = &Communicator::Impl::take_in;
  for (const int r : neighbours())
    impl_.peers_[static_cast<std::size_t>(r)].doorbell = &impl_.header(r).doorbell;
  list_hosts();

  // Not touched before it is needed: most schedules need none.
  impl_.piece_scratch_ =
      std::make_unique_for_overwrite<std::byte[]>(Links::scratch_bytes(layout().links));
  impl_.sources_.resize(ranks);
  impl_.destinations_.resize(ranks + 1);
  for (int r = 0; r < size(); ++r)
    impl_.processes_.push_back(
        {.same_process = hello(r).process == hello(rank()).process && !impl_.is_across(r),
         .pid = hello(r).pid,
         .descriptors = {}});
}

void Setup::list_hosts() {
  const topology::HostMap& hosts = impl_.hosts_;
  for (int r = 0; r < size(); ++r) impl_.host_of_.push_back(hosts.host_of(r));
  for (int h = 0; h < hosts.hosts(); ++h) {
    impl_.first_of_host_.push_back(static_cast<std::int32_t>(impl_.ranks_by_host_.size()));
    const auto& ranks = hosts.ranks_on(h);
    impl_.ranks_by_host_.insert(impl_.ranks_by_host_.end(), ranks.begin(), ranks.end());
  }
  impl_.first_of_host_.push_back(size());
  impl_.team_.resize(static_cast<std::size_t>(hosts.hosts()));
}

HostsView Setup::hosts_view() {
  return {.hosts = impl_.hosts_.hosts(),
          .host = impl_.hosts_.host_of(rank()),
          .places = impl_.hosts_.fewest(),
          .host_of = impl_.host_of_.data(),
          .ranks = impl_.ranks_by_host_.data(),
          .first_of = impl_.first_of_host_.data(),
          .team = impl_.team_.data(),
          .within = &impl_.within_};
}

SegmentHeader& Setup::impl_own_header() {
  return *reinterpret_cast<SegmentHeader*>(impl_.peers_[static_cast<std::size_t>(rank())].segment);
}

Status Setup::find_reach() {
  struct Place {
    std::uint64_t probe_address;
    std::uint64_t probe;
  };
  auto* shm = std::get_if<transport::Shm>(&impl_.transport_);
  const Place mine{reinterpret_cast<std::uint64_t>(&impl_own_header().probe),
                   impl_own_header().probe};
  SLUICE_TRY_ASSIGN(
      const auto places,
      impl_.bootstrap_->all_gather(blob_of(mine, shm ? shm->address().name : ""), deadline_));
  for (int r = 0; r < size(); ++r) {
    const auto& blob = places[static_cast<std::size_t>(r)];
    PeerProcess& process = impl_.processes_[static_cast<std::size_t>(r)];
    process.descriptors.pid = process.pid;
    if (blob.size() >= sizeof(Place))
      process.descriptors.name.assign(reinterpret_cast<const char*>(blob.data()) + sizeof(Place),
                                      blob.size() - sizeof(Place));
  }
  impl_.peer_memory_ = std::make_unique<PeerMemory>(shm, impl_.processes_);
  bool all = environment::number("SLUICE_ATTACH").value_or(1) != 0;
  for (const int r : neighbours()) {
    SLUICE_TRY_ASSIGN(const Place place, fields_of<Place>(places[static_cast<std::size_t>(r)], r));
    FabricPeer& peer = impl_.peers_[static_cast<std::size_t>(r)];
    if (impl_.processes_[static_cast<std::size_t>(r)].same_process)
      peer.reach = Reach::kSame;
    else if (all &&
             impl_.peer_memory_->try_attach(
                 r, reinterpret_cast<const std::uint64_t*>(place.probe_address), place.probe))
      peer.reach = Reach::kAttach;
    all &= peer.reach != Reach::kNone;
  }
  // Both ends of a message must agree on how it travels, so attach is used only where everybody
  // on the host can.
  const std::byte can{all};
  SLUICE_TRY_ASSIGN(const auto answers, impl_.bootstrap_->all_gather({&can, 1}, deadline_));
  impl_.attach_everywhere_ = std::all_of(neighbours().begin(), neighbours().end(), [&](int r) {
    const auto& answer = answers[static_cast<std::size_t>(r)];
    return answer.size() == 1 && answer[0] != std::byte{0};
  });
  if (!impl_.attach_everywhere_)
    for (FabricPeer& peer : impl_.peers_)
      if (peer.reach == Reach::kAttach) peer.reach = Reach::kNone;
  return {};
}

Status Setup::make_device_part() {
  if (impl_.options_.device < 0) return {};
  const Status made = try_device_part();
  if (made.ok() || impl_.options_.device_required) return made;
  // The same on every rank: each step of it is collective, and so is its failure.
  impl_.why_no_device_ = last_error();
  log::info(log::Topic::kInit, "rank {} of {}: no collectives on devices: {}", rank(), size(),
            impl_.why_no_device_);
  return {};
}

Status Setup::try_device_part() {
  for (int r = 0; r < size(); ++r)
    if (hello(r).device < 0)
      return fail(Errc::kInvalidUsage, "no device",
                  fmt::format("rank {}: rank {} has no device", rank(), r));
  DeviceJob job{.bootstrap = *impl_.bootstrap_,
                .deadline = deadline_,
                .device = impl_.options_.device,
                .strands = {.wanted = impl_.options_.strands,
                            .least = impl_.options_.least_strands,
                            .most = impl_.options_.most_strands},
                .timeout = impl_.options_.timeout,
                .algorithm = impl_.options_.algorithm,
                .processes = impl_.processes_,
                .shm = std::get_if<transport::Shm>(&impl_.transport_),
                .make_proxy = {}};
  if (spread()) job.make_proxy = [this] { return make_device_proxy(); };
  SLUICE_TRY_ASSIGN(impl_.device_, DevicePart::make(job));
  return {};
}

/// With a communicator of its own: the calls on host memory are an order of their own beside the
/// one of streams.
Result<std::unique_ptr<DeviceProxy>> Setup::make_device_proxy() {
  UniqueId id{};
  if (rank() == 0) {
    SLUICE_TRY_ASSIGN(id, bootstrap::create_unique_id_at(impl_.bootstrap_->reachable_address()));
  }
  SLUICE_TRY_ASSIGN(const auto ids,
                    impl_.bootstrap_->all_gather(rank() == 0 ? std::span<const std::byte>(id.bytes)
                                                             : std::span<const std::byte>(),
                                                 deadline_));
  if (ids[0].size() != id.bytes.size())
    return fail(Errc::kRemoteError, "no ticket",
                fmt::format("rank {}: rank 0 sent no ticket for the calls on streams", rank()));
  std::copy(ids[0].begin(), ids[0].end(), id.bytes.begin());
  Options options = impl_.options_;
  options.device = -1;
  SLUICE_TRY_ASSIGN(auto on_host, Communicator::Impl::create(id, rank(), size(), options));
  return DeviceProxy::start(
      Communicator(std::move(on_host)),
      [impl = &impl_](const Status& status, const std::string& text) {
        static_cast<void>(impl->end(status.code(), "a collective between hosts failed", text));
      });
}

void Setup::announce_frees() {
  if (std::holds_alternative<transport::Shm>(impl_.transport_))
    impl_.registry_ticket_ =
        Registry::instance().subscribe([impl = &impl_](std::uint64_t id) { impl->withdraw(id); });
}

}  // namespace sluice
