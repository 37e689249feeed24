// The server of one job: a thread that lets ranks in, relays their all-gathers, and tells who is
// gone.
//
// It owns every socket of the job's star on its side. Before a peer has proved the secret and
// registered it is a stranger: it may send only the few bytes of the handshake, within
// kStrangerPatience, and there are at most kMaxStrangers at a time. The thread ends by itself when
// every rank has left or is lost.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "bootstrap/address.hpp"
#include "bootstrap/authentication.hpp"
#include "bootstrap/socket.hpp"
#include "sluice/status.hpp"

namespace sluice::bootstrap {

inline constexpr std::chrono::seconds kStrangerPatience{5};
inline constexpr std::size_t kMaxStrangers = 64;

class Server {
 public:
  struct Setup {
    Fd listener;
    Address address;  // as the clients call it; for messages
    Secret secret{};
    /// Close the listener once all have joined: the port is somebody's choice and may be wanted
    /// again.
    bool close_when_complete = false;
  };

  /// The server lives on when the pointer is dropped; when the process ends, it says goodbye first.
  static Result<std::shared_ptr<Server>> start(Setup setup);

  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  /// Ends the job's rendezvous: a refusal for ranks still joining, a goodbye for others. Returns
  /// when the thread has ended.
  void stop();
  bool finished() const;

 private:
  class Registry;
  struct Thread;

  explicit Server(std::unique_ptr<Thread> thread);

  std::unique_ptr<Thread> thread_;
};

}  // namespace sluice::bootstrap
