#include "strata/calibration/trained.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "strata/calibration/calibrate.h"

namespace strata {
namespace {

TEST(TrainedPlan, EdgesAreWhereTheBlocksChange) {
  for (int trial = 0; trial < 9; ++trial) {
    const auto seed = static_cast<std::uint64_t>(trial);
    const TrainedPlan three = plan_trained(TrainedKind::three_blocks, 24, trial, seed, {12, 8});
    EXPECT_EQ(three.model, static_cast<std::size_t>(trial % 2));
    ASSERT_EQ(three.edges.size(), 2u);
    EXPECT_LE(std::abs(three.edges[0] - 8), 1);
    EXPECT_LE(std::abs(three.edges[1] - 16), 1);
    for (int l = 1; l < 24; ++l) {
      const bool edge = l == three.edges[0] || l == three.edges[1];
      EXPECT_EQ(three.blocks[static_cast<std::size_t>(l)].source !=
                    three.blocks[static_cast<std::size_t>(l - 1)].source,
                edge);
    }
    const TrainedPlan middle = plan_trained(TrainedKind::near_identity, 24, trial, seed, {12, 8});
    for (int l = 0; l < 24; ++l) {
      const bool changed = l >= middle.edges[0] && l < middle.edges[1];
      EXPECT_EQ(middle.blocks[static_cast<std::size_t>(l)].write, changed ? 0.02 : 1.0);
    }
    EXPECT_TRUE(plan_trained(TrainedKind::random_order, 24, trial, seed, {12, 8}).edges.empty());
  }
}

TEST(TrainedPlan, OneBlockRepeatedGoesThroughAllBlocks) {
  std::set<int> seen;
  for (int trial = 0; trial < 24; trial += 2)
    seen.insert(plan_trained(TrainedKind::one_block, 24, trial, 1, {12, 12}).blocks[0].source);
  EXPECT_EQ(seen.size(), 12u);
}

TEST(Oracle, SeesAStepAndNoNoise) {
  const PlantedSpec spec{.n_layers = 24, .edges = {8, 16}, .contrast = 10.0, .replicates = 0};
  EXPECT_EQ(edges_that_show(planted_trace(spec), {8, 16}), (std::vector<bool>{true, true}));
  int false_ones = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const PlantedSpec flat{.n_layers = 24, .edges = {}, .replicates = 0, .seed = seed};
    false_ones += edges_that_show(planted_trace(flat), {12})[0] ? 1 : 0;
  }
  EXPECT_LE(false_ones, 13);  // 5% and four standard errors
}

// A source without an engine: the record is planted as the plan says.
TEST(Trained, RecoversWhatTheOracleSees) {
  CalibrationOptions options;
  options.kinds = {"trained", "trained_null"};
  options.layers = {28};
  options.trials = 2;
  options.surrogates = 39;
  options.bootstraps = 10;
  options.detectors = {"either"};
  options.trained = TrainedModels{.names = {"a"}, .n_blocks = {12}, .run = [](const TrainedPlan& plan) {
                                    const int n = static_cast<int>(plan.blocks.size());
                                    return planted_trace({.n_layers = n,
                                                          .edges = plan.edges,
                                                          .signals = 8,
                                                          .contrast = 12.0,
                                                          .seed = plan.seed,
                                                          .own_scale = true});
                                  }};
  int recovered = 0, cells = 0;
  for (const CalibrationRow& row : calibrate(options)) {
    if (row.measure == "recovered") {
      recovered += row.hits;
      ++cells;
      EXPECT_EQ(row.trials, 2);
    }
    if (row.measure == "all_edges_show") {
      EXPECT_EQ(row.hits, 2) << row.cell;
    }
  }
  EXPECT_EQ(cells, 8);
  EXPECT_GE(recovered, 14);
}

}  // namespace
}  // namespace strata
