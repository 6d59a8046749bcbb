// The lane engine: every intervention against a network written a second time in float64, against a second
// model with the edit in its weights, and alone against in company.
#include "strata/sweep/lanes.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "strata/sweep/measure.h"
#include "strata/sweep/selection.h"
#include "strata/sweep/substitution.h"
#include "strata/theory/kappa.h"
#include "tests/support/paths.h"
#include "tests/support/plain_network.h"
#include "tests/support/tiny_checkpoint.h"
#include "tests/sweep/random_corpus.h"

namespace strata {
namespace {

constexpr int kLaneLayers = 3;
constexpr std::int64_t kLaneTokens = 64;

MeasureOptions lane_options() {
  MeasureOptions options{.threads = 2, .lane_tokens = kLaneTokens * 4};
  options.signals = {"residual_rms"};
  options.interventions = {std::string(kAllInterventions)};
  return options;
}

// What the reference does differently; nothing by default.
struct Change {
  std::vector<int> order = {0, 1, 2};
  int state = -1;
  std::function<void(Matrix&)> edit_state{};
  int block = -1;
  test::SeeAttention edit_attention{};
  double skip = 0.0;  // share of block `block` left out
  bool without_mixer = false, without_feed_forward = false;
};

class LaneEngine : public testing::Test {
 protected:
  LaneEngine() {
    test::write_checkpoint(directory_.path(), {.layers = kLaneLayers});
    checkpoint_.emplace(Checkpoint::open(directory_.path()));
    for (int block = 0; block < kLaneLayers; ++block)
      blocks_.push_back(test::plain_block(*checkpoint_, block));
    head_ = test::plain_head(*checkpoint_);
  }
  [[nodiscard]] MeasureInput input() const { return {.checkpoint = *checkpoint_, .corpus = corpus_}; }

  // Log probabilities (tokens, vocab) in float64.
  [[nodiscard]] Matrix reference(const Window& window, const Change& change) const {
    const ModelConfig& config = checkpoint_->config();
    Matrix h = test::plain_embedding(*checkpoint_, std::span(window.ids).first(kLaneTokens));
    for (std::size_t i = 0; i <= change.order.size(); ++i) {
      if (static_cast<int>(i) == change.state) change.edit_state(h);
      if (i == change.order.size()) break;
      const int block = change.order[i];
      const bool here = block == change.block;
      test::PlainBlock plain = blocks_[static_cast<std::size_t>(block)];
      plain.skip_mixer = here && change.without_mixer;
      plain.skip_feed_forward = here && change.without_feed_forward;
      const Matrix out = test::forward(plain, config, h, here ? change.edit_attention : nullptr);
      const double kept = here ? change.skip : 0.0;
      for (std::size_t k = 0; k < h.data.size(); ++k)
        h.data[k] = (1.0 - kept) * out.data[k] + kept * h.data[k];
    }
    Matrix log_p = test::logits(head_, config, h);
    test::log_softmax_rows(log_p);
    return log_p;
  }

  // The curve's values for every document of the lanes, against the reference with this change.
  void expect_damage(const Trace& trace, const DoseCurve& curve, std::size_t s, const Change& change) const {
    SweepContext context = make_context(checkpoint_->config(), corpus_);
    for (const LaneWindow& lane : lane_sample(context, kLaneTokens * 4)) {
      ASSERT_EQ(lane.tokens, kLaneTokens);
      const Window& window = corpus_.windows[lane.window];
      const Matrix p = reference(window, {}), q = reference(window, change);
      double kl = 0.0, nll = 0.0, same = 0.0;
      for (std::size_t t = 0; t + 1 < p.rows; ++t) {
        for (std::size_t y = 0; y < p.cols; ++y) kl += std::exp(p(t, y)) * (p(t, y) - q(t, y));
        const auto next = static_cast<std::size_t>(window.ids[t + 1]);
        nll += p(t, next) - q(t, next);
        const auto top = [t](const Matrix& m) {
          return std::ranges::max_element(m.row(t)) - m.row(t).begin();
        };
        same += top(p) == top(q) ? 1.0 : 0.0;
      }
      constexpr double kScored = kLaneTokens - 1;
      kl /= kScored;
      const auto d = static_cast<std::size_t>(window.document);
      SCOPED_TRACE(fmt::format("{} at {}, head {}, strength {}", curve.intervention, curve.place, curve.head,
                               curve.strength[s]));
      EXPECT_NEAR(curve.kl_nats(d, s), kl, 1e-6 + 1e-4 * kl);
      EXPECT_NEAR(curve.delta_nll_nats(d, s), nll / kScored, 1e-5 + 1e-4 * kl);
      EXPECT_NEAR(curve.top1_agreement(d, s), same / kScored, 1e-9);
    }
    ASSERT_EQ(trace.n_massive, 0);  // so that position 0 is the only sink
  }

  test::TemporaryDirectory directory_;
  std::optional<Checkpoint> checkpoint_;
  std::vector<test::PlainBlock> blocks_;
  test::PlainHead head_;
  Corpus corpus_ = test::random_corpus({});
};

// Every state h but the first token's becomes keep * h + mean * (the mean of those states).
void blend(Matrix& h, double keep, double mean) {
  std::vector<double> average(h.cols, 0.0);
  for (std::size_t t = 1; t < h.rows; ++t) {
    for (std::size_t i = 0; i < h.cols; ++i) average[i] += h(t, i) / static_cast<double>(h.rows - 1);
  }
  for (std::size_t t = 1; t < h.rows; ++t) {
    for (std::size_t i = 0; i < h.cols; ++i) h(t, i) = keep * h(t, i) + mean * average[i];
  }
}

// (1 - s) p + s w / sum w over the keys, w = weight(query, key, p) of the keys up to the query.
void mix(Matrix& p, double s, const std::function<double(std::size_t, std::size_t, double)>& weight) {
  for (std::size_t query = 0; query < p.rows; ++query) {
    std::vector<double> w(query + 1);
    double sum = 0.0;
    for (std::size_t key = 0; key <= query; ++key) sum += w[key] = weight(query, key, p(query, key));
    for (std::size_t key = 0; key <= query; ++key)
      p(query, key) = (1.0 - s) * p(query, key) + s * w[key] / sum;
  }
}

// What the intervention means, by plain loops; nothing for noise and weights.
std::optional<Change> meaning(const DoseCurve& curve, double s) {
  const std::string& id = curve.intervention;
  const int place = curve.place, head = curve.head;
  const auto state = [&](double keep, double mean) {
    return Change{.state = place, .edit_state = [keep, mean](Matrix& h) { blend(h, keep, mean); }};
  };
  const auto attention = [&](std::function<double(std::size_t, std::size_t, double)> weight) {
    return Change{.block = place, .edit_attention = [s, weight](int, Matrix& p) { mix(p, s, weight); }};
  };
  if (id == "scaling") return state(1.0 + s, 0.0);
  if (id == "translation") return state(1.0, s);
  if (id == "zero_ablation") return state(1.0 - s, 0.0);
  if (id == "mean_ablation") return state(1.0 - s, s);
  if (id == "block_skip") return Change{.block = place, .skip = s};
  if (id == "mixer_skip") return Change{.block = place, .without_mixer = true};
  if (id == "feed_forward_skip") return Change{.block = place, .without_feed_forward = true};
  if (id == "adjacent_swap") {
    Change change;
    std::swap(change.order[static_cast<std::size_t>(place)],
              change.order[static_cast<std::size_t>(place) + 1]);
    return change;
  }
  if (id == "block_repeat") {
    Change change;
    change.order.insert(change.order.begin() + place, static_cast<std::size_t>(s), place);
    return change;
  }
  if (id == "attention_uniform") return attention([](std::size_t, std::size_t, double) { return 1.0; });
  if (id == "attention_sink_only")
    return attention([](std::size_t, std::size_t key, double p) { return key == 0 ? p : 0.0; });
  if (id == "attention_local") {
    return attention(
        [](std::size_t query, std::size_t key, double p) { return key == 0 || query - key < 16 ? p : 0.0; });
  }
  if (id == "head_ablation") {
    return Change{.block = place, .edit_attention = [s, head](int h, Matrix& p) {
                    for (double& value : p.data) value *= h == head ? 1.0 - s : 1.0;
                  }};
  }
  return std::nullopt;
}

TEST_F(LaneEngine, EveryInterventionDoesWhatItsNameSays) {
  const Trace trace = measure(input(), lane_options(), {});
  std::map<std::string, int> checked, curves;
  for (const DoseCurve& curve : trace.curves) {
    ++curves[curve.intervention];
    for (std::size_t s = 0; s < curve.strength.size(); ++s) {
      const auto change = meaning(curve, curve.strength[s]);
      if (!change) continue;
      expect_damage(trace, curve, s, *change);
      ++checked[curve.intervention];
    }
  }
  // Checked elsewhere: noise by its distribution and against the backward sweep, rounding below; what is
  // about mixtures in mixture_lanes_test.cpp: it does nothing here.
  const std::set<std::string> elsewhere{"relative_noise", "absolute_noise",  "pooled_noise", "sink_noise",
                                        "joint_noise",    "weight_rounding", "expert_drop",  "routed_noise"};
  for (const Intervention& what : interventions()) {
    const std::string id(what.id);
    EXPECT_EQ(checked[id] > 0, !elsewhere.contains(id)) << id;
    const int places = kLaneLayers + (what.site == Site::state ? 1 : 1 - what.span);
    EXPECT_EQ(curves[id],
              what.span == kSegmentSpan || what.is_of != nullptr ? 0 : places * (what.per_head ? 4 : 1))
        << id;
  }
}

// A lane with rounded weights is the lane of a second model that was rounded before it was written.
TEST_F(LaneEngine, RoundedWeightsAreThoseOfARoundedModel) {
  MeasureOptions options = lane_options();
  options.interventions = {"weight_rounding"};
  const Trace trace = measure(input(), options, {});
  ASSERT_EQ(trace.curves.size(), static_cast<std::size_t>(kLaneLayers));
  const double s = trace.curves[0].strength[2];
  EXPECT_NEAR(s, 1.0 / 7.0, 1e-15);  // 4 bits
  test::TinyCheckpoint rounded{.layers = kLaneLayers};
  rounded.edit_tensors = [&](std::vector<test::StoredTensor>& tensors) {
    for (test::StoredTensor& t : tensors) {
      if (!t.name.ends_with("_proj.weight")) continue;
      std::vector<float> values(t.bytes.size() / sizeof(float));
      std::memcpy(values.data(), t.bytes.data(), t.bytes.size());
      const auto columns = static_cast<std::size_t>(t.shape[1]);
      for (std::size_t begin = 0; begin < values.size(); begin += columns) {
        float largest = 0.0f;  // at most 24 columns: one group
        for (std::size_t i = begin; i < begin + columns; ++i)
          largest = std::fmax(largest, std::fabs(values[i]));
        const float step = static_cast<float>(s * static_cast<double>(largest));
        for (std::size_t i = begin; i < begin + columns; ++i)
          values[i] = std::nearbyint(values[i] / step) * step;
      }
      t.bytes = test::encode(DType::f32, values);
    }
  };
  test::TemporaryDirectory directory;
  test::write_checkpoint(directory.path(), rounded);
  const Checkpoint other = Checkpoint::open(directory.path());
  SweepContext context = make_context(checkpoint_->config(), corpus_);
  const auto sample = lane_sample(context, kLaneTokens * 4);
  const Embedding embedding = load_embedding(*checkpoint_);
  const HeadWeights head = load_head(*checkpoint_, embedding);
  const LaneModel model{*checkpoint_, embedding, head}, twin{other, embedding, head};
  const auto substituted = run_substitutions(
      {.model = model, .other = &twin, .context = context, .sample = sample, .options = options}, {});
  int compared = 0;
  for (const Substitution& what : substituted) {
    if (what.part != Part::block) continue;
    const DoseCurve& curve = trace.curves[static_cast<std::size_t>(what.block)];
    for (const LaneWindow& lane : sample) {
      const auto d = static_cast<std::size_t>(corpus_.windows[lane.window].document);
      EXPECT_EQ(curve.kl_nats(d, 2), what.kl_nats[d]) << what.block;
      EXPECT_EQ(curve.delta_nll_nats(d, 2), what.delta_nll_nats[d]);
      EXPECT_GT(what.kl_nats[d], 0.0);
      ++compared;
    }
  }
  EXPECT_EQ(compared, 4 * kLaneLayers);
}

std::string key_of(const DoseCurve& c) {
  return fmt::format("{} {} {} {}", c.intervention, c.place, c.span, c.head);
}

void expect_same(const Matrix& a, const Matrix& b, const std::string& what) {
  ASSERT_EQ(a.data.size(), b.data.size()) << what;
  for (std::size_t i = 0; i < a.data.size(); ++i)
    EXPECT_EQ(std::bit_cast<std::uint64_t>(a.data[i]), std::bit_cast<std::uint64_t>(b.data[i])) << what;
}

// Alone, at one place, one lane at a time, on other threads: the same bits.
TEST_F(LaneEngine, EveryInterventionAloneGivesTheSameBits) {
  MeasureOptions options = lane_options();
  options.find_segments = [](const Trace&) { return std::vector<Segment>{{"a", 0, 1}, {"b", 1, 3}}; };
  std::map<std::string, DoseCurve> all;
  for (const DoseCurve& curve : measure(input(), options, {}).curves)
    EXPECT_TRUE(all.emplace(key_of(curve), curve).second) << key_of(curve);
  std::size_t seen = 0;
  for (const Intervention& what : interventions()) {
    options.interventions = {std::string(what.id)};
    for (int cut = 0; cut < 2; ++cut) {
      options.lane_bytes = cut == 0 ? 1 : 3 * 4096 * sizeof(float);
      options.threads = 1 + 2 * cut;
      options.batch = 1 + 6 * cut;
      const auto curves = measure(input(), options, {}).curves;
      ASSERT_EQ(curves.empty(), what.is_of != nullptr) << what.id;
      for (const DoseCurve& curve : curves) {
        ASSERT_TRUE(all.contains(key_of(curve))) << key_of(curve);
        const DoseCurve& same = all.at(key_of(curve));
        expect_same(curve.kl_nats, same.kl_nats, key_of(curve));
        expect_same(curve.delta_nll_nats, same.delta_nll_nats, key_of(curve));
        expect_same(curve.top1_agreement, same.top1_agreement, key_of(curve));
        ++seen;
      }
    }
  }
  EXPECT_EQ(seen, 2 * all.size());
}

// Independent noise at n states, each of power eps^2 / n: the joint curvature is the mean of the states'.
TEST(JointNoise, IsTheArithmeticMeanWhereNoiseIsSmall) {
  const auto path = test::repo_path("models/llama-nano");
  const Checkpoint checkpoint = Checkpoint::open(path);
  const Tokenizer tokenizer = Tokenizer::from_directory(path);
  const Corpus corpus = make_corpus(read_documents(test::repo_path("texts/tales"), ""), "tales", tokenizer,
                                    {.context = 64, .chunks = 8});
  MeasureOptions options{.threads = 2, .lane_tokens = 8 * 64, .label_samples = 1};
  options.signals = {"residual_rms"};
  options.interventions = {"relative_noise", "joint_noise"};
  options.layers = {4, 5, 6};
  options.find_segments = [](const Trace&) { return std::vector<Segment>{{"middle", 4, 7}}; };
  const Trace trace = measure({.checkpoint = checkpoint, .corpus = corpus}, options, {});
  ASSERT_EQ(trace.curves.size(), 4u);
  EXPECT_EQ(trace.curves[3].intervention, "joint_noise");
  EXPECT_EQ(trace.curves[3].span, 3);
  double mean = 0.0;
  for (std::size_t i = 0; i < 3; ++i) {
    const Curvature state = estimate_curvature(trace, trace.curves[i]);
    mean += state.kl.value / 3.0;
  }
  const Curvature joint = estimate_curvature(trace, trace.curves[3]);
  fmt::print("joint kappa {:.4g} +- {:.2g}, mean of the states' {:.4g}\n", joint.kl.value,
             joint.kl.standard_error, mean);
  // One antithetic draw of the noise: cross terms between states do not cancel, only vanish on average.
  EXPECT_NEAR(joint.kl.value, mean, 0.1 * mean);
}

}  // namespace
}  // namespace strata
