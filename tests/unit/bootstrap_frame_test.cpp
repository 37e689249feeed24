// The frame parser and the payloads, also with random input.
#include "bootstrap/frame.hpp"

#include <gtest/gtest.h>

#include <random>

#include "bootstrap/little_endian.hpp"
#include "bootstrap/messages.hpp"
#include "support/fuzz_corpus.hpp"
#include "tests/fuzz/bootstrap_frame_input.hpp"

namespace sluice::bootstrap {
namespace {

Bytes header(std::uint32_t type, std::uint32_t length) {
  Bytes bytes(kFrameHeaderBytes);
  store_u32(bytes.data(), type);
  store_u32(bytes.data() + 12, length);
  return bytes;
}

TEST(BootstrapFrame, a_stream_cut_anywhere_gives_the_same_frames) {
  Bytes stream;
  for (std::uint32_t i = 0; i < 4; ++i) {
    const auto frame = encode_frame(FrameType::kGather, i, i + 10, Bytes(i * 5, std::byte(i)));
    stream.insert(stream.end(), frame->begin(), frame->end());
  }
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    FrameReader reader;
    ASSERT_TRUE(reader.feed(std::span(stream).first(cut)));
    ASSERT_TRUE(reader.feed(std::span(stream).subspan(cut)));
    for (std::uint32_t i = 0; i < 4; ++i) {
      const auto frame = reader.next();
      ASSERT_TRUE(frame);
      EXPECT_EQ(frame->rank, i);
      EXPECT_EQ(frame->sequence, i + 10);
      EXPECT_EQ(frame->payload, Bytes(i * 5, std::byte(i)));
    }
    EXPECT_FALSE(reader.next());
  }
}

TEST(BootstrapFrame, unknown_types_and_lengths_above_the_limit_are_malformed_for_good) {
  for (const auto& bad :
       {header(0, 0), header(11, 0), header(4, kMaxBlobBytes + 1), header(6, 1), header(1, 4096)}) {
    FrameReader reader;
    EXPECT_FALSE(reader.feed(bad));
    EXPECT_FALSE(reader.complaint().empty());
    EXPECT_FALSE(reader.feed(header(6, 0)));
    EXPECT_FALSE(reader.next());
  }
}

TEST(BootstrapFrame, before_registration_only_a_registration_passes) {
  FrameReader reader;
  reader.only_accept(FrameType::kRegister);
  EXPECT_FALSE(reader.feed(header(4, 1)));
}

TEST(BootstrapFrame, payloads_survive_the_trip) {
  Process process{{1, 2, 3}, 4711, std::string(kHostNameBytes, 'n')};
  const auto registration = decode_registration(encode(Registration{9, process}));
  ASSERT_TRUE(registration);
  EXPECT_EQ(registration->size, 9U);
  EXPECT_TRUE(registration->process.same_process(process));
  EXPECT_EQ(registration->process.host_name, process.host_name);

  const auto welcome = decode_welcome(encode(Welcome{process, {process, Process{}, process}}));
  ASSERT_TRUE(welcome);
  EXPECT_EQ(welcome->ranks.size(), 3U);
  EXPECT_EQ(welcome->ranks[2].pid, 4711U);

  const auto notice =
      decode_notice(encode(Notice{Errc::kTimeout, std::string(2 * kMaxTextBytes, 'x')}));
  ASSERT_TRUE(notice);
  EXPECT_EQ(notice->code, Errc::kTimeout);
  EXPECT_EQ(notice->text.size(), kMaxTextBytes);

  const auto report = decode_joined(encode(JoinedReport{{true, false, true}, "why"}), 3);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->joined, (std::vector<bool>{true, false, true}));
  EXPECT_EQ(report->remark, "why");
}

TEST(BootstrapFrame, payloads_of_the_wrong_length_or_code_are_refused) {
  EXPECT_FALSE(decode_registration(Bytes(kRegistrationBytes - 1)));
  EXPECT_FALSE(decode_welcome(Bytes(kProcessBytes)));
  EXPECT_FALSE(decode_welcome(Bytes(2 * kProcessBytes + 1)));
  EXPECT_FALSE(decode_notice(Bytes(3)));
  EXPECT_FALSE(decode_notice(Bytes(4)));                 // code "ok"
  EXPECT_FALSE(decode_notice(Bytes(4, std::byte{99})));  // no code at all
  EXPECT_FALSE(decode_joined(Bytes(1), 9));
}

TEST(BootstrapFrame, text_from_outside_cannot_steer_a_terminal) {
  const auto notice = decode_notice(encode(Notice{Errc::kAborted, "a\x1b[2Jb\nc"}));
  ASSERT_TRUE(notice);
  EXPECT_EQ(notice->text, "a?[2Jb?c");
}

TEST(BootstrapFrame, ranks_are_named_in_words) {
  EXPECT_EQ(name_ranks({2}), "rank 2");
  EXPECT_EQ(name_ranks({2, 5}), "rank 2 and 5");
  EXPECT_EQ(name_ranks({2, 5, 7}), "rank 2, 5 and 7");
  std::vector<int> many(20);
  EXPECT_TRUE(name_ranks(many).ends_with("and 4 more"));
}

TEST(BootstrapFrame, the_corpus_is_survived) {
  const auto inputs = sluice::test::fuzz_corpus("bootstrap_frame");
  EXPECT_GE(inputs.size(), 20u);
  for (const auto& [name, bytes] : inputs) {
    SCOPED_TRACE(name);
    fuzz::run(bytes);
  }
}

TEST(BootstrapFrame, random_input_is_survived) {
  std::mt19937 random(20240601);
  for (int i = 0; i < 20'000; ++i) {
    Bytes input(random() % 300);
    for (auto& byte : input) byte = static_cast<std::byte>(random());
    // Half of the inputs start with a plausible header, or the parser would stop at the first four
    // bytes.
    if (input.size() >= kFrameHeaderBytes && i % 2 == 0) {
      store_u32(input.data(), static_cast<std::uint32_t>(random() % 12));
      store_u32(input.data() + 12, static_cast<std::uint32_t>(random() % 400));
    }
    fuzz::run(input);
  }
}

}  // namespace
}  // namespace sluice::bootstrap
