// Ranks that are processes plan by rank 0's tuning file, whatever files they have themselves.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "communicator/impl.hpp"
#include "plan/tuning.hpp"
#include "support/ranks.hpp"
#include "support/temporary_folder.hpp"

namespace sluice::test {
namespace {

/// Figures that no machine has, in a pattern of their own.
CostModel figures_of(const TuningKey& key, double base) {
  CostModel model;
  double next = base;
  for (const Figure& figure : figures()) {
    if (!has_figure(key, figure)) continue;
    if (figure.number != nullptr)
      model.*figure.number = next += 1;
    else
      model.*figure.choice = true;
  }
  return model;
}

void use_file(const std::string& path) {
  if (path.empty())
    ::unsetenv("SLUICE_TUNING");
  else
    ::setenv("SLUICE_TUNING", path.c_str(), 1);
}

/// What is wrong unless every rank plans by the same figures, those of `expected` where given.
std::string check_agreement(Communicator& communicator, const CostModel* expected) {
  const CostModel& model = communicator.impl().tuning().figures;
  for (const Figure& figure : figures()) {
    double mine = figure.number != nullptr ? model.*figure.number : model.*figure.choice;
    std::vector<double> all(static_cast<std::size_t>(communicator.size()));
    const Status status = communicator.all_gather(&mine, all.data(), 1, DataType::kFloat64);
    if (!status.ok()) return text_of(status);
    for (const double theirs : all)
      if (theirs != mine) return fmt::format("{}: {} here, {} there", figure.name, mine, theirs);
    if (expected == nullptr) continue;
    const double wanted =
        figure.number != nullptr ? expected->*figure.number : expected->*figure.choice;
    if (mine != wanted) return fmt::format("{}: {}, not {}", figure.name, mine, wanted);
  }
  return {};
}

class TuningProcesses : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_.file(name); }

  /// Splits the communicator off itself, each rank with its own file, and checks what it plans by.
  std::string split_with(Communicator& communicator, const std::string& rank_0_file,
                         const std::string& others_file, const CostModel* expected) const {
    use_file(communicator.rank() == 0 ? rank_0_file : others_file);
    auto again = communicator.split(0, communicator.rank());
    if (!again.ok()) return text_of(again.status());
    return check_agreement(again.value(), expected);
  }
  /// Writes a file with figures for what `communicator` is, on rank 0.
  std::string write(Communicator& communicator, const std::string& name, double base) const {
    if (communicator.rank() != 0) return {};
    const TuningKey& key = communicator.impl().tuning().key;
    Tuning tuning;
    tuning.put({key, figures_of(key, base), {}});
    return write_tuning(path(name), tuning).ok() ? "" : last_error();
  }

  const TemporaryFolder folder_;
};

TEST_F(TuningProcesses, plan_by_rank_zeros_file_whatever_the_others_have) {
  const auto body = [&](Communicator& communicator) -> std::string {
    if (auto error = write(communicator, "one", 1000); !error.empty()) return error;
    if (auto error = write(communicator, "other", 2000); !error.empty()) return error;
    if (const auto status = communicator.barrier(); !status.ok()) return text_of(status);
    const CostModel one = figures_of(communicator.impl().tuning().key, 1000);
    for (const std::string& others : {path("one"), path("other"), std::string(), path("missing")})
      if (auto error = split_with(communicator, path("one"), others, &one); !error.empty())
        return fmt::format("others with \"{}\": {}", others, error);
    // A file that only others have is no file.
    if (auto error = split_with(communicator, "", path("other"), nullptr); !error.empty())
      return "only others have a file: " + error;
    use_file("");
    return {};
  };
  for (const auto& [transport, attach] :
       {std::pair("shm", "0"), std::pair("shm", "1"), std::pair("tcp", "1")}) {
    Launch launch;
    launch.environment = {{"SLUICE_TRANSPORT", transport}, {"SLUICE_ATTACH", attach}};
    EXPECT_EQ(spawn_processes(3, body, launch), "") << transport << ", attach " << attach;
  }
}

TEST_F(TuningProcesses, without_a_matching_entry_measure) {
  EXPECT_EQ(spawn_processes(2,
                            [&](Communicator& communicator) -> std::string {
                              if (communicator.rank() == 0) {
                                Tuning tuning;
                                TuningKey key = communicator.impl().tuning().key;
                                key.ranks = 7;
                                tuning.put({key, figures_of(key, 1e6), {}});
                                if (!write_tuning(path("seven"), tuning).ok()) return last_error();
                              }
                              use_file(path("seven"));
                              auto again = communicator.split(0, communicator.rank());
                              if (!again.ok()) return text_of(again.status());
                              if (again->impl().tuning().figures.alpha >= 1e6)
                                return "took the figures of 7 ranks";
                              return check_agreement(again.value(), nullptr);
                            }),
            "");
}

TEST_F(TuningProcesses, a_damaged_or_missing_file_is_every_ranks_error_at_once) {
  std::ofstream(path("damaged")) << "{\"format\": \"sluice tuning\",\n \"version\": 99,\n"
                                    " \"entries\": []}\n";
  const auto body = [&](const char* name, const char* part) {
    return [this, name, part](Communicator& communicator) -> std::string {
      use_file(communicator.rank() == 0 ? path(name) : "");
      const auto start = std::chrono::steady_clock::now();
      const auto again = communicator.split(0, communicator.rank());
      const auto took = std::chrono::steady_clock::now() - start;
      if (again.ok()) return "the file was taken";
      if (last_error().find(path(name)) == std::string::npos ||
          last_error().find(part) == std::string::npos)
        return "unclear: " + last_error();
      // Far below the timeout of 30 s, which it would take if nobody told the others.
      return took < std::chrono::seconds(15) ? "" : "it took too long";
    };
  };
  EXPECT_EQ(spawn_processes(3, body("damaged", "version: expected 1, which")), "");
  EXPECT_EQ(spawn_processes(3, body("missing", "No such file")), "");
}

/// What a command prints, and its exit status.
std::pair<std::string, int> run(const std::string& command) {
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return {"cannot be started", -1};
  std::string text;
  char chunk[4096];
  for (std::size_t got; (got = std::fread(chunk, 1, sizeof chunk, pipe)) > 0;)
    text.append(chunk, got);
  return {text, ::pclose(pipe)};
}

TEST_F(TuningProcesses, sluice_perf_tune_makes_a_file_that_is_used) {
  const std::string program = SLUICE_BINARY_DIR "/bin/sluice-perf";
  if (!std::filesystem::exists(program)) GTEST_SKIP() << "needs sluice-perf to be built";
  // Twice: the second one must replace the entries of the first.
  for (int round = 0; round < 2; ++round) {
    const auto [text, code] =
        run(fmt::format("{} tune --ranks 2 3 -t 2 --output {}", program, path("made")));
    ASSERT_EQ(code, 0) << text;
  }
  const auto made = read_tuning(path("made"));
  ASSERT_TRUE(made.ok()) << last_error();
  std::vector<std::pair<int, std::string>> places;
  for (const TuningEntry& entry : made.value().entries)
    places.emplace_back(entry.key.ranks, entry.key.transport);
  EXPECT_THAT(places, testing::UnorderedElementsAre(std::pair(2, "shm"), std::pair(3, "shm"),
                                                    std::pair(2, "loopback")));
  for (const auto& [flag, taken] :
       {std::pair("--ranks 2", true), std::pair("-t 2", true), std::pair("-t 3", false)}) {
    const auto [text, code] = run(fmt::format("SLUICE_LOG=info SLUICE_TUNING={} {} barrier -n 1 {}",
                                              path("made"), program, flag));
    EXPECT_EQ(code, 0) << text;
    EXPECT_EQ(text.find("figures of the links: from") != std::string::npos, taken) << text;
    EXPECT_EQ(text.find("says nothing about") != std::string::npos, !taken) << text;
  }
}

TEST_F(TuningProcesses, sluice_perf_tune_leaves_a_damaged_file_alone) {
  const std::string program = SLUICE_BINARY_DIR "/bin/sluice-perf";
  if (!std::filesystem::exists(program)) GTEST_SKIP() << "needs sluice-perf to be built";
  std::ofstream(path("damaged")) << "{";
  const auto [text, code] =
      run(fmt::format("{} tune --ranks 2 --output {}", program, path("damaged")));
  EXPECT_NE(code, 0);
  EXPECT_THAT(text, testing::HasSubstr("line 1"));
  EXPECT_EQ(std::filesystem::file_size(path("damaged")), 1U);
}

}  // namespace
}  // namespace sluice::test
