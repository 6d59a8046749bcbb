#include "strata/signals/copula_mi.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/special_ndtri.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "strata/base/error.h"
#include "strata/base/vectorise.h"
#include "strata/signals/principal_axes.h"
#include "strata/signals/token_math.h"
#include "strata/stats/quantile.h"

namespace strata {
namespace {

constexpr double kFar = 3.0;        // times the median distance from the mean
constexpr double kTie = 1e-9;       // of a column's standard deviation: products of equal rows round apart
constexpr double kCertain = 1e-12;  // a correlation this close to 1 determines one state by the other

// Subtracts the mean of each column; x is (n, d), contiguous.
void centre_columns(at::Tensor& x) {
  const std::int64_t n = x.size(0), d = x.size(1);
  double* values = x.data_ptr<double>();
  std::vector<double> mean(static_cast<std::size_t>(d), 0.0);
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < d; ++j) mean[static_cast<std::size_t>(j)] += values[i * d + j];
  }
  for (double& m : mean) m /= static_cast<double>(n);
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < d; ++j) values[i * d + j] -= mean[static_cast<std::size_t>(j)];
  }
}

// Scales column j of x by scale[j].
void scale_columns(at::Tensor& x, const std::vector<double>& scale) {
  const auto cols = static_cast<std::int64_t>(scale.size());
  double* values = x.data_ptr<double>();
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    for (std::int64_t j = 0; j < cols; ++j) values[i * cols + j] *= scale[static_cast<std::size_t>(j)];
  }
}

// Subtracts the mean of each column, taken in float64; x is (n, d) float32, contiguous.
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
std::vector<double> pull_in(at::Tensor& centred, const std::vector<double>& square_distance) {
  std::vector<double> factor(square_distance.size(), 1.0);
  const double limit = kFar * std::sqrt(stats::median(square_distance));
  if (!(limit > 0.0)) return factor;
  const std::int64_t d = centred.size(1);
  for (std::size_t i = 0; i < factor.size(); ++i) {
    const double distance = std::sqrt(square_distance[i]);
    if (distance <= limit) continue;
    factor[i] = limit / distance;
    float* row = centred.data_ptr<float>() + static_cast<std::int64_t>(i) * d;
    for (std::int64_t j = 0; j < d; ++j) row[j] = static_cast<float>(row[j] * factor[i]);
  }
  return factor;
}

// Replaces each column by normal scores. Entry r of `score` is the quantile of (r + 2) / (2 (n + 1)): twice a
// rank can be odd, where equal values share their mean rank.
void rank_columns(at::Tensor& x) {
  const auto n = static_cast<std::size_t>(x.size(0)), cols = static_cast<std::size_t>(x.size(1));
  at::Tensor score = at::empty({static_cast<std::int64_t>(2 * n - 1)}, at::kDouble);
  for (std::size_t r = 0; r < 2 * n - 1; ++r) {
    score.data_ptr<double>()[r] = static_cast<double>(r + 2) / static_cast<double>(2 * (n + 1));
  }
  score = at::special_ndtri(score);
  double* values = x.data_ptr<double>();
  std::vector<std::pair<double, std::size_t>> sorted(n);  // value, row
  for (std::size_t j = 0; j < cols; ++j) {
    double square = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      sorted[i] = {values[i * cols + j], i};
      square += sorted[i].first * sorted[i].first;
    }
    const double tie = kTie * std::sqrt(square / static_cast<double>(n));
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t begin = 0, end = 0; begin < n; begin = end) {
      for (end = begin + 1; end < n && sorted[end].first - sorted[end - 1].first <= tie;) ++end;
      // Ranks begin+1 .. end; twice their mean is begin + 1 + end.
      const double shared = score.data_ptr<double>()[begin + end - 1];
      for (std::size_t i = begin; i < end; ++i) values[sorted[i].second * cols + j] = shared;
    }
  }
}

// Zero mean and unit covariance; directions without variance are dropped.
at::Tensor whiten(at::Tensor x) {
  if (x.size(1) == 0) return x;
  centre_columns(x);
  LeadingEigenvectors axes = leading_eigenvectors(at::mm(x.t(), x), x.size(1), 1e-10);
  for (double& v : axes.values) v = std::sqrt(static_cast<double>(x.size(0)) / v);
  scale_columns(axes.vectors, axes.values);
  return at::mm(x, axes.vectors);
}

// Per row: sum of squares.
std::vector<double> row_squares(const at::Tensor& x) {
  const std::int64_t n = x.size(0), d = x.size(1);
  const double* values = x.data_ptr<double>();
  std::vector<double> squares(static_cast<std::size_t>(n), 0.0);
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < d; ++j) {
      squares[static_cast<std::size_t>(i)] += values[i * d + j] * values[i * d + j];
    }
  }
  return squares;
}

}  // namespace

CopulaScores copula_scores(at::Tensor rows, std::int64_t components, at::Tensor* start) {
  STRATA_CHECK(rows.scalar_type() == at::kFloat && rows.is_contiguous());
  const std::int64_t n = rows.size(0), d = rows.size(1);
  std::vector<double> mean(static_cast<std::size_t>(d), 0.0);
  centre_rows(rows.data_ptr<float>(), n, d, mean.data());
  CopulaScores scores;
  for (std::int64_t i = 0; i < n; ++i) {
    const float* row = rows.data_ptr<float>() + i * d;
    scores.variance.push_back(dot(row, row, d));
  }
  const std::vector<double> factor = pull_in(rows, scores.variance);
  at::Tensor leading = principal_axes(rows, components, start).scores;
  double* value = leading.data_ptr<double>();
  for (const double pulled : factor) {
    for (std::int64_t j = 0; j < leading.size(1); ++j) *value++ /= pulled;
  }
  scores.captured = row_squares(leading);
  rank_columns(leading);
  scores.white = whiten(std::move(leading));
  return scores;
}

std::vector<double> pointwise_information(const at::Tensor& x, const at::Tensor& y) {
  const std::int64_t n = x.size(0);
  // A constant state has no components, and says nothing.
  if (x.size(1) == 0 || y.size(1) == 0) return std::vector<double>(static_cast<std::size_t>(n), 0.0);
  const auto [u, s, vh] = at::linalg_svd(at::mm(x.t(), y), /*full_matrices=*/false);
  const std::int64_t k = s.size(0);
  const at::Tensor a = at::mm(x, u), b = at::mm(y, vh.t());
  std::vector<double> square_weight, cross_weight;
  double constant = 0.0;
  for (std::int64_t j = 0; j < k; ++j) {
    const double rho = s.data_ptr<double>()[j] / static_cast<double>(n);
    if (!(rho < 1.0 - kCertain)) return {};
    const double rest = (1.0 - rho) * (1.0 + rho);
    constant -= 0.5 * std::log(rest);
    square_weight.push_back(0.5 * rho * rho / rest);
    cross_weight.push_back(rho / rest);
  }
  std::vector<double> information(static_cast<std::size_t>(n), constant);
  const double *pa = a.data_ptr<double>(), *pb = b.data_ptr<double>();
  for (std::int64_t i = 0; i < n; ++i) {
    double sum = 0.0;
    for (std::int64_t j = 0; j < k; ++j) {
      const double v = pa[i * k + j], w = pb[i * k + j];
      const auto at = static_cast<std::size_t>(j);
      sum += cross_weight[at] * v * w - square_weight[at] * (v * v + w * w);
    }
    information[static_cast<std::size_t>(i)] += sum;
  }
  return information;
}

}  // namespace strata
