// One accepted connection as the server sees it.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/deadline.hpp"
#include "bootstrap/authentication.hpp"
#include "bootstrap/frame_stream.hpp"
#include "bootstrap/messages.hpp"

namespace sluice::bootstrap {

struct Connection {
  enum class State {
    kHello,     // waiting for the Hello
    kProof,     // waiting for the Proof
    kRegister,  // proved; waiting for the Register frame
    kMember,    // is a rank
    kClosing,   // a last message is on its way out; whatever comes in is thrown away
  };

  Connection(Fd socket, std::string peer_text, Deadline patience)
      : stream(std::move(socket)), peer(std::move(peer_text)), until(patience) {}

  bool is_stranger() const { return state != State::kMember; }
  /// "rank 3 (pid 12 on node7)"
  std::string text() const;

  FrameStream stream;
  std::string peer;  // address and port
  State state = State::kHello;
  Deadline until;     // for strangers
  bool dead = false;  // to be closed at the end of this turn

  std::array<std::byte, kHelloBytes> handshake;  // the Hello, then the Proof
  std::size_t handshake_bytes = 0;
  Greeting client;
  Greeting server;

  int rank = -1;
  Process process;
  std::uint32_t next_sequence = 0;  // of this rank's next all-gather
  bool shut_down = false;           // kClosing: our half is closed, waiting for the peer's
};

}  // namespace sluice::bootstrap
