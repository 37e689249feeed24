// Setting a communicator up: who is where, segments shown to one another, what memory can be
// reached, the plan.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/deadline.hpp"
#include "bootstrap/interfaces.hpp"
#include "communicator/calibrate.hpp"
#include "communicator/calibrate_network.hpp"
#include "communicator/impl.hpp"
#include "topology/host.hpp"

namespace sluice {

class DeviceProxy;

/// Builds an Impl step by step; each step is collective.
class Setup {
 public:
  explicit Setup(Communicator::Impl& impl) : impl_(impl), deadline_(impl.deadline()) {}

  Status run();

 private:
  enum WantedTransport : std::uint32_t { kAuto, kShm, kLoopback, kTcp };

  /// What a rank says of itself first: these fields, then the identity of its host.
  struct Hello {
    std::uint64_t process;
    std::uint64_t communicator;  // a random number; rank 0's is the communicator's
    std::int32_t pid;
    std::uint32_t transport;  // a WantedTransport
    std::uint64_t algorithm_hash;
    std::uint64_t machine_hash;
    topology::CoreSet cores;
    std::uint64_t cache_bytes;
    std::int32_t device;  // as Options::device
    // Of the interfaces that it may use: how many SLUICE_NET selects, or 0 where it selects none;
    // then where they all are.
    std::uint32_t selected;
    std::uint32_t places_listed;
    std::array<bootstrap::NetworkPlace, bootstrap::kMaxInterfaces> places;

    /// 1 without SLUICE_NET.
    std::uint64_t rails() const { return std::max(selected, 1u); }
  };

  int rank() const { return impl_.bootstrap_->rank(); }
  int size() const { return impl_.bootstrap_->size(); }
  /// Whether there are ranks on other hosts.
  bool spread() const { return impl_.hosts_.hosts() > 1; }
  /// The ranks of this host, this one among them.
  const std::vector<int>& neighbours() const {
    return impl_.hosts_.ranks_on(impl_.hosts_.host_of(rank()));
  }
  /// The same on every rank.
  SegmentLayout layout() const;
  const Hello& hello(int r) const { return hellos_[static_cast<std::size_t>(r)]; }

  // Who is where, and what of theirs this rank reaches: setup.cpp.
  static Result<WantedTransport> wanted_transport(const std::string& name);

  /// Ranks that say the same share memory.
  std::string host_identity(WantedTransport wanted) const;

  /// Who is where.
  Status meet();

  /// How this rank reaches those on its host; those on others it reaches over TCP.
  Status choose_transport(WantedTransport wanted);

  /// This rank's segment, in memory of the transport.
  Status make_segment();

  /// Everybody's segment.
  Status open_segments();

  /// Those through which the ranks of this host work among themselves in schedules over several.
  Status open_segments_within();

  // How ranks on different hosts reach each other: setup_network.cpp.

  /// Where ranks on other hosts reach this one, and it them: over several interfaces at once where
  /// SLUICE_NET selects several, else over the one that reached the rendezvous.
  Result<RemotePeers::Ways> ways() const;
  /// Lists them in `hello`. What is wrong with the interfaces is told when they are needed.
  void list_places(Hello& hello) const;

  /// The segments of the ranks on other hosts, which are written to over TCP.
  Status open_remote_segments();
  Status open_remote_segments(RemotePeers::Ways ways);
  Status open_remote_segments(const std::vector<transport::Blob>& blobs, int first, int last);

  /// Opens them again over all networks that the hosts have in common, if there are several, the
  /// one used so far is slow, and SLUICE_NET does not say otherwise.
  Status use_rails(CostModel& model);
  Result<RemotePeers::Ways> ways_over(
      const std::vector<std::vector<bootstrap::NetworkPlace>>& networks) const;

  /// Ranks that share a machine with `r`, for each of their cores.
  double ranks_per_core(int r) const;

  void wire_fabric();

  /// Lists the ranks by host.
  void list_hosts();
  HostsView hosts_view();

  SegmentHeader& impl_own_header();

  /// Which ranks' private memory this rank gets at, and whether all get at all.
  Status find_reach();

  /// What the ranks have on GPUs, where they asked for them.
  Status make_device_part();
  Status try_device_part();
  Result<std::unique_ptr<DeviceProxy>> make_device_proxy();

  /// From now on peers are told of buffers that are freed. Any thread may free one, so the Impl
  /// must be complete.
  void announce_frees();

  // What it costs, and what follows: planning.cpp.
  /// What the links among the ranks cost: what a tuning file says, else what a measurement finds.
  Status find_figures(CostModel& model);
  TuningKey tuning_key() const;
  const char* transport_name() const;

  /// A measurement: two ranks of a host measure, and two on different hosts;
  /// everybody plans with their figures.
  Status measure(CostModel& model);
  Status measure_links_cost(CostModel& model);
  Status measure_network_cost(CostModel& model);
  /// Whether nobody failed to take part.
  Status measured() const;

  /// The first two ranks of the first host that has two; twice rank -1 where none has.
  std::pair<int, int> pair_of_a_host() const;
  int first_rank_elsewhere() const { return impl_.hosts_.ranks_on(1).front(); }

  LinkFigures measure_with(int one, int other);

  NetworkFigures measure_network_between(int one, int other);

  Status plan();

  Placement placement() const;
  /// What the communicator's fabric works with; that of the ranks of this host but for who they
  /// are.
  LinkShape links(const CostModel& model) const;
  FabricParts parts(const CostModel& model);
  void make_fabrics(const CostModel& model);
  void log_figures(const CostModel& model) const;

  /// Outputs from this size on go past the caches: when all ranks' inputs and outputs together
  /// outgrow the last-level cache, or as soon as they leave a core's own where that is quicker.
  std::uint64_t streaming_bytes(const CostModel& model) const;

  Communicator::Impl& impl_;
  Deadline deadline_;
  std::vector<Hello> hellos_;
  Window segment_;
  bool use_loopback_ = false;
  std::uint64_t rails_ = 1;  // over how many networks at once ranks reach those on other hosts
  bool tuned_ = false;       // the figures are a tuning file's
};

}  // namespace sluice
