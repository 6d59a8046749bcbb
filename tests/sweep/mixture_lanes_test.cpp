// Lanes that are about mixtures of experts, and halves of blocks of hybrids, against the network written a
// second time in float64.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <map>
#include <optional>

#include "strata/sweep/lanes.h"
#include "strata/sweep/measure.h"
#include "tests/support/paths.h"
#include "tests/support/plain_network.h"
#include "tests/support/tiny_checkpoint.h"
#include "tests/sweep/random_corpus.h"

namespace strata {
namespace {

constexpr int kDocuments = 3;
constexpr std::int64_t kTokens = 64;

class MixtureLanes : public testing::TestWithParam<const char*> {
 protected:
  MixtureLanes() {
    test::write_checkpoint(directory_.path(), {.family = GetParam()});
    checkpoint_.emplace(Checkpoint::open(directory_.path()));
    for (int block = 0; block < config().n_layers; ++block)
      blocks_.push_back(test::plain_block(*checkpoint_, block));
    options_.signals = {"residual_rms"};
    options_.seed = 11;
  }
  [[nodiscard]] const ModelConfig& config() const { return checkpoint_->config(); }
  [[nodiscard]] Trace run() const {
    return measure({.checkpoint = *checkpoint_, .corpus = corpus_}, options_, {});
  }
  // Log probabilities of the lane's window of a document. `edit` may change the state before a block, or
  // n_layers, and the block.
  template <class Edit>
  [[nodiscard]] Matrix log_p(const Window& window, const Edit& edit) const {
    Matrix h = test::plain_embedding(*checkpoint_, std::span(window.ids).first(kTokens));
    for (int place = 0; place < config().n_layers; ++place) {
      test::PlainBlock block = blocks_[static_cast<std::size_t>(place)];
      edit(place, h, &block);
      h = test::forward(block, config(), h);
    }
    edit(config().n_layers, h, nullptr);
    Matrix p = test::logits(test::plain_head(*checkpoint_), config(), h);
    test::log_softmax_rows(p);
    return p;
  }
  [[nodiscard]] Matrix clean(const Window& window) const {
    return log_p(window, [](int, Matrix&, test::PlainBlock*) {});
  }
  static double divergence(const Matrix& p, const Matrix& q) {
    double kl = 0.0;
    for (std::size_t t = 0; t + 1 < p.rows; ++t) {
      for (std::size_t y = 0; y < p.cols; ++y)
        kl += std::exp(p(t, y)) * (p(t, y) - q(t, y)) / static_cast<double>(p.rows - 1);
    }
    return kl;
  }
  // The lane windows: the whole first window of each document, here.
  [[nodiscard]] std::vector<Window> windows() const {
    std::vector<Window> all;
    for (const LaneWindow& lane : lane_sample(make_context(config(), corpus_), options_.lane_tokens)) {
      EXPECT_EQ(lane.tokens, kTokens);
      all.push_back(corpus_.windows[lane.window]);
    }
    return all;
  }
  void expect_near(const DoseCurve& curve, std::size_t s, const Window& window, double kl) const {
    SCOPED_TRACE(fmt::format("{} at {}, part {}, strength {}", curve.intervention, curve.place, curve.head,
                             curve.strength[s]));
    EXPECT_NEAR(curve.kl_nats(static_cast<std::size_t>(window.document), s), kl, 1e-6 + 1e-3 * kl);
  }

  test::TemporaryDirectory directory_;
  std::optional<Checkpoint> checkpoint_;
  std::vector<test::PlainBlock> blocks_;
  Corpus corpus_ = test::random_corpus({.documents = kDocuments, .shortest = 64, .longest = 64});
  MeasureOptions options_{.threads = 2, .lane_tokens = kTokens * kDocuments};
};

TEST_P(MixtureLanes, HalvesAndExpertsAreLeftOut) {
  options_.interventions = {"mixer_skip", "feed_forward_skip", "expert_drop"};
  const Trace trace = run();
  const auto lanes = windows();
  std::map<std::string, int> curves;
  int untouched = 0;
  for (const DoseCurve& curve : trace.curves) {
    ++curves[curve.intervention];
    EXPECT_EQ(curve.site, "parts");
    for (const Window& window : lanes) {
      const Matrix q = log_p(window, [&](int place, Matrix&, test::PlainBlock* block) {
        if (place != curve.place) return;
        block->skip_mixer = curve.intervention == "mixer_skip";
        block->skip_feed_forward = curve.intervention == "feed_forward_skip";
        if (curve.intervention == "expert_drop") block->dropped_expert = curve.head;
      });
      const double kl = divergence(clean(window), q);
      untouched += kl < 1e-6 ? 1 : 0;
      expect_near(curve, 0, window, kl);
    }
  }
  int mixtures = 0;
  for (const test::PlainBlock& block : blocks_) mixtures += block.block.feed_forward.experts > 0 ? 1 : 0;
  EXPECT_EQ(curves["mixer_skip"], config().n_layers);
  EXPECT_EQ(curves["feed_forward_skip"], config().n_layers);
  EXPECT_EQ(curves["expert_drop"], mixtures * test::kTinyExperts);
  EXPECT_EQ(untouched, 0);
}

// The noise is the intervention's own; that the routes are the clean ones is what is computed again.
TEST_P(MixtureLanes, RoutedNoiseKeepsTheRoutesOfTheCleanRun) {
  options_.interventions = {"routed_noise", "relative_noise"};
  const Trace trace = run();
  ASSERT_EQ(trace.n_massive, 0);
  std::map<int, const DoseCurve*> free, routed;
  for (const DoseCurve& curve : trace.curves)
    (curve.intervention == "routed_noise" ? routed : free)[curve.place] = &curve;
  const bool mixture = config().experts.has_value();
  ASSERT_EQ(routed.size(), mixture ? free.size() : 0u);
  if (!mixture) return;
  std::vector<TokenClass> classes(kTokens, TokenClass::ordinary);
  classes[0] = TokenClass::first;
  int changed = 0;
  for (const auto& [place, curve] : routed) {
    const std::size_t s = curve->strength.size() - 2;  // 0.3 of the RMS
    for (const Window& window : windows()) {
      std::vector<test::PlainLooks> looks(blocks_.size());
      const Matrix p = log_p(window, [&](int at, Matrix&, test::PlainBlock* block) {
        if (block != nullptr) block->looks = &looks[static_cast<std::size_t>(at)];
      });
      double kl = 0.0;
      for (const double sign : {1.0, -1.0}) {
        const Matrix q = log_p(window, [&](int at, Matrix& h, test::PlainBlock* block) {
          if (at == place) {
            std::vector<float> state(h.data.begin(), h.data.end());
            for (const Intervention& what : interventions()) {
              if (what.id != "relative_noise") continue;
              what.edit_state({.place = place,
                               .document = window.document,
                               .window = window.index,
                               .seed = options_.seed,
                               .sign = sign,
                               .strength = curve->strength[s],
                               .tokens = kTokens,
                               .width = config().hidden,
                               .classes = classes},
                              state.data());
            }
            h = test::to_matrix(state, h.cols);
          }
          if (at >= place && block != nullptr) block->routes = looks[static_cast<std::size_t>(at)].taken;
        });
        kl += divergence(p, q) / 2.0;
      }
      expect_near(*curve, s, window, kl);
      const auto d = static_cast<std::size_t>(window.document);
      const double other = free.at(place)->kl_nats(d, s);
      changed += std::fabs(other - kl) > 0.01 * kl ? 1 : 0;
      if (place == config().n_layers) {
        EXPECT_EQ(curve->kl_nats(d, s), other);
      }
    }
  }
  EXPECT_GT(changed, 0);  // or fixing the routes would show nothing
}

TEST_P(MixtureLanes, PassesThreadsAndResumingChangeNoBit) {
  options_.interventions = {"routed_noise", "expert_drop", "mixer_skip", "feed_forward_skip"};
  options_.layers = {0, 1, 2};
  const Trace whole = run();
  MeasureOptions cut = options_;
  cut.threads = 3;
  cut.lane_bytes = 5 * kDocuments * kTokens * 16 * sizeof(float);
  std::filesystem::create_directories(directory_.path() / "saved");
  cut.snapshot_directory = directory_.path() / "saved";
  cut.snapshot_key = "this run";
  cut.snapshot_share = 1.0;
  options_ = cut;
  int seen = 0;
  EXPECT_ANY_THROW((void)measure({.checkpoint = *checkpoint_, .corpus = corpus_}, cut,
                                 [&](const ProgressEvent& e) { return e.phase != "lanes" || ++seen < 9; }));
  const Trace parts = run();
  ASSERT_EQ(parts.curves.size(), whole.curves.size());
  ASSERT_FALSE(parts.curves.empty());
  for (std::size_t i = 0; i < parts.curves.size(); ++i) {
    const Matrix &a = parts.curves[i].kl_nats, &b = whole.curves[i].kl_nats;
    for (std::size_t k = 0; k < a.data.size(); ++k)
      EXPECT_EQ(std::bit_cast<std::uint64_t>(a.data[k]), std::bit_cast<std::uint64_t>(b.data[k]))
          << parts.curves[i].intervention << " " << parts.curves[i].place;
  }
}

// The backward sweep with the experts' weights held fixed is the curvature of routed_noise, as the one
// without is that of relative_noise while no token changes its experts.
TEST_P(MixtureLanes, TheFrozenBackwardSweepIsTheCurvatureOfRoutedNoise) {
  // Random states of the delta rule are so sensitive that noise of 0.01 is not small: kappa up to 2,000. Its
  // gradients with fixed weights are in tests/model/backward_test.cpp.
  if (family_of(config()).delta_rule) return;
  corpus_ = test::random_corpus({.documents = 24, .shortest = 64, .longest = 64});
  options_.lane_tokens = 24 * kTokens;
  options_.label_samples = 32;
  options_.signals = {"sensitivity"};
  options_.interventions = {"routed_noise"};
  options_.frozen_routing = true;
  const Trace trace = run();
  const Series* frozen = find_series(trace, "sensitivity_frozen", TokenSet::ordinary);
  ASSERT_EQ(frozen != nullptr, config().experts.has_value());
  if (frozen == nullptr) return;
  const auto kappa = mean_over_documents(*frozen), error = standard_error(*frozen);
  const auto free = mean_over_documents(*find_series(trace, "sensitivity", TokenSet::ordinary));
  double largest = 0.0;
  for (const DoseCurve& curve : trace.curves) {
    const auto place = static_cast<std::size_t>(curve.place);
    const double eps = curve.strength[1];  // 0.01
    const double lanes = 2.0 * weighted_mean(curve.kl_nats, lane_weights(trace))[1] / (eps * eps);
    EXPECT_NEAR(lanes, kappa[place], 4.0 * error[place] + 0.03 * kappa[place]) << place;
    largest = std::max(largest, std::fabs(free[place] - kappa[place]) / kappa[place]);
    fmt::print("{} state {}: lanes {:.4g}, frozen {:.4g} +- {:.2g}, free {:.4g}\n", GetParam(), place, lanes,
               kappa[place], error[place], free[place]);
  }
  EXPECT_GT(largest, 0.01);
  EXPECT_EQ(free.back(), kappa.back());  // no block follows
  ASSERT_NE(find_series(trace, "sensitivity_absolute_frozen", TokenSet::all), nullptr);
}

INSTANTIATE_TEST_SUITE_P(All, MixtureLanes,
                         testing::Values("qwen3_moe", "qwen2_moe", "mixtral", "qwen3_5", "qwen3_5_moe"),
                         [](const auto& suite) { return std::string(suite.param); });

}  // namespace
}  // namespace strata
