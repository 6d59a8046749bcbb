// The backward sweep against the exact trace of the Fisher information, by brute force, and its independence
// of threads, memory and neighbours.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "strata/base/error.h"
#include "strata/sweep/backward_sweep.h"
#include "strata/sweep/clean_sweep.h"
#include "strata/sweep/measure.h"
#include "strata/theory/kappa.h"
#include "tests/support/paths.h"
#include "tests/support/plain_network.h"
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
// p_t(y) |d/dh ln p_t(y)|^2, by central differences in float64 along every element of the state.
TEST_F(BackwardSweep, MatchesTheExactFisherTrace) {
  constexpr std::size_t kBackTokens = 24;
  constexpr double kStep = 1e-5;
  const auto series = run({.tokens = kBackTokens, .label_samples = 4000});
  const ModelConfig& c = checkpoint_->config();
  const test::PlainHead head = test::plain_head(*checkpoint_);
  const std::vector<test::PlainBlock> blocks{test::plain_block(*checkpoint_, 0),
                                             test::plain_block(*checkpoint_, 1)};
  Matrix h = test::plain_embedding(*checkpoint_, std::span(corpus_.windows[0].ids).first(kBackTokens));
  for (std::size_t state = 0; state <= blocks.size(); ++state) {
    const auto log_p = [&](Matrix x) {
      for (std::size_t block = state; block < blocks.size(); ++block) x = test::forward(blocks[block], c, x);
      x = test::logits(head, c, x);
      test::log_softmax_rows(x);
      return x;
    };
    const Matrix clean = log_p(h);
    std::vector<double> squares(kBackTokens, 0.0), mean_square(kBackTokens, 0.0);
    for (std::size_t i = 0; i < h.data.size(); ++i) {
      Matrix moved = h;
      moved.data[i] = h.data[i] + kStep;
      const Matrix above = log_p(moved);
      moved.data[i] = h.data[i] - kStep;
      const Matrix below = log_p(moved);
      for (std::size_t k = 0; k < (kBackTokens - 1) * clean.cols; ++k) {
        const double slope = (above.data[k] - below.data[k]) / (2.0 * kStep);
        squares[i / h.cols] += std::exp(clean.data[k]) * slope * slope / static_cast<double>(kBackTokens - 1);
      }
      mean_square[i / h.cols] += h.data[i] * h.data[i] / static_cast<double>(h.cols);
    }
    const auto total = [&](bool relative, bool all) {
      double sum = 0.0;
      for (std::size_t t = 0; t < kBackTokens; ++t) {
        if (all || classes_[t] == TokenClass::ordinary) sum += squares[t] * (relative ? mean_square[t] : 1.0);
      }
      return sum;
    };
    EXPECT_NEAR(series[0].by_doc(0, state) / total(true, false), 1.0, 0.01) << state;
    EXPECT_NEAR(series[1].by_doc(0, state) / total(true, true), 1.0, 0.01) << state;
    EXPECT_NEAR(series[2].by_doc(0, state) / total(false, false), 1.0, 0.01) << state;
    EXPECT_NEAR(series[3].by_doc(0, state) / total(false, true), 1.0, 0.01) << state;
    if (state < blocks.size()) h = test::forward(blocks[state], c, h);
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
// but the text. One model at every state, the others at four of thirteen.
class BothEstimators : public testing::TestWithParam<const char*> {};

TEST_P(BothEstimators, AgreeWithinTheirErrors) {
#if defined(STRATA_SANITIZE)
  GTEST_SKIP() << "minutes with sanitizers, for numbers that the release build checks";
#endif
  const Checkpoint checkpoint = Checkpoint::open(test::repo_path("models") / GetParam());
  const Tokenizer tokenizer = Tokenizer::for_model(checkpoint.path());
  const Corpus corpus = make_corpus(quarters_of_tales(), "quarters", tokenizer, {.context = 256});
  const bool every_state = GetParam() == std::string("llama-nano");
  MeasureOptions options{.threads = 2,
                         .lane_tokens = 64 * 64,
                         .label_samples = 8,
                         .signals = {"sensitivity"},
                         .interventions = {"relative_noise"}};
  if (!every_state) options.layers = {0, 4, 8, 11};
  const Trace trace =
      measure({.checkpoint = checkpoint, .corpus = corpus, .tokenizer = &tokenizer}, options, {});
  std::vector<KappaEstimate> kappa = estimate_kappa(trace);
  std::erase_if(kappa, [](const KappaEstimate& k) { return std::isnan(k.difference_z); });  // not perturbed
  ASSERT_EQ(kappa.size(), every_state ? static_cast<std::size_t>(checkpoint.config().n_layers) + 1 : 4);
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
  if (every_state) {
    EXPECT_GT(square, 0.4);
  }
  EXPECT_LT(square, every_state ? 2.0 : 3.0);
  EXPECT_LT(std::fabs(early - late), 2.0);  // no drift with depth: about 3.5 standard errors
}

INSTANTIATE_TEST_SUITE_P(Nano, BothEstimators, testing::Values("llama-nano", "qwen2-nano", "qwen3-nano"),
                         [](const auto& model) { return std::string(model.param).substr(0, 5); });

}  // namespace
}  // namespace strata
