#include "strata/signals/principal_axes.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "strata/linalg/decompose.h"
#include "strata/linalg/product.h"
#include "strata/model/product.h"
#include "strata/model/simd.h"

namespace strata {
namespace {

constexpr double kRelativeRank = 1e-12;  // directions with less of the largest variance are rounding
constexpr std::size_t kBlock = 48;       // vectors that are multiplied at once: 32 axes and some to spare
constexpr int kCycles = 40;              // before the search is given up
constexpr int kLargestDegree = 12;       // of a filter
constexpr int kEarlyDegrees[] = {3, 6};  // at most, of the first two from random signs, which know little yet
constexpr std::size_t kEnd = 8;          // Ritz value, from the smallest, at which what is unwanted ends
// Of a search that begins where another ended: vectors that begin anew, and the least degree of its first
// filter. A direction that the other rows did not have is found through them alone.
constexpr std::size_t kFresh = 8;
constexpr int kFreshDegree = 4;
// Most that a filter may enlarge the largest axis it acts on over the smallest that is wanted: float32
// products bring a little of the former into the latter.
constexpr double kContrast = 1e3;
constexpr double kOwnShare = 1e-9;  // of a vector: less is left of it beside the others, and it is none
constexpr double kFlat = 1e-11;  // a block whose smallest variance is below this share has too few directions

// Of the smaller of d x d and n x n.
PrincipalAxes whole_problem(const FloatMatrix& rows, std::size_t components) {
  Matrix x(rows.rows, rows.cols);
  std::copy(rows.data.begin(), rows.data.end(), x.data.begin());
  if (x.cols <= x.rows) {
    Matrix axes = leading_eigenvectors(linalg::gram_of_columns(x), components, kRelativeRank).vectors;
    Matrix scores = linalg::multiply(x, axes);
    return {std::move(axes), std::move(scores)};
  }
  LeadingEigenvectors found = leading_eigenvectors(linalg::gram_of_rows(x), components, kRelativeRank);
  Matrix scaled = found.vectors;
  for (std::size_t i = 0; i < scaled.rows; ++i) {
    for (std::size_t j = 0; j < scaled.cols; ++j) {
      scaled(i, j) /= std::sqrt(found.values[j]);
      found.vectors(i, j) *= std::sqrt(found.values[j]);
    }
  }
  return {linalg::transposed_multiply(x, scaled), std::move(found.vectors)};
}

// The covariance S = X^T X on blocks of row vectors.
class Covariance {
 public:
  explicit Covariance(const FloatMatrix& rows)
      : n_(static_cast<std::int64_t>(rows.rows)),
        d_(static_cast<std::int64_t>(rows.cols)),
        rows_(ComputeDType::float32, n_, d_),
        columns_(ComputeDType::float32, d_, n_) {
    rows_.put_rows(0, n_, rows.data.data(), d_);
    columns_.put_transposed(rows.data.data(), d_);
  }

  /// v S, and where it is asked for v X^T; (rows of v, d) and (rows of v, n).
  [[nodiscard]] Matrix apply(const Matrix& v, Matrix* scores = nullptr) {
    const auto count = static_cast<std::int64_t>(v.rows);
    std::vector<float> wide(v.data.begin(), v.data.end());
    std::vector<float> along(static_cast<std::size_t>(count * n_));
    left_.reset(ComputeDType::float32, count, d_);
    left_.put(wide.data(), d_);
    multiply(left_, rows_, {.data = along.data(), .stride = n_});
    if (scores != nullptr) *scores = widened(along, v.rows);
    left_.reset(ComputeDType::float32, count, n_);
    left_.put(along.data(), n_);
    multiply(left_, columns_, {.data = wide.data(), .stride = d_});
    return widened(wide, v.rows);
  }

 private:
  static Matrix widened(const std::vector<float>& values, std::size_t rows) {
    Matrix out(rows, values.size() / rows);
    std::copy(values.begin(), values.end(), out.data.begin());
    return out;
  }

  std::int64_t n_, d_;
  PackedMatrix rows_, columns_;  // X and X^T
  PackedRows left_;
};

STRATA_VECTORISED
double sum_of_squares(const double* x, std::int64_t count) {
  return simd::sum<double>(count, [=](std::int64_t i) { return x[i] * x[i]; });
}

// Rows [first, end).
Matrix rows_of(const Matrix& x, std::size_t first, std::size_t end) {
  Matrix out(end - first, x.cols);
  std::copy_n(x.data.data() + first * x.cols, out.data.size(), out.data.data());
  return out;
}

// The rows of one below those of the other.
Matrix stacked(Matrix above, const Matrix& below) {
  above.data.insert(above.data.end(), below.data.begin(), below.data.end());
  above.rows += below.rows;
  above.cols = below.cols;
  return above;
}

// Columns [first, end) of x; and those of its transpose from rows [first, end).
Matrix last_columns(const Matrix& x, std::size_t first) {
  Matrix out(x.rows, x.cols - first);
  for (std::size_t i = 0; i < x.rows; ++i) {
    for (std::size_t j = first; j < x.cols; ++j) out(i, j - first) = x(i, j);
  }
  return out;
}
Matrix transposed(const Matrix& x, std::size_t first) {
  Matrix out(x.cols, x.rows - first);
  for (std::size_t i = 0; i < out.rows; ++i) {
    for (std::size_t j = 0; j < out.cols; ++j) out(i, j) = x(first + j, i);
  }
  return out;
}

// x += factor * y, element by element.
void add(Matrix& x, const Matrix& y, double factor) {
  for (std::size_t i = 0; i < x.data.size(); ++i) x.data[i] += factor * y.data[i];
}

// The best approximations of eigenvectors within a space, as orthonormal rows by ascending variance.
struct Ritz {
  Matrix vectors, images;         // v (kBlock, d) and v S
  Matrix turn, scores;            // v = turn^T * basis of the space; basis * X^T
  std::vector<double> values;     // v S v^T
  std::vector<double> residuals;  // |v S - value v| / value
};

Ritz ritz(Covariance& covariance, const Matrix& basis) {
  Ritz found;
  const Matrix images = covariance.apply(basis, &found.scores);
  linalg::SymmetricEigen eigen = linalg::symmetric_eigen(linalg::gram_of_rows(found.scores));
  found.turn = std::move(eigen.vectors);
  found.values = std::move(eigen.values);
  found.vectors = linalg::transposed_multiply(found.turn, basis);
  found.images = linalg::transposed_multiply(found.turn, images);
  // v S less its part within the space, which is value v but for rounding: of float32 products, that part's
  // error would be the error of the largest axis.
  Matrix outside = found.images;
  add(outside, linalg::multiply(linalg::multiply_transposed(found.images, found.vectors), found.vectors),
      -1.0);
  for (std::size_t i = 0; i < found.values.size(); ++i) {
    const double square = sum_of_squares(outside.row(i).data(), static_cast<std::int64_t>(outside.cols));
    found.residuals.push_back(std::sqrt(square) / found.values[i]);
  }
  return found;
}

// ln of what one degree of a Chebyshev polynomial that is at most 1 on [0, end] makes of `value` >= end.
double growth(double value, double end) {
  return std::acosh(std::max(1.0 + 1e-9, 2.0 * value / end - 1.0));
}

// How far the next filter goes: as far as the axes need that are wanted and at least to `least`, unless it
// would let the largest of those that are not yet found swamp the others.
int degree(double largest, double smallest, double end, double residual, int least) {
  const double needed = std::ceil(std::log(2.0 * residual / kAxisResidual) / growth(smallest, end)) + 1.0;
  const double contrast = growth(largest, end) - growth(smallest, end);
  const double allowed = contrast > 0.0 ? std::log(kContrast) / contrast : kLargestDegree;
  const double reach = std::min(std::max(needed, static_cast<double>(least)), allowed);
  return static_cast<int>(std::clamp(reach, 2.0, static_cast<double>(kLargestDegree)));
}

// Of the first `count` vectors: T(S) v, T the Chebyshev polynomial for [0, end] scaled to 1 at `largest`,
// with what lies along the other vectors, which are found, left out (three-term recurrence of Zhou, Saad,
// Tiago & Chelikowsky, J. Comput. Phys. 219:172, 2006).
Matrix filtered(Covariance& covariance, const Ritz& from, std::size_t count, int degree, double end) {
  const Matrix found = rows_of(from.vectors, count, from.vectors.rows);
  const auto leave_out_found = [&](Matrix& x) {
    if (found.rows > 0) add(x, linalg::multiply(linalg::multiply_transposed(x, found), found), -1.0);
  };
  const double half = end / 2.0;
  const double first = half / (from.values[count - 1] - half);
  Matrix before = rows_of(from.vectors, 0, count), now = rows_of(from.images, 0, count);
  add(now, before, -half);
  leave_out_found(now);
  for (double& value : now.data) value *= first / half;
  double sigma = first;
  for (int k = 2; k <= degree; ++k) {
    const double next = 1.0 / (2.0 / first - sigma);
    Matrix after = covariance.apply(now);
    add(after, now, -half);
    leave_out_found(after);
    for (double& value : after.data) value *= 2.0 * next / half;
    add(after, before, -sigma * next);
    before = std::move(now);
    now = std::move(after);
    sigma = next;
  }
  return now;
}

Matrix random_signs(std::size_t rows, std::size_t columns) {
  constexpr std::uint32_t kPurpose = 0x706361;  // keeps these signs apart from sampled positions
  Philox rng({.stream = Stream::positions, .a = kPurpose});
  Matrix signs(rows, columns);
  for (double& sign : signs.data) sign = rng.uniform() < 0.5 ? 1.0 : -1.0;
  return signs;
}

}  // namespace

LeadingEigenvectors leading_eigenvectors(const Matrix& matrix, std::size_t most, double relative) {
  const linalg::SymmetricEigen eigen = linalg::symmetric_eigen(matrix);
  const std::size_t n = eigen.values.size();
  std::size_t first = n > most ? n - most : 0;
  while (first < n && !(eigen.values[first] > relative * eigen.values[n - 1])) ++first;
  LeadingEigenvectors leading{Matrix(n, n - first), {}};
  leading.values.assign(eigen.values.begin() + static_cast<std::ptrdiff_t>(first), eigen.values.end());
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = first; j < n; ++j) leading.vectors(i, j - first) = eigen.vectors(i, j);
  }
  return leading;
}

std::optional<PrincipalAxes> search_axes(const FloatMatrix& rows, std::size_t components, Matrix* start) {
  STRATA_CHECK(components < kBlock - kEnd);
  if (std::min(rows.rows, rows.cols) < kBlock) return {};
  Covariance covariance(rows);
  const bool warm = start != nullptr && start->rows > 0;
  std::optional<Matrix> basis =
      warm ? stacked(rows_of(*start, kFresh, kBlock), random_signs(kFresh, rows.cols))
           : random_signs(kBlock, rows.cols);
  basis = linalg::orthonormal_rows(*std::move(basis), kOwnShare);
  for (int cycle = 0; basis && cycle < kCycles; ++cycle) {
    const Ritz at = ritz(covariance, *basis);
    if (!(at.values.front() > kFlat * at.values.back())) return {};
    std::size_t open = kBlock;  // vectors that are not found, or not wanted
    while (open > kBlock - components && at.residuals[open - 1] <= kAxisResidual) --open;
    const bool fresh = warm && cycle == 0;
    const std::size_t first = kBlock - components;
    if (open == first && !fresh) {
      if (start != nullptr) *start = at.vectors;
      const Matrix scores = linalg::transposed_multiply(at.scores, at.turn);
      return PrincipalAxes{transposed(at.vectors, first), last_columns(scores, first)};
    }
    const auto wanted = at.residuals.begin() + static_cast<std::ptrdiff_t>(first);
    const double worst = *std::max_element(wanted, at.residuals.end()), end = at.values[kEnd];
    int reach = degree(at.values[open - 1], at.values[first], end, worst, fresh ? kFreshDegree : 2);
    if (!warm && cycle < std::ssize(kEarlyDegrees)) reach = std::min(reach, kEarlyDegrees[cycle]);
    basis = linalg::orthonormal_rows(
        stacked(rows_of(at.vectors, open, kBlock), filtered(covariance, at, open, reach, end)), kOwnShare);
  }
  return {};
}

PrincipalAxes principal_axes(const FloatMatrix& rows, std::size_t components, Matrix* start) {
  if (static_cast<std::int64_t>(std::min(rows.rows, rows.cols)) <= kWholeSide) {
    return whole_problem(rows, components);
  }
  if (auto found = search_axes(rows, components, start)) return *std::move(found);
  static std::mutex one_at_a_time;  // it takes many times the memory of a search
  const std::lock_guard lock(one_at_a_time);
  return whole_problem(rows, components);
}

namespace {

// The rows in float64, and the eigenproblem with its workspace.
std::uint64_t whole_bytes(std::int64_t n, std::int64_t d) {
  const auto side = static_cast<std::uint64_t>(std::min(n, d));
  return (static_cast<std::uint64_t>(n * d) + 5 * side * side) * sizeof(double);
}

// Up to eight blocks of vectors at a time, three of their products with the rows, and the rows packed both
// ways.
std::uint64_t search_bytes(std::int64_t n, std::int64_t d) {
  return kBlock * static_cast<std::uint64_t>(8 * d + 3 * n) * sizeof(double) +
         packed_bytes(ComputeDType::float32, n, d) + packed_bytes(ComputeDType::float32, d, n);
}

}  // namespace

std::uint64_t principal_axes_bytes(std::int64_t n, std::int64_t d) {
  return std::min(n, d) <= kWholeSide ? whole_bytes(n, d) : search_bytes(n, d);
}

std::uint64_t principal_axes_once_bytes(std::int64_t n, std::int64_t d) {
  if (std::min(n, d) <= kWholeSide) return 0;
  const std::uint64_t whole = whole_bytes(n, d), search = search_bytes(n, d);
  return whole > search ? whole - search : 0;
}

}  // namespace strata
