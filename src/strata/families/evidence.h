// What the comparison of models needs of one run: boundaries with their errors, brittleness per layer with
// resamples of documents, and what smooth surrogates of the same run would give. Everything right of here
// works on these numbers alone, so that a study can be tested without records.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "strata/record/run_directory.h"
#include "strata/record/study.h"

namespace strata {

/// A split at two edges, and where resampling puts them.
struct Split {
  std::vector<int> edges;  ///< two, ascending; empty = none
  std::vector<std::vector<double>>
      shares;  ///< for each edge: share of resamples at edges 1..L-1; may be empty

  [[nodiscard]] bool defined() const { return edges.size() == 2; }
};

struct Evidence {
  std::string model, family, text, training;
  int n_layers = 0;
  int hidden = 0;
  double ln_parameters = kUndefined;
  int selected_k = 0;
  bool tested = false;      ///< the headline detector was defined, so that selected_k means something
  int random_networks = 0;  ///< networks with random weights that the run was compared with
  int random_rank = 0;      ///< of its gain in fit by jumps among theirs and its own, 1 = largest
  /// Chance that the tests select two boundaries where there are two, at this depth and with these signals;
  /// NaN = the findings do not say.
  double power = kUndefined;
  Split split;            ///< of the headline detector, sink tokens left out; only where its tests select two
  Split with_sinks;       ///< the same detector with sink tokens; likewise
  int with_sinks_k = -1;  ///< boundaries that it selects there; -1 = undefined
  std::vector<std::string> detectors;
  std::vector<Split>
      by_detector;  ///< of each detector, sink tokens left out; only where its tests select two
  /// The best two-boundary splits, which exist in any model: for description, never for a verdict.
  Split forced_split;
  std::vector<Split> forced_by_detector;
  std::vector<int> massive_edges;  ///< where massive activations begin or end, as edges
  Matrix smooth_depths;            ///< surrogates x 2: split of smooth surrogates by the headline detector
  /// Surrogates: split_distance on smooth surrogates of the detectors that select two; empty with fewer than
  /// two of them.
  std::vector<double> smooth_distance;
  std::vector<double> ln_kappa, ln_absolute;  ///< states 0..L-1, nats; empty = not measured
  std::vector<double> ln_rms;                 ///< states 0..L-1, of the median token; likewise
  std::vector<double> ln_skip_kl;             ///< blocks 0..L-1; likewise
  std::vector<double> ln_beta;                ///< states 0..L-1 at kBetaStrength; likewise
  /// Resamples of documents x L, the same documents in every run on the same text; 0 x 0 = fewer than two
  /// documents. Logarithms of the resampled means.
  Matrix kappa_resamples, absolute_resamples;
  std::string note;  ///< what the record lacks

  [[nodiscard]] double depth(std::size_t boundary) const {
    return static_cast<double>(split.edges[boundary]) / n_layers;
  }
};

/// Noise, in units of each token's rms, at which compression weights are compared (matched noise).
inline constexpr double kBetaStrength = 0.1;

struct EvidenceOptions {
  std::uint64_t seed = 0;
  int resamples = 999;  ///< of documents and of smooth surrogates
  int threads = 1;
};

/// Brittleness is the backward sweep's where the record has it, because relative and absolute noise then come
/// from the same gradients and the split of a gap is exact; else kappa of the lanes. A state without a
/// positive value is NaN.
[[nodiscard]] Evidence gather_evidence(const Run& run, const EvidenceOptions& options);

/// Mean |db| in relative depth between the splits of all pairs, first edge with first, second with second;
/// NaN with fewer than two.
[[nodiscard]] double split_distance(const std::vector<Split>& splits, int n_layers);

/// Standard deviation of a boundary's location in relative depth: of its resamples, and of the grid of edges,
/// 1 / (L sqrt 12).
[[nodiscard]] double location_error(const Split& split, std::size_t boundary, int n_layers);

}  // namespace strata
