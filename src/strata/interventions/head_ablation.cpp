#include "strata/interventions/head_ablation.h"

namespace strata {
namespace {

constexpr double kStrengths[] = {1.0};

void edit(const EditContext& edit, int head, std::int64_t query, float* probability) {
  if (head != edit.head || edit.strength == 0.0) return;
  const auto kept = static_cast<float>(1.0 - edit.strength);
  for (std::int64_t key = 0; key <= query; ++key)
    probability[key] = kept == 0.0f ? 0.0f : kept * probability[key];
}

}  // namespace

Intervention head_ablation_intervention() {
  return {.id = "head_ablation",
          .strength_unit = "share",
          .site = Site::attention,
          .strengths = kStrengths,
          .per_head = true,
          .edit_attention = edit};
}

}  // namespace strata
