// The tuning file: what is written is read, and what is wrong with one is said.
#include "plan/tuning.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "support/temporary_folder.hpp"
#include "topology/host.hpp"

namespace sluice {
namespace {

using Json = nlohmann::ordered_json;
using testing::AllOf;
using testing::HasSubstr;

TuningKey key(int ranks, bool attach = true) {
  return {.cpu = "Sample \"7\" \xC3\xA4",
          .cores = 12,
          .hosts = 1,
          .ranks = ranks,
          .transport = attach ? "shm" : "loopback",
          .attach = attach};
}

/// Two hosts.
TuningKey spread_key(int ranks) {
  TuningKey spread = key(ranks);
  spread.hosts = 2;
  spread.transport = "tcp";
  return spread;
}

/// Every figure a different one, and none the default.
CostModel unusual(const TuningKey& of) {
  CostModel model;
  double next = 0.1 + of.ranks;
  for (const Figure& figure : figures()) {
    if (!has_figure(of, figure)) continue;
    if (figure.number != nullptr)
      model.*figure.number = next += 1.0 / 3;
    else
      model.*figure.choice = !(CostModel{}.*figure.choice);
  }
  return model;
}

void expect_same_figures(const CostModel& one, const CostModel& other) {
  for (const Figure& figure : figures()) {
    if (figure.number != nullptr)
      EXPECT_EQ(one.*figure.number, other.*figure.number) << figure.name;
    else
      EXPECT_EQ(one.*figure.choice, other.*figure.choice) << figure.name;
  }
}

Tuning sample() {
  Tuning tuning;
  for (const TuningKey& each : {key(2), key(3), key(2, false), spread_key(4), spread_key(2)})
    tuning.put({each, unusual(each), "from a test"});
  return tuning;
}

/// The sentence of the error that a changed file ends in.
std::string refusal(const std::function<void(Json&)>& change) {
  Json file = Json::parse(format_tuning(sample()));
  change(file);
  const auto read = parse_tuning(file.dump(1), "/some/tuning.json");
  EXPECT_FALSE(read.ok()) << file.dump(1);
  if (read.ok()) return "";
  EXPECT_EQ(read.status().code(), Errc::kInvalidArgument);
  EXPECT_THAT(last_error(), HasSubstr("/some/tuning.json"));
  return last_error();
}

TEST(Tuning, what_is_written_is_read_to_the_last_bit) {
  const Tuning written = sample();
  const auto read = parse_tuning(format_tuning(written), "x");
  ASSERT_TRUE(read.ok()) << last_error();
  ASSERT_EQ(read.value().entries.size(), 5U);
  for (const TuningEntry& entry : written.entries) {
    const TuningEntry* found = read.value().find(entry.key);
    ASSERT_NE(found, nullptr) << entry.key.text();
    expect_same_figures(found->figures, entry.figures);
    EXPECT_EQ(found->note, entry.note);
  }
}

TEST(Tuning, figures_of_another_place_are_not_found) {
  const Tuning tuning = sample();
  for (const auto& change : std::vector<std::function<void(TuningKey&)>>{
           [](TuningKey& k) { k.cpu += "x"; }, [](TuningKey& k) { k.cores = 13; },
           [](TuningKey& k) { k.hosts = 2; }, [](TuningKey& k) { k.ranks = 4; },
           [](TuningKey& k) { k.transport = "loopback"; },
           [](TuningKey& k) { k.attach = false; }}) {
    TuningKey other = key(2);
    change(other);
    EXPECT_EQ(tuning.find(other), nullptr) << other.text();
    EXPECT_NE(other.text(), key(2).text());
  }
  EXPECT_NE(tuning.find(key(2)), nullptr);
}

TEST(Tuning, a_new_entry_replaces_the_one_of_its_key) {
  Tuning tuning = sample();
  CostModel changed = unusual(key(3));
  changed.alpha = 77;
  tuning.put({key(3), changed, ""});
  EXPECT_EQ(tuning.entries.size(), 5U);
  EXPECT_EQ(tuning.find(key(3))->figures.alpha, 77);
}

TEST(Tuning, what_is_no_json_is_refused_with_its_line) {
  const std::string good = format_tuning(sample());
  const std::string spoilt = "{\n\"format\": \"sluice tuning\",\n  oops\n}";
  EXPECT_FALSE(parse_tuning(spoilt, "t.json").ok());
  EXPECT_THAT(last_error(), AllOf(HasSubstr("t.json"), HasSubstr("line 3"), HasSubstr("expected")));
  for (std::size_t cut = 0; cut + 2 < good.size(); cut += 7)
    EXPECT_FALSE(parse_tuning(good.substr(0, cut), "t.json").ok()) << cut;
  EXPECT_FALSE(parse_tuning(good + "{}", "t.json").ok());
  EXPECT_FALSE(parse_tuning("\xff\xfe\x00", "t.json").ok());
  EXPECT_FALSE(parse_tuning("{\"format\": \"\xff\"}", "t.json").ok());
  const std::string deep(500'000, '[');
  EXPECT_FALSE(parse_tuning(deep + std::string(500'000, ']'), "t.json").ok());
  EXPECT_THAT(last_error(), HasSubstr("levels of nesting"));
}

TEST(Tuning, another_format_or_version_is_refused) {
  EXPECT_THAT(
      refusal([](Json& file) { file["format"] = "sluice"; }),
      AllOf(HasSubstr("format: expected \"sluice tuning\""), HasSubstr("found \"sluice\"")));
  EXPECT_THAT(refusal([](Json& file) { file["version"] = 2; }),
              AllOf(HasSubstr("version: expected 1"), HasSubstr("found 2")));
  EXPECT_THAT(refusal([](Json& file) { file.erase("version"); }),
              HasSubstr("version: expected a value, found nothing"));
  EXPECT_THAT(refusal([](Json& file) { file = Json::array(); }), HasSubstr("expected an object"));
  EXPECT_THAT(refusal([](Json& file) { file["entries"] = 3; }),
              HasSubstr("entries: expected a list, found 3"));
}

TEST(Tuning, every_missing_field_is_named) {
  const Json entry = Json::parse(format_tuning(sample()))["entries"][1];
  for (const char* part : {"where", "figures"}) {
    EXPECT_THAT(refusal([&](Json& file) { file["entries"][1].erase(part); }),
                HasSubstr(fmt::format("entries[1].{}: expected a value, found nothing", part)));
    for (const auto& [name, value] : entry[part].items())
      EXPECT_THAT(
          refusal([&, name = name](Json& file) { file["entries"][1][part].erase(name); }),
          HasSubstr(fmt::format("entries[1].{}.{}: expected a value, found nothing", part, name)));
  }
}

TEST(Tuning, figures_are_numbers_that_can_be) {
  // The entry of four ranks on two hosts has all figures.
  for (const Figure& figure : figures()) {
    const std::string path = fmt::format("entries[3].figures.{}", figure.name);
    const auto with = [&](const Json& value) {
      return refusal([&](Json& file) { file["entries"][3]["figures"][figure.name] = value; });
    };
    EXPECT_THAT(with("fast"), AllOf(HasSubstr(path), HasSubstr("found \"fast\"")));
    EXPECT_THAT(with(nullptr), AllOf(HasSubstr(path), HasSubstr("found null")));
    EXPECT_THAT(with(Json::array({1})), HasSubstr(path));
    if (figure.number == nullptr) {
      EXPECT_THAT(with(1), AllOf(HasSubstr(path), HasSubstr("expected true or false, found 1")));
      continue;
    }
    EXPECT_THAT(with(-0.5), AllOf(HasSubstr(path), HasSubstr("found -0.5")));
    EXPECT_THAT(with(1e300), AllOf(HasSubstr(path), HasSubstr("found 1e+300")));
    EXPECT_THAT(with(true), HasSubstr(path));
    // What is no number has no form in JSON: written as null, and null is refused.
    EXPECT_THAT(with(std::numeric_limits<double>::quiet_NaN()), HasSubstr("found null"));
    EXPECT_THAT(with(std::numeric_limits<double>::infinity()), HasSubstr("found null"));
  }
  for (const char* number : {"NaN", "nan", "Infinity", "1e999", "-1e999", "0x10", "1."}) {
    std::string text = format_tuning(sample());
    const auto at = text.find("\"alpha_ns\": ") + 12;
    text.replace(at, text.find(',', at) - at, number);
    EXPECT_FALSE(parse_tuning(text, "t.json").ok()) << number;
  }
}

TEST(Tuning, what_belongs_nowhere_is_refused) {
  EXPECT_THAT(refusal([](Json& file) { file["extra"] = 1; }), HasSubstr("no field \"extra\""));
  EXPECT_THAT(refusal([](Json& file) { file["entries"][2]["figures"]["alfa_ns"] = 1; }),
              AllOf(HasSubstr("entries[2].figures"), HasSubstr("no field \"alfa_ns\"")));
  EXPECT_THAT(refusal([](Json& file) { file["entries"][0]["where"]["gpu"] = "none"; }),
              AllOf(HasSubstr("entries[0].where"), HasSubstr("\"gpu\"")));
  // With all ranks on one host there is no network, with one on each no link within.
  EXPECT_THAT(refusal([](Json& file) { file["entries"][0]["figures"]["network_ns"] = 9000; }),
              HasSubstr("no field \"network_ns\""));
  EXPECT_THAT(refusal([](Json& file) { file["entries"][4]["figures"]["alpha_ns"] = 100; }),
              HasSubstr("no field \"alpha_ns\""));
  // Without attach there is nothing to measure of it.
  EXPECT_THAT(refusal([](Json& file) { file["entries"][2]["figures"]["attach_ns"] = 700; }),
              HasSubstr("no field \"attach_ns\""));
  EXPECT_THAT(
      refusal([](Json& file) { file["entries"][1]["where"] = file["entries"][0]["where"]; }),
      AllOf(HasSubstr("entries[1].where"), HasSubstr("one entry for each place")));
  for (const char* field : {"cores", "hosts", "ranks"})
    for (const Json& value : {Json(0), Json(-3), Json(2.5), Json("2"), Json(1ull << 40)})
      EXPECT_THAT(refusal([&](Json& file) { file["entries"][0]["where"][field] = value; }),
                  HasSubstr(fmt::format("entries[0].where.{}: expected a whole number", field)));
}

class TuningFile : public testing::Test {
 protected:
  const test::TemporaryFolder temporary_;
  const std::string folder_ = temporary_.path();
  const std::string path_ = temporary_.file("tuning.json");
};

TEST_F(TuningFile, is_replaced_as_a_whole_and_leaves_nothing_beside_it) {
  ASSERT_TRUE(write_tuning(path_, {}).ok()) << last_error();
  ASSERT_TRUE(write_tuning(path_, sample()).ok()) << last_error();
  const auto read = read_tuning(path_);
  ASSERT_TRUE(read.ok()) << last_error();
  EXPECT_EQ(read.value().entries.size(), 5U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(TuningFile, that_cannot_be_written_is_an_error_and_leaves_the_old_one) {
  EXPECT_EQ(write_tuning(folder_ + "/none/t.json", {}).code(), Errc::kSystemError);
  EXPECT_THAT(last_error(), HasSubstr(folder_ + "/none/t.json"));
  std::filesystem::create_directory(path_);  // a file cannot take the place of a folder
  EXPECT_EQ(write_tuning(path_, sample()).code(), Errc::kSystemError);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(TuningFile, that_is_missing_no_file_or_too_large_is_an_error_without_a_wait) {
  EXPECT_EQ(read_tuning(path_).status().code(), Errc::kSystemError);
  EXPECT_THAT(last_error(), AllOf(HasSubstr(path_), HasSubstr("No such file")));
  EXPECT_EQ(read_tuning(folder_).status().code(), Errc::kInvalidArgument);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(read_tuning(path_).status().code(), Errc::kInvalidArgument);
  std::filesystem::remove(path_);
  std::ofstream(path_) << std::string((1 << 20) + 1, ' ');
  EXPECT_EQ(read_tuning(path_).status().code(), Errc::kInvalidArgument);
  EXPECT_THAT(last_error(), HasSubstr("1048577 bytes"));
}

TEST(TuningMedian, takes_what_most_chose_and_the_median_of_those) {
  const auto measured = [](double alpha, bool streaming, double write) {
    CostModel model;
    model.alpha = alpha;
    model.stage_streaming = streaming;
    model.stage_write = write;
    return model;
  };
  // Three streamed, at 1, 2 and 9; what the two others wrote cached does not count as a stage.
  const std::vector<CostModel> all{measured(50, true, 9), measured(10, false, 100),
                                   measured(40, true, 1), measured(20, false, 200),
                                   measured(30, true, 2)};
  const CostModel one = median(all);
  EXPECT_EQ(one.alpha, 30);
  EXPECT_TRUE(one.stage_streaming);
  EXPECT_EQ(one.stage_write, 2);
  expect_same_figures(median(std::vector{all.front()}), all.front());
  const CostModel half = median(std::vector{all[0], all[1]});
  EXPECT_FALSE(half.stage_streaming);  // no majority
  EXPECT_EQ(half.stage_write, 100);
}

TEST(TuningMedian, every_choice_and_number_belongs_to_the_model_once) {
  const CostModel model = unusual(spread_key(4));
  std::vector<double> numbers;
  for (const Figure& figure : figures()) {
    EXPECT_NE(figure.number != nullptr, figure.choice != nullptr) << figure.name;
    if (figure.number != nullptr) numbers.push_back(model.*figure.number);
  }
  std::sort(numbers.begin(), numbers.end());
  EXPECT_EQ(std::adjacent_find(numbers.begin(), numbers.end()), numbers.end());
}

TEST(TuningKey, tells_a_processor) {
  EXPECT_FALSE(topology::cpu_model().empty());
  EXPECT_EQ(topology::cpu_model(), topology::cpu_model());
  EXPECT_GE(topology::host_cores(), static_cast<int>(topology::allowed_cores().count()));
}

}  // namespace
}  // namespace sluice
