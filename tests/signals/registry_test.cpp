// Every row of the registry on a small random sweep: identity, shape, determinism; and its documentation.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <numeric>
#include <set>
#include <sstream>

#include "strata/base/philox.h"
#include "strata/model/head.h"
#include "tests/signals/world.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"

namespace strata {
namespace {

using test::drive;
using test::series;
using test::World;

constexpr int kWorldLayers = 3, kWorldHidden = 16;

std::vector<std::vector<int>> windows() {
  std::vector<std::vector<int>> all;
  for (int d = 0; d < 18; ++d) all.push_back(d % 4 == 0 ? std::vector<int>{90, 70} : std::vector<int>{80});
  return all;
}

class Registry : public testing::Test {
 protected:
  Registry() {
    test::write_checkpoint(
        dir_.path(), {.family = "qwen3_5_moe", .layers = kWorldLayers, .hidden = kWorldHidden, .vocab = 40});
    const Checkpoint checkpoint = Checkpoint::open(dir_.path());
    head_ = load_head(checkpoint, load_embedding(checkpoint));
    world.config = checkpoint.config();
    for (Window& window : world.corpus.windows) {
      for (std::int32_t& id : window.ids) id %= world.config.vocab;
    }
    world.fill_normal(11);
    for (std::size_t s = 1; s < world.states.size(); ++s) {  // neighbouring states have something in common
      for (std::size_t i = 0; i < world.states[s].size(); ++i) world.states[s][i] += world.states[s - 1][i];
    }
    for (float& v : world.row(2, 30)) v = 400.0f;
    world.attention.resize(kWorldLayers);
    Philox rng({.seed = 12, .stream = Stream::test});
    for (auto& block : world.attention) {
      for (auto& sums : block) {
        sums.resize(world.states[0].size() / kWorldHidden);
        for (double& v : sums) v = rng.uniform();
      }
    }
    world.delta.resize(kWorldLayers);
    for (auto& block : world.delta) {
      for (auto& sums : block) {
        sums.resize(world.states[0].size() / kWorldHidden);
        for (double& v : sums) v = rng.uniform();
      }
    }
    world.config.window = 20;
    world.config.slides = {1, 1, 1};
    for (int block = 0; block < kWorldLayers; ++block) {
      world.window_edge.push_back(world.attention[static_cast<std::size_t>(block)][0]);
      world.directions.push_back(world.states[static_cast<std::size_t>(block)]);
    }
    world.routing.resize(kWorldLayers);
    const auto tokens = static_cast<std::int64_t>(world.states[0].size() / kWorldHidden);
    std::vector<float> logits(static_cast<std::size_t>(tokens * test::kTinyExperts));
    for (Routing& routing : world.routing) {
      rng.fill_normal(logits);
      route(describe_block(world.config, 0).feed_forward, logits.data(), tokens, routing);
    }
  }

  [[nodiscard]] Trace run(int threads, std::vector<std::size_t> order = {}) const {
    SweepContext context = world.context();
    context.seed = 3;
    context.positions = 700;
    context.lens_positions = 20;
    context.replicates = 10;
    context.threads = threads;
    SinkTracker tracker(context);
    return drive(world, context, signals(), tracker, head_, std::move(order));
  }

  test::TemporaryDirectory dir_;
  World world{kWorldLayers, kWorldHidden, windows()};
  HeadWeights head_;
};

TEST_F(Registry, EverySignalRecordsWhatItDeclares) {
  const Trace trace = run(1);
  std::set<std::string> declared = {"max_activation", "sink_rate"};
  for (const Signal& signal : signals()) {
    for (const SeriesInfo& info : signal.series) {
      EXPECT_TRUE(declared.insert(std::string(info.id)).second) << info.id << " is declared twice";
      for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
        const Series& s = series(trace, info.id, set);
        EXPECT_EQ(s.unit, info.unit) << info.id;
        EXPECT_EQ(s.axis, info.axis) << info.id;
        EXPECT_EQ(s.group, info.group) << info.id;
        EXPECT_EQ(s.by_doc.rows, world.corpus.documents.size()) << info.id;
        EXPECT_EQ(s.by_doc.cols, static_cast<std::size_t>(kWorldLayers + (info.axis == Axis::state)))
            << info.id;
        EXPECT_EQ(s.weight.size(), world.corpus.documents.size()) << info.id;
      }
    }
    const SweepContext context = world.context();
    EXPECT_GT(signal.memory_bytes(context), 0u) << ids_of(signal)[0];
  }
  std::set<std::string> recorded;
  for (const Series& s : trace.series) recorded.insert(s.id);
  EXPECT_EQ(recorded, declared);
  EXPECT_GT(SinkTracker::memory_bytes(world.context()), 0u);
}

TEST_F(Registry, ValuesAreFiniteWhereDefinedAndDefinedHere) {
  for (const Series& s : run(1).series) {
    if (!s.joint.empty()) {
      ASSERT_EQ(s.joint.size(), s.by_doc.cols) << s.id;
      ASSERT_EQ(s.joint_error.size(), s.by_doc.cols) << s.id;
      for (const double v : s.joint) EXPECT_TRUE(std::isfinite(v)) << s.id;
      for (const double v : s.joint_error) EXPECT_TRUE(std::isfinite(v) && v > 0.0) << s.id;
      continue;
    }
    double defined = 0;
    for (std::size_t d = 0; d < s.by_doc.rows; ++d) {
      for (const double v : s.by_doc.row(d)) {
        EXPECT_EQ(std::isnan(v), s.weight[d] == 0.0) << s.id;
        EXPECT_FALSE(std::isinf(v)) << s.id;
        defined += std::isnan(v) ? 0 : 1;
      }
    }
    EXPECT_GT(defined, 0) << s.id;
  }
}

// The next block divides a token's state by its RMS: series that take part in finding boundaries are of
// states so divided. Factors of two leave every other bit as it is; the final norm's eps does not scale.
TEST_F(Registry, TheSizeOfATokenMattersToNoPrimarySeries) {
  const Trace before = run(1);
  for (std::vector<float>& state : world.states) {
    for (std::size_t i = 0; i < state.size(); ++i)
      state[i] *= std::exp2(static_cast<float>(i / kWorldHidden % 3));
  }
  const Trace after = run(1);
  for (const Series& s : before.series) {
    const Series& other = series(after, s.id, s.tokens);
    const auto mean = mean_over_documents(s), now = mean_over_documents(other);
    double largest = 0.0;
    for (std::size_t i = 0; i < mean.size(); ++i) largest = std::max(largest, std::fabs(now[i] - mean[i]));
    if (s.group != Group::control) {
      EXPECT_EQ(s.weight, other.weight) << s.id;
      EXPECT_LT(largest, s.group == Group::output ? 1e-4 : 1e-12) << s.id;
    }
    if (s.id.ends_with("_raw")) {
      EXPECT_GT(largest, 1e-3) << s.id;
    }
  }
}

TEST(SignalIds, AreUniqueAndHoldWhatIsRecordedBesideSeries) {
  std::set<std::string_view> ids;
  for (const Signal& signal : signals()) {
    for (const std::string_view id : ids_of(signal)) EXPECT_TRUE(ids.insert(id).second) << id;
  }
  EXPECT_TRUE(ids.contains("cka_matrix"));
  EXPECT_TRUE(ids.contains("adjacent_mi_half"));
}

// Bit patterns of everything recorded.
std::string bits(const Trace& trace) {
  std::string out;
  const auto add = [&](const std::vector<double>& values) {
    out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double));
  };
  for (const Series& s : trace.series) {
    out += s.id + to_string(s.tokens) + s.note;
    add(s.by_doc.data);
    add(s.weight);
    add(s.joint);
    add(s.joint_error);
  }
  for (const CkaRecord& cka : trace.cka) {
    out += to_string(cka.scale);
    add(cka.value.data);
    for (const Matrix& m : cka.replicates) add(m.data);
  }
  for (const SpectrumRecord& spectrum : trace.spectra) {
    add(spectrum.value.data);
    add(spectrum.multiplicity.data);
    add(spectrum.shrinkage);
  }
  for (const LensPassage& passage : trace.lens_passages) {
    for (const LensRow& row : passage.rows) {
      add(row.probability);
      for (const std::int32_t id : row.token_id) out += std::to_string(id) + " ";
    }
  }
  for (const StateCarrier& carrier : trace.carriers) {
    for (const CarrierDirection* direction : {&carrier.dimension, &carrier.component}) {
      add({double(direction->dimension), direction->share, direction->few_tokens, direction->few_size});
      for (const CarrierWord& word : direction->words)
        add({double(word.token_id), double(word.count), word.share});
    }
  }
  for (const SinkPath& path : trace.sink_paths) {
    add(path.length);
    add(path.ratio);
  }
  for (const SinkToken& sink : trace.sinks)
    add({double(sink.window), double(sink.position), sink.peak_ratio});
  return out;
}

TEST_F(Registry, ThreadsAndTheOrderOfWindowsDoNotChangeABit) {
  const std::string one = bits(run(1));
  EXPECT_EQ(one == bits(run(3)), true);
  std::vector<std::size_t> backwards(world.corpus.windows.size());
  std::iota(backwards.rbegin(), backwards.rend(), std::size_t{0});
  EXPECT_EQ(one == bits(run(1, backwards)), true);
  EXPECT_EQ(one == bits(run(3, backwards)), true);
  world.row(3, 200)[0] += 1.0f;  // and the comparison can fail
  EXPECT_EQ(one == bits(run(1)), false);
}

// docs/signals.md has one row "| `id` | axis | unit | range | group | ..." for each series.
std::map<std::string, std::vector<std::string>> documented() {
  std::ifstream file(test::repo_path("docs/signals.md"));
  std::map<std::string, std::vector<std::string>> rows;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("| `")) continue;
    std::vector<std::string> cells;
    std::istringstream text(line.substr(1));
    for (std::string cell; std::getline(text, cell, '|');) {
      const auto begin = cell.find_first_not_of(" `"), end = cell.find_last_not_of(" `");
      cells.push_back(begin == std::string::npos ? "" : cell.substr(begin, end - begin + 1));
    }
    EXPECT_TRUE(rows.emplace(cells[0], cells).second) << cells[0] << " twice";
  }
  return rows;
}

TEST_F(Registry, DocumentationHasOneRowForEachSeries) {
  const auto rows = documented();
  std::set<std::string> recorded;
  for (const Series& s : run(1).series) {
    recorded.insert(s.id);
    const auto row = rows.find(s.id);
    ASSERT_NE(row, rows.end()) << s.id << " is not in docs/signals.md";
    const auto& cells = row->second;
    ASSERT_EQ(cells.size(), 8u) << s.id;
    EXPECT_EQ(cells[1], to_string(s.axis)) << s.id;
    EXPECT_EQ(cells[2], s.unit) << s.id;
    EXPECT_EQ(cells[4], to_string(s.group)) << s.id;
    for (const std::string& cell : cells) EXPECT_FALSE(cell.empty()) << s.id;
  }
  for (const auto& [id, cells] : rows) EXPECT_TRUE(recorded.contains(id)) << id << " is no series";
}

}  // namespace
}  // namespace strata
