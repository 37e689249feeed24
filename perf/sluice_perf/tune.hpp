// `sluice-perf tune`: measures the links with care and writes a tuning file. docs/tuning.md
// describes it.
#pragma once

namespace sluice::perf {

/// Runs the command line, whose second word is "tune"; the exit code.
int tune(int argc, char** argv);

}  // namespace sluice::perf
