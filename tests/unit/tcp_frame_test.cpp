// Frames of the TCP transport: the parser, what an owner lets an opener do, what an opener takes
// from an owner, cutting, blobs.
#include "transports/tcp/frame.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "support/fuzz_corpus.hpp"
#include "support/observation.hpp"
#include "tests/fuzz/tcp_frame_input.hpp"

namespace sluice::transport::tcp {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::uint64_t kOwner = 77;
constexpr std::uint64_t kBytes = 1000;
constexpr std::uint64_t kMax = ~0ull;

void append(Bytes& stream, const FrameHeader& header, std::span<const std::byte> payload = {}) {
  const HeaderBytes bytes = encode(header);
  stream.insert(stream.end(), bytes.begin(), bytes.end());
  stream.insert(stream.end(), payload.begin(), payload.end());
}

Bytes pattern(std::size_t bytes) {
  Bytes made(bytes);
  for (std::size_t i = 0; i < bytes; ++i) made[i] = static_cast<std::byte>(i * 7 + 1);
  return made;
}

/// An owner with one region (number 1) of kBytes inside a border.
struct Owner {
  Owner() { regions.publish({memory.data() + 64, kBytes}); }
  bool border_is_untouched() const {
    const auto zero = [](std::byte byte) { return byte == std::byte{0}; };
    return std::all_of(memory.begin(), memory.begin() + 64, zero) &&
           std::all_of(memory.begin() + 64 + kBytes, memory.end(), zero);
  }
  std::byte* base() { return memory.data() + 64; }
  std::uint64_t counter(std::uint64_t offset) {
    return port::load_acquire(reinterpret_cast<std::uint64_t*>(base() + offset));
  }
  bool open() {
    Bytes stream;
    append(stream, {FrameType::kOpen, 1, 1, kOwner, kBytes});
    const bool fine = reader.feed(stream);
    applier.answered();
    return fine;
  }
  /// What it says to one frame after the open.
  std::string complaint_to(const FrameHeader& header) {
    if (!open()) return "the open failed";
    Bytes stream;
    append(stream, header);
    reader.feed(stream);
    return reader.complaint();
  }

  alignas(8) std::array<std::byte, kBytes + 128> memory{};
  Regions regions;
  Openers openers;
  Applier applier{regions, kOwner, openers};
  FrameReader reader{applier};
};

TEST(TcpFrame, a_header_survives_the_trip) {
  const FrameHeader header{FrameType::kSignal, kMax, kMax - 1, 1ull << 40, kMax - 2};
  FrameHeader back;
  EXPECT_EQ(decode(encode(header), back), "");
  EXPECT_EQ(back.type, header.type);
  EXPECT_EQ(back.sequence, header.sequence);
  EXPECT_EQ(back.region, header.region);
  EXPECT_EQ(back.offset, header.offset);
  EXPECT_EQ(back.amount, header.amount);
}

TEST(TcpFrame, a_stream_cut_anywhere_does_the_same) {
  const Bytes payload = pattern(100);
  Bytes stream;
  append(stream, {FrameType::kOpen, 1, 1, kOwner, kBytes});
  append(stream, {FrameType::kPut, 2, 1, 8, 100}, payload);
  append(stream, {FrameType::kPut, 3, 1, kBytes, 0});
  append(stream, {FrameType::kSignal, 4, 1, 0, 5});
  append(stream, {FrameType::kPut, 5, 1, kBytes - 3, 3}, std::span(payload).first(3));
  append(stream, {FrameType::kSignal, 6, 1, 0, 1});
  append(stream, {FrameType::kBye, 7, 0, 0, 0});
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    Owner owner;
    ASSERT_TRUE(owner.reader.feed(std::span(stream).first(cut))) << owner.reader.complaint();
    ASSERT_TRUE(owner.reader.feed(std::span(stream).subspan(cut))) << owner.reader.complaint();
    EXPECT_EQ(owner.counter(0), 6u);
    EXPECT_TRUE(std::equal(payload.begin(), payload.end(), owner.base() + 8));
    EXPECT_TRUE(std::equal(payload.begin(), payload.begin() + 3, owner.base() + kBytes - 3));
    EXPECT_TRUE(owner.applier.said_bye() && owner.reader.between_frames());
    EXPECT_TRUE(owner.border_is_untouched());
  }
}

TEST(TcpFrame, a_truncated_stream_does_only_what_is_whole) {
  const Bytes payload = pattern(16);
  Bytes stream;
  append(stream, {FrameType::kOpen, 1, 1, kOwner, kBytes});
  const std::size_t put_at = stream.size();
  append(stream, {FrameType::kPut, 2, 1, 8, 16}, payload);
  const std::size_t signal_at = stream.size();
  append(stream, {FrameType::kSignal, 3, 1, 0, 1});
  for (std::size_t bytes = 0; bytes < stream.size(); ++bytes) {
    Owner owner;
    ASSERT_TRUE(owner.reader.feed(std::span(stream).first(bytes)));
    EXPECT_EQ(owner.counter(0), 0u) << bytes;
    EXPECT_EQ(owner.applier.request().has_value(), bytes >= put_at) << bytes;
    EXPECT_EQ(owner.reader.between_frames(), bytes == 0 || bytes == put_at || bytes == signal_at);
    const std::size_t from = put_at + kHeaderBytes;
    const std::size_t written = std::min<std::size_t>(bytes > from ? bytes - from : 0, 16);
    EXPECT_TRUE(std::equal(payload.begin(), payload.begin() + static_cast<std::ptrdiff_t>(written),
                           owner.base() + 8));
    EXPECT_EQ(owner.base()[8 + written], std::byte{0});
  }
}

TEST(TcpFrame, payload_goes_straight_to_its_place) {
  Owner owner;
  ASSERT_TRUE(owner.open());
  Bytes header;
  append(header, {FrameType::kPut, 2, 1, 10, 20});
  EXPECT_TRUE(owner.reader.place().empty());
  ASSERT_TRUE(owner.reader.feed(header));
  EXPECT_EQ(owner.reader.place().data(), owner.base() + 10);
  EXPECT_EQ(owner.reader.place().size(), 20u);
  owner.reader.took(5);
  EXPECT_EQ(owner.reader.place().data(), owner.base() + 15);
  EXPECT_FALSE(owner.reader.between_frames());
  owner.reader.took(15);
  EXPECT_TRUE(owner.reader.between_frames());
}

TEST(TcpFrame, what_leaves_a_region_is_malformed_and_writes_nothing) {
  for (const FrameType type : {FrameType::kPut, FrameType::kGet, FrameType::kSignal}) {
    for (const auto& [offset, bytes] :
         std::vector<std::pair<std::uint64_t, std::uint64_t>>{{kBytes, 1},
                                                              {kBytes + 8, 1},
                                                              {0, kBytes + 1},
                                                              {8, kBytes - 7},
                                                              {kMax, 1},
                                                              {kMax - 7, 8},
                                                              {kMax - 7, 100},
                                                              {kMax - kBytes + 1, kBytes},
                                                              {1ull << 63, 8}}) {
      if (type == FrameType::kSignal && offset < kBytes) continue;
      Owner owner;
      EXPECT_NE(owner.complaint_to({type, 2, 1, offset, bytes}), "")
          << name(type) << " " << offset << "+" << bytes;
      EXPECT_TRUE(owner.reader.place().empty());
      EXPECT_FALSE(owner.reader.feed(pattern(100))) << "malformed is for good";
      EXPECT_TRUE(owner.border_is_untouched());
      EXPECT_EQ(owner.base()[0], std::byte{0});
    }
  }
}

TEST(TcpFrame, each_bad_field_is_named) {
  const auto says = [](const FrameHeader& header, const std::string& part) {
    Owner owner;
    const std::string complaint = owner.complaint_to(header);
    return complaint.find(part) != std::string::npos ? "" : "\"" + complaint + "\"";
  };
  EXPECT_EQ(says({FrameType::kPut, 2, 2, 0, 1}, "region 2, which is not published"), "");
  EXPECT_EQ(says({FrameType::kPut, 2, 0, 0, 1}, "region 0, which is not published"), "");
  EXPECT_EQ(says({FrameType::kSignal, 2, kMax, 0, 1}, "which is not published"), "");
  EXPECT_EQ(says({FrameType::kPut, 3, 1, 0, 1}, "number 3, expected 2"), "");
  EXPECT_EQ(says({FrameType::kPut, 1, 1, 0, 1}, "number 1, expected 2"), "");
  EXPECT_EQ(says({FrameType::kSignal, 2, 1, 4, 1}, "offset 4, which is no multiple of 8"), "");
  EXPECT_EQ(says({FrameType::kPut, 2, 1, 0, kMaxPayloadBytes + 1}, "the limit is 262144"), "");
  EXPECT_EQ(says({FrameType::kPut, 2, 1, 0, kMax}, "the limit is 262144"), "");
  EXPECT_EQ(says({FrameType::kGot, 2, 1, 0, 1}, "only an owner sends"), "");
  EXPECT_EQ(says({FrameType::kOpened, 2, 1, 0, 1}, "only an owner sends"), "");
  EXPECT_EQ(says({FrameType::kAck, 2, 0, 0, 1}, "only an owner sends"), "");
  EXPECT_EQ(says({FrameType::kJoined, 2, 0, 0, 1}, "only an owner sends"), "");
  EXPECT_EQ(says({FrameType::kJoin, 0, 1, kOwner, 0}, "a join after other frames"), "");
  EXPECT_EQ(says({FrameType::kOffer, 2, 0, 7, 0}, "an offer after other frames"), "");
  EXPECT_EQ(says({FrameType::kPing, 2, 0, 0, 0}, "has joined no opener"), "");
  EXPECT_EQ(says({static_cast<FrameType>(0), 2, 1, 0, 1}, "unknown type 0"), "");
  EXPECT_EQ(says({static_cast<FrameType>(13), 2, 1, 0, 1}, "unknown type 13"), "");
  EXPECT_EQ(says({static_cast<FrameType>(~0u), 2, 1, 0, 1}, "unknown type 4294967295"), "");
  EXPECT_EQ(says({FrameType::kOpen, 2, 1, kOwner + 1, kBytes}, "an open of transport"), "");
  EXPECT_EQ(says({FrameType::kOpen, 2, 2, kOwner, kBytes}, "region 2, which is not"), "");
  EXPECT_EQ(says({FrameType::kOpen, 2, 1, kOwner, kBytes - 1}, "with 999 bytes, it has 1000"), "");
}

TEST(TcpFrame, a_second_word_other_than_zero_is_malformed) {
  HeaderBytes bytes = encode({FrameType::kBye, 1, 0, 0, 0});
  bytes[4] = std::byte{1};
  FrameHeader header;
  EXPECT_EQ(decode(bytes, header), "a frame with 1 in its second word, expected 0");
}

TEST(TcpFrame, nothing_comes_before_an_open_or_after_a_goodbye) {
  for (const FrameType type :
       {FrameType::kPut, FrameType::kSignal, FrameType::kGet, FrameType::kBye}) {
    Owner owner;
    Bytes stream;
    append(stream, {type, 1, 1, 0, 8});
    EXPECT_FALSE(owner.reader.feed(stream));
    EXPECT_NE(owner.reader.complaint().find("before an open"), std::string::npos);
  }
  Owner owner;
  Bytes stream;
  append(stream, {FrameType::kBye, 2, 0, 0, 0});
  append(stream, {FrameType::kSignal, 3, 1, 0, 1});
  ASSERT_TRUE(owner.open());
  EXPECT_FALSE(owner.reader.feed(stream));
  EXPECT_EQ(owner.counter(0), 0u);
}

TEST(TcpFrame, a_second_request_waits_for_the_answer_to_the_first) {
  Owner owner;
  Bytes get, another;
  append(get, {FrameType::kGet, 2, 1, 0, 8});
  append(another, {FrameType::kGet, 3, 1, 0, 8});
  ASSERT_TRUE(owner.open());
  ASSERT_TRUE(owner.reader.feed(get));
  ASSERT_TRUE(owner.applier.request());
  EXPECT_EQ(owner.applier.request()->sequence, 2u);
  EXPECT_FALSE(owner.reader.feed(another));
  EXPECT_NE(owner.reader.complaint().find("before its last one was answered"), std::string::npos);
}

TEST(TcpFrame, an_opener_takes_only_the_answer_to_what_it_asked) {
  const Bytes payload = pattern(8);
  const auto takes = [&](const FrameHeader& asked, const FrameHeader& answer) {
    Bytes out(16), stream;
    Request request;
    FrameReader reader(request);
    if (asked.sequence != 0) request.start(asked, std::span(out).first(12));
    append(stream, answer, std::span(payload).first(answer.type == FrameType::kGot ? 8 : 0));
    const bool sound = reader.feed(stream);
    EXPECT_TRUE(std::all_of(out.begin() + 12, out.end(), [](auto b) { return b == std::byte{0}; }));
    return sound;
  };
  const FrameHeader get{FrameType::kGet, 5, 2, 100, 12}, open{FrameType::kOpen, 5, 2, 7, 64};
  EXPECT_TRUE(takes(get, {FrameType::kGot, 5, 2, 100, 8}));
  EXPECT_TRUE(takes(open, {FrameType::kOpened, 5, 2, 7, 64}));
  EXPECT_FALSE(takes({}, {FrameType::kGot, 5, 2, 100, 8})) << "nothing was asked";
  EXPECT_FALSE(takes(get, {FrameType::kGot, 4, 2, 100, 8})) << "number";
  EXPECT_FALSE(takes(get, {FrameType::kGot, 5, 1, 100, 8})) << "region";
  EXPECT_FALSE(takes(get, {FrameType::kGot, 5, 2, 101, 8})) << "offset";
  EXPECT_FALSE(takes(get, {FrameType::kGot, 5, 2, 100, 13})) << "more than was asked";
  EXPECT_FALSE(takes(get, {FrameType::kGot, 5, 2, 100, 0})) << "nothing";
  EXPECT_FALSE(takes(get, {FrameType::kOpened, 5, 2, 100, 12})) << "type";
  EXPECT_FALSE(takes(open, {FrameType::kGot, 5, 2, 7, 8})) << "type";
  EXPECT_FALSE(takes(open, {FrameType::kOpened, 5, 2, 7, 63})) << "size";
  EXPECT_FALSE(takes(get, {FrameType::kPut, 5, 2, 100, 8})) << "an opener's frame";
}

TEST(TcpFrame, an_answer_may_come_in_pieces_and_no_more_after_it) {
  const Bytes payload = pattern(12);
  Bytes out(12), stream;
  append(stream, {FrameType::kGot, 5, 2, 100, 8}, std::span(payload).first(8));
  append(stream, {FrameType::kGot, 5, 2, 108, 4}, std::span(payload).subspan(8));
  Request request;
  FrameReader reader(request);
  request.start({FrameType::kGet, 5, 2, 100, 12}, out);
  EXPECT_TRUE(reader.feed(std::span(stream).first(stream.size() - 1)));
  EXPECT_FALSE(request.done());
  EXPECT_TRUE(reader.feed(std::span(stream).last(1)));
  EXPECT_TRUE(request.done());
  EXPECT_EQ(out, payload);
  EXPECT_FALSE(reader.feed(stream));
}

TEST(TcpFrame, cutting_goes_beyond_4_gib) {
  for (const std::uint64_t bytes : std::vector<std::uint64_t>{
           1, kMaxPayloadBytes - 1, kMaxPayloadBytes, kMaxPayloadBytes + 1, (1ull << 32) - 1,
           1ull << 32, (1ull << 32) + 1, (5ull << 32) + 12345}) {
    const std::uint64_t start = kMax - bytes;
    std::uint64_t sum = 0, pieces = 0;
    for (Cut cut(start, bytes); !cut.done(); ++pieces) {
      const Cut::Piece piece = cut.next();
      ASSERT_EQ(piece.offset, start + sum);
      ASSERT_TRUE(piece.bytes >= 1 && piece.bytes <= kMaxPayloadBytes);
      sum += piece.bytes;
    }
    EXPECT_EQ(sum, bytes);
    EXPECT_EQ(pieces, (bytes - 1) / kMaxPayloadBytes + 1);
  }
  EXPECT_TRUE(Cut(5, 0).done());
}

TEST(TcpFrame, a_region_beyond_4_gib_is_checked_with_64_bits) {
  Regions regions;
  // Never touched: only the arithmetic is.
  auto* const base = reinterpret_cast<std::byte*>(std::uintptr_t{1} << 40);
  regions.publish({base, 6ull << 30});
  Openers openers;
  Applier applier(regions, kOwner, openers);
  std::byte* place = nullptr;
  ASSERT_EQ(applier.begin({FrameType::kOpen, 1, 1, kOwner, 6ull << 30}, place), "");
  applier.end({FrameType::kOpen, 1, 1, kOwner, 6ull << 30});
  EXPECT_EQ(applier.begin({FrameType::kPut, 2, 1, (6ull << 30) - 4, 4}, place), "");
  EXPECT_EQ(place, base + (6ull << 30) - 4);
  EXPECT_NE(applier.begin({FrameType::kPut, 3, 1, (6ull << 30) - 4, 5}, place), "");
  EXPECT_EQ(place, nullptr);
}

TEST(TcpFrame, blobs_survive_the_trip_and_nothing_else_does) {
  const bootstrap::Secret key{1}, other{2};
  Place place{kMax, 3, 1ull << 40, {{}, {}}};
  place.addresses[0] = {AF_INET, {10, 1, 2, 3}, 1234, 0};
  place.addresses[1] = {AF_INET6, {0x20, 1, 0xd, 0xb8}, 65535, 0};
  const Blob blob = encode(place, key);
  const auto back = decode(blob, key);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->owner, place.owner);
  EXPECT_EQ(back->region, 3u);
  EXPECT_EQ(back->bytes, 1ull << 40);
  ASSERT_EQ(back->addresses.size(), 2u);
  EXPECT_EQ(back->addresses[0].text(), "10.1.2.3:1234");
  EXPECT_EQ(back->addresses[1].text(), "[2001:db8::]:65535");
  EXPECT_FALSE(decode(blob, other)) << "made under another key";
  for (std::size_t bytes = 0; bytes < blob.size(); ++bytes)
    EXPECT_FALSE(decode(std::span(blob).first(bytes), key)) << bytes;
  place.addresses.clear();
  EXPECT_FALSE(decode(encode(place, key), key)) << "no address";
  place.addresses.resize(kMaxAddresses + 1);
  EXPECT_FALSE(decode(encode(place, key), key)) << "too many addresses";
}

TEST(TcpFrame, the_corpus_is_survived) {
  const sluice::test::Quiet quiet;  // who is cut off is logged
  const auto inputs = sluice::test::fuzz_corpus("tcp_frame");
  EXPECT_GE(inputs.size(), 20u);
  for (const auto& [name, bytes] : inputs) {
    SCOPED_TRACE(name);
    fuzz::run(bytes);
  }
}

TEST(TcpFrame, random_input_is_survived) {
  const sluice::test::Quiet quiet;
  std::mt19937 random(20261121);
  for (int i = 0; i < 20'000; ++i) {
    Bytes input;
    // Mostly plausible headers, or the parser would stop at the first.
    if (i % 4 != 0) append(input, {FrameType::kOpen, 1, 1, fuzz::kOwner, fuzz::kRegionBytes});
    for (std::uint64_t frame = 2; frame < 6 && i % 4 > 1; ++frame) {
      const std::uint64_t amount = random() % 600;
      append(input,
             {static_cast<FrameType>(2 + random() % 11), frame, 1, random() % 64 * 8, amount});
      input.resize(input.size() + amount % 100);
    }
    for (unsigned junk = random() % 64; junk > 0; --junk)
      input.push_back(static_cast<std::byte>(random()));
    fuzz::run(input);
  }
}

}  // namespace
}  // namespace sluice::transport::tcp
