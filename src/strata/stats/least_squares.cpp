#include "strata/stats/least_squares.h"

#include <cmath>
#include <limits>

#include "strata/base/error.h"

namespace strata::stats {
namespace {

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// v minus its part along each unit vector; twice, so that rounding of the first pass is taken out too.
void make_orthogonal(std::vector<double>& v, const std::vector<Column>& basis) {
  for (int pass = 0; pass < 2; ++pass) {
    for (const Column& unit : basis) {
      const double along = dot(v, unit);
      for (std::size_t i = 0; i < v.size(); ++i) v[i] -= along * unit[i];
    }
  }
}

}  // namespace

Regression regress(std::span<const double> y, const std::vector<Column>& columns) {
  constexpr double kDependent = 1e-10;
  std::vector<Column> basis;
  const auto add = [&](Column column) {
    STRATA_CHECK(column.size() == y.size());
    const double before = std::sqrt(dot(column, column));
    make_orthogonal(column, basis);
    const double norm = std::sqrt(dot(column, column));
    if (!(norm > kDependent * before)) return;
    for (double& x : column) x /= norm;
    basis.push_back(std::move(column));
  };
  add(Column(y.size(), 1.0));
  for (const Column& column : columns) add(column);
  Regression result{.residual = {y.begin(), y.end()}, .rank = static_cast<int>(basis.size())};
  make_orthogonal(result.residual, basis);
  result.sse = dot(result.residual, result.residual);
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
