#include "strata/interventions/joint_noise.h"

#include <cmath>

#include "strata/interventions/noise.h"

namespace strata {
namespace {

// Enough for kappa: the quadratic range of relative noise, and the bend after it.
constexpr double kStrengths[] = {0.01, 0.03, 0.1, 0.3};

void edit(const EditContext& edit, float* h) {
  EditContext one = edit;
  one.strength = edit.strength / std::sqrt(static_cast<double>(edit.span));
  add_noise(one, h, NoiseTokens::ordinary, row_rms);
}

}  // namespace

Intervention joint_noise_intervention() {
  return {.id = "joint_noise",
          .strength_unit = "token rms, summed power",
          .site = Site::state,
          .span = kSegmentSpan,
          .strengths = kStrengths,
          .antithetic = true,
          .by_default = true,
          .edit_state = edit};
}

}  // namespace strata
