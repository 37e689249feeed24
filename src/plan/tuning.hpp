// The tuning file: figures of the links, measured once with care, for communicators to plan by
// instead of measuring at every start. docs/tuning.md has the format.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "algorithms/cost_model.hpp"
#include "sluice/status.hpp"

namespace sluice {

/// What the figures depend on: those of one key do not serve another.
struct TuningKey {
  std::string cpu;        // the processor's model
  int cores = 0;          // of a host
  int hosts = 1;          // of the communicator
  int ranks = 0;          // of the communicator
  std::string transport;  // "shm" or "loopback" on one host, "tcp" on several
  bool attach = false;    // ranks of a host reach each other's memory by cross-memory attach

  std::string text() const;
  friend bool operator==(const TuningKey&, const TuningKey&) = default;
};

/// Of `figures` only those that the file has a name for are meant: what a machine does not measure
/// (ranks per core, the cache) is each communicator's own.
struct TuningEntry {
  TuningKey key;
  CostModel figures;
  std::string note;  // for people
};

struct Tuning {
  std::vector<TuningEntry> entries;  // no two of one key

  /// The entry of a key, or null.
  const TuningEntry* find(const TuningKey& key) const;
  /// Adds an entry, in place of the one with its key.
  void put(TuningEntry entry);
};

/// A figure as the file has it.
struct Figure {
  /// What a communicator must have for the figure to be measured.
  enum class Needs {
    kNeighbours,  // two ranks on one host
    kAttach,      // and they reach each other's memory by cross-memory attach
    kOtherHosts,  // two ranks on different hosts
  };

  const char* name;
  double CostModel::*number = nullptr;  // either this one
  bool CostModel::*choice = nullptr;    // or this one
  Needs needs = Needs::kNeighbours;
  bool CostModel::*belongs_to = nullptr;  // the choice that decides what this number is a figure of
};

/// All of them. To add one to the file is to add a line to this table.
std::span<const Figure> figures();
/// Whether an entry of this key has the figure.
bool has_figure(const TuningKey& key, const Figure& figure);

/// Reads the text of a file; `name` is what errors call it. kInvalidArgument naming the file, the
/// line or the field, what was expected and what was found.
Result<Tuning> parse_tuning(const std::string& text, const std::string& name);
std::string format_tuning(const Tuning& tuning);

/// parse_tuning() of a file; also kSystemError.
Result<Tuning> read_tuning(const std::string& path);
/// Replaces the file as a whole, or leaves it as it was. Error: kSystemError.
Status write_tuning(const std::string& path, const Tuning& tuning);

/// One model of several measurements, at least one: what most of them chose, and for each number
/// the median over those whose choice it belongs to.
CostModel median(std::span<const CostModel> measurements);

}  // namespace sluice
