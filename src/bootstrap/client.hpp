// One rank's side of the star: a connection to the server and a thread that reads it.
#pragma once

#include <poll.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "bootstrap/authentication.hpp"
#include "bootstrap/bootstrap.hpp"
#include "bootstrap/frame_stream.hpp"
#include "bootstrap/messages.hpp"
#include "bootstrap/peer_watch.hpp"

namespace sluice::bootstrap {

class Client final : public Bootstrap {
 public:
  struct Setup {
    FrameStream stream;  // registered and welcomed
    std::string server_address;
    Secret secret{};
    Address reachable;
    int rank = 0;
    Welcome welcome;
  };

  static Result<std::unique_ptr<Bootstrap>> start(Setup setup);
  ~Client() override;

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(processes_.size()); }
  Result<std::vector<Blob>> all_gather(std::span<const std::byte> mine, Deadline deadline) override;
  void send_abort(Errc code, std::string_view text) noexcept override;
  void watch(std::function<void(const Event&)> on_event) override;
  Address reachable_address() const override { return reachable_; }
  Key derive_key(std::string_view purpose) const override;

 private:
  enum class PeerState { kPresent, kLeft, kLost };
  struct Round {
    std::vector<Blob> blobs;
    std::vector<bool> arrived;
    std::size_t missing = 0;
  };
  struct Failure {
    Errc code = Errc::kOk;
    std::string text;
  };
  using Lock = std::unique_lock<std::mutex>;

  Client(Setup setup, Fd wake);

  // The thread.
  void run();
  bool step();
  void poll_once();
  int milliseconds_to_wait(const Lock& held) const;
  void take_outbox();
  void receive();
  void handle(Frame frame);
  void peer_left(int rank);
  void take_abort(int rank, const Frame& frame);
  void take_blob(int rank, Frame frame);
  void server_said_goodbye();
  void server_refuses(const Frame& frame);
  void server_vanished(const std::string& why);
  void lost(int rank, const std::string& why);
  void deliver_events();

  // With the mutex held.
  void send(SharedBytes bytes);
  void add_event(Event event);
  void break_with(Errc code, std::string text);
  Round& round(std::uint32_t sequence);
  Failure gather_failure(const Round& current) const;
  Failure gather_timeout(const Round& current) const;

  std::string name_of(int rank) const;

  const int rank_;
  const Secret secret_;
  const std::string server_address_;
  const Address reachable_;
  const Process server_process_;
  const std::vector<Process> processes_;
  const unsigned generation_;
  Fd wake_;

  // Of the thread alone.
  FrameStream stream_;
  bool connected_ = true;
  PeerWatch peer_watch_;
  std::vector<pollfd> polled_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<SharedBytes> outbox_;
  bool online_ = true;  // the server still listens to us
  bool leaving_ = false;
  Deadline leave_by_ = Deadline::after(std::chrono::seconds(0));
  std::vector<PeerState> peers_;
  std::vector<std::string> losses_;  // by rank: why it was lost
  Failure broken_;  // why no all-gather is possible any more
  bool gathering_ = false;
  std::uint32_t sequence_ = 0;
  std::map<std::uint32_t, Round> rounds_;
  std::shared_ptr<const std::function<void(const Event&)>> on_event_;
  std::vector<Event> events_;
  std::size_t next_event_ = 0;
  bool delivering_ = false;

  std::thread thread_;
};

}  // namespace sluice::bootstrap
