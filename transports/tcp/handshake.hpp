// Both sides of a new connection prove that they have the key, before anything else is said. The
// messages are those of the bootstrap (authentication.hpp); the opener is the client.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "base/deadline.hpp"
#include "bootstrap/authentication.hpp"
#include "bootstrap/socket.hpp"
#include "sluice/status.hpp"

namespace sluice::transport::tcp {

struct Proof {
  Errc code = Errc::kOk;
  std::string complaint;  // what went wrong, unless kOk
};
/// The opener's side. Waits.
Proof prove_as_opener(const bootstrap::Fd& socket, const bootstrap::Secret& key, Deadline deadline);

/// The owner's side. Does not wait: reads the 80 bytes that an opener has to say, as they come.
class OwnerHandshake {
 public:
  enum class State { kHello, kProof, kProved, kRefused };

  /// Takes what has come; complaint() says why after kRefused.
  State advance(const bootstrap::Fd& socket, const bootstrap::Secret& key);
  const std::string& complaint() const { return complaint_; }

 private:
  bool read(const bootstrap::Fd& socket, std::size_t wanted);
  State take_hello(const bootstrap::Fd& socket);
  State take_proof(const bootstrap::Fd& socket, const bootstrap::Secret& key);
  State refuse(std::string why);

  State state_ = State::kHello;
  std::array<std::byte, bootstrap::kHelloBytes> bytes_{};  // the Hello, then the Proof
  std::size_t count_ = 0;
  bootstrap::Nonce opener_nonce_{};
  bootstrap::Nonce owner_nonce_{};
  std::string complaint_;
};

}  // namespace sluice::transport::tcp
