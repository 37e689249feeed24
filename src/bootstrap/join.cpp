// Bootstrap::join: reach the server, prove the secret, register, wait for the others.
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "base/error.hpp"
#include "base/log.hpp"
#include "bootstrap/client.hpp"
#include "bootstrap/server.hpp"
#include "bootstrap/unique_id_format.hpp"

namespace sluice::bootstrap {
namespace {

constexpr std::chrono::milliseconds kFirstPause{5};
constexpr std::chrono::milliseconds kLongestPause{250};
/// After the deadline: for the server's word on who is missing.
constexpr std::chrono::milliseconds kReportPatience{500};

struct Joiner {
  IdFields id;
  Address server;  // how this rank calls it
  int rank;
  int size;
  Deadline deadline;
  bool encrypts;
  Deadline::Clock::time_point started = Deadline::Clock::now();

  std::string me() const { return fmt::format("rank {} of {}", rank, size); }
  std::string waited() const {
    const std::chrono::duration<double> seconds = Deadline::Clock::now() - started;
    return fmt::format("{:.1f} s", seconds.count());
  }
};

/// One attempt to connect and prove the secret.
struct Attempt {
  Fd socket;
  std::unique_ptr<Encryption> encryption{};
  Errc code = Errc::kOk;
  std::string text{};
  bool final = false;  // trying again cannot help
};

Attempt failed(Errc code, std::string text, bool final = false) {
  return {Fd(), nullptr, code, std::move(text), final};
}

Attempt shake_hands(const Joiner& joiner, Fd socket) {
  const Deadline patience = Deadline::after(std::min<std::chrono::nanoseconds>(
      kStrangerPatience, joiner.deadline.at() - Deadline::Clock::now()));
  const auto broken = [](int error) { return failed(Errc::kRemoteError, std::strerror(error)); };

  const Greeting hello{kProtocolVersion, random_nonce(), joiner.encrypts};
  if (const int error = send_all(socket, encode(hello), patience)) return broken(error);
  std::array<std::byte, kChallengeBytes> challenge;
  if (const int error = receive_exactly(socket, challenge, patience)) return broken(error);
  Greeting greeting;
  if (!decode(challenge, greeting))
    return failed(Errc::kRemoteError, "what answers there is not a Sluice rendezvous");
  if (greeting.version != kProtocolVersion) {
    return failed(
        Errc::kInvalidUsage,
        fmt::format(
            "version {} of the rendezvous here, version {} there: the ranks run different releases",
            kProtocolVersion, greeting.version),
        true);
  }
  if (greeting.encrypts != joiner.encrypts) {
    return failed(Errc::kRemoteError,
                  fmt::format("it was asked {} encrypt and answers the opposite: somebody on the "
                              "way changes what is said",
                              joiner.encrypts ? "to" : "not to"),
                  true);
  }
  const Mac proof = prove(joiner.id.secret, Role::kClient, hello, greeting);
  if (const int error = send_all(socket, std::as_bytes(std::span(proof)), patience))
    return broken(error);
  VerdictBytes verdict;
  if (const int error = receive_exactly(socket, verdict, patience)) return broken(error);
  // A port that everybody chooses for himself may be held by another job for now; one in a made id
  // may not.
  const bool final = !joiner.id.rank_zero_serves;
  if (verdict[0] != std::byte{1}) {
    return failed(Errc::kInvalidUsage, "the server refuses our proof: it has another secret",
                  final);
  }
  const auto mac = std::span<const std::byte, kVerdictBytes>(verdict).subspan<8, 32>();
  if (!is_proof(mac, joiner.id.secret, Role::kServer, hello, greeting)) {
    return failed(Errc::kInvalidUsage, "the server cannot prove that it knows the job's secret",
                  final);
  }
  return {std::move(socket), make_encryption(joiner.id.secret, Role::kClient, hello, greeting)};
}

Attempt attempt(const Joiner& joiner) {
  OpenResult connected = connect_to(joiner.server, joiner.deadline);
  if (!connected.fd.valid()) return failed(Errc::kTimeout, std::strerror(connected.error));
  return shake_hands(joiner, std::move(connected.fd));
}

Result<FrameStream> reach_server(const Joiner& joiner) {
  auto pause = kFirstPause;
  for (;;) {
    Attempt latest = attempt(joiner);
    if (latest.socket.valid()) {
      FrameStream stream(std::move(latest.socket));
      stream.encrypt(std::move(latest.encryption));
      return stream;
    }
    if (latest.final) {
      return fail(latest.code, "the rendezvous does not let this rank in",
                  fmt::format("{}: the rendezvous at {}: {}", joiner.me(), joiner.server.text(),
                              latest.text));
    }
    if (joiner.deadline.passed()) {
      return fail(Errc::kTimeout, "the rendezvous could not be reached",
                  fmt::format("{} could not reach the rendezvous{} at {} within {}: {}",
                              joiner.me(), joiner.id.rank_zero_serves ? " that rank 0 serves" : "",
                              joiner.server.text(), joiner.waited(), latest.text));
    }
    log::debug(log::Topic::kBootstrap, "{}: the rendezvous at {}: {}; trying again", joiner.me(),
               joiner.server.text(), latest.text);
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(
        pause, std::chrono::milliseconds(joiner.deadline.milliseconds_left())));
    pause = std::min(pause * 2, kLongestPause);
  }
}

/// 0 or an errno; EPROTO when the bytes are no frame.
int receive_frame(FrameStream& stream, Frame& frame, Deadline deadline) {
  for (;;) {
    if (auto next = stream.reader().next()) {
      frame = std::move(*next);
      return 0;
    }
    if (const int error = wait_until_ready(stream.socket(), POLLIN, deadline)) return error;
    const auto received = stream.receive();
    const int os_error = errno;
    if (auto next = stream.reader().next()) {
      frame = std::move(*next);
      return 0;
    }
    if (received == FrameStream::Received::kClosed) return ECONNRESET;
    if (received == FrameStream::Received::kFailed) return os_error;
    if (received == FrameStream::Received::kMalformed) return EPROTO;
  }
}

/// Why, after an errno.
std::string reason(const FrameStream& stream, int error) {
  const std::string& complaint = stream.reader().complaint();
  return complaint.empty() ? std::strerror(error) : "it sent " + complaint;
}

int send_frame(FrameStream& stream, const SharedBytes& bytes, Deadline deadline) {
  stream.queue(bytes);
  for (;;) {
    if (const int error = stream.flush()) return error;
    if (!stream.has_outgoing()) return 0;
    if (const int error = wait_until_ready(stream.socket(), POLLOUT, deadline)) return error;
  }
}

Status timed_out(const Joiner& joiner, const std::string& rest) {
  return fail(Errc::kTimeout, "not all ranks joined in time",
              fmt::format("{}: {}", joiner.me(), rest));
}

Status describe_missing(const Joiner& joiner, const JoinedReport& report) {
  std::vector<int> missing;
  for (std::size_t rank = 0; rank < report.joined.size(); ++rank) {
    if (!report.joined[rank]) missing.push_back(static_cast<int>(rank));
  }
  std::string text = missing.empty()
                         ? fmt::format("the {} ranks were not all there at one time within {}",
                                       joiner.size, joiner.waited())
                         : fmt::format("{} of {} did not join within {}", name_ranks(missing),
                                       joiner.size, joiner.waited());
  if (!report.remark.empty()) text += fmt::format(" ({})", report.remark);
  return timed_out(joiner, text);
}

/// After the deadline: true when the welcome came after all, else the error that names who is
/// missing.
Result<bool> ask_who_is_missing(const Joiner& joiner, FrameStream& stream, Frame& welcome) {
  const Deadline patience = Deadline::after(kReportPatience);
  int error = send_frame(
      stream, encode_frame(FrameType::kWho, static_cast<std::uint32_t>(joiner.rank), 0, {}),
      patience);
  Frame frame;
  while (error == 0) {
    error = receive_frame(stream, frame, patience);
    if (error != 0) break;
    if (frame.type == FrameType::kWelcome || frame.type == FrameType::kRefused) {
      welcome = std::move(frame);
      return true;
    }
    if (frame.type != FrameType::kJoined) continue;
    if (const auto report = decode_joined(frame.payload, static_cast<std::size_t>(joiner.size))) {
      return describe_missing(joiner, *report);
    }
    error = EPROTO;
  }
  return timed_out(
      joiner,
      fmt::format("not all ranks joined within {}, and the rendezvous at {} does not say who: {}",
                  joiner.waited(), joiner.server.text(), reason(stream, error)));
}

/// Registers and waits for the welcome.
Result<Welcome> register_and_wait(const Joiner& joiner, FrameStream& stream) {
  const Registration mine{static_cast<std::uint32_t>(joiner.size), this_process()};
  const auto bytes =
      encode_frame(FrameType::kRegister, static_cast<std::uint32_t>(joiner.rank), 0, encode(mine));
  Frame frame;
  int error = send_frame(stream, bytes, joiner.deadline);
  if (error == 0) error = receive_frame(stream, frame, joiner.deadline);
  if (error == ETIMEDOUT) {
    SLUICE_TRY_ASSIGN([[maybe_unused]] const bool late, ask_who_is_missing(joiner, stream, frame));
    error = 0;
  }
  if (error != 0) {
    return fail(Errc::kRemoteError, "the rendezvous ended",
                fmt::format("{}: the rendezvous at {} went away before all ranks had joined: {}",
                            joiner.me(), joiner.server.text(), reason(stream, error)));
  }
  if (frame.type == FrameType::kRefused) {
    const auto notice = decode_notice(frame.payload);
    return fail(notice ? notice->code : Errc::kRemoteError, "the rendezvous refused this rank",
                fmt::format("{}: the rendezvous at {} says: {}", joiner.me(), joiner.server.text(),
                            notice ? notice->text : "nothing intelligible"));
  }
  auto welcome = frame.type == FrameType::kWelcome ? decode_welcome(frame.payload) : std::nullopt;
  if (!welcome || welcome->ranks.size() != static_cast<std::size_t>(joiner.size)) {
    return fail(
        Errc::kInternalError, "a malformed welcome",
        fmt::format("{}: the rendezvous at {} sent a frame of type {} and {} bytes, not a welcome "
                    "for {} ranks",
                    joiner.me(), joiner.server.text(), static_cast<std::uint32_t>(frame.type),
                    frame.payload.size(), joiner.size));
  }
  return std::move(*welcome);
}

/// Where ranks on other hosts reach this one: the near end of `socket`, unless that is on the
/// server's own host and knows itself by its loopback address only.
Address reachable_address(const Joiner& joiner, const Fd& socket) {
  const auto near = local_address(socket);
  const bool tells = near.ok() && (!near.value().is_loopback() || joiner.id.server.is_loopback());
  Address address = tells ? near.value() : joiner.id.server;
  address.port = 0;
  return address;
}

Result<std::unique_ptr<Bootstrap>> join_running_server(const Joiner& joiner) {
  SLUICE_TRY_ASSIGN(FrameStream stream, reach_server(joiner));
  SLUICE_TRY_ASSIGN(Welcome welcome, register_and_wait(joiner, stream));
  const Address reachable = reachable_address(joiner, stream.socket());
  return Client::start({std::move(stream), joiner.server.text(), joiner.id.secret, reachable,
                        joiner.rank, std::move(welcome)});
}

Result<std::shared_ptr<Server>> serve(const Joiner& joiner) {
  const Address& address = joiner.id.server;
  OpenResult listener = listen_on(joiner.id.any_interface ? address.any_interface() : address);
  if (!listener.fd.valid()) {
    return fail_os("the rendezvous port cannot be used",
                   fmt::format("{} cannot serve the rendezvous on {} (choose another port with "
                               "SLUICE_PORT, or host and "
                               "port with SLUICE_ROOT, on every rank)",
                               joiner.me(), address.text()),
                   listener.error);
  }
  return Server::start({std::move(listener.fd), address, joiner.id.secret, true});
}

Result<std::unique_ptr<Bootstrap>> join(const UniqueId& id, int rank, int size, Deadline deadline,
                                        bool encrypt) {
  if (size < 1 || size > static_cast<int>(kMaxRanks) || rank < 0 || rank >= size) {
    return fail(Errc::kInvalidArgument, "rank or size out of range",
                fmt::format("rank {} of {} ranks: the size must be 1 to {}, the rank below it",
                            rank, size, kMaxRanks));
  }
  SLUICE_TRY_ASSIGN(const IdFields fields, decode_unique_id(id));
  Joiner joiner{fields, fields.server, rank, size, deadline, encrypt};
  if (!fields.rank_zero_serves || rank != 0) return join_running_server(joiner);
  // The others may know this host by an address that it does not know itself.
  if (fields.any_interface) joiner.server = fields.server.loopback();
  SLUICE_TRY_ASSIGN(const auto server, serve(joiner));
  auto joined = join_running_server(joiner);
  if (!joined.ok()) server->stop();
  return joined;
}

}  // namespace
}  // namespace sluice::bootstrap

namespace sluice {

Result<std::unique_ptr<Bootstrap>> Bootstrap::join(const UniqueId& id, int rank, int size,
                                                   Deadline deadline, bool encrypt) {
  return bootstrap::join(id, rank, size, deadline, encrypt);
}

}  // namespace sluice
