#include "strata/interventions/noise.h"

#include <cmath>

#include "strata/base/philox.h"
#include "strata/signals/token_math.h"

namespace strata {
namespace {

template <class Scale>
void add(const EditContext& edit, float* h, NoiseTokens tokens, const Scale& scale) {
  if (edit.strength == 0.0) return;
  std::vector<float> noise(static_cast<std::size_t>(edit.width));
  for (std::int64_t t = 0; t < edit.tokens; ++t) {
    const bool ordinary = edit.classes[static_cast<std::size_t>(t)] == TokenClass::ordinary;
    if (ordinary != (tokens == NoiseTokens::ordinary)) continue;
    // The key leaves out the strength, so that all strengths of a curve share their noise.
    Philox rng({.seed = edit.seed,
                .stream = Stream::noise,
                .a = static_cast<std::uint32_t>(edit.place) | (edit.repeat << 16),
                .b = static_cast<std::uint32_t>(edit.document),
                .c = static_cast<std::uint32_t>(edit.window),
                .d = static_cast<std::uint32_t>(t)});
    rng.fill_normal(noise);
    float* row = h + t * edit.width;
    const auto factor = static_cast<float>(edit.sign * edit.strength * scale(row));
    for (std::int64_t i = 0; i < edit.width; ++i) row[i] += factor * noise[static_cast<std::size_t>(i)];
  }
}

}  // namespace

void add_noise(const EditContext& edit, float* h, NoiseTokens tokens,
               double (*scale)(const float* row, std::int64_t width)) {
  add(edit, h, tokens, [&](const float* row) { return scale(row, edit.width); });
}

void add_noise(const EditContext& edit, float* h, double scale) {
  add(edit, h, NoiseTokens::ordinary, [&](const float*) { return scale; });
}

double row_rms(const float* row, std::int64_t width) {
  return std::sqrt(dot(row, row, width) / static_cast<double>(width));
}

}  // namespace strata
