// Calls that do not fit each other, and what every rank must be told of them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "support/ranks.hpp"

namespace sluice::test {

struct Mismatch {
  std::string name;
  using Call = std::function<Status(Communicator&)>;
  Call most;                        // what all ranks but one call
  Call odd;                         // and that one
  std::string most_text, odd_text;  // what the error must say of them
};

/// Every kind, with `count` elements where a collective has some. For 3 ranks or more.
std::vector<Mismatch> mismatches(std::size_t count);

/// The body of a rank: makes its call, then barriers until the error comes. Checks code, text and
/// that it came within two seconds.
std::string run_mismatch(Communicator& communicator, const Mismatch& mismatch, int odd_rank);

}  // namespace sluice::test
