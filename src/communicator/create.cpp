// Setting a communicator up: who is where, segments shown to one another, what memory can be
// reached, the plan.
#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "communicator/calibrate.hpp"
#include "communicator/calibrate_network.hpp"
#include "communicator/impl.hpp"
#include "memory/registry.hpp"
#include "topology/host.hpp"

namespace sluice {
namespace {

/// What a rank says of itself first: these fields, then the identity of its host.
struct Hello {
  std::uint64_t process;
  std::int32_t pid;
  std::uint32_t transport;  // a WantedTransport
  std::uint64_t algorithm_hash;
  topology::CoreSet cores;
  std::uint64_t cache_bytes;
};

enum WantedTransport : std::uint32_t { kAuto, kShm, kLoopback, kTcp };

std::uint64_t hash_of(const std::string& text) {
  std::uint64_t hash = 0;
  crypto_generichash(reinterpret_cast<unsigned char*>(&hash), sizeof hash,
                     reinterpret_cast<const unsigned char*>(text.data()), text.size(), nullptr, 0);
  return hash;
}

template <class Fields>
Bootstrap::Blob blob_of(const Fields& fields, const std::string& tail = {}) {
  Bootstrap::Blob blob(sizeof fields + tail.size());
  std::memcpy(blob.data(), &fields, sizeof fields);
  std::memcpy(blob.data() + sizeof fields, tail.data(), tail.size());
  return blob;
}

template <class Fields>
Result<Fields> fields_of(const Bootstrap::Blob& blob, int rank) {
  Fields fields{};
  if (blob.size() < sizeof fields)
    return fail(Errc::kInvalidUsage, "bad set-up message",
                fmt::format("rank {} sent {} bytes where {} belong: another version?", rank,
                            blob.size(), sizeof fields));
  std::memcpy(&fields, blob.data(), sizeof fields);
  return fields;
}

}  // namespace

/// Builds an Impl step by step; each step is collective.
class Setup {
 public:
  explicit Setup(Communicator::Impl& impl) : impl_(impl), deadline_(impl.deadline()) {}

  Status run() {
    SLUICE_TRY(meet());
    SLUICE_TRY(make_segment());
    SLUICE_TRY(open_segments());
    SLUICE_TRY(open_remote_segments());
    wire_fabric();
    SLUICE_TRY(find_reach());
    SLUICE_TRY(plan());
    announce_frees();
    impl_.bootstrap_->watch(
        [impl = &impl_](const Bootstrap::Event& event) { impl->on_event(event); });
    // Nobody returns before everybody has opened everything.
    return impl_.bootstrap_->all_gather({}, deadline_).status();
  }

 private:
  int rank() const { return impl_.bootstrap_->rank(); }
  int size() const { return impl_.bootstrap_->size(); }
  /// Whether there are ranks on other hosts.
  bool spread() const { return impl_.hosts_.hosts() > 1; }
  /// The ranks of this host, this one among them.
  const std::vector<int>& neighbours() const {
    return impl_.hosts_.ranks_on(impl_.hosts_.host_of(rank()));
  }
  SegmentLayout layout() const { return {static_cast<std::uint64_t>(size())}; }
  const Hello& hello(int r) const { return hellos_[static_cast<std::size_t>(r)]; }

  static Result<WantedTransport> wanted_transport(const std::string& name) {
    if (name == "auto") return kAuto;
    if (name == "shm") return kShm;
    if (name == "loopback") return kLoopback;
    if (name == "tcp") return kTcp;
    return fail(Errc::kInvalidArgument, "unknown transport",
                fmt::format("no transport \"{}\"; there are auto, shm, loopback and tcp", name));
  }

  /// Ranks that say the same share memory.
  std::string host_identity(WantedTransport wanted) const {
    if (wanted == kTcp) return fmt::format("rank {}", rank());
    const std::string& said = impl_.options_.host;
    return said.empty() ? topology::host_identity() : said;
  }

  /// Who is where.
  Status meet() {
    SLUICE_TRY_ASSIGN(const WantedTransport wanted, wanted_transport(impl_.options_.transport));
    const Hello mine{topology::process_identity(),
                     getpid(),
                     wanted,
                     hash_of(impl_.options_.algorithm),
                     topology::allowed_cores(),
                     topology::last_level_cache_bytes()};
    SLUICE_TRY_ASSIGN(const auto blobs, impl_.bootstrap_->all_gather(
                                            blob_of(mine, host_identity(wanted)), deadline_));
    std::vector<std::string> identities;
    for (int r = 0; r < size(); ++r) {
      const auto& blob = blobs[static_cast<std::size_t>(r)];
      SLUICE_TRY_ASSIGN(const Hello theirs, fields_of<Hello>(blob, r));
      identities.emplace_back(reinterpret_cast<const char*>(blob.data()) + sizeof(Hello),
                              blob.size() - sizeof(Hello));
      if (theirs.transport != wanted || theirs.algorithm_hash != mine.algorithm_hash)
        return fail(
            Errc::kInvalidUsage, "options differ",
            fmt::format(
                "rank {} asks for transport \"{}\" and algorithm \"{}\", rank {} for others",
                rank(), impl_.options_.transport, impl_.options_.algorithm, r));
      hellos_.push_back(theirs);
    }
    impl_.hosts_ = topology::HostMap(identities);
    impl_.peers_.resize(static_cast<std::size_t>(size()));
    for (int r = 0; r < size(); ++r)
      impl_.peers_[static_cast<std::size_t>(r)].across = !impl_.hosts_.together(rank(), r);
    return choose_transport(wanted);
  }

  /// How this rank reaches those on its host; those on others it reaches over TCP.
  Status choose_transport(WantedTransport wanted) {
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
      return fail(
          Errc::kInvalidUsage, "loopback across processes",
          fmt::format("rank {}: transport loopback needs all ranks in one process", rank()));
    use_loopback_ = own_process && wanted != kShm;
    return {};
  }

  /// This rank's segment, in memory of the transport.
  Status make_segment() {
    if (use_loopback_) {
      impl_.transport_.emplace<transport::Loopback>();
    } else {
      SLUICE_TRY_ASSIGN(auto shm,
                        transport::Shm::start(
                            impl_.bootstrap_->derive_key("sluice descriptors"),
                            [](std::uint64_t id) { return Registry::instance().duplicate(id); }));
      impl_.transport_.emplace<transport::Shm>(std::move(shm));
    }
    SLUICE_TRY_ASSIGN(const Window window, impl_.allocate(layout().bytes()));
    auto& header = *reinterpret_cast<SegmentHeader*>(window.base);
    header.magic = kSegmentMagic;
    header.ranks = layout().ranks;
    header.rank = static_cast<std::uint64_t>(rank());
    randombytes_buf(&header.probe, sizeof header.probe);
    segment_ = window;
    return {};
  }

  /// Everybody's segment.
  Status open_segments() {
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

  /// Those of the ranks on other hosts, which are written to over TCP.
  Status open_remote_segments() {
    if (!spread()) return {};
    SLUICE_TRY_ASSIGN(
        impl_.remote_peers_,
        RemotePeers::start(impl_.bootstrap_->derive_key("sluice tcp"),
                           {impl_.bootstrap_->reachable_address()}, impl_.options_.timeout));
    SLUICE_TRY_ASSIGN(const auto blob, impl_.remote_peers_->publish(segment_));
    SLUICE_TRY_ASSIGN(const auto blobs, impl_.bootstrap_->all_gather(blob, deadline_));
    for (int r = 0; r < size(); ++r) {
      FabricPeer& peer = impl_.peers_[static_cast<std::size_t>(r)];
      if (!peer.across) continue;
      SLUICE_TRY(impl_.remote_peers_->open(r, blobs[static_cast<std::size_t>(r)], layout().bytes(),
                                           deadline_));
      peer.segment = impl_.remote_peers_->header(r);
    }
    return {};
  }

  /// Ranks of this host for each of their cores.
  double ranks_per_core() const {
    topology::CoreSet cores;
    for (const int r : neighbours()) cores |= hello(r).cores;
    return static_cast<double>(neighbours().size()) / static_cast<double>(cores.count());
  }

  void wire_fabric() {
    const auto ranks = static_cast<std::size_t>(size());
    ranks_per_core_ = ranks_per_core();

    WaitState& waits = *impl_.waits_;
    waits.timeout_ns = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(impl_.options_.timeout).count());
    // With a core for each rank a spin of some ten microseconds is the quickest wait; without,
    // every spin keeps the peer that is waited for from running.
    waits.spins = ranks_per_core_ <= 1 ? 4000 : 32;
    waits.contradicts = &Communicator::Impl::contradicts;
    waits.context = &impl_;
    waits.doorbell = &impl_own_header().doorbell;
    waits.sleepers = &impl_.header(neighbours().front()).sleepers;
    if (spread()) waits.take_in = &Communicator::Impl::take_in;
    prepare_doorbells();

    impl_.scratch_.resize(ranks * kPacketBytes);
    impl_.piece_scratch_.resize(LinkSlot::kDataBytes);
    impl_.sources_.resize(ranks);
    impl_.destinations_.resize(ranks + 1);
    for (int r = 0; r < size(); ++r)
      impl_.processes_.push_back(
          {.same_process = hello(r).process == hello(rank()).process && !impl_.is_across(r),
           .pid = hello(r).pid,
           .descriptors = {}});
  }

  SegmentHeader& impl_own_header() {
    return *reinterpret_cast<SegmentHeader*>(
        impl_.peers_[static_cast<std::size_t>(rank())].segment);
  }

  /// Which ranks' private memory this rank gets at, and whether all get at all.
  Status find_reach() {
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
      SLUICE_TRY_ASSIGN(const Place place,
                        fields_of<Place>(places[static_cast<std::size_t>(r)], r));
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

  /// From now on peers are told of buffers that are freed. Any thread may free one, so the Impl
  /// must be complete.
  void announce_frees() {
    if (std::holds_alternative<transport::Shm>(impl_.transport_))
      impl_.registry_ticket_ =
          Registry::instance().subscribe([impl = &impl_](std::uint64_t id) { impl->withdraw(id); });
  }

  struct Figures {
    LinkFigures links;
    NetworkFigures network;
  };

  /// What the links among the ranks cost: two ranks of a host measure, and two on different hosts;
  /// everybody plans with their figures.
  Status measure(CostModel& model) {
    if (size() == 1) return {};
    const auto [one, other] = pair_of_a_host();
    Figures mine;
    if (rank() == one || rank() == other) mine.links = measure_with(one, other);
    if (spread()) mine.network = measure_network_between(0, first_rank_elsewhere());
    if (impl_.waits_->failed != 0)
      return fail(Errc::kTimeout, "measuring the links failed",
                  fmt::format("rank {}: rank {} did not take part in measuring the links", rank(),
                              impl_.waits_->failure.peer));
    SLUICE_TRY_ASSIGN(const auto blobs, impl_.bootstrap_->all_gather(blob_of(mine), deadline_));
    SLUICE_TRY_ASSIGN(const auto first, fields_of<Figures>(blobs[0], 0));
    model.network_alpha = first.network.alpha;
    model.network_byte = first.network.byte;
    if (one == other) return {};
    SLUICE_TRY_ASSIGN(const auto writer,
                      fields_of<Figures>(blobs[static_cast<std::size_t>(one)], one));
    SLUICE_TRY_ASSIGN(const auto reader,
                      fields_of<Figures>(blobs[static_cast<std::size_t>(other)], other));
    apply(writer.links, reader.links, model);
    return {};
  }

  /// The first two ranks of the first host that has two; twice rank -1 where none has.
  std::pair<int, int> pair_of_a_host() const {
    for (int host = 0; host < impl_.hosts_.hosts(); ++host)
      if (const auto& ranks = impl_.hosts_.ranks_on(host); ranks.size() > 1)
        return {ranks[0], ranks[1]};
    return {-1, -1};
  }
  int first_rank_elsewhere() const { return impl_.hosts_.ranks_on(1).front(); }

  LinkFigures measure_with(int one, int other) {
    const int side = rank() == one ? 0 : 1, peer = side == 0 ? other : one;
    const auto segment = [&](int r) {
      return Window{impl_.peers_[static_cast<std::size_t>(r)].segment, 0};
    };
    const bool attaches = impl_.peers_[static_cast<std::size_t>(peer)].reach == Reach::kAttach;
    return measure_links(side, {{one, other}, {segment(one), segment(other)}}, layout(),
                         *impl_.waits_,
                         attaches ? impl_.peer_memory_->access(*impl_.waits_) : PrivateMemory{});
  }

  NetworkFigures measure_network_between(int one, int other) {
    if (rank() != one && rank() != other) return {};
    return measure_network(rank() == one, rank() == one ? other : one, segment_, layout(),
                           *impl_.waits_, impl_.remote_peers_->segments(*impl_.waits_));
  }

  Status plan() {
    CostModel model;
    SLUICE_TRY(measure(model));
    model.ranks_per_core = std::max(1.0, ranks_per_core_);
    std::uint64_t cache = ~0ull;
    for (const Hello& hello : hellos_) cache = std::min(cache, hello.cache_bytes);
    model.cache_bytes = static_cast<double>(cache) / size();
    SLUICE_TRY_ASSIGN(impl_.selection_,
                      Selection::make(model, size(), !spread(), impl_.options_.algorithm));
    for (int type = 0; type < kDataTypeCount; ++type)
      for (int op = 0; op < kReduceOpCount; ++op)
        impl_.functions_[type][op] =
            compute::reduce_function(static_cast<DataType>(type), static_cast<ReduceOp>(op));
    impl_.fabric_ =
        Fabric({.rank = rank(),
                .ranks = size(),
                .peers = impl_.peers_.data(),
                .waits = impl_.waits_.get(),
                .scratch = impl_.scratch_.data(),
                .piece_scratch = impl_.piece_scratch_.data(),
                .sources = impl_.sources_.data(),
                .destinations = impl_.destinations_.data(),
                .private_memory = impl_.peer_memory_->access(*impl_.waits_),
                .remote_segments =
                    spread() ? impl_.remote_peers_->segments(*impl_.waits_) : RemoteSegments{},
                .stage_streaming = model.stage_streaming,
                .streaming_bytes = streaming_bytes(model)});
    log::info(
        "rank {} of {}: {} transport, {:.2g} ranks a core, flag {:.0f} ns, stage {} {:.1f} + "
        "{:.1f} GB/s, attach {}",
        rank(), size(),
        impl_.hosts_.hosts() > 1 ? "tcp"
        : use_loopback_          ? "loopback"
                                 : "shm",
        ranks_per_core_, model.alpha, model.stage_streaming ? "streamed" : "cached",
        1 / model.stage_write, 1 / model.stage_read,
        impl_.one_process_ ? "not needed"
        : impl_.attach_everywhere_
            ? fmt::format("{:.0f} ns + {:.1f} GB/s", model.attach_alpha, 1 / model.attach_byte)
            : "off");
    return {};
  }

  /// Outputs from this size on go past the caches: when all ranks' inputs and outputs together
  /// outgrow the last-level cache, or as soon as they leave a core's own where that is quicker.
  std::uint64_t streaming_bytes(const CostModel& model) const {
    constexpr std::uint64_t kBeyondOwnCache = 1 << 20;
    const auto share = static_cast<std::uint64_t>(model.cache_bytes / 2);  // input and output
    return model.streaming_pays_early ? std::min(share, kBeyondOwnCache)
                                      : std::max(share, kBeyondOwnCache);
  }

  Communicator::Impl& impl_;
  Deadline deadline_;
  std::vector<Hello> hellos_;
  Window segment_;
  bool use_loopback_ = false;
  double ranks_per_core_ = 1;
};

Result<std::vector<Window>> Communicator::Impl::share(Window window, const char* what) {
  const auto share_over = [&](auto& transport) -> Result<std::vector<Window>> {
    SLUICE_TRY_ASSIGN(const auto blob, transport.publish(window));
    SLUICE_TRY_ASSIGN(const auto blobs, bootstrap_->all_gather(blob, deadline()));
    std::vector<Window> windows(blobs.size());
    for (int r = 0; r < static_cast<int>(blobs.size()); ++r) {
      if (r == bootstrap_->rank()) {
        windows[static_cast<std::size_t>(r)] = window;
        continue;
      }
      if (is_across(r)) continue;
      SLUICE_TRY_ASSIGN(auto remote,
                        transport.open(blobs[static_cast<std::size_t>(r)], deadline()));
      windows[static_cast<std::size_t>(r)] = remote.window;
      keep_open_.push_back(std::make_shared<decltype(remote)>(std::move(remote)));
    }
    log::debug("rank {}: opened the {} of {} ranks", bootstrap_->rank(), what, windows.size());
    return windows;
  };
  if (auto* shm = std::get_if<transport::Shm>(&transport_)) return share_over(*shm);
  return share_over(std::get<transport::Loopback>(transport_));
}

Result<std::unique_ptr<Communicator::Impl>> Communicator::Impl::create(const UniqueId& id, int rank,
                                                                       int size,
                                                                       const Options& options) {
  std::unique_ptr<Impl> impl(new Impl);
  impl->options_ = options;
  if (const auto timeout = environment::number("SLUICE_TIMEOUT_MS"))
    impl->options_.timeout = std::chrono::milliseconds(*timeout);
  impl->options_.host = environment::text("SLUICE_HOST", options.host.c_str());
  impl->options_.transport = environment::text("SLUICE_TRANSPORT", options.transport.c_str());
  impl->options_.algorithm = environment::text("SLUICE_ALGORITHM", options.algorithm.c_str());
  if (impl->options_.timeout <= std::chrono::milliseconds(0))
    return fail(
        Errc::kInvalidArgument, "bad timeout",
        fmt::format("the timeout must be positive, found {} ms", impl->options_.timeout.count()));
  SLUICE_TRY_ASSIGN(impl->bootstrap_, Bootstrap::join(id, rank, size, impl->deadline()));
  SLUICE_TRY(Setup(*impl).run());
  return impl;
}

}  // namespace sluice
