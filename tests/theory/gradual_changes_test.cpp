// Signals that make half of their way in few blocks, by hand.
#include "strata/theory/gradual_changes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace strata {
namespace {

constexpr int kGradualBlocks = 30;  // start-up: blocks 0 to 4

void add(Trace& trace, const char* id, Axis axis, Group group,
         const std::function<double(int block)>& value) {
  Series series{.id = id, .unit = "nat", .axis = axis, .group = group, .tokens = TokenSet::ordinary};
  const int shift = axis == Axis::state ? 1 : 0;
  series.by_doc = Matrix(2, static_cast<std::size_t>(kGradualBlocks + shift));
  series.weight = {1.0, 3.0};
  for (int t = 0; t < kGradualBlocks + shift; ++t) {
    const double x = value(std::max(0, t - shift));
    series.by_doc(0, static_cast<std::size_t>(t)) = x + 3.0;  // the weighted mean is x
    series.by_doc(1, static_cast<std::size_t>(t)) = x - 1.0;
  }
  trace.series.push_back(std::move(series));
}

double late_fall(int block) {
  return block < 20 ? 12.0 : block < 24 ? 12.0 - 2.0 * (block - 19) : 4.0;  // 2 a block, blocks 20 to 23
}

Trace empty() {
  Trace trace;
  trace.model.n_layers = kGradualBlocks;
  return trace;
}

TEST(GradualChanges, TheBlocksThatMakeHalfOfTheWay) {
  Trace trace = empty();
  add(trace, "lens_kl", Axis::state, Group::output, late_fall);
  const auto changes = gradual_changes(trace);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].signal, "lens_kl");
  EXPECT_DOUBLE_EQ(changes[0].before, 12.0);
  EXPECT_DOUBLE_EQ(changes[0].after, 4.0);
  EXPECT_EQ(changes[0].first, 20);  // the first two of the four
  EXPECT_EQ(changes[0].last, 21);
}

TEST(GradualChanges, AStraightLineAndAWayBackAreNone) {
  Trace trace = empty();
  add(trace, "matrix_entropy", Axis::state, Group::information, [](int l) { return 0.1 * l; });
  add(trace, "cka_shift", Axis::block, Group::representation,
      [](int l) { return l >= 12 && l < 18 ? 5.0 : 0.1 * (l % 2); });
  add(trace, "residual_rms", Axis::state, Group::control, late_fall);
  EXPECT_TRUE(gradual_changes(trace).empty());
}

TEST(GradualChanges, OneOfAGroupAndNoneInTheStartUpOrTheLastBlock) {
  Trace trace = empty();
  add(trace, "lens_kl", Axis::state, Group::output, late_fall);
  add(trace, "lens_entropy", Axis::state, Group::output, [](int l) { return l < 15 ? 9.0 : 3.0; });
  add(trace, "attention_distance", Axis::block, Group::attention,
      [](int l) { return l < 4 ? 1.0 : 0.01 * l; });
  add(trace, "update_ratio", Axis::block, Group::representation,
      [](int l) { return l == 29 ? 9.0 : 0.01 * l; });
  const auto changes = gradual_changes(trace);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].signal, "lens_entropy");  // one block, lens_kl takes two
  EXPECT_EQ(changes[0].first, 15);
  EXPECT_EQ(changes[0].last, 15);
}

}  // namespace
}  // namespace strata
