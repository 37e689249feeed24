// The command line of sluice-top.
#pragma once

#include <sys/types.h>

#include <optional>
#include <variant>

namespace sluice::top {

struct CommandLine {
  std::optional<pid_t> pid;       // only communicators with a rank in this process
  std::optional<double> every_s;  // look again and again; else once
  int history = 0;                // earlier operations of each rank to show
  bool json = false;
};

/// The command line, or the exit code when there is nothing to do (help, or an error that has been
/// printed).
std::variant<CommandLine, int> parse(int argc, char** argv);

}  // namespace sluice::top
