// A connection that has proved the key: its socket, and how what travels over it is encrypted.
#pragma once

#include <memory>

#include "bootstrap/records.hpp"
#include "bootstrap/socket.hpp"

namespace sluice::transport::tcp {

struct Wire {
  bootstrap::Fd socket;
  std::unique_ptr<bootstrap::Encryption> encryption{};  // null: everything goes as it is
};

}  // namespace sluice::transport::tcp
