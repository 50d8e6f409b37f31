// The rows of `make bench` as a table, line by line while it runs, and as JSON.
#pragma once

#include <string>
#include <vector>

#include "bench/measurement.h"

namespace pagefold::bench {

std::string table_head();
std::string table_line(const Row& row);
// What was met, missed, skipped and failed, in one line.
std::string table_foot(const std::vector<Row>& rows);

std::string to_json(const std::vector<Row>& rows);

}  // namespace pagefold::bench
