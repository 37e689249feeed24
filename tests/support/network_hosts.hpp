// Hosts that the ranks of a test can be put on: network namespaces on one switch.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/fd.hpp"

namespace sluice::test {

/// `count` hosts, each with a loopback and, for each rail, an interface (a0, b0) with a cable to
/// that rail's switch. They have no names: they end with the last process that has their
/// descriptors or runs on them, however it ends. For one thread, in a process that may make
/// namespaces.
class NetworkHosts {
 public:
  /// Why this process cannot have any; empty when it can. The same as long as it lives.
  static const std::string& obstacle();

  /// Throws std::runtime_error, with the command that failed.
  explicit NetworkHosts(int count, int rails = 1);

  int count() const { return static_cast<int>(hosts_.size()); }
  /// In dotted form; the network is 10.10.0.0/24 on rail 0, 10.20.0.0/24 on rail 1.
  static std::string address(int host, int rail = 0);

  /// Moves the calling process there for good. What it asks to meet (UniqueId::create) will listen
  /// on the host's first address.
  void enter(int host) const;
  /// Calls `body` there; descriptors that it opens belong to the host.
  void visit(int host, const std::function<void()>& body) const;

  /// What the host sends on a rail goes no faster than `rate`, as tc writes it ("8mbit").
  void limit(int host, const char* rate, int rail = 0) const;
  /// The cable, at the switch's end: the host sees that its carrier is gone.
  void unplug(int host, int rail = 0) const;
  void plug_in(int host, int rail = 0) const;
  /// The interface itself, as an administrator turns it off: its routes are gone, too.
  void turn_off(int host, int rail = 0) const;
  void turn_on(int host, int rail = 0) const;

 private:
  void connect(int host, int rail) const;
  void await_links(int rails) const;

  Fd switch_;
  std::vector<Fd> hosts_;
};

}  // namespace sluice::test
