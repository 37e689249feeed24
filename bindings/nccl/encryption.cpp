// ncclSetEncryption: everything over the network is encrypted, and who has a unique id can join
// only with the key.
#include <fmt/format.h>

#include <cstring>
#include <mutex>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "bindings/nccl/door.hpp"
#include "bindings/nccl/errors.hpp"
#include "bindings/nccl/ids.hpp"
#include "bootstrap/unique_id_format.hpp"

namespace sluice::nccl {
namespace {

constexpr std::size_t kLeastKeyBytes = 32;

struct Key {
  std::mutex mutex;
  std::optional<std::string> text;
};

Key& key() {
  static Key* const instance = new Key;
  return *instance;
}

Status set(const ncclEncryptionConfig_t* config) {
  if (config == nullptr || config->magic != NCCL_API_MAGIC || config->size < sizeof *config)
    return bad_argument(
        "ncclSetEncryption: the configuration was not made with "
        "NCCL_ENCRYPTION_CONFIG_INITIALIZER");
  if (config->mode != NCCL_ENCRYPTION_MODE_NONE && config->mode != NCCL_ENCRYPTION_MODE_PSK)
    return bad_argument(fmt::format("ncclSetEncryption: mode {} is none of NCCL's", config->mode));
  const bool encrypts = config->mode == NCCL_ENCRYPTION_MODE_PSK;
  if (encrypts && (config->psk == nullptr || std::strlen(config->psk) < kLeastKeyBytes))
    return bad_argument(
        fmt::format("ncclSetEncryption: the key needs {} bytes or more", kLeastKeyBytes));
  const std::lock_guard lock(key().mutex);
  key().text.reset();
  if (encrypts) key().text = config->psk;
  return {};
}

}  // namespace

bool encrypts() {
  const std::lock_guard lock(key().mutex);
  return key().text.has_value();
}

Result<UniqueId> sealed(const UniqueId& id) {
  const std::lock_guard lock(key().mutex);
  if (!key().text) return id;
  SLUICE_TRY_ASSIGN(bootstrap::IdFields fields, bootstrap::decode_unique_id(id));
  const bootstrap::Secret pad = bootstrap::hash_to_secret(
      "sluice nccl psk v1", fmt::format("{}/{}", fields.server.text(), *key().text));
  for (std::size_t i = 0; i < pad.size(); ++i) fields.secret[i] ^= pad[i];
  return bootstrap::encode_unique_id(fields);
}

ncclResult_t SetEncryption(const ncclEncryptionConfig_t* config) { return conclude(set(config)); }

}  // namespace sluice::nccl
