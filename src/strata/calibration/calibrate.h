// How often the detectors are right: records with planted boundaries and records without any, run through
// segmentation many times. What is counted, and the bars, are in docs/calibration.md.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "strata/calibration/planted.h"
#include "strata/calibration/trained.h"
#include "strata/record/findings.h"

namespace strata {

/// Runs a transformer with these blocks (weights seeded by spec.seed) and returns its
/// record.
using NetworkSource = std::function<Trace(const PlantedSpec& spec, const std::vector<PlantedBlock>& blocks)>;

struct CalibrationOptions {
  int trials = 200;  ///< per cell
  std::vector<int> layers = {12, 16, 28, 32, 80};
  std::vector<std::string> detectors = {"either", "signals", "states"};
  std::vector<std::string> kinds = {"recovery", "null", "published", "power", "coverage"};
  int surrogates = 199;
  int bootstraps = 200;
  std::uint64_t seed = 0;
  int threads = 1;        ///< never changes a number
  NetworkSource network;  ///< for the kinds "networks" and "random", unknown without it; called concurrently
  std::optional<TrainedModels> trained;  ///< for "trained" and "trained_null", unknown without it
};

/// One share: how often `measure` came true in `cell` for `detector`.
struct CalibrationRow {
  std::string kind;  ///< "recovery", "null", "published", "power", "coverage", "rules", "networks", "random",
                     ///< "trained", "trained_null"
  std::string cell;  ///< "2 boundaries, 3 sigma"
  std::string detector;
  PlantedSpec spec;           ///< what was planted; the seed differs from trial to trial
  std::string measure;        ///< "right_k", "within_one", ... docs/calibration.md
  int hits = 0, trials = 0;   ///< trials: those in which the measure has a meaning, at most options.trials
  Interval interval_95;       ///< of the share, Clopper and Pearson's (exact)
  std::optional<double> bar;  ///< what the share has to reach, or stay under
  bool bar_is_upper = false;

  [[nodiscard]] double share() const { return static_cast<double>(hits) / trials; }
  [[nodiscard]] bool meets_bar() const { return !bar || (bar_is_upper ? share() <= *bar : share() >= *bar); }
};

using CalibrationProgress = std::function<void(std::size_t done, std::size_t total, const std::string& cell)>;

/// Runs every cell with every detector. Trial i of every cell uses the same random numbers, so cells differ
/// by what is planted alone. Throws Error(usage) for fewer than one trial, fewer than 6 layers, an unknown
/// detector or kind.
[[nodiscard]] std::vector<CalibrationRow> calibrate(const CalibrationOptions& options,
                                                    const CalibrationProgress& progress = {});

/// calibration.json, calibration.csv, and a table for a person.
[[nodiscard]] std::string calibration_json(const CalibrationOptions& options,
                                           const std::vector<CalibrationRow>& rows);
[[nodiscard]] std::string calibration_csv(const std::vector<CalibrationRow>& rows);
[[nodiscard]] std::string calibration_text(const std::vector<CalibrationRow>& rows);

/// The shares of one measure of one kind with their intervals and bars as an SVG picture; empty where there
/// are none.
[[nodiscard]] std::string calibration_svg(const std::vector<CalibrationRow>& rows, const std::string& kind,
                                          const std::string& measure, const std::string& title);
/// File name and content of every picture that these rows have something for.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> calibration_plots(
    const std::vector<CalibrationRow>& rows);

}  // namespace strata
