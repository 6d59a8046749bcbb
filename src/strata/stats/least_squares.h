// Least squares with a handful of columns: what is left after a regression, and the shares of variance.
#pragma once

#include <span>
#include <vector>

namespace strata::stats {

/// One column of a design matrix; all of one length.
using Column = std::vector<double>;

struct Regression {
  std::vector<double> residual;
  double sse = 0.0;
  int rank = 0;  ///< columns that are no combinations of others, the intercept included
};

/// Residuals of `y` after an intercept and `columns`; columns that are combinations of others (up to 1e-10 of
/// their norm) add nothing.
[[nodiscard]] Regression regress(std::span<const double> y, const std::vector<Column>& columns);

/// Residuals after a quadratic in the index; values that are not finite stay NaN and are left out of the fit.
/// All NaN with fewer than four finite values.
[[nodiscard]] std::vector<double> remove_quadratic(std::span<const double> y);

}  // namespace strata::stats
