// bfloat16 mode: its noise floor against a second computation, what lies below is refused, and the same bits
// whatever the threads.
#include "strata/sweep/noise_floor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "strata/base/error.h"
#include "strata/model/block.h"
#include "strata/record/run_directory.h"
#include "strata/sweep/forward.h"
#include "strata/sweep/measure.h"
#include "strata/sweep/plan.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"
#include "tests/sweep/random_corpus.h"

namespace strata {
namespace {

class Floor : public testing::Test {
 protected:
  Floor() : checkpoint_(make(directory_)), corpus_(test::random_corpus({.documents = 4})) {}
  static Checkpoint make(const test::TemporaryDirectory& directory) {
    test::write_checkpoint(directory.path(), {.layers = 3, .hidden = 32, .vocab = 40});
    return Checkpoint::open(directory.path());
  }
  [[nodiscard]] NoiseFloor floor_of(ComputeDType dtype, int threads = 2) const {
    SweepContext context = make_context(checkpoint_.config(), corpus_);
    std::vector<LaneWindow> sample;
    for (std::size_t w = 0; w < corpus_.windows.size(); ++w) sample.push_back({w, 64});
    const Embedding embedding = load_embedding(checkpoint_, dtype);
    return measure_noise_floor(checkpoint_, context, embedding, load_head(checkpoint_, embedding), sample,
                               {.compute = dtype, .threads = threads}, {});
  }
  // Last states and logits of every lane window.
  struct Outputs {
    std::vector<std::vector<std::vector<float>>> states;  // [window][state]
    std::vector<std::vector<float>> logits;
  };
  [[nodiscard]] Outputs outputs(ComputeDType dtype, std::vector<std::size_t> chosen = {},
                                int threads = 2) const {
    std::vector<std::vector<std::int32_t>> windows;
    if (chosen.empty()) chosen = {0, 1, 2, 3};
    for (const std::size_t w : chosen) {
      windows.push_back(corpus_.windows[w].ids);
      windows.back().resize(64);
    }
    Outputs out{.states = std::vector(windows.size(), std::vector<std::vector<float>>(4)),
                .logits = std::vector<std::vector<float>>(windows.size())};
    forward_windows(checkpoint_, windows, {.threads = threads, .compute = dtype},
                    {.state =
                         [&](int s, std::size_t w, std::span<const float> h) {
                           out.states[w][static_cast<std::size_t>(s)] = {h.begin(), h.end()};
                         },
                     .output =
                         [&](std::size_t w, std::int64_t, std::span<const float>, std::span<const float> z) {
                           out.logits[w].insert(out.logits[w].end(), z.begin(), z.end());
                         }});
    return out;
  }
  test::TemporaryDirectory directory_;
  Checkpoint checkpoint_;
  Corpus corpus_;
};

#define SKIP_WITHOUT_BFLOAT16() \
  if (const std::string why = why_not_computed(ComputeDType::bfloat16); !why.empty()) GTEST_SKIP() << why

TEST_F(Floor, IsTheKlBetweenTheModesStraightFromItsDefinition) {
  SKIP_WITHOUT_BFLOAT16();
  const NoiseFloor floor = floor_of(ComputeDType::bfloat16);
  const Outputs exact = outputs(ComputeDType::float32), rounded = outputs(ComputeDType::bfloat16);
  double sum = 0.0;
  for (std::size_t w = 0; w < 4; ++w) {
    for (std::size_t t = 0; t + 1 < 64; ++t) {
      long double p_total = 0.0L, q_total = 0.0L, kl = 0.0L;
      const float* p = exact.logits[w].data() + t * 40;
      const float* q = rounded.logits[w].data() + t * 40;
      for (int v = 0; v < 40; ++v) {
        p_total += std::exp(static_cast<long double>(p[v]));
        q_total += std::exp(static_cast<long double>(q[v]));
      }
      for (int v = 0; v < 40; ++v) {
        const long double log_p = p[v] - std::log(p_total), log_q = q[v] - std::log(q_total);
        kl += std::exp(log_p) * (log_p - log_q);
      }
      sum += static_cast<double>(kl);
    }
  }
  EXPECT_GT(floor.rounding_kl_nats, 0.0);
  EXPECT_NEAR(floor.rounding_kl_nats / (sum / (4 * 63)), 1.0, 1e-6);
  EXPECT_EQ(floor.kl_nats, 2.0 * floor.rounding_kl_nats);
  ASSERT_EQ(floor.state_error.size(), 4u);
  for (std::size_t s = 0; s < 4; ++s) {
    double difference = 0.0, square = 0.0;
    for (std::size_t w = 0; w < 4; ++w) {
      for (std::size_t i = 0; i < exact.states[w][s].size(); ++i) {
        const double a = exact.states[w][s][i], b = rounded.states[w][s][i];
        difference += (a - b) * (a - b);
        square += a * a;
      }
    }
    EXPECT_NEAR(floor.state_error[s], std::sqrt(difference / square), 1e-9) << s;
    EXPECT_LT(floor.state_error[s], 0.02) << s;  // 2^-9 is the largest error of one rounding
  }
}

TEST_F(Floor, Float32AgainstItselfIsZero) {
  const NoiseFloor floor = floor_of(ComputeDType::float32);
  EXPECT_EQ(floor.kl_nats, 0.0);
  for (const double error : floor.state_error) EXPECT_EQ(error, 0.0);
}

TEST_F(Floor, AWindowsBitsDependOnItAlone) {
  SKIP_WITHOUT_BFLOAT16();
  const Outputs all = outputs(ComputeDType::bfloat16), one = outputs(ComputeDType::bfloat16, {2}, 1);
  EXPECT_EQ(all.logits[2], one.logits[0]);
  EXPECT_EQ(all.states[2], one.states[0]);
  EXPECT_EQ(floor_of(ComputeDType::bfloat16, 1).kl_nats, floor_of(ComputeDType::bfloat16, 3).kl_nats);
}

TEST_F(Floor, IsInTheRecordAndRefusesWhatLiesBelow) {
  SKIP_WITHOUT_BFLOAT16();
  MeasureOptions options{.compute = ComputeDType::bfloat16,
                         .positions = 512,
                         .lens_positions = 8,
                         .lane_tokens = 64 * 4,
                         .replicates = 20,
                         .interventions = {"all"}};
  options.find_segments = [](const Trace& seen) {
    return std::vector<Segment>{{.begin = 0, .end = 1}, {.begin = 1, .end = seen.model.n_layers}};
  };
  const Trace trace = measure({.checkpoint = checkpoint_, .corpus = corpus_}, options, {});
  EXPECT_EQ(trace.run.compute_dtype, "bfloat16");
  EXPECT_GT(trace.run.noise_floor_nats, 0.0);
  std::set<std::string> undefined, defined;
  for (const DoseCurve& curve : trace.curves) {
    for (std::size_t s = 0; s < curve.strength.size(); ++s) {
      double sum = 0.0;
      int documents = 0;
      for (std::size_t d = 0; d < curve.kl_nats.rows; ++d) {
        const bool refused = std::isnan(curve.kl_nats(d, s));
        EXPECT_EQ(std::isnan(curve.top1_agreement(d, s)), refused);
        (refused ? undefined : defined).insert(curve.intervention);
        if (refused) continue;
        sum += curve.kl_nats(d, s);
        ++documents;
      }
      if (documents > 0) {
        EXPECT_GE(sum / documents, trace.run.noise_floor_nats);
      }
    }
  }
  for (const char* id : {"joint_noise", "relative_noise", "weight_rounding", "attention_uniform"})
    EXPECT_TRUE(defined.contains(id)) << id;
  EXPECT_FALSE(undefined.empty());
  options.clean_only = true;
  EXPECT_TRUE(
      std::isnan(measure({.checkpoint = checkpoint_, .corpus = corpus_}, options, {}).run.noise_floor_nats));
  options.clean_only = false;
  options.interventions.clear();
  options.find_segments = {};
  options.compute = ComputeDType::float32;
  EXPECT_TRUE(
      std::isnan(measure({.checkpoint = checkpoint_, .corpus = corpus_}, options, {}).run.noise_floor_nats));
}

// Less memory, or a run that was stopped while the floor was measured and taken up again: the same record.
TEST_F(Floor, SameBitsWithLessMemoryAndAfterAStop) {
  SKIP_WITHOUT_BFLOAT16();
  test::TemporaryDirectory saved;
  MeasureOptions options{.compute = ComputeDType::bfloat16,
                         .positions = 512,
                         .lens_positions = 8,
                         .lane_tokens = 64 * 4,
                         .replicates = 20};
  const auto record = [&](const Progress& progress = {}) {
    const Trace trace = measure({.checkpoint = checkpoint_, .corpus = corpus_}, options, progress);
    return results_json({.trace = trace, .findings = {}});
  };
  const std::string expected = record();
  options.memory = {.spill_samples = true, .spill_states = true, .prefetch = false, .gather = true};
  EXPECT_TRUE(record() == expected);
  options.snapshot_directory = saved.path();
  options.snapshot_key = "this run";
  EXPECT_STRATA_ERROR(record([](const ProgressEvent& event) { return event.phase != "noise floor"; }),
                      ErrorKind::interrupted, "noise floor");
  options.memory = {};
  EXPECT_TRUE(record() == expected);
}

// The plan counts weights as they are held: in bfloat16 half of them, and both modes while the floor is
// measured.
TEST_F(Floor, ThePlanCountsWeightsAsTheyAreHeld) {
  SKIP_WITHOUT_BFLOAT16();
  const MeasureInput input{.checkpoint = checkpoint_, .corpus = corpus_};
  const auto weights = [&](ComputeDType dtype, const std::string& phase, const std::string& item) {
    const MeasurePlan plan = plan_measure(input, {.compute = dtype, .replicates = 20}, 1ull << 32);
    for (const MemoryPhase& p : plan.memory.phases) {
      for (const MemoryItem& i : p.items)
        if (p.name == phase && i.what.starts_with(item)) return i.bytes;
    }
    return std::uint64_t{0};
  };
  const ModelConfig& c = checkpoint_.config();
  for (const ComputeDType dtype : {ComputeDType::float32, ComputeDType::bfloat16}) {
    EXPECT_EQ(weights(dtype, "clean sweep", "weights of two blocks"), 2 * block_bytes(c, dtype));
    EXPECT_EQ(weights(dtype, "lanes", "unembedding"), packed_bytes(dtype, c.vocab, c.hidden));
  }
  EXPECT_EQ(weights(ComputeDType::float32, "noise floor", "weights of blocks"), 0u);
  EXPECT_EQ(weights(ComputeDType::bfloat16, "noise floor", "weights of blocks"),
            2 * (block_bytes(c, ComputeDType::bfloat16) + block_bytes(c, ComputeDType::float32)));
}

TEST(RefuseBelow, TakesWholePointsAndLeavesTheRest) {
  DoseCurve curve{.intervention = "relative_noise", .strength = {0.1, 0.2}};
  curve.kl_nats = Matrix(2, 2, 0.0);
  curve.kl_nats(0, 0) = 3.0;  // mean 1.75: below
  curve.kl_nats(1, 0) = 0.5;
  curve.kl_nats(0, 1) = 3.5;  // mean 2.25: stays, the low document too
  curve.kl_nats(1, 1) = 1.0;
  curve.delta_nll_nats = curve.kl_nats;
  std::vector<DoseCurve> curves{curve};
  std::vector<std::string> warnings;
  refuse_below({.rounding_kl_nats = 1.0, .kl_nats = 2.0}, curves, warnings);
  EXPECT_TRUE(std::isnan(curves[0].kl_nats(0, 0)) && std::isnan(curves[0].kl_nats(1, 0)));
  EXPECT_TRUE(std::isnan(curves[0].delta_nll_nats(0, 0)) && std::isnan(curves[0].delta_nll_nats(1, 0)));
  EXPECT_EQ(curves[0].kl_nats(0, 1), 3.5);
  EXPECT_EQ(curves[0].kl_nats(1, 1), 1.0);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("relative_noise: 1 point of"), std::string::npos) << warnings[0];
  std::vector<std::string> none;
  refuse_below({}, curves, none);
  EXPECT_TRUE(none.empty());
}

// In a model without a head the distance is judged, and what is undefined there stays so.
TEST(RefuseBelow, TakesDistancesByTheirOwnFloor) {
  const double undefined = std::numeric_limits<double>::quiet_NaN();
  DoseCurve curve{.intervention = "block_skip", .strength = {0.1, 0.2}};
  curve.kl_nats = curve.delta_nll_nats = Matrix(2, 2, undefined);
  curve.embedding_distance = Matrix(2, 2, 0.0);
  curve.embedding_distance(0, 0) = 3.0;  // mean 1.75: below
  curve.embedding_distance(1, 0) = 0.5;
  curve.embedding_distance(0, 1) = 3.5;  // mean 2.25: stays
  curve.embedding_distance(1, 1) = 1.0;
  std::vector<DoseCurve> curves{curve};
  std::vector<std::string> warnings;
  refuse_below({.kl_nats = undefined, .distance = 2.0}, curves, warnings);
  EXPECT_TRUE(std::isnan(curves[0].embedding_distance(0, 0)));
  EXPECT_TRUE(std::isnan(curves[0].embedding_distance(1, 0)));
  EXPECT_EQ(curves[0].embedding_distance(0, 1), 3.5);
  EXPECT_EQ(curves[0].embedding_distance(1, 1), 1.0);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("the distance below the noise floor of 2"), std::string::npos) << warnings[0];
}

}  // namespace
}  // namespace strata
