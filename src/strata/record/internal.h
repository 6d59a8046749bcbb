// What the files of this module share and nobody else needs.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "strata/base/npy.h"
#include "strata/record/run_directory.h"

namespace strata::record_json {

/// Shortest decimal form that reads back as the same double; finite values only.
[[nodiscard]] inline std::string shortest(double value) {
  return fmt::format("{}", value);
}

/// results.json as text, and back. `replicates` of the parsed run hold as many empty matrices as
/// arrays.npz must have.
[[nodiscard]] std::string write_json(const Run& run);
[[nodiscard]] Run read_json(const std::string& text, const std::string& where);

/// Calls `bad(path, found, expected)` for the first length or index that does not fit the rest of the
/// record; `bad` does not return normally.
using Complaint =
    std::function<void(const std::string& path, const std::string& found, const std::string& expected)>;
void validate(const Run& run, const Complaint& bad);

/// The arrays of arrays.npz, and their way back into `run`. Throws Error(bad_file).
[[nodiscard]] std::vector<NamedArray> arrays_of(const Run& run);
void merge_arrays(const std::vector<NamedArray>& arrays, const std::string& where, Run& run);

}  // namespace strata::record_json
