#include "strata/interventions/expert_drop.h"

#include "strata/signals/block_fold.h"

namespace strata {
namespace {

constexpr double kStrengths[] = {1.0};

void edit(const EditContext& edit, BlockHooks& hooks) {
  if (edit.strength != 0.0) hooks.dropped_expert = edit.head;
}

}  // namespace

Intervention expert_drop_intervention() {
  return {.id = "expert_drop",
          .strength_unit = "share",
          .site = Site::parts,
          .continuous = false,
          .strengths = kStrengths,
          .per_expert = true,
          .is_of = has_experts,
          .edit_parts = edit};
}

}  // namespace strata
