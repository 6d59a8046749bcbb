#include "strata/signals/principal_axes.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sub.h>

#include <algorithm>
#include <cmath>
#include <mutex>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "strata/model/product.h"
#include "strata/model/simd.h"

namespace strata {
namespace {

constexpr double kRelativeRank = 1e-12;  // directions with less of the largest variance are rounding
constexpr std::int64_t kBlock = 48;      // vectors that are multiplied at once: 32 axes and some to spare
constexpr int kCycles = 40;              // before the search is given up
constexpr int kLargestDegree = 12;       // of a filter
constexpr int kEarlyDegrees[] = {3, 6};  // at most, of the first two from random signs, which know little yet
constexpr std::size_t kEnd = 8;          // Ritz value, from the smallest, at which what is unwanted ends
// Of a search that begins where another ended: vectors that begin anew, and the least degree of its first
// filter. A direction that the other rows did not have is found through them alone.
constexpr std::int64_t kFresh = 8;
constexpr int kFreshDegree = 4;
// Most that a filter may enlarge the largest axis it acts on over the smallest that is wanted: float32
// products bring a little of the former into the latter.
constexpr double kContrast = 1e3;
constexpr double kFlat = 1e-11;  // a block whose smallest variance is below this share has too few directions

// Of the smaller of d x d and n x n.
PrincipalAxes whole_problem(const at::Tensor& rows, std::int64_t components) {
  const at::Tensor x = rows.to(at::kDouble);
  if (x.size(1) <= x.size(0)) {
    at::Tensor axes =
        leading_eigenvectors(at::mm(x.t(), x), std::min(components, x.size(1)), kRelativeRank).vectors;
    at::Tensor scores = at::mm(x, axes);
    return {std::move(axes), std::move(scores)};
  }
  LeadingEigenvectors found =
      leading_eigenvectors(at::mm(x, x.t()), std::min(components, x.size(0)), kRelativeRank);
  at::Tensor scaled = found.vectors.clone();
  double *score = found.vectors.data_ptr<double>(), *value = scaled.data_ptr<double>();
  for (std::int64_t i = 0; i < scaled.size(0); ++i) {
    for (const double variance : found.values) {
      *score++ *= std::sqrt(variance);
      *value++ /= std::sqrt(variance);
    }
  }
  return {at::mm(x.t(), scaled), std::move(found.vectors)};
}

// The covariance S = X^T X on blocks of row vectors.
class Covariance {
 public:
  explicit Covariance(const at::Tensor& rows)
      : n_(rows.size(0)),
        d_(rows.size(1)),
        rows_(ComputeDType::float32, n_, d_),
        columns_(ComputeDType::float32, d_, n_) {
    rows_.put_rows(0, n_, rows.data_ptr<float>(), d_);
    columns_.put_transposed(rows.data_ptr<float>(), d_);
  }

  /// v S, and where it is asked for v X^T; (rows of v, d) and (rows of v, n).
  [[nodiscard]] at::Tensor apply(const at::Tensor& v, at::Tensor* scores = nullptr) {
    const std::int64_t count = v.size(0);
    std::vector<float> wide(v.data_ptr<double>(), v.data_ptr<double>() + count * d_);
    std::vector<float> along(static_cast<std::size_t>(count * n_));
    left_.reset(ComputeDType::float32, count, d_);
    left_.put(wide.data(), d_);
    multiply(left_, rows_, {.data = along.data(), .stride = n_});
    if (scores != nullptr) *scores = to_tensor(along, count, n_);
    left_.reset(ComputeDType::float32, count, n_);
    left_.put(along.data(), n_);
    multiply(left_, columns_, {.data = wide.data(), .stride = d_});
    return to_tensor(wide, count, d_);
  }

 private:
  static at::Tensor to_tensor(const std::vector<float>& values, std::int64_t rows, std::int64_t columns) {
    at::Tensor out = at::empty({rows, columns}, at::kDouble);
    std::copy(values.begin(), values.end(), out.data_ptr<double>());
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

// Per row.
std::vector<double> lengths(const at::Tensor& x) {
  std::vector<double> length;
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    length.push_back(std::sqrt(sum_of_squares(x.data_ptr<double>() + i * x.size(1), x.size(1))));
  }
  return length;
}

// Rows made orthonormal, each by what those before it lack; undefined where nothing is left of one.
at::Tensor orthonormal(at::Tensor rows) {
  const std::vector<double> size = lengths(rows);
  double* value = rows.data_ptr<double>();
  for (const double length : size) {
    if (!(length > 0.0)) return {};
    for (std::int64_t j = 0; j < rows.size(1); ++j) *value++ /= length;
  }
  const auto [q, r] = at::linalg_qr(rows.t());
  for (std::int64_t i = 0; i < rows.size(0); ++i) {
    if (!(std::fabs(r.data_ptr<double>()[i * r.stride(0) + i * r.stride(1)]) > 1e-9)) return {};
  }
  return q.t().contiguous();
}

// The best approximations of eigenvectors within a space, as orthonormal rows by ascending variance.
struct Ritz {
  at::Tensor vectors, images;     // v (kBlock, d) and v S
  at::Tensor turn, scores;        // v = turn * basis of the space; basis * X^T
  std::vector<double> values;     // v S v^T
  std::vector<double> residuals;  // |v S - value v| / value
};

Ritz ritz(Covariance& covariance, const at::Tensor& basis) {
  Ritz found;
  const at::Tensor images = covariance.apply(basis, &found.scores);
  const auto [values, mix] = at::linalg_eigh(at::mm(found.scores, found.scores.t()), "L");
  found.turn = mix.t();
  found.values.assign(values.data_ptr<double>(), values.data_ptr<double>() + values.size(0));
  found.vectors = at::mm(found.turn, basis);
  found.images = at::mm(found.turn, images);
  // v S less its part within the space, which is value v but for rounding: of float32 products, that part's
  // error would be the error of the largest axis.
  const at::Tensor outside =
      at::sub(found.images, at::mm(at::mm(found.images, found.vectors.t()), found.vectors));
  found.residuals = lengths(outside);
  for (std::size_t i = 0; i < found.values.size(); ++i) found.residuals[i] /= found.values[i];
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
at::Tensor filtered(Covariance& covariance, const Ritz& from, std::int64_t count, int degree, double end) {
  const std::int64_t block = from.vectors.size(0);
  const at::Tensor found = from.vectors.narrow(0, count, block - count);
  const auto without_found = [&](at::Tensor x) {
    return count < block ? x.sub_(at::mm(at::mm(x, found.t()), found)) : x;
  };
  const double half = end / 2.0;
  const double first = half / (from.values[static_cast<std::size_t>(count) - 1] - half);
  at::Tensor before = from.vectors.narrow(0, 0, count);
  at::Tensor now = without_found(at::sub(from.images.narrow(0, 0, count), before, half)).mul_(first / half);
  double sigma = first;
  for (int k = 2; k <= degree; ++k) {
    const double next = 1.0 / (2.0 / first - sigma);
    at::Tensor after = covariance.apply(now);
    after = without_found(after.sub_(now, half)).mul_(2.0 * next / half).sub_(before, sigma * next);
    before = now;
    now = after;
    sigma = next;
  }
  return now;
}

at::Tensor random_signs(std::int64_t rows, std::int64_t columns) {
  constexpr std::uint32_t kPurpose = 0x706361;  // keeps these signs apart from sampled positions
  Philox rng({.stream = Stream::positions, .a = kPurpose});
  at::Tensor signs = at::empty({rows, columns}, at::kDouble);
  double* out = signs.data_ptr<double>();
  for (std::int64_t i = 0; i < rows * columns; ++i) *out++ = rng.uniform() < 0.5 ? 1.0 : -1.0;
  return signs;
}

}  // namespace

LeadingEigenvectors leading_eigenvectors(const at::Tensor& matrix, std::int64_t most, double relative) {
  const auto [values, vectors] = at::linalg_eigh(matrix, "L");
  const std::int64_t n = values.size(0);
  const double* lambda = values.data_ptr<double>();
  std::int64_t first = std::max<std::int64_t>(0, n - most);
  while (first < n && !(lambda[first] > relative * lambda[n - 1])) ++first;
  return {vectors.narrow(1, first, n - first).contiguous(), {lambda + first, lambda + n}};
}

PrincipalAxes search_axes(const at::Tensor& rows, std::int64_t components, at::Tensor* start) {
  const std::int64_t n = rows.size(0), d = rows.size(1);
  STRATA_CHECK(components < kBlock - static_cast<std::int64_t>(kEnd));
  if (std::min(n, d) < kBlock) return {};
  Covariance covariance(rows);
  const bool warm = start != nullptr && start->defined();
  at::Tensor basis = warm ? at::cat({start->narrow(0, kFresh, kBlock - kFresh), random_signs(kFresh, d)}, 0)
                          : random_signs(kBlock, d);
  basis = orthonormal(std::move(basis));
  for (int cycle = 0; basis.defined() && cycle < kCycles; ++cycle) {
    const Ritz at = ritz(covariance, basis);
    if (!(at.values.front() > kFlat * at.values.back())) return {};
    std::int64_t open = kBlock;  // vectors that are not found, or not wanted
    while (open > kBlock - components && at.residuals[static_cast<std::size_t>(open) - 1] <= kAxisResidual) {
      --open;
    }
    const bool fresh = warm && cycle == 0;
    const std::int64_t first = kBlock - components;
    if (open == first && !fresh) {
      if (start != nullptr) *start = at.vectors;
      return {at.vectors.narrow(0, first, components).t().contiguous(),
              at::mm(at.scores.t(), at.turn.narrow(0, first, components).t())};
    }
    const auto wanted = at.residuals.begin() + first;
    const double worst = *std::max_element(wanted, wanted + components), end = at.values[kEnd];
    int reach = degree(at.values[static_cast<std::size_t>(open) - 1],
                       at.values[static_cast<std::size_t>(first)], end, worst, fresh ? kFreshDegree : 2);
    if (!warm && cycle < std::ssize(kEarlyDegrees)) reach = std::min(reach, kEarlyDegrees[cycle]);
    basis = orthonormal(
        at::cat({at.vectors.narrow(0, open, kBlock - open), filtered(covariance, at, open, reach, end)}, 0));
  }
  return {};
}

PrincipalAxes principal_axes(const at::Tensor& rows, std::int64_t components, at::Tensor* start) {
  STRATA_CHECK(rows.scalar_type() == at::kFloat && rows.is_contiguous());
  if (std::min(rows.size(0), rows.size(1)) <= kWholeSide) return whole_problem(rows, components);
  PrincipalAxes found = search_axes(rows, components, start);
  if (found.axes.defined()) return found;
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
  return static_cast<std::uint64_t>(kBlock * (8 * d + 3 * n)) * sizeof(double) +
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
