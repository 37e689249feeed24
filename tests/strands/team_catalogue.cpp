#include "catalogue_strands.hpp"

namespace sluice::test {

std::span<const TeamEntry> team_catalogue() { return kCatalogue<TeamContext>; }

}  // namespace sluice::test
