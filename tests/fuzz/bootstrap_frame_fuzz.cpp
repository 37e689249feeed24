// libFuzzer target for the bootstrap's parsers; docs/bootstrap.md says how to build and run it.
#include "tests/fuzz/bootstrap_frame_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  sluice::bootstrap::fuzz::run(std::as_bytes(std::span(data, bytes)));
  return 0;
}
