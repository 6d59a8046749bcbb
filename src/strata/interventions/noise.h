// What the noise interventions share: the random numbers, keyed so that every strength of a curve and every
// noise at one state use the same ones.
#pragma once

#include "strata/interventions/intervention.h"

namespace strata {

/// Which tokens are hurt.
enum class NoiseTokens { ordinary, sinks };

/// h(t) += sign strength scale(t) xi(t) at those tokens, xi(t) ~ N(0, I) keyed by seed, place, repeat,
/// document, window and position t. scale(h, row) is given the row of the token.
void add_noise(const EditContext& edit, float* h, NoiseTokens tokens,
               double (*scale)(const float* row, std::int64_t width));
/// The same with one scale for all tokens.
void add_noise(const EditContext& edit, float* h, double scale);

/// sqrt(mean of squares) of one row.
[[nodiscard]] double row_rms(const float* row, std::int64_t width);

}  // namespace strata
