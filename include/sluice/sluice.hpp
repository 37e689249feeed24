// All of Sluice's public C++ API.
#pragma once

#include "sluice/algorithms.hpp"
#include "sluice/channel.hpp"
#include "sluice/communicator.hpp"
#include "sluice/device.hpp"
#include "sluice/memory.hpp"
#include "sluice/on_stream.hpp"
#include "sluice/status.hpp"
#include "sluice/types.hpp"
#include "sluice/unique_id.hpp"
