// Messages from a rank to itself: rows of their own, and when the library is asked for the rank.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <string>

#include "bindings/mpi/point.hpp"
#include "library_double.hpp"

namespace {

const void* sent = nullptr;
const void* received = nullptr;

int fake_send(const void* buffer, int, void*, int, int, void*) {
  sent = buffer;
  return 0;
}
/// Fails, so that nothing is unpacked.
int fake_receive(void* buffer, int, void*, int, int, void*, void*) {
  received = buffer;
  return 1;
}
int fake_send_receive(const void* out, int, void*, int, int, void* in, int, void*, int, int, void*,
                      void*) {
  sent = out;
  received = in;
  return 1;
}
int fake_replace(void* buffer, int, void*, int, int, int, int, void*, void*) {
  sent = received = buffer;
  return 1;
}

}  // namespace

namespace sluice::mpi {
namespace {

using policy::Call;
using TestedPoint = Point<Standard, kMpi, int>;

constexpr int kOwnRank = 3, kOtherRank = 1, kAnySource = -1;

/// A type of 128 bytes whose windows are these.
class Self : public testing::Test {
 protected:
  Self() {
    const auto set = [](Function function, auto* fake) {
      library.next[kMpi][index_of(function)] = reinterpret_cast<void*>(fake);
    };
    set(Function::kSend, &fake_send);
    set(Function::kRecv, &fake_receive);
    set(Function::kSendrecv, &fake_send_receive);
    set(Function::kSendrecv_replace, &fake_replace);
    library_double = {.rank = kOwnRank};
  }
  ~Self() override {
    cached_types[cache_place(key_of(handle_))] = {};
    if (type_ != nullptr) drop(type_);
    library.next = {};
    policy::load();
  }
  void accelerate(std::initializer_list<const char*> calls, std::int64_t element_bytes = 8) {
    std::string rows;
    for (const char* call : calls)
      rows += std::string(rows.empty() ? "" : ",") +
              R"({"library": "abi", "mover": "*", "call": ")" + call + R"("})";
    const std::string file = testing::TempDir() + "sluice_mpi_self_" + std::to_string(getpid());
    std::ofstream(file) << R"({"format": "sluice-mpi table 1", "rows": [)" << rows << "]}";
    setenv("SLUICE_MPI_TABLE", file.c_str(), 1);
    library.family = Family::kStandard;
    policy::load();
    unsetenv("SLUICE_MPI_TABLE");
    std::remove(file.c_str());
    type_ = make_type_info({datatype::vector(16, 1, 2, datatype::named(8)), element_bytes}, true);
    cached_types[cache_place(key_of(handle_))] = {key_of(handle_), kForever, type_};
  }
  bool packs_send(int peer) {
    TestedPoint::send<Function::kSend>(user_.data(), 1, handle_, peer, 0, comm_);
    return sent != user_.data();
  }
  bool packs_receive(int peer) {
    TestedPoint::receive(user_.data(), 1, handle_, peer, 0, comm_, nullptr);
    return received != user_.data();
  }
  /// Of MPI_Sendrecv: what is packed of the two.
  std::array<bool, 2> packs_both(int to, int from) {
    TestedPoint::send_receive(user_.data(), 1, handle_, to, 0, other_.data(), 1, handle_, from, 0,
                              comm_, nullptr);
    return {sent != user_.data(), received != other_.data()};
  }
  bool packs_replaced(int to, int from) {
    TestedPoint::send_receive_replace(user_.data(), 1, handle_, to, 0, from, 0, comm_, nullptr);
    return sent != user_.data();
  }

  std::array<double, 32> user_{}, other_{};
  TypeInfo* type_ = nullptr;
  void* handle_ = Standard::number(0x123450);
  void* comm_ = Standard::comm_world();
};

using Both = std::array<bool, 2>;

TEST_F(Self, RowsForItGovernBothSidesAndOnlyThose) {
  accelerate({"self"});
  EXPECT_TRUE(packs_send(kOwnRank));
  EXPECT_TRUE(packs_receive(kOwnRank));
  EXPECT_FALSE(packs_send(kOtherRank));
  EXPECT_FALSE(packs_receive(kOtherRank));
  EXPECT_FALSE(packs_receive(kAnySource));
  EXPECT_FALSE(packs_send(Standard::kProcNull));
}

TEST_F(Self, RowsForSendAndReceiveAreForOthers) {
  accelerate({"send", "receive"});
  EXPECT_FALSE(packs_send(kOwnRank));
  EXPECT_FALSE(packs_receive(kOwnRank));
  EXPECT_TRUE(packs_send(kOtherRank));
  EXPECT_TRUE(packs_receive(kOtherRank));
  EXPECT_TRUE(packs_receive(kAnySource));
}

TEST_F(Self, InAnotherGroupNobodyIsThisRank) {
  library_double.is_inter = true;
  accelerate({"self"});
  EXPECT_FALSE(packs_send(kOwnRank));
  EXPECT_FALSE(packs_receive(kOwnRank));
  EXPECT_EQ(library_double.inter_questions, 2);
}

TEST_F(Self, TheRankIsAskedOnlyWhereItMakesADifference) {
  accelerate({"self", "send"});
  EXPECT_TRUE(packs_send(kOwnRank));
  EXPECT_TRUE(packs_send(kOtherRank));
  EXPECT_FALSE(packs_receive(kAnySource));
  EXPECT_FALSE(packs_receive(Standard::kProcNull));
  EXPECT_EQ(library_double.rank_questions, 0);
  EXPECT_FALSE(packs_receive(kOtherRank));
  EXPECT_EQ(library_double.rank_questions, 1);
  EXPECT_EQ(library_double.inter_questions, 0);
}

TEST_F(Self, NothingIsAskedOfATypeThatIsPassedOn) {
  accelerate({"collective", "pack"});
  EXPECT_FALSE(packs_send(kOwnRank));
  EXPECT_FALSE(packs_receive(kOwnRank));
  EXPECT_EQ(packs_both(kOwnRank, kOwnRank), (Both{false, false}));
  EXPECT_FALSE(packs_replaced(kOwnRank, kOwnRank));
  EXPECT_EQ(library_double.rank_questions, 0);
}

TEST_F(Self, EachSideOfAnExchangeGoesByItsOwnPeer) {
  accelerate({"self"});
  EXPECT_EQ(packs_both(kOwnRank, kOwnRank), (Both{true, true}));
  EXPECT_EQ(packs_both(kOwnRank, kOtherRank), (Both{true, false}));
  EXPECT_EQ(packs_both(kOtherRank, kOwnRank), (Both{false, true}));
  EXPECT_EQ(packs_both(kOtherRank, kAnySource), (Both{false, false}));
  // One buffer: both or none.
  EXPECT_TRUE(packs_replaced(kOwnRank, kOwnRank));
  EXPECT_FALSE(packs_replaced(kOwnRank, kOtherRank));
  EXPECT_FALSE(packs_replaced(kOtherRank, kOwnRank));
}

TEST_F(Self, WhatTheLibraryWouldLoseElementsOfIsReceivedAllTheSame) {
  accelerate({}, kMixedElements);
  ASSERT_TRUE(type_->always_received);
  EXPECT_TRUE(packs_receive(kOwnRank));
  EXPECT_FALSE(packs_send(kOwnRank));
  EXPECT_EQ(packs_both(kOwnRank, kOwnRank), (Both{false, true}));
  EXPECT_TRUE(packs_replaced(kOwnRank, kOwnRank));
  EXPECT_EQ(library_double.rank_questions, 0);
}

TEST_F(Self, WhatPassesAtOnceMissesBothWindows) {
  accelerate({"self"});
  EXPECT_FALSE(type_->reach(Call::kSend).misses(128));
  EXPECT_FALSE(type_->reach(Call::kReceive).misses(128));
  EXPECT_TRUE(type_->reach(Call::kSend).misses(0));
  const policy::Range none, low{1, 10}, high{20, 30};
  EXPECT_TRUE(none.with(none).empty());
  EXPECT_EQ(none.with(high).first, 20u);
  EXPECT_EQ(low.with(none).last, 10u);
  EXPECT_FALSE(high.with(low).misses(1));
  EXPECT_FALSE(high.with(low).misses(30));
  EXPECT_TRUE(high.with(low).misses(31));
}

}  // namespace
}  // namespace sluice::mpi
