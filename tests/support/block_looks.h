// One window through one block with every hook that looks into it set, and with parts of the block left out:
// what backends are compared by.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "strata/model/block.h"
#include "tests/support/float_values.h"

namespace strata::test {

struct LeftOut {
  bool mixer = false, feed_forward = false;
  std::int64_t expert = -1;
};

struct BlockLooks {
  std::vector<float> out, directions;  // (tokens, d); directions of a mixture
  Routing routing;
  std::vector<double>
      statistics;  // of the delta rule: decay, strength, memory, surprise; else the window's edge
};

[[nodiscard]] inline BlockLooks look_into(const BlockWeights& weights, const RopeTable& rope,
                                          const std::vector<float>& h, const LeftOut& left_out,
                                          const Routing* frozen = nullptr) {
  const std::int64_t n = std::ssize(h) / weights.block.hidden;
  BlockLooks looks{.out = std::vector<float>(h.size())};
  std::vector<double> buffer(static_cast<std::size_t>(5 * n), 0.0);
  const std::vector<float> keep(static_cast<std::size_t>(n), 1.0f);
  const auto part = [&](std::int64_t i) {
    return std::span(buffer).subspan(static_cast<std::size_t>(i * n), static_cast<std::size_t>(n));
  };
  const AttentionSums attention{
      .keep = keep,
      .distance_all = part(0),
      .entropy_all = part(1),
      .distance_reduced = part(2),
      .entropy_reduced = part(3),
      .window_edge = weights.block.attention.window > 0 ? part(4) : part(4).first(0)};
  const DeltaSums delta{.decay = part(0), .strength = part(1), .memory = part(2), .surprise = part(3)};
  const bool is_delta = weights.block.mixer == Mixer::delta_rule;
  BlockHooks hooks(is_delta ? nullptr : &attention);
  if (is_delta) hooks.delta_sums = &delta;
  if (weights.block.feed_forward.experts > 0) {
    looks.directions.assign(h.size(), -1.0f);
    hooks.expert_directions = looks.directions.data();
    if (frozen == nullptr) hooks.routing = &looks.routing;
    hooks.frozen_routing = frozen;
  }
  hooks.skip_mixer = left_out.mixer;
  hooks.skip_feed_forward = left_out.feed_forward;
  hooks.dropped_expert = left_out.expert;
  BlockScratch scratch;
  forward_block(weights, rope, h.data(), looks.out.data(), n, scratch, hooks);
  const auto shown = is_delta ? std::span(buffer).first(static_cast<std::size_t>(4 * n)) : part(4);
  looks.statistics.assign(shown.begin(), shown.end());
  return looks;
}

inline void expect_same_looks(const BlockLooks& theirs, const BlockLooks& ours, double tolerance) {
  EXPECT_LT(relative_difference(theirs.out, ours.out), tolerance);
  EXPECT_EQ(theirs.routing.chosen, ours.routing.chosen);
  if (!ours.routing.chosen.empty()) {
    EXPECT_LT(relative_difference(theirs.routing.probability, ours.routing.probability), tolerance);
    EXPECT_LT(relative_difference(theirs.routing.weight, ours.routing.weight), tolerance);
  }
  ASSERT_EQ(theirs.directions.size(), ours.directions.size());
  if (!ours.directions.empty()) {
    EXPECT_LT(relative_difference(theirs.directions, ours.directions), 4.0 * tolerance);
  }
  ASSERT_EQ(theirs.statistics.size(), ours.statistics.size());
  for (std::size_t i = 0; i < ours.statistics.size(); ++i) {
    ASSERT_EQ(std::isnan(theirs.statistics[i]), std::isnan(ours.statistics[i])) << i;
    if (!std::isnan(ours.statistics[i])) {
      EXPECT_NEAR(theirs.statistics[i], ours.statistics[i],
                  4.0 * tolerance * std::max(1.0, std::fabs(ours.statistics[i])))
          << i;
    }
  }
}

/// All of it, for a block and another backend's copy of it.
inline void expect_same_hooks(const BlockWeights& theirs, const BlockWeights& ours, const RopeTable& rope,
                              const std::vector<float>& h, double tolerance) {
  const BlockLooks whole = look_into(ours, rope, h, {});
  expect_same_looks(look_into(theirs, rope, h, {}), whole, tolerance);
  for (const LeftOut& part : {LeftOut{.mixer = true}, LeftOut{.feed_forward = true},
                              LeftOut{.mixer = true, .feed_forward = true}}) {
    BlockLooks some = look_into(ours, rope, h, part), other = look_into(theirs, rope, h, part);
    EXPECT_GT(relative_difference(some.out, whole.out), 1e-2);
    if (part.mixer && part.feed_forward) {
      EXPECT_EQ(some.out, h);
      EXPECT_EQ(other.out, h);
    }
    if (part.mixer) some.statistics = other.statistics = {};  // nothing fills them
    if (part.feed_forward) some.directions = other.directions = {};
    expect_same_looks(other, some, tolerance);
  }
  if (ours.block.feed_forward.experts == 0) return;
  const std::int64_t expert = whole.routing.chosen.front();
  const BlockLooks dropped = look_into(ours, rope, h, {.expert = expert});
  EXPECT_GT(relative_difference(dropped.out, whole.out), 1e-3);
  expect_same_looks(look_into(theirs, rope, h, {.expert = expert}), dropped, tolerance);
  // The routes of another window.
  const Routing other = look_into(ours, rope, random_values(std::ssize(h), 77), {}).routing;
  const BlockLooks frozen = look_into(ours, rope, h, {}, &other);
  EXPECT_GT(relative_difference(frozen.out, whole.out), 1e-3);
  expect_same_looks(look_into(theirs, rope, h, {}, &other), frozen, tolerance);
}

}  // namespace strata::test
