// Bodies that exchange messages in awkward patterns.
#pragma once

#include <string>

#include "support/ranks.hpp"

namespace sluice::test {

/// Every rank with every rank and itself, several messages of each pair in order, sizes 0, tiny,
/// around the limits of a slot and of fetching, and large; head to head.
std::string exchange_everything(Communicator& communicator);

/// all_to_all_v, `rounds` times, with random counts and gaps, some above 16 KiB.
std::string random_all_to_all_v(Communicator& communicator, int rounds);

/// A receive of `wanted` floats meets a send of `sent`; rank 1 receives. Both sizes must be named
/// there.
std::string wrong_size(Communicator& communicator, std::size_t sent, std::size_t wanted);

/// A receive of int32 meets a send of float: rank 1 must name both.
std::string wrong_type(Communicator& communicator, std::size_t count);

}  // namespace sluice::test
