// The payloads of frames, and their checked parsers. docs/bootstrap.md lists them byte by byte.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bootstrap/frame.hpp"
#include "sluice/status.hpp"

namespace sluice::bootstrap {

inline constexpr std::uint32_t kMaxRanks = 1 << 16;
inline constexpr std::size_t kHostNameBytes = 64;
inline constexpr std::size_t kProcessBytes = 16 + 4 + kHostNameBytes;
inline constexpr std::size_t kRegistrationBytes = 4 + kProcessBytes;
inline constexpr std::size_t kMaxTextBytes = 4096;
inline constexpr std::size_t kMaxNoticeBytes = 4 + kMaxTextBytes;
inline constexpr std::size_t kMaxJoinedBytes = kMaxRanks / 8 + kMaxTextBytes;

/// Where a rank lives. Two ranks with equal `host` can see each other's process ids.
struct Process {
  std::array<std::uint8_t, 16> host{};  // hash of the kernel's boot id and the process-id namespace
  std::uint32_t pid = 0;
  std::string host_name;

  bool same_process(const Process& other) const { return host == other.host && pid == other.pid; }
};

struct Registration {
  std::uint32_t size = 0;
  Process process;
};

struct Welcome {
  Process server;
  std::vector<Process> ranks;
};

/// A code and a sentence: why a rank is refused, or why one aborts.
struct Notice {
  Errc code{};
  std::string text;
};

struct JoinedReport {
  std::vector<bool> joined;  // by rank
  std::string remark;        // the last refusal, if there was one
};

/// This process.
Process this_process();

Bytes encode(const Registration& registration);
Bytes encode(const Welcome& welcome);
Bytes encode(const Notice& notice);
Bytes encode(const JoinedReport& report);

std::optional<Registration> decode_registration(std::span<const std::byte> bytes);
std::optional<Welcome> decode_welcome(std::span<const std::byte> bytes);
/// `code` is never kOk; `text` has no control characters.
std::optional<Notice> decode_notice(std::span<const std::byte> bytes);
std::optional<JoinedReport> decode_joined(std::span<const std::byte> bytes, std::size_t size);

/// "rank 2", "rank 2 and 5", "rank 2, 5 and 7", "rank 0, 1, 2, 3, 4, 5, 6, 7 and 92 more".
std::string name_ranks(const std::vector<int>& ranks);

}  // namespace sluice::bootstrap
