// What the concepts accept, and what they must not.
#include <gtest/gtest.h>

#include "channel/arithmetic.hpp"
#include "channel/block_group.hpp"
#include "channel/port_channel.hpp"
#include "channel/thread_group.hpp"
#include "transports/loopback/loopback.hpp"
#include "transports/shm/shm.hpp"
#include "transports/tcp/tcp.hpp"
#include "transports/transport.hpp"

namespace sluice {
namespace {

using transport::Blob;
using transport::kMapped;
using transport::kOrdered;
using transport::Transport;

using Bytes = std::span<const std::byte>;
using Room = std::span<std::byte>;

struct FarRemote {};

/// The least that is a transport: its peers' memory is not mapped. Each struct below breaks one
/// thing.
struct Least {
  using Remote = FarRemote;
  static constexpr const char* kName = "least";
  static constexpr std::uint32_t kCapabilities = kOrdered;
  Result<Window> allocate(std::uint64_t);
  Result<Blob> publish(Window);
  Result<Remote> open(Bytes, Deadline);
  Status put(Remote&, std::uint64_t, Bytes) const noexcept;
  Status get(Remote&, std::uint64_t, Room) const noexcept;
  Status signal(Remote&, std::uint64_t, std::uint64_t) const noexcept;
  Status flush(Remote&) const noexcept;
  void close() noexcept;
};
static_assert(Transport<Least>);
static_assert(Transport<transport::Loopback> && Transport<transport::Shm>);
static_assert(Transport<transport::Tcp> && !transport::MapsMemory<transport::Tcp>);

struct WithMap : Least {
  static constexpr std::uint32_t kCapabilities = kMapped;
  static Window map(const Remote&) noexcept;
};
static_assert(Transport<WithMap>);

// A capability without what it demands.
struct ClaimsMappedWithoutMap : Least {
  static constexpr std::uint32_t kCapabilities = kMapped;
};
static_assert(!Transport<ClaimsMappedWithoutMap>);
struct MapMayThrow : ClaimsMappedWithoutMap {
  static Window map(const Remote&);
};
static_assert(!Transport<MapMayThrow>);
struct MapReturnsPointer : ClaimsMappedWithoutMap {
  static std::byte* map(const Remote&) noexcept;
};
static_assert(!Transport<MapReturnsPointer>);

// A data path that may throw.
struct PutMayThrow : Least {
  Status put(Remote&, std::uint64_t, Bytes) const;
};
static_assert(!Transport<PutMayThrow>);
struct SignalMayThrow : Least {
  Status signal(Remote&, std::uint64_t, std::uint64_t) const;
};
static_assert(!Transport<SignalMayThrow>);
struct CloseMayThrow : Least {
  void close();
};
static_assert(!Transport<CloseMayThrow>);

// Something is missing.
struct NoGet : Least {
  void get() = delete;
};
static_assert(!Transport<NoGet>);
struct NoFlush : Least {
  void flush() = delete;
};
static_assert(!Transport<NoFlush>);
struct NoRemote : Least {
  using Remote = void;
};
static_assert(!Transport<NoRemote>);
struct NoName : Least {
  static constexpr int kName = 0;
};
static_assert(!Transport<NoName>);

// Another type comes back, or an operation changes the transport.
struct PutReturnsBool : Least {
  bool put(Remote&, std::uint64_t, Bytes) const noexcept;
};
static_assert(!Transport<PutReturnsBool>);
struct AllocateReturnsPointer : Least {
  Result<std::byte*> allocate(std::uint64_t);
};
static_assert(!Transport<AllocateReturnsPointer>);
struct OpenWithoutDeadline : Least {
  Result<Remote> open(Bytes);
};
static_assert(!Transport<OpenWithoutDeadline>);
struct PutChangesTheTransport : Least {
  Status put(Remote&, std::uint64_t, Bytes) noexcept;
};
static_assert(!Transport<PutChangesTheTransport>);
static_assert(!Transport<int>);

struct TwoThreads {
  unsigned rank() const { return 0; }
  unsigned size() const { return 2; }
  void sync() const {}
  bool any(bool yes) const { return yes; }
};
static_assert(ThreadGroup<TwoThreads> && ThreadGroup<HostThread> && ThreadGroup<BlockGroup>);
struct SignedRank : TwoThreads {
  int rank() const { return 0; }
};
static_assert(!ThreadGroup<SignedRank>);
struct NoSync : TwoThreads {
  void sync() const = delete;
};
static_assert(!ThreadGroup<NoSync>);
struct SyncChangesTheGroup : TwoThreads {
  void sync() {}
};
static_assert(!ThreadGroup<SyncChangesTheGroup>);
struct AnyTellsNobody : TwoThreads {
  void any(bool yes) const;
};
static_assert(!ThreadGroup<AnyTellsNobody>);
static_assert(!ThreadGroup<unsigned>);

static_assert(Arithmetic<HostArithmetic> && Arithmetic<GroupArithmetic>);
struct OneDestination {
  void reduce(const HostThread&, void* destination, const void* const* sources, unsigned,
              std::uint64_t, bool) const;
};
static_assert(!Arithmetic<OneDestination>);
struct ReducesConstantMemory {
  void reduce(const HostThread&, void** destinations, unsigned, const void* const* sources,
              unsigned, std::uint64_t, bool, unsigned) const;
};
static_assert(!Arithmetic<ReducesConstantMemory>);
struct ReduceChangesIt {
  void reduce(const HostThread&, void* const*, unsigned, const void* const*, unsigned,
              std::uint64_t, bool, unsigned);
};
static_assert(!Arithmetic<ReduceChangesIt>);

struct Wire {
  bool post(std::span<const PutRequest>, bool) noexcept;
  bool flush() noexcept;
};
static_assert(Port<Wire>);
struct PostMayThrow : Wire {
  bool post(std::span<const PutRequest>, bool);
};
static_assert(!Port<PostMayThrow>);
struct FlushSaysNothing : Wire {
  void flush() noexcept;
};
static_assert(!Port<FlushSaysNothing>);
struct PostTakesOne : Wire {
  bool post(const PutRequest&, bool) noexcept;
};
static_assert(!Port<PostTakesOne>);

TEST(TransportConcept, names_and_capabilities_are_as_documented) {
  EXPECT_STREQ(transport::Loopback::kName, "loopback");
  EXPECT_STREQ(transport::Shm::kName, "shm");
  EXPECT_TRUE(transport::Loopback::kCapabilities & kMapped);
  EXPECT_TRUE(transport::Shm::kCapabilities & kMapped);
  EXPECT_STREQ(transport::Tcp::kName, "tcp");
  EXPECT_EQ(transport::Tcp::kCapabilities, 0u);
}

}  // namespace
}  // namespace sluice
