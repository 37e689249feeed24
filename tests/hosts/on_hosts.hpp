// What the tests of ranks on several hosts share.
#pragma once

#include <gtest/gtest.h>

#include "support/network_hosts.hpp"
#include "support/ranks.hpp"

namespace sluice::test {

/// Skipped, with the reason, where hosts cannot be made.
class OnHosts : public testing::Test {
 protected:
  void SetUp() override {
    if (!NetworkHosts::obstacle().empty()) GTEST_SKIP() << NetworkHosts::obstacle();
  }

  /// Ranks 0 to per_host - 1 on host 0, the next ones on host 1, ...
  static Place spread(const NetworkHosts& hosts, int per_host) {
    return [&hosts, per_host](int rank) { hosts.enter(rank / per_host); };
  }
};

template <class Parameter>
class OnHostsWith : public OnHosts, public testing::WithParamInterface<Parameter> {};

}  // namespace sluice::test
