// Smooth trends over depth for a multivariate profile: what a profile without any boundary may look like.
//
// "Smooth" must not contain a jump, or no jump could ever beat it. So
// - monotone is not a raw isotonic regression (which fits every monotone staircase exactly) but the least
//   squares over monotone cubic I-splines with knots at thirds of the depth (Ramsay 1988, Statistical
//   Science 3:425), each coordinate rising or falling;
// - logistic has one midpoint and one width for all coordinates, and takes at least a third of the depth
//   to go from 10% to 90%.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "strata/base/matrix.h"

namespace strata::stats {

enum class Trend { constant, linear, quadratic, monotone, logistic };

inline constexpr std::array kTrends = {Trend::constant, Trend::linear, Trend::quadratic, Trend::monotone,
                                       Trend::logistic};

[[nodiscard]] const char* to_string(Trend trend);

struct TrendFit {
  Matrix fitted;                         ///< n x D, at every position, also those left out of the fit
  double parameters_per_coordinate = 0;  ///< mean over coordinates; for monotone, the active basis functions
  double shared_parameters = 0;          ///< logistic: midpoint and width
};

/// Least-squares fits of every trend at positions 0..n-1, with all bases prepared once.
class TrendFitter {
 public:
  explicit TrendFitter(std::size_t n);
  /// Fits on the positions `kept` only (ascending, at least 4), predicts at all n.
  TrendFitter(std::size_t n, std::vector<std::size_t> kept);

  /// `profile` is n x D; rows outside `kept` are not looked at.
  [[nodiscard]] TrendFit fit(Trend trend, const Matrix& profile) const;

 private:
  static constexpr std::size_t kSplines = 5;
  static constexpr std::size_t kSubsets = std::size_t{1} << kSplines;

  void prepare_polynomials();
  void prepare_splines();
  void prepare_logistic();
  [[nodiscard]] std::vector<double> column_means(const Matrix& profile) const;
  [[nodiscard]] TrendFit fit_basis(const Matrix& profile,
                                   const std::vector<std::vector<double>>& basis) const;
  [[nodiscard]] TrendFit fit_monotone(const Matrix& profile) const;
  [[nodiscard]] TrendFit fit_logistic(const Matrix& profile) const;
  // Centres a column on the kept rows, makes it orthogonal to `earlier` and of unit norm there.
  [[nodiscard]] bool orthonormalise(std::vector<double>& column,
                                    const std::vector<std::vector<double>>& earlier) const;

  std::size_t n_;
  std::vector<std::size_t> kept_;
  std::vector<std::vector<double>> polynomials_;  // orthonormal on the kept rows: linear, quadratic
  std::vector<std::vector<double>> logistic_;     // one centred unit column per (midpoint, width)
  std::vector<std::vector<double>> splines_;      // centred on the kept rows
  std::vector<Matrix> subset_inverse_;  // inverse Gram matrix of each subset of splines, 0 x 0 = singular
};

}  // namespace strata::stats
