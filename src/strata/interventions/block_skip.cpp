#include "strata/interventions/block_skip.h"

#include <algorithm>

namespace strata {
namespace {

constexpr double kStrengths[] = {1.0};

void mix(const EditContext& edit, const float* h_in, float* h_out) {
  // The ends are exact copies: the sum would turn -0 into +0, and a product with 0 loses an infinity.
  if (edit.strength == 0.0) return;
  const std::int64_t count = edit.tokens * edit.width;
  if (edit.strength == 1.0) {
    std::copy_n(h_in, count, h_out);
    return;
  }
  const auto s = static_cast<float>(edit.strength);
  for (std::int64_t i = 0; i < count; ++i) h_out[i] = (1.0f - s) * h_out[i] + s * h_in[i];
}

}  // namespace

Intervention block_skip_intervention() {
  return {.id = "block_skip",
          .strength_unit = "share",
          .site = Site::branch,
          .strengths = kStrengths,
          .by_default = true,
          .edit_branch = mix};
}

}  // namespace strata
