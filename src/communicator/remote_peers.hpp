// The peers on other hosts: their segments are not mapped but written to over the network. What
// this rank may want to read of them, the header, is kept as a copy that is fetched when somebody
// asks.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "base/deadline.hpp"
#include "bootstrap/address.hpp"
#include "bootstrap/bootstrap.hpp"
#include "channel/expected_fragments.hpp"
#include "channel/memory_channel.hpp"
#include "channel/rank_view.hpp"
#include "channel/segment.hpp"
#include "channel/wait.hpp"
#include "sluice/status.hpp"
#include "transports/tcp/tcp.hpp"

namespace sluice {

/// Used by the rank's own thread; the transport's thread writes to the segment.
class RemotePeers {
 public:
  /// `addresses`: where peers reach this rank, each with its port or 0 for a free one.
  /// `connect_from`: the interfaces over which it reaches them, all at once; none: by the system's
  /// routes.
  struct Ways {
    std::vector<bootstrap::Address> addresses;
    std::vector<bootstrap::Interface> connect_from;
  };
  static Result<std::unique_ptr<RemotePeers>> start(const Bootstrap::Key& key, Ways ways,
                                                    std::chrono::milliseconds timeout,
                                                    bool encrypt);

  /// What tells peers where `segment` is; the memory must outlive this object.
  Result<transport::Blob> publish(Window segment);
  /// Opens the segment of `peer`, of at least `bytes`.
  Status open(int peer, std::span<const std::byte> blob, std::uint64_t bytes, Deadline deadline);

  /// The copy of the peer's header: as of the last fetch(), at first zero.
  std::byte* header(int peer) const;
  /// Brings the copy up to date: waits for the peer's host, but asks nothing of its program. A peer
  /// that has closed the connection has left: kStarted then says kLeft. Nothing after an abort.
  void fetch(int peer) noexcept;
  /// Whether the last fetch() got no answer, so that the copy may be old.
  bool silent(int peer) const { return peers_.at(peer).silent; }
  /// Whether nothing that the peer sent before it was known to be out can still come, as long as
  /// nothing has come from anybody: its header and what it sends may travel on different
  /// connections.
  bool has_said_all(int peer) noexcept;
  /// fetch(), unless the last one was just now.
  void fetch_sometimes(int peer) noexcept;

  /// What the rank expects on its link from `peer`, and has put into its place: for FabricPeer.
  ExpectedFragments* expect_from(int peer, const SegmentLayout& layout);
  /// After a failure: from the return on, nothing that comes is written to what was expected.
  void expect_nothing() noexcept;

  /// The functions for FabricParts; `waits` records what goes wrong. This object must stay where it
  /// is.
  RemoteSegments segments(WaitState& waits);
  /// After the abort word has been set: ends the call to a peer that the rank is in. Any thread.
  void interrupt() noexcept;
  /// Takes in what peers have sent; `peer` is waited for.
  void take_in(int peer, TakeIn how) noexcept;

 private:
  struct Peer {
    transport::tcp::Remote remote;
    std::unique_ptr<SegmentHeader> header;
    std::chrono::steady_clock::time_point fetched{};
    bool silent = false;
    bool out = false;
    std::chrono::steady_clock::time_point quiet_since{};  // once it is out
    std::uint64_t arrivals = 0;                           // by then
  };
  class Call;

  static constexpr int kNobody = -1;

  explicit RemotePeers(transport::Tcp tcp) : tcp_(std::move(tcp)) {}
  static void write(void* self, std::int32_t peer, std::span<const SegmentPut> puts,
                    std::span<const SegmentSignal> signals);

  Window segment_;
  std::map<int, std::unique_ptr<ExpectedFragments>> expected_;  // until the transport has ended
  transport::Tcp tcp_;
  std::map<int, Peer> peers_;
  WaitState* waits_ = nullptr;
  std::atomic<int> calling_ = kNobody;  // the peer to which the rank is in a call
};

}  // namespace sluice
