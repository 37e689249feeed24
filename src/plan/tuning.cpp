#include "plan/tuning.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/median.hpp"

namespace sluice {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "sluice tuning";
constexpr int kVersion = 1;
constexpr off_t kMaxFileBytes = 1 << 20;
constexpr double kLargestNs = 1e9;

using Needs = Figure::Needs;

constexpr Figure kFigures[] = {
    {.name = "alpha_ns", .number = &CostModel::alpha},
    {.name = "packet_write_ns_per_byte", .number = &CostModel::packet_write},
    {.name = "packet_read_ns_per_byte", .number = &CostModel::packet_read},
    {.name = "stage_streaming", .choice = &CostModel::stage_streaming},
    {.name = "stage_write_ns_per_byte",
     .number = &CostModel::stage_write,
     .belongs_to = &CostModel::stage_streaming},
    {.name = "stage_read_ns_per_byte",
     .number = &CostModel::stage_read,
     .belongs_to = &CostModel::stage_streaming},
    {.name = "cached_ns_per_byte", .number = &CostModel::cached_byte},
    {.name = "streaming_pays_early", .choice = &CostModel::streaming_pays_early},
    {.name = "attach_ns", .number = &CostModel::attach_alpha, .needs = Needs::kAttach},
    {.name = "attach_ns_per_byte", .number = &CostModel::attach_byte, .needs = Needs::kAttach},
    {.name = "network_ns", .number = &CostModel::network_alpha, .needs = Needs::kOtherHosts},
    {.name = "network_ns_per_byte",
     .number = &CostModel::network_byte,
     .needs = Needs::kOtherHosts},
};

/// Reads one parsed file. The first thing that is wrong ends it, by an exception that does not
/// leave this file.
class Reader {
 public:
  struct Bad {
    std::string text;
  };

  Tuning tuning(const Json& file) {
    only(file, "the file", {"format", "version", "entries"});
    if (text(file, "", "format") != kFormat)
      bad("format", fmt::format("\"{}\"", kFormat), &file["format"]);
    if (const int version = whole(file, "", "version"); version != kVersion)
      bad("version", fmt::format("{}, which this release reads", kVersion), &file["version"]);
    const Json& entries = field(file, "", "entries");
    if (!entries.is_array()) bad("entries", "a list", &entries);
    Tuning tuning;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const std::string path = fmt::format("entries[{}]", i);
      TuningEntry read = entry(entries[i], path);
      if (tuning.find(read.key) != nullptr)
        bad(path + ".where", "one entry for each place", &entries[i]["where"]);
      tuning.entries.push_back(std::move(read));
    }
    return tuning;
  }

 private:
  [[noreturn]] static void bad(const std::string& path, const std::string& expected,
                               const Json* found) {
    constexpr std::size_t kMostText = 200;
    std::string text = found == nullptr ? "nothing" : found->dump(-1, ' ', true);
    if (text.size() > kMostText) text = text.substr(0, kMostText) + "...";
    throw Bad{fmt::format("{}: expected {}, found {}", path, expected, text)};
  }

  static std::string join(const std::string& path, const std::string& name) {
    return path.empty() ? name : path + "." + name;
  }

  /// Checks that `object` is one and has no other members.
  static void only(const Json& object, const std::string& path,
                   const std::vector<std::string>& names) {
    if (!object.is_object()) bad(path, "an object", &object);
    for (const auto& [name, value] : object.items())
      if (std::find(names.begin(), names.end(), name) == names.end())
        bad(path, fmt::format("no field \"{}\"", name), &value);
  }
  static const Json& field(const Json& object, const std::string& path, const char* name) {
    const auto found = object.find(name);
    if (found == object.end()) bad(join(path, name), "a value", nullptr);
    return *found;
  }
  static std::string text(const Json& object, const std::string& path, const char* name) {
    const Json& value = field(object, path, name);
    if (!value.is_string()) bad(join(path, name), "a text", &value);
    return value.get<std::string>();
  }
  static int whole(const Json& object, const std::string& path, const char* name) {
    const Json& value = field(object, path, name);
    if (!value.is_number_integer() || value < 1 || value > 1'000'000)
      bad(join(path, name), "a whole number from 1 to 1000000", &value);
    return value.get<int>();
  }
  static bool yes_or_no(const Json& object, const std::string& path, const char* name) {
    const Json& value = field(object, path, name);
    if (!value.is_boolean()) bad(join(path, name), "true or false", &value);
    return value.get<bool>();
  }
  static double nanoseconds(const Json& object, const std::string& path, const char* name) {
    const Json& value = field(object, path, name);
    // Written so that a number that is none fails, too.
    if (!value.is_number() || !(value.get<double>() >= 0 && value.get<double>() <= kLargestNs))
      bad(join(path, name), fmt::format("a number from 0 to {:g}", kLargestNs), &value);
    return value.get<double>();
  }

  static TuningEntry entry(const Json& object, const std::string& path) {
    only(object, path, {"where", "figures", "note"});
    TuningEntry entry;
    entry.key = key(field(object, path, "where"), path + ".where");
    entry.figures = cost_model(field(object, path, "figures"), path + ".figures", entry.key);
    if (object.contains("note")) entry.note = text(object, path, "note");
    return entry;
  }

  static TuningKey key(const Json& object, const std::string& path) {
    only(object, path, {"cpu", "cores", "hosts", "ranks", "transport", "attach"});
    return {.cpu = text(object, path, "cpu"),
            .cores = whole(object, path, "cores"),
            .hosts = whole(object, path, "hosts"),
            .ranks = whole(object, path, "ranks"),
            .transport = text(object, path, "transport"),
            .attach = yes_or_no(object, path, "attach")};
  }

  static CostModel cost_model(const Json& object, const std::string& path, const TuningKey& key) {
    CostModel model;
    std::vector<std::string> names;
    for (const Figure& figure : kFigures)
      if (has_figure(key, figure)) names.push_back(figure.name);
    only(object, path, names);
    for (const Figure& figure : kFigures) {
      if (!has_figure(key, figure)) continue;
      if (figure.number != nullptr)
        model.*figure.number = nanoseconds(object, path, figure.name);
      else
        model.*figure.choice = yes_or_no(object, path, figure.name);
    }
    return model;
  }
};

Result<std::string> read_text(const std::string& path) {
  // Not blocking, or a pipe of this name would hold the job up.
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0)
    return fail_os("no tuning file", fmt::format("the tuning file {} cannot be opened", path),
                   errno);
  if (!S_ISREG(status.st_mode) || status.st_size > kMaxFileBytes)
    return fail(Errc::kInvalidArgument, "bad tuning file",
                fmt::format("the tuning file {}: expected a file of at most {} bytes, found {}",
                            path, kMaxFileBytes,
                            S_ISREG(status.st_mode) ? fmt::format("{} bytes", status.st_size)
                                                    : "something that is not a file"));
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  for (std::size_t have = 0; have < text.size();) {
    const ssize_t got = ::read(file.get(), text.data() + have, text.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      return fail_os("tuning file not read", fmt::format("the tuning file {}", path), errno);
    if (got == 0) text.resize(have);  // it has become shorter
    have += static_cast<std::size_t>(got);
  }
  return text;
}

bool write_text(const Fd& file, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t wrote = ::write(file.get(), text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return false;
    done += static_cast<std::size_t>(wrote);
  }
  return ::fsync(file.get()) == 0;
}

}  // namespace

std::span<const Figure> figures() { return kFigures; }

bool has_figure(const TuningKey& key, const Figure& figure) {
  switch (figure.needs) {
    case Needs::kNeighbours: return key.ranks > key.hosts;
    case Needs::kAttach: return key.ranks > key.hosts && key.attach;
    case Needs::kOtherHosts: return key.hosts > 1;
  }
  return false;
}

std::string TuningKey::text() const {
  return fmt::format("{} ranks over {} on {} of {} cores of \"{}\", {} attach", ranks, transport,
                     hosts == 1 ? "a host" : fmt::format("{} hosts", hosts), cores, cpu,
                     attach ? "with" : "without");
}

const TuningEntry* Tuning::find(const TuningKey& key) const {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const TuningEntry& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &*found;
}

void Tuning::put(TuningEntry entry) {
  std::erase_if(entries, [&](const TuningEntry& old) { return old.key == entry.key; });
  entries.push_back(std::move(entry));
}

Result<Tuning> parse_tuning(const std::string& text, const std::string& name) {
  // Nothing in it is nested deeper; and what prints a value is recursive.
  constexpr int kMostDepth = 8;
  const auto shallow = [](int depth, Json::parse_event_t, const Json&) {
    if (depth > kMostDepth) throw Reader::Bad{"expected at most 8 levels of nesting, found more"};
    return true;
  };
  std::string why;
  try {
    return Reader().tuning(Json::parse(text, shallow));
  } catch (const Reader::Bad& bad) {
    why = bad.text;
  } catch (const Json::exception& bad) {
    why = bad.what();  // "... parse error at line 3, column 5: ... expected ..."
  }
  return fail(Errc::kInvalidArgument, "bad tuning file",
              fmt::format("the tuning file {}: {}", name, why));
}

std::string format_tuning(const Tuning& tuning) {
  Json entries = Json::array();
  for (const TuningEntry& entry : tuning.entries) {
    Json written = Json::object();
    for (const Figure& figure : kFigures) {
      if (!has_figure(entry.key, figure)) continue;
      if (figure.number != nullptr)
        written[figure.name] = entry.figures.*figure.number;
      else
        written[figure.name] = entry.figures.*figure.choice;
    }
    entries.push_back({{"where",
                        {{"cpu", entry.key.cpu},
                         {"cores", entry.key.cores},
                         {"hosts", entry.key.hosts},
                         {"ranks", entry.key.ranks},
                         {"transport", entry.key.transport},
                         {"attach", entry.key.attach}}},
                       {"figures", std::move(written)}});
    if (!entry.note.empty()) entries.back()["note"] = entry.note;
  }
  const Json file{{"format", kFormat}, {"version", kVersion}, {"entries", std::move(entries)}};
  // A processor's or a host's name may be no UTF-8: that must not end in an exception.
  return file.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Tuning> read_tuning(const std::string& path) {
  SLUICE_TRY_ASSIGN(const std::string text, read_text(path));
  return parse_tuning(text, path);
}

Status write_tuning(const std::string& path, const Tuning& tuning) {
  // Beside the old file, then in its place: who reads meanwhile sees one or the other, whole.
  const std::string fresh = fmt::format("{}.{}", path, ::getpid());
  const Fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (file.valid() && write_text(file, format_tuning(tuning)) &&
      std::rename(fresh.c_str(), path.c_str()) == 0)
    return {};
  const int error = errno;
  if (file.valid()) ::unlink(fresh.c_str());
  return fail_os("tuning file not written",
                 fmt::format("the tuning file {} cannot be written", path), error);
}

CostModel median(std::span<const CostModel> measurements) {
  CostModel result = measurements.front();
  for (const Figure& figure : kFigures) {
    if (figure.choice == nullptr) continue;
    const auto agreeing = std::count_if(measurements.begin(), measurements.end(),
                                        [&](const CostModel& each) { return each.*figure.choice; });
    result.*figure.choice = 2 * agreeing > static_cast<std::ptrdiff_t>(measurements.size());
  }
  for (const Figure& figure : kFigures) {
    if (figure.number == nullptr) continue;
    std::vector<double> values;
    for (const CostModel& each : measurements)
      if (figure.belongs_to == nullptr || each.*figure.belongs_to == result.*figure.belongs_to)
        values.push_back(each.*figure.number);
    result.*figure.number = median_of(std::move(values));
  }
  return result;
}

}  // namespace sluice
