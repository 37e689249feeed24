// Who does the work of a schedule: one host thread, or the threads of a block.
#pragma once

#include <concepts>

#include "base/port.hpp"

namespace sluice {

/// `rank()` of `size()` threads that run the same schedule; sync() is a barrier among them that
/// also makes what each wrote before it visible to all after it. any() is one, too, and returns
/// whether any of them said `yes`.
template <class G>
concept ThreadGroup = requires(const G& group, bool yes) {
  { group.rank() } -> std::same_as<unsigned>;
  { group.size() } -> std::same_as<unsigned>;
  { group.sync() } -> std::same_as<void>;
  { group.any(yes) } -> std::same_as<bool>;
};

/// The calling thread alone.
struct HostThread {
  SLUICE_FN constexpr unsigned rank() const { return 0; }
  SLUICE_FN constexpr unsigned size() const { return 1; }
  SLUICE_FN constexpr void sync() const {}
  SLUICE_FN constexpr bool any(bool yes) const { return yes; }
};
static_assert(ThreadGroup<HostThread>);

}  // namespace sluice
