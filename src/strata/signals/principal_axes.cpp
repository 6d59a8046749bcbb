#include "strata/signals/principal_axes.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "strata/base/philox.h"
#include "strata/model/product.h"

namespace strata {
namespace {

constexpr double kRelativeRank = 1e-12;  // directions with less of the largest variance are rounding
constexpr std::int64_t kBlock = 48;      // vectors that are multiplied at once: 32 axes and some to spare
constexpr std::int64_t kBlocks = 16;     // of the largest space
constexpr std::int64_t kLooks[] = {2, 4, 6, 8, 12, 16};  // blocks after which axes are looked for

at::Tensor whole_problem(const at::Tensor& rows, std::int64_t components) {
  if (rows.size(1) <= rows.size(0)) {
    return leading_eigenvectors(at::mm(rows.t(), rows), std::min(components, rows.size(1)), kRelativeRank)
        .vectors;
  }
  const LeadingEigenvectors axes =
      leading_eigenvectors(at::mm(rows, rows.t()), std::min(components, rows.size(0)), kRelativeRank);
  at::Tensor scaled = axes.vectors;
  double* value = scaled.data_ptr<double>();
  for (std::int64_t i = 0; i < scaled.size(0); ++i) {
    for (const double variance : axes.values) *value++ /= std::sqrt(variance);
  }
  return at::mm(rows.t(), scaled);
}

// v -> v X^T X for blocks of row vectors, with X scaled to a mean square of 1 so that float32 holds it.
class Operator {
 public:
  Operator(const at::Tensor& rows, double scale)
      : n_(rows.size(0)), d_(rows.size(1)), packed_(ComputeDType::float32, n_, d_) {
    std::vector<float> row(static_cast<std::size_t>(d_));
    const double* from = rows.data_ptr<double>();
    for (std::int64_t i = 0; i < n_; ++i) {
      for (float& value : row) value = static_cast<float>(*from++ * scale);
      packed_.put_rows(i, 1, row.data(), d_);
    }
  }

  [[nodiscard]] at::Tensor apply(const at::Tensor& vectors) {
    const std::int64_t count = vectors.size(0);
    std::vector<float> wide(vectors.data_ptr<double>(), vectors.data_ptr<double>() + count * d_);
    std::vector<float> scores(static_cast<std::size_t>(count * n_));
    left_.reset(ComputeDType::float32, count, d_);
    left_.put(wide.data(), d_);
    multiply(left_, packed_, {.data = scores.data(), .stride = n_});
    left_.reset(ComputeDType::float32, count, n_);
    left_.put(scores.data(), n_);
    multiply_transposed(left_, packed_, {.data = wide.data(), .stride = d_});
    at::Tensor out = at::empty({count, d_}, at::kDouble);
    std::copy(wide.begin(), wide.end(), out.data_ptr<double>());
    return out;
  }

 private:
  std::int64_t n_, d_;
  PackedMatrix packed_;
  PackedRows left_;
};

// Rows made orthonormal; undefined where one of them is a combination of the others, up to rounding.
at::Tensor orthonormal(const at::Tensor& rows, double size) {
  const auto [q, r] = at::linalg_qr(rows.t());
  for (std::int64_t i = 0; i < rows.size(0); ++i) {
    if (!(std::fabs(r.data_ptr<double>()[i * r.stride(0) + i * r.stride(1)]) > 1e-9 * size)) return {};
  }
  return q.t().contiguous();
}

// The best axes within the space, as rows; undefined as long as one of them is not good enough. The lower
// triangle of `projected` (m, m) is the covariance in the basis.
at::Tensor ritz(const at::Tensor& basis, const at::Tensor& images, const at::Tensor& projected,
                std::int64_t components) {
  const LeadingEigenvectors found = leading_eigenvectors(projected, components, kRelativeRank);
  const auto count = static_cast<std::int64_t>(found.values.size());
  if (count < components) return {};
  const at::Tensor mix = found.vectors.t();
  at::Tensor axes = at::mm(mix, basis);
  const at::Tensor moved = at::mm(mix, images);
  const std::int64_t d = axes.size(1);
  for (std::int64_t i = 0; i < count; ++i) {
    const double value = found.values[static_cast<std::size_t>(i)];
    const double *a = axes.data_ptr<double>() + i * d, *m = moved.data_ptr<double>() + i * d;
    double square = 0.0;
    for (std::int64_t j = 0; j < d; ++j) square += (m[j] - value * a[j]) * (m[j] - value * a[j]);
    if (!(std::sqrt(square) <= kAxisResidual * value)) return {};
  }
  return axes;
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

at::Tensor search_axes(const at::Tensor& rows, std::int64_t components) {
  const std::int64_t n = rows.size(0), d = rows.size(1), widest = std::min(n, d);
  const double* x = rows.data_ptr<double>();
  double square = 0.0;
  for (std::int64_t i = 0; i < n * d; ++i) square += x[i] * x[i];
  if (!(square > 0.0) || components > kBlock) return {};
  Operator covariance(rows, 1.0 / std::sqrt(square));
  std::vector<at::Tensor> basis, images;
  at::Tensor projected = at::zeros({kBlocks * kBlock, kBlocks * kBlock}, at::kDouble);
  at::Tensor next = orthonormal(random_signs(kBlock, d), 1.0);
  for (std::int64_t block = 1; next.defined() && block <= kBlocks && block * kBlock <= widest; ++block) {
    basis.push_back(next);
    images.push_back(covariance.apply(next));
    const at::Tensor space = at::cat(basis, 0);
    at::Tensor further = images.back().clone();
    const double size = further.norm().item<double>();
    at::Tensor along = at::mm(further, space.t());
    const std::int64_t end = block * kBlock;
    projected.narrow(0, end - kBlock, kBlock).narrow(1, 0, end).copy_(along);
    if (std::find(std::begin(kLooks), std::end(kLooks), block) != std::end(kLooks)) {
      const at::Tensor axes = ritz(space, at::cat(images, 0),
                                   projected.narrow(0, 0, end).narrow(1, 0, end).contiguous(), components);
      if (axes.defined()) return axes.t().contiguous();
    }
    further.sub_(at::mm(along, space));
    further.sub_(at::mm(at::mm(further, space.t()), space));
    next = orthonormal(further, size);
  }
  return {};
}

at::Tensor principal_axes(const at::Tensor& rows, std::int64_t components) {
  if (std::min(rows.size(0), rows.size(1)) > kWholeSide) {
    at::Tensor found = search_axes(rows, components);
    if (found.defined()) return found;
  }
  return whole_problem(rows, components);
}

std::uint64_t principal_axes_bytes(std::int64_t n, std::int64_t d) {
  const auto rows = static_cast<std::uint64_t>(n), width = static_cast<std::uint64_t>(d);
  const std::uint64_t side = std::min(rows, width);
  const std::uint64_t whole = 5 * side * side * sizeof(double);  // with the workspace of the eigenproblem
  if (std::min(n, d) <= kWholeSide) return whole;
  // Basis and images, each twice; the rows in float32.
  const std::uint64_t search =
      4ull * kBlock * kBlocks * width * sizeof(double) + packed_bytes(ComputeDType::float32, n, d);
  return std::max(whole, search);
}

}  // namespace strata
