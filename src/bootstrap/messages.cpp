#include "bootstrap/messages.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <fstream>

#include "bootstrap/authentication.hpp"
#include "bootstrap/little_endian.hpp"

namespace sluice::bootstrap {
namespace {

constexpr auto kFirstErrc = static_cast<std::uint32_t>(Errc::kGpuError);
constexpr auto kLastErrc = static_cast<std::uint32_t>(Errc::kAborted);

/// Text from outside goes into logs and terminals: no control characters.
std::string printable(std::span<const std::byte> bytes) {
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return text;
}

void append_text(Bytes& bytes, std::string_view text) {
  text = text.substr(0, kMaxTextBytes);
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  bytes.insert(bytes.end(), begin, begin + text.size());
}

void encode_process(const Process& process, std::byte* at) {
  std::memcpy(at, process.host.data(), process.host.size());
  store_u32(at + 16, process.pid);
  std::memcpy(at + 20, process.host_name.data(),
              std::min(process.host_name.size(), kHostNameBytes));
}

Process decode_process(std::span<const std::byte> bytes) {
  Process process;
  std::memcpy(process.host.data(), bytes.data(), process.host.size());
  process.pid = load_u32(bytes.data() + 16);
  const auto name = bytes.subspan(20, kHostNameBytes);
  const auto end = std::find(name.begin(), name.end(), std::byte{0});
  process.host_name = printable(name.first(static_cast<std::size_t>(end - name.begin())));
  return process;
}

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

Process this_process() {
  char name[HOST_NAME_MAX + 1] = "";
  ::gethostname(name, sizeof name - 1);
  char space[128] = "";
  [[maybe_unused]] const auto length = ::readlink("/proc/self/ns/pid", space, sizeof space - 1);
  const std::string identity = first_line("/proc/sys/kernel/random/boot_id") + space;
  // Where /proc says nothing, the name is the best there is.
  const Secret hash = hash_to_secret("sluice host v1", identity.empty() ? name : identity);
  Process process;
  std::copy_n(hash.begin(), process.host.size(), process.host.begin());
  process.pid = static_cast<std::uint32_t>(::getpid());
  process.host_name = std::string(name).substr(0, kHostNameBytes);
  return process;
}

Bytes encode(const Registration& registration) {
  Bytes bytes(kRegistrationBytes);
  store_u32(bytes.data(), registration.size);
  encode_process(registration.process, bytes.data() + 4);
  return bytes;
}

Bytes encode(const Welcome& welcome) {
  Bytes bytes((1 + welcome.ranks.size()) * kProcessBytes);
  encode_process(welcome.server, bytes.data());
  for (std::size_t rank = 0; rank < welcome.ranks.size(); ++rank) {
    encode_process(welcome.ranks[rank], bytes.data() + (1 + rank) * kProcessBytes);
  }
  return bytes;
}

Bytes encode(const Notice& notice) {
  Bytes bytes(4);
  store_u32(bytes.data(), static_cast<std::uint32_t>(notice.code));
  append_text(bytes, notice.text);
  return bytes;
}

Bytes encode(const JoinedReport& report) {
  Bytes bytes((report.joined.size() + 7) / 8);
  for (std::size_t rank = 0; rank < report.joined.size(); ++rank) {
    if (report.joined[rank]) bytes[rank / 8] |= std::byte{1} << (rank % 8);
  }
  append_text(bytes, report.remark);
  return bytes;
}

std::optional<Registration> decode_registration(std::span<const std::byte> bytes) {
  if (bytes.size() != kRegistrationBytes) return std::nullopt;
  return Registration{load_u32(bytes.data()), decode_process(bytes.subspan(4))};
}

std::optional<Welcome> decode_welcome(std::span<const std::byte> bytes) {
  if (bytes.size() < 2 * kProcessBytes || bytes.size() % kProcessBytes != 0) return std::nullopt;
  Welcome welcome;
  welcome.server = decode_process(bytes);
  for (std::size_t at = kProcessBytes; at < bytes.size(); at += kProcessBytes) {
    welcome.ranks.push_back(decode_process(bytes.subspan(at)));
  }
  return welcome;
}

std::optional<Notice> decode_notice(std::span<const std::byte> bytes) {
  if (bytes.size() < 4 || bytes.size() > kMaxNoticeBytes) return std::nullopt;
  const std::uint32_t code = load_u32(bytes.data());
  if (code < kFirstErrc || code > kLastErrc) return std::nullopt;
  return Notice{static_cast<Errc>(code), printable(bytes.subspan(4))};
}

std::optional<JoinedReport> decode_joined(std::span<const std::byte> bytes, std::size_t size) {
  const std::size_t bitmap_bytes = (size + 7) / 8;
  if (bytes.size() < bitmap_bytes || bytes.size() > bitmap_bytes + kMaxTextBytes)
    return std::nullopt;
  JoinedReport report;
  for (std::size_t rank = 0; rank < size; ++rank) {
    report.joined.push_back((bytes[rank / 8] & std::byte{1} << (rank % 8)) != std::byte{0});
  }
  report.remark = printable(bytes.subspan(bitmap_bytes));
  return report;
}

std::string name_ranks(const std::vector<int>& ranks) {
  constexpr std::size_t kNamed = 16;
  std::string text = "rank ";
  const std::size_t named = std::min(ranks.size(), kNamed);
  for (std::size_t i = 0; i < named; ++i) {
    const bool last = i + 1 == ranks.size();
    text += fmt::format("{}{}", i == 0 ? "" : last ? " and " : ", ", ranks[i]);
  }
  if (ranks.size() > named) text += fmt::format(" and {} more", ranks.size() - named);
  return text;
}

}  // namespace sluice::bootstrap
