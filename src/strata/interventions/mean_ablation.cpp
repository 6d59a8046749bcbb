#include "strata/interventions/mean_ablation.h"

#include "strata/interventions/rows.h"

namespace strata {
namespace {

constexpr double kStrengths[] = {0.25, 0.5, 0.75, 1.0};

void edit(const EditContext& edit, float* h) {
  if (edit.strength == 0.0) return;
  const std::vector<double> mean = mean_of_ordinary(edit, h);
  for_ordinary_rows(edit, h, [&](float* row) {
    for (std::int64_t i = 0; i < edit.width; ++i) {
      const double own = edit.strength == 1.0 ? 0.0 : (1.0 - edit.strength) * static_cast<double>(row[i]);
      row[i] = static_cast<float>(own + edit.strength * mean[static_cast<std::size_t>(i)]);
    }
  });
}

}  // namespace

Intervention mean_ablation_intervention() {
  return {.id = "mean_ablation",
          .strength_unit = "share",
          .site = Site::state,
          .strengths = kStrengths,
          .uses_whole_window = true,
          .edit_state = edit};
}

}  // namespace strata
