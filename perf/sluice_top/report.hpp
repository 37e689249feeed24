// What sluice-top prints.
#pragma once

#include <string>

#include "communicator/flight_scan.hpp"

namespace sluice::top {

/// For people: a paragraph for each communicator, its verdict last.
std::string text_of(const FlightScan& scan, int history);

/// One JSON object on one line; docs/flight-recorder.md has its fields.
std::string json_of(const FlightScan& scan, int history);

}  // namespace sluice::top
