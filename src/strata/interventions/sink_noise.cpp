#include "strata/interventions/sink_noise.h"

#include "strata/interventions/noise.h"

namespace strata {
namespace {

constexpr double kStrengths[] = {0.003, 0.01, 0.03, 0.1, 0.3, 1.0};

void edit(const EditContext& edit, float* h) {
  add_noise(edit, h, NoiseTokens::sinks, row_rms);
}

}  // namespace

Intervention sink_noise_intervention() {
  return {.id = "sink_noise",
          .strength_unit = "token rms",
          .site = Site::state,
          .strengths = kStrengths,
          .antithetic = true,
          .edit_state = edit};
}

}  // namespace strata
