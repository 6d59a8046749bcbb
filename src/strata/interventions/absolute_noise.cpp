#include "strata/interventions/absolute_noise.h"

#include "strata/interventions/noise.h"

namespace strata {
namespace {

// Residuals of real models lie between about 0.01 and 100, so the quadratic range may be anywhere.
constexpr double kStrengths[] = {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0};

void edit(const EditContext& edit, float* h) {
  add_noise(edit, h, 1.0);
}

}  // namespace

Intervention absolute_noise_intervention() {
  return {.id = "absolute_noise",
          .strength_unit = "residual units",
          .site = Site::state,
          .strengths = kStrengths,
          .antithetic = true,
          .edit_state = edit};
}

}  // namespace strata
