// NCCL_DEBUG_SUBSYS in our words.
#pragma once

#include <string_view>

namespace sluice::nccl {

/// "INIT,NET", "^TUNING": the topics of the log that NCCL's names select, as bits. Names that no
/// line is about are named by a line at info level, those that NCCL does not have by a warning.
unsigned topics_of(std::string_view subsystems);

}  // namespace sluice::nccl
