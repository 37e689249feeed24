// The one connection between two transports, whichever made it: what callers here put to the peer
// goes out on their own threads, straight from their memory to the kernel; what the peer puts here,
// and its answers, are received by whoever looks after the socket. Rails of a peer end here, too:
// those go one way only.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "bootstrap/address.hpp"
#include "bootstrap/socket.hpp"
#include "transports/tcp/outgoing.hpp"
#include "transports/tcp/owner_role.hpp"
#include "transports/tcp/progress.hpp"
#include "transports/tcp/send_batch.hpp"
#include "transports/tcp/wire.hpp"

namespace sluice::transport::tcp {

class TwoWayConnection;

/// The connections that peers have made and over which they may be opened, by the number that they
/// say is theirs. Thread-safe.
class Offers {
 public:
  void note(std::uint64_t number, std::weak_ptr<TwoWayConnection> connection);
  /// The latest with this number, if it is still there.
  std::shared_ptr<TwoWayConnection> find(std::uint64_t number) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::uint64_t, std::weak_ptr<TwoWayConnection>> known_;
};

/// As opener it is an Outgoing. Its use as opener and that as owner begin and end independently; it
/// is closed when both have, or when it fails.
class TwoWayConnection final : public Outgoing,
                               public Watched,
                               private FrameSink,
                               public std::enable_shared_from_this<TwoWayConnection> {
 public:
  /// What belongs to the transport; outlives the connection's use.
  struct Setup {
    OwnerRole::Owner owner;
    Offers& offers;
    Progress& progress;
    std::chrono::nanoseconds timeout;
  };
  enum class Maker { kThisRank, kPeer };

  /// `wire`: to a peer that has proved the key. Whoever makes it opens the peer over it, and offers
  /// to be opened.
  TwoWayConnection(Wire wire, const bootstrap::Address& peer, Maker maker, const Setup& setup);
  ~TwoWayConnection() override;

  /// For a connection that the peer has made: whether the caller may open the peer over it. Only
  /// the first is told yes, and only if the peer comes from one of these addresses.
  bool adopt(std::span<const bootstrap::Address> addresses);

  /// When the transport closes, after the goodbye: the peer hears that nothing comes any more.
  void stop_sending();
  /// Whether the peer's system has everything, or will never take it.
  bool is_delivered() const;
  /// The end for both directions, from any thread.
  void cut();

  std::size_t connections() override { return failed() ? 0 : 1; }
  Watched* source() override {
    return opened_by_peer_.load(std::memory_order_relaxed) ? this : nullptr;
  }
  void place_by(Placement placement) override;
  const bootstrap::Fd& descriptor() const override { return wire_.socket; }
  bool ready() override;
  /// Not while a caller has the turn, who looks what is owed when giving it back.
  bool wants_to_send() const override { return owes_.load() && send_turn_.is_free(); }

 private:
  std::string begin(const FrameHeader& header, std::byte*& place) override;
  void end(const FrameHeader& header) override;

  class CallersTurn;

  bool receive(const Lock& lock);
  bool receive_once(const Lock& lock, bool& more);
  /// Whether what the peer puts is taken in.
  bool reads() const { return !failed() || left_ || mute_; }
  /// Whether the peer's requests are answered.
  bool answers() const { return (!failed() || left_) && !mute_; }
  std::string how_it_ended() const;
  bool over(const Lock& lock, std::string how, std::string why, int os_error = 0);
  bool malformed(const Lock& lock, const std::string& complaint);
  void answer_if_free();

  Status send(PutFrames frames, const Operation& operation) override;
  Status send_request(FrameHeader header, std::span<std::byte> out,
                      std::chrono::nanoseconds patience, const Operation& operation) override;
  bool say_bye(Deadline deadline) override;
  void hang_up(const Lock& lock) override;
  void left(const Lock& lock) override;
  int transmit_in_turn(SendBatch& batch, std::chrono::nanoseconds patience);
  int transmit(SendBatch& batch, std::chrono::nanoseconds patience);
  int transmit_and_receive(SendBatch& batch);
  int answer(int sends);
  bool fill_answers();
  void fall_silent(const Lock& lock);
  std::byte* nowhere();
  void sending_failed(int error);

  const bootstrap::Address address_;  // the peer's
  const Maker maker_;
  Offers& offers_;
  Progress& progress_;
  const std::uint64_t number_;  // this transport's
  Wire wire_;                   // its two ways: under send_turn_, under mutex_
  Turn send_turn_;              // who writes to the socket
  // Under send_turn_:
  std::uint64_t sequence_ = 0;  // of the last frame
  SendBatch answers_;           // begun: before anything else
  // Under mutex_:
  OwnerRole role_;
  FrameReader reader_{*this};
  bool in_use_;                     // as opener
  bool left_ = false;               // said goodbye as opener
  bool mute_ = false;               // sending has failed, but what the peer has sent may still come
  bool closing_ = false;            // with the transport
  bool takes_answer_ = false;       // its payload is under way
  std::vector<std::byte> nowhere_;  // for answers that nobody waits for any more
  Placement placement_;             // of what the peer puts
  bool placed_ = false;             // the frame under way goes where that said
  bool arrives_ = false;            // an opener's frame has begun, and is not over or not noted

  // Something to the peer as its owner: role_ or answers_. Sequentially consistent: see Turn.
  std::atomic<bool> owes_ = false;
  std::atomic<bool> opened_by_peer_ = false;
  std::atomic<bool> over_ = false;  // nobody looks after it any more
};

}  // namespace sluice::transport::tcp
