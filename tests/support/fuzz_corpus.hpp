// The inputs that a fuzzer has found worth keeping: tests run them without it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace sluice::test {

/// Of one target in tests/fuzz/corpus, by file name.
inline std::map<std::string, std::vector<std::byte>> fuzz_corpus(const std::string& target) {
  const auto folder = std::filesystem::path(SLUICE_SOURCE_DIR) / "tests/fuzz/corpus" / target;
  std::map<std::string, std::vector<std::byte>> inputs;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
    inputs[entry.path().filename()] = {bytes, bytes + text.size()};
  }
  return inputs;
}

}  // namespace sluice::test
