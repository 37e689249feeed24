// The congestion control of a connection.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <string>

#include "bootstrap/socket.hpp"

namespace sluice::transport::tcp {

/// Where the system has it and lets us; else the system's default stays. Empty: that stays, too.
inline void choose_congestion_control(const bootstrap::Fd& socket, const std::string& name) {
  if (name.empty()) return;
  static_cast<void>(::setsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, name.data(),
                                 static_cast<socklen_t>(name.size())));
}

}  // namespace sluice::transport::tcp
