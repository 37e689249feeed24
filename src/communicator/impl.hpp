// The communicator's inside: one rank's segments, peers, plan and state.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "algorithms/send_receive/exchange.hpp"
#include "bootstrap/bootstrap.hpp"
#include "channel/fabric.hpp"
#include "communicator/flight_notes.hpp"
#include "communicator/operation.hpp"
#include "communicator/peer_memory.hpp"
#include "communicator/remote_peers.hpp"
#include "plan/selection.hpp"
#include "plan/tuning.hpp"
#include "sluice/communicator.hpp"
#include "topology/host_map.hpp"
#include "transports/loopback/loopback.hpp"
#include "transports/shm/shm.hpp"

namespace sluice {

class DevicePart;
struct BlockLengths;
struct ListedTransfer;
struct ExchangeCall;
struct ListedPut;
struct ListedWait;

class Communicator::Impl {
 public:
  /// Joins and sets everything up; src/communicator/create.cpp.
  static Result<std::unique_ptr<Impl>> create(const UniqueId& id, int rank, int size,
                                              const Options& options);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  int rank() const { return fabric_.rank(); }
  int size() const { return fabric_.size(); }
  const Options& options() const { return options_; }
  Bootstrap& bootstrap() { return *bootstrap_; }
  WaitState& waits() { return *waits_; }
  Deadline deadline() const { return Deadline::after(options_.timeout); }

  /// Runs one collective. The call has been checked. `reduction`: for the collectives that reduce.
  Status run(const Call& call, const HostArithmetic& arithmetic);
  /// all_to_all_v: takes its place in the order of collectives, then moves the messages.
  Status run_exchange(const Call& call, std::span<LinkTransfer> transfers);
  /// Messages outside the order of collectives.
  Status exchange(std::span<LinkTransfer> transfers);

  /// Enqueues a collective on a stream. The call has been checked, and there is a device part.
  Status run_on(Stream stream, const Call& call, const Reduction& reduction,
                const BlockLengths& lengths);
  /// Enqueues messages. They have been checked, and there is a device part.
  Status exchange_on(Stream stream, std::span<const ListedTransfer> transfers,
                     const ExchangeCall& call);
  /// Enqueues puts with their signals, or waits for signals. The peers' memory and counters are
  /// what share_device_buffer() has opened; the callers know that what is put fits there.
  Status put_on(Stream stream, std::span<const ListedPut> puts);
  Status wait_on(Stream stream, std::span<const ListedWait> waits);
  /// null: there is no device.
  DevicePart* device() const { return device_.get(); }
  /// Why there is no device, as part of a sentence.
  const std::string& why_no_device() const { return why_no_device_; }
  /// Where there is a device part: that the host can read and write the call's buffers.
  Status expect_host_memory(const Call& call) const;
  Status expect_host_memory(std::span<const LinkTransfer> transfers) const;
  /// Shows device memory to the other ranks' kernels, and takes it back: device_regions.cpp.
  Status register_device_memory(void* memory, std::uint64_t bytes);
  Status withdraw_device_memory(void* memory);
  /// Makes what a kernel has reported the communicator's error.
  void take_device_failure();

  /// The arithmetic of a call on this communicator.
  HostArithmetic arithmetic(const Call& call) const {
    return {
        .function = functions_[static_cast<unsigned>(call.type)][static_cast<unsigned>(call.op)],
        .elem_bytes = static_cast<std::uint32_t>(call.elem_bytes),
        .divisor = call.op == ReduceOp::kAverage ? static_cast<std::uint32_t>(size()) : 1};
  }
  /// Bytes as they are: a "sum" of one source.
  HostArithmetic copying() const {
    return {.function = functions_[static_cast<unsigned>(DataType::kUint8)]
                                  [static_cast<unsigned>(ReduceOp::kSum)]};
  }

  Status abort();
  Status error() const;
  std::string_view last_algorithm() const { return last_algorithm_; }
  /// The figures of the links that this communicator plans by, the same on every rank, and where
  /// they would be in a tuning file.
  const TuningEntry& tuning() const { return tuning_; }

  /// Marks the communicator as in use for one call.
  class Turn {
   public:
    explicit Turn(Impl& impl) : impl_(impl), taken_(!impl.busy_.load(std::memory_order_relaxed)) {
      if (taken_) impl_.busy_.store(true, std::memory_order_relaxed);
    }
    ~Turn() {
      if (taken_) impl_.busy_.store(false, std::memory_order_relaxed);
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    /// Ok, or why no call may start.
    Status status() const {
      const WaitState& waits = *impl_.waits_;
      if (taken_ && port::load_relaxed(&waits.abort_word) == 0 && waits.failed == 0) [[likely]]
        return {};
      return refusal();
    }

   private:
    Status refusal() const;

    Impl& impl_;
    bool taken_;
  };

  /// Says that this rank starts no more operations: kOut or kLeft.
  void leave(std::uint64_t how);

  /// Whether `peer` is on another host.
  bool is_across(int peer) const { return peers_[static_cast<std::size_t>(peer)].across; }
  Doorbell& doorbell_of(int rank) const { return header(rank).doorbell; }

  /// Memory that share() can show: segments, the semaphores of user channels (channels.cpp).
  Result<Window> allocate(std::uint64_t bytes, const char* label);
  /// Shows `window` to all ranks and opens theirs; [rank] is one's own. Of peers on other hosts
  /// nothing is opened: their window is empty.
  Result<std::vector<Window>> share(Window window, const char* what);
  /// The same for a buffer of the caller's, which peers map (sluice::alloc, or one process). Sizes
  /// may differ.
  Result<std::vector<HeldWindow>> share_buffer(void* buffer, std::uint64_t bytes);
  /// The same for memory of the ranks' devices, or why their kernels do not reach it: the same
  /// sentence on all ranks. There is a device part. kInvalidArgument: a rank does not have so much.
  struct SharedOnDevice {
    std::vector<HeldWindow> of_ranks;  // empty: see `why_not`
    std::string why_not;
  };
  Result<SharedOnDevice> share_device_buffer(void* buffer, std::uint64_t bytes);
  /// `mapping` stays as long as this does: what channels point to.
  void keep(std::shared_ptr<const void> mapping) { kept_.push_back(std::move(mapping)); }

 private:
  friend class Setup;  // create.cpp
  Impl();

  SegmentHeader& header(int rank) const {
    return *reinterpret_cast<SegmentHeader*>(peers_[static_cast<std::size_t>(rank)].segment);
  }
  /// Shows the call's buffers to the peers and learns what all can reach.
  BufferAccess agree_on_access(const Call& call);
  ExposedBuffer describe_buffer(const void* buffer, std::uint64_t bytes, bool used) const;
  /// Fills in where the peers' buffers are, for the algorithms that use them.
  void locate_buffers(const Call& call);

  /// The Status of the failure that the waits recorded; tells the other ranks. failure.cpp.
  Status failed(const std::string& doing, std::span<const LinkTransfer> transfers = {});
  Status reason(const std::string& doing);
  /// exchange(), with word of it to the peers.
  void drive(std::span<LinkTransfer> transfers);
  /// After a failure: says that this rank touches no peer's memory any more and gives the peers a
  /// second to be done with this one's, so that the caller may free its buffers.
  void leave_operation(std::span<const LinkTransfer> transfers);
  bool may_touch(int peer) const;
  bool is_lost(int peer) const;
  /// Brings what this rank knows of a peer on another host up to date.
  void ask_after(int peer) const {
    if (is_across(peer)) remote_peers_->fetch(peer);
  }
  std::string failure_text(const std::string& doing) const;
  std::string whereabouts(int peer) const;
  /// The first operation that this rank and the peer called differently, as far back as the records
  /// go; 0: none.
  std::uint64_t first_difference(int peer) const;
  std::string mismatch_text(const std::string& me) const;
  void await_reason() const;
  /// Gives news of another rank's error, which is under way, half a second.
  void await_abort() const;
  Status end(Errc code, const char* what, std::string text);
  /// Of this rank, all of them, whoever they are for. The communicator has an error by now.
  void end_waits();
  /// The communicator's first error; with error_mutex_ held.
  void keep_error(Status status, const std::string& text);
  static bool contradicts(void* self, std::int32_t peer);
  static bool take_in(void* self, std::int32_t peer, TakeIn how);
  /// For whoever looks from outside: the long wait that this rank is in, or with null that it is in
  /// none.
  static void note_wait(void* self, const LongWait* wait);
  WordPlace place_of(const LongWait& wait) const;
  void on_event(const Bootstrap::Event& event);
  void withdraw(std::uint64_t region_id);

  Options options_;
  std::unique_ptr<Bootstrap> bootstrap_;
  std::variant<std::monostate, transport::Loopback, transport::Shm> transport_;
  std::vector<std::shared_ptr<void>> keep_open_;  // what transports opened of the peers' segments
  std::unique_ptr<RemotePeers> remote_peers_;     // nullptr when all ranks share a host
  topology::HostMap hosts_;

  std::vector<FabricPeer> peers_;
  std::unique_ptr<WaitState> waits_ = std::make_unique<WaitState>();
  std::unique_ptr<std::byte[]> piece_scratch_;
  std::vector<std::shared_ptr<const void>> kept_;
  std::vector<const void*> sources_;
  std::vector<void*> destinations_;
  Fabric fabric_;
  // Where there are several hosts: the ranks of this one among themselves, with segments of their
  // own, and the lists that HostsView points to.
  std::vector<FabricPeer> neighbours_;
  std::vector<std::int32_t> host_of_, ranks_by_host_, first_of_host_, team_;
  Fabric within_;

  std::unique_ptr<PeerMemory> peer_memory_;
  std::vector<PeerProcess> processes_;
  bool one_process_ = false;
  bool attach_everywhere_ = false;
  std::uint64_t registry_ticket_ = 0;
  std::mutex withdraw_mutex_;

  std::unique_ptr<DevicePart> device_;
  std::string why_no_device_ = "the communicator was made without one";
  std::mutex device_failure_mutex_;  // before error_mutex_
  bool device_failure_taken_ = false;

  TuningEntry tuning_;
  Selection selection_;
  compute::ReduceFunction functions_[kDataTypeCount][kReduceOpCount] = {};
  std::uint64_t epoch_ = 1;
  bool buffers_shown_ = false;  // peers may be using this rank's buffers in the operation in flight
  OperationRecord current_{};   // the operation in flight or the last one, for errors and for the
                                // next one's signature
  std::atomic<bool> busy_ = false;
  std::string_view last_algorithm_;

  mutable std::mutex error_mutex_;
  Status error_;            // the first error
  std::string error_text_;  // its sentence
  std::set<int> lost_;      // ranks known to be dead
};

}  // namespace sluice
