// Hosts that have several networks in common: all of them are used where that is worth while.
#include <fmt/format.h>

#include <fstream>
#include <string>

#include "on_hosts.hpp"
#include "support/rank_processes.hpp"

namespace sluice::test {
namespace {

constexpr milliseconds kLong(30'000);  // a timeout that no test waits for
constexpr std::uint64_t kEndless = ~0ull;
constexpr std::uint64_t kMuch = 1 << 20;    // more than is said in setting up
constexpr std::uint64_t kLittle = 1 << 18;  // more than that, and less than data would be

const Stream kLarge{"large", "", Stream::Kind::kAllReduce, 1 << 20};

class RailsOnHosts : public OnHosts {
 protected:
  /// What host 0 has sent by `interface`, in bytes.
  static std::uint64_t sent_by(const NetworkHosts& hosts, const std::string& interface) {
    std::uint64_t sent = 0;
    hosts.visit(0, [&] {
      std::ifstream table("/proc/thread-self/net/dev");
      for (std::string line; std::getline(table, line);) {
        const auto name = line.find(interface + ":");
        if (name == std::string::npos) continue;
        std::istringstream fields(line.substr(name + interface.size() + 1));
        for (int field = 0; field < 9; ++field) fields >> sent;  // 8 of what was received, first
      }
    });
    return sent;
  }
  static void limit_all(const NetworkHosts& hosts, const char* rate) {
    for (int host = 0; host < hosts.count(); ++host)
      for (const int rail : {0, 1}) hosts.limit(host, rate, rail);
  }
  static bool goes_on(RankProcesses& ranks, std::uint64_t rounds) {
    const std::uint64_t before = ranks[0].rounds;
    return comes_true(milliseconds(20'000), [&] { return ranks[0].rounds > before + rounds; });
  }
};

TEST_F(RailsOnHosts, slow_networks_are_used_together_unasked) {
  const NetworkHosts hosts(2, 2);
  limit_all(hosts, "200mbit");
  RankProcesses ranks(2, kLarge, kLong, kEndless, spread(hosts, 1));
  ASSERT_TRUE(ranks.under_way()) << ranks.texts();
  ASSERT_TRUE(goes_on(ranks, 3)) << ranks.texts();
  EXPECT_GT(sent_by(hosts, "a0"), kMuch);
  EXPECT_GT(sent_by(hosts, "b0"), kMuch);
}

// On a busy machine a quick network may be found slow once, but not every time.
TEST_F(RailsOnHosts, a_quick_network_is_used_alone) {
  constexpr int kTries = 5;
  bool alone = false;
  for (int i = 0; i < kTries && !alone; ++i) {
    const NetworkHosts hosts(2, 2);
    RankProcesses ranks(2, kLarge, kLong, kEndless, spread(hosts, 1));
    ASSERT_TRUE(ranks.under_way()) << ranks.texts();
    ASSERT_TRUE(goes_on(ranks, 3)) << ranks.texts();
    EXPECT_GT(sent_by(hosts, "a0"), kMuch);
    alone = sent_by(hosts, "b0") < kLittle;
  }
  EXPECT_TRUE(alone);
}

TEST_F(RailsOnHosts, nobody_notices_when_one_of_them_is_unplugged) {
  const NetworkHosts hosts(2, 2);
  limit_all(hosts, "200mbit");
  RankProcesses ranks(2, kLarge, kLong, kEndless, spread(hosts, 1));
  ASSERT_TRUE(ranks.under_way()) << ranks.texts();
  hosts.unplug(1, 1);
  EXPECT_TRUE(goes_on(ranks, 5)) << ranks.texts();
  hosts.plug_in(1, 1);
  const std::uint64_t before = sent_by(hosts, "b0");
  EXPECT_TRUE(comes_true(milliseconds(20'000), [&] {
    return sent_by(hosts, "b0") > before + kMuch;
  })) << "the rail is not used again";
  EXPECT_TRUE(goes_on(ranks, 3)) << ranks.texts();
}

}  // namespace
}  // namespace sluice::test
