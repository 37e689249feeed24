// What ranks tell each other at set-up: plain fields, and a text behind them.
#pragma once

#include <fmt/format.h>

#include <cstring>
#include <string>

#include "base/error.hpp"
#include "bootstrap/bootstrap.hpp"
#include "sluice/status.hpp"

namespace sluice {

template <class Fields>
Bootstrap::Blob blob_of(const Fields& fields, const std::string& tail = {}) {
  Bootstrap::Blob blob(sizeof fields + tail.size());
  std::memcpy(blob.data(), &fields, sizeof fields);
  std::memcpy(blob.data() + sizeof fields, tail.data(), tail.size());
  return blob;
}

template <class Fields>
Result<Fields> fields_of(const Bootstrap::Blob& blob, int rank) {
  Fields fields{};
  if (blob.size() < sizeof fields)
    return fail(Errc::kInvalidUsage, "bad set-up message",
                fmt::format("rank {} sent {} bytes where {} belong: another version?", rank,
                            blob.size(), sizeof fields));
  std::memcpy(&fields, blob.data(), sizeof fields);
  return fields;
}

}  // namespace sluice
