// What lanes did to the embedding of their windows, in a model without a head.
#pragma once

#include <span>
#include <vector>

#include "strata/sweep/lane_damage.h"

namespace strata {

/// (d), of length 1: the states h (tokens, d) after the final norm, pooled as `output` says (with tokens = 1
/// the norm of that state). float64 throughout. NaN where a state is not finite.
[[nodiscard]] std::vector<double> embedding_of(const HeadWeights& output, const ModelConfig& config,
                                               const float* h, std::int64_t tokens);

/// d<probe, embedding>/dh, (tokens, d), of the same: with a standard normal `probe` (d) its mean square is
/// that of the embedding's Jacobian.
void embedding_gradient(const HeadWeights& output, const ModelConfig& config, const float* h,
                        std::int64_t tokens, std::span<const double> probe, float* gradient);

/// 1 - cosine of two vectors of length 1, as half the square of their difference: that keeps its digits for
/// small distances.
[[nodiscard]] double embedding_distance(std::span<const double> a, std::span<const double> b);

/// As compare_lanes, for Damage::distance.
[[nodiscard]] std::vector<std::vector<Damage>> compare_embeddings(const LaneEngineInput& input,
                                                                  std::span<const std::int64_t> offset,
                                                                  std::span<const LaneOutput> outputs);

}  // namespace strata
