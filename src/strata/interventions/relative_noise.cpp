#include "strata/interventions/relative_noise.h"

#include <cmath>

#include "strata/base/philox.h"
#include "strata/signals/token_math.h"

namespace strata {
namespace {

constexpr double kStrengths[] = {0.003, 0.01, 0.03, 0.1, 0.3, 1.0};

void add_noise(const EditContext& edit, float* h) {
  if (edit.strength == 0.0) return;
  std::vector<float> noise(static_cast<std::size_t>(edit.width));
  for (std::int64_t t = 0; t < edit.tokens; ++t) {
    if (edit.classes[static_cast<std::size_t>(t)] != TokenClass::ordinary) continue;
    // The key leaves out the strength, so that all strengths of a curve share their noise.
    Philox rng({.seed = edit.seed,
                .stream = Stream::noise,
                .a = static_cast<std::uint32_t>(edit.place) | (edit.repeat << 16),
                .b = static_cast<std::uint32_t>(edit.document),
                .c = static_cast<std::uint32_t>(edit.window),
                .d = static_cast<std::uint32_t>(t)});
    rng.fill_normal(noise);
    float* row = h + t * edit.width;
    const double rms = std::sqrt(dot(row, row, edit.width) / static_cast<double>(edit.width));
    const auto scale = static_cast<float>(edit.sign * edit.strength * rms);
    for (std::int64_t i = 0; i < edit.width; ++i) row[i] += scale * noise[static_cast<std::size_t>(i)];
  }
}

}  // namespace

Intervention relative_noise_intervention() {
  return {.id = "relative_noise",
          .strength_unit = "token rms",
          .site = Site::state,
          .span = 1,
          .continuous = true,
          .strengths = kStrengths,
          .antithetic = true,
          .edit_state = add_noise,
          .edit_branch = nullptr};
}

}  // namespace strata
