#include "strata/interventions/pooled_noise.h"

#include <cmath>

#include "strata/interventions/noise.h"

namespace strata {
namespace {

constexpr double kStrengths[] = {0.003, 0.01, 0.03, 0.1, 0.3, 1.0};

void edit(const EditContext& edit, float* h) {
  if (edit.strength == 0.0) return;
  double square = 0.0;
  for (std::int64_t t = 0; t < edit.tokens; ++t) {
    const double rms = row_rms(h + t * edit.width, edit.width);
    square += rms * rms;
  }
  add_noise(edit, h, std::sqrt(square / static_cast<double>(edit.tokens)));
}

}  // namespace

Intervention pooled_noise_intervention() {
  return {.id = "pooled_noise",
          .strength_unit = "pooled rms",
          .site = Site::state,
          .strengths = kStrengths,
          .antithetic = true,
          .uses_whole_window = true,
          .edit_state = edit};
}

}  // namespace strata
