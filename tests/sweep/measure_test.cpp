// measure() as a whole: the same bits whatever the threads, batch and memory; lanes that do not see
// each other; the plan; interruption.
#include "strata/sweep/measure.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <set>

#include "strata/base/error.h"
#include "strata/record/run_directory.h"
#include "strata/sweep/plan.h"
#include "strata/sweep/selection.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"
#include "tests/sweep/random_corpus.h"

namespace strata {
namespace {

constexpr std::uint64_t kPlenty = 1ull << 32;

MeasureOptions small_options() {
  return {.positions = 512, .lens_positions = 8, .lane_tokens = 64 * 4, .replicates = 20};
}

bool same_bits(const Matrix& a, const Matrix& b) {
  if (a.rows != b.rows || a.cols != b.cols) return false;
  for (std::size_t r = 0; r < a.rows; ++r) {
    for (std::size_t c = 0; c < a.cols; ++c) {
      if (std::bit_cast<std::uint64_t>(a(r, c)) != std::bit_cast<std::uint64_t>(b(r, c))) return false;
    }
  }
  return true;
}

// results.json writes every number so that it reads back as the same double; CKA's replicates are not
// in it.
void expect_same_bits(const Trace& a, const Trace& b) {
  EXPECT_EQ(results_json({.trace = a, .findings = {}}), results_json({.trace = b, .findings = {}}));
  ASSERT_EQ(a.cka.size(), b.cka.size());
  for (std::size_t i = 0; i < a.cka.size(); ++i) {
    ASSERT_EQ(a.cka[i].replicates.size(), b.cka[i].replicates.size());
    for (std::size_t r = 0; r < a.cka[i].replicates.size(); ++r)
      EXPECT_TRUE(same_bits(a.cka[i].replicates[r], b.cka[i].replicates[r])) << i << " " << r;
  }
}

void expect_invariant(const MeasureInput& input, MeasureOptions options) {
  const Trace base = measure(input, options, {});
  ASSERT_FALSE(base.cka.empty());
  ASSERT_FALSE(base.curves.empty());
  struct Variant {
    int threads, batch;
    std::uint64_t lane_bytes;
  };
  const std::uint64_t one_lane = 1;
  for (const Variant& v : {Variant{1, 16, kPlenty}, Variant{2, 1, kPlenty}, Variant{3, 64, one_lane},
                           Variant{1, 5, one_lane}, Variant{3, 5, kPlenty}}) {
    SCOPED_TRACE(fmt::format("threads {}, batch {}, lane bytes {}", v.threads, v.batch, v.lane_bytes));
    options.threads = v.threads;
    options.batch = v.batch;
    options.lane_bytes = v.lane_bytes;
    expect_same_bits(base, measure(input, options, {}));
  }
}

class Families : public testing::TestWithParam<const char*> {};

TEST_P(Families, SameBitsWhateverThreadsBatchAndMemory) {
  test::TemporaryDirectory directory;
  test::write_checkpoint(directory.path(),
                         {.family = GetParam(), .tied = GetParam() == std::string("qwen2")});
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  const Corpus corpus = test::random_corpus({.documents = 18, .windows = 2});
  expect_invariant({.checkpoint = checkpoint, .corpus = corpus}, small_options());
}

INSTANTIATE_TEST_SUITE_P(All, Families, testing::Values("llama", "qwen2", "qwen3"),
                         [](const auto& suite) { return std::string(suite.param); });

struct Nano {
  Checkpoint checkpoint = Checkpoint::open(test::repo_path("models/llama-nano"));
  Tokenizer tokenizer = Tokenizer::from_directory(test::repo_path("models/llama-nano"));
  Corpus corpus;
  explicit Nano(const CorpusOptions& options)
      : corpus(make_corpus(read_documents(test::repo_path("texts/tales"), ""), "tales", tokenizer, options)) {
  }
  [[nodiscard]] MeasureInput input() const {
    return {.checkpoint = checkpoint, .corpus = corpus, .tokenizer = &tokenizer};
  }
};

TEST(Measure, SameBitsOnATrainedModel) {
  const Nano nano({.context = 96, .chunks = 18});
  MeasureOptions options = small_options();
  options.layers = {0, 7};
  expect_invariant(nano.input(), options);
}

const DoseCurve* find_curve(const Trace& trace, const DoseCurve& like) {
  for (const DoseCurve& curve : trace.curves) {
    if (curve.intervention == like.intervention && curve.place == like.place) return &curve;
  }
  return nullptr;
}

TEST(Selection, CkaMatrixIsMeasuredWithCkaShift) {
  ModelConfig dense{.n_layers = 2, .heads = 2, .kv_heads = 2, .head_dim = 4};
  const auto by_matrix = selected_signals({.signals = {"cka_matrix"}}, dense);
  ASSERT_EQ(by_matrix.size(), 1u);
  EXPECT_EQ(by_matrix, selected_signals({.signals = {"cka_shift"}}, dense));
  EXPECT_EQ(by_matrix[0]->series[0].id, "cka_shift");
  EXPECT_TRUE(selected_signals({.signals = {"cka"}}, dense).empty());
  const auto everywhere = [](const Signal& signal) { return signal.is_of == nullptr; };
  EXPECT_EQ(std::ssize(selected_signals({}, dense)), std::ranges::count_if(signals(), everywhere));
}

// What a model has no block of is left out of a run of all signals, and of a run that asks for it with a
// word.
TEST(Selection, SignalsOfPartsThatTheModelLacksAreLeftOut) {
  ModelConfig config{.n_layers = 2, .heads = 2, .kv_heads = 2, .head_dim = 4};
  const auto ids = [&](const MeasureOptions& options) {
    std::vector<std::string_view> found;
    for (const Signal* signal : selected_signals(options, config)) found.push_back(signal->series[0].id);
    return found;
  };
  using Ids = std::vector<std::string_view>;
  EXPECT_EQ(ids({.signals = {"router_entropy", "delta_write", "angular_step"}}), Ids{"angular_step"});
  const auto line = [](const std::string& what) {
    return what + ": not measured, no block of the model has what it is of";
  };
  using Lines = std::vector<std::string>;
  EXPECT_EQ(missing_objects({.signals = {"router_entropy", "angular_step"}}, config),
            Lines{line("router_entropy")});
  EXPECT_EQ(
      missing_objects(
          {.frozen_routing = true, .interventions = {"expert_drop", "routed_noise", "block_skip"}}, config),
      (Lines{line("expert_drop"), line("routed_noise"), line("frozen routing")}));
  EXPECT_TRUE(missing_objects({}, config).empty());
  EXPECT_TRUE(missing_objects({.interventions = {"all"}}, config).empty());
  config.experts = ExpertConfig{.count = 4, .used = 2, .width = 8, .blocks = {0, 1}};
  EXPECT_TRUE(
      missing_objects({.frozen_routing = true, .interventions = {"expert_drop", "routed_noise"}}, config)
          .empty());
  EXPECT_EQ(ids({.signals = {"router_entropy", "delta_write"}}), Ids{"router_entropy"});
  config.delta_blocks = {1, 0};
  EXPECT_EQ(ids({.signals = {"router_entropy", "delta_write"}}), (Ids{"router_entropy", "delta_memory"}));
}

// At the last state the lens is the model: H(Y) less the model's own loss.
TEST(LensInformation, RisesToTheModelsOwn) {
  test::TemporaryDirectory directory;
  test::write_checkpoint(directory.path(), {});
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  const Corpus corpus = test::random_corpus({});
  MeasureOptions options = small_options();
  options.signals = {"lens_information"};
  options.interventions = {"none"};
  options.lens_positions = 1 << 20;
  const Trace trace = measure({.checkpoint = checkpoint, .corpus = corpus}, options, {});
  std::map<std::int32_t, double> seen;
  double total = 0.0, entropy = 0.0;
  for (const Window& window : corpus.windows) {
    for (std::size_t t = 1; t < window.ids.size(); ++t) {
      seen[window.ids[t]] += 1.0;
      total += 1.0;
    }
  }
  for (const auto& [id, count] : seen) entropy -= count / total * std::log(count / total);
  const Series* information = find_series(trace, "lens_information", TokenSet::all);
  ASSERT_NE(information, nullptr);
  for (std::size_t d = 0; d < trace.documents.size(); ++d) {
    EXPECT_EQ(information->weight[d], static_cast<double>(trace.documents[d].scored));
    EXPECT_NEAR(information->by_doc(d, information->by_doc.cols - 1), entropy - trace.documents[d].nll_nats,
                1e-5);
  }
}

TEST(Lanes, DoNotDependOnEachOther) {
  test::TemporaryDirectory directory;
  test::write_checkpoint(directory.path(), {});
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  const Corpus corpus = test::random_corpus({});
  const MeasureInput input{.checkpoint = checkpoint, .corpus = corpus};
  MeasureOptions options = small_options();
  options.signals = {"residual_rms"};
  const Trace full = measure(input, options, {});
  ASSERT_EQ(full.curves.size(), 4u + 3u);  // noise at states 0..3, skip at blocks 0..2
  const auto expect_part = [&](std::size_t curves) {
    const Trace part = measure(input, options, {});
    ASSERT_EQ(part.curves.size(), curves);
    for (const DoseCurve& curve : part.curves) {
      const DoseCurve* same = find_curve(full, curve);
      ASSERT_NE(same, nullptr);
      EXPECT_TRUE(same_bits(curve.kl_nats, same->kl_nats)) << curve.intervention << " " << curve.place;
      EXPECT_TRUE(same_bits(curve.delta_nll_nats, same->delta_nll_nats));
    }
  };
  options.interventions = {"block_skip"};
  expect_part(3);
  options.interventions = {"relative_noise"};
  options.layers = {2};
  expect_part(1);
  options.interventions = {};
  options.layers = {1, 3};  // 3 is a state and no block
  expect_part(3);
}

// A block whose two branches are zero is the identity, so skipping it changes nothing at all.
TEST(Lanes, SkippingAnIdentityBlockCostsExactlyNothing) {
  test::TinyCheckpoint tiny;
  tiny.edit_tensors = [](std::vector<test::StoredTensor>& tensors) {
    for (test::StoredTensor& t : tensors) {
      if (t.name == "model.layers.1.self_attn.o_proj.weight" ||
          t.name == "model.layers.1.mlp.down_proj.weight")
        t.bytes.assign(t.bytes.size(), '\0');
    }
  };
  test::TemporaryDirectory directory;
  test::write_checkpoint(directory.path(), tiny);
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  const Corpus corpus = test::random_corpus({});
  MeasureOptions options = small_options();
  options.signals = {"residual_rms"};
  options.interventions = {"block_skip"};
  const Trace trace = measure({.checkpoint = checkpoint, .corpus = corpus}, options, {});
  ASSERT_EQ(trace.curves.size(), 3u);
  int measured = 0;
  for (std::size_t d = 0; d < corpus.documents.size(); ++d) {
    if (std::isnan(trace.curves[1].kl_nats(d, 0))) continue;
    ++measured;
    EXPECT_EQ(trace.curves[1].kl_nats(d, 0), 0.0);
    EXPECT_EQ(trace.curves[1].delta_nll_nats(d, 0), 0.0);
    EXPECT_GT(trace.curves[0].kl_nats(d, 0), 1e-3);
    EXPECT_NE(trace.curves[0].delta_nll_nats(d, 0), 0.0);
  }
  EXPECT_EQ(measured, 4);
}

// theory.md section 5: KL = kappa eps^2 / 2 for small noise.
TEST(Lanes, NoiseIsQuadraticWhereItIsSmall) {
  const Nano nano({.context = 128, .chunks = 16});
  MeasureOptions options{.lane_tokens = 1024, .replicates = 20};
  options.signals = {"residual_rms"};
  options.interventions = {"relative_noise"};
  options.layers = {0, 6, 12};
  const Trace trace = measure(nano.input(), options, {});
  ASSERT_EQ(trace.curves.size(), 3u);
  for (const DoseCurve& curve : trace.curves) {
    const auto kl = weighted_mean(curve.kl_nats, lane_weights(trace));
    const auto kappa = [&](std::size_t s) { return 2.0 * kl[s] / (curve.strength[s] * curve.strength[s]); };
    fmt::print("state {:2}: 2 KL / eps^2 = {:.4g}, {:.4g}, {:.4g}, {:.4g} at eps = {}\n", curve.place,
               kappa(0), kappa(1), kappa(2), kappa(3),
               fmt::join(curve.strength.begin(), curve.strength.begin() + 4, ", "));
    ASSERT_EQ(curve.strength[0], 0.003);
    ASSERT_EQ(curve.strength[2], 0.03);
    EXPECT_GT(kappa(1), 0.0);
    EXPECT_NEAR(kappa(0) / kappa(1), 1.0, 0.05);
    EXPECT_NEAR(kappa(2) / kappa(1), 1.0, 0.05);
  }
}

class Planned : public testing::Test {
 protected:
  Planned() { test::write_checkpoint(directory_.path(), {}); }
  test::TemporaryDirectory directory_;
  Corpus corpus_ = test::random_corpus({});
};

TEST_F(Planned, ItemsSumToThePeak) {
  const Checkpoint checkpoint = Checkpoint::open(directory_.path());
  const MeasurePlan plan =
      plan_measure({.checkpoint = checkpoint, .corpus = corpus_}, small_options(), kPlenty);
  std::uint64_t sum = 0;
  for (const MemoryItem& item : plan.memory.peak().items) {
    EXPECT_FALSE(item.what.empty());
    EXPECT_GT(item.bytes, 0u) << item.what;
    sum += item.bytes;
  }
  EXPECT_EQ(sum, plan.peak_bytes);
  EXPECT_LE(plan.peak_bytes, kPlenty);
  EXPECT_EQ(plan.memory.phases.size(), 4u);
  for (const MemoryPhase& phase : plan.memory.phases) EXPECT_LE(phase.bytes(), sum) << phase.name;
  EXPECT_EQ(plan.lanes, 4 * 6 * 2 + 3);  // states x strengths x antithetic, and a skip for each block
  EXPECT_EQ(plan.lane_passes, 1);
  EXPECT_GT(plan.weight_bytes_read, checkpoint.weight_bytes());
  (void)measure({.checkpoint = checkpoint, .corpus = corpus_}, small_options(), {});
  EXPECT_EQ(plan.weight_bytes_read, checkpoint.bytes_read());
  EXPECT_GT(plan.flops, 0.0);
  EXPECT_GT(plan.flops_per_second, 0.0);
}

// Refused before anything is measured, not after.
TEST_F(Planned, BottlenecksAreInThePlan) {
  const Checkpoint checkpoint = Checkpoint::open(directory_.path());
  const MeasureInput input{.checkpoint = checkpoint, .corpus = corpus_};
  MeasureOptions options = small_options();
  const std::uint64_t without = plan_measure(input, options, kPlenty).weight_bytes_read;
  options.plan_bottlenecks = [](const Trace&) {
    return std::vector<BottleneckTask>{{.state = 1, .grid = {{0.02, 0.5}}}};
  };
  const MeasurePlan plan = plan_measure(input, options, kPlenty);
  EXPECT_EQ(plan.memory.phases.back().name, "bottleneck");
  EXPECT_GT(plan.weight_bytes_read, without);
  (void)measure(input, planned(options, plan), {});
  EXPECT_EQ(plan.weight_bytes_read, checkpoint.bytes_read());
  EXPECT_STRATA_ERROR(plan_measure(input, options, plan.memory.phases.back().bytes() - 1),
                      ErrorKind::out_of_memory, "no --bottleneck");
  const Corpus few = test::random_corpus({.documents = 3});
  EXPECT_STRATA_ERROR(plan_measure({.checkpoint = checkpoint, .corpus = few}, options, kPlenty),
                      ErrorKind::usage, "3 documents in the lanes; expected at least 4");
}

TEST_F(Planned, LessMemoryTakesMorePassesAndTheRunKeepsToThem) {
  const Checkpoint checkpoint = Checkpoint::open(directory_.path());
  const MeasureInput input{.checkpoint = checkpoint, .corpus = corpus_};
  MeasureOptions options = small_options();
  options.signals = {"residual_rms"};
  const MeasurePlan roomy = plan_measure(input, options, kPlenty);
  ASSERT_EQ(roomy.memory.peak().name, "lanes");
  const std::uint64_t limit = roomy.peak_bytes - roomy.memory.lane_bytes * 2 / 3;
  const MeasurePlan tight = plan_measure(input, options, limit);
  EXPECT_GT(tight.lane_passes, 1);
  EXPECT_LT(tight.lane_passes, tight.lanes);
  EXPECT_LE(tight.peak_bytes, limit);
  EXPECT_GT(tight.weight_bytes_read, roomy.weight_bytes_read);
  options = planned(options, tight);
  int passes = 0;
  const Trace trace = measure(input, options, [&](const ProgressEvent& event) {
    passes += event.phase == "lanes" && event.step == 0;
    return true;
  });
  EXPECT_EQ(passes, tight.lane_passes);
  options = planned(options, roomy);
  expect_same_bits(trace, measure(input, options, {}));
}

TEST_F(Planned, TooLittleMemoryIsRefusedWithWhatWouldFit) {
  const Checkpoint checkpoint = Checkpoint::open(directory_.path());
  const MeasureInput input{.checkpoint = checkpoint, .corpus = corpus_};
  const std::uint64_t least = [&] {
    std::uint64_t low = 1, high = kPlenty;  // the smallest limit that is accepted
    while (low < high) {
      const std::uint64_t middle = low + (high - low) / 2;
      try {
        (void)plan_measure(input, small_options(), middle);
        high = middle;
      } catch (const Error&) {
        low = middle + 1;
      }
    }
    return low;
  }();
  const MeasurePlan plan = plan_measure(input, small_options(), least);
  EXPECT_EQ(plan.peak_bytes, least);
  // Two blocks of this model are not what the peak is made of.
  EXPECT_TRUE(plan.memory.choice.spill_samples && plan.memory.choice.spill_states &&
              plan.memory.choice.gather);
  EXPECT_EQ(plan.memory.threads, 1);
  EXPECT_GT(plan.memory.spilled_bytes, 0u);
  const Trace roomy = measure(input, small_options(), {});
  expect_same_bits(roomy, measure(input, planned(small_options(), plan), {}));
  EXPECT_STRATA_ERROR(plan_measure(input, small_options(), 1 << 20), ErrorKind::out_of_memory, "mem_limit");
  EXPECT_STRATA_ERROR(plan_measure(input, small_options(), 1 << 20), ErrorKind::out_of_memory,
                      "the run needs");
  EXPECT_STRATA_ERROR(plan_measure(input, small_options(), 1 << 20), ErrorKind::out_of_memory, "--chunks");
}

// Weights that are finite and still overflow: an error that names the block, not numbers without meaning.
TEST(Measure, RefusesAStateThatIsNotFinite) {
  test::TinyCheckpoint tiny;
  tiny.edit_tensors = [](std::vector<test::StoredTensor>& tensors) {
    for (test::StoredTensor& t : tensors) {
      if (t.name != "model.layers.1.mlp.down_proj.weight") continue;
      t.bytes = test::encode(DType::f32, std::vector<float>(t.bytes.size() / sizeof(float), 3e38f));
    }
  };
  test::TemporaryDirectory directory;
  test::write_checkpoint(directory.path(), tiny);
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  const Corpus corpus = test::random_corpus({});
  MeasureOptions options = small_options();
  for (const int threads : {1, 3}) {
    options.threads = threads;
    EXPECT_STRATA_ERROR(measure({.checkpoint = checkpoint, .corpus = corpus}, options, {}),
                        ErrorKind::run_failed, "block 1 puts out NaN or infinity");
  }
}

TEST(Progress, EveryStepCanInterrupt) {
  test::TemporaryDirectory directory;
  test::write_checkpoint(directory.path(), {});
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  const Corpus corpus = test::random_corpus({});
  const MeasureInput input{.checkpoint = checkpoint, .corpus = corpus};
  std::vector<ProgressEvent> events;
  (void)measure(input, small_options(), [&](const ProgressEvent& event) {
    events.push_back(event);
    return true;
  });
  std::set<std::string> phases;
  for (const ProgressEvent& event : events) {
    phases.insert(event.phase);
    EXPECT_LE(event.step, event.steps);
  }
  EXPECT_EQ(phases, (std::set<std::string>{"clean sweep", "signals", "lanes", "lanes, comparison",
                                           "backward sweep"}));
  for (std::size_t stop = 0; stop < events.size(); ++stop) {
    std::size_t seen = 0;
    EXPECT_STRATA_ERROR(measure(input, small_options(), [&](const ProgressEvent&) { return seen++ < stop; }),
                        ErrorKind::interrupted, events[stop].phase);
    EXPECT_EQ(seen, stop + 1);  // nothing goes on after the answer was no
  }
}

}  // namespace
}  // namespace strata
