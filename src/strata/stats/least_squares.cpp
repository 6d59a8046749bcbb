#include "strata/stats/least_squares.h"

#include <cmath>
#include <limits>
#include <utility>

#include "strata/base/error.h"
#include "strata/linalg/decompose.h"

namespace strata::stats {
Regression regress(std::span<const double> y, const std::vector<Column>& columns) {
  constexpr double kDependent = 1e-10;
  Matrix design(y.size(), columns.size() + 1, 1.0);
  for (std::size_t j = 0; j < columns.size(); ++j) {
    STRATA_CHECK(columns[j].size() == y.size());
    for (std::size_t i = 0; i < y.size(); ++i) design(i, j + 1) = columns[j][i];
  }
  linalg::LeastSquares fit = linalg::least_squares(design, y, kDependent);
  Regression result{.residual = std::move(fit.residual), .rank = fit.rank};
  for (const double x : result.residual) result.sse += x * x;
  return result;
}

std::vector<double> remove_quadratic(std::span<const double> y) {
  std::vector<double> finite;
  std::vector<Column> powers(2);
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (!std::isfinite(y[i])) continue;
    const double u = (static_cast<double>(i) + 0.5) / static_cast<double>(y.size()) - 0.5;
    finite.push_back(y[i]);
    powers[0].push_back(u);
    powers[1].push_back(u * u);
  }
  std::vector<double> out(y.size(), std::numeric_limits<double>::quiet_NaN());
  if (finite.size() < 4) return out;
  const std::vector<double> residual = regress(finite, powers).residual;
  std::size_t next = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (std::isfinite(y[i])) out[i] = residual[next++];
  }
  return out;
}

}  // namespace strata::stats
