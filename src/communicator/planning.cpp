// The last steps of Setup: measuring the links, choosing by them, putting the fabric together.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/log.hpp"
#include "communicator/setup.hpp"
#include "communicator/setup_blobs.hpp"
#include "communicator/tuned_figures.hpp"

namespace sluice {

Status Setup::find_figures(CostModel& model) {
  const TuningKey key = tuning_key();
  SLUICE_TRY_ASSIGN(const auto tuned, tuned_figures(*impl_.bootstrap_, key, deadline_));
  tuned_ = tuned.has_value();
  if (tuned_)
    model = *tuned;
  else
    SLUICE_TRY(measure(model));
  impl_.tuning_ = {key, model, {}};
  return {};
}

TuningKey Setup::tuning_key() const {
  const auto [one, other] = pair_of_a_host();
  return {.cpu = topology::cpu_model(),
          .cores = topology::host_cores(),
          .hosts = impl_.hosts_.hosts(),
          .ranks = size(),
          .transport = transport_name(),
          .attach = one != other && impl_.attach_everywhere_ && !impl_.one_process_};
}

const char* Setup::transport_name() const {
  return spread() ? "tcp" : use_loopback_ ? "loopback" : "shm";
}

Status Setup::measure(CostModel& model) {
  if (size() == 1) return {};
  SLUICE_TRY(measure_links_cost(model));
  return spread() ? measure_network_cost(model) : Status();
}

Status Setup::measure_links_cost(CostModel& model) {
  const auto [one, other] = pair_of_a_host();
  if (one == other) return {};
  LinkFigures mine;
  if (rank() == one || rank() == other) mine = measure_with(one, other);
  SLUICE_TRY(measured());
  SLUICE_TRY_ASSIGN(const auto blobs, impl_.bootstrap_->all_gather(blob_of(mine), deadline_));
  SLUICE_TRY_ASSIGN(const auto writer,
                    fields_of<LinkFigures>(blobs[static_cast<std::size_t>(one)], one));
  SLUICE_TRY_ASSIGN(const auto reader,
                    fields_of<LinkFigures>(blobs[static_cast<std::size_t>(other)], other));
  apply(writer, reader, model);
  return {};
}

Status Setup::measure_network_cost(CostModel& model) {
  const NetworkFigures mine = measure_network_between(0, first_rank_elsewhere());
  SLUICE_TRY(measured());
  SLUICE_TRY_ASSIGN(const auto blobs, impl_.bootstrap_->all_gather(blob_of(mine), deadline_));
  SLUICE_TRY_ASSIGN(const auto first, fields_of<NetworkFigures>(blobs[0], 0));
  model.network_alpha = first.alpha;
  model.network_byte = first.byte;
  return {};
}

Status Setup::measured() const {
  if (impl_.waits_->failed == 0) return {};
  return fail(Errc::kTimeout, "measuring the links failed",
              fmt::format("rank {}: rank {} did not take part in measuring the links", rank(),
                          impl_.waits_->failure.peer));
}

std::pair<int, int> Setup::pair_of_a_host() const {
  for (int host = 0; host < impl_.hosts_.hosts(); ++host)
    if (const auto& ranks = impl_.hosts_.ranks_on(host); ranks.size() > 1)
      return {ranks[0], ranks[1]};
  return {-1, -1};
}

LinkFigures Setup::measure_with(int one, int other) {
  const int side = rank() == one ? 0 : 1, peer = side == 0 ? other : one;
  const auto segment = [&](int r) {
    return Window{impl_.peers_[static_cast<std::size_t>(r)].segment, 0};
  };
  const bool attaches = impl_.peers_[static_cast<std::size_t>(peer)].reach == Reach::kAttach;
  return measure_links(side, {{one, other}, {segment(one), segment(other)}}, layout(),
                       *impl_.waits_,
                       attaches ? impl_.peer_memory_->access(*impl_.waits_) : PrivateMemory{});
}

NetworkFigures Setup::measure_network_between(int one, int other) {
  if (rank() != one && rank() != other) return {};
  return measure_network(rank() == one, rank() == one ? other : one, segment_, layout(),
                         *impl_.waits_, impl_.remote_peers_->segments(*impl_.waits_));
}

Status Setup::plan() {
  CostModel model;
  SLUICE_TRY(find_figures(model));
  SLUICE_TRY(use_rails(model));
  // Of the machine that has the most, because all must choose alike.
  for (int r = 0; r < size(); ++r)
    model.ranks_per_core = std::max(model.ranks_per_core, ranks_per_core(r));
  std::uint64_t cache = ~0ull;
  for (const Hello& hello : hellos_) cache = std::min(cache, hello.cache_bytes);
  model.hosts = impl_.hosts_.hosts();
  model.cache_bytes = static_cast<double>(cache) / size();
  SLUICE_TRY_ASSIGN(impl_.selection_,
                    Selection::make(model, size(), placement(), impl_.options_.algorithm));
  for (int type = 0; type < kDataTypeCount; ++type)
    for (int op = 0; op < kReduceOpCount; ++op)
      impl_.functions_[type][op] =
          compute::reduce_function(static_cast<DataType>(type), static_cast<ReduceOp>(op));
  make_fabrics(model);
  log_figures(model);
  return {};
}

void Setup::log_figures(const CostModel& model) const {
  log::info(log::Topic::kTuning,
            "rank {} of {}: {} transport, {:.2g} ranks a core, flag {:.0f} ns, stage {} {:.1f} + "
            "{:.1f} GB/s, attach {}",
            rank(), size(), transport_name(), model.ranks_per_core, model.alpha,
            model.stage_streaming ? "streamed" : "cached", 1 / model.stage_write,
            1 / model.stage_read,
            impl_.one_process_ ? "not needed"
            : impl_.attach_everywhere_
                ? fmt::format("{:.0f} ns + {:.1f} GB/s", model.attach_alpha, 1 / model.attach_byte)
                : "off");
  if (spread())
    log::info(log::Topic::kTuning, "rank {} of {}: {} hosts, network {:.1f} us + {:.1f} Gbit/s",
              rank(), size(), impl_.hosts_.hosts(), model.network_alpha / 1000,
              8 / model.network_byte);
}

Placement Setup::placement() const {
  if (!spread()) return Placement::kOneHost;
  return impl_.hosts_.fewest() == impl_.hosts_.most() ? Placement::kEvenHosts
                                                      : Placement::kUnevenHosts;
}

LinkShape Setup::links(const CostModel& model) const {
  LinkShape shape = layout().links;
  if (!spread()) return shape;
  shape.window_bytes = window_bytes_across_hosts(shape, model.network_byte, rails_);
  return shape;
}

FabricParts Setup::parts(const CostModel& model) {
  return {
      .rank = rank(),
      .ranks = size(),
      .peers = impl_.peers_.data(),
      .hosts = hosts_view(),
      .waits = impl_.waits_.get(),
      .links = links(model),
      .piece_scratch = impl_.piece_scratch_.get(),
      .sources = impl_.sources_.data(),
      .destinations = impl_.destinations_.data(),
      .private_memory = impl_.peer_memory_->access(*impl_.waits_),
      .remote_segments = spread() ? impl_.remote_peers_->segments(*impl_.waits_) : RemoteSegments{},
      .stage_streaming = model.stage_streaming,
      .streaming_bytes = streaming_bytes(model)};
}

void Setup::make_fabrics(const CostModel& model) {
  const FabricParts whole = parts(model);
  impl_.fabric_ = Fabric(whole);
  if (!spread()) return;
  FabricParts within = whole;
  within.rank = impl_.hosts_.place_of(rank());
  within.ranks = static_cast<std::int32_t>(neighbours().size());
  within.peers = impl_.neighbours_.data();
  within.links = kHostLinks;
  within.names = whole.hosts.ranks_on(whole.hosts.host);
  impl_.within_ = Fabric(within);
}

std::uint64_t Setup::streaming_bytes(const CostModel& model) const {
  constexpr std::uint64_t kBeyondOwnCache = 1 << 20;
  const auto share = static_cast<std::uint64_t>(model.cache_bytes / 2);  // input and output
  return model.streaming_pays_early ? std::min(share, kBeyondOwnCache)
                                    : std::max(share, kBeyondOwnCache);
}

}  // namespace sluice
