// The asking end of the descriptor protocol.
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "memory/descriptor_server.hpp"

namespace sluice {
namespace {

using namespace descriptor_protocol;

/// One fetch, for its error messages.
struct Fetch {
  const std::string& address;
  std::uint64_t id;
  pid_t expected_pid;
  Deadline deadline;

  std::string text(const std::string& problem) const {
    return fmt::format("fetching descriptor {:#x} from pid {} at @{}: {}", id, expected_pid,
                       address, problem);
  }
  Status remote_error(const char* what, const std::string& problem) const {
    return fail(Errc::kRemoteError, what, text(problem));
  }
  Status timeout(const std::string& problem) const {
    return fail(Errc::kTimeout, "descriptor not in time", text(problem + " until the deadline"));
  }
};

/// What one recvmsg() brought.
struct Packet {
  ssize_t bytes = 0;
  bool truncated = false;
  std::vector<Fd> descriptors;
};

Result<Fd> connect_to_server(const Fetch& fetch) {
  const auto where = abstract_address(fetch.address);
  if (!where)
    return fail(Errc::kInvalidArgument, "bad address",
                fetch.text("the address is empty or too long"));
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_os("no socket", fetch.text("socket"), errno);
  // EAGAIN: the server's queue is full, and there is no event to wait for.
  while (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&where->address),
                   where->bytes) != 0) {
    if (errno == ECONNREFUSED)
      return fetch.remote_error(
          "no descriptor server",
          "nobody listens; the process has ended or is in another network namespace");
    if (errno != EAGAIN && errno != EINTR)
      return fail_os("cannot connect", fetch.text("connect"), errno);
    if (fetch.deadline.passed()) return fetch.timeout("the server's queue was full");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return socket;
}

Status check_server(const Fetch& fetch, int socket) {
  const auto peer = peer_credentials(socket);
  if (!peer) return fail_os("no peer credentials", fetch.text("SO_PEERCRED"), errno);
  if (!trusted_user(peer->uid))
    return fetch.remote_error(
        "descriptor server of another user",
        fmt::format("expected user {} or root, found user {}", ::geteuid(), peer->uid));
  if (fetch.expected_pid > 0 && peer->pid != fetch.expected_pid)
    return fetch.remote_error(
        "descriptor server of another process",
        fmt::format("expected pid {}, found pid {}", fetch.expected_pid, peer->pid));
  return {};
}

Status wait_readable(const Fetch& fetch, int socket) {
  for (;;) {
    pollfd polled = {socket, POLLIN, 0};
    const int ready = ::poll(&polled, 1, fetch.deadline.milliseconds_left());
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return fail_os("poll failed", fetch.text("poll"), errno);
    if (fetch.deadline.passed()) return fetch.timeout("no answer");
  }
}

/// Takes every descriptor of the message into its own Fd, so that whatever happens next none leaks.
std::vector<Fd> take_descriptors(msghdr& message) {
  std::vector<Fd> descriptors;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header) + i * sizeof number, sizeof number);
      descriptors.emplace_back(number);
    }
  }
  return descriptors;
}

Result<Packet> receive_packet(const Fetch& fetch, int socket, void* buffer, std::size_t bytes) {
  for (;;) {
    SLUICE_TRY(wait_readable(fetch, socket));
    iovec part = {buffer, bytes};
    // Room for more than the one that is allowed, to tell "two" from "one"; what does not fit the
    // kernel closes.
    alignas(cmsghdr) std::array<char, CMSG_SPACE(4 * sizeof(int))> control{};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got < 0 && errno != ECONNRESET)
      return fail_os("cannot receive", fetch.text("recvmsg"), errno);
    if (got <= 0)
      return fetch.remote_error(
          "descriptor refused",
          "the server closed the connection: other job key, shut down, or overloaded");
    return Packet{got, (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0,
                  take_descriptors(message)};
  }
}

Result<Nonce> receive_challenge(const Fetch& fetch, int socket) {
  Challenge challenge;
  SLUICE_TRY_ASSIGN(const Packet packet,
                    receive_packet(fetch, socket, &challenge, sizeof challenge));
  if (packet.bytes != sizeof challenge || packet.truncated || !packet.descriptors.empty() ||
      challenge.magic != kMagic)
    return fetch.remote_error(
        "not a descriptor server",
        fmt::format("expected a challenge of {} bytes, found {} bytes of something else",
                    sizeof challenge, packet.bytes));
  return challenge.server_nonce;
}

Result<ReceivedDescriptor> receive_reply(const Fetch& fetch, int socket, const Nonce& server_nonce,
                                         const Request& request, const DescriptorKey& key) {
  Reply reply;
  SLUICE_TRY_ASSIGN(Packet packet, receive_packet(fetch, socket, &reply, sizeof reply));
  if (packet.bytes != sizeof reply || reply.magic != kMagic || reply.id != request.id)
    return fetch.remote_error(
        "bad reply",
        fmt::format("expected a reply of {} bytes for this id, found {} bytes for id {:#x}",
                    sizeof reply, packet.bytes, reply.id));
  if (!verify(reply.mac, reply_proof(server_nonce, request.client_nonce, reply), key))
    return fetch.remote_error("bad reply", "the server does not have the job's key");
  if (reply.answer != Answer::kHere)
    return fetch.remote_error("unknown descriptor", "the server does not know this id (any more)");
  if (packet.descriptors.size() != 1 || packet.truncated)
    return fetch.remote_error(
        "bad reply", fmt::format("expected 1 descriptor, found {}{}", packet.descriptors.size(),
                                 packet.truncated ? " or more (or none is free here)" : ""));
  return ReceivedDescriptor{std::move(packet.descriptors.front()), reply.bytes};
}

}  // namespace

Result<ReceivedDescriptor> fetch_descriptor(const std::string& address, const DescriptorKey& key,
                                            std::uint64_t id, pid_t expected_pid,
                                            Deadline deadline) {
  const Fetch fetch{address, id, expected_pid, deadline};
  if (!initialise())
    return fail(Errc::kSystemError, "no random numbers", fetch.text("libsodium cannot start"));
  SLUICE_TRY_ASSIGN(const Fd socket, connect_to_server(fetch));
  SLUICE_TRY(check_server(fetch, socket.get()));
  SLUICE_TRY_ASSIGN(const Nonce server_nonce, receive_challenge(fetch, socket.get()));
  Request request;
  request.id = id;
  request.client_nonce = make_nonce();
  request.mac = sign(request_proof(server_nonce, request), key);
  if (::send(socket.get(), &request, sizeof request, MSG_NOSIGNAL) != sizeof request)
    return errno == EPIPE || errno == ECONNRESET
               ? fetch.remote_error("descriptor refused",
                                    "the server closed the connection before the request")
               : fail_os("cannot send", fetch.text("send"), errno);
  return receive_reply(fetch, socket.get(), server_nonce, request, key);
}

}  // namespace sluice
