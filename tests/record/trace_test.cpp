#include "strata/record/trace.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/synthetic_run.h"

namespace strata {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Matrix column(const std::vector<double>& values) {
  Matrix matrix(values.size(), 1);
  matrix.data = values;
  return matrix;
}

TEST(Trace, EqualWeightsGiveTheTextbookMeanAndStandardError) {
  const Matrix values = column({1, 2, 3, 6});
  EXPECT_DOUBLE_EQ(weighted_mean(values, {5, 5, 5, 5})[0], 3.0);
  // s^2 = (4 + 1 + 0 + 9) / 3, and its root over sqrt(4).
  EXPECT_DOUBLE_EQ(weighted_standard_error(values, {5, 5, 5, 5})[0], std::sqrt(14.0 / 3.0) / 2.0);
}

TEST(Trace, WeightsCountAsTokens) {
  EXPECT_DOUBLE_EQ(weighted_mean(column({1, 4}), {1, 2})[0], 3.0);
  // r = 3: w (x - r) = -2 and 2; sqrt(2/1 * 8) / 3.
  EXPECT_DOUBLE_EQ(weighted_standard_error(column({1, 4}), {1, 2})[0], 4.0 / 3.0);
}

// The jackknife estimates the same standard error by another route.
TEST(Trace, StandardErrorAgreesWithTheJackknife) {
  const std::vector<double> x{1.0, 1.3, 0.8, 1.1, 0.9, 1.25, 1.05, 0.7, 1.4, 1.0};
  const std::vector<double> w{90, 100, 110, 95, 105, 100, 120, 80, 100, 100};
  const double full = weighted_mean(column(x), w)[0];
  double square = 0;
  for (std::size_t out = 0; out < x.size(); ++out) {
    auto kept = w;
    kept[out] = 0;
    square += std::pow(weighted_mean(column(x), kept)[0] - full, 2);
  }
  const double n = static_cast<double>(x.size());
  EXPECT_NEAR(weighted_standard_error(column(x), w)[0] / std::sqrt((n - 1) / n * square), 1.0, 0.03);
}

TEST(Trace, UndefinedRowsAreLeftOut) {
  EXPECT_DOUBLE_EQ(weighted_mean(column({1, kNan, 3, 100}), {1, 1, 1, 0})[0], 2.0);
  EXPECT_TRUE(std::isnan(weighted_mean(column({kNan, 3}), {1, 0})[0]));
  EXPECT_TRUE(std::isnan(weighted_standard_error(column({2, kNan}), {1, 1})[0]));
  EXPECT_THROW((void)weighted_mean(column({1, 2}), {1}), std::logic_error);
}

TEST(Trace, FindsByIdAndTokenSet) {
  const strata::Run run = test::tiny_run();
  EXPECT_EQ(find_series(run.trace, "angular_step", TokenSet::all), &run.trace.series[1]);
  EXPECT_EQ(find_series(run.trace, "residual_rms", TokenSet::all), nullptr);
  EXPECT_EQ(find_series(run.trace, "angular", TokenSet::all), nullptr);
  EXPECT_EQ(find_cka(run.trace, TokenSet::all), nullptr);
  const strata::Run full = test::synthetic_run(12);
  EXPECT_EQ(find_cka(full.trace, TokenSet::all), &full.trace.cka[1]);
  EXPECT_EQ(find_cka(full.trace, TokenSet::ordinary, StateScale::raw), &full.trace.cka[2]);
  EXPECT_EQ(find_cka(full.trace, TokenSet::all, StateScale::raw), nullptr);
}

TEST(Trace, CkaOfDirectionsGoesBeforeThatOfRawStates) {
  Trace trace;
  trace.cka = {{.tokens = TokenSet::ordinary, .scale = StateScale::raw, .note = ""},
               {.tokens = TokenSet::ordinary, .scale = StateScale::token_rms, .note = ""}};
  EXPECT_EQ(find_cka(trace, TokenSet::ordinary), &trace.cka[1]);
  trace.cka.pop_back();  // a file from before there was a choice
  EXPECT_EQ(find_cka(trace, TokenSet::ordinary), &trace.cka[0]);
  EXPECT_EQ(find_cka(trace, TokenSet::all), nullptr);
}

TEST(Trace, ReplicatesOfBothShifts) {
  const strata::Run full = test::synthetic_run(12);
  Series shift{
      .id = "cka_shift", .unit = "1", .by_doc = {}, .weight = {}, .joint = {}, .joint_error = {}, .note = ""};
  EXPECT_EQ(joint_replicate(full.trace, shift, 2)[3], 1.0 - full.trace.cka[0].replicates[2](3, 4));
  shift.id = "cka_shift_raw";
  EXPECT_EQ(joint_replicate(full.trace, shift, 2)[3], 1.0 - full.trace.cka[2].replicates[2](3, 4));
  shift.id = "angular_step";
  EXPECT_TRUE(joint_replicate(full.trace, shift, 2).empty());
}

TEST(Trace, EnumNamesAreDistinct) {
  EXPECT_STREQ(to_string(Axis::edge), "edge");
  EXPECT_STREQ(to_string(TokenSet::ordinary), "ordinary");
  EXPECT_STREQ(to_string(StateScale::token_rms), "token_rms");
  EXPECT_STREQ(to_string(Group::control), "control");
}

}  // namespace
}  // namespace strata
