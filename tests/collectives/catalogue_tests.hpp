#pragma once

namespace sluice::test {

/// Registers "<collective>.<algorithm>/ranks<p>" for every line of the catalogue.
void register_catalogue_tests();

}  // namespace sluice::test
