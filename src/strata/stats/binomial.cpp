#include "strata/stats/binomial.h"

#include "strata/base/error.h"
#include "strata/stats/special.h"

namespace strata::stats {
namespace {

// The p with I_p(a, b) = share, by bisection.
double beta_quantile(double share, double a, double b) {
  double low = 0.0, high = 1.0;
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (incomplete_beta(middle, a, b) < share ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace

ShareInterval clopper_pearson(std::size_t hits, std::size_t trials) {
  STRATA_CHECK(hits <= trials);
  if (trials == 0) return {};
  constexpr double kTail = 0.025;
  const auto h = static_cast<double>(hits), misses = static_cast<double>(trials - hits);
  return {hits == 0 ? 0.0 : beta_quantile(kTail, h, misses + 1.0),
          hits == trials ? 1.0 : beta_quantile(1.0 - kTail, h + 1.0, misses)};
}

}  // namespace strata::stats
