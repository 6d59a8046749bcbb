#include "strata/interventions/feed_forward_skip.h"

namespace strata {
namespace {

constexpr double kStrengths[] = {1.0};

void edit(const EditContext& edit, BlockHooks& hooks) {
  hooks.skip_feed_forward = edit.strength != 0.0;
}

}  // namespace

Intervention feed_forward_skip_intervention() {
  return {.id = "feed_forward_skip",
          .strength_unit = "share",
          .site = Site::parts,
          .continuous = false,
          .strengths = kStrengths,
          .edit_parts = edit};
}

}  // namespace strata
