#include "strata/signals/covariance.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_eigvalsh.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "strata/base/vectorise.h"

namespace strata {
namespace {

// Sums over the rows that the shrinkage needs; also subtracts the mean.
struct Moments {
  double square = 0.0;  ///< tr S
  double fourth = 0.0;  ///< sum_k |x_k|^4 / n
};

Moments centre(at::Tensor& rows) {
  const std::int64_t n = rows.size(0), d = rows.size(1);
  double* x = rows.data_ptr<double>();
  std::vector<double> mean(static_cast<std::size_t>(d), 0.0);
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < d; ++j) mean[static_cast<std::size_t>(j)] += x[i * d + j];
  }
  for (double& m : mean) m /= static_cast<double>(n);
  Moments moments;
  for (std::int64_t i = 0; i < n; ++i) {
    double square = 0.0;
    for (std::int64_t j = 0; j < d; ++j) {
      x[i * d + j] -= mean[static_cast<std::size_t>(j)];
      square += x[i * d + j] * x[i * d + j];
    }
    moments.square += square / static_cast<double>(n);
    moments.fourth += square * square / static_cast<double>(n);
  }
  return moments;
}

// Share of the isotropic target, from |S|^2.
double shrinkage(const Moments& moments, double square_norm, std::int64_t n, std::int64_t d) {
  const double distance = square_norm - moments.square * moments.square / static_cast<double>(d);
  // S is isotropic up to rounding: the target and S are the same.
  if (!(distance > 1e-14 * square_norm)) return 0.0;
  const double error = (moments.fourth - square_norm) / static_cast<double>(n);
  return std::clamp(error / distance, 0.0, 1.0);
}

CovarianceSpectrum exact_spectrum(const at::Tensor& rows) {
  const std::int64_t n = rows.size(0), d = rows.size(1);
  const at::Tensor product = d <= n ? at::mm(rows.t(), rows) : at::mm(rows, rows.t());
  const at::Tensor values = at::linalg_eigvalsh(product, "L");
  CovarianceSpectrum spectrum;
  for (std::int64_t i = 0; i < values.size(0); ++i) {
    spectrum.value.push_back(std::max(0.0, values.data_ptr<double>()[i] / static_cast<double>(n)));
  }
  spectrum.multiplicity.assign(spectrum.value.size(), 1.0);
  if (n < d) {
    spectrum.value.push_back(0.0);
    spectrum.multiplicity.push_back(static_cast<double>(d - n));
  }
  return spectrum;
}

// One number for each probe: a row of a (d, kProbes) array.
using Probes = double __attribute__((vector_size(kProbes * sizeof(double)), aligned(sizeof(double))));

const Probes* probes(const at::Tensor& x) {
  return reinterpret_cast<const Probes*>(x.data_ptr<double>());
}

// out += X^T X v for v and out of (d, kProbes). One pass over the rows X (n, d), four at a time: a general
// product of eight columns spends its time on reading the rows.
STRATA_VECTORISED
void add_products(const double* rows, std::int64_t n, std::int64_t d, const Probes* v, Probes* out) {
  constexpr std::int64_t kRows = 4;
  for (std::int64_t i = 0; i < n; i += kRows) {
    const std::int64_t last = std::min(kRows, n - i) - 1;  // it stands in for rows that are not there
    const double *x0 = rows + i * d, *x1 = x0 + std::min<std::int64_t>(1, last) * d,
                 *x2 = x0 + std::min<std::int64_t>(2, last) * d, *x3 = x0 + last * d;
    Probes s0 = {}, s1 = {}, s2 = {}, s3 = {};
    for (std::int64_t j = 0; j < d; ++j) {
      const Probes w = v[j];
      s0 += x0[j] * w;
      s1 += x1[j] * w;
      s2 += x2[j] * w;
      s3 += x3[j] * w;
    }
    if (last < 1) s1 = Probes{};
    if (last < 2) s2 = Probes{};
    if (last < 3) s3 = Probes{};
    for (std::int64_t j = 0; j < d; ++j) {
      out[j] += (x0[j] * s0 + x1[j] * s1) + (x2[j] * s2 + x3[j] * s3);
    }
  }
}

// Of (d, kProbes) arrays, column by column.
STRATA_VECTORISED
void column_products(const Probes* a, const Probes* b, std::int64_t d, Probes* sum) {
  Probes s = {};
  for (std::int64_t i = 0; i < d; ++i) s += a[i] * b[i];
  *sum = s;
}
STRATA_VECTORISED
void subtract_columns(Probes* a, const Probes* b, std::int64_t d, const Probes* times) {
  const Probes t = *times;
  for (std::int64_t i = 0; i < d; ++i) a[i] -= t * b[i];
}

// Lanczos recurrences of S from all probes in step, so that S acts on them in one product.
class Lanczos {
 public:
  Lanczos(const at::Tensor& rows, std::uint64_t seed) : rows_(rows), d_(rows.size(1)) {
    Philox rng({.seed = seed, .stream = Stream::positions, .a = kPurpose});
    at::Tensor start = at::empty({d_, kProbes}, at::kDouble);
    const double size = 1.0 / std::sqrt(static_cast<double>(d_));
    for (std::int64_t i = 0; i < d_ * kProbes; ++i) {
      start.data_ptr<double>()[i] = rng.uniform() < 0.5 ? size : -size;
    }
    basis_.push_back(std::move(start));
  }

  void run() {
    while (static_cast<std::int64_t>(basis_.size()) <= kLanczosSteps) step();
  }

  // Nodes and weights of the Gauss quadrature of one probe.
  void add_nodes(std::int64_t probe, CovarianceSpectrum& spectrum) const {
    const auto& diagonal = diagonal_[static_cast<std::size_t>(probe)];
    const auto& off = off_diagonal_[static_cast<std::size_t>(probe)];
    const auto steps = static_cast<std::int64_t>(diagonal.size());
    at::Tensor t = at::zeros({steps, steps}, at::kDouble);
    for (std::int64_t i = 0; i < steps; ++i) {
      t.data_ptr<double>()[i * steps + i] = diagonal[static_cast<std::size_t>(i)];
      if (i > 0) t.data_ptr<double>()[i * steps + i - 1] = off[static_cast<std::size_t>(i) - 1];
    }
    const auto [values, vectors] = at::linalg_eigh(t, "L");
    const at::Tensor first = vectors.select(0, 0).contiguous();
    for (std::int64_t i = 0; i < steps; ++i) {
      const double weight = first.data_ptr<double>()[i];
      spectrum.value.push_back(std::max(0.0, values.data_ptr<double>()[i]));
      spectrum.multiplicity.push_back(weight * weight * static_cast<double>(d_) /
                                      static_cast<double>(kProbes));
    }
  }

 private:
  void step() {
    const std::int64_t n = rows_.size(0);
    at::Tensor next = at::zeros({d_, kProbes}, at::kDouble);
    auto* x = reinterpret_cast<Probes*>(next.data_ptr<double>());
    add_products(rows_.data_ptr<double>(), n, d_, probes(basis_.back()), x);
    for (std::int64_t i = 0; i < d_; ++i) x[i] /= static_cast<double>(n);
    Probes alpha, along, size, factor = {};
    column_products(x, probes(basis_.back()), d_, &alpha);
    // Twice against the whole basis: rounding would else let found eigenvalues come back as copies.
    for (int pass = 0; pass < 2; ++pass) {
      for (const at::Tensor& v : basis_) {
        column_products(x, probes(v), d_, &along);
        subtract_columns(x, probes(v), d_, &along);
      }
    }
    column_products(x, x, d_, &size);
    for (std::size_t probe = 0; probe < kProbes; ++probe) {
      diagonal_[probe].push_back(alpha[probe]);
      const double beta = std::sqrt(size[probe]);
      // An invariant subspace: what follows has weight 0 whatever it is.
      const bool ended = !(beta > 1e-13 * diagonal_[probe].front());
      off_diagonal_[probe].push_back(ended ? 0.0 : beta);
      factor[probe] = ended ? 0.0 : 1.0 / beta;
    }
    for (std::int64_t i = 0; i < d_; ++i) x[i] *= factor;
    basis_.push_back(std::move(next));
  }

  static constexpr std::uint32_t kPurpose = 0x736c71;  // keeps these signs apart from sampled positions

  const at::Tensor& rows_;
  std::int64_t d_;
  std::vector<at::Tensor> basis_;  // (d, probes) each
  std::array<std::vector<double>, kProbes> diagonal_, off_diagonal_;
};

CovarianceSpectrum sketched_spectrum(const at::Tensor& rows, std::uint64_t seed) {
  Lanczos lanczos(rows, seed);
  lanczos.run();
  CovarianceSpectrum spectrum;
  for (std::int64_t probe = 0; probe < kProbes; ++probe) lanczos.add_nodes(probe, spectrum);
  return spectrum;
}

}  // namespace

bool spectrum_is_exact(std::int64_t rows, std::int64_t width) {
  return std::min(rows, width) <= kExactSide || (width <= kExactWidth && rows >= kRowsPerDimension * width);
}

std::int64_t spectrum_entries(std::int64_t rows, std::int64_t width) {
  if (!spectrum_is_exact(rows, width)) return kProbes * kLanczosSteps;
  return std::min(rows, width) + (rows < width ? 1 : 0);
}

CovarianceSpectrum covariance_spectrum(at::Tensor rows, std::uint64_t seed) {
  const std::int64_t n = rows.size(0), d = rows.size(1);
  STRATA_CHECK(n >= 2 && d >= 1 && rows.is_contiguous());
  const Moments moments = centre(rows);
  CovarianceSpectrum spectrum =
      spectrum_is_exact(n, d) ? exact_spectrum(rows) : sketched_spectrum(rows, seed);
  double square_norm = 0.0;
  for (std::size_t i = 0; i < spectrum.value.size(); ++i) {
    square_norm += spectrum.multiplicity[i] * spectrum.value[i] * spectrum.value[i];
  }
  spectrum.shrinkage = shrinkage(moments, square_norm, n, d);
  const double target = moments.square / static_cast<double>(d);
  for (double& value : spectrum.value) {
    value = (1.0 - spectrum.shrinkage) * value + spectrum.shrinkage * target;
  }
  return spectrum;
}

}  // namespace strata
