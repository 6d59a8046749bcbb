// The backward sweep against the exact trace of the Fisher information, by brute force, and its independence
// of threads, memory and neighbours.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "strata/base/error.h"
#include "strata/base/parallel.h"
#include "strata/sweep/backward_sweep.h"
#include "strata/sweep/clean_sweep.h"
#include "strata/sweep/measure.h"
#include "strata/theory/kappa.h"
#include "tests/support/autograd_block.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"
#include "tests/sweep/random_corpus.h"

namespace strata {
namespace {

class BackwardSweep : public testing::Test {
 protected:
  BackwardSweep() {
    test::write_checkpoint(directory_.path(), {.layers = 2, .vocab = 12});
    checkpoint_.emplace(Checkpoint::open(directory_.path()));
  }

  struct Setup {
    int documents = 1;
    std::int64_t tokens = 64;  // of each lane
    int label_samples = 1;
    int threads = 2;
    std::uint64_t bytes = 1ull << 30;
  };

  std::vector<Series> run(const Setup& setup) {
    corpus_ = test::random_corpus({.documents = setup.documents, .vocab = 12});
    SweepContext context = make_context(checkpoint_->config(), corpus_);
    classes_.assign(static_cast<std::size_t>(context.token_count()), TokenClass::ordinary);
    std::vector<LaneWindow> sample;
    for (std::size_t w = 0; w < corpus_.windows.size(); ++w) {
      classes_[static_cast<std::size_t>(context.first_token[w])] = TokenClass::first;
      sample.push_back({w, std::min(setup.tokens, context.tokens_in(w))});
    }
    classes_[7] = TokenClass::massive;
    const Embedding embedding = load_embedding(*checkpoint_);
    MeasureOptions options{
        .threads = setup.threads, .label_samples = setup.label_samples, .backward_bytes = setup.bytes};
    return run_backward_sweep(*checkpoint_, context, classes_, embedding, load_head(*checkpoint_, embedding),
                              sample, options, nullptr);
  }

  test::TemporaryDirectory directory_;
  std::optional<Checkpoint> checkpoint_;
  Corpus corpus_;
  std::vector<TokenClass> classes_;
};

// kappa and B_abs of every state without sampling: sum over positions t and labels y of
// p_t(y) |d/dh ln p_t(y)|^2, one autograd pass for each (t, y).
TEST_F(BackwardSweep, MatchesTheExactFisherTrace) {
  constexpr std::int64_t kTokens = 24;
  const auto series = run({.tokens = kTokens, .label_samples = 4000});
  const ModelConfig& c = checkpoint_->config();
  at::Tensor h = at::empty({kTokens, c.hidden}, at::kDouble);
  const at::Tensor table = test::load_double(*checkpoint_, Role::embedding);
  for (std::int64_t t = 0; t < kTokens; ++t)
    h[t] = table[corpus_.windows[0].ids[static_cast<std::size_t>(t)]];
  for (int state = 0; state <= c.n_layers; ++state) {
    at::Tensor x = h.detach().clone().requires_grad_(true), z = x;
    for (int layer = state; layer < c.n_layers; ++layer) z = test::autograd_block(*checkpoint_, layer, z);
    const at::Tensor log_p = at::log_softmax(test::autograd_logits(*checkpoint_, z), -1);
    const at::Tensor mean_square = x.detach().pow(2).mean(-1);
    at::Tensor squares = at::zeros({kTokens}, at::kDouble);
    for (std::int64_t t = 0; t + 1 < kTokens; ++t) {
      for (std::int64_t y = 0; y < c.vocab; ++y) {
        x.mutable_grad() = at::Tensor();
        const at::Tensor score = log_p[t][y];
        score.backward({}, /*retain_graph=*/true);
        squares += score.detach().exp() * x.grad().pow(2).sum(-1);
      }
    }
    squares /= static_cast<double>(kTokens - 1);
    const auto total = [&](bool relative, bool all) {
      double sum = 0.0;
      for (std::int64_t t = 0; t < kTokens; ++t) {
        if (!all && classes_[static_cast<std::size_t>(t)] != TokenClass::ordinary) continue;
        sum += squares[t].item<double>() * (relative ? mean_square[t].item<double>() : 1.0);
      }
      return sum;
    };
    const auto at_state = static_cast<std::size_t>(state);
    EXPECT_NEAR(series[0].by_doc(0, at_state) / total(true, false), 1.0, 0.01) << state;
    EXPECT_NEAR(series[1].by_doc(0, at_state) / total(true, true), 1.0, 0.01) << state;
    EXPECT_NEAR(series[2].by_doc(0, at_state) / total(false, false), 1.0, 0.01) << state;
    EXPECT_NEAR(series[3].by_doc(0, at_state) / total(false, true), 1.0, 0.01) << state;
    if (state < c.n_layers) h = test::autograd_block(*checkpoint_, state, h);
  }
}

TEST_F(BackwardSweep, SameBitsForThreadsMemoryAndNeighbours) {
  const auto wide = run({.documents = 5, .label_samples = 3, .threads = 2});
  const auto narrow = run({.documents = 5, .label_samples = 3, .threads = 1, .bytes = 1});  // spilled
  const auto alone = run({.documents = 1, .label_samples = 3});
  for (std::size_t i = 0; i < wide.size(); ++i) {
    EXPECT_EQ(wide[i].by_doc.data, narrow[i].by_doc.data);
    for (std::size_t s = 0; s < wide[i].by_doc.cols; ++s) {
      EXPECT_EQ(wide[i].by_doc(0, s), alone[i].by_doc(0, s));
      EXPECT_GT(wide[i].by_doc(0, s), 0.0);
    }
  }
}

TEST_F(BackwardSweep, StopsWhenAsked) {
  const Embedding embedding = load_embedding(*checkpoint_);
  corpus_ = test::random_corpus({.documents = 1, .vocab = 12});
  const SweepContext context = make_context(checkpoint_->config(), corpus_);
  const std::vector<TokenClass> classes(static_cast<std::size_t>(context.token_count()),
                                        TokenClass::ordinary);
  const auto stopped = [&] {
    return run_backward_sweep(*checkpoint_, context, classes, embedding, load_head(*checkpoint_, embedding),
                              {{0, 64}}, {}, [](const ProgressEvent& event) { return event.step < 3; });
  };
  EXPECT_STRATA_ERROR(stopped(), ErrorKind::interrupted, "interrupted");
}

// 64 documents: errors over 16 are too rough to be judged by.
std::vector<RawDocument> quarters_of_tales() {
  std::vector<RawDocument> quarters;
  for (const RawDocument& tale : read_documents(test::repo_path("texts/tales"), "")) {
    for (std::size_t begin = 0, q = 1; q <= 4; ++q) {
      const std::size_t end = q == 4 ? tale.text.size() : tale.text.find(' ', q * tale.text.size() / 4);
      quarters.push_back({fmt::format("{} {}", tale.name, q), tale.text.substr(begin, end - begin)});
      begin = end;
    }
  }
  return quarters;
}

// Trained models: the lanes' kappa, from noise, and the backward sweep's, from sampled labels, share nothing
// but the text.
class BothEstimators : public testing::TestWithParam<const char*> {};

TEST_P(BothEstimators, AgreeWithinTheirErrors) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "minutes with sanitizers, for numbers that the release build checks";
#endif
  const Checkpoint checkpoint = Checkpoint::open(test::repo_path("models") / GetParam());
  const Tokenizer tokenizer = Tokenizer::for_model(checkpoint.path());
  const Corpus corpus = make_corpus(quarters_of_tales(), "quarters", tokenizer, {.context = 256});
  const Trace trace = measure({.checkpoint = checkpoint, .corpus = corpus, .tokenizer = &tokenizer},
                              {.threads = 2,
                               .lane_tokens = 64 * 64,
                               .label_samples = 8,
                               .signals = {"sensitivity"},
                               .interventions = {"relative_noise"}},
                              {});
  const auto kappa = estimate_kappa(trace);
  ASSERT_EQ(kappa.size(), static_cast<std::size_t>(checkpoint.config().n_layers) + 1);
  double square = 0.0, early = 0.0, late = 0.0;
  const std::size_t half = kappa.size() / 2;
  for (std::size_t i = 0; i < kappa.size(); ++i) {
    const KappaEstimate& k = kappa[i];
    EXPECT_LT(k.standard_error, 0.03 * k.kappa) << i;
    EXPECT_LT(k.fisher_error, 0.03 * k.fisher) << i;
    EXPECT_LT(std::fabs(k.difference_z), 3.5) << i;
    square += k.difference_z * k.difference_z / static_cast<double>(kappa.size());
    (i < half ? early : late) += k.difference_z / static_cast<double>(i < half ? half : kappa.size() - half);
  }
  EXPECT_GT(square, 0.4);
  EXPECT_LT(square, 2.0);
  EXPECT_LT(std::fabs(early - late), 2.0);  // no drift with depth: about 3.5 standard errors
}

INSTANTIATE_TEST_SUITE_P(Nano, BothEstimators, testing::Values("llama-nano", "qwen2-nano", "qwen3-nano"),
                         [](const auto& model) { return std::string(model.param).substr(0, 5); });

}  // namespace
}  // namespace strata
