// What carries the energy of a state: how much of it the largest tokens, the largest dimension and the first
// principal component hold, and which words. A few of them can decide every number of a raw state.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "strata/signals/signal.h"

namespace strata {

/// What leads one state, from `rows` (n, width) row-major: raw states of the tokens of one token set.
struct StateLead {
  double top_token_energy = 0.0;      ///< share of sum h^2 in the largest 1% of the rows, at least one
  std::vector<char> top_token;        ///< per row: whether it is one of those
  int dimension = 0;                  ///< of the largest sum of h^2
  double dimension_energy = 0.0;      ///< its share
  double component_variance = 0.0;    ///< share of the variance along the first principal component
  std::vector<double> energy;         ///< per row: |h|^2
  std::vector<double> in_dimension;   ///< per row: what of that lies in the dimension
  std::vector<double> variance;       ///< per row: squared distance from the mean row
  std::vector<double> along;          ///< per row: what of that lies along the component
  int component_dimension = 0;        ///< largest entry of the component
  double component_in_dimension = 0;  ///< its square: 1 = the component is that dimension
};
/// The component by power iteration in float64 from a fixed start, until a step adds less than 1e-5 of its
/// variance, at most 100 steps: a lower bound where two directions are nearly equal. NaN where there is no
/// energy, or no variance.
[[nodiscard]] StateLead state_lead(std::span<const float> rows, std::int64_t width);

/// A direction is filled by few tokens where one in this many of them holds most of its energy.
inline constexpr std::size_t kFewTokens = 20;

/// Words by their share of `weight` (one for each token), at most `most`, the largest first.
[[nodiscard]] std::vector<CarrierWord> carrier_words(std::span<const std::int32_t> token_ids,
                                                     std::span<const double> weight, std::size_t most);

[[nodiscard]] Signal carriers_signal();

}  // namespace strata
