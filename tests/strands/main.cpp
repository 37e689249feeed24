#include <gtest/gtest.h>

#include "catalogue_strands.hpp"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  sluice::test::register_strand_tests();
  return RUN_ALL_TESTS();
}
