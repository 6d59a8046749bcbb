// Gradients of a block and of the head against LibTorch's autograd, and that the two networks of the tests,
// LibTorch's operators and plain loops, are the same.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "strata/model/backward.h"
#include "tests/support/autograd_block.h"
#include "tests/support/block_cases.h"
#include "tests/support/float_values.h"
#include "tests/support/paths.h"
#include "tests/support/plain_network.h"
#include "tests/support/tiny_checkpoint.h"

namespace strata {
namespace {

using test::random_values;

at::Tensor to_double(std::vector<float>& values, at::IntArrayRef shape) {
  return at::from_blob(values.data(), shape, at::kFloat).to(at::kDouble).clone();
}

// Largest difference relative to the RMS of the reference.
double relative_difference(std::vector<float>& ours, const at::Tensor& reference) {
  const at::Tensor difference = to_double(ours, reference.sizes()) - reference;
  return difference.abs().max().item<double>() / reference.pow(2).mean().sqrt().item<double>();
}

class BackwardAutograd : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { test::write_checkpoint(directory_.path(), test::block_case(GetParam())); }
  test::TemporaryDirectory directory_;
};

TEST_P(BackwardAutograd, BlockMatchesAutograd) {
  const Checkpoint checkpoint = Checkpoint::open(directory_.path());
  const ModelConfig& c = checkpoint.config();
  constexpr std::int64_t kTokens = 37;
  auto h = random_values(kTokens * c.hidden, 1);
  const BlockWeights weights = load_block(checkpoint, 1);
  const RopeTable rope = make_rope_table(c, kTokens);
  std::vector<std::vector<float>> gradients{random_values(kTokens * c.hidden, 2),
                                            random_values(kTokens * c.hidden, 3)};
  std::vector<at::Tensor> expected;
  for (auto& gradient : gradients) {
    const at::Tensor x = to_double(h, {kTokens, c.hidden}).requires_grad_(true);
    (test::autograd_block(checkpoint, 1, x) * to_double(gradient, x.sizes())).sum().backward();
    expected.push_back(x.grad());
  }
  // The reference is the same function: its forward pass agrees too.
  std::vector<float> out(h.size());
  BlockScratch forward;
  forward_block(weights, rope, h.data(), out.data(), kTokens, forward, nullptr);
  EXPECT_LT(relative_difference(out, test::autograd_block(checkpoint, 1, to_double(h, {kTokens, c.hidden}))),
            1e-5);

  BackwardScratch scratch;
  std::vector<float*> pointers{gradients[0].data(), gradients[1].data()};
  backward_block(weights, rope, h.data(), pointers, kTokens, scratch);
  EXPECT_LT(relative_difference(gradients[0], expected[0]), 1e-5);
  EXPECT_LT(relative_difference(gradients[1], expected[1]), 1e-5);
}

TEST_P(BackwardAutograd, HeadMatchesAutograd) {
  const Checkpoint checkpoint = Checkpoint::open(directory_.path());
  const ModelConfig& c = checkpoint.config();
  constexpr std::int64_t kRows = 11;
  auto h = random_values(kRows * c.hidden, 4);
  std::vector<float> d_logits = random_values(kRows * c.vocab, 5);
  const at::Tensor x = to_double(h, {kRows, c.hidden}).requires_grad_(true);
  (test::autograd_logits(checkpoint, x) * to_double(d_logits, {kRows, c.vocab})).sum().backward();
  d_logits.resize(static_cast<std::size_t>(kLogitRows * c.vocab), 0.0f);
  std::vector<float> d_h(h.size());
  LogitScratch scratch;
  backward_logits(load_head(checkpoint, load_embedding(checkpoint)), c, h.data(), kRows, d_logits.data(),
                  d_h.data(), scratch);
  EXPECT_LT(relative_difference(d_h, x.grad()), 1e-5);
}

// The default build compares with plain loops alone; here is what they rest on.
TEST_P(BackwardAutograd, ThePlainNetworkIsTheSame) {
  const Checkpoint checkpoint = Checkpoint::open(directory_.path());
  const ModelConfig& c = checkpoint.config();
  constexpr std::int64_t kTokens = 29;
  auto h = random_values(kTokens * c.hidden, 6);
  const at::Tensor x = to_double(h, {kTokens, c.hidden});
  const Matrix plain = test::to_matrix(h, static_cast<std::size_t>(c.hidden));
  const auto expect_same = [](const Matrix& ours, const at::Tensor& theirs) {
    const at::Tensor flat = theirs.contiguous().view({-1});
    ASSERT_EQ(flat.numel(), std::ssize(ours.data));
    for (std::size_t i = 0; i < ours.data.size(); ++i)
      ASSERT_NEAR(ours.data[i], flat.data_ptr<double>()[i], 1e-12) << i;
  };
  const auto halved = [](const at::Tensor& p) {
    at::Tensor q = p.clone();
    q[1] *= 0.5;
    return q;
  };
  const test::SeeAttention halve = [](int head, Matrix& p) {
    for (double& value : p.data) value *= head == 1 ? 0.5 : 1.0;
  };
  const test::PlainBlock block = test::plain_block(checkpoint, 2);
  expect_same(test::forward(block, c, plain), test::autograd_block(checkpoint, 2, x));
  expect_same(test::forward(block, c, plain, halve), test::autograd_block(checkpoint, 2, x, halved));
  expect_same(test::logits(test::plain_head(checkpoint), c, plain), test::autograd_logits(checkpoint, x));
}

INSTANTIATE_TEST_SUITE_P(Families, BackwardAutograd, testing::ValuesIn(test::kBlockCases),
                         [](const auto& family) { return std::string(family.param); });

}  // namespace
}  // namespace strata
