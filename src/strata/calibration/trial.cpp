#include "strata/calibration/trial.h"

#include <cmath>
#include <cstdlib>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "strata/segmentation/count.h"
#include "strata/segmentation/locate.h"
#include "strata/segmentation/profile.h"
#include "strata/segmentation/reproductions.h"

namespace strata {
namespace {

constexpr double kRecoveryBar = 0.90, kFalseBar = 0.05, kCoverageBar = 0.85;
constexpr double kNear = 0.1;  // in relative depth, of a third

// The bar is about 16 or more layers, at least four signals and at least three sigmas.
bool has_recovery_bar(const PlantedSpec& spec) {
  return spec.n_layers >= 16 && spec.signals >= 4 && spec.contrast >= 3.0;
}

Profile profile_of(const Trace& trace, const std::string& detector, std::uint64_t seed, int resamples) {
  if (detector == "kernel_cka") return kernel_profile(trace, TokenSet::ordinary);
  Profile profile = fused_profile(trace, TokenSet::ordinary, seed, resamples);
  if (profile.undefined.empty()) decorrelate(profile);
  return profile;
}

bool within_one(const std::vector<int>& found, const std::vector<int>& planted) {
  bool all = found.size() == planted.size();
  for (std::size_t j = 0; all && j < found.size(); ++j) all = std::abs(found[j] - planted[j]) <= 1;
  return all;
}

bool near_thirds(const std::vector<int>& edges, int n_layers) {
  return edges.size() == 2 && std::abs(edges[0] / static_cast<double>(n_layers) - 1.0 / 3.0) <= kNear &&
         std::abs(edges[1] / static_cast<double>(n_layers) - 2.0 / 3.0) <= kNear;
}

std::vector<bool> recovery(const Models& models, const Profile& profile, const PlantedSpec& spec,
                           const SegmentationOptions& options) {
  const int k = static_cast<int>(spec.edges.size());
  const auto jumps = models.jumps(profile.y, k);
  const bool placed = within_one(jumps.back().edges, spec.edges);
  const bool counted = count_boundaries(models, profile.y, 0, options).selected_k == k;
  return {counted, placed, counted && placed};
}

// A first boundary is false even where the tests then cannot say how many there are.
std::vector<bool> false_boundary(const Models& models, const Profile& profile,
                                 const SegmentationOptions& options) {
  const CountResult count = count_boundaries(models, profile.y, 0, options);
  return {count.selected_k > 0 || count.exhausted};
}

// One edge of each trial, in turn, so that the trials are independent.
std::vector<bool> coverage(const Models& models, const Profile& profile, const PlantedSpec& spec, int trial,
                           const SegmentationOptions& options) {
  const auto k = spec.edges.size();
  const auto found = locate(models, profile, models.jumps(profile.y, static_cast<int>(k)).back(), 0, options);
  const std::size_t j = static_cast<std::size_t>(trial) % k;
  const double truth = spec.edges[j];
  return {found[j].interval_90.lo <= truth && truth <= found[j].interval_90.hi,
          found[j].edge == spec.edges[j]};
}

std::vector<bool> rule(const Trace& trace, const std::string& detector) {
  const Profile profile = profile_of(trace, detector, 0, 0);
  if (detector == "fused_top_two_peaks") {
    return {near_thirds(top_two_peaks(profile, TokenSet::ordinary).edges, trace.n_layers())};
  }
  return {near_thirds(models_of(profile).jumps(profile.y, 2).back().edges, trace.n_layers())};
}

}  // namespace

std::vector<Measure> measures_of(const CalibrationCell& cell) {
  if (cell.kind == "null" || cell.kind == "random") return {{"false_boundary", kFalseBar, true}};
  if (cell.kind == "networks") {
    return {{"right_k", {}, false},
            {"within_one", {}, false},
            {"recovered", {}, false},
            {"coverage_90", {}, false},
            {"exact", {}, false}};
  }
  if (cell.kind == "coverage") return {{"coverage_90", kCoverageBar, false}, {"exact", {}, false}};
  if (cell.kind == "rules") return {{"near_thirds", {}, false}};
  std::optional<double> bar;
  if (has_recovery_bar(cell.spec)) bar = kRecoveryBar;
  return {{"right_k", bar, false}, {"within_one", bar, false}, {"recovered", {}, false}};
}

std::vector<bool> run_trial(const CalibrationCell& cell, const std::string& detector, int trial,
                            const CalibrationOptions& options) {
  PlantedSpec spec = cell.spec;
  Philox rng(
      {.seed = options.seed, .stream = Stream::planted, .c = static_cast<std::uint32_t>(trial), .d = 1});
  spec.seed = rng.next_u64();
  const bool network = cell.kind == "networks" || cell.kind == "random";
  STRATA_CHECK(!network || options.network);
  const Trace trace = network ? options.network(spec, planted_blocks(spec)) : planted_trace(spec);
  if (cell.kind == "rules") return rule(trace, detector);
  const bool intervals = cell.kind == "coverage" || cell.kind == "networks";
  const Profile profile = profile_of(trace, detector, spec.seed, intervals ? options.bootstraps : 0);
  const Models models = models_of(profile);
  const SegmentationOptions own{.seed = spec.seed,
                                .surrogates = options.surrogates,
                                .bootstraps = options.bootstraps,
                                .threads = 1,
                                .decision_only = true};
  if (cell.kind == "networks") {
    auto outcome = recovery(models, profile, spec, own);
    const auto covered = coverage(models, profile, spec, trial, own);
    outcome.insert(outcome.end(), covered.begin(), covered.end());
    return outcome;
  }
  if (intervals) return coverage(models, profile, spec, trial, own);
  if (cell.kind == "null" || cell.kind == "random") return false_boundary(models, profile, own);
  return recovery(models, profile, spec, own);
}

}  // namespace strata
