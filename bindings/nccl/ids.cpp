#include "bindings/nccl/ids.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "bindings/nccl/errors.hpp"
#include "bootstrap/unique_id_format.hpp"

namespace sluice::nccl {
namespace {

Result<UniqueId> id_at(const std::string& text) {
  const auto place = bootstrap::parse_host_port(text);
  if (!place)
    return bad_argument(
        fmt::format("NCCL_COMM_ID={} is neither host:port nor [address]:port", text));
  bootstrap::IdFields fields;
  SLUICE_TRY_ASSIGN(fields.server, bootstrap::resolve(place->host, place->port));
  const auto secret = environment::text("SLUICE_SECRET");
  if (!secret)
    log::info(log::Topic::kSettings,
              "NCCL_COMM_ID: the job's secret is made of address and user; set SLUICE_SECRET on "
              "shared machines");
  fields.secret = bootstrap::hash_to_secret(
      "sluice nccl comm id v1", fmt::format("{}/{}/{}", ::getuid(), text, secret.value_or("")));
  fields.rank_zero_serves = true;
  return bootstrap::encode_unique_id(fields);
}

}  // namespace

Result<UniqueId> make_id() {
  if (const auto text = environment::text("NCCL_COMM_ID")) return id_at(*text);
  return UniqueId::create();
}

}  // namespace sluice::nccl
