// Bodies that exchange messages in awkward patterns.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "support/ranks.hpp"

namespace sluice::test {

/// Every rank with every rank and itself, several messages of each pair in order, sizes 0, tiny,
/// around the limits of a slot and of fetching, and large; head to head.
std::string exchange_everything(Communicator& communicator);
/// The same, where `exchange` moves the messages instead of Communicator::exchange().
using Exchange = std::function<Status(std::span<const Communicator::Transfer>)>;
std::string exchange_everything_by(const Communicator& communicator, const Exchange& exchange);

/// all_to_all_v, `rounds` times, with random counts and gaps, some above 16 KiB.
std::string random_all_to_all_v(Communicator& communicator, int rounds);
/// The arguments of Communicator::all_to_all_v(), of floats.
struct RaggedAllToAll {
  std::vector<std::size_t> sent, sent_at, received, received_at;
  std::vector<float> input, output;
};
using AllToAllVOf = std::function<Status(RaggedAllToAll&)>;
std::string random_all_to_all_v_by(const Communicator& communicator, int rounds,
                                   const AllToAllVOf& all_to_all_v);

/// A receive of `wanted` floats meets a send of `sent`; rank 1 receives. Both sizes must be named
/// there.
std::string wrong_size(Communicator& communicator, std::size_t sent, std::size_t wanted);

/// A receive of int32 meets a send of float: rank 1 must name both.
std::string wrong_type(Communicator& communicator, std::size_t count);

}  // namespace sluice::test
