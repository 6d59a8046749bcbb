#include "strata/calibration/calibrate.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "strata/base/error.h"
#include "strata/calibration/cells.h"
#include "strata/calibration/trial.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

CalibrationOptions brief() {
  CalibrationOptions options;
  options.trials = 6;
  options.layers = {16};
  options.surrogates = 39;
  options.bootstraps = 20;
  return options;
}

const CalibrationRow* find_row(const std::vector<CalibrationRow>& rows, const std::string& cell,
                               const std::string& detector, const std::string& measure) {
  for (const CalibrationRow& row : rows) {
    if (row.cell == cell && row.detector == detector && row.measure == measure) return &row;
  }
  return nullptr;
}

TEST(Cells, EvenEdgesByHand) {
  EXPECT_EQ(even_edges(16, 2), (std::vector<int>{5, 11}));  // 5.33, 10.67
  EXPECT_EQ(even_edges(16, 3), (std::vector<int>{4, 8, 12}));
  EXPECT_EQ(even_edges(80, 1), std::vector<int>{40});
  EXPECT_TRUE(even_edges(12, 0).empty());
}

TEST(Cells, EverySegmentOfABarIsLongEnough) {
  CalibrationOptions options;
  for (const CalibrationCell& cell : calibration_cells(options)) {
    int begin = 0;
    for (const int edge : cell.spec.edges) {
      EXPECT_GE(6 * (edge - begin), cell.spec.n_layers) << cell.name;
      begin = edge;
    }
    EXPECT_GE(6 * (cell.spec.n_layers - begin), cell.spec.n_layers) << cell.name;
  }
}

TEST(Calibrate, SameRowsWithAnyNumberOfThreads) {
  CalibrationOptions options = brief();
  options.trials = 3;
  options.threads = 1;
  const auto one = calibration_csv(calibrate(options));
  options.threads = 3;
  EXPECT_EQ(calibration_csv(calibrate(options)), one);
  options.seed = 1;
  EXPECT_NE(calibration_csv(calibrate(options)), one);
}

TEST(Calibrate, FewerLayersOrDetectorsLeaveTheOthersAsTheyAre) {
  CalibrationOptions options = brief();
  options.trials = 3;
  options.kinds = {"recovery"};
  options.layers = {12, 16};
  const auto both = calibrate(options);
  options.layers = {16};
  options.detectors = {"signals"};
  for (const CalibrationRow& row : calibrate(options)) {
    int same = 0;
    for (const CalibrationRow& other : both) {
      if (other.cell != row.cell || other.detector != row.detector || other.measure != row.measure) continue;
      if (other.spec.n_layers != row.spec.n_layers) continue;
      ++same;
      EXPECT_EQ(other.hits, row.hits);
    }
    EXPECT_EQ(same, 1);
  }
}

int count(const CalibrationCell& cell, const std::string& detector, std::size_t measure, int trials) {
  int hits = 0;
  for (int i = 0; i < trials; ++i)
    hits += run_trial(cell, {detector}, i, brief())[0][measure].value() ? 1 : 0;
  return hits;
}

// What is easy to see is seen, and what is not there is not.
TEST(Calibrate, SeesStepsAndNoTrend) {
  const CalibrationCell steps{"recovery",
                              "steps",
                              {.n_layers = 28,
                               .edges = even_edges(28, 2),
                               .signals = 8,
                               .contrast = 10.0,
                               .replicates = 0,
                               .own_scale = true}};
  EXPECT_GE(count(steps, "either", 2, 6), 5);
  EXPECT_GE(count(steps, "kernel_cka", 2, 6), 5);
  CalibrationOptions options = brief();
  options.layers = {28};
  options.kinds = {"null"};
  options.trials = 8;
  options.threads = 2;
  for (const CalibrationRow& row : calibrate(options)) {
    EXPECT_EQ(row.trials, 8);
    if (row.cell == "white noise" || row.cell == "linear trend" || row.cell == "published shapes") {
      EXPECT_LE(row.hits, 2) << row.cell << " " << row.detector;
    }
  }
}

TEST(Calibrate, PublishedShapesWithLargeStepsAreSeen) {
  CalibrationOptions options = brief();
  options.layers = {28};
  options.kinds = {"published"};
  const auto rows = calibrate(options);
  const CalibrationRow* row = find_row(rows, "6 sigma, 0% in common", "either", "within_one");
  ASSERT_NE(row, nullptr);
  EXPECT_GE(row->hits, 5);
  row = find_row(rows, "6 sigma, 0% in common", "either", "right_k");
  EXPECT_EQ(row->bar, 0.9);
  EXPECT_EQ(find_row(rows, "3 sigma, 70% in common", "either", "right_k")->bar, 0.6);
  EXPECT_FALSE(find_row(rows, "6 sigma, 0% in common", "signals", "right_k")->bar.has_value());
}

// The forced split of a nearly clean straight line is at thirds.
TEST(Calibrate, AForcedSplitOfALineIsNearThirds) {
  const CalibrationCell cell{
      "rules", "line", {.n_layers = 24, .shape = PlantedShape::linear, .contrast = 100.0, .replicates = 0}};
  EXPECT_EQ(count(cell, "kernel_cka", 0, 6), 6);
  EXPECT_EQ(count(cell, "fused", 0, 6), 6);
}

// An interval is asked for only where the boundary was found.
TEST(Calibrate, CoverageCountsFoundBoundaries) {
  PlantedSpec spec{.n_layers = 28, .edges = even_edges(28, 2), .contrast = 10.0, .own_scale = true};
  const auto found = run_trial({"coverage", "", spec}, {"either"}, 0, brief())[0];
  ASSERT_TRUE(found[0].has_value());
  EXPECT_TRUE(*found[0]);
  spec.contrast = 0.0;
  EXPECT_FALSE(run_trial({"coverage", "", spec}, {"either"}, 0, brief())[0][0].has_value());
}

TEST(Calibrate, IntervalsAndBars) {
  CalibrationRow row{.trials = 20};
  row.hits = 18;
  EXPECT_TRUE(row.meets_bar());  // no bar
  row.bar = 0.9;
  EXPECT_TRUE(row.meets_bar());
  row.hits = 17;
  EXPECT_FALSE(row.meets_bar());
  row.bar_is_upper = true;
  EXPECT_TRUE(row.meets_bar());
  PlantedSpec spec{.n_layers = 16, .edges = {5, 11}};
  EXPECT_EQ(measures_of({"recovery", "", spec}, "either")[0].bar, 0.9);
  spec.signals = 2;
  EXPECT_FALSE(measures_of({"power", "", spec}, "either")[0].bar.has_value());
  spec.signals = 4;
  spec.n_layers = 12;
  EXPECT_FALSE(measures_of({"recovery", "", spec}, "either")[0].bar.has_value());
  spec.n_layers = 16;
  spec.contrast = 2.0;
  EXPECT_FALSE(measures_of({"recovery", "", spec}, "either")[0].bar.has_value());
  EXPECT_EQ(measures_of({"null", "", spec}, "either")[0].bar, 0.05);
  EXPECT_FALSE(measures_of({"null", "", spec}, "states")[0].bar.has_value());
}

// A network source without an engine: steps where the blocks say, as if it had been run.
TEST(Calibrate, NetworksAreAKindOnlyWhereTheyCanBeRun) {
  CalibrationOptions options = brief();
  options.kinds = {"networks", "random"};
  EXPECT_STRATA_ERROR((void)calibrate(options), ErrorKind::usage, "networks");
  options.trials = 3;
  options.detectors = {"kernel_cka"};
  options.network = [](const PlantedSpec& spec, const std::vector<PlantedBlock>& blocks) {
    EXPECT_EQ(blocks.size(), 16u);
    return planted_trace({.n_layers = spec.n_layers, .edges = spec.edges, .seed = spec.seed});
  };
  const auto rows = calibrate(options);
  const CalibrationRow* found = find_row(rows, "jumps of the state, 2 boundaries", "kernel_cka", "recovered");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->hits, 3);
  EXPECT_NE(find_row(rows, "regimes of the blocks, 3 boundaries", "kernel_cka", "coverage_90"), nullptr);
  ASSERT_NE(find_row(rows, "random weights", "kernel_cka", "false_boundary"), nullptr);
}

TEST(PlantedBlocks, TheOpeningBlockStandsOutOrItsSegmentDoes) {
  PlantedSpec spec{.n_layers = 8, .shape = PlantedShape::network, .edges = {3, 6}, .contrast = 4.0};
  const auto jumps = planted_blocks(spec);
  spec.shape = PlantedShape::regimes;
  const auto regimes = planted_blocks(spec);
  for (std::size_t l = 0; l < 8; ++l) {
    const bool opens = l == 3 || l == 6, odd = l >= 3 && l < 6;
    EXPECT_EQ(jumps[l].write, opens ? 2.0 : 0.5) << l;
    EXPECT_EQ(jumps[l].query, odd ? 4.0 : 1.0) << l;
    EXPECT_EQ(regimes[l].write, odd ? 2.0 : 1.0) << l;
    EXPECT_EQ(regimes[l].query, odd ? 4.0 : 1.0) << l;
  }
  spec.edges.clear();
  for (const PlantedBlock& block : planted_blocks(spec))
    EXPECT_TRUE(block.query == 1.0 && block.write == 1.0);
}

TEST(CalibrationPlots, OneMarkForEachRowInItsPlace) {
  CalibrationRow row;
  row.kind = "null";
  row.cell = "a < b";
  row.detector = "fused";
  row.measure = "false_boundary";
  row.hits = 5;
  row.trials = 100;
  row.interval_95 = {0.02, 0.09};
  row.bar = 0.05;
  CalibrationRow other = row;
  other.detector = "kernel_cka";
  const std::string svg = calibration_svg({row, other}, "null", "false_boundary", "title");
  // The axis ends at 10%: 230 + 420 * 0.5 for the mark and the bar.
  EXPECT_NE(svg.find("cx=\"440.0\""), std::string::npos) << svg;
  EXPECT_NE(svg.find("x1=\"440.0\" x2=\"440.0\""), std::string::npos) << svg;
  EXPECT_NE(svg.find("x1=\"314.0\" x2=\"608.0\""), std::string::npos) << svg;
  EXPECT_NE(svg.find("a &lt; b"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(calibration_svg({row}, "power", "right_k", ""), "");
  const auto plots = calibration_plots({row, other});
  ASSERT_EQ(plots.size(), 1u);
  EXPECT_EQ(plots[0].first, "nulls.svg");
}

TEST(Calibrate, FilesHoldEveryRow) {
  CalibrationOptions options = brief();
  options.trials = 2;
  const auto rows = calibrate(options);
  const auto json = nlohmann::json::parse(calibration_json(options, rows));
  ASSERT_EQ(json["rows"].size(), rows.size());
  EXPECT_EQ(json["trials"], 2);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(json["rows"][i]["hits"], rows[i].hits);
    EXPECT_EQ(json["rows"][i]["measure"], rows[i].measure);
    EXPECT_EQ(json["rows"][i]["bar"].is_null(), !rows[i].bar.has_value());
  }
  const std::string csv = calibration_csv(rows);
  EXPECT_EQ(static_cast<std::size_t>(std::count(csv.begin(), csv.end(), '\n')), rows.size() + 1);
  const std::string text = calibration_text(rows);
  EXPECT_NE(text.find("bars met"), std::string::npos);
}

TEST(Calibrate, RefusesNonsense) {
  const auto refused = [](const auto& change, const std::string& says) {
    CalibrationOptions options = brief();
    change(options);
    EXPECT_STRATA_ERROR((void)calibrate(options), ErrorKind::usage, says);
  };
  refused([](CalibrationOptions& o) { o.trials = 0; }, "trials");
  refused([](CalibrationOptions& o) { o.surrogates = 18; }, "surrogates");
  refused([](CalibrationOptions& o) { o.bootstraps = 0; }, "replicates");
  refused([](CalibrationOptions& o) { o.layers = {}; }, "layers");
  refused([](CalibrationOptions& o) { o.layers = {5}; }, "layers");
  refused([](CalibrationOptions& o) { o.detectors = {"eye"}; }, "eye");
  refused([](CalibrationOptions& o) { o.kinds = {}; }, "kinds");
}

}  // namespace
}  // namespace strata
