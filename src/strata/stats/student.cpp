#include "strata/stats/student.h"

#include <cmath>

#include "strata/base/error.h"
#include "strata/stats/special.h"

namespace strata::stats {

double student_cdf(double t, double freedom) {
  STRATA_CHECK(freedom > 0.0);
  const double tail = 0.5 * incomplete_beta(freedom / (freedom + t * t), freedom / 2.0, 0.5);
  return t > 0.0 ? 1.0 - tail : tail;
}

double student_quantile(double p, double freedom) {
  STRATA_CHECK(p > 0.0 && p < 1.0);
  if (p < 0.5) return -student_quantile(1.0 - p, freedom);
  double low = 0.0, high = 1.0;
  while (student_cdf(high, freedom) < p) high *= 2.0;
  for (int i = 0; i < 100 && high - low > 1e-12 * high; ++i) {
    const double middle = 0.5 * (low + high);
    (student_cdf(middle, freedom) < p ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace strata::stats
