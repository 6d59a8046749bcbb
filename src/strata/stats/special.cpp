#include "strata/stats/special.h"

#include <unsupported/Eigen/SpecialFunctions>

#include "strata/base/error.h"

namespace strata::stats {

double incomplete_beta(double x, double a, double b) {
  STRATA_CHECK(a > 0.0 && b > 0.0);
  if (x <= 0.0) return 0.0;
  if (x >= 1.0) return 1.0;
  return Eigen::numext::betainc(a, b, x);
}

double incomplete_gamma(double a, double x) {
  STRATA_CHECK(a > 0.0);
  return x <= 0.0 ? 0.0 : Eigen::numext::igamma(a, x);
}

double normal_quantile(double p) {
  STRATA_CHECK(p > 0.0 && p < 1.0);
  return Eigen::numext::ndtri(p);
}

}  // namespace strata::stats
