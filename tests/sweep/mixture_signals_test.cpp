// Signals of mixtures of experts and of the delta rule, as a measurement records them, against the network
// written a second time in float64; and the same bits whatever the threads, batch and memory.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "strata/sweep/measure.h"
#include "tests/support/block_cases.h"
#include "tests/support/paths.h"
#include "tests/support/plain_network.h"
#include "tests/support/tiny_checkpoint.h"
#include "tests/sweep/random_corpus.h"

namespace strata {
namespace {

const std::vector<std::string> kIds{"router_entropy", "expert_load_evenness", "expert_overlap",
                                    "delta_memory"};

// What one document has in one block; NaN = undefined.
struct Expected {
  double entropy = NAN, evenness = NAN, switching = NAN, overlap = NAN, memory = NAN, write = NAN,
         surprise = NAN;
};

// Mean over tokens of the mean cosine between the outputs of the two experts that each takes.
double overlap_of(const test::PlainLooks& looks, std::size_t first) {
  double sum = 0.0;
  for (std::size_t t = first; t < looks.taken.rows; ++t) {
    std::vector<std::span<const double>> out;
    for (std::size_t e = 0; e < looks.taken.cols; ++e) {
      if (looks.taken(t, e) != 0.0) out.push_back(looks.expert_out[e].row(t));
    }
    EXPECT_EQ(out.size(), 2u);
    double ab = 0.0, aa = 0.0, bb = 0.0;
    for (std::size_t i = 0; i < out[0].size(); ++i) {
      ab += out[0][i] * out[1][i];
      aa += out[0][i] * out[0][i];
      bb += out[1][i] * out[1][i];
    }
    sum += ab / std::sqrt(aa * bb);
  }
  return sum / static_cast<double>(looks.taken.rows - first);
}

// Tokens of a document that is one window, position 0 left out or not.
Expected expected_of(const test::PlainLooks& looks, const FeedForwardDescription& f, std::size_t first) {
  Expected all;
  const std::size_t tokens = std::max(looks.probability.rows, looks.memory.rows);
  const double n = static_cast<double>(tokens - first);
  if (looks.probability.rows > 0) {
    all.entropy = 0.0;
    std::map<std::size_t, double> count, early, late;
    for (std::size_t t = first; t < tokens; ++t) {
      for (std::size_t e = 0; e < looks.probability.cols; ++e) {
        const double p = looks.probability(t, e);
        all.entropy -= p * std::log2(p) / std::log2(f.experts) / n;
        if (looks.taken(t, e) == 0.0) continue;
        count[e] += 1.0;
        (t - first < (tokens - first) / 2 ? early : late)[e] += 1.0;
      }
    }
    const double pairs = n * f.experts_used;
    double entropy = (static_cast<double>(count.size()) - f.experts_used) / (2.0 * pairs);
    for (const auto& [e, c] : count) entropy += c / pairs * std::log(pairs / c);
    all.evenness = entropy / std::log(f.experts);
    // 1 - the overlap of the two loads.
    double overlap = 0.0;
    const double half = std::floor(n / 2.0);
    for (const auto& [e, c] : count)
      overlap += std::min(early[e] / (half * f.experts_used), late[e] / ((n - half) * f.experts_used));
    all.switching = 1.0 - overlap;
    all.overlap = overlap_of(looks, first);
  }
  if (looks.memory.rows == 0) return all;
  all.memory = all.write = all.surprise = 0.0;
  const auto heads = static_cast<double>(looks.memory.cols);
  for (std::size_t t = first; t < tokens; ++t) {
    double unexpected = 0.0, magnitude = 0.0;
    for (std::size_t h = 0; h < looks.memory.cols; ++h) {
      all.memory += looks.memory(t, h) / heads / n;
      all.write += looks.strength(t, h) / heads / n;
      unexpected += looks.unexpected(t, h);
      magnitude += looks.magnitude(t, h);
    }
    all.surprise += std::sqrt(unexpected / magnitude) / n;
  }
  return all;
}

class MixtureSignalsOf : public testing::TestWithParam<const char*> {};

TEST_P(MixtureSignalsOf, AreThoseOfTheNetworkWrittenAgain) {
  test::TemporaryDirectory directory;
  test::write_checkpoint(directory.path(), {.family = GetParam()});
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  const ModelConfig& config = checkpoint.config();
  const Corpus corpus = test::random_corpus({.documents = 5});
  MeasureOptions options{.threads = 2, .batch = 3};
  options.signals = kIds;
  options.clean_only = true;
  const Trace trace = measure({.checkpoint = checkpoint, .corpus = corpus}, options, {});
  ASSERT_EQ(trace.n_massive, 0);  // so that position 0 is the only sink
  const auto compare = [&](const char* id, TokenSet set, std::size_t d, int block, double value) {
    const Series* series = find_series(trace, id, set);
    ASSERT_EQ(
        series == nullptr,
        std::isnan(value) && !std::ranges::any_of(trace.series, [&](const Series& s) { return s.id == id; }))
        << id;
    if (series == nullptr) return;
    SCOPED_TRACE(fmt::format("{} document {} block {}", id, d, block));
    const double found = series->by_doc(d, static_cast<std::size_t>(block));
    EXPECT_EQ(std::isnan(found), std::isnan(value));
    if (!std::isnan(value)) {
      EXPECT_NEAR(found, value, 2e-5 * std::max(1.0, std::fabs(value)));
    }
  };
  int mixtures = 0, deltas = 0;
  for (std::size_t d = 0; d < corpus.documents.size(); ++d) {
    Matrix h = test::plain_embedding(checkpoint, corpus.windows[d].ids);
    for (int block = 0; block < config.n_layers; ++block) {
      test::PlainLooks looks;
      test::PlainBlock plain = test::plain_block(checkpoint, block);
      plain.looks = &looks;
      h = test::forward(plain, config, h);
      mixtures += looks.probability.rows > 0 ? 1 : 0;
      deltas += looks.memory.rows > 0 ? 1 : 0;
      for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
        const Expected e = expected_of(looks, plain.block.feed_forward, set == TokenSet::all ? 0 : 1);
        compare("router_entropy", set, d, block, e.entropy);
        compare("expert_load_evenness", set, d, block, e.evenness);
        compare("expert_switching", set, d, block, e.switching);
        compare("expert_overlap", set, d, block, e.overlap);
        compare("delta_memory", set, d, block, e.memory);
        compare("delta_write", set, d, block, e.write);
        compare("delta_surprise", set, d, block, e.surprise);
      }
    }
  }
  const Family& family = family_of(config);
  EXPECT_EQ(mixtures > 0, family.has_experts());
  EXPECT_EQ(deltas > 0, family.delta_rule);
  EXPECT_EQ(find_series(trace, "router_entropy", TokenSet::all) != nullptr, family.has_experts());
  EXPECT_EQ(find_series(trace, "delta_write", TokenSet::all) != nullptr, family.delta_rule);
}

INSTANTIATE_TEST_SUITE_P(All, MixtureSignalsOf,
                         testing::Values("qwen2_moe", "qwen3_moe", "mixtral", "qwen3_next", "qwen3_5",
                                         "qwen3_5_moe"),
                         [](const auto& suite) { return std::string(suite.param); });

// Block 1 of three has a window of 20 tokens: its edge are 2 keys.
TEST(WindowEdge, IsThatOfTheNetworkWrittenAgain) {
  test::TemporaryDirectory directory;
  test::TinyCheckpoint tiny = test::block_case("window");
  tiny.edit_config = [edit = tiny.edit_config](nlohmann::json& json) {
    edit(json);
    json["sliding_window"] = 20;
  };
  test::write_checkpoint(directory.path(), tiny);
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  const ModelConfig& config = checkpoint.config();
  const Corpus corpus = test::random_corpus({.documents = 3});
  MeasureOptions options{.threads = 2};
  options.signals = {"window_edge"};
  options.clean_only = true;
  const Trace trace = measure({.checkpoint = checkpoint, .corpus = corpus}, options, {});
  const Series* series = find_series(trace, "window_edge", TokenSet::ordinary);
  ASSERT_NE(series, nullptr);
  EXPECT_EQ(series->note, "undefined in blocks without a sliding window");
  for (std::size_t d = 0; d < corpus.documents.size(); ++d) {
    Matrix h = test::plain_embedding(checkpoint, corpus.windows[d].ids);
    double sum = 0.0, count = 0.0;
    for (int block = 0; block < 2; ++block) {
      h = test::forward(test::plain_block(checkpoint, block), config, h, [&](int, Matrix& p) {
        for (std::size_t i = 19; block == 1 && i < p.rows; ++i) {
          sum += (p(i, i - 19) + p(i, i - 18)) / (2.0 / 20.0);
          count += 1.0;
        }
      });
    }
    EXPECT_NEAR(series->by_doc(d, 1), sum / count, 1e-5);
    EXPECT_GT(std::fabs(sum / count - 1.0), 1e-3);
    EXPECT_TRUE(std::isnan(series->by_doc(d, 0)) && std::isnan(series->by_doc(d, 2)));
  }
}

// A dense model has none of these series, and no word about them.
TEST(MixtureSignals, ADenseModelHasNone) {
  test::TemporaryDirectory directory;
  test::write_checkpoint(directory.path(), {});
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  const Corpus corpus = test::random_corpus({.documents = 2});
  MeasureOptions options{.positions = 128, .lens_positions = 4, .replicates = 2};
  options.clean_only = true;
  const Trace trace = measure({.checkpoint = checkpoint, .corpus = corpus}, options, {});
  for (const Series& s : trace.series) {
    EXPECT_FALSE(s.id.starts_with("expert_") || s.id.starts_with("router_") || s.id.starts_with("delta_"))
        << s.id;
  }
  for (const std::string& warning : trace.warnings)
    EXPECT_EQ(warning.find("not measured"), std::string::npos);
  options.signals = {"router_entropy"};
  const Trace asked = measure({.checkpoint = checkpoint, .corpus = corpus}, options, {});
  EXPECT_EQ(std::ranges::count_if(asked.warnings,
                                  [](const std::string& w) { return w.starts_with("router_entropy: not"); }),
            1);
}

void expect_same_series(const Trace& a, const Trace& b) {
  ASSERT_EQ(a.series.size(), b.series.size());
  for (std::size_t i = 0; i < a.series.size(); ++i) {
    const Matrix &x = a.series[i].by_doc, &y = b.series[i].by_doc;
    ASSERT_EQ(x.data.size(), y.data.size());
    for (std::size_t k = 0; k < x.data.size(); ++k)
      EXPECT_EQ(std::bit_cast<std::uint64_t>(x.data[k]), std::bit_cast<std::uint64_t>(y.data[k]))
          << a.series[i].id;
  }
}

TEST(MixtureSignals, ThreadsBatchMemoryAndResumingChangeNoBit) {
  test::TemporaryDirectory directory;
  test::write_checkpoint(directory.path() / "model", {.family = "qwen3_5_moe"});
  const Checkpoint checkpoint = Checkpoint::open(directory.path() / "model");
  const Corpus corpus = test::random_corpus({.documents = 4, .windows = 2});
  MeasureOptions options{.threads = 1, .batch = 1};
  options.signals = kIds;
  options.clean_only = true;
  const MeasureInput input{.checkpoint = checkpoint, .corpus = corpus};
  const Trace plain = measure(input, options, {});
  ASSERT_EQ(plain.series.size(), 2u * 8u + 3u);  // and those of the sinks
  options.threads = 3;
  options.batch = 5;
  options.memory = {.spill_samples = true, .spill_states = true, .prefetch = false};
  expect_same_series(measure(input, options, {}), plain);
  std::filesystem::create_directories(directory.path() / "saved");
  options.snapshot_directory = directory.path() / "saved";
  options.snapshot_key = "this run";
  options.snapshot_share = 1.0;
  std::vector<int> stops{2, 5};
  for (const int stop : stops) {
    int seen = 0;
    EXPECT_ANY_THROW((void)measure(input, options, [&](const ProgressEvent&) { return ++seen < stop; }));
  }
  options.memory = {};
  expect_same_series(measure(input, options, {}), plain);
}

}  // namespace
}  // namespace strata
