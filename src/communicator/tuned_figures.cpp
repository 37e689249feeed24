#include "communicator/tuned_figures.hpp"

#include <fmt/format.h>

#include <string_view>
#include <type_traits>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "communicator/setup_blobs.hpp"

namespace sluice {
namespace {

/// Rank 0's word, followed by the sentence of its error.
struct Word {
  Errc code = Errc::kOk;
  bool found = false;
  CostModel figures;
};
static_assert(std::is_trivially_copyable_v<Word>);

Result<std::optional<CostModel>> look_up(const TuningKey& key) {
  const auto path = environment::text("SLUICE_TUNING");
  if (!path) return std::optional<CostModel>();
  SLUICE_TRY_ASSIGN(const Tuning tuning, read_tuning(*path));
  if (const TuningEntry* entry = tuning.find(key)) {
    log::info(log::Topic::kTuning, "figures of the links: from {}, {}", *path, key.text());
    return std::optional(entry->figures);
  }
  log::info(log::Topic::kTuning, "{} says nothing about {}: the links are measured", *path,
            key.text());
  return std::optional<CostModel>();
}

Word word_of(const Result<std::optional<CostModel>>& looked_up) {
  Word word;
  word.code = looked_up.status().code();
  word.found = looked_up.ok() && looked_up.value().has_value();
  if (word.found) word.figures = *looked_up.value();
  return word;
}

}  // namespace

Result<std::optional<CostModel>> tuned_figures(Bootstrap& bootstrap, const TuningKey& key,
                                               Deadline deadline) {
  if (bootstrap.rank() == 0) {
    auto mine = look_up(key);
    // Also after an error, which the others must hear of.
    const auto blob = blob_of(word_of(mine), mine.ok() ? "" : last_error());
    SLUICE_TRY(bootstrap.all_gather(blob, deadline).status());
    return mine;
  }
  SLUICE_TRY_ASSIGN(const auto blobs, bootstrap.all_gather({}, deadline));
  const auto& blob = blobs.front();
  SLUICE_TRY_ASSIGN(const Word word, fields_of<Word>(blob, 0));
  if (word.code != Errc::kOk)
    return fail(
        word.code, "bad tuning file",
        fmt::format("rank {}: rank 0 says: {}", bootstrap.rank(),
                    std::string_view(reinterpret_cast<const char*>(blob.data()), blob.size())
                        .substr(sizeof word)));
  return word.found ? std::optional(word.figures) : std::nullopt;
}

}  // namespace sluice
