// The split of absolute sensitivity into function and scale, on records whose parts are known.
#include "strata/theory/split.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/theory/synthetic_trace.h"

namespace strata {
namespace {

using test::trace_with_documents;

void add_series(Trace& trace, const char* id, const std::vector<double>& by_doc) {
  Series series{.id = id, .axis = Axis::state, .by_doc = Matrix(by_doc.size(), 2), .weight = {}};
  for (std::size_t d = 0; d < by_doc.size(); ++d) {
    series.by_doc(d, 0) = series.by_doc(d, 1) = by_doc[d];
    series.weight.push_back(1.0);
  }
  trace.series.push_back(series);
}

// Documents of 10 and 30 lane tokens, a third outside the lanes.
TEST(Split, ByHand) {
  Trace trace = trace_with_documents({10, 30, 0}, 1);
  EXPECT_TRUE(split_states(trace).empty());
  add_series(trace, "sensitivity", {4.0, 8.0, NAN});
  add_series(trace, "sensitivity_absolute", {1.0, 0.5, NAN});
  EXPECT_EQ(split_states(trace)[0].note, "no median RMS: the signal residual_rms was not measured");
  add_series(trace, "residual_rms", {1.0, 3.0, 100.0});
  const auto splits = split_states(trace);
  ASSERT_EQ(splits.size(), 2u);
  const StateSplit& s = splits[1];
  EXPECT_EQ(s.state, 1);
  EXPECT_DOUBLE_EQ(s.kappa, 7.0);
  EXPECT_DOUBLE_EQ(s.absolute, 0.625);
  EXPECT_DOUBLE_EQ(s.rms_effective, std::sqrt(7.0 / 0.625));
  EXPECT_DOUBLE_EQ(s.rms_median, 2.5);
  EXPECT_DOUBLE_EQ(s.correlation, std::log(s.rms_effective / 2.5));
  EXPECT_EQ(s.rms_effective_by_doc[0], 2.0);
  EXPECT_EQ(s.rms_effective_by_doc[1], 4.0);
  EXPECT_TRUE(std::isnan(s.rms_effective_by_doc[2]));
  EXPECT_TRUE(std::isnan(s.rms_median_by_doc[2]));  // not in the lane sample
  EXPECT_EQ(s.note, "");
}

TEST(Split, OfAGapAddsUp) {
  const Sensitivity a{.kappa = 3.0, .absolute = 0.7, .rms_median = 1.5};
  const Sensitivity b{.kappa = 11.0, .absolute = 40.0, .rms_median = 0.9};
  const GapSplit gap = split_gap(a, b);
  EXPECT_DOUBLE_EQ(gap.absolute, std::log(40.0 / 0.7));
  EXPECT_DOUBLE_EQ(gap.function, std::log(11.0 / 3.0));
  EXPECT_NEAR(gap.absolute, gap.function + gap.scale, 1e-12);
  EXPECT_NEAR(gap.scale, gap.plain_scale + gap.correlation, 1e-12);
  EXPECT_DOUBLE_EQ(gap.plain_scale, -2.0 * std::log(0.9 / 1.5));
  EXPECT_TRUE(std::isnan(split_gap(a, {.kappa = 0.0, .absolute = 1.0, .rms_median = 1.0}).scale));
}

// The same function on a residual 32 times as large: all of the gap is scale, none correlation.
TEST(Split, APureChangeOfScale) {
  const Sensitivity large{.kappa = 3.0, .absolute = 0.25, .rms_median = 32.0};
  const Sensitivity small{.kappa = 3.0, .absolute = 256.0, .rms_median = 1.0};
  const GapSplit gap = split_gap(large, small);
  EXPECT_DOUBLE_EQ(std::exp(gap.absolute), 1024.0);
  EXPECT_EQ(gap.function, 0.0);
  EXPECT_NEAR(gap.correlation, 0.0, 1e-12);
}

}  // namespace
}  // namespace strata
