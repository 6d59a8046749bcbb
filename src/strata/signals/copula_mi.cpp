#include "strata/signals/copula_mi.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "strata/base/error.h"
#include "strata/base/vectorise.h"
#include "strata/linalg/decompose.h"
#include "strata/linalg/product.h"
#include "strata/signals/principal_axes.h"
#include "strata/signals/token_math.h"
#include "strata/stats/quantile.h"
#include "strata/stats/special.h"

namespace strata {
namespace {

constexpr double kFar = 3.0;        // times the median distance from the mean
constexpr double kTie = 1e-9;       // of a column's standard deviation: products of equal rows round apart
constexpr double kCertain = 1e-12;  // a correlation this close to 1 determines one state by the other

void centre_columns(Matrix& x) {
  std::vector<double> mean(x.cols, 0.0);
  for (std::size_t i = 0; i < x.rows; ++i) {
    for (std::size_t j = 0; j < x.cols; ++j) mean[j] += x(i, j);
  }
  for (double& m : mean) m /= static_cast<double>(x.rows);
  for (std::size_t i = 0; i < x.rows; ++i) {
    for (std::size_t j = 0; j < x.cols; ++j) x(i, j) -= mean[j];
  }
}

// Subtracts the mean of each column, taken in float64; x is (n, d).
STRATA_VECTORISED
void centre_rows(float* x, std::int64_t n, std::int64_t d, double* mean) {
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < d; ++j) mean[j] += x[i * d + j];
  }
  for (std::int64_t j = 0; j < d; ++j) mean[j] /= static_cast<double>(n);
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < d; ++j) x[i * d + j] = static_cast<float>(x[i * d + j] - mean[j]);
  }
}

// Pulls in every row that is farther from the mean than kFar times the median distance: a few massive rows
// would else choose every direction. Returns what each row was multiplied by.
std::vector<double> pull_in(FloatMatrix& centred, const std::vector<double>& square_distance) {
  std::vector<double> factor(square_distance.size(), 1.0);
  const double limit = kFar * std::sqrt(stats::median(square_distance));
  if (!(limit > 0.0)) return factor;
  for (std::size_t i = 0; i < factor.size(); ++i) {
    const double distance = std::sqrt(square_distance[i]);
    if (distance <= limit) continue;
    factor[i] = limit / distance;
    for (float& value : centred.row(i)) value = static_cast<float>(value * factor[i]);
  }
  return factor;
}

// Replaces each column by normal scores. Entry r of `score` is the quantile of (r + 2) / (2 (n + 1)): twice a
// rank can be odd, where equal values share their mean rank.
void rank_columns(Matrix& x) {
  const std::size_t n = x.rows;
  std::vector<double> score;
  for (std::size_t r = 0; r < 2 * n - 1; ++r) {
    score.push_back(stats::normal_quantile(static_cast<double>(r + 2) / static_cast<double>(2 * (n + 1))));
  }
  std::vector<std::pair<double, std::size_t>> sorted(n);  // value, row
  for (std::size_t j = 0; j < x.cols; ++j) {
    double square = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      sorted[i] = {x(i, j), i};
      square += sorted[i].first * sorted[i].first;
    }
    const double tie = kTie * std::sqrt(square / static_cast<double>(n));
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t begin = 0, end = 0; begin < n; begin = end) {
      for (end = begin + 1; end < n && sorted[end].first - sorted[end - 1].first <= tie;) ++end;
      // Ranks begin+1 .. end; twice their mean is begin + 1 + end.
      const double shared = score[begin + end - 1];
      for (std::size_t i = begin; i < end; ++i) x(sorted[i].second, j) = shared;
    }
  }
}

// Zero mean and unit covariance; directions without variance are dropped.
Matrix whiten(Matrix x) {
  if (x.cols == 0) return x;
  centre_columns(x);
  LeadingEigenvectors axes = leading_eigenvectors(linalg::gram_of_columns(x), x.cols, 1e-10);
  for (std::size_t i = 0; i < axes.vectors.rows; ++i) {
    for (std::size_t j = 0; j < axes.vectors.cols; ++j) {
      axes.vectors(i, j) *= std::sqrt(static_cast<double>(x.rows) / axes.values[j]);
    }
  }
  return linalg::multiply(x, axes.vectors);
}

// Per row: sum of squares.
std::vector<double> row_squares(const Matrix& x) {
  std::vector<double> squares(x.rows, 0.0);
  for (std::size_t i = 0; i < x.rows; ++i) {
    for (const double value : x.row(i)) squares[i] += value * value;
  }
  return squares;
}

}  // namespace

CopulaScores copula_scores(FloatMatrix rows, std::size_t components, Matrix* start) {
  const auto n = static_cast<std::int64_t>(rows.rows), d = static_cast<std::int64_t>(rows.cols);
  std::vector<double> mean(rows.cols, 0.0);
  centre_rows(rows.data.data(), n, d, mean.data());
  CopulaScores scores;
  for (std::size_t i = 0; i < rows.rows; ++i) {
    const float* row = rows.row(i).data();
    scores.variance.push_back(dot(row, row, d));
  }
  const std::vector<double> factor = pull_in(rows, scores.variance);
  Matrix leading = principal_axes(rows, components, start).scores;
  for (std::size_t i = 0; i < leading.rows; ++i) {
    for (double& value : leading.row(i)) value /= factor[i];
  }
  scores.captured = row_squares(leading);
  rank_columns(leading);
  scores.white = whiten(std::move(leading));
  return scores;
}

std::vector<double> pointwise_information(const Matrix& x, const Matrix& y) {
  // A constant state has no components, and says nothing.
  if (x.cols == 0 || y.cols == 0) return std::vector<double>(x.rows, 0.0);
  const linalg::SingularValues svd = linalg::singular_values(linalg::transposed_multiply(x, y));
  const Matrix a = linalg::multiply(x, svd.u), b = linalg::multiply(y, svd.v);
  std::vector<double> square_weight, cross_weight;
  double constant = 0.0;
  for (const double value : svd.values) {
    const double rho = value / static_cast<double>(x.rows);
    if (!(rho < 1.0 - kCertain)) return {};
    const double rest = (1.0 - rho) * (1.0 + rho);
    constant -= 0.5 * std::log(rest);
    square_weight.push_back(0.5 * rho * rho / rest);
    cross_weight.push_back(rho / rest);
  }
  std::vector<double> information(x.rows, constant);
  for (std::size_t i = 0; i < x.rows; ++i) {
    double sum = 0.0;
    for (std::size_t j = 0; j < svd.values.size(); ++j) {
      const double v = a(i, j), w = b(i, j);
      sum += cross_weight[j] * v * w - square_weight[j] * (v * v + w * w);
    }
    information[i] += sum;
  }
  return information;
}

}  // namespace strata
