// Sensitivity of every state at once: one forward sweep that keeps the states, and one backward sweep that
// carries the gradient of sampled labels through the blocks in reverse.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "strata/checkpoint/checkpoint.h"
#include "strata/signals/signal.h"
#include "strata/sweep/lanes.h"
#include "strata/sweep/options.h"

namespace strata {

/// kappa of every state by the Fisher identity. With labels y_t drawn from the model's own p_t and
/// g_l = d/dh_l sum_t ln p_t(y_t), the expected square of g_l is the sum over t of the Fisher information's
/// trace, because labels are independent given the text and scores have mean zero. So
///
///     sensitivity          = E (1/T) sum_t' rms(h_l(t'))^2 |g_l(t')|^2       nats
///     sensitivity_absolute = E (1/T) sum_t' |g_l(t')|^2                      nats per squared residual unit
///
/// estimate lim (2/eps^2) KL under relative and absolute Gaussian noise (docs/brittleness.md). T counts the
/// positions whose next token is in the lane; t' runs over ordinary tokens, or over all of them.
///
/// In a model without a head, u the embedding of a window (length 1) and z a standard normal direction,
/// g_l = d/dh_l <z, u> has E |g_l|^2 = |du/dh_l|^2 (Frobenius). With T = 1 the same sums estimate
/// lim (2/eps^2) (1 - cosine): embedding_sensitivity and embedding_sensitivity_absolute
/// (docs/brittleness.md). The two above are then undefined, and follow them.
///
/// Runs on the windows of `sample`, `options.label_samples` draws for each; the draws of a window depend on
/// the seed and the window alone. States that do not fit in `options.backward_bytes` together wait in a
/// temporary file; the weights are read twice in any case. Returns four series (eight) on the state axis (two
/// token sets each), one row for each document of the sample.
///
/// With `frozen_routing` the weights of the experts that tokens take are constants, not functions of the
/// state (which experts they take always is held fixed). The series then end in _frozen, and none of the
/// others follows.
[[nodiscard]] std::vector<Series> run_backward_sweep(
    const Checkpoint& checkpoint, const SweepContext& context, std::span<const TokenClass> classes,
    const Embedding& embedding, const HeadWeights& head, const std::vector<LaneWindow>& sample,
    const MeasureOptions& options, const Progress& progress, bool frozen_routing = false);

/// What it puts out, in order.
[[nodiscard]] std::span<const SeriesInfo> backward_series();

/// Bytes that one token of the sample holds: every state, and a gradient for each draw.
[[nodiscard]] std::uint64_t backward_token_bytes(const ModelConfig& config, int label_samples);

}  // namespace strata
