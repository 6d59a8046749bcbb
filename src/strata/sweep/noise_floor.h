// What the rounding of a compute mode does to the model's predictions: below it, no damage can be told from
// the arithmetic.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "strata/checkpoint/checkpoint.h"
#include "strata/model/head.h"
#include "strata/record/trace.h"
#include "strata/sweep/lanes.h"
#include "strata/sweep/options.h"

namespace strata {

/// Mode against float32, on the same windows.
struct NoiseFloor {
  /// Mean KL(float32 || mode) over the scored positions, nats.
  double rounding_kl_nats = 0.0;
  /// Smallest mean KL(clean || lane) that is reported: twice the above. Both lanes carry rounding errors e1
  /// and e2; where they are independent the KL between them has on average the second-order term of their
  /// difference, 1/2 Var_p(e2 - e1) = 2 * 1/2 Var_p(e).
  double kl_nats = 0.0;
  /// The same two of the distance between embeddings (1 - cosine) in a model without a head, where those of
  /// KL are NaN; a squared length like KL's second-order term, so that the factor is the same. NaN with a
  /// head.
  double rounding_distance = std::numeric_limits<double>::quiet_NaN();
  double distance = std::numeric_limits<double>::quiet_NaN();
  /// RMS of the difference at states 0..L over the RMS of the float32 state.
  std::vector<double> state_error;
};

/// Runs the windows of `sample` forward in both modes, block by block. `embedding` and `head` are those of
/// options.compute; the float32 ones are loaded here and dropped. Throws what loading the weights throws.
[[nodiscard]] NoiseFloor measure_noise_floor(const Checkpoint& checkpoint, const SweepContext& context,
                                             const Embedding& embedding, const HeadWeights& head,
                                             const std::vector<LaneWindow>& sample,
                                             const MeasureOptions& options, const Progress& progress);

/// Whether a run needs one: rounded products, and perturbed lanes.
[[nodiscard]] bool wants_noise_floor(const MeasureOptions& options);

/// Makes every point of a dose curve undefined whose mean damage over documents lies below the floor (all
/// documents of it: leaving out the low ones alone would bias the mean), and says so in `warnings`.
void refuse_below(const NoiseFloor& floor, std::vector<DoseCurve>& curves,
                  std::vector<std::string>& warnings);

/// One line for people: the floor, and how far states are off.
[[nodiscard]] std::string noise_floor_text(const NoiseFloor& floor, ComputeDType dtype);

}  // namespace strata
