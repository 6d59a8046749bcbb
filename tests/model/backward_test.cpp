// Blocks, the head and their gradients against the network written a second time: its values, and differences
// of them.
#include "strata/model/backward.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/support/block_cases.h"
#include "tests/support/float_values.h"
#include "tests/support/paths.h"
#include "tests/support/plain_network.h"
#include "tests/support/tiny_checkpoint.h"

namespace strata {
namespace {

using test::random_values;

// Largest difference relative to the RMS of the reference.
double relative_difference(const std::vector<float>& ours, const Matrix& reference) {
  return test::relative_difference(ours, {reference.data.begin(), reference.data.end()});
}

double inner(const Matrix& a, const Matrix& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.data.size(); ++i) sum += a.data[i] * b.data[i];
  return sum;
}

class Backward : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    test::write_checkpoint(directory_.path(), test::block_case(GetParam()));
    checkpoint_.emplace(Checkpoint::open(directory_.path()));
  }
  [[nodiscard]] const ModelConfig& config() const { return checkpoint_->config(); }
  [[nodiscard]] Matrix matrix(const std::vector<float>& values) const {
    return test::to_matrix(values, static_cast<std::size_t>(config().hidden));
  }

  // Float32 against float64. The gated norm of the delta rule makes the rounding of small outputs larger.
  [[nodiscard]] double tolerance(int layer) const {
    return describe_block(config(), layer).mixer == Mixer::delta_rule ? 2e-4 : 1e-5;
  }

  test::TemporaryDirectory directory_;
  std::optional<Checkpoint> checkpoint_;
};

TEST_P(Backward, BlockMatchesDifferencesOfThePlainNetwork) {
  constexpr std::int64_t kTokens = 37;
  const auto h = random_values(kTokens * config().hidden, 1);
  const BlockWeights weights = load_block(*checkpoint_, 1);
  const test::PlainBlock plain = test::plain_block(*checkpoint_, 1);
  const RopeTable rope = make_rope_table(config(), kTokens);
  std::vector<float> out(h.size());
  BlockScratch forward;
  forward_block(weights, rope, h.data(), out.data(), kTokens, forward, nullptr);
  EXPECT_LT(relative_difference(out, test::forward(plain, config(), matrix(h))), tolerance(1));

  std::vector<std::vector<float>> gradients{random_values(kTokens * config().hidden, 2),
                                            random_values(kTokens * config().hidden, 3)};
  std::vector<Matrix> expected;
  for (const auto& gradient : gradients) {
    const auto along = [&](const Matrix& x) {
      return inner(test::forward(plain, config(), x), matrix(gradient));
    };
    expected.push_back(test::difference_gradient(along, matrix(h)));
  }
  BackwardScratch scratch;
  const std::vector<float*> pointers{gradients[0].data(), gradients[1].data()};
  backward_block(weights, rope, h.data(), pointers, kTokens, scratch);
  EXPECT_LT(relative_difference(gradients[0], expected[0]), tolerance(1));
  EXPECT_LT(relative_difference(gradients[1], expected[1]), tolerance(1));
}

// With the weights of the experts held at those of h.
TEST_P(Backward, FrozenRoutingMatchesDifferencesOfThePlainNetwork) {
  constexpr std::int64_t kTokens = 23;
  const auto h = random_values(kTokens * config().hidden, 1);
  const BlockWeights weights = load_block(*checkpoint_, 1);
  if (weights.block.feed_forward.experts == 0) return;
  const RopeTable rope = make_rope_table(config(), kTokens);
  Routing routing;
  BlockHooks hooks;
  hooks.routing = &routing;
  std::vector<float> out(h.size());
  BlockScratch forward;
  forward_block(weights, rope, h.data(), out.data(), kTokens, forward, hooks);
  test::PlainBlock plain = test::plain_block(*checkpoint_, 1);
  const auto used = static_cast<std::size_t>(weights.block.feed_forward.experts_used);
  plain.routes = Matrix(kTokens, static_cast<std::size_t>(weights.block.feed_forward.experts));
  for (std::size_t i = 0; i < routing.chosen.size(); ++i)
    plain.routes(i / used, static_cast<std::size_t>(routing.chosen[i])) = routing.weight[i];

  auto gradient = random_values(kTokens * config().hidden, 2), free = gradient;
  const Matrix wanted = matrix(gradient);
  const Matrix expected = test::difference_gradient(
      [&](const Matrix& x) { return inner(test::forward(plain, config(), x), wanted); }, matrix(h));
  BackwardScratch scratch;
  const std::vector<float*> pointers{gradient.data()}, others{free.data()};
  backward_block(weights, rope, h.data(), pointers, kTokens, scratch, {.frozen_routing = true});
  EXPECT_LT(relative_difference(gradient, expected), 1e-5);
  backward_block(weights, rope, h.data(), others, kTokens, scratch);
  EXPECT_GT(relative_difference(free, expected), 1e-3);

  // The forward pass with the routes given: the same bits at h, its own routes elsewhere.
  std::vector<float> again(h.size());
  BlockHooks frozen;
  frozen.frozen_routing = &routing;
  forward_block(weights, rope, h.data(), again.data(), kTokens, forward, frozen);
  EXPECT_EQ(out, again);
  const auto other = random_values(kTokens * config().hidden, 9);
  forward_block(weights, rope, other.data(), again.data(), kTokens, forward, frozen);
  EXPECT_LT(relative_difference(again, test::forward(plain, config(), matrix(other))), 1e-5);
}

TEST_P(Backward, GradientsDoNotDependOnTheirNeighbours) {
  constexpr std::int64_t kTokens = 20;
  const auto h = random_values(kTokens * config().hidden, 1);
  const BlockWeights weights = load_block(*checkpoint_, 0);
  const RopeTable rope = make_rope_table(config(), 64);
  auto alone = random_values(kTokens * config().hidden, 2),
       first = random_values(kTokens * config().hidden, 3), second = alone;
  BackwardScratch scratch;
  const std::vector<float*> one{alone.data()}, two{first.data(), second.data()};
  backward_block(weights, rope, h.data(), one, kTokens, scratch);
  backward_block(weights, rope, h.data(), two, kTokens, scratch);
  EXPECT_EQ(std::memcmp(alone.data(), second.data(), alone.size() * sizeof(float)), 0);
}

TEST_P(Backward, HeadMatchesDifferencesOfThePlainNetwork) {
  constexpr std::int64_t kRows = 11;
  const auto h = random_values(kRows * config().hidden, 4);
  std::vector<float> d_logits = random_values(kRows * config().vocab, 5);
  const test::PlainHead plain = test::plain_head(*checkpoint_);
  const Matrix weight = test::to_matrix(d_logits, static_cast<std::size_t>(config().vocab));
  const Matrix expected = test::difference_gradient(
      [&](const Matrix& x) { return inner(test::logits(plain, config(), x), weight); }, matrix(h));

  d_logits.resize(static_cast<std::size_t>(kLogitRows * config().vocab), 0.0f);
  std::vector<float> d_h(h.size()), logits(weight.data.size());
  const HeadWeights head = load_head(*checkpoint_, load_embedding(*checkpoint_));
  LogitScratch scratch;
  compute_logits(head, config(), h.data(), kRows, logits.data(), scratch);
  EXPECT_LT(relative_difference(logits, test::logits(plain, config(), matrix(h))), 1e-5);
  backward_logits(head, config(), h.data(), kRows, d_logits.data(), d_h.data(), scratch);
  EXPECT_LT(relative_difference(d_h, expected), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Families, Backward, testing::ValuesIn(test::kBlockCases),
                         [](const auto& family) { return std::string(family.param); });

}  // namespace
}  // namespace strata
