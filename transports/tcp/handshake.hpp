// Both sides of a new connection prove that they have the key, before anything else is said. The
// messages are those of the bootstrap (authentication.hpp); the opener is the client.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/deadline.hpp"
#include "bootstrap/authentication.hpp"
#include "bootstrap/records.hpp"
#include "bootstrap/socket.hpp"
#include "sluice/status.hpp"

namespace sluice::transport::tcp {

/// One that nobody guesses; not 0.
std::uint64_t random_number();

/// What both sides must have the same.
struct Terms {
  bootstrap::Secret key{};
  bool encrypts = false;
};

/// Reads messages of fixed sizes as they come.
class MessageReader {
 public:
  /// Whether a message of `wanted` bytes is there whole; it is message() until the next call.
  bool read(const bootstrap::Fd& socket, std::size_t wanted);
  std::span<const std::byte, bootstrap::kHelloBytes> message() const { return bytes_; }
  /// After false: 0 when more must come, else an errno; ECONNRESET also where the peer has closed.
  int error() const { return error_; }

 private:
  std::array<std::byte, bootstrap::kHelloBytes> bytes_{};  // the longest message
  std::size_t count_ = 0;
  int error_ = 0;
};

struct Proof {
  Errc code = Errc::kOk;
  std::string complaint{};                              // what went wrong, unless kOk
  std::unique_ptr<bootstrap::Encryption> encryption{};  // null: nothing is encrypted
};
/// The opener's side. Waits.
Proof prove_as_opener(const bootstrap::Fd& socket, const Terms& terms, Deadline deadline);

/// The opener's side without waiting: reads what the owner has to say, as it comes.
class OpenerHandshake {
 public:
  enum class State { kBegin, kChallenge, kVerdict, kProved, kRefused };

  /// Says and takes what can be said and has come; complaint() says why after kRefused.
  State advance(const bootstrap::Fd& socket, const Terms& terms);
  const std::string& complaint() const { return complaint_; }
  /// After kProved; null: nothing is encrypted.
  std::unique_ptr<bootstrap::Encryption> encryption(const Terms& terms) const;

 private:
  State send_hello(const bootstrap::Fd& socket, const Terms& terms);
  State take_challenge(const bootstrap::Fd& socket, const Terms& terms);
  State take_verdict(const Terms& terms);
  State refuse(std::string why);

  State state_ = State::kBegin;
  MessageReader reader_;
  bootstrap::Greeting opener_, owner_;
  std::string complaint_;
};

/// The owner's side. Does not wait: reads the 80 bytes that an opener has to say, as they come.
class OwnerHandshake {
 public:
  enum class State { kHello, kProof, kProved, kRefused };

  /// Takes what has come; complaint() says why after kRefused.
  State advance(const bootstrap::Fd& socket, const Terms& terms);
  const std::string& complaint() const { return complaint_; }
  /// After kProved; null: nothing is encrypted.
  std::unique_ptr<bootstrap::Encryption> encryption(const Terms& terms) const;

 private:
  State take_hello(const bootstrap::Fd& socket, const Terms& terms);
  State take_proof(const bootstrap::Fd& socket, const Terms& terms);
  State refuse(std::string why);

  State state_ = State::kHello;
  MessageReader reader_;
  bootstrap::Greeting opener_, owner_;
  std::string complaint_;
};

}  // namespace sluice::transport::tcp
