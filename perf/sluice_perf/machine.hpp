// This host: what it is called, its cores, and binding a thread to one of them.
#pragma once

#include <string>

namespace sluice::perf {

std::string host_name();
/// "AMD EPYC 9654, Linux 6.1.0".
std::string describe_machine();
/// Cores that this process may run on.
int usable_cores();
/// Ranks of `sluice-perf tables`: one for each core, at least 2, at most 16.
int default_ranks();
/// Binds the calling thread to the usable core `index` modulo their number. False: the system
/// refused.
bool pin_to_core(int index);

}  // namespace sluice::perf
