#include "memory/descriptor_server.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"

namespace sluice {
namespace {

using namespace descriptor_protocol;

constexpr std::uint64_t kRefusalsLogged = 16;  // a hostile neighbour must not fill the log
constexpr std::chrono::milliseconds kAcceptPause{50};

std::string make_address() {
  std::array<std::uint8_t, 16> random;
  randombytes_buf(random.data(), random.size());
  std::array<char, 2 * random.size() + 1> hex;
  sodium_bin2hex(hex.data(), hex.size(), random.data(), random.size());
  return std::string("sluice-") + hex.data();
}

/// sendmsg() of one whole packet, with `fd` as its descriptor unless that is negative.
bool send_packet(int socket, const void* packet, std::size_t bytes, int fd) {
  iovec part = {const_cast<void*>(packet), bytes};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof fd)> control{};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(bytes);
}

}  // namespace

DescriptorServer::DescriptorServer(const DescriptorKey& key, Resolver resolver, Limits limits)
    : key_(key),
      resolver_(std::move(resolver)),
      limits_(limits),
      accept_pause_(Deadline::after(std::chrono::nanoseconds(0))) {}

Result<std::unique_ptr<DescriptorServer>> DescriptorServer::start(const DescriptorKey& key,
                                                                  Resolver resolver,
                                                                  Limits limits) {
  if (!initialise())
    return fail(Errc::kSystemError, "no random numbers",
                "descriptor server: libsodium cannot start");
  if (limits.max_clients < 1 || limits.client_time.count() < 1)
    return fail(
        Errc::kInvalidArgument, "bad limits",
        fmt::format("descriptor server: limits of {} clients and {} ms; both must be at least 1",
                    limits.max_clients, limits.client_time.count()));
  std::unique_ptr<DescriptorServer> server(new DescriptorServer(key, std::move(resolver), limits));
  SLUICE_TRY(server->open_listener());
  SLUICE_TRY(server->start_thread());
  return server;
}

DescriptorServer::~DescriptorServer() {
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    while (::write(stop_.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
    thread_.join();
  }
  sodium_memzero(key_.data(), key_.size());
}

Status DescriptorServer::open_listener() {
  address_ = make_address();
  const auto where = abstract_address(address_);
  stop_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop_) return fail_os("eventfd failed", "descriptor server: eventfd", errno);
  listener_.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener_) return fail_os("no socket", "descriptor server: socket", errno);
  if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&where->address), where->bytes) !=
          0 ||
      ::listen(listener_.get(), SOMAXCONN) != 0)
    return fail_os("cannot listen",
                   fmt::format("descriptor server: bind and listen on @{}", address_), errno);
  return {};
}

Status DescriptorServer::start_thread() {
  // The thread takes no signals: the program's handlers run where the program expects them.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = 0;
  try {
    thread_ = std::thread([this] { serve(); });
  } catch (const std::system_error& refused) {
    error = refused.code().value();
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) return fail_os("no thread", "descriptor server: starting its thread", error);
  pthread_setname_np(thread_.native_handle(), "sluice-fds");
  return {};
}

Status DescriptorServer::offer(std::uint64_t id, int fd, std::uint64_t bytes) {
  Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy)
    return fail_os("no descriptor",
                   fmt::format("descriptor server: copying descriptor {} of id {:#x}", fd, id),
                   errno);
  const std::lock_guard lock(mutex_);
  if (!offers_.try_emplace(id, ReceivedDescriptor{std::move(copy), bytes}).second)
    return fail(Errc::kInvalidArgument, "id in use",
                fmt::format("descriptor server: id {:#x} is offered already", id));
  return {};
}

void DescriptorServer::withdraw(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  offers_.erase(id);
}

void DescriptorServer::serve() {
  std::vector<pollfd> polled;
  for (;;) {
    drop_late_clients();
    const bool accepting =
        static_cast<int>(clients_.size()) < limits_.max_clients && accept_pause_.passed();
    polled.assign({{stop_.get(), POLLIN, 0}, {accepting ? listener_.get() : -1, POLLIN, 0}});
    for (const Client& client : clients_) polled.push_back({client.socket.get(), POLLIN, 0});
    if (::poll(polled.data(), polled.size(), wait_ms(accepting)) < 0) {
      if (errno == EINTR) continue;
      log::warn("descriptor server @{}: poll: {}", address_, std::strerror(errno));
      std::this_thread::sleep_for(kAcceptPause);
      continue;
    }
    if (polled[0].revents != 0) return;
    for (std::size_t i = 0; i < clients_.size(); ++i)
      if (polled[2 + i].revents != 0) handle(clients_[i]);
    std::erase_if(clients_, [](const Client& client) { return !client.socket; });
    if (polled[1].revents != 0) accept_clients();
  }
}

int DescriptorServer::wait_ms(bool accepting) const {
  int wait_ms = -1;
  const auto at_most = [&](int ms) { wait_ms = wait_ms < 0 ? ms : std::min(wait_ms, ms); };
  for (const Client& client : clients_) at_most(client.deadline.milliseconds_left());
  if (!accepting && !accept_pause_.passed()) at_most(accept_pause_.milliseconds_left());
  return wait_ms;
}

void DescriptorServer::accept_clients() {
  while (static_cast<int>(clients_.size()) < limits_.max_clients) {
    Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (socket) {
      admit(std::move(socket));
      continue;
    }
    if (errno == ECONNABORTED || errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    // Out of descriptors or memory: poll() would report the same client again at once.
    log::warn("descriptor server @{}: accept: {}; trying again", address_, std::strerror(errno));
    accept_pause_ = Deadline::after(kAcceptPause);
    return;
  }
}

void DescriptorServer::admit(Fd socket) {
  const auto peer = peer_credentials(socket.get());
  if (!peer) return refuse(0, "no credentials");
  if (!trusted_user(peer->uid))
    return refuse(peer->pid,
                  fmt::format("expected user {} or root, found user {}", ::geteuid(), peer->uid));
  const Challenge challenge{kMagic, make_nonce()};
  if (!send_packet(socket.get(), &challenge, sizeof challenge, -1))
    return refuse(peer->pid, "it hung up at once");
  clients_.push_back(
      {std::move(socket), peer->pid, Deadline::after(limits_.client_time), challenge.server_nonce});
}

void DescriptorServer::handle(Client& client) {
  Request request;
  // Without a control buffer the kernel discards descriptors that the client may have sent along.
  const ssize_t got =
      ::recv(client.socket.get(), &request, sizeof request, MSG_DONTWAIT | MSG_TRUNC);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0)
    refuse(client.pid, "it hung up before its request");
  else if (got != sizeof request)
    refuse(client.pid,
           fmt::format("expected a request of {} bytes, found {}", sizeof request, got));
  else if (request.magic != kMagic)
    refuse(client.pid, "not a request of this protocol");
  else if (!verify(request.mac, request_proof(client.nonce, request), key_))
    refuse(client.pid, "it does not have the job's key");
  else
    answer(client, request);
  client.socket.reset();
}

void DescriptorServer::answer(const Client& client, const Request& request) {
  bool sent = false;
  {
    // Held while sending, so that withdraw() is final. Sending does not block.
    const std::lock_guard lock(mutex_);
    const auto offer = offers_.find(request.id);
    if (offer != offers_.end()) {
      sent = send_reply(client, request, offer->second.fd.get(), offer->second.bytes);
      return sent ? void(++served_) : refuse(client.pid, "it hung up before the reply");
    }
  }
  const auto resolved = resolver_ ? resolver_(request.id) : std::nullopt;
  if (!resolved || !resolved->fd) {
    static_cast<void>(send_reply(client, request, -1, 0));
    return refuse(client.pid, fmt::format("it asked for id {:#x}, which is not here", request.id));
  }
  sent = send_reply(client, request, resolved->fd.get(), resolved->bytes);
  sent ? void(++served_) : refuse(client.pid, "it hung up before the reply");
}

bool DescriptorServer::send_reply(const Client& client, const Request& request, int fd,
                                  std::uint64_t bytes) {
  Reply reply;
  reply.id = request.id;
  reply.answer = fd >= 0 ? Answer::kHere : Answer::kUnknownId;
  reply.bytes = bytes;
  reply.mac = sign(reply_proof(client.nonce, request.client_nonce, reply), key_);
  return send_packet(client.socket.get(), &reply, sizeof reply, fd);
}

void DescriptorServer::drop_late_clients() {
  std::erase_if(clients_, [this](const Client& client) {
    if (!client.deadline.passed()) return false;
    refuse(client.pid, fmt::format("no request within {} ms", limits_.client_time.count()));
    return true;
  });
}

void DescriptorServer::refuse(pid_t pid, const std::string& reason) {
  const std::uint64_t count = ++refused_;
  if (count > kRefusalsLogged)
    return log::debug(log::Topic::kMemory, "descriptor server @{}: refused pid {}: {}", address_,
                      pid, reason);
  log::warn("descriptor server @{}: refused pid {}: {}{}", address_, pid, reason,
            count == kRefusalsLogged ? " (further refusals at debug level)" : "");
}

}  // namespace sluice
