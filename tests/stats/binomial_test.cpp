#include "strata/stats/binomial.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

namespace strata::stats {
namespace {

// P(X <= hits) summed term by term.
double lower_tail(std::size_t hits, std::size_t n, double p) {
  double sum = 0.0, choose = 1.0;
  for (std::size_t k = 0; k <= hits; ++k) {
    sum += choose * std::pow(p, static_cast<double>(k)) * std::pow(1.0 - p, static_cast<double>(n - k));
    choose *= static_cast<double>(n - k) / static_cast<double>(k + 1);
  }
  return sum;
}

// At its ends the tails beyond the count hold 2.5%.
TEST(ClopperPearson, TailsAtItsEnds) {
  for (const std::size_t n : {7u, 60u, 200u}) {
    for (std::size_t hits = 1; hits < n; hits += 3) {
      const auto interval = clopper_pearson(hits, n);
      EXPECT_NEAR(lower_tail(hits, n, interval.hi), 0.025, 1e-7);
      EXPECT_NEAR(1.0 - lower_tail(hits - 1, n, interval.lo), 0.025, 1e-7);
    }
  }
}

TEST(ClopperPearson, NoneAndAll) {
  EXPECT_EQ(clopper_pearson(0, 200).lo, 0.0);
  EXPECT_NEAR(clopper_pearson(0, 200).hi, 1.0 - std::pow(0.025, 1.0 / 200.0), 1e-10);
  EXPECT_NEAR(clopper_pearson(200, 200).lo, std::pow(0.025, 1.0 / 200.0), 1e-10);
  EXPECT_EQ(clopper_pearson(200, 200).hi, 1.0);
  EXPECT_EQ(clopper_pearson(0, 0).hi, 1.0);
  EXPECT_THROW((void)clopper_pearson(3, 2), std::logic_error);
}

}  // namespace
}  // namespace strata::stats
