#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "memory/descriptor_server.hpp"
#include "memory/region.hpp"
#include "memory/registry.hpp"
#include "memory_child.hpp"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using test::Child;
using test::Line;
using test::open_descriptors;
using test::open_descriptors_settle_at;

constexpr DescriptorKey kKey = {1, 2, 3, 4, 5};
constexpr DescriptorKey kWrongKey = {1, 2, 3, 4, 6};
constexpr std::uint64_t kId = DescriptorServer::kOfferedIds | 7;

Deadline soon() { return Deadline::after(10s); }

/// A server that offers one memory with "hello" in it.
class DescriptorServerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto memory = SharedMemory::create(8192, "offered");
    ASSERT_TRUE(memory.ok());
    memory_.emplace(std::move(memory).value());
    std::memcpy(memory_->data(), "hello", 5);
  }
  void start(DescriptorServer::Limits limits = {}, DescriptorServer::Resolver resolver = {}) {
    auto server = DescriptorServer::start(kKey, std::move(resolver), limits);
    ASSERT_TRUE(server.ok());
    server_ = std::move(server).value();
    ASSERT_TRUE(server_->offer(kId, memory_->fd(), memory_->bytes()).ok());
  }
  static bool fetches_hello(const std::string& address, pid_t pid) {
    auto received = fetch_descriptor(address, kKey, kId, pid, soon());
    if (!received.ok() || received->bytes != 8192) return false;
    if ((::fcntl(received->fd.get(), F_GETFD) & FD_CLOEXEC) == 0) return false;
    auto mapped = SharedMemory::map(std::move(received->fd), received->bytes);
    return mapped.ok() && std::memcmp(mapped->data(), "hello", 5) == 0;
  }
  Errc fetch_code(const DescriptorKey& key, std::uint64_t id, pid_t pid) const {
    return fetch_descriptor(server_->address(), key, id, pid, soon()).status().code();
  }
  Fd connect_raw() const {
    const auto where = descriptor_protocol::abstract_address(server_->address());
    Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    EXPECT_EQ(
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&where->address), where->bytes),
        0);
    return socket;
  }
  void wait_for_refusals(std::uint64_t count) const {
    const Deadline deadline = soon();
    while (server_->refused() < count && !deadline.passed()) std::this_thread::sleep_for(1ms);
    EXPECT_EQ(server_->refused(), count);
  }

  std::optional<SharedMemory> memory_;
  std::unique_ptr<DescriptorServer> server_;
};

TEST_F(DescriptorServerTest, ServesAnotherProcess) {
  const pid_t server_pid = ::getpid();
  Child good([&](Line& parent) { return fetches_hello(parent.receive(), server_pid); });
  Child with_wrong_key([&](Line& parent) {
    return fetch_descriptor(parent.receive(), kWrongKey, kId, 0, soon()).status().code() ==
           Errc::kRemoteError;
  });
  start();
  ASSERT_TRUE(with_wrong_key.line().send(server_->address()));
  ASSERT_TRUE(good.line().send(server_->address()));
  EXPECT_TRUE(with_wrong_key.wait());
  EXPECT_TRUE(good.wait());
  // The server counts after sending, so the client may be done first.
  for (const Deadline deadline = soon(); server_->served() == 0 && !deadline.passed();)
    std::this_thread::sleep_for(1ms);
  EXPECT_EQ(server_->served(), 1u);
  EXPECT_EQ(server_->refused(), 1u);
}

TEST_F(DescriptorServerTest, RefusesAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  Child other([](Line& parent) {
    const std::string address = parent.receive();
    return ::setuid(65'534) == 0 &&
           fetch_descriptor(address, kKey, kId, 0, soon()).status().code() == Errc::kRemoteError;
  });
  start();
  ASSERT_TRUE(other.line().send(server_->address()));
  EXPECT_TRUE(other.wait());
  EXPECT_EQ(server_->served(), 0u);
  EXPECT_EQ(server_->refused(), 1u);
}

TEST_F(DescriptorServerTest, RefusesWrongKeyPidIdAndAddress) {
  start();
  EXPECT_EQ(fetch_code(kWrongKey, kId, 0), Errc::kRemoteError);
  EXPECT_EQ(fetch_code(kKey, kId, ::getppid()), Errc::kRemoteError);
  EXPECT_NE(last_error().find(std::to_string(::getppid())), std::string::npos) << last_error();
  EXPECT_EQ(fetch_code(kKey, kId + 1, 0), Errc::kRemoteError);
  EXPECT_EQ(fetch_descriptor("", kKey, kId, 0, soon()).status().code(), Errc::kInvalidArgument);
  EXPECT_EQ(fetch_descriptor(std::string(200, 'x'), kKey, kId, 0, soon()).status().code(),
            Errc::kInvalidArgument);
  EXPECT_EQ(fetch_descriptor("sluice-nobody", kKey, kId, 0, soon()).status().code(),
            Errc::kRemoteError);
  EXPECT_TRUE(fetches_hello(server_->address(), ::getpid()));
  EXPECT_TRUE(fetches_hello(server_->address(), 0));
}

TEST_F(DescriptorServerTest, OffersAndWithdraws) {
  start();
  EXPECT_EQ(server_->offer(kId, memory_->fd(), 1).code(), Errc::kInvalidArgument);
  EXPECT_EQ(server_->offer(kId + 1, -1, 1).code(), Errc::kSystemError);
  server_->withdraw(kId);
  server_->withdraw(kId);
  EXPECT_EQ(fetch_code(kKey, kId, 0), Errc::kRemoteError);
  EXPECT_TRUE(server_->offer(kId, memory_->fd(), memory_->bytes()).ok());
  EXPECT_TRUE(fetches_hello(server_->address(), ::getpid()));
}

TEST_F(DescriptorServerTest, ResolverServesTheRegistryLazily) {
  Registry registry;
  start({}, [&](std::uint64_t id) { return registry.duplicate(id); });
  auto memory = registry.alloc(12'345);
  ASSERT_TRUE(memory.ok());
  const std::uint64_t id = registry.find(memory.value(), 1)->id;
  auto received = fetch_descriptor(server_->address(), kKey, id, ::getpid(), soon());
  ASSERT_TRUE(received.ok());
  EXPECT_EQ(received->bytes, 12'345u);
  EXPECT_TRUE(registry.free(memory.value()).ok());
  EXPECT_EQ(fetch_code(kKey, id, 0), Errc::kRemoteError);
  EXPECT_TRUE(fetches_hello(server_->address(), 0));
}

TEST_F(DescriptorServerTest, RandomBytesDoNoHarm) {
  start();
  std::mt19937 random(1);
  std::vector<Fd> sockets;
  for (std::size_t i = 0; i < 40; ++i) {
    Fd socket = connect_raw();
    std::vector<unsigned char> garbage(i % 3 == 0 ? sizeof(descriptor_protocol::Request)
                                                  : random() % 5000);
    for (unsigned char& byte : garbage) byte = static_cast<unsigned char>(random());
    static_cast<void>(::send(socket.get(), garbage.data(), garbage.size(), MSG_NOSIGNAL));
    if (i % 2 == 0) sockets.push_back(std::move(socket));
    if (i % 10 == 0) {
      EXPECT_TRUE(fetches_hello(server_->address(), ::getpid()));
    }
  }
  wait_for_refusals(40);
  EXPECT_TRUE(fetches_hello(server_->address(), ::getpid()));
}

TEST_F(DescriptorServerTest, ReplayedRequestIsRefused) {
  start();
  descriptor_protocol::Request request;
  for (int attempt = 0; attempt < 2; ++attempt) {
    Fd socket = connect_raw();
    descriptor_protocol::Challenge challenge;
    ASSERT_EQ(::recv(socket.get(), &challenge, sizeof challenge, 0), ssize_t{sizeof challenge});
    if (attempt == 0) {
      request.id = kId;
      request.mac = sign(request_proof(challenge.server_nonce, request), kKey);
    }
    ASSERT_EQ(::send(socket.get(), &request, sizeof request, MSG_NOSIGNAL),
              ssize_t{sizeof request});
    descriptor_protocol::Reply reply;
    const ssize_t got = ::recv(socket.get(), &reply, sizeof reply, 0);
    EXPECT_EQ(got > 0, attempt == 0) << "the second time the nonce is another";
  }
  wait_for_refusals(1);
}

TEST_F(DescriptorServerTest, SilentClientsAreDroppedAndDoNotBlockOthers) {
  start({.max_clients = 4, .client_time = 200ms});
  const std::ptrdiff_t before = open_descriptors();
  std::vector<Fd> silent;
  for (int i = 0; i < 12; ++i) silent.push_back(connect_raw());
  EXPECT_TRUE(fetches_hello(server_->address(), ::getpid()));
  wait_for_refusals(12);
  silent.clear();
  EXPECT_TRUE(open_descriptors_settle_at(before));
}

TEST_F(DescriptorServerTest, DescriptorsSentToTheServerAreNotKept) {
  start();
  const std::ptrdiff_t before = open_descriptors();
  for (int i = 0; i < 20; ++i) {
    Fd socket = connect_raw();
    char byte = 0;
    iovec part = {&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    *header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    const int fd = memory_->fd();
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    ASSERT_EQ(::sendmsg(socket.get(), &message, MSG_NOSIGNAL), 1);
  }
  wait_for_refusals(20);
  EXPECT_TRUE(fetches_hello(server_->address(), 0));
  EXPECT_TRUE(open_descriptors_settle_at(before));
}

TEST_F(DescriptorServerTest, AThousandFetchesLeakNothing) {
  start();
  const std::ptrdiff_t before = open_descriptors();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(fetches_hello(server_->address(), ::getpid()));
  EXPECT_TRUE(open_descriptors_settle_at(before));
}

TEST_F(DescriptorServerTest, ManyThreadsFetchWhileOffersChange) {
  start({.max_clients = 3, .client_time = 5s});
  std::atomic<int> failed = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i)
        if (!fetches_hello(server_->address(), ::getpid())) ++failed;
    });
  for (std::uint64_t i = 0; i < 200; ++i) {
    const std::uint64_t id = kId + 1 + i % 5;
    EXPECT_TRUE(server_->offer(id, memory_->fd(), 1).ok());
    server_->withdraw(id);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
}

TEST_F(DescriptorServerTest, StopsWithClientsConnected) {
  const std::ptrdiff_t before = open_descriptors();
  start();
  std::vector<Fd> sockets;
  for (int i = 0; i < 5; ++i) sockets.push_back(connect_raw());
  const std::string address = server_->address();
  server_.reset();
  EXPECT_EQ(fetch_descriptor(address, kKey, kId, 0, soon()).status().code(), Errc::kRemoteError);
  sockets.clear();
  EXPECT_TRUE(open_descriptors_settle_at(before));
  EXPECT_EQ(DescriptorServer::start(kKey, {}, {.max_clients = 0}).status().code(),
            Errc::kInvalidArgument);
}

/// A server with the key that answers one request in its own way.
class RogueServer {
 public:
  struct Behaviour {
    int descriptors = 1;
    std::size_t reply_bytes = sizeof(descriptor_protocol::Reply);
    const DescriptorKey& key = kKey;
    bool silent = false;
    std::uint64_t id_offset = 0;
  };
  explicit RogueServer(Behaviour behaviour) : behaviour_(behaviour) {
    EXPECT_TRUE(descriptor_protocol::initialise());
    const auto where = descriptor_protocol::abstract_address(kAddress);
    listener_.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    EXPECT_EQ(
        ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&where->address), where->bytes),
        0);
    EXPECT_EQ(::listen(listener_.get(), 1), 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~RogueServer() { thread_.join(); }
  static inline const std::string kAddress = "sluice-test-rogue-" + std::to_string(::getpid());

 private:
  void serve() const {
    using namespace descriptor_protocol;
    Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const Challenge challenge{kMagic, make_nonce()};
    Request request;
    if (!behaviour_.silent) {
      EXPECT_GT(::send(socket.get(), &challenge, sizeof challenge, MSG_NOSIGNAL), 0);
    }
    if (::recv(socket.get(), &request, sizeof request, 0) <= 0) return;
    Reply reply{kMagic, request.id + behaviour_.id_offset, Answer::kHere, 4096, {}};
    reply.mac =
        sign(reply_proof(challenge.server_nonce, request.client_nonce, reply), behaviour_.key);
    send(socket.get(), reply);
  }
  void send(int socket, const descriptor_protocol::Reply& reply) const {
    const std::vector<int> descriptors(static_cast<std::size_t>(behaviour_.descriptors),
                                       listener_.get());
    const std::size_t bytes = descriptors.size() * sizeof(int);
    std::vector<char> packet(4096);
    std::memcpy(packet.data(), &reply, sizeof reply);
    std::vector<char> control(CMSG_SPACE(bytes));
    iovec part = {packet.data(), behaviour_.reply_bytes};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!descriptors.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      *CMSG_FIRSTHDR(&message) = {CMSG_LEN(bytes), SOL_SOCKET, SCM_RIGHTS};
      std::memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), descriptors.data(), bytes);
    }
    EXPECT_GT(::sendmsg(socket, &message, MSG_NOSIGNAL), 0);
  }

  Behaviour behaviour_;
  Fd listener_;
  std::thread thread_;
};

Errc fetch_from(RogueServer::Behaviour behaviour, Deadline deadline = soon()) {
  RogueServer server(behaviour);
  return fetch_descriptor(RogueServer::kAddress, kKey, kId, ::getpid(), deadline).status().code();
}

TEST(FetchDescriptor, TakesExactlyOneDescriptorFromAnHonestServer) {
  const std::ptrdiff_t before = open_descriptors();
  EXPECT_EQ(fetch_from({.descriptors = 1}), Errc::kOk);
  for (const int count : {0, 2, 3, 4, 5, 100, 253})
    EXPECT_EQ(fetch_from({.descriptors = count}), Errc::kRemoteError) << count;
  EXPECT_EQ(fetch_from({.key = kWrongKey}), Errc::kRemoteError);
  EXPECT_EQ(fetch_from({.id_offset = 1}), Errc::kRemoteError);
  EXPECT_EQ(fetch_from({.reply_bytes = 1}), Errc::kRemoteError);
  EXPECT_EQ(fetch_from({.reply_bytes = sizeof(descriptor_protocol::Reply) + 1}),
            Errc::kRemoteError);
  EXPECT_TRUE(open_descriptors_settle_at(before));
}

TEST(FetchDescriptor, GivesUpAtTheDeadline) {
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(fetch_from({.silent = true}, Deadline::after(100ms)), Errc::kTimeout);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

}  // namespace
}  // namespace sluice
