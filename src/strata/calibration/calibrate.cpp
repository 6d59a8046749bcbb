#include "strata/calibration/calibrate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "strata/base/error.h"
#include "strata/base/parallel.h"
#include "strata/calibration/trial.h"
#include "strata/stats/binomial.h"

namespace strata {
namespace {

constexpr int kFewestLayers = 6;   // two boundaries need three segments of two
constexpr int kMostLayers = 1000;  // segment costs take memory and time with its square
constexpr int kMostTrials = 1'000'000;

void refuse(const std::string& where, const std::string& found, const std::string& expected) {
  throw Error(ErrorKind::usage, {.option = where, .found = found, .expected = expected});
}

void check_names(const std::vector<std::string>& asked, const std::vector<std::string>& known,
                 const char* where) {
  if (asked.empty()) refuse(where, "nothing", fmt::format("some of {}", fmt::join(known, ", ")));
  for (const std::string& name : asked) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      refuse(where, name, fmt::format("some of {}", fmt::join(known, ", ")));
  }
}

void check(const CalibrationOptions& options) {
  const auto between = [](const char* where, int value, int low, int high) {
    if (value < low || value > high) {
      refuse(where, fmt::format("{}", value), fmt::format("between {} and {}", low, high));
    }
  };
  between("trials", options.trials, 1, kMostTrials);
  between("surrogates", options.surrogates, 19, kMostTrials);  // fewer cannot reach p = 0.05
  between("replicates", options.bootstraps, 1, kMostTrials);
  if (options.layers.empty()) refuse("layers", "nothing", "numbers of layers");
  for (const int n_layers : options.layers) between("layers", n_layers, kFewestLayers, kMostLayers);
  check_names(options.detectors, {"either", "signals", "states", "kernel_cka", "fused"}, "detectors");
  auto kinds = CalibrationOptions{}.kinds;
  kinds.emplace_back("rules");
  if (options.network) kinds.insert(kinds.end(), {"networks", "random"});
  if (options.trained) kinds.insert(kinds.end(), {"trained", "trained_null"});
  check_names(options.kinds, kinds, "kinds");
}

CalibrationRow row_of(const CalibrationCell& cell, const std::string& detector, const Measure& measure) {
  return {.kind = cell.kind,
          .cell = cell.name,
          .detector = detector,
          .spec = cell.spec,
          .measure = measure.name,
          .interval_95 = {},
          .bar = measure.bar,
          .bar_is_upper = measure.bar_is_upper};
}

// An interval may also not be too wide, unless the estimate itself, which every interval should hold, is
// right more often than that.
void add_width_bar(std::vector<CalibrationRow>& rows) {
  constexpr double kTooWide = 0.97;
  const auto row_of_measure = [&](const char* measure) {
    return std::find_if(rows.begin(), rows.end(),
                        [&](const CalibrationRow& row) { return row.measure == measure; });
  };
  const auto coverage = row_of_measure("coverage_90"), exact = row_of_measure("exact");
  if (coverage == rows.end() || exact == rows.end() || !coverage->bar || exact->share() >= kTooWide) return;
  CalibrationRow upper = *coverage;
  upper.measure = "coverage_90_not_too_wide";
  upper.bar = kTooWide;
  upper.bar_is_upper = true;
  rows.push_back(upper);
}

// Rows of all detectors; measures that have a meaning in no trial have none.
std::vector<CalibrationRow> run_cell(const CalibrationCell& cell, const std::vector<std::string>& detectors,
                                     const CalibrationOptions& options) {
  std::vector<std::vector<Outcome>> outcomes(static_cast<std::size_t>(options.trials));
  parallel_for(outcomes.size(), options.threads, [&](std::size_t i) {
    outcomes[i] = run_trial(cell, detectors, static_cast<int>(i), options);
  });
  std::vector<CalibrationRow> all;
  for (std::size_t d = 0; d < detectors.size(); ++d) {
    std::vector<CalibrationRow> rows;
    const auto measures = measures_of(cell, detectors[d]);
    for (std::size_t m = 0; m < measures.size(); ++m) {
      CalibrationRow row = row_of(cell, detectors[d], measures[m]);
      for (const auto& trial : outcomes) {
        if (!trial[d][m].has_value()) continue;
        ++row.trials;
        row.hits += *trial[d][m] ? 1 : 0;
      }
      if (row.trials == 0) continue;
      const auto interval =
          stats::clopper_pearson(static_cast<std::size_t>(row.hits), static_cast<std::size_t>(row.trials));
      row.interval_95 = {interval.lo, interval.hi};
      rows.push_back(row);
    }
    add_width_bar(rows);
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

}  // namespace

std::vector<CalibrationRow> calibrate(const CalibrationOptions& options,
                                      const CalibrationProgress& progress) {
  check(options);
  const auto cells = calibration_cells(options);
  std::vector<CalibrationRow> rows;
  for (std::size_t c = 0; c < cells.size(); ++c) {
    if (progress) progress(c, cells.size(), fmt::format("L = {}, {}", cells[c].spec.n_layers, cells[c].name));
    auto detectors = options.detectors;
    if (cells[c].kind == "rules") detectors.emplace_back("fused_top_two_peaks");
    const auto found = run_cell(cells[c], detectors, options);
    rows.insert(rows.end(), found.begin(), found.end());
  }
  if (progress) progress(cells.size(), cells.size(), "");
  return rows;
}

}  // namespace strata
