// The row kernels against their formulas in float64, and their independence of neighbours.
#include "strata/model/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "strata/base/matrix.h"
#include "strata/base/philox.h"
#include "strata/model/rope.h"
#include "strata/model/simd.h"

namespace strata {
namespace {

std::vector<float> normal_values(std::size_t count, std::uint64_t seed, double scale = 1.0) {
  Philox rng({.seed = seed, .stream = Stream::test});
  std::vector<float> values(count);
  for (float& v : values) v = static_cast<float>(scale * rng.normal());
  return values;
}

void expect_close(double ours, double expected, double tolerance) {
  ASSERT_NEAR(ours, expected, tolerance * (1.0 + std::fabs(expected)));
}

TEST(Simd, ExponentialsAreAccurate) {
  double worst = 0.0;
  float worst_float = 0.0f;
  for (double x = -700.0; x < 700.0; x += 0.0371)
    worst = std::max(worst, std::fabs(simd::exp(x) / std::exp(x) - 1.0));
  for (float x = -86.0f; x < 87.0f; x += 0.00371f) {
    const auto exact = static_cast<float>(std::exp(static_cast<double>(x)));
    worst_float = std::max(worst_float, std::fabs(simd::exp(x) / exact - 1.0f));
  }
  EXPECT_LT(worst, 4e-16);
  EXPECT_LT(worst_float, 3e-7f);
  EXPECT_EQ(simd::exp(0.0), 1.0);
  EXPECT_EQ(simd::exp(-1000.0), 0.0);
  EXPECT_EQ(simd::exp(-100.0f), 0.0f);
  EXPECT_TRUE(std::isfinite(simd::exp(1000.0)));
}

TEST(Kernels, RmsNorm) {
  constexpr std::size_t kRows = 5, kWidth = 37;
  const auto x = normal_values(kRows * kWidth, 1), w = normal_values(kWidth, 2);
  std::vector<float> y(x.size());
  rms_norm_rows(x.data(), kWidth, y.data(), kWidth, w.data(), kRows, kWidth, 1e-5);
  for (std::size_t begin = 0; begin < x.size(); begin += kWidth) {
    double square = 0.0;
    for (std::size_t i = begin; i < begin + kWidth; ++i) square += static_cast<double>(x[i]) * x[i];
    const double rms = std::sqrt(square / kWidth + 1e-5);
    for (std::size_t i = 0; i < kWidth; ++i) expect_close(y[begin + i], x[begin + i] / rms * w[i], 3e-7);
  }
}

TEST(Kernels, SwiGlu) {
  constexpr std::size_t kRows = 3, kFfn = 29;
  auto x = normal_values(kRows * 2 * kFfn, 3, 4.0);
  const auto before = x;
  swiglu_rows(x.data(), 2 * kFfn, x.data() + kFfn, 2 * kFfn, kRows, kFfn);
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t i = r * 2 * kFfn; i < r * 2 * kFfn + kFfn; ++i) {
      const double gate = before[i];
      expect_close(x[i], gate / (1.0 + std::exp(-gate)) * before[i + kFfn], 1e-6);
      EXPECT_EQ(x[i + kFfn], before[i + kFfn]);
    }
  }
}

TEST(Kernels, RopeRotatesEachPairByItsAngle) {
  ModelConfig config;
  config.head_dim = 8;
  config.rope_theta = 100.0;
  constexpr int kPositions = 5;
  const RopeTable table = make_rope_table(config, kPositions);
  auto x = normal_values(kPositions * 2 * 8, 4);
  const auto before = x;
  rope_rows(x.data(), {.stride = 16, .rows = kPositions, .heads = 2, .dim = 8, .rotated = 8},
            table.cos.data(), table.sin.data());
  for (int p = 0; p < kPositions; ++p) {
    for (int h = 0; h < 2; ++h) {
      for (int i = 0; i < 4; ++i) {
        const double angle = p * std::pow(100.0, -2.0 * i / 8.0);
        const auto low = static_cast<std::size_t>(p * 16 + h * 8 + i), high = low + 4;
        EXPECT_NEAR(x[low], before[low] * std::cos(angle) - before[high] * std::sin(angle), 1e-6);
        EXPECT_NEAR(x[high], before[high] * std::cos(angle) + before[low] * std::sin(angle), 1e-6);
      }
    }
  }
}

// Llama 3.1's own numbers: factor 8, low 1, high 4, original context 8192 (its config.json). The
// expected values follow from the definition: short waves kept, long ones divided by 8.
TEST(Kernels, Llama3FrequencyScaling) {
  ModelConfig config;
  config.head_dim = 128;
  config.rope_theta = 500000.0;
  const auto plain = rope_frequencies(config);
  config.rope_scaling = Llama3Rope{8.0, 1.0, 4.0, 8192.0};
  const auto scaled = rope_frequencies(config);
  EXPECT_EQ(scaled.front(), plain.front());
  EXPECT_DOUBLE_EQ(scaled.back(), plain.back() / 8.0);
  bool between = false;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const double ratio = plain[i] / scaled[i];
    EXPECT_GE(ratio, 1.0 - 1e-12);
    EXPECT_LE(ratio, 8.0 + 1e-12);
    between = between || (ratio > 1.01 && ratio < 7.99);
  }
  EXPECT_TRUE(between);
}

// What llama.cpp's converter stores of the same (rope_freqs.weight, float32): 1 for short waves, the factor
// for long ones, between them the harmonic mean weighted by where the wave lies.
TEST(Kernels, RopeFactorsEqualLlama3Scaling) {
  const Llama3Rope numbers{8.0, 1.0, 4.0, 8192.0};
  ModelConfig formula, stored;
  formula.head_dim = stored.head_dim = 128;
  formula.rope_theta = stored.rope_theta = 500000.0;
  formula.rope_scaling = numbers;
  for (int i = 0; i < 64; ++i) {
    const double turns = numbers.original_context * std::pow(500000.0, -i / 64.0) / (2.0 * M_PI);
    const double smooth = std::clamp(
        (turns - numbers.low_freq_factor) / (numbers.high_freq_factor - numbers.low_freq_factor), 0.0, 1.0);
    stored.rope_factors.push_back(static_cast<float>(1.0 / ((1.0 - smooth) / numbers.factor + smooth)));
  }
  const auto a = rope_frequencies(formula), b = rope_frequencies(stored);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(b[i] / a[i], 1.0, 6e-8) << i;
  constexpr int kPositions = 64;
  const RopeTable x = make_rope_table(formula, kPositions), y = make_rope_table(stored, kPositions);
  for (std::size_t i = 0; i < x.cos.size(); ++i) {
    EXPECT_NEAR(x.cos[i], y.cos[i], 4e-6);
    EXPECT_NEAR(x.sin[i], y.sin[i], 4e-6);
  }
}

struct Sums {
  explicit Sums(std::size_t n) : keep(n, 1.0f), values(5, std::vector<double>(n, 0.0)) {}
  AttentionSums view() {
    return {.keep = keep,
            .distance_all = values[0],
            .entropy_all = values[1],
            .distance_reduced = values[2],
            .entropy_reduced = values[3],
            .window_edge = values[4]};
  }
  std::vector<float> keep;
  std::vector<std::vector<double>> values;
};

// `raised` is added to the scaled scores of the first sink: how much of the weight it takes decides how the
// sums without the sinks are taken, and so does the number of sinks.
struct SinkCase {
  std::vector<std::size_t> sinks;
  float raised;
  std::int64_t window = 0;
};

class CausalSoftmaxWithSinks : public testing::TestWithParam<SinkCase> {};

TEST_P(CausalSoftmaxWithSinks, MatchesMaskedSoftmaxAndDirectStatistics) {
  constexpr std::size_t n = 83;
  constexpr float kScale = 0.3f;
  const auto& [sinks, raised, window] = GetParam();
  auto scores = normal_values(n * n, 5, 5.0);
  Sums sums(n);
  for (const std::size_t j : sinks) sums.keep[j] = 0.0f;
  for (std::size_t i = 0; i < n; ++i) scores[i * n + sinks.front()] += raised / kScale;
  Matrix expected(n, n);
  const auto first_key = [&, reach = static_cast<std::size_t>(window)](std::size_t i) {
    return reach == 0 || i + 1 < reach ? std::size_t{0} : i + 1 - reach;
  };
  for (std::size_t i = 0; i < n; ++i) {
    const auto score = [&](std::size_t j) { return static_cast<double>(scores[i * n + j]) * kScale; };
    const std::size_t first = first_key(i);
    double largest = score(i), total = 0.0;
    for (std::size_t j = first; j <= i; ++j) largest = std::max(largest, score(j));
    for (std::size_t j = first; j <= i; ++j) total += expected(i, j) = std::exp(score(j) - largest);
    for (std::size_t j = first; j <= i; ++j) expected(i, j) /= total;
  }
  const AttentionSums view = sums.view();
  causal_softmax(scores.data(), {.first = 0, .rows = n, .stride = n, .keys = n, .window = window}, kScale,
                 &view);
  for (std::size_t i = 0; i < scores.size(); ++i) expect_close(scores[i], expected.data[i], 1e-6);
  for (std::size_t i = 0; i < n; ++i) {
    const bool whole = window > 0 && i + 1 >= static_cast<std::size_t>(window);
    ASSERT_EQ(std::isnan(sums.values[4][i]), !whole) << i;
    double mass = 0.0, keys = 0.0;  // of the keys at least seven eighths of a window away
    for (std::size_t j = first_key(i);
         whole && (j == first_key(i) || 8 * (j - first_key(i) + 1) <= static_cast<std::size_t>(window));
         ++j) {
      mass += expected(i, j);
      keys += 1.0;
    }
    if (whole) {
      EXPECT_NEAR(sums.values[4][i], mass * static_cast<double>(window) / keys, 2e-5) << i;
    }
  }
  for (std::size_t i = 1; i < n; ++i) {
    for (const bool reduced : {false, true}) {
      double total = 0.0, distance = 0.0, entropy = 0.0, keys = 0.0, mean = 0.0;
      const auto used = [&](std::size_t j) {
        return !reduced || std::find(sinks.begin(), sinks.end(), j) == sinks.end();
      };
      for (std::size_t j = first_key(i); j <= i; ++j) {
        if (used(j)) total += expected(i, j);
      }
      for (std::size_t j = first_key(i); j <= i; ++j) {
        if (!used(j)) continue;
        const double a = expected(i, j) / total;
        distance += a * static_cast<double>(i - j);
        mean += static_cast<double>(i - j);
        entropy -= a * std::log(a);
        keys += 1.0;
      }
      if (keys < 2.0) {
        EXPECT_TRUE(std::isnan(sums.values[2][i]));
        continue;
      }
      EXPECT_NEAR(sums.values[reduced ? 2 : 0][i], distance / (mean / keys), 2e-5) << i;
      EXPECT_NEAR(sums.values[reduced ? 3 : 1][i], entropy / std::log(keys), 2e-5) << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(FewAndManyWeakAndStrong, CausalSoftmaxWithSinks,
                         testing::Values(SinkCase{{0, 17}, 0.0f}, SinkCase{{0, 17}, 6.0f},
                                         SinkCase{{0, 17}, 9.0f}, SinkCase{{0}, 40.0f},
                                         SinkCase{{0, 17}, 6.0f, 16}, SinkCase{{17, 0}, 9.0f, 33},
                                         SinkCase{{0}, 0.0f, 2}, SinkCase{{0, 17}, 0.0f, 83},
                                         SinkCase{{0, 3, 4, 9, 20, 21, 22, 40, 41, 60, 82}, 0.0f, 20},
                                         SinkCase{{0, 3, 4, 9, 20, 21, 22, 40, 41, 60, 82}, 0.0f},
                                         SinkCase{{5, 3, 4, 9, 20, 21, 22, 40, 41, 60, 82}, 12.0f}));

// Weights that fall by e^-4 per token: the distance is about 0.02 tokens at query 3000, and a difference of
// sums near 3000 would lose it.
TEST(CausalSoftmax, LocalAttentionKeepsTheDigitsOfItsDistance) {
  constexpr std::int64_t n = 3001;
  std::vector<float> scores(n * n);
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j <= i; ++j)
      scores[static_cast<std::size_t>(i * n + j)] = static_cast<float>(4 * (j - i));
  }
  Sums sums(n);
  sums.keep[0] = 0.0f;
  const AttentionSums view = sums.view();
  causal_softmax(scores.data(), n, 1.0f, &view);
  const double r = std::exp(-4.0), distance = r / (1.0 - r);  // geometric weights
  const double entropy = -std::log(1.0 - r) + 4.0 * distance;
  for (const std::int64_t i : {100, 1000, 3000}) {
    const auto at = static_cast<std::size_t>(i);
    const double keys = static_cast<double>(i), mean = keys / 2.0;
    EXPECT_NEAR(sums.values[0][at] * mean / distance, 1.0, 1e-6) << i;
    EXPECT_NEAR(sums.values[1][at] * std::log(keys + 1.0) / entropy, 1.0, 1e-6) << i;
    EXPECT_NEAR(sums.values[2][at] * (keys - 1.0) / 2.0 / distance, 1.0, 1e-6) << i;
    EXPECT_NEAR(sums.values[3][at] * std::log(keys) / entropy, 1.0, 1e-6) << i;
  }
}

TEST(CausalSoftmax, UniformAttentionGivesOneAndOneHotGivesZeroEntropy) {
  constexpr std::int64_t n = 70;
  std::vector<float> scores(n * n, 0.25f);
  Sums uniform(n);
  const AttentionSums uniform_view = uniform.view();
  causal_softmax(scores.data(), n, 1.0f, &uniform_view);
  EXPECT_NEAR(uniform.values[0][69], 1.0, 1e-6);
  EXPECT_NEAR(uniform.values[1][69], 1.0, 1e-6);
  std::fill(scores.begin(), scores.end(), -1000.0f);
  for (std::int64_t i = 0; i < n; ++i) scores[static_cast<std::size_t>(i * n + i)] = 1000.0f;
  Sums one_hot(n);
  const AttentionSums one_hot_view = one_hot.view();
  causal_softmax(scores.data(), n, 1.0f, &one_hot_view);
  EXPECT_EQ(one_hot.values[0][69], 0.0);  // all on itself
  EXPECT_EQ(one_hot.values[1][69], 0.0);
}

TEST(Logits, StatisticsAndDivergenceMatchLongDouble) {
  constexpr std::size_t n = 4099;
  auto p = normal_values(n, 6, 3.0), q = normal_values(n, 7, 3.0);
  const auto log_normaliser = [](const std::vector<float>& z) {
    long double total = 0.0L;
    for (const float v : z) total += std::exp(static_cast<long double>(v));
    return std::log(total);
  };
  const long double zp = log_normaliser(p), zq = log_normaliser(q);
  long double entropy = 0.0L, divergence = 0.0L;
  for (std::size_t i = 0; i < n; ++i) {
    const long double lp = p[i] - zp;
    entropy -= std::exp(lp) * lp;
    divergence += std::exp(lp) * (lp - (q[i] - zq));
  }
  std::vector<double> probability(n);
  softmax_row(p, probability);
  EXPECT_NEAR(std::accumulate(probability.begin(), probability.end(), 0.0), 1.0, 1e-13);
  EXPECT_NEAR(logit_statistics(p).entropy_nats, static_cast<double>(entropy), 1e-12);
  EXPECT_NEAR(logit_statistics(p).log_normaliser, static_cast<double>(zp), 1e-12);
  EXPECT_NEAR(log_sum_exp(p), static_cast<double>(zp), 1e-12);
  EXPECT_NEAR(divergence_from_logits(probability, p, q).kl_nats, static_cast<double>(divergence), 1e-11);
  EXPECT_NEAR(divergence_from_logits(probability, p, q).delta_log_normaliser, static_cast<double>(zq - zp),
              1e-11);
  EXPECT_EQ(divergence_from_logits(probability, p, p).kl_nats, 0.0);
  EXPECT_EQ(divergence_from_logits(probability, p, p).delta_log_normaliser, 0.0);
}

// KL of a small change is half the variance of it under p; a difference of logarithms would lose it.
TEST(Logits, TinyDivergenceKeepsItsDigits) {
  constexpr std::size_t n = 1000;
  auto p = normal_values(n, 8, 2.0);
  const auto direction = normal_values(n, 9);
  std::vector<double> probability(n);
  softmax_row(p, probability);
  std::vector<float> q(n);
  double mean = 0.0, square = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    q[i] = p[i] + 1e-4f * direction[i];
    const double d = static_cast<double>(q[i]) - p[i];
    mean += probability[i] * d;
    square += probability[i] * d * d;
  }
  const double expected = 0.5 * (square - mean * mean);
  EXPECT_NEAR(divergence_from_logits(probability, p, q).kl_nats / expected, 1.0, 1e-3);
}

TEST(Logits, HugeDivergenceStaysFinite) {
  std::vector<float> p = {0.0f, 0.0f}, q = {2000.0f, 0.0f};
  std::vector<double> probability(2);
  softmax_row(p, probability);
  // KL = ln(cosh(1000)) to within exp(-2000)
  EXPECT_NEAR(divergence_from_logits(probability, p, q).kl_nats, 1000.0 - std::log(2.0), 1e-9);
}

}  // namespace
}  // namespace strata
