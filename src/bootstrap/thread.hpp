// Starting the bootstrap's service threads.
#pragma once

#include <functional>
#include <thread>

#include "sluice/status.hpp"

namespace sluice::bootstrap {

/// A named thread that takes no signals: the program's handlers run on the program's threads.
Result<std::thread> start_thread(const char* name, std::function<void()> body);

}  // namespace sluice::bootstrap
