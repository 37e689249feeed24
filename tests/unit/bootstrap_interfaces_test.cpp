// Which network interfaces a rank uses: made-up hosts, and the real one.
#include "bootstrap/interfaces.hpp"

#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.hpp"
#include "bootstrap/launcher.hpp"
#include "bootstrap/unique_id_format.hpp"

namespace sluice::bootstrap {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Address address(const std::string& number) {
  const auto subnet = parse_subnet(number + "/0");
  EXPECT_TRUE(subnet) << number;
  return subnet ? subnet->address : Address{};
}

/// "10.0.0.1/8".
Interface interface(const std::string& name, const std::string& place, unsigned speed_mbit = 0) {
  const auto slash = place.find('/');
  Interface made;
  made.name = name;
  made.address = address(place.substr(0, slash));
  made.prefix_bits = static_cast<unsigned>(std::stoul(place.substr(slash + 1)));
  made.speed_mbit = speed_mbit;
  made.mtu_bytes = 1500;
  made.is_loopback = name == "lo";
  made.is_virtual = name.starts_with("docker") || name.starts_with("wg");
  return made;
}

const Interface kLoopback = interface("lo", "127.0.0.1/8");
const Address kNoRoute = Address{}.loopback();

/// A host with two Ethernets, one of them with both families, and a container bridge.
const std::vector<Interface> kHost{kLoopback,
                                   interface("lo", "::1/128"),
                                   interface("docker0", "172.17.0.1/16", 10'000),
                                   interface("eth0", "fd00::2/64", 1'000),
                                   interface("eth0", "192.0.2.2/24", 1'000),
                                   interface("eth1", "10.1.0.2/16", 25'000)};

/// What is chosen, as "name address", or the sentence of the error.
std::vector<std::string> choose(const std::vector<Interface>& present, const std::string& wanted,
                                const Address& default_route) {
  const auto chosen = choose_interfaces(present, wanted, default_route);
  if (!chosen.ok()) return {last_error()};
  std::vector<std::string> texts;
  for (const Interface& each : chosen.value())
    texts.push_back(each.name + " " + each.address.number());
  return texts;
}

std::string refusal(const std::string& wanted) {
  const auto chosen = choose_interfaces(kHost, wanted, kNoRoute);
  EXPECT_EQ(chosen.status().code(), Errc::kInvalidArgument) << wanted;
  return chosen.ok() ? "" : last_error();
}

TEST(Subnet, is_read_and_holds_its_addresses) {
  EXPECT_TRUE(parse_subnet("10.0.0.0/8")->contains(address("10.255.255.255")));
  EXPECT_FALSE(parse_subnet("10.0.0.0/8")->contains(address("11.0.0.0")));
  EXPECT_TRUE(parse_subnet("192.0.2.129/25")->contains(address("192.0.2.255")));
  EXPECT_FALSE(parse_subnet("192.0.2.129/25")->contains(address("192.0.2.127")));
  EXPECT_TRUE(parse_subnet("10.0.0.1/32")->contains(address("10.0.0.1")));
  EXPECT_FALSE(parse_subnet("10.0.0.1/32")->contains(address("10.0.0.0")));
  EXPECT_TRUE(parse_subnet("0.0.0.0/0")->contains(address("203.0.113.9")));
  EXPECT_TRUE(parse_subnet("fd00::/8")->contains(address("fdff::1")));
  EXPECT_FALSE(parse_subnet("fd00::/8")->contains(address("fe00::1")));
  EXPECT_TRUE(parse_subnet("2001:db8::/127")->contains(address("2001:db8::1")));
  EXPECT_FALSE(parse_subnet("2001:db8::/127")->contains(address("2001:db8::2")));
  EXPECT_FALSE(parse_subnet("0.0.0.0/0")->contains(address("::")));  // families do not mix
}

TEST(Subnet, refuses_what_is_none) {
  for (const char* bad :
       {"", "/", "/8", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "fd00::/129", "10.0.0/8",
        "10.0.0.0/8x", "10.0.0.0/-1", "10.0.0.0/ 8", "eth0/8", "10.0.0.0/99999999999"})
    EXPECT_FALSE(parse_subnet(bad)) << bad;
}

TEST(Interfaces, automatically_the_default_route_first_then_the_quickest) {
  EXPECT_THAT(choose(kHost, "", address("192.0.2.2")),
              ElementsAre("eth0 192.0.2.2", "eth1 10.1.0.2"));
  EXPECT_THAT(choose(kHost, "", kNoRoute), ElementsAre("eth1 10.1.0.2", "eth0 192.0.2.2"));
  const std::vector<Interface> equals{interface("b", "10.0.0.1/8", 100),
                                      interface("c", "10.1.0.1/8"),  // the speed is not known
                                      interface("a", "10.2.0.1/8", 100)};
  EXPECT_THAT(choose(equals, "", kNoRoute), ElementsAre("a 10.2.0.1", "b 10.0.0.1", "c 10.1.0.1"));
}

TEST(Interfaces, the_address_of_the_default_route_stands_for_its_interface) {
  EXPECT_THAT(choose(kHost, "", address("fd00::2")), ElementsAre("eth0 fd00::2", "eth1 10.1.0.2"));
}

TEST(Interfaces, virtual_and_link_local_ones_only_if_asked_for_or_the_default_route) {
  std::vector<Interface> host{interface("docker0", "172.17.0.1/16"),
                              interface("usb0", "169.254.3.1/16"), interface("eth0", "10.0.0.1/8")};
  EXPECT_THAT(choose(host, "", kNoRoute), ElementsAre("eth0 10.0.0.1"));
  EXPECT_THAT(choose(host, "docker0,169.254.0.0/16", kNoRoute),
              ElementsAre("docker0 172.17.0.1", "usb0 169.254.3.1"));
  host.push_back(interface("wg0", "10.9.0.1/24"));
  EXPECT_THAT(choose(host, "", address("10.9.0.1")), ElementsAre("wg0 10.9.0.1", "eth0 10.0.0.1"));
}

TEST(Interfaces, loopback_only_if_asked_for_or_nothing_else) {
  EXPECT_THAT(choose({kLoopback}, "", kNoRoute), ElementsAre("lo 127.0.0.1"));
  EXPECT_THAT(choose({interface("docker0", "172.17.0.1/16"), interface("lo", "::1/128"), kLoopback},
                     "", kNoRoute),
              ElementsAre("lo 127.0.0.1"));
  EXPECT_THAT(choose(kHost, "lo", address("192.0.2.2")), ElementsAre("lo 127.0.0.1"));
  EXPECT_THAT(choose(kHost, "::1/128,eth1", kNoRoute), ElementsAre("lo ::1", "eth1 10.1.0.2"));
  EXPECT_THAT(choose(kHost, "^eth0,^eth1", address("192.0.2.2")), ElementsAre("lo 127.0.0.1"));
}

TEST(Interfaces, names_and_subnets_are_taken_in_their_order) {
  const Address route = address("192.0.2.2");
  EXPECT_THAT(choose(kHost, "eth1,eth0", route), ElementsAre("eth1 10.1.0.2", "eth0 192.0.2.2"));
  EXPECT_THAT(choose(kHost, "fd00::/8", route), ElementsAre("eth0 fd00::2"));
  EXPECT_THAT(choose(kHost, "10.0.0.0/8,192.0.2.0/24", route),
              ElementsAre("eth1 10.1.0.2", "eth0 192.0.2.2"));
  EXPECT_THAT(choose(kHost, "0.0.0.0/0,^lo,^docker0", route),
              ElementsAre("eth0 192.0.2.2", "eth1 10.1.0.2"));
  EXPECT_THAT(choose(kHost, "fd00::/8,eth0", route), ElementsAre("eth0 fd00::2"));  // once
}

TEST(Interfaces, exclusions_leave_the_rest_and_may_name_what_is_not_there) {
  const Address route = address("192.0.2.2");
  EXPECT_THAT(choose(kHost, "^eth0", route), ElementsAre("eth1 10.1.0.2"));
  EXPECT_THAT(choose(kHost, "^10.0.0.0/8", route), ElementsAre("eth0 192.0.2.2"));
  EXPECT_THAT(choose(kHost, "^ib0", route), ElementsAre("eth0 192.0.2.2", "eth1 10.1.0.2"));
}

TEST(Interfaces, what_is_not_there_is_refused_with_what_is) {
  EXPECT_THAT(refusal("eth0,eth7"),
              AllOf(HasSubstr("SLUICE_NET=eth0,eth7"), HasSubstr("\"eth7\""),
                    HasSubstr("eth0 192.0.2.2/24 (1000 Mbit/s)"), HasSubstr("eth0 fd00::2/64"),
                    HasSubstr("eth1 10.1.0.2/16 (25000 Mbit/s)"), HasSubstr("lo 127.0.0.1/8")));
  EXPECT_THAT(refusal("eth"), HasSubstr("\"eth\""));  // names are whole
  EXPECT_THAT(refusal("203.0.113.0/24"), HasSubstr("\"203.0.113.0/24\""));
  EXPECT_THAT(refusal("10.0.0.0/33"), HasSubstr("\"10.0.0.0/33\" is not a subnet"));
  for (const char* empty : {",", "eth0,,eth1", "^", "^,eth0"})
    EXPECT_THAT(refusal(empty), HasSubstr("an entry is empty")) << empty;
  EXPECT_THAT(refusal("eth0,^eth0"), HasSubstr("it is excluded"));
  EXPECT_THAT(refusal("^eth0,^eth1,^lo"), HasSubstr("no interface is left"));
  EXPECT_FALSE(choose_interfaces({}, "", kNoRoute).ok());
  EXPECT_THAT(last_error(), HasSubstr("this host has none"));
}

TEST(Interfaces, at_most_eight) {
  std::vector<Interface> many;
  for (int i = 0; i < 12; ++i)
    many.push_back(interface(fmt::format("e{:02}", i), fmt::format("10.{}.0.1/16", i)));
  const auto chosen = choose(many, "", address("10.11.0.1"));
  ASSERT_EQ(chosen.size(), kMaxInterfaces);
  EXPECT_EQ(chosen.front(), "e11 10.11.0.1");
  EXPECT_EQ(chosen.back(), "e06 10.6.0.1");
  EXPECT_EQ(choose(many, "10.0.0.0/8", kNoRoute).size(), kMaxInterfaces);
}

std::vector<Address> addresses(const std::vector<std::string>& numbers) {
  std::vector<Address> all;
  for (const std::string& number : numbers) all.push_back(address(number));
  return all;
}

TEST(InterfacePairs, those_of_one_subnet_whatever_their_order) {
  const std::vector<Interface> mine{interface("a", "10.0.0.1/24"), interface("b", "10.0.1.1/24")};
  EXPECT_THAT(pair_interfaces(mine, addresses({"10.0.1.2", "10.0.0.2"})),
              ElementsAre(InterfacePair{0, 1, true}, InterfacePair{1, 0, true}));
}

TEST(InterfacePairs, each_once_in_order_where_all_share_a_subnet) {
  const std::vector<Interface> mine{interface("a", "10.0.0.1/24"), interface("b", "10.0.0.2/24")};
  EXPECT_THAT(pair_interfaces(mine, addresses({"10.0.0.3", "10.0.0.4", "10.0.0.5"})),
              ElementsAre(InterfacePair{0, 0, true}, InterfacePair{1, 1, true}));
}

TEST(InterfacePairs, the_narrowest_subnet_first) {
  const std::vector<Interface> mine{interface("a", "10.0.0.1/8"), interface("b", "10.1.0.1/16")};
  EXPECT_THAT(pair_interfaces(mine, addresses({"10.1.0.2", "10.9.0.2"})),
              ElementsAre(InterfacePair{1, 0, true}, InterfacePair{0, 1, true}));
}

TEST(InterfacePairs, what_shares_no_subnet_may_be_routed) {
  const std::vector<Interface> mine{interface("a", "10.0.0.1/24"), interface("b", "10.8.0.1/32"),
                                    interface("c", "fd00:1::1/64")};
  EXPECT_THAT(pair_interfaces(mine, addresses({"10.8.0.2", "fd00:2::1", "10.0.0.2"})),
              ElementsAre(InterfacePair{0, 2, true}, InterfacePair{1, 0, false},
                          InterfacePair{2, 1, false}));
}

TEST(InterfacePairs, loopback_link_local_and_families_stay_among_themselves) {
  const std::vector<Interface> mine{kLoopback, interface("a", "10.0.0.1/24"),
                                    interface("u", "169.254.1.1/16")};
  EXPECT_THAT(pair_interfaces(mine, addresses({"fd00::1", "127.0.0.5"})),
              ElementsAre(InterfacePair{0, 1, true}));
  EXPECT_THAT(pair_interfaces(mine, addresses({"192.0.2.1"})),
              ElementsAre(InterfacePair{1, 0, false}));
  EXPECT_THAT(pair_interfaces(mine, addresses({"169.254.9.9"})),
              ElementsAre(InterfacePair{2, 0, true}));
  EXPECT_THAT(pair_interfaces({}, addresses({"10.0.0.1"})), IsEmpty());
  EXPECT_THAT(pair_interfaces(mine, {}), IsEmpty());
}

NetworkPlace place(const std::string& text) {
  const Interface made = interface("", text);
  return {made.address, made.prefix_bits};
}

/// The networks that hosts with these addresses have in common, as "first second ...".
std::vector<std::string> common(const std::vector<std::vector<std::string>>& texts) {
  std::vector<std::vector<NetworkPlace>> hosts;
  for (const auto& host : texts) {
    hosts.emplace_back();
    for (const std::string& text : host) hosts.back().push_back(place(text));
  }
  std::vector<std::string> found;
  for (const auto& network : common_networks(hosts)) {
    std::vector<std::string> numbers;
    for (const NetworkPlace& each : network) numbers.push_back(each.address.number());
    found.push_back(fmt::format("{}", fmt::join(numbers, " ")));
  }
  return found;
}

TEST(CommonNetworks, are_those_of_all_hosts_in_the_order_of_the_first) {
  EXPECT_THAT(common({{"10.1.0.1/24", "10.2.0.1/24", "fd00::1/64"},
                      {"fd00::2/64", "10.2.0.2/24", "10.1.0.2/24"},
                      {"10.1.0.3/24", "fd00::3/64"}}),
              ElementsAre("10.1.0.1 10.1.0.2 10.1.0.3", "fd00::1 fd00::2 fd00::3"));
  EXPECT_THAT(common({{"10.1.0.1/24"}, {"10.3.0.1/24"}}), IsEmpty());
  EXPECT_THAT(common({}), IsEmpty());
}

TEST(CommonNetworks, containers_bridges_that_look_alike_are_none) {
  EXPECT_THAT(common({{"192.0.2.1/24", "172.17.0.1/16"}, {"192.0.2.2/24", "172.17.0.1/16"}}),
              ElementsAre("192.0.2.1 192.0.2.2"));
}

TEST(CommonNetworks, one_with_several_interfaces_of_a_host_counts_once) {
  EXPECT_THAT(common({{"10.1.0.1/24", "10.1.0.2/24"}, {"10.1.0.3/24", "10.1.0.4/24"}}),
              ElementsAre("10.1.0.1 10.1.0.3"));
}

TEST(CommonNetworks, subnets_of_other_lengths_are_others) {
  EXPECT_THAT(common({{"10.1.0.1/24"}, {"10.1.0.2/16"}}), IsEmpty());
}

TEST(CommonNetworks, what_a_peer_says_need_not_make_sense) {
  NetworkPlace odd = place("10.1.0.1/24");
  odd.prefix_bits = 4000;
  NetworkPlace none = place("10.1.0.1/24");
  none.address.family = 77;
  EXPECT_THAT(common_networks(std::vector<std::vector<NetworkPlace>>{{odd, none}, {odd, none}}),
              IsEmpty());
  EXPECT_THAT(
      common_networks(std::vector<std::vector<NetworkPlace>>{{place("10.1.0.1/24")}, {odd, none}}),
      IsEmpty());
}

class RealInterfaces : public testing::Test {
 protected:
  void SetUp() override {
    const auto listed = list_interfaces();
    ASSERT_TRUE(listed.ok()) << last_error();
    for (const Interface& each : listed.value())
      if (each.name == "lo") has_loopback_ = true;
    if (!has_loopback_) GTEST_SKIP() << "needs lo to be up";
    ::setenv("SLUICE_NET", "lo", 1);
  }
  void TearDown() override {
    for (const char* name : {"SLUICE_NET", "SLUICE_RANK", "SLUICE_SIZE", "SLUICE_ROOT"})
      ::unsetenv(name);
  }
  static Result<IdFields> launched(const char* root) {
    ::setenv("SLUICE_RANK", "0", 1);
    ::setenv("SLUICE_SIZE", "2", 1);
    ::setenv("SLUICE_ROOT", root, 1);
    SLUICE_TRY_ASSIGN(const LaunchInfo info, launch_from_environment());
    return decode_unique_id(info.id);
  }
  bool has_loopback_ = false;
};

TEST_F(RealInterfaces, are_listed_as_they_are) {
  const auto listed = list_interfaces();
  ASSERT_TRUE(listed.ok());
  for (const Interface& each : listed.value()) {
    EXPECT_FALSE(each.name.empty());
    EXPECT_EQ(each.name.find(':'), std::string::npos);
    EXPECT_GE(each.mtu_bytes, 68U) << each.text();  // the least that IPv4 allows
    EXPECT_TRUE(each.is_loopback || !each.address.is_loopback()) << each.text();
    EXPECT_EQ(each.address.port, 0);
    EXPECT_LE(each.prefix_bits, each.address.family == AF_INET ? 32U : 128U);
    EXPECT_GT(each.prefix_bits, 0U) << each.text();
    EXPECT_TRUE(each.subnet().contains(each.address));
  }
}

TEST_F(RealInterfaces, the_address_of_the_default_route_is_among_them) {
  const Address route = default_route_address();
  if (route.is_loopback()) GTEST_SKIP() << "needs a default route";
  ::unsetenv("SLUICE_NET");
  const auto used = used_interfaces();
  ASSERT_TRUE(used.ok()) << last_error();
  EXPECT_EQ(used.value().front().address.number(), route.number());
}

TEST_F(RealInterfaces, the_rendezvous_of_an_id_listens_where_SLUICE_NET_says) {
  const auto id = UniqueId::create();
  ASSERT_TRUE(id.ok()) << last_error();
  EXPECT_TRUE(decode_unique_id(id.value()).value().server.is_loopback());
}

TEST_F(RealInterfaces, an_unknown_one_is_refused_when_an_id_is_made) {
  ::setenv("SLUICE_NET", "no-such-nic", 1);
  EXPECT_EQ(UniqueId::create().status().code(), Errc::kInvalidArgument);
  EXPECT_THAT(last_error(), AllOf(HasSubstr("\"no-such-nic\""), HasSubstr("lo 127.0.0.1/8")));
  EXPECT_EQ(launched("192.0.2.99:4711").status().code(), Errc::kInvalidArgument);
}

TEST_F(RealInterfaces, rank_zero_listens_on_the_number_of_a_used_interface_alone) {
  const auto listed = list_interfaces();
  ASSERT_TRUE(listed.ok());
  for (const Interface& each : listed.value()) {
    if (each.is_loopback) continue;
    const std::string root = each.address.family == AF_INET6
                                 ? fmt::format("[{}]:4711", each.address.number())
                                 : fmt::format("{}:4711", each.address.number());
    ::setenv("SLUICE_NET", fmt::format("{}/{}", each.address.number(), each.prefix_bits).c_str(),
             1);
    const auto used = launched(root.c_str());
    ASSERT_TRUE(used.ok()) << last_error();
    EXPECT_FALSE(used.value().any_interface) << root;
    EXPECT_EQ(used.value().server.text(), root);
    ::setenv("SLUICE_NET", "lo", 1);
    const auto unused = launched(root.c_str());
    ASSERT_TRUE(unused.ok()) << last_error();
    EXPECT_TRUE(unused.value().any_interface) << root;  // the launcher's word counts
    EXPECT_EQ(unused.value().server.text(), root);
  }
}

}  // namespace
}  // namespace sluice::bootstrap
