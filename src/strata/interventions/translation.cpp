#include "strata/interventions/translation.h"

#include "strata/interventions/rows.h"

namespace strata {
namespace {

constexpr double kStrengths[] = {0.03, 0.1, 0.3, 1.0};

void edit(const EditContext& edit, float* h) {
  if (edit.strength == 0.0) return;
  const std::vector<double> mean = mean_of_ordinary(edit, h);
  for_ordinary_rows(edit, h, [&](float* row) {
    for (std::int64_t i = 0; i < edit.width; ++i)
      row[i] += static_cast<float>(edit.strength * mean[static_cast<std::size_t>(i)]);
  });
}

}  // namespace

Intervention translation_intervention() {
  return {.id = "translation",
          .strength_unit = "mean state",
          .site = Site::state,
          .strengths = kStrengths,
          .uses_whole_window = true,
          .edit_state = edit};
}

}  // namespace strata
