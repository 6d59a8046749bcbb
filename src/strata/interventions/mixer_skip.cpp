#include "strata/interventions/mixer_skip.h"

namespace strata {
namespace {

constexpr double kStrengths[] = {1.0};

void edit(const EditContext& edit, BlockHooks& hooks) {
  hooks.skip_mixer = edit.strength != 0.0;
}

}  // namespace

Intervention mixer_skip_intervention() {
  return {.id = "mixer_skip",
          .strength_unit = "share",
          .site = Site::parts,
          .continuous = false,
          .strengths = kStrengths,
          .edit_parts = edit};
}

}  // namespace strata
