#include "bootstrap/records.hpp"

#include <fmt/format.h>
#include <sodium.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "bootstrap/little_endian.hpp"

namespace sluice::bootstrap {
namespace {

constexpr std::size_t kSealedRecordBytes = kMaxRecordBytes + kRecordOverheadBytes;
constexpr std::size_t kBufferBytes = kRecordsPerTurn * kSealedRecordBytes;

static_assert(std::tuple_size_v<SessionKey> == crypto_aead_chacha20poly1305_ietf_KEYBYTES);
static_assert(kRecordTagBytes == crypto_aead_chacha20poly1305_ietf_ABYTES);

using RecordNonce = std::array<unsigned char, crypto_aead_chacha20poly1305_ietf_NPUBBYTES>;

/// A key is used for one direction of one connection, so counting is enough never to repeat one;
/// and who leaves a record out, or sends it twice, meets the wrong nonce.
RecordNonce nonce_of(std::uint64_t record) {
  std::array<std::byte, sizeof(RecordNonce)> bytes{};
  store_u64(bytes.data() + bytes.size() - sizeof record, record);
  RecordNonce nonce;
  std::memcpy(nonce.data(), bytes.data(), nonce.size());
  return nonce;
}

unsigned char* raw(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }

}  // namespace

std::size_t RecordWriter::seal(std::span<const iovec> parts) {
  if (!buffer_) buffer_ = std::make_unique_for_overwrite<std::byte[]>(kBufferBytes);
  taken_bytes_ = sealed_bytes_ = sent_bytes_ = 0;
  std::size_t part_taken = 0;
  while (!parts.empty() && sealed_bytes_ < kBufferBytes) {
    std::byte* const record = buffer_.get() + sealed_bytes_;
    std::size_t bytes = 0;
    while (!parts.empty() && bytes < kMaxRecordBytes) {
      const iovec& part = parts.front();
      const std::size_t taken = std::min(part.iov_len - part_taken, kMaxRecordBytes - bytes);
      std::memcpy(record + kRecordLengthBytes + bytes,
                  static_cast<const std::byte*>(part.iov_base) + part_taken, taken);
      bytes += taken;
      part_taken += taken;
      if (part_taken < part.iov_len) continue;
      parts = parts.subspan(1);
      part_taken = 0;
    }
    seal_record(record, bytes);
    taken_bytes_ += bytes;
    sealed_bytes_ += bytes + kRecordOverheadBytes;
  }
  return taken_bytes_;
}

void RecordWriter::seal_record(std::byte* record, std::size_t bytes) {
  store_u32(record, static_cast<std::uint32_t>(bytes));
  std::byte* const content = record + kRecordLengthBytes;
  ::crypto_aead_chacha20poly1305_ietf_encrypt_detached(
      raw(content), raw(content + bytes), nullptr, raw(content), bytes, raw(record),
      kRecordLengthBytes, nullptr, nonce_of(records_++).data(), key_.data());
}

int RecordWriter::send(const Fd& socket, std::size_t& carried) {
  carried = 0;
  for (;;) {
    const ssize_t count = ::send(socket.get(), buffer_.get() + sent_bytes_,
                                 sealed_bytes_ - sent_bytes_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      const std::size_t before = carried_by(sent_bytes_);
      sent_bytes_ += static_cast<std::size_t>(count);
      carried = carried_by(sent_bytes_) - before;
      return 0;
    }
    if (errno == EWOULDBLOCK) return EAGAIN;
    if (errno != EINTR) return errno;
  }
}

/// All records of a turn are full but the last one.
std::size_t RecordWriter::carried_by(std::size_t sent_bytes) const {
  if (sent_bytes == sealed_bytes_) return taken_bytes_;
  return sent_bytes / kSealedRecordBytes * kMaxRecordBytes;
}

ssize_t RecordReader::receive(const Fd& socket) {
  if (!buffer_) buffer_ = std::make_unique_for_overwrite<std::byte[]>(kBufferBytes);
  std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  const ssize_t received =
      ::recv(socket.get(), buffer_.get() + end_, kBufferBytes - end_, MSG_DONTWAIT);
  if (received > 0) end_ += static_cast<std::size_t>(received);
  return received;
}

std::span<const std::byte> RecordReader::next() {
  if (!complaint_.empty() || end_ - begin_ < kRecordLengthBytes) return {};
  std::byte* const record = buffer_.get() + begin_;
  const std::size_t bytes = load_u32(record);
  if (bytes == 0 || bytes > kMaxRecordBytes) {
    complaint_ =
        fmt::format("an encrypted record of {} bytes, expected 1 to {}", bytes, kMaxRecordBytes);
    return {};
  }
  if (end_ - begin_ < bytes + kRecordOverheadBytes) return {};
  if (!open_record(record, bytes)) {
    complaint_ =
        "an encrypted record that is not authentic: it, or one before it, was altered, repeated, "
        "left out or reordered on its way";
    return {};
  }
  begin_ += bytes + kRecordOverheadBytes;
  return {record + kRecordLengthBytes, bytes};
}

/// In place, and only this buffer: nothing of it goes anywhere before the whole record has been
/// found authentic.
bool RecordReader::open_record(std::byte* record, std::size_t bytes) {
  std::byte* const content = record + kRecordLengthBytes;
  return ::crypto_aead_chacha20poly1305_ietf_decrypt_detached(
             raw(content), nullptr, raw(content), bytes, raw(content + bytes), raw(record),
             kRecordLengthBytes, nonce_of(records_++).data(), key_.data()) == 0;
}

std::unique_ptr<Encryption> make_encryption(const Secret& secret, Role mine, const Greeting& client,
                                            const Greeting& server) {
  if (!client.encrypts || !server.encrypts) return nullptr;
  const Role theirs = mine == Role::kClient ? Role::kServer : Role::kClient;
  return std::make_unique<Encryption>(
      Encryption{RecordWriter(session_key(secret, mine, client, server)),
                 RecordReader(session_key(secret, theirs, client, server))});
}

}  // namespace sluice::bootstrap
