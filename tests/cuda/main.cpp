#include <gtest/gtest.h>

#include <cstdlib>

#include "catalogue_gpu.hpp"

int main(int argc, char** argv) {
  // One queue for each stream: in a shared one, a kernel that waits would hold up those behind it.
  ::setenv("CUDA_DEVICE_MAX_CONNECTIONS", "32", 0);
  testing::InitGoogleTest(&argc, argv);
  sluice::test::register_gpu_catalogue();
  return RUN_ALL_TESTS();
}
