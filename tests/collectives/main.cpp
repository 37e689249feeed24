#include <gtest/gtest.h>

#include "catalogue_tests.hpp"

int main(int count, char** arguments) {
  testing::InitGoogleTest(&count, arguments);
  sluice::test::register_catalogue_tests();
  return RUN_ALL_TESTS();
}
