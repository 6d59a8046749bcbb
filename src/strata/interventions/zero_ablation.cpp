#include "strata/interventions/zero_ablation.h"

#include "strata/interventions/rows.h"

namespace strata {
namespace {

constexpr double kStrengths[] = {0.25, 0.5, 0.75, 1.0};

void edit(const EditContext& edit, float* h) {
  if (edit.strength == 0.0) return;
  const auto kept = static_cast<float>(1.0 - edit.strength);
  for_ordinary_rows(edit, h, [&](float* row) {
    for (std::int64_t i = 0; i < edit.width; ++i) row[i] = kept == 0.0f ? 0.0f : kept * row[i];
  });
}

}  // namespace

Intervention zero_ablation_intervention() {
  return {.id = "zero_ablation",
          .strength_unit = "share",
          .site = Site::state,
          .strengths = kStrengths,
          .edit_state = edit};
}

}  // namespace strata
