#include "strata/interventions/scaling.h"

#include "strata/interventions/rows.h"

namespace strata {
namespace {

constexpr double kStrengths[] = {0.03, 0.1, 0.3, 1.0};

void edit(const EditContext& edit, float* h) {
  if (edit.strength == 0.0) return;
  const auto factor = static_cast<float>(1.0 + edit.strength);
  for_ordinary_rows(edit, h, [&](float* row) {
    for (std::int64_t i = 0; i < edit.width; ++i) row[i] *= factor;
  });
}

}  // namespace

Intervention scaling_intervention() {
  return {.id = "scaling",
          .strength_unit = "share of the state",
          .site = Site::state,
          .strengths = kStrengths,
          .edit_state = edit};
}

}  // namespace strata
