// The lane engine: every intervention against a network written a second time in float64, against a second
// model with the edit in its weights, and alone against in company.
#include "strata/sweep/lanes.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

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
#include "tests/support/autograd_block.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"
#include "tests/sweep/random_corpus.h"

namespace strata {
namespace {

constexpr int kLayers = 3;
constexpr std::int64_t kTokens = 64;

MeasureOptions lane_options() {
  MeasureOptions options{.threads = 2, .lane_tokens = kTokens * 4};
  options.signals = {"residual_rms"};
  options.interventions = {std::string(kAllInterventions)};
  return options;
}

// What the reference does differently; nothing by default.
struct Change {
  std::vector<int> order = {0, 1, 2};
  int state = -1;
  std::function<at::Tensor(const at::Tensor&)> edit_state{};
  int block = -1;
  std::function<at::Tensor(const at::Tensor&)> edit_attention{};
  double skip = 0.0;  // share of block `block` left out
};

class LaneEngine : public testing::Test {
 protected:
  LaneEngine() {
    test::write_checkpoint(directory_.path(), {.layers = kLayers});
    checkpoint_.emplace(Checkpoint::open(directory_.path()));
  }
  [[nodiscard]] MeasureInput input() const { return {.checkpoint = *checkpoint_, .corpus = corpus_}; }

  // Log probabilities (tokens, vocab) in float64.
  [[nodiscard]] at::Tensor reference(const Window& window, const Change& change) const {
    std::vector<std::int64_t> ids(window.ids.begin(), window.ids.begin() + kTokens);
    at::Tensor h = test::load_double(*checkpoint_, Role::embedding)
                       .index_select(0, at::tensor(at::ArrayRef<std::int64_t>(ids), at::kLong));
    for (std::size_t i = 0; i <= change.order.size(); ++i) {
      if (static_cast<int>(i) == change.state) h = change.edit_state(h);
      if (i == change.order.size()) break;
      const int block = change.order[i];
      const bool here = block == change.block;
      const at::Tensor out =
          test::autograd_block(*checkpoint_, block, h, here ? change.edit_attention : nullptr);
      h = here ? (1.0 - change.skip) * out + change.skip * h : out;
    }
    return at::log_softmax(test::autograd_logits(*checkpoint_, h), -1);
  }

  // The curve's values for every document of the lanes, against the reference with this change.
  void expect_damage(const Trace& trace, const DoseCurve& curve, std::size_t s, const Change& change) const {
    SweepContext context = make_context(checkpoint_->config(), corpus_);
    for (const LaneWindow& lane : lane_sample(context, kTokens * 4)) {
      ASSERT_EQ(lane.tokens, kTokens);
      const Window& window = corpus_.windows[lane.window];
      const at::Tensor p = reference(window, {}).narrow(0, 0, kTokens - 1);
      const at::Tensor q = reference(window, change).narrow(0, 0, kTokens - 1);
      std::vector<std::int64_t> next(window.ids.begin() + 1, window.ids.begin() + kTokens);
      const at::Tensor index = at::tensor(at::ArrayRef<std::int64_t>(next), at::kLong).unsqueeze(1);
      const double kl = (p.exp() * (p - q)).sum(-1).mean().item<double>();
      const double nll = (p - q).gather(1, index).mean().item<double>();
      const double same = p.argmax(-1).eq(q.argmax(-1)).to(at::kDouble).mean().item<double>();
      const auto d = static_cast<std::size_t>(window.document);
      SCOPED_TRACE(fmt::format("{} at {}, head {}, strength {}", curve.intervention, curve.place, curve.head,
                               curve.strength[s]));
      EXPECT_NEAR(curve.kl_nats(d, s), kl, 1e-6 + 1e-4 * kl);
      EXPECT_NEAR(curve.delta_nll_nats(d, s), nll, 1e-5 + 1e-4 * kl);
      EXPECT_NEAR(curve.top1_agreement(d, s), same, 1e-9);
    }
    ASSERT_EQ(trace.n_massive, 0);  // so that position 0 is the only sink
  }

  test::TemporaryDirectory directory_;
  std::optional<Checkpoint> checkpoint_;
  Corpus corpus_ = test::random_corpus({});
};

// (1 - s) p + s w / sum w over the keys.
at::Tensor mix(const at::Tensor& p, const at::Tensor& weight, double s) {
  return (1.0 - s) * p + s * weight / weight.sum(-1, true);
}

at::Tensor ordinary_mean(const at::Tensor& h) {
  return h.narrow(0, 1, h.size(0) - 1).mean(0, true);
}

// Row 0 as it was, the others changed.
at::Tensor but_first(const at::Tensor& h, const at::Tensor& changed) {
  return at::cat({h.narrow(0, 0, 1), changed.narrow(0, 1, h.size(0) - 1)}, 0);
}

// What the intervention means, in LibTorch's own operators; nothing for noise and weights.
std::optional<Change> meaning(const DoseCurve& curve, double s) {
  const int place = curve.place;
  const auto state = [&](auto edit) {
    return Change{.state = place,
                  .edit_state = [edit](const at::Tensor& h) { return but_first(h, edit(h)); }};
  };
  const auto attention = [&](auto edit) { return Change{.block = place, .edit_attention = edit}; };
  const at::Tensor causal = at::ones({kTokens, kTokens}, at::kDouble).tril();
  if (curve.intervention == "scaling") return state([s](const at::Tensor& h) { return (1 + s) * h; });
  if (curve.intervention == "translation")
    return state([s](const at::Tensor& h) { return h + s * ordinary_mean(h); });
  if (curve.intervention == "zero_ablation") return state([s](const at::Tensor& h) { return (1 - s) * h; });
  if (curve.intervention == "mean_ablation")
    return state([s](const at::Tensor& h) { return (1 - s) * h + s * ordinary_mean(h); });
  if (curve.intervention == "block_skip") return Change{.block = place, .skip = s};
  if (curve.intervention == "adjacent_swap") {
    Change change;
    std::swap(change.order[static_cast<std::size_t>(place)],
              change.order[static_cast<std::size_t>(place) + 1]);
    return change;
  }
  if (curve.intervention == "block_repeat") {
    Change change;
    change.order.insert(change.order.begin() + place, static_cast<std::size_t>(s), place);
    return change;
  }
  if (curve.intervention == "attention_uniform")
    return attention([s, causal](const at::Tensor& p) { return mix(p, causal.expand_as(p), s); });
  if (curve.intervention == "attention_sink_only") {
    const at::Tensor first = at::arange(kTokens).eq(0).to(at::kDouble);
    return attention([s, first](const at::Tensor& p) { return mix(p, p * first, s); });
  }
  if (curve.intervention == "attention_local") {
    const at::Tensor near = causal - causal.tril(-16);
    const at::Tensor kept = at::maximum(near, at::arange(kTokens).eq(0).to(at::kDouble).expand_as(near));
    return attention([s, kept](const at::Tensor& p) { return mix(p, p * kept, s); });
  }
  if (curve.intervention == "head_ablation") {
    const int head = curve.head;
    return attention([s, head](const at::Tensor& p) {
      at::Tensor q = p.clone();
      q[head] *= 1.0 - s;
      return q;
    });
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
  // Checked elsewhere: noise by its distribution and against the backward sweep, rounding below.
  const std::set<std::string> elsewhere{"relative_noise", "absolute_noise", "pooled_noise",
                                        "sink_noise",     "joint_noise",    "weight_rounding"};
  for (const Intervention& what : interventions()) {
    const std::string id(what.id);
    EXPECT_EQ(checked[id] > 0, !elsewhere.contains(id)) << id;
    const int places = kLayers + (what.site == Site::state ? 1 : 1 - what.span);
    EXPECT_EQ(curves[id], what.span == kSegmentSpan ? 0 : places * (what.per_head ? 4 : 1)) << id;
  }
}

// A lane with rounded weights is the lane of a second model that was rounded before it was written.
TEST_F(LaneEngine, RoundedWeightsAreThoseOfARoundedModel) {
  MeasureOptions options = lane_options();
  options.interventions = {"weight_rounding"};
  const Trace trace = measure(input(), options, {});
  ASSERT_EQ(trace.curves.size(), static_cast<std::size_t>(kLayers));
  const double s = trace.curves[0].strength[2];
  EXPECT_NEAR(s, 1.0 / 7.0, 1e-15);  // 4 bits
  test::TinyCheckpoint rounded{.layers = kLayers};
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
  const auto sample = lane_sample(context, kTokens * 4);
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
  EXPECT_EQ(compared, 4 * kLayers);
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
      ASSERT_FALSE(curves.empty()) << what.id;
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
