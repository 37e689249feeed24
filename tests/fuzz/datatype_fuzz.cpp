// libFuzzer target for layouts of derived datatypes; docs/datatypes.md says how to build and run
// it.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/datatype_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  const auto complaint = sluice::datatype::fuzz::run(std::as_bytes(std::span(data, bytes)));
  if (complaint.empty()) return 0;
  std::fprintf(stderr, "%s\n", complaint.c_str());
  std::abort();
}
