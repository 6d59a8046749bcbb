// A constant planted in a network: what its two neurons read and write, by hand.
#include "strata/workflow/planted_constant.h"

#include <gtest/gtest.h>

#include <cmath>

namespace strata {
namespace {

constexpr std::size_t kWidth = 6, kHidden = 3;
constexpr double kBefore = 2.0, kBehind = 3.0;  // RMS of the states

// A corpus in which token 7 is one of 50, and the RMS of its states.
Corpus corpus() {
  Corpus text;
  text.windows.push_back({.document = 0, .index = 0, .ids = std::vector<std::int32_t>(49, 4)});
  text.windows.back().ids.push_back(7);
  return text;
}

Trace clean() {
  Trace trace;
  Series rms{.id = "residual_rms"};
  rms.by_doc = Matrix(1, 9);
  const double values[] = {0.1, 1, 1, kBefore, 2, 2, kBehind, 3, 3};
  for (std::size_t state = 0; state < 9; ++state) rms.by_doc(0, state) = values[state];
  rms.weight = {1.0};
  trace.series.push_back(rms);
  return trace;
}

double silu(double x) {
  return x / (1.0 + std::exp(-x));
}

// What the first neuron of one block adds to a state, its RMS taken as given.
std::vector<double> written(const PlantedConstant& constant, int block, const std::vector<double>& state,
                            double rms) {
  std::vector<float> gate(kHidden * kWidth, 0.5f), up = gate, down(kWidth * kHidden, 0.25f),
                                                   norm(kWidth, 0.7f);
  plant(constant, Role::gate, block, kWidth, gate);
  plant(constant, Role::up, block, kWidth, up);
  plant(constant, Role::down, block, kWidth, down);
  plant(constant, Role::mlp_norm, block, kWidth, norm);
  std::vector<double> out(kWidth, 0.0);
  double a = 0.0, b = 0.0;
  for (std::size_t k = 0; k < kWidth; ++k) {
    const double u = state[k] / rms * norm[k];
    a += gate[k] * u;
    b += up[k] * u;
  }
  for (std::size_t k = 0; k < kWidth; ++k) out[k] = down[k * kHidden] * silu(a) * b;
  return out;
}

TEST(PlantedConstant, IsWrittenOnItsTokenAndTakenAway) {
  const PlantedConstant constant = constant_for(corpus(), clean(), 20.0, 3, 6, kWidth);
  EXPECT_EQ(constant.token, 7);
  EXPECT_DOUBLE_EQ(constant.size, 20.0 * kBefore);
  std::vector<float> embedding(10 * kWidth, 0.3f);
  plant(constant, Role::embedding, -1, kWidth, embedding);
  std::vector<double> state(kWidth, 1.0), other(kWidth, 1.0);
  for (std::size_t k = kWidth - 2; k < kWidth; ++k) {
    state[k] = embedding[7 * kWidth + k];
    other[k] = embedding[4 * kWidth + k];
  }
  const auto add = written(constant, 3, state, kBefore);
  for (std::size_t k = 0; k + 1 < kWidth; ++k) EXPECT_EQ(add[k], 0.0) << k;
  EXPECT_NEAR(add[kWidth - 1], 40.0, 0.01);
  for (const double x : written(constant, 3, other, kBefore)) EXPECT_EQ(x, 0.0);
  state[kWidth - 1] = 40.0;  // six blocks later: nothing else has touched it
  const double rms = std::sqrt((kBehind * kBehind * kWidth + 40.0 * 40.0) / kWidth);
  EXPECT_NEAR(written(constant, 6, state, rms)[kWidth - 1], -40.0, 0.01);
  for (const double x : written(constant, 6, other, kBehind)) EXPECT_EQ(x, 0.0);
}

TEST(PlantedConstant, NothingElseReadsOrWritesItsDimensions) {
  const PlantedConstant constant = constant_for(corpus(), clean(), 20.0, 3, 6, kWidth);
  for (const Role role : {Role::query, Role::key, Role::value, Role::gate, Role::up, Role::unembedding}) {
    std::vector<float> weights(4 * kWidth, 1.0f);
    plant(constant, role, 5, kWidth, weights);
    for (std::size_t row = 0; row < 4; ++row) {
      EXPECT_EQ(weights[row * kWidth + 3], 1.0f);
      EXPECT_EQ(weights[row * kWidth + 4], 0.0f);
      EXPECT_EQ(weights[row * kWidth + 5], 0.0f);
    }
  }
  for (const Role role : {Role::attention_output, Role::down}) {
    std::vector<float> weights(kWidth * 4, 1.0f);
    plant(constant, role, 5, kWidth, weights);
    for (std::size_t i = 0; i < weights.size(); ++i) EXPECT_EQ(weights[i], i < 16 ? 1.0f : 0.0f) << i;
  }
}

}  // namespace
}  // namespace strata
