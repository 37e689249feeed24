// How a rank that has waited long sleeps, and how whoever raises a word wakes it.
//
// The raiser must not pay for sleepers that are not there: it stores its word, then reads one
// shared count of sleepers. The sleeper counts itself in and then makes every thread of the job run
// a memory barrier (membarrier), so either the raiser sees the count or the sleeper sees the word.
// Host only.
#pragma once

#include <cstdint>

#include "base/port.hpp"

namespace sluice {

struct alignas(64) Doorbell {
  std::uint32_t rung = 0;  // futex word: grows with every ring
  std::uint32_t sleeping = 0;
};

/// Called once in each process before its first doorbell; without it sleepers only wake by their
/// timer.
void prepare_doorbells() noexcept;

/// Sleeps until rung, 10 ms at the most, unless *word >= target already.
void sleep_on(Doorbell& doorbell, std::uint64_t* sleepers, const std::uint64_t* word,
              std::uint64_t target) noexcept;

/// Wakes the rank that sleeps on `doorbell`, if it does.
void ring(Doorbell& doorbell) noexcept;

}  // namespace sluice
