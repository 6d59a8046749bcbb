// The gated delta rule written a second time: one token after the other, in float64, by plain loops. And
// windows of random values for it.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "strata/model/delta_rule.h"
#include "tests/support/float_values.h"

namespace strata::test {

using Doubles = std::vector<double>;

// What the plain recurrence leaves out, to see that the comparison notices.
enum class DeltaWithout {
  nothing,
  convolution,
  earlier_taps,
  silu,
  unit_query,
  unit_key,
  query_scale,
  decay,
  dt_bias,
  strength,
  correction,
  norm,
  norm_weight,
  gate,
  grouping
};

struct DeltaShape {
  DeltaDescription sizes;
  std::int64_t tokens;
};

// A window and a block's vectors. qkv, z, b and a lie in one buffer each, with a gap after each row.
struct DeltaCase {
  DeltaDescription sizes;
  std::int64_t tokens;
  DeltaLayout layout;
  std::vector<float> convolution, decay_rate, dt_bias, norm, qkv, z, b, a;
  double eps = 1e-6;

  DeltaCase(const DeltaShape& shape, std::uint64_t seed)
      : sizes(shape.sizes), tokens(shape.tokens), layout(shape.sizes) {
    convolution = random_values(layout.channels() * layout.kernel, seed);
    decay_rate = random_values(layout.value_heads, seed + 1);
    for (float& rate : decay_rate) rate = std::exp(0.5f * rate);
    dt_bias = random_values(layout.value_heads, seed + 2);
    norm = random_values(layout.value_dim, seed + 3);
    for (float& weight : norm) weight = 1.0f + 0.3f * weight;
    qkv = random_values(tokens * stride(layout.channels()), seed + 4);
    z = random_values(tokens * stride(layout.width()), seed + 5);
    b = random_values(tokens * stride(layout.value_heads), seed + 6);
    a = random_values(tokens * stride(layout.value_heads), seed + 7);
  }
  static std::int64_t stride(std::int64_t width) { return width + 3; }
  [[nodiscard]] DeltaParameters parameters() const {
    return {.sizes = sizes,
            .convolution = convolution.data(),
            .decay_rate = decay_rate.data(),
            .dt_bias = dt_bias.data(),
            .norm = norm.data(),
            .eps = eps};
  }
  [[nodiscard]] DeltaInput input(std::int64_t count) const {
    return {.qkv = {.data = qkv.data(), .stride = stride(layout.channels())},
            .z = {.data = z.data(), .stride = stride(layout.width())},
            .b = {.data = b.data(), .stride = stride(layout.value_heads)},
            .a = {.data = a.data(), .stride = stride(layout.value_heads)},
            .tokens = count};
  }
  [[nodiscard]] std::vector<float> run(std::int64_t count, const DeltaSums* sums = nullptr) const {
    std::vector<float> mixed(static_cast<std::size_t>(count * layout.width()), -1.0f);
    DeltaScratch scratch;
    delta_rule(parameters(), input(count), mixed.data(), scratch, sums);
    return mixed;
  }
  [[nodiscard]] std::vector<float> run() const { return run(tokens); }
};

inline void shift_values(std::vector<float>& values, float by) {
  for (float& value : values) value += by;
}

// The four inputs in float64, as `DeltaCase` lays them out.
struct PlainDeltaInput {
  Doubles qkv, z, b, a;

  explicit PlainDeltaInput(const DeltaCase& c)
      : qkv(c.qkv.begin(), c.qkv.end()),
        z(c.z.begin(), c.z.end()),
        b(c.b.begin(), c.b.end()),
        a(c.a.begin(), c.a.end()) {}
};

// Per token, summed over the value heads.
struct PlainDeltaSums {
  Doubles decay, strength, memory, innovation_square, value_square;
};

/// mixed (tokens, width). With `sums`, the statistics as sums over the value heads.
[[nodiscard]] Doubles plain_delta_rule(const DeltaCase& c, const PlainDeltaInput& in,
                                       DeltaWithout without = DeltaWithout::nothing,
                                       PlainDeltaSums* sums = nullptr);

// One head each, two and three value heads a key head, key_dim != value_dim, dimensions that are not
// multiples of a tile's, windows of one token, of fewer than the kernel, of exactly one and two chunks, and
// others.
inline const DeltaShape kDeltaShapes[] = {
    {{.key_heads = 1, .value_heads = 1, .key_dim = 8, .value_dim = 8, .kernel = 4}, 37},
    {{.key_heads = 2, .value_heads = 2, .key_dim = 4, .value_dim = 6, .kernel = 4}, 1},
    {{.key_heads = 2, .value_heads = 4, .key_dim = 8, .value_dim = 5, .kernel = 4}, 2},
    {{.key_heads = 2, .value_heads = 4, .key_dim = 8, .value_dim = 12, .kernel = 4}, 100},
    {{.key_heads = 1, .value_heads = 3, .key_dim = 16, .value_dim = 8, .kernel = 3}, 64},
    {{.key_heads = 1, .value_heads = 2, .key_dim = 6, .value_dim = 35, .kernel = 2}, 128},
    {{.key_heads = 2, .value_heads = 6, .key_dim = 5, .value_dim = 4, .kernel = 1}, 129},
};
inline const DeltaShape kLargeDelta = {
    {.key_heads = 2, .value_heads = 4, .key_dim = 64, .value_dim = 96, .kernel = 4}, 200};
inline const DeltaShape kLongDelta = {
    {.key_heads = 1, .value_heads = 2, .key_dim = 32, .value_dim = 32, .kernel = 4}, 4096};

// With the usual eps of 1e-6 the norm multiplies the rounding errors of a small o by up to 1000: at the ends
// of the gates a recurrence in float32, token by token, is then wrong by 1e-5 to 3e-5 of the RMS, and so are
// the chunks. With this eps the sums themselves are what the bound is about.
inline constexpr double kDeltaEps = 1e-3;

}  // namespace strata::test
