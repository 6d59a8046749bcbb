// The clean sweep against a plain loop over blocks, the sink mask of attention, the lane sample, and
// edits of strength 0.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "strata/base/parallel.h"
#include "strata/model/block.h"
#include "strata/record/run_directory.h"
#include "strata/sweep/clean_sweep.h"
#include "strata/sweep/lanes.h"
#include "strata/sweep/measure.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"
#include "tests/sweep/random_corpus.h"

namespace strata {
namespace {

bool same_bits(const float* a, const float* b, std::size_t count) {
  return std::memcmp(a, b, count * sizeof(float)) == 0;
}

// Keeps a copy of everything it is shown.
class Recorder final : public Accumulator {
 public:
  Recorder(const SweepContext& context, std::vector<std::vector<float>>& states)
      : context_(context), states_(states) {
    states_.assign(
        static_cast<std::size_t>(context.config.n_layers + 1),
        std::vector<float>(static_cast<std::size_t>(context.token_count() * context.config.hidden)));
  }
  void observe_state(const StateView& view) override {
    std::copy_n(view.h, view.tokens * context_.config.hidden,
                states_[static_cast<std::size_t>(view.state)].data() +
                    context_.first_token[view.window] * context_.config.hidden);
  }
  void finish(const FinishContext&) override {}
  void persist(Archive&) override {}

 private:
  const SweepContext& context_;
  std::vector<std::vector<float>>& states_;
};

// Every state of one window, by a plain loop.
std::vector<std::vector<float>> plain_states(const Checkpoint& checkpoint,
                                             const std::vector<std::int32_t>& ids,
                                             const std::vector<AttentionSums>& sums) {
  const ModelConfig& config = checkpoint.config();
  const auto n = static_cast<std::int64_t>(ids.size());
  const RopeTable rope = make_rope_table(config, static_cast<int>(n));
  std::vector<float> h(static_cast<std::size_t>(n * config.hidden));
  embed(load_embedding(checkpoint), ids, h.data());
  std::vector<std::vector<float>> states{h};
  for (int layer = 0; layer < config.n_layers; ++layer) {
    BlockScratch scratch;
    forward_block(load_block(checkpoint, layer), rope, states.back().data(), h.data(), n, scratch,
                  sums.empty() ? nullptr : &sums[static_cast<std::size_t>(layer)]);
    states.push_back(h);
  }
  return states;
}

// Mean NLL of a window from state L, all in double and straight from the definition.
double direct_nll(const HeadWeights& head, const ModelConfig& config, const std::vector<float>& h,
                  const std::vector<std::int32_t>& ids) {
  const auto d = static_cast<std::size_t>(config.hidden);
  const float* norm = head.final_norm.data();
  const std::vector<float> unembedding = head.unembedding.unpack();
  double sum = 0.0;
  for (std::size_t t = 0; t + 1 < ids.size(); ++t) {
    double square = 0.0;
    for (std::size_t i = 0; i < d; ++i) square += static_cast<double>(h[t * d + i]) * h[t * d + i];
    const double scale = 1.0 / std::sqrt(square / static_cast<double>(d) + config.norm_eps);
    double total = 0.0, chosen = 0.0;
    for (std::int32_t v = 0; v < config.vocab; ++v) {
      double logit = 0.0;
      for (std::size_t i = 0; i < d; ++i)
        logit += scale * h[t * d + i] * norm[i] * unembedding[static_cast<std::size_t>(v) * d + i];
      total += std::exp(logit);
      if (v == ids[t + 1]) chosen = logit;
    }
    sum += std::log(total) - chosen;
  }
  return sum / static_cast<double>(ids.size() - 1);
}

class CleanSweepOf : public testing::TestWithParam<const char*> {};

TEST_P(CleanSweepOf, EqualsAPlainLoopOverBlocks) {
  test::TemporaryDirectory directory;
  test::write_checkpoint(directory.path(), {.family = GetParam()});
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  const Corpus corpus = test::random_corpus({.documents = 9, .longest = 128});
  const SweepContext context = make_context(checkpoint.config(), corpus);
  const MeasureOptions options{.threads = 2, .batch = 4};
  std::vector<std::vector<float>> states;
  std::vector<std::unique_ptr<Accumulator>> accumulators;
  accumulators.push_back(std::make_unique<Recorder>(context, states));
  SinkTracker tracker(context);
  const Embedding embedding = load_embedding(checkpoint);
  const CleanSweep sweep = run_clean_sweep(checkpoint, context, embedding, accumulators, {.attention = true},
                                           tracker, options, {});
  const HeadWeights head = load_head(checkpoint, embedding);
  const auto losses = document_losses(head, context, sweep.states, options);
  ASSERT_EQ(losses.size(), corpus.documents.size());
  std::vector<float> buffer;
  for (std::size_t w = 0; w < corpus.windows.size(); ++w) {
    EXPECT_TRUE(same_bits(sweep.states.view(w, buffer),
                          states.back().data() + context.first_token[w] * checkpoint.config().hidden,
                          static_cast<std::size_t>(sweep.states.size(w))));
  }
  for (std::size_t w = 0; w < corpus.windows.size(); ++w) {
    const auto& ids = corpus.windows[w].ids;
    const auto plain = plain_states(checkpoint, ids, {});
    for (std::size_t s = 0; s < plain.size(); ++s) {
      EXPECT_TRUE(same_bits(states[s].data() + context.first_token[w] * checkpoint.config().hidden,
                            plain[s].data(), plain[s].size()))
          << "window " << w << " state " << s;
    }
    EXPECT_EQ(losses[w].scored, static_cast<std::int64_t>(ids.size()) - 1);
    EXPECT_NEAR(losses[w].nll_nats, direct_nll(head, checkpoint.config(), plain.back(), ids), 1e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(All, CleanSweepOf, testing::Values("llama", "qwen2", "qwen3"),
                         [](const auto& suite) { return std::string(suite.param); });

// ---- A token that becomes massive late ----

constexpr std::int32_t kLateToken = 39;
constexpr int kLateBlock = 2;  // of 4: massive from state 3 on

void edit(test::StoredTensor& tensor,
          const std::function<void(std::vector<float>&, std::size_t columns)>& change) {
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  change(values, static_cast<std::size_t>(tensor.shape.back()));
  tensor.bytes = test::encode(DType::f32, values);
}

// The last residual dimension is written by no block and is nonzero in the embedding of one token alone;
// in one late block a neuron reads it and writes a huge value.
test::TinyCheckpoint late_massive() {
  test::TinyCheckpoint tiny;
  tiny.layers = 4;
  tiny.edit_tensors = [tiny](std::vector<test::StoredTensor>& tensors) {
    const auto last = static_cast<std::size_t>(tiny.hidden - 1);
    const std::string late = fmt::format("model.layers.{}.", kLateBlock);
    for (test::StoredTensor& t : tensors) {
      if (t.name == "model.embed_tokens.weight") {
        edit(t, [&](std::vector<float>& v, std::size_t columns) {
          for (std::size_t row = 0; row < v.size() / columns; ++row)
            v[row * columns + last] = row == static_cast<std::size_t>(kLateToken) ? 4.0f : 0.0f;
        });
      }
      if (t.name.ends_with("o_proj.weight") || t.name.ends_with("down_proj.weight")) {
        edit(t, [&](std::vector<float>& v, std::size_t columns) {
          std::fill_n(v.begin() + static_cast<std::ptrdiff_t>(last * columns), columns, 0.0f);
          if (t.name == late + "mlp.down_proj.weight") {
            for (std::size_t row = 0; row < v.size() / columns; ++row)
              v[row * columns] = row == 3 ? 500.0f : 0.0f;
          }
        });
      }
      if (t.name == late + "mlp.gate_proj.weight" || t.name == late + "mlp.up_proj.weight") {
        edit(t, [&](std::vector<float>& v, std::size_t columns) {
          for (std::size_t c = 0; c < columns; ++c) v[c] = c == last ? 5.0f : 0.0f;
        });
      }
    }
  };
  return tiny;
}

Corpus late_corpus() {
  Corpus corpus =
      test::random_corpus({.documents = 18, .shortest = 100, .longest = 110, .vocab = kLateToken});
  for (std::size_t w = 0; w < corpus.windows.size(); w += 2) {
    corpus.windows[w].ids[5] = kLateToken;
    corpus.windows[w].ids[70] = kLateToken;
  }
  return corpus;
}

struct AttentionMeans {
  std::vector<double> distance, entropy;  // per block
};

// Means over ordinary queries at position 64 or later, with a mask that is known from the start.
AttentionMeans attention_with(const Checkpoint& checkpoint, const std::vector<std::int32_t>& ids,
                              const std::vector<float>& keep) {
  const auto blocks = static_cast<std::size_t>(checkpoint.config().n_layers);
  const std::size_t n = ids.size();
  std::vector<std::vector<double>> buffers(4 * blocks, std::vector<double>(n, 0.0));
  std::vector<AttentionSums> sums;
  for (std::size_t b = 0; b < blocks; ++b) {
    sums.push_back({.keep = keep,
                    .distance_all = buffers[4 * b],
                    .entropy_all = buffers[4 * b + 1],
                    .distance_reduced = buffers[4 * b + 2],
                    .entropy_reduced = buffers[4 * b + 3]});
  }
  (void)plain_states(checkpoint, ids, sums);
  AttentionMeans means;
  for (std::size_t b = 0; b < blocks; ++b) {
    double distance = 0.0, entropy = 0.0, count = 0.0;
    for (std::size_t t = 64; t < n; ++t) {
      if (ids[t] == kLateToken) continue;
      distance += buffers[4 * b + 2][t] / checkpoint.config().heads;
      entropy += buffers[4 * b + 3][t] / checkpoint.config().heads;
      ++count;
    }
    means.distance.push_back(distance / count);
    means.entropy.push_back(entropy / count);
  }
  return means;
}

TEST(SinkMask, IsTheSameAtEveryDepthHoweverLateATokenBecomesMassive) {
  test::TemporaryDirectory directory;
  test::write_checkpoint(directory.path(), late_massive());
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  const Corpus corpus = late_corpus();
  MeasureOptions options{.threads = 2, .batch = 4, .lane_tokens = 64, .replicates = 20};
  options.interventions = {"block_skip"};
  options.layers = {0};
  const Trace trace = measure({.checkpoint = checkpoint, .corpus = corpus}, options, {});
  ASSERT_EQ(trace.n_massive, 18);  // two in each second window
  for (const SinkToken& sink : trace.sinks) {
    ASSERT_EQ(sink.token_id, kLateToken);
    ASSERT_EQ(sink.onset_state, kLateBlock + 1);
  }
  const Series* distance = find_series(trace, "attention_distance", TokenSet::ordinary);
  const Series* entropy = find_series(trace, "attention_entropy", TokenSet::ordinary);
  ASSERT_NE(distance, nullptr);
  ASSERT_NE(entropy, nullptr);
  for (std::size_t w = 0; w < corpus.windows.size(); ++w) {
    const auto& ids = corpus.windows[w].ids;
    std::vector<float> keep(ids.size(), 1.0f), late_unknown;
    keep[0] = 0.0f;
    late_unknown = keep;
    for (std::size_t t = 0; t < ids.size(); ++t) keep[t] = ids[t] == kLateToken ? 0.0f : keep[t];
    const AttentionMeans right = attention_with(checkpoint, ids, keep);
    const AttentionMeans wrong = attention_with(checkpoint, ids, late_unknown);
    for (std::size_t b = 0; b < right.distance.size(); ++b) {
      EXPECT_NEAR(distance->by_doc(w, b), right.distance[b], 1e-6) << "window " << w << " block " << b;
      EXPECT_NEAR(entropy->by_doc(w, b), right.entropy[b], 1e-6) << "window " << w << " block " << b;
      // The mask matters here, or the comparison would show nothing.
      if (w % 2 == 0) {
        EXPECT_GT(std::fabs(right.distance[b] - wrong.distance[b]), 1e-4);
      }
    }
  }
  // Blocks that are swept twice leave every other signal as it was.
  options.signals = {"update_ratio", "angular_step", "block_influence", "residual_rms", "cka_shift"};
  const Trace unrepaired = measure({.checkpoint = checkpoint, .corpus = corpus}, options, {});
  for (const Series& series : unrepaired.series) {
    const Series* same = find_series(trace, series.id, series.tokens);
    ASSERT_NE(same, nullptr) << series.id;
    EXPECT_EQ(series.weight, same->weight) << series.id;
    EXPECT_EQ(series.joint, same->joint) << series.id;
    for (std::size_t d = 0; d < series.by_doc.rows; ++d) {
      for (std::size_t i = 0; i < series.by_doc.cols; ++i) {
        EXPECT_EQ(std::bit_cast<std::uint64_t>(series.by_doc(d, i)),
                  std::bit_cast<std::uint64_t>(same->by_doc(d, i)))
            << series.id;
      }
    }
  }
}

// ---- Edits ----

TEST(Interventions, StrengthZeroIsTheIdentityBitForBit) {
  constexpr std::int64_t kCleanTokens = 3, kWidth = 4;
  const std::vector<float> before = {-0.0f, 0.0f,   1.5f, -2.0f, 1e-42f, -1e-42f,
                                     3e38f, -3e38f, 7.0f, -0.0f, 0.1f,   1.0f};
  const std::vector<float> input(before.size(), -1.25f);
  const std::vector<TokenClass> classes(kCleanTokens, TokenClass::ordinary);
  for (const Intervention& what : interventions()) {
    for (const double sign : {1.0, -1.0}) {
      const EditContext context{.seed = 3,
                                .sign = sign,
                                .strength = 0.0,
                                .tokens = kCleanTokens,
                                .width = kWidth,
                                .classes = classes};
      std::vector<float> h = before;
      if (what.edit_state != nullptr) what.edit_state(context, h.data());
      if (what.edit_branch != nullptr) what.edit_branch(context, input.data(), h.data());
      EXPECT_TRUE(same_bits(h.data(), before.data(), h.size())) << what.id;
    }
  }
}

// ---- The lane sample ----

struct Sampled {
  ModelConfig config;
  Corpus corpus;
  std::vector<LaneWindow> operator()(std::int64_t lane_tokens, std::uint64_t seed) const {
    SweepContext context = make_context(config, corpus);
    context.seed = seed;
    return lane_sample(context, lane_tokens);
  }
  [[nodiscard]] int document(const LaneWindow& w) const { return corpus.windows[w.window].document; }
};

Sampled sampled(int documents, int windows, int shortest, int longest) {
  Sampled s;
  s.config.n_layers = 2;
  s.config.hidden = 8;
  s.corpus = test::random_corpus(
      {.documents = documents, .windows = windows, .shortest = shortest, .longest = longest});
  return s;
}

TEST(LaneSample, GivesEveryDocumentAnEqualShareOfOneWindow) {
  const Sampled s = sampled(8, 3, 120, 128);
  const auto sample = s(800, 1);
  ASSERT_EQ(sample.size(), 8u);
  for (std::size_t i = 0; i < sample.size(); ++i) {
    EXPECT_EQ(s.document(sample[i]), static_cast<int>(i));
    EXPECT_EQ(sample[i].tokens, 100);
  }
  const auto windows = [&](std::uint64_t seed) {
    std::vector<std::size_t> list;
    for (const LaneWindow& w : s(800, seed)) list.push_back(w.window);
    return list;
  };
  EXPECT_EQ(windows(1), windows(1));
  EXPECT_NE(windows(1), windows(2));
}

TEST(LaneSample, TakesASeededSubsetWhereThereAreMoreDocumentsThanRoom) {
  const Sampled s = sampled(40, 1, 64, 128);
  const auto documents = [&](std::uint64_t seed) {
    std::vector<int> list;
    std::int64_t tokens = 0;
    for (const LaneWindow& w : s(700, seed)) {
      list.push_back(s.document(w));
      tokens += w.tokens;
      EXPECT_GE(w.tokens, kMinWindowTokens);
    }
    EXPECT_LE(tokens, 700);
    return list;
  };
  const auto list = documents(1);
  EXPECT_EQ(list.size(), 10u);  // 700 / 64
  EXPECT_TRUE(std::is_sorted(list.begin(), list.end()));
  EXPECT_EQ(std::set<int>(list.begin(), list.end()).size(), 10u);
  EXPECT_EQ(list, documents(1));
  EXPECT_NE(list, documents(2));
  EXPECT_EQ(s(1, 1).size(), 1u);  // less than one window is still one window
}

TEST(LaneSample, PrefersWindowsAsLongAsTheShareAndElseTakesAShortOneWhole) {
  Sampled s = sampled(2, 3, 64, 64);
  s.corpus.windows[4].ids.assign(128, 1);  // document 1's second window
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const auto sample = s(200, seed);
    ASSERT_EQ(sample.size(), 2u);
    EXPECT_EQ(s.document(sample[0]), 0);
    EXPECT_EQ(sample[0].tokens, 64);
    EXPECT_EQ(sample[1].window, 4u);
    EXPECT_EQ(sample[1].tokens, 100);
  }
}

}  // namespace
}  // namespace strata
