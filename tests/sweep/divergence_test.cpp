// Two twins side by side: exact zeros where nothing differs, the beginning where it was planted, and every
// number against a direct computation.
#include "strata/sweep/divergence.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "strata/base/error.h"
#include "strata/base/parallel.h"
#include "strata/sweep/forward.h"
#include "strata/theory/divergence.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"
#include "tests/sweep/random_corpus.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr int kLayers = 4;

// Writes the model of seed 1 with the tensors for which `chosen` is true taken from the model of seed 2,
// diluted: x + 0.05 y.
void write_twin(const fs::path& path, const std::function<bool(const std::string&)>& chosen,
                const std::string& family = "llama", bool tied = false) {
  test::TinyCheckpoint tiny{.family = family, .layers = kLayers, .tied = tied};
  test::TinyCheckpoint noise = tiny;
  noise.seed = 2;
  const auto extra = test::tiny_tensors(noise);
  tiny.edit_tensors = [&](std::vector<test::StoredTensor>& tensors) {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (!chosen(tensors[i].name)) continue;
      std::vector<float> x(tensors[i].bytes.size() / 4), y(x.size());
      std::memcpy(x.data(), tensors[i].bytes.data(), tensors[i].bytes.size());
      std::memcpy(y.data(), extra[i].bytes.data(), extra[i].bytes.size());
      for (std::size_t k = 0; k < x.size(); ++k) x[k] += 0.05f * y[k];
      tensors[i].bytes = test::encode(DType::f32, x);
    }
  };
  test::write_checkpoint(path, tiny);
}

std::function<bool(const std::string&)> block(int l) {
  return [prefix = fmt::format("model.layers.{}.", l)](const std::string& name) {
    return name.starts_with(prefix);
  };
}

class Twins : public testing::Test {
 protected:
  void SetUp() override {
    write_twin(path("original"), [](const std::string&) { return false; });
    corpus_ = test::random_corpus({.documents = 6, .windows = 2, .shortest = 66, .longest = 90});
  }
  [[nodiscard]] fs::path path(const std::string& name) const { return directory_.path() / name; }
  [[nodiscard]] DivergenceRecord measure(const std::string& other,
                                         const MeasureOptions& options = {.lane_tokens = 500}) const {
    const Checkpoint a = Checkpoint::open(path("original")), b = Checkpoint::open(path(other));
    DivergenceRecord record = measure_divergence({.original = a, .other = b, .corpus = corpus_}, options, {});
    record.findings = conclude_divergence(record, {});
    return record;
  }
  test::TemporaryDirectory directory_;
  Corpus corpus_;
};

const Substitution& part(const DivergenceRecord& record, Part part, int block = -1) {
  for (const Substitution& s : record.substitutions) {
    if (s.part == part && s.block == block) return s;
  }
  throw std::runtime_error("no such part");
}

void expect_all(const std::vector<double>& values, bool zero) {
  for (const double x : values) {
    if (zero) {
      EXPECT_EQ(x, 0.0);
    } else {
      EXPECT_GT(x, 0.0);
    }
  }
}

// Logits (scored rows, vocab) of the first `tokens` ids of a window.
std::vector<std::vector<double>> log_probabilities(const Checkpoint& checkpoint,
                                                   std::vector<std::int32_t> ids, std::int64_t tokens) {
  ids.resize(static_cast<std::size_t>(tokens));
  const auto vocab = static_cast<std::size_t>(checkpoint.config().vocab);
  std::vector<std::vector<double>> rows;
  const ForwardObserver observer{
      .state = [](int, std::size_t, std::span<const float>) {},
      .output =
          [&](std::size_t, std::int64_t, std::span<const float>, std::span<const float> logits) {
            for (std::size_t at = 0; at < logits.size(); at += vocab) {
              const auto row = logits.subspan(at, vocab);
              double sum = 0.0;
              for (const float z : row) sum += std::exp(static_cast<double>(z));
              auto& out = rows.emplace_back();
              for (const float z : row) out.push_back(static_cast<double>(z) - std::log(sum));
            }
          }};
  forward_windows(checkpoint, {ids}, {}, observer);
  rows.pop_back();  // the last token's prediction is not scored
  return rows;
}

struct Direct {
  double kl = 0.0, delta_nll = 0.0;
};

Direct direct_damage(const Checkpoint& a, const Checkpoint& b, const std::vector<std::int32_t>& ids,
                     std::int64_t tokens) {
  const auto p = log_probabilities(a, ids, tokens), q = log_probabilities(b, ids, tokens);
  Direct damage;
  for (std::size_t t = 0; t < p.size(); ++t) {
    for (std::size_t v = 0; v < p[t].size(); ++v) damage.kl += std::exp(p[t][v]) * (p[t][v] - q[t][v]);
    const auto next = static_cast<std::size_t>(ids[t + 1]);
    damage.delta_nll += p[t][next] - q[t][next];
  }
  const auto n = static_cast<double>(p.size());
  return {damage.kl / n, damage.delta_nll / n};
}

TEST_F(Twins, IdenticalModelsDifferNowhere) {
  const DivergenceRecord record = measure("original");
  ASSERT_EQ(record.series.size(), 6u);
  for (const Series& series : record.series) expect_all(series.by_doc.data, true);
  ASSERT_EQ(record.substitutions.size(), static_cast<std::size_t>(kLayers) + 3);
  for (const Substitution& s : record.substitutions) {
    expect_all(s.kl_nats, true);
    expect_all(s.delta_nll_nats, true);
  }
  for (const std::int64_t n : record.differing_tokens) EXPECT_EQ(n, 0);
  EXPECT_EQ(record.differing_logits, 0);
  for (const DivergenceDocument& document : record.documents) {
    EXPECT_EQ(document.kl_nats, 0.0);
    EXPECT_EQ(document.nll_original_nats, document.nll_other_nats);
    EXPECT_EQ(document.same_top, 1.0);
    EXPECT_GT(document.lane_scored, 0);
  }
  EXPECT_TRUE(record.findings.identical);
  EXPECT_EQ(record.findings.begins_at_state, -1);
  ASSERT_EQ(record.findings.sentences.size(), 1u);
  EXPECT_NE(record.findings.sentences[0].find("no difference"), std::string::npos);
}

TEST_F(Twins, APerturbedBlockIsWhereDamageBeginsAndTheOnlyPartThatMatters) {
  for (const int l : {0, 2, kLayers - 1}) {
    SCOPED_TRACE(l);
    write_twin(path("twin"), block(l));
    const DivergenceRecord record = measure("twin");
    for (const Series& series : record.series) {
      for (std::size_t d = 0; d < series.by_doc.rows; ++d) {
        for (int place = 0; place < static_cast<int>(series.by_doc.cols); ++place) {
          const double value = series.by_doc(d, static_cast<std::size_t>(place));
          const bool differs = series.axis == Axis::state ? place > l : place == l;
          if (differs) {
            EXPECT_GT(value, 0.0) << series.id << " " << place;
          } else {
            EXPECT_EQ(value, 0.0) << series.id << " " << place;
          }
        }
      }
    }
    for (const Substitution& s : record.substitutions)
      expect_all(s.kl_nats, !(s.part == Part::everything || s.block == l));
    // With nothing else changed, the block alone is everything.
    EXPECT_EQ(part(record, Part::block, l).kl_nats, part(record, Part::everything).kl_nats);
    EXPECT_EQ(record.findings.begins_at_state, l + 1);
    EXPECT_EQ(record.findings.first_difference, l + 1);
    EXPECT_EQ(record.findings.additivity.mean, 1.0);
    for (const PartDamage& p : record.findings.parts) EXPECT_EQ(p.rank == 1, p.block == l);
    EXPECT_NE(record.findings.sentences[1].find(
                  fmt::format("begins at state {}, the output of block {}", l + 1, l)),
              std::string::npos)
        << record.findings.sentences[1];
  }
}

TEST_F(Twins, TheEndsOfTheNetworkArePartsOfTheirOwn) {
  write_twin(path("embedding"), [](const std::string& name) { return name == "model.embed_tokens.weight"; });
  const DivergenceRecord embedding = measure("embedding");
  EXPECT_EQ(embedding.findings.first_difference, 0);
  expect_all(part(embedding, Part::embedding).kl_nats, false);
  expect_all(part(embedding, Part::head).kl_nats, true);
  write_twin(path("head"),
             [](const std::string& name) { return name == "lm_head.weight" || name == "model.norm.weight"; });
  const DivergenceRecord head = measure("head");
  EXPECT_EQ(head.findings.first_difference, -1);
  EXPECT_FALSE(head.findings.identical);
  expect_all(part(head, Part::embedding).kl_nats, true);
  expect_all(part(head, Part::head).kl_nats, false);
  EXPECT_EQ(part(head, Part::head).kl_nats, part(head, Part::everything).kl_nats);
  EXPECT_NE(head.findings.sentences[1].find("the head"), std::string::npos);
}

// A model written to disk with that one part replaced, run whole, its softmax taken term by term.
TEST_F(Twins, SubstitutionEqualsTheModelWithThatPartReplaced) {
  write_twin(path("other"), [](const std::string&) { return true; });
  const DivergenceRecord record = measure("other");
  const Checkpoint original = Checkpoint::open(path("original"));
  struct Case {
    Part part;
    int block;
    std::function<bool(const std::string&)> chosen;
  };
  const std::vector<Case> cases = {
      {Part::block, 0, block(0)},
      {Part::block, 2, block(2)},
      {Part::embedding, -1, [](const std::string& name) { return name == "model.embed_tokens.weight"; }},
      {Part::head, -1,
       [](const std::string& name) { return name == "lm_head.weight" || name == "model.norm.weight"; }},
      {Part::everything, -1, [](const std::string&) { return true; }}};
  for (const Case& c : cases) {
    SCOPED_TRACE(fmt::format("{} {}", to_string(c.part), c.block));
    write_twin(path("hybrid"), c.chosen);
    const Checkpoint hybrid = Checkpoint::open(path("hybrid"));
    const Substitution& lane = part(record, c.part, c.block);
    int compared = 0;
    for (std::size_t d = 0; d < record.documents.size(); ++d) {
      const std::int64_t tokens = record.documents[d].lane_scored + 1;
      // The lane is the beginning of one of the document's windows: one of them must give its numbers.
      double best_kl = 1e9, best_nll = 1e9;
      for (const Window& window : corpus_.windows) {
        if (window.document != static_cast<int>(d) || static_cast<std::int64_t>(window.ids.size()) < tokens)
          continue;
        const Direct direct = direct_damage(original, hybrid, window.ids, tokens);
        if (std::fabs(direct.kl - lane.kl_nats[d]) < std::fabs(best_kl)) {
          best_kl = direct.kl - lane.kl_nats[d];
          best_nll = direct.delta_nll - lane.delta_nll_nats[d];
        }
      }
      EXPECT_NEAR(best_kl, 0.0, 1e-6);
      EXPECT_NEAR(best_nll, 0.0, 1e-6);
      EXPECT_GT(lane.kl_nats[d], 1e-5);  // far above the tolerance
      ++compared;
    }
    EXPECT_EQ(compared, 6);
  }
}

TEST_F(Twins, StatesAndLossesAgreeWithDirectComputation) {
  write_twin(path("other"), [](const std::string&) { return true; });
  const DivergenceRecord record = measure("other");
  const Checkpoint a = Checkpoint::open(path("original")), b = Checkpoint::open(path("other"));
  std::vector<std::vector<float>> states[2];
  for (const int m : {0, 1}) {
    states[m].resize(kLayers + 1);
    const ForwardObserver observer{.state =
                                       [&](int s, std::size_t, std::span<const float> h) {
                                         states[m][static_cast<std::size_t>(s)].assign(h.begin(), h.end());
                                       },
                                   .output = [](auto...) {}};
    forward_windows(m == 0 ? a : b, {corpus_.windows[0].ids}, {}, observer);
  }
  // A corpus of the first window alone: its medians are over its own tokens.
  Corpus one = corpus_;
  one.windows.resize(1);
  one.documents.resize(1);
  const DivergenceRecord small =
      measure_divergence({.original = a, .other = b, .corpus = one}, {.lane_tokens = 64}, {});
  for (std::size_t s = 0; s <= kLayers; ++s) {
    std::vector<double> difference, cosine;
    for (std::size_t t = 0; t < one.windows[0].ids.size(); ++t) {
      double dd = 0.0, aa = 0.0, bb = 0.0, ab = 0.0;
      for (std::size_t i = 0; i < 16; ++i) {
        const double x = states[0][s][t * 16 + i], y = states[1][s][t * 16 + i];
        dd += (x - y) * (x - y);
        aa += x * x;
        bb += y * y;
        ab += x * y;
      }
      difference.push_back(std::sqrt(dd / aa));
      cosine.push_back(1.0 - ab / std::sqrt(aa * bb));
    }
    const auto median = [](std::vector<double> v, std::size_t from) {
      v.erase(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(from));
      std::sort(v.begin(), v.end());
      const std::size_t n = v.size();
      return 0.5 * (v[(n - 1) / 2] + v[n / 2]);
    };
    EXPECT_NEAR(find_series(small, "relative_difference", TokenSet::all)->by_doc(0, s), median(difference, 0),
                1e-6);
    EXPECT_NEAR(find_series(small, "relative_difference", TokenSet::ordinary)->by_doc(0, s),
                median(difference, 1), 1e-6);
    EXPECT_NEAR(find_series(small, "cosine_distance", TokenSet::all)->by_doc(0, s), median(cosine, 0), 1e-6);
  }
  const auto tokens = static_cast<std::int64_t>(one.windows[0].ids.size());
  const Direct direct = direct_damage(a, b, one.windows[0].ids, tokens);
  EXPECT_NEAR(small.documents[0].kl_nats, direct.kl, 1e-6);
  EXPECT_NEAR(small.documents[0].nll_other_nats - small.documents[0].nll_original_nats, direct.delta_nll,
              1e-6);
  EXPECT_EQ(small.documents[0].scored, tokens - 1);
  EXPECT_EQ(small.documents[0].ordinary, tokens - 1);  // position 0 is a sink token
  // The local error of block 0 is what the twin of block 0 alone does to state 1, over the block's update.
  write_twin(path("hybrid"), [](const std::string& name) { return name.starts_with("model.layers.0."); });
  const Checkpoint hybrid = Checkpoint::open(path("hybrid"));
  std::vector<float> out;
  forward_windows(hybrid, {one.windows[0].ids}, {},
                  {.state =
                       [&](int s, std::size_t, std::span<const float> h) {
                         if (s == 1) out.assign(h.begin(), h.end());
                       },
                   .output = [](auto...) {}});
  std::vector<double> error;
  for (std::size_t t = 1; t < one.windows[0].ids.size(); ++t) {
    double ee = 0.0, uu = 0.0;
    for (std::size_t i = t * 16; i < t * 16 + 16; ++i) {
      const double e = static_cast<double>(out[i]) - states[0][1][i],
                   u = static_cast<double>(states[0][1][i]) - states[0][0][i];
      ee += e * e;
      uu += u * u;
    }
    error.push_back(std::sqrt(ee / uu));
  }
  std::sort(error.begin(), error.end());
  EXPECT_NEAR(find_series(small, "local_error", TokenSet::ordinary)->by_doc(0, 0),
              0.5 * (error[(error.size() - 1) / 2] + error[error.size() / 2]), 1e-6);
}

TEST_F(Twins, ThreadsBatchAndLanePassesDoNotChangeAByte) {
  write_twin(path("other"), [](const std::string&) { return true; });
  const std::string first = divergence_json(measure("other", {.threads = 1, .batch = 1, .lane_tokens = 500}));
  EXPECT_EQ(first, divergence_json(measure("other", {.threads = 3, .batch = 5, .lane_tokens = 500})));
  MeasureOptions tight{.threads = 2, .lane_tokens = 500};
  for (const std::uint64_t bytes : {std::uint64_t{1}, std::uint64_t{100000}}) {
    tight.lane_bytes = bytes;
    EXPECT_EQ(first, divergence_json(measure("other", tight)));
  }
  EXPECT_NE(first, divergence_json(measure("other", {.seed = 1, .lane_tokens = 500})));
}

TEST_F(Twins, TiedAndBiasedFamiliesToo) {
  write_twin(
      path("original"), [](const std::string&) { return false; }, "qwen2", true);
  write_twin(path("twin"), block(1), "qwen2", true);
  const DivergenceRecord record = measure("twin");
  EXPECT_EQ(record.findings.begins_at_state, 2);
  expect_all(part(record, Part::embedding).kl_nats, true);
  expect_all(part(record, Part::head).kl_nats, true);
  expect_all(part(record, Part::block, 1).kl_nats, false);
}

TEST_F(Twins, LogitsThatOverflowAreSaid) {
  test::TinyCheckpoint tiny{.layers = kLayers};
  tiny.edit_tensors = [](std::vector<test::StoredTensor>& tensors) {
    for (test::StoredTensor& tensor : tensors) {
      if (tensor.name != "lm_head.weight") continue;
      std::vector<float> values(tensor.bytes.size() / 4);
      std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
      for (float& x : values) x *= 3e38f;
      tensor.bytes = test::encode(DType::f32, values);
    }
  };
  test::write_checkpoint(path("loud"), tiny);
  const DivergenceRecord record = measure("loud");
  ASSERT_EQ(record.warnings.size(), 4u);  // head, everything, the output; and the loss of the original
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_NE(record.warnings[i].find("undefined in 6 documents"), std::string::npos) << record.warnings[i];
  EXPECT_NE(record.warnings[3].find("original: the loss"), std::string::npos) << record.warnings[3];
  EXPECT_EQ(divergence_json(record).find("nan"), std::string::npos);
  expect_all(part(record, Part::block, 1).kl_nats, true);
}

TEST_F(Twins, ModelsThatAreNoTwinsAreRefusedByWhatDiffers) {
  const auto refuses = [&](const test::TinyCheckpoint& tiny, const char* says) {
    test::write_checkpoint(path("stranger"), tiny);
    EXPECT_STRATA_ERROR(measure("stranger"), ErrorKind::usage, says);
    const Checkpoint a = Checkpoint::open(path("original")), b = Checkpoint::open(path("stranger"));
    EXPECT_STRATA_ERROR(plan_divergence({.original = a, .other = b, .corpus = corpus_}, {}, 1ull << 40),
                        ErrorKind::usage, says);
  };
  refuses({.layers = 3}, "blocks 4 against 3");
  refuses({.layers = 4, .hidden = 32}, "hidden size 16 against 32");
  refuses({.layers = 4, .vocab = 41}, "vocabulary 40 against 41");
  refuses({.layers = 5, .vocab = 41}, "blocks 4 against 5, vocabulary 40 against 41");
}

TEST_F(Twins, ThePlanRespectsTheLimit) {
  const Checkpoint a = Checkpoint::open(path("original"));
  const DivergenceInput input{.original = a, .other = a, .corpus = corpus_};
  const MeasureOptions options{.lane_tokens = 500};
  const DivergencePlan roomy = plan_divergence(input, options, 1ull << 40);
  EXPECT_STRATA_ERROR(plan_divergence(input, options, 1ull << 20), ErrorKind::out_of_memory, "mem_limit");
  const DivergencePlan tight = plan_divergence(input, options, roomy.peak_bytes - 1);
  EXPECT_LT(tight.lane_bytes, roomy.lane_bytes);
  EXPECT_LT(tight.peak_bytes, roomy.peak_bytes);
}

}  // namespace
}  // namespace strata
