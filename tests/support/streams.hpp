// Endless streams of operations for ranks that something is going to happen to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sluice/sluice.hpp"

namespace sluice::test {

/// One kind of traffic: which algorithm, how much.
struct Stream {
  const char* name;
  const char* algorithm;  // Options::algorithm
  enum class Kind { kAllReduce, kAllGather, kRing } kind;
  std::size_t count;  // floats
};

inline const Stream kSmall{"small", "all_reduce:packet", Stream::Kind::kAllReduce, 4};
inline const Stream kStaged{"staged", "all_reduce:two_shot", Stream::Kind::kAllReduce, 1 << 19};
inline const Stream kLinks{"ring", "all_reduce:ring", Stream::Kind::kAllReduce, 1 << 16};
inline const Stream kFetched{"fetched", "all_gather:direct", Stream::Kind::kAllGather, 1 << 17};
inline const Stream kMessages{"exchange", "", Stream::Kind::kRing, 1 << 16};
inline const Stream kStreams[] = {kSmall, kStaged, kLinks, kFetched, kMessages};

inline void PrintTo(const Stream& stream, std::ostream* out) { *out << stream.name; }

/// The buffers of one rank in a stream.
class Traffic {
 public:
  Traffic(const Stream& stream, int size)
      : stream_(stream),
        input_(stream.count, 1.0f),
        output_(stream.count * static_cast<std::size_t>(size)) {}

  /// The next operation. Every input is 1, so that what comes out is known.
  Status operate(Communicator& ranks) {
    switch (stream_.kind) {
      case Stream::Kind::kAllReduce:
        return ranks.all_reduce(input_.data(), output_.data(), stream_.count, DataType::kFloat32,
                                ReduceOp::kSum);
      case Stream::Kind::kAllGather:
        return ranks.all_gather(input_.data(), output_.data(), stream_.count, DataType::kFloat32);
      case Stream::Kind::kRing: break;
    }
    using Direction = Communicator::Transfer::Direction;
    const int p = ranks.size(), me = ranks.rank();
    const Communicator::Transfer transfers[] = {{.direction = Direction::kSend,
                                                 .peer = (me + 1) % p,
                                                 .source = input_.data(),
                                                 .count = stream_.count,
                                                 .type = DataType::kFloat32},
                                                {.direction = Direction::kReceive,
                                                 .peer = (me + p - 1) % p,
                                                 .destination = output_.data(),
                                                 .count = stream_.count,
                                                 .type = DataType::kFloat32}};
    return ranks.exchange(transfers);
  }

  bool right(int size) const {
    const float expected =
        stream_.kind == Stream::Kind::kAllReduce ? static_cast<float>(size) : 1.0f;
    const std::size_t count =
        stream_.kind == Stream::Kind::kAllGather ? output_.size() : stream_.count;
    for (std::size_t i = 0; i < count; ++i)
      if (output_[i] != expected) return false;
    return true;
  }

 private:
  Stream stream_;
  std::vector<float> input_, output_;
};

}  // namespace sluice::test
