#include "strata/interventions/block_skip.h"

namespace strata {
namespace {

constexpr double kStrengths[] = {1.0};

void mix(const EditContext& edit, const float* h_in, float* h_out) {
  if (edit.strength == 0.0) return;  // the sum below would turn -0 into +0
  const auto s = static_cast<float>(edit.strength);
  for (std::int64_t i = 0; i < edit.tokens * edit.width; ++i) h_out[i] = (1.0f - s) * h_out[i] + s * h_in[i];
}

}  // namespace

Intervention block_skip_intervention() {
  return {.id = "block_skip",
          .strength_unit = "share",
          .site = Site::branch,
          .span = 1,
          .continuous = true,
          .strengths = kStrengths,
          .antithetic = false,
          .edit_state = nullptr,
          .edit_branch = mix};
}

}  // namespace strata
