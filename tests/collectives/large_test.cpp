// More than 4 GiB in one call: offsets that do not fit 32 bits.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "support/ranks.hpp"
#include "support/sweep.hpp"

namespace sluice::test {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

/// Address space without memory until it is touched.
class Pages {
 public:
  explicit Pages(std::uint64_t bytes)
      : bytes_(bytes),
        at_(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
    if (good()) ::madvise(at_, bytes_, MADV_HUGEPAGE);
  }
  ~Pages() {
    if (good()) ::munmap(at_, bytes_);
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  bool good() const { return at_ != MAP_FAILED; }
  std::uint8_t* data() const { return static_cast<std::uint8_t*>(at_); }

 private:
  std::uint64_t bytes_;
  void* at_;
};

bool has_memory(std::uint64_t bytes) {
  const auto pages = ::sysconf(_SC_AVPHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page) > bytes;
}

/// Different for every place that a wrapped offset could lead to.
std::uint8_t mark(std::uint64_t at, int rank) {
  return static_cast<std::uint8_t>(at / (37 * kMiB) + 100 * static_cast<unsigned>(rank) + 1);
}

/// A broadcast of 4.25 GiB from pages of which one in 37 MiB is marked.
std::string broadcast(Communicator& c) {
  const std::uint64_t bytes = 4352 * kMiB + 13;
  Pages data(bytes);
  if (!data.good()) return "no address space";
  if (c.rank() == 0)
    for (std::uint64_t at = 0; at < bytes; at += 37 * kMiB) data.data()[at] = mark(at, 0);
  const Status status = c.broadcast(data.data(), data.data(), bytes, DataType::kInt8, 0);
  if (!status.ok()) return text_of(status);
  for (std::uint64_t at = 0; at < bytes; at += 37 * kMiB) {
    if (data.data()[at] != mark(at, 0)) return "wrong byte at " + std::to_string(at);
    if (at + 1 < bytes && data.data()[at + 1] != 0)
      return "stray byte behind " + std::to_string(at);
  }
  return {};
}

class Large : public testing::TestWithParam<const char*> {};

TEST_P(Large, broadcast_beyond_4_GiB) {
  if (!has_memory(10240 * kMiB)) GTEST_SKIP() << "needs 10 GiB of free memory";
  Options options;
  options.algorithm = std::string("broadcast:") + GetParam();
  options.timeout = std::chrono::seconds(60);
  EXPECT_EQ(spawn_threads(2, broadcast, options), "");
}
INSTANTIATE_TEST_SUITE_P(By, Large, testing::Values("staged", "direct", "tree"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace sluice::test
