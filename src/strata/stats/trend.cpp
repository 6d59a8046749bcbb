#include "strata/stats/trend.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "strata/base/error.h"

namespace strata::stats {
namespace {

// Position t of n as a depth in (0, 1).
double depth(std::size_t t, std::size_t n) {
  return (static_cast<double>(t) + 0.5) / static_cast<double>(n);
}

// B-spline of order 4 by the recursion of Cox and de Boor, clamped knots at 0, 1/3, 2/3, 1.
double cubic_b_spline(std::size_t i, int order, double x) {
  static constexpr std::array<double, 10> kKnots = {0, 0, 0, 0, 1.0 / 3, 2.0 / 3, 1, 1, 1, 1};
  if (order == 1) return x >= kKnots[i] && x < kKnots[i + 1] ? 1.0 : 0.0;
  const auto k = static_cast<std::size_t>(order);
  const double left = kKnots[i + k - 1] - kKnots[i], right = kKnots[i + k] - kKnots[i + 1];
  double value = 0.0;
  if (left > 0) value += (x - kKnots[i]) / left * cubic_b_spline(i, order - 1, x);
  if (right > 0) value += (kKnots[i + k] - x) / right * cubic_b_spline(i + 1, order - 1, x);
  return value;
}

// Gauss-Jordan inverse of a small symmetric positive matrix; 0 x 0 when it is close to singular.
Matrix small_inverse(Matrix a) {
  const std::size_t n = a.rows;
  Matrix inverse(n, n);
  double scale = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    inverse(i, i) = 1.0;
    scale = std::max(scale, a(i, i));
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (a(i, i) <= 1e-10 * scale) return {};
    const double pivot = 1.0 / a(i, i);
    for (std::size_t j = 0; j < n; ++j) {
      a(i, j) *= pivot;
      inverse(i, j) *= pivot;
    }
    for (std::size_t r = 0; r < n; ++r) {
      const double factor = a(r, i);
      if (r == i || factor == 0.0) continue;
      for (std::size_t j = 0; j < n; ++j) {
        a(r, j) -= factor * a(i, j);
        inverse(r, j) -= factor * inverse(i, j);
      }
    }
  }
  return inverse;
}

}  // namespace

const char* to_string(Trend trend) {
  switch (trend) {
    case Trend::constant:
      return "constant";
    case Trend::linear:
      return "linear";
    case Trend::quadratic:
      return "quadratic";
    case Trend::monotone:
      return "monotone";
    case Trend::logistic:
      return "logistic";
  }
  return "unknown";
}

TrendFitter::TrendFitter(std::size_t n)
    : TrendFitter(n, [n] {
        std::vector<std::size_t> all(n);
        std::iota(all.begin(), all.end(), std::size_t{0});
        return all;
      }()) {}

TrendFitter::TrendFitter(std::size_t n, std::vector<std::size_t> kept) : n_(n), kept_(std::move(kept)) {
  STRATA_CHECK(kept_.size() >= 4 && kept_.back() < n_);
  prepare_polynomials();
  prepare_splines();
  prepare_logistic();
}

bool TrendFitter::orthonormalise(std::vector<double>& column,
                                 const std::vector<std::vector<double>>& earlier) const {
  double mean = 0.0;
  for (const std::size_t t : kept_) mean += column[t];
  mean /= static_cast<double>(kept_.size());
  for (double& x : column) x -= mean;
  for (const auto& other : earlier) {
    double dot = 0.0;
    for (const std::size_t t : kept_) dot += column[t] * other[t];
    for (std::size_t t = 0; t < n_; ++t) column[t] -= dot * other[t];
  }
  double square = 0.0;
  for (const std::size_t t : kept_) square += column[t] * column[t];
  if (square <= 1e-18) return false;
  for (double& x : column) x /= std::sqrt(square);
  return true;
}

void TrendFitter::prepare_polynomials() {
  for (int power = 1; power <= 2; ++power) {
    std::vector<double> column(n_);
    for (std::size_t t = 0; t < n_; ++t) column[t] = std::pow(depth(t, n_) - 0.5, power);
    STRATA_CHECK(orthonormalise(column, polynomials_));
    polynomials_.push_back(column);
  }
}

void TrendFitter::prepare_splines() {
  // I-spline i is the sum of the B-splines after i: it rises from 0 to 1.
  for (std::size_t i = 1; i <= kSplines; ++i) {
    std::vector<double> column(n_, 0.0);
    double mean = 0.0;
    for (std::size_t t = 0; t < n_; ++t) {
      for (std::size_t m = i; m <= kSplines; ++m) column[t] += cubic_b_spline(m, 4, depth(t, n_));
    }
    for (const std::size_t t : kept_) mean += column[t];
    for (double& x : column) x -= mean / static_cast<double>(kept_.size());
    splines_.push_back(column);
  }
  subset_inverse_.resize(kSubsets);
  for (std::size_t subset = 1; subset < kSubsets; ++subset) {
    std::vector<std::size_t> in;
    for (std::size_t i = 0; i < kSplines; ++i) {
      if ((subset >> i) & 1u) in.push_back(i);
    }
    Matrix gram(in.size(), in.size());
    for (std::size_t a = 0; a < in.size(); ++a) {
      for (std::size_t b = 0; b < in.size(); ++b) {
        for (const std::size_t t : kept_) gram(a, b) += splines_[in[a]][t] * splines_[in[b]][t];
      }
    }
    subset_inverse_[subset] = small_inverse(gram);
  }
}

void TrendFitter::prepare_logistic() {
  // From 10% to 90% a logistic of scale w takes 2 ln 9 w = 4.394 w.
  const double to_scale = 1.0 / (2.0 * std::log(9.0));
  for (const double width : {1.0 / 3, 0.5, 0.75, 1.0}) {
    for (int step = 0; step <= 16; ++step) {
      const double midpoint = 0.1 + 0.05 * step;
      std::vector<double> column(n_);
      for (std::size_t t = 0; t < n_; ++t) {
        column[t] = 1.0 / (1.0 + std::exp(-(depth(t, n_) - midpoint) / (width * to_scale)));
      }
      if (orthonormalise(column, {})) logistic_.push_back(column);
    }
  }
}

std::vector<double> TrendFitter::column_means(const Matrix& profile) const {
  std::vector<double> means(profile.cols, 0.0);
  for (const std::size_t t : kept_) {
    for (std::size_t j = 0; j < profile.cols; ++j) means[j] += profile(t, j);
  }
  for (double& mean : means) mean /= static_cast<double>(kept_.size());
  return means;
}

TrendFit TrendFitter::fit_basis(const Matrix& profile, const std::vector<std::vector<double>>& basis) const {
  TrendFit fit{Matrix(n_, profile.cols), 1.0 + static_cast<double>(basis.size()), 0.0};
  const auto means = column_means(profile);
  for (std::size_t t = 0; t < n_; ++t) std::copy(means.begin(), means.end(), fit.fitted.row(t).begin());
  std::vector<double> slope(profile.cols);
  for (const auto& column : basis) {
    std::fill(slope.begin(), slope.end(), 0.0);
    for (const std::size_t t : kept_) {
      for (std::size_t j = 0; j < profile.cols; ++j) slope[j] += column[t] * profile(t, j);
    }
    for (std::size_t t = 0; t < n_; ++t) {
      for (std::size_t j = 0; j < profile.cols; ++j) fit.fitted(t, j) += column[t] * slope[j];
    }
  }
  return fit;
}

TrendFit TrendFitter::fit_logistic(const Matrix& profile) const {
  // A unit column lowers the sum of squares by the sum of its squared slopes.
  std::size_t best = 0;
  double best_gain = -1.0;
  std::vector<double> slope(profile.cols);
  for (std::size_t g = 0; g < logistic_.size(); ++g) {
    std::fill(slope.begin(), slope.end(), 0.0);
    for (const std::size_t t : kept_) {
      for (std::size_t j = 0; j < profile.cols; ++j) slope[j] += logistic_[g][t] * profile(t, j);
    }
    const double gain = std::inner_product(slope.begin(), slope.end(), slope.begin(), 0.0);
    if (gain > best_gain) {
      best_gain = gain;
      best = g;
    }
  }
  TrendFit fit = fit_basis(profile, {logistic_[best]});
  fit.shared_parameters = 2.0;
  return fit;
}

TrendFit TrendFitter::fit_monotone(const Matrix& profile) const {
  TrendFit fit{Matrix(n_, profile.cols), 0.0, 0.0};
  const auto means = column_means(profile);
  double active = 0.0;
  for (std::size_t j = 0; j < profile.cols; ++j) {
    std::array<double, kSplines> dot{};
    for (std::size_t i = 0; i < kSplines; ++i) {
      for (const std::size_t t : kept_) dot[i] += splines_[i][t] * profile(t, j);
    }
    // The non-negative least squares is the best of the subsets whose free solution has one sign.
    std::array<double, kSplines> best{};
    double best_gain = 0.0, best_size = 0.0;
    for (std::size_t subset = 1; subset < kSubsets; ++subset) {
      const Matrix& inverse = subset_inverse_[subset];
      std::array<std::size_t, kSplines> in{};
      std::size_t size = 0;
      for (std::size_t i = 0; i < kSplines; ++i) {
        if ((subset >> i) & 1u) in[size++] = i;
      }
      if (inverse.rows != size) continue;
      std::array<double, kSplines> beta{};
      double gain = 0.0;
      bool rises = true, falls = true;
      for (std::size_t a = 0; a < size; ++a) {
        double value = 0.0;
        for (std::size_t b = 0; b < size; ++b) value += inverse(a, b) * dot[in[b]];
        beta[in[a]] = value;
        gain += value * dot[in[a]];
        rises = rises && value >= 0.0;
        falls = falls && value <= 0.0;
      }
      if ((rises || falls) && gain > best_gain) {
        best_gain = gain;
        best = beta;
        best_size = static_cast<double>(size);
      }
    }
    active += best_size;
    for (std::size_t t = 0; t < n_; ++t) {
      double value = means[j];
      for (std::size_t i = 0; i < kSplines; ++i) value += best[i] * splines_[i][t];
      fit.fitted(t, j) = value;
    }
  }
  fit.parameters_per_coordinate = 1.0 + active / static_cast<double>(profile.cols);
  return fit;
}

TrendFit TrendFitter::fit(Trend trend, const Matrix& profile) const {
  STRATA_CHECK(profile.rows == n_ && profile.cols > 0);
  switch (trend) {
    case Trend::constant:
      return fit_basis(profile, {});
    case Trend::linear:
      return fit_basis(profile, {polynomials_[0]});
    case Trend::quadratic:
      return fit_basis(profile, polynomials_);
    case Trend::monotone:
      return fit_monotone(profile);
    case Trend::logistic:
      return fit_logistic(profile);
  }
  return {};
}

}  // namespace strata::stats
