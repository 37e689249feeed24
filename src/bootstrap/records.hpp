// Encryption of a connection: after the handshake everything travels in records that nobody can
// read, and that nobody can alter, repeat, leave out or reorder without being noticed.
// docs/bootstrap.md has every byte.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "bootstrap/authentication.hpp"
#include "bootstrap/socket.hpp"

namespace sluice::bootstrap {

inline constexpr std::size_t kMaxRecordBytes = std::size_t{16} << 10;  // of what it carries
inline constexpr std::size_t kRecordLengthBytes = 4;
inline constexpr std::size_t kRecordTagBytes = 16;
inline constexpr std::size_t kRecordOverheadBytes = kRecordLengthBytes + kRecordTagBytes;
/// How much of a stream is in memory at a time, on its way into or out of one system call.
inline constexpr std::size_t kRecordsPerTurn = 4;

/// Seals what one end sends.
class RecordWriter {
 public:
  explicit RecordWriter(const SessionKey& key) : key_(key) {}

  /// Whether something that was sealed is not sent yet.
  bool pending() const { return sent_bytes_ < sealed_bytes_; }
  /// Takes as much of `parts` as fits one turn, and returns how many bytes. Only when nothing is
  /// pending.
  std::size_t seal(std::span<const iovec> parts);
  /// One system call. 0 when bytes moved, else an errno (EAGAIN: no room now). `carried` is set to
  /// what the records carry that went out whole by it.
  int send(const Fd& socket, std::size_t& carried);

 private:
  void seal_record(std::byte* record, std::size_t bytes);
  std::size_t carried_by(std::size_t sent_bytes) const;

  const SessionKey key_;
  std::uint64_t records_ = 0;  // so far; the nonce of the next
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t taken_bytes_ = 0;  // what the sealed records carry
  std::size_t sealed_bytes_ = 0;
  std::size_t sent_bytes_ = 0;
};

/// Opens what the other end has sealed. Nothing that is not authentic is ever handed out.
class RecordReader {
 public:
  explicit RecordReader(const SessionKey& key) : key_(key) {}

  /// One system call, like recv(): the bytes that came, 0 at the end, -1 with errno. Only when
  /// next() has nothing more.
  ssize_t receive(const Fd& socket);
  /// What the next record carries, until the next receive(); empty when none is there whole, and
  /// for ever once one was wrong: complaint() says how.
  std::span<const std::byte> next();
  const std::string& complaint() const { return complaint_; }
  /// False in the middle of one.
  bool between_records() const { return begin_ == end_; }

 private:
  bool open_record(std::byte* record, std::size_t bytes);

  const SessionKey key_;
  std::uint64_t records_ = 0;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // of what is not opened yet
  std::string complaint_;
};

/// Both ways of one connection, as one end has them.
struct Encryption {
  RecordWriter out;
  RecordReader in;
};

/// Of the connection whose ends have greeted each other so and proved the secret; null where they
/// do not encrypt.
std::unique_ptr<Encryption> make_encryption(const Secret& secret, Role mine, const Greeting& client,
                                            const Greeting& server);

}  // namespace sluice::bootstrap
