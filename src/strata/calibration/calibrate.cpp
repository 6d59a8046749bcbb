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
  throw Error(ErrorKind::usage, {.where = where, .found = found, .expected = expected});
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
  between("--trials", options.trials, 1, kMostTrials);
  between("--surrogates", options.surrogates, 19, kMostTrials);  // fewer cannot reach p = 0.05
  between("--replicates", options.bootstraps, 1, kMostTrials);
  if (options.layers.empty()) refuse("--layers", "nothing", "numbers of layers");
  for (const int n_layers : options.layers) between("--layers", n_layers, kFewestLayers, kMostLayers);
  const CalibrationOptions known;
  check_names(options.detectors, known.detectors, "--detectors");
  auto kinds = known.kinds;
  if (options.network) kinds.insert(kinds.end(), {"networks", "random"});
  check_names(options.kinds, kinds, "--kinds");
}

std::vector<CalibrationRow> run_cell(const CalibrationCell& cell, const std::string& detector,
                                     const CalibrationOptions& options) {
  std::vector<std::vector<bool>> outcomes(static_cast<std::size_t>(options.trials));
  parallel_for(outcomes.size(), options.threads,
               [&](std::size_t i) { outcomes[i] = run_trial(cell, detector, static_cast<int>(i), options); });
  std::vector<CalibrationRow> rows;
  const auto measures = measures_of(cell);
  for (std::size_t m = 0; m < measures.size(); ++m) {
    CalibrationRow row{.kind = cell.kind,
                       .cell = cell.name,
                       .detector = detector,
                       .spec = cell.spec,
                       .measure = measures[m].name,
                       .trials = options.trials,
                       .interval_95 = {},
                       .bar = measures[m].bar,
                       .bar_is_upper = measures[m].bar_is_upper};
    for (const auto& outcome : outcomes) row.hits += outcome[m] ? 1 : 0;
    const auto interval = stats::wilson_interval(static_cast<std::size_t>(row.hits), outcomes.size());
    row.interval_95 = {interval.lo, interval.hi};
    rows.push_back(row);
  }
  return rows;
}

// Where the point estimate is exact in less than 70% of cases, an interval may also not be too wide.
void add_width_bar(std::vector<CalibrationRow>& rows) {
  constexpr double kExact = 0.70, kTooWide = 0.95;
  if (rows.size() != 2 || rows[0].measure != "coverage_90" || rows[1].share() >= kExact) return;
  CalibrationRow upper = rows[0];
  upper.measure = "coverage_90_not_too_wide";
  upper.bar = kTooWide;
  upper.bar_is_upper = true;
  rows.push_back(upper);
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
    if (cells[c].kind == "rules") detectors.push_back("fused_top_two_peaks");
    for (const std::string& detector : detectors) {
      auto found = run_cell(cells[c], detector, options);
      add_width_bar(found);
      rows.insert(rows.end(), found.begin(), found.end());
    }
  }
  if (progress) progress(cells.size(), cells.size(), "");
  return rows;
}

}  // namespace strata
