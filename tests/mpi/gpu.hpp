// Memory of a GPU for the programs of tests/mpi, where SLUICE_TEST_GPU asks for it, the file name
// of CUDA's driver or of HIP's runtime: through that, or the double of it that run.py puts in its
// place.
#pragma once

#include <cstddef>
#include <vector>

namespace mpi_test {

/// A copy of bytes in a GPU's memory; without SLUICE_TEST_GPU, or before it is made, nothing.
class GpuCopy {
 public:
  GpuCopy() = default;
  GpuCopy(const GpuCopy&) = delete;
  GpuCopy& operator=(const GpuCopy&) = delete;
  GpuCopy(GpuCopy&& other) noexcept;
  ~GpuCopy();

  /// Whether programs are to use it.
  static bool wanted();

  /// Where a copy of the bytes is, made at the first call.
  std::byte* of(const std::vector<std::byte>& bytes);
  /// Copies them again.
  void renew(const std::vector<std::byte>& bytes);
  /// Copies back what is there now.
  void fetch(std::vector<std::byte>& bytes) const;

 private:
  std::byte* memory_ = nullptr;
};

}  // namespace mpi_test
