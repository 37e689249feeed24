// libFuzzer target for the TCP transport's parsers; docs/tcp.md says how to build and run it.
#include "base/log.hpp"
#include "tests/fuzz/tcp_frame_input.hpp"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  sluice::log::set_level(sluice::log::Level::kOff);  // who is cut off is logged
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  sluice::transport::tcp::fuzz::run(std::as_bytes(std::span(data, bytes)));
  return 0;
}
