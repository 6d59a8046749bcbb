#include "strata/interventions/adjacent_swap.h"

namespace strata {
namespace {

constexpr double kStrengths[] = {1.0};

std::vector<int> order(double strength) {
  return strength == 0.0 ? std::vector{0, 1} : std::vector{1, 0};
}

}  // namespace

Intervention adjacent_swap_intervention() {
  return {.id = "adjacent_swap",
          .strength_unit = "swap",
          .site = Site::branch,
          .span = 2,
          .continuous = false,
          .strengths = kStrengths,
          .block_order = order};
}

}  // namespace strata
