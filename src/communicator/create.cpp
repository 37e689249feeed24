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
#include "communicator/impl.hpp"
#include "memory/registry.hpp"
#include "topology/host.hpp"

namespace sluice {
namespace {

/// What a rank says of itself first: these fields, then the identity of its host.
struct Hello {
  std::uint64_t process;
  std::int32_t pid;
  std::uint32_t transport;  // 0 auto, 1 shm, 2 loopback
  std::uint64_t algorithm_hash;
  topology::CoreSet cores;
  std::uint64_t cache_bytes;
};

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

  static Result<std::uint32_t> transport_number(const std::string& wanted) {
    if (wanted == "auto") return 0u;
    if (wanted == "shm") return 1u;
    if (wanted == "loopback") return 2u;
    return fail(Errc::kInvalidArgument, "unknown transport",
                fmt::format("no transport \"{}\"; there are auto, shm and loopback", wanted));
  }

  /// Who is where.
  Status meet() {
    SLUICE_TRY_ASSIGN(const std::uint32_t wanted, transport_number(impl_.options_.transport));
    const std::string host = topology::host_identity();
    const Hello mine{topology::process_identity(),
                     getpid(),
                     wanted,
                     hash_of(impl_.options_.algorithm),
                     topology::allowed_cores(),
                     topology::last_level_cache_bytes()};
    SLUICE_TRY_ASSIGN(const auto blobs,
                      impl_.bootstrap_->all_gather(blob_of(mine, host), deadline_));
    for (int r = 0; r < size(); ++r) {
      const auto& blob = blobs[static_cast<std::size_t>(r)];
      SLUICE_TRY_ASSIGN(const Hello theirs, fields_of<Hello>(blob, r));
      const std::string their_host(reinterpret_cast<const char*>(blob.data()) + sizeof(Hello),
                                   blob.size() - sizeof(Hello));
      if (their_host != host)
        return fail(
            Errc::kInvalidUsage, "ranks on several hosts",
            fmt::format(
                "rank {} is on host \"{}\", rank {} on \"{}\": there is no transport between them",
                rank(), host, r, their_host));
      if (theirs.transport != wanted || theirs.algorithm_hash != mine.algorithm_hash)
        return fail(
            Errc::kInvalidUsage, "options differ",
            fmt::format(
                "rank {} asks for transport \"{}\" and algorithm \"{}\", rank {} for others",
                rank(), impl_.options_.transport, impl_.options_.algorithm, r));
      hellos_.push_back(theirs);
    }
    impl_.one_process_ = std::all_of(hellos_.begin(), hellos_.end(), [&](const Hello& hello) {
      return hello.process == mine.process;
    });
    if (wanted == 2 && !impl_.one_process_)
      return fail(
          Errc::kInvalidUsage, "loopback across processes",
          fmt::format("rank {}: transport loopback needs all ranks in one process", rank()));
    use_loopback_ = wanted == 2 || (wanted == 0 && impl_.one_process_);
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
    const SegmentLayout layout{static_cast<std::uint64_t>(size())};
    SLUICE_TRY_ASSIGN(const Window window, impl_.allocate(layout.bytes()));
    auto& header = *reinterpret_cast<SegmentHeader*>(window.base);
    header.magic = kSegmentMagic;
    header.ranks = layout.ranks;
    header.rank = static_cast<std::uint64_t>(rank());
    randombytes_buf(&header.probe, sizeof header.probe);
    segment_ = window;
    return {};
  }

  /// Everybody's segment.
  Status open_segments() {
    SLUICE_TRY_ASSIGN(const auto windows, impl_.share(segment_, "segment"));
    const SegmentLayout layout{static_cast<std::uint64_t>(size())};
    impl_.peers_.resize(static_cast<std::size_t>(size()));
    for (int r = 0; r < size(); ++r) {
      const Window& window = windows[static_cast<std::size_t>(r)];
      const auto& header = *reinterpret_cast<const SegmentHeader*>(window.base);
      if (window.bytes < layout.bytes() || header.magic != kSegmentMagic ||
          header.ranks != layout.ranks || header.rank != static_cast<std::uint64_t>(r))
        return fail(Errc::kInvalidUsage, "bad segment",
                    fmt::format("the segment of rank {} has {} bytes, magic {:#x}, rank {} of {}; "
                                "expected {} bytes, {:#x}, "
                                "rank {} of {}",
                                r, window.bytes, header.magic, header.rank, header.ranks,
                                layout.bytes(), kSegmentMagic, r, size()));
      impl_.peers_[static_cast<std::size_t>(r)].segment = window.base;
    }
    return {};
  }

  void wire_fabric() {
    const auto ranks = static_cast<std::size_t>(size());
    topology::CoreSet cores;
    for (const Hello& hello : hellos_) cores |= hello.cores;
    ranks_per_core_ = static_cast<double>(ranks) / static_cast<double>(cores.count());

    WaitState& waits = *impl_.waits_;
    waits.timeout_ns = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(impl_.options_.timeout).count());
    // With a core for each rank a spin of some ten microseconds is the quickest wait; without,
    // every spin keeps the peer that is waited for from running.
    waits.spins = ranks_per_core_ <= 1 ? 4000 : 32;
    waits.contradicts = &Communicator::Impl::contradicts;
    waits.context = &impl_;
    waits.doorbell = &impl_own_header().doorbell;
    waits.sleepers = &reinterpret_cast<SegmentHeader*>(impl_.peers_[0].segment)->sleepers;
    prepare_doorbells();

    impl_.scratch_.resize(ranks * kPacketBytes);
    impl_.piece_scratch_.resize(LinkSlot::kDataBytes);
    impl_.sources_.resize(ranks);
    impl_.destinations_.resize(ranks + 1);
    for (const Hello& hello : hellos_) {
      impl_.processes_.push_back(
          {.same_process = hello.process == hellos_[static_cast<std::size_t>(rank())].process,
           .pid = hello.pid,
           .descriptors = {}});
    }
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
    for (int r = 0; r < size(); ++r) {
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
    // can.
    const std::byte can{all};
    SLUICE_TRY_ASSIGN(const auto answers, impl_.bootstrap_->all_gather({&can, 1}, deadline_));
    impl_.attach_everywhere_ = std::all_of(answers.begin(), answers.end(), [](const auto& answer) {
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

  /// What the links among the ranks cost: ranks 0 and 1 measure, everybody plans with their
  /// figures.
  Status measure(CostModel& model) {
    if (size() == 1) return {};
    LinkFigures figures;
    const Window segments[2] = {{impl_.peers_[0].segment, 0}, {impl_.peers_[1].segment, 0}};
    const int other = 1 - rank();
    const bool attaches =
        other >= 0 && impl_.peers_[static_cast<std::size_t>(other)].reach == Reach::kAttach;
    figures = measure_links(rank(), segments, SegmentLayout{static_cast<std::uint64_t>(size())},
                            *impl_.waits_,
                            attaches ? impl_.peer_memory_->access(*impl_.waits_) : PrivateMemory{});
    if (impl_.waits_->failed != 0)
      return fail(Errc::kTimeout, "measuring the links failed",
                  fmt::format("rank {}: rank {} did not take part in measuring the links", rank(),
                              impl_.waits_->failure.peer));
    SLUICE_TRY_ASSIGN(const auto blobs, impl_.bootstrap_->all_gather(blob_of(figures), deadline_));
    SLUICE_TRY_ASSIGN(const auto writer, fields_of<LinkFigures>(blobs[0], 0));
    SLUICE_TRY_ASSIGN(const auto reader, fields_of<LinkFigures>(blobs[1], 1));
    apply(writer, reader, model);
    return {};
  }

  Status plan() {
    CostModel model;
    SLUICE_TRY(measure(model));
    model.ranks_per_core = std::max(1.0, ranks_per_core_);
    std::uint64_t cache = ~0ull;
    for (const Hello& hello : hellos_) cache = std::min(cache, hello.cache_bytes);
    model.cache_bytes = static_cast<double>(cache) / size();
    SLUICE_TRY_ASSIGN(impl_.selection_,
                      Selection::make(model, size(), true, impl_.options_.algorithm));
    for (int type = 0; type < kDataTypeCount; ++type)
      for (int op = 0; op < kReduceOpCount; ++op)
        impl_.functions_[type][op] =
            compute::reduce_function(static_cast<DataType>(type), static_cast<ReduceOp>(op));
    impl_.fabric_ = Fabric({.rank = rank(),
                            .ranks = size(),
                            .peers = impl_.peers_.data(),
                            .waits = impl_.waits_.get(),
                            .scratch = impl_.scratch_.data(),
                            .piece_scratch = impl_.piece_scratch_.data(),
                            .sources = impl_.sources_.data(),
                            .destinations = impl_.destinations_.data(),
                            .private_memory = impl_.peer_memory_->access(*impl_.waits_),
                            .stage_streaming = model.stage_streaming,
                            .streaming_bytes = streaming_bytes(model)});
    log::info(
        "rank {} of {}: {} transport, {:.2g} ranks a core, flag {:.0f} ns, stage {} {:.1f} + "
        "{:.1f} GB/s, attach {}",
        rank(), size(), use_loopback_ ? "loopback" : "shm", ranks_per_core_, model.alpha,
        model.stage_streaming ? "streamed" : "cached", 1 / model.stage_write, 1 / model.stage_read,
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

/// Shows `window` to all ranks and opens theirs; [rank] is one's own.
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
