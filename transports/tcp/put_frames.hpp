// A call of the data path as frames.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "transports/tcp/frame.hpp"

namespace sluice::transport::tcp {

/// A peer's published memory, as its blob names it.
struct RemoteRegion {
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;
};

/// One stretch of a batch.
struct Put {
  std::uint64_t offset;
  std::span<const std::byte> bytes;
};

/// What is added to a counter of the peer.
struct Signal {
  std::uint64_t offset;
  std::uint64_t n;
};

/// May say where the payload of a put goes instead: place() is told where it is about to come, and
/// returns that or other memory of as many bytes; come() that it is all there, if it went
/// elsewhere. They are called by whoever receives, one at a time for a connection.
struct Placement {
  std::byte* (*place)(void* context, std::byte* place, std::uint64_t bytes) = nullptr;
  void (*come)(void* context) = nullptr;
  void* context = nullptr;
};

/// The frames of one call in their order: those of each put, then the signals.
class PutFrames {
 public:
  struct Frame {
    FrameHeader header;
    std::span<const std::byte> payload;
  };

  PutFrames(const RemoteRegion& region, std::span<const Put> puts, std::span<const Signal> signals)
      : region_(region.number), puts_(puts), signals_(signals) {
    skip_done();
  }
  bool done() const { return puts_.empty() && signals_.empty(); }
  /// Of payload, before the first is taken.
  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const Put& put : puts_) sum += put.bytes.size();
    return sum;
  }
  /// The next, with no more payload than `most`.
  Frame next(std::uint64_t sequence, std::uint64_t most) {
    if (!puts_.empty()) return next_piece(sequence, most);
    const Signal& signal = signals_.front();
    signals_ = signals_.subspan(1);
    return {{FrameType::kSignal, sequence, region_, signal.offset, signal.n}, {}};
  }

 private:
  Frame next_piece(std::uint64_t sequence, std::uint64_t most) {
    const Put put = puts_.front();
    const Cut::Piece piece = cut_.next(most);
    if (cut_.done()) {
      puts_ = puts_.subspan(1);
      skip_done();
    }
    return {{FrameType::kPut, sequence, region_, put.offset + piece.offset, piece.bytes},
            put.bytes.subspan(piece.offset, piece.bytes)};
  }
  /// To the next put that is not empty.
  void skip_done() {
    while (!puts_.empty() && puts_.front().bytes.empty()) puts_ = puts_.subspan(1);
    if (!puts_.empty()) cut_ = Cut(0, puts_.front().bytes.size());
  }

  std::uint64_t region_;
  std::span<const Put> puts_;
  std::span<const Signal> signals_;
  Cut cut_;
};

}  // namespace sluice::transport::tcp
