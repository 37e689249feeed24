// Strangers: who connects and has not proved the key yet. Nothing of them gets further than here.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/deadline.hpp"
#include "bootstrap/socket.hpp"
#include "transports/tcp/handshake.hpp"
#include "transports/tcp/progress.hpp"
#include "transports/tcp/wire.hpp"

namespace sluice::transport::tcp {

inline constexpr std::size_t kMaxStrangers = 64;
/// When there are so many, the oldest goes for another one, but not before it has had this time:
/// the openers of a large job may all come at once. The others queue meanwhile.
inline constexpr std::chrono::milliseconds kStrangerGrace{1000};

/// Listens, and hands connections on that have proved the key. All but make() on the progress
/// thread.
class Reception final : public Watched {
 public:
  /// Takes a proved connection and the peer's address.
  using Admit = std::function<void(Wire, const bootstrap::Address&)>;

  struct Setup {
    std::vector<bootstrap::Fd> listeners;
    Terms terms;
    std::chrono::milliseconds stranger_time;
    Admit admit;
  };
  static Result<std::shared_ptr<Reception>> make(Setup setup);

  const bootstrap::Fd& descriptor() const override { return epoll_; }
  bool ready() override;

 private:
  struct Stranger {
    bootstrap::Fd socket;
    bootstrap::Address peer;
    Deadline spared;  // until then it need not make room
    Deadline until;
    OwnerHandshake handshake;
  };
  using Strangers = std::map<std::uint64_t, Stranger>;  // the oldest first

  explicit Reception(Setup setup) : setup_(std::move(setup)) {}
  int watch(int operation, const bootstrap::Fd& fd, std::uint64_t id, bool on);
  void accept_waiting(const bootstrap::Fd& listener);
  void listen(bool on);
  void pause_listening(Deadline until);
  void advance(std::uint64_t id);
  void drop_late();
  void refuse(Strangers::iterator stranger, const std::string& why);
  void forget(Strangers::iterator stranger);
  void set_timer();

  Setup setup_;
  // A poll set of its own, in which the progress thread's waits: so that thread knows of one
  // descriptor only, however many strangers there are.
  bootstrap::Fd epoll_;
  bootstrap::Fd timer_;
  Strangers strangers_;
  bool listening_ = true;
  Deadline listen_again_ = Deadline::after(std::chrono::nanoseconds(0));
  std::uint64_t last_id_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace sluice::transport::tcp
