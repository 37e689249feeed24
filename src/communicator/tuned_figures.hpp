// The figures of a tuning file, the same on every rank.
#pragma once

#include <optional>

#include "bootstrap/bootstrap.hpp"
#include "plan/tuning.hpp"

namespace sluice {

/// Those for `key` in rank 0's tuning file (SLUICE_TUNING): all ranks must plan alike, so nobody
/// else's file is read. Nothing where rank 0 has no file, or that file nothing for `key`.
/// Collective. A file that cannot be read, or is damaged, is the same error on every rank.
Result<std::optional<CostModel>> tuned_figures(Bootstrap& bootstrap, const TuningKey& key,
                                               Deadline deadline);

}  // namespace sluice
