// Steps of a set-up that all ranks take together.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "base/deadline.hpp"
#include "base/error.hpp"
#include "bootstrap/bootstrap.hpp"
#include "communicator/setup_blobs.hpp"
#include "sluice/status.hpp"

namespace sluice {

/// Everybody's result of a step: an error of one is one of all. `lacks`: what a rank does not have
/// then, as part of a sentence. `Fields` is plain data.
template <class Fields>
Result<std::vector<Fields>> agree(Bootstrap& bootstrap, Deadline deadline,
                                  const Result<Fields>& mine, const char* lacks) {
  struct Said {
    std::uint64_t code;
    Fields fields;
  };
  const Said said{static_cast<std::uint64_t>(mine.status().code()),
                  mine.ok() ? mine.value() : Fields{}};
  SLUICE_TRY_ASSIGN(const auto blobs,
                    bootstrap.all_gather(blob_of(said, mine.ok() ? "" : last_error()), deadline));
  if (!mine.ok()) return mine.status();
  std::vector<Fields> all;
  for (int r = 0; r < bootstrap.size(); ++r) {
    const auto& blob = blobs[static_cast<std::size_t>(r)];
    SLUICE_TRY_ASSIGN(const Said theirs, fields_of<Said>(blob, r));
    if (theirs.code != 0) {
      const std::string text(reinterpret_cast<const char*>(blob.data()) + sizeof(Said),
                             blob.size() - sizeof(Said));
      return fail(Errc::kRemoteError, "a peer has met an error",
                  fmt::format("rank {}: rank {} has {}: {}", bootstrap.rank(), r, lacks, text));
    }
    all.push_back(theirs.fields);
  }
  return all;
}

}  // namespace sluice
