// measure() by another backend: every number close to the processor's, and the same bytes whatever the
// threads.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "strata/record/run_directory.h"
#include "strata/sweep/measure.h"

namespace strata::test {

inline void expect_near(const Matrix& a, const Matrix& b, double relative, const std::string& what) {
  ASSERT_EQ(a.rows, b.rows) << what;
  ASSERT_EQ(a.cols, b.cols) << what;
  double scale = 0.0;
  for (std::size_t i = 0; i < a.rows * a.cols; ++i) {
    const double value = std::fabs(a(i / a.cols, i % a.cols));
    if (std::isfinite(value)) scale = std::max(scale, value);
  }
  for (std::size_t i = 0; i < a.rows * a.cols; ++i) {
    const double x = a(i / a.cols, i % a.cols), y = b(i / a.cols, i % a.cols);
    ASSERT_EQ(std::isnan(x), std::isnan(y)) << what << " " << i;
    if (std::isnan(x)) continue;
    ASSERT_NEAR(x, y, relative * scale + 1e-12) << what << " " << i;  // the KL of rounding alone
  }
}

// Each number within rounding of ours (float32 adds up in another order).
inline void expect_close_to_the_processor(const MeasureInput& input, MeasureOptions options,
                                          const Backend& backend) {
  const Trace ours = measure(input, options, {});
  options.compute.backend = &backend;
  const Trace theirs = measure(input, options, {});
  options.threads = 3;
  EXPECT_EQ(results_json({.trace = theirs, .findings = {}}),
            results_json({.trace = measure(input, options, {}), .findings = {}}));
  ASSERT_EQ(ours.series.size(), theirs.series.size());
  for (std::size_t i = 0; i < ours.series.size(); ++i)
    expect_near(ours.series[i].by_doc, theirs.series[i].by_doc, 1e-3, ours.series[i].id);
  ASSERT_EQ(ours.curves.size(), theirs.curves.size());
  bool same = true;
  for (std::size_t i = 0; i < ours.curves.size(); ++i) {
    const Matrix &a = ours.curves[i].kl_nats, &b = theirs.curves[i].kl_nats;
    expect_near(a, b, 1e-3, ours.curves[i].intervention);
    for (std::size_t k = 0; k < a.rows * a.cols; ++k) {
      const double x = a(k / a.cols, k % a.cols), y = b(k / a.cols, k % a.cols);
      same = same && (x == y || std::isnan(x));
    }
  }
  EXPECT_FALSE(same) << "both were computed by the same code";
}

}  // namespace strata::test
