// ncclParam...: the environment variables that mean something here, by key and by handle.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <vector>

#include "base/error.hpp"
#include "base/log.hpp"
#include "bindings/nccl/door.hpp"
#include "bindings/nccl/environment.hpp"
#include "bindings/nccl/errors.hpp"

namespace sluice::nccl {
namespace {

/// A handle is the address of a parameter.
const Parameter* parameter_of(ncclParamHandle_t handle) {
  const auto all = parameters();
  const auto* pointer = reinterpret_cast<const Parameter*>(handle);
  const bool known =
      std::any_of(all.begin(), all.end(), [&](const Parameter& each) { return &each == pointer; });
  return known ? pointer : nullptr;
}

Result<std::string> text_by(ncclParamHandle_t handle, const void* out) {
  const Parameter* parameter = parameter_of(handle);
  if (parameter == nullptr) return bad_argument("ncclParamGet: not a handle of ncclParamBind");
  if (out == nullptr) return bad_argument("ncclParamGet: where to put it is null");
  return text_of(*parameter);
}

template <class Integer>
Status read_number(ncclParamHandle_t handle, Integer* out) {
  SLUICE_TRY_ASSIGN(const std::string text, text_by(handle, out));
  Integer value{};
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stopped != end)
    return bad_argument(fmt::format(
        "{}=\"{}\" is not a whole number from {} to {}", parameter_of(handle)->key, text,
        std::numeric_limits<Integer>::min(), std::numeric_limits<Integer>::max()));
  *out = value;
  return {};
}

Result<const Parameter*> find(const char* key) {
  if (key == nullptr) return bad_argument("ncclParam: the key is null");
  for (const Parameter& parameter : parameters())
    if (std::strcmp(parameter.key, key) == 0) return &parameter;
  return bad_argument(fmt::format("ncclParam: no parameter \"{}\"", key));
}

}  // namespace

ncclResult_t ParamBind(ncclParamHandle_t* out, const char* key) {
  if (out == nullptr) return conclude(bad_argument("ncclParamBind: where to put it is null"));
  const auto found = find(key);
  if (found.ok()) *out = reinterpret_cast<ncclParamHandle_t>(const_cast<Parameter*>(found.value()));
  return conclude(found.status());
}

ncclResult_t ParamGetI8(ncclParamHandle_t handle, int8_t* out) {
  return conclude(read_number(handle, out));
}
ncclResult_t ParamGetI16(ncclParamHandle_t handle, int16_t* out) {
  return conclude(read_number(handle, out));
}
ncclResult_t ParamGetI32(ncclParamHandle_t handle, int32_t* out) {
  return conclude(read_number(handle, out));
}
ncclResult_t ParamGetI64(ncclParamHandle_t handle, int64_t* out) {
  return conclude(read_number(handle, out));
}
ncclResult_t ParamGetU8(ncclParamHandle_t handle, uint8_t* out) {
  return conclude(read_number(handle, out));
}
ncclResult_t ParamGetU16(ncclParamHandle_t handle, uint16_t* out) {
  return conclude(read_number(handle, out));
}
ncclResult_t ParamGetU32(ncclParamHandle_t handle, uint32_t* out) {
  return conclude(read_number(handle, out));
}
ncclResult_t ParamGetU64(ncclParamHandle_t handle, uint64_t* out) {
  return conclude(read_number(handle, out));
}

ncclResult_t ParamGetStr(ncclParamHandle_t handle, const char** out) {
  thread_local std::string lent;
  auto text = text_by(handle, out);
  if (!text.ok()) return conclude(text.status());
  lent = std::move(text).value();
  *out = lent.c_str();
  return ncclSuccess;
}

ncclResult_t ParamGet(ncclParamHandle_t handle, void* out, int maxLen, int* len) {
  const auto text = text_by(handle, out);
  if (!text.ok()) return conclude(text.status());
  const std::size_t bytes = text.value().size() + 1;
  if (len == nullptr || maxLen < 0 || static_cast<std::size_t>(maxLen) < bytes)
    return conclude(
        bad_argument(fmt::format("ncclParamGet: room for {} bytes, {} are needed", maxLen, bytes)));
  std::memcpy(out, text.value().c_str(), bytes);
  *len = static_cast<int>(bytes);
  return ncclSuccess;
}

ncclResult_t ParamGetParameter(const char* key, const char** value, int* valueLen) {
  thread_local std::string lent;
  const auto found = find(key);
  if (!found.ok()) return conclude(found.status());
  if (value == nullptr || valueLen == nullptr)
    return conclude(bad_argument("ncclParamGetParameter: where to put it is null"));
  lent = text_of(*found.value());
  *value = lent.c_str();
  *valueLen = static_cast<int>(lent.size());
  return ncclSuccess;
}

ncclResult_t ParamGetAllParameterKeys(const char*** table, int* tableLen) {
  thread_local std::vector<const char*> keys;
  if (table == nullptr || tableLen == nullptr)
    return conclude(bad_argument("ncclParamGetAllParameterKeys: where to put it is null"));
  keys.clear();
  for (const Parameter& parameter : parameters()) keys.push_back(parameter.key);
  *table = keys.data();
  *tableLen = static_cast<int>(keys.size());
  return ncclSuccess;
}

void ParamDumpAll() {
  for (const Parameter& parameter : parameters())
    log::info(log::Topic::kSettings, "{}={} ({})", parameter.key, text_of(parameter),
              parameter.meaning);
}

}  // namespace sluice::nccl
