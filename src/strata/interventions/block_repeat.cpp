#include "strata/interventions/block_repeat.h"

namespace strata {
namespace {

constexpr double kStrengths[] = {1.0, 2.0};

std::vector<int> order(double strength) {
  return std::vector<int>(1 + static_cast<std::size_t>(strength), 0);
}

}  // namespace

Intervention block_repeat_intervention() {
  return {.id = "block_repeat",
          .strength_unit = "further runs",
          .site = Site::branch,
          .continuous = false,
          .strengths = kStrengths,
          .block_order = order};
}

}  // namespace strata
