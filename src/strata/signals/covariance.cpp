#include "strata/signals/covariance.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "strata/linalg/decompose.h"
#include "strata/linalg/product.h"
#include "strata/model/simd.h"

namespace strata {
namespace {

// Sums over the rows that the shrinkage needs; also subtracts the mean.
struct Moments {
  double square = 0.0;  ///< tr S
  double fourth = 0.0;  ///< sum_k |x_k|^4 / n
};

template <class T>
[[gnu::always_inline]] inline Moments centre_in_place(T* x, std::int64_t n, std::int64_t d, double* mean) {
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < d; ++j) mean[j] += x[i * d + j];
  }
  for (std::int64_t j = 0; j < d; ++j) mean[j] /= static_cast<double>(n);
  Moments moments;
  for (std::int64_t i = 0; i < n; ++i) {
    T* row = x + i * d;
    for (std::int64_t j = 0; j < d; ++j) row[j] = static_cast<T>(row[j] - mean[j]);
    const double square =
        simd::sum<double>(d, [=](std::int64_t j) { return static_cast<double>(row[j]) * row[j]; });
    moments.square += square / static_cast<double>(n);
    moments.fourth += square * square / static_cast<double>(n);
  }
  return moments;
}
STRATA_VECTORISED
Moments centre(double* x, std::int64_t n, std::int64_t d, double* mean) {
  return centre_in_place(x, n, d, mean);
}
STRATA_VECTORISED
Moments centre(float* x, std::int64_t n, std::int64_t d, double* mean) {
  return centre_in_place(x, n, d, mean);
}
template <class T>
Moments centre(BasicMatrix<T>& rows) {
  std::vector<double> mean(rows.cols, 0.0);
  return centre(rows.data.data(), static_cast<std::int64_t>(rows.rows), static_cast<std::int64_t>(rows.cols),
                mean.data());
}

// Share of the isotropic target, from |S|^2.
double shrinkage(const Moments& moments, double square_norm, std::int64_t n, std::int64_t d) {
  const double distance = square_norm - moments.square * moments.square / static_cast<double>(d);
  // S is isotropic up to rounding: the target and S are the same.
  if (!(distance > 1e-14 * square_norm)) return 0.0;
  const double error = (moments.fourth - square_norm) / static_cast<double>(n);
  return std::clamp(error / distance, 0.0, 1.0);
}

CovarianceSpectrum exact_spectrum(const Matrix& rows) {
  const std::size_t n = rows.rows, d = rows.cols;
  const Matrix product = d <= n ? linalg::gram_of_columns(rows) : linalg::gram_of_rows(rows);
  CovarianceSpectrum spectrum{.value = linalg::symmetric_eigenvalues(product)};
  for (double& value : spectrum.value) value = std::max(0.0, value / static_cast<double>(n));
  spectrum.multiplicity.assign(spectrum.value.size(), 1.0);
  if (n < d) {
    spectrum.value.push_back(0.0);
    spectrum.multiplicity.push_back(static_cast<double>(d - n));
  }
  return spectrum;
}

// One number for each probe: a row of a (d, kProbes) array.
using Probes = double __attribute__((vector_size(kProbes * sizeof(double)), aligned(sizeof(double))));

const Probes* probes(const std::vector<double>& x) {
  return reinterpret_cast<const Probes*>(x.data());
}

// Rows are multiplied in panels of kPanel, value by value beside each other; what kColumns of a panel take in
// float64 fits the first cache together with the numbers of its columns, what a group of kGroup panels takes
// fits the second. Layout: [groups][d / kColumns][kGroup][columns][kPanel] float32, the order in which it is
// read, with zeros for rows that are not there.
constexpr std::int64_t kPanel = 8, kColumns = 256, kGroup = 8;

// Calls step(panel of the group, first column, columns, offset of the values) for one group.
template <class Step>
void for_each_piece(std::int64_t group, std::int64_t d, const Step& step) {
  std::int64_t offset = group * kGroup * kPanel * d;
  for (std::int64_t begin = 0; begin < d; begin += kColumns) {
    const std::int64_t columns = std::min(kColumns, d - begin);
    for (std::int64_t panel = 0; panel < kGroup; ++panel, offset += columns * kPanel) {
      step(panel, begin, columns, offset);
    }
  }
}

std::vector<float> in_panels(const float* rows, std::int64_t n, std::int64_t d) {
  constexpr std::int64_t kRows = kGroup * kPanel;
  const std::int64_t groups = (n + kRows - 1) / kRows;
  std::vector<float> values(static_cast<std::size_t>(groups * kRows * d), 0.0f);
  for (std::int64_t group = 0; group < groups; ++group) {
    for_each_piece(group, d,
                   [&](std::int64_t panel, std::int64_t begin, std::int64_t columns, std::int64_t offset) {
                     const std::int64_t first = (group * kGroup + panel) * kPanel;
                     for (std::int64_t r = 0; r < std::min(kPanel, n - first); ++r) {
                       const float* row = rows + (first + r) * d + begin;
                       float* to = values.data() + offset + r;
                       for (std::int64_t j = 0; j < columns; ++j) to[j * kPanel] = row[j];
                     }
                   });
  }
  return values;
}

// Some columns of one panel in float64, and the scores of its rows.
struct Piece {
  double x[kColumns * kPanel];
  Probes s[kPanel];

  [[gnu::always_inline]] void load(const float* panel, std::int64_t columns, const Probes* scores) {
    for (std::int64_t i = 0; i < columns * kPanel; ++i) x[i] = panel[i];
#pragma GCC unroll 8
    for (int r = 0; r < kPanel; ++r) s[r] = scores[r];
  }
};

// Of some columns of one panel: scores += X v, and out += X^T scores.
STRATA_VECTORISED
void add_scores(const float* panel, std::int64_t columns, const Probes* v, Probes* scores) {
  Piece piece;
  piece.load(panel, columns, scores);
  for (std::int64_t j = 0; j < columns; ++j) {
    __builtin_prefetch(panel + (columns + j) * kPanel);  // what comes next
#pragma GCC unroll 8
    for (int r = 0; r < kPanel; ++r) piece.s[r] += piece.x[j * kPanel + r] * v[j];
  }
#pragma GCC unroll 8
  for (int r = 0; r < kPanel; ++r) scores[r] = piece.s[r];
}
STRATA_VECTORISED
void add_images(const float* panel, std::int64_t columns, const Probes* scores, Probes* out) {
  Piece piece;
  piece.load(panel, columns, scores);
  for (std::int64_t j = 0; j < columns; ++j) {
    const double* x = piece.x + j * kPanel;
    Probes even = x[0] * piece.s[0], odd = x[1] * piece.s[1];
#pragma GCC unroll 8
    for (int r = 2; r < kPanel; r += 2) {
      even += x[r] * piece.s[r];
      odd += x[r + 1] * piece.s[r + 1];
    }
    out[j] += even + odd;
  }
}

// out += X^T X v for v and out of (d, kProbes). One pass over the rows: a general product of eight columns
// spends its time on reading them.
void add_products(const std::vector<float>& values, std::int64_t d, const Probes* v, Probes* out) {
  const auto groups = static_cast<std::int64_t>(values.size()) / (kGroup * kPanel * d);
  Probes scores[kGroup * kPanel];
  for (std::int64_t group = 0; group < groups; ++group) {
    std::fill(std::begin(scores), std::end(scores), Probes{});
    for_each_piece(group, d,
                   [&](std::int64_t panel, std::int64_t begin, std::int64_t columns, std::int64_t offset) {
                     add_scores(values.data() + offset, columns, v + begin, scores + panel * kPanel);
                   });
    for_each_piece(group, d,
                   [&](std::int64_t panel, std::int64_t begin, std::int64_t columns, std::int64_t offset) {
                     add_images(values.data() + offset, columns, scores + panel * kPanel, out + begin);
                   });
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
  Lanczos(const FloatMatrix& rows, std::uint64_t seed)
      : n_(static_cast<std::int64_t>(rows.rows)),
        d_(static_cast<std::int64_t>(rows.cols)),
        panels_(in_panels(rows.data.data(), n_, d_)) {
    Philox rng({.seed = seed, .stream = Stream::positions, .a = kPurpose});
    std::vector<double> start(rows.cols * kProbes);
    const double size = 1.0 / std::sqrt(static_cast<double>(d_));
    for (double& sign : start) sign = rng.uniform() < 0.5 ? size : -size;
    basis_.push_back(std::move(start));
  }

  // Up to kLanczosSteps; fewer where the last ones changed nothing any more.
  void run() {
    double before = 0.0;
    for (std::int64_t steps = 1; steps <= kLanczosSteps; ++steps) {
      step();
      if (steps % kCheckEvery != 0) continue;
      const double now = hardest_trace();
      if (std::fabs(now - before) <= kConverged * now) return;
      before = now;
    }
  }

  // Nodes and weights of the Gauss quadrature of one probe, with weights of 0 for steps that were not taken.
  void add_nodes(std::int64_t probe, CovarianceSpectrum& spectrum) const {
    const auto& diagonal = diagonal_[static_cast<std::size_t>(probe)];
    const auto& off = off_diagonal_[static_cast<std::size_t>(probe)];
    Matrix t(diagonal.size(), diagonal.size());
    for (std::size_t i = 0; i < t.rows; ++i) {
      t(i, i) = diagonal[i];
      if (i > 0) t(i, i - 1) = off[i - 1];
    }
    const linalg::SymmetricEigen eigen = linalg::symmetric_eigen(t);
    for (std::size_t i = 0; i < t.rows; ++i) {
      const double weight = eigen.vectors(0, i);
      spectrum.value.push_back(std::max(0.0, eigen.values[i]));
      spectrum.multiplicity.push_back(weight * weight * static_cast<double>(d_) /
                                      static_cast<double>(kProbes));
    }
    spectrum.value.resize(static_cast<std::size_t>((probe + 1) * kLanczosSteps), 0.0);
    spectrum.multiplicity.resize(spectrum.value.size(), 0.0);
  }

 private:
  static constexpr std::int64_t kCheckEvery = 8;
  static constexpr double kConverged = 1e-6, kSmallest = 1e-5;

  // tr ln(1 + S / e^2) for e^2 = kSmallest of the mean eigenvalue: of all that is asked of a spectrum, the
  // rate at the smallest noise depends most on small eigenvalues, which are found last.
  [[nodiscard]] double hardest_trace() const {
    CovarianceSpectrum spectrum;
    for (std::int64_t probe = 0; probe < kProbes; ++probe) add_nodes(probe, spectrum);
    double trace = 0.0, sum = 0.0;
    for (std::size_t i = 0; i < spectrum.value.size(); ++i)
      trace += spectrum.multiplicity[i] * spectrum.value[i];
    const double scale = kSmallest * trace / static_cast<double>(d_);
    if (!(scale > 0.0)) return 0.0;
    for (std::size_t i = 0; i < spectrum.value.size(); ++i) {
      sum += spectrum.multiplicity[i] * std::log1p(spectrum.value[i] / scale);
    }
    return sum;
  }

  void step() {
    std::vector<double> next(static_cast<std::size_t>(d_ * kProbes), 0.0);
    auto* x = reinterpret_cast<Probes*>(next.data());
    add_products(panels_, d_, probes(basis_.back()), x);
    for (std::int64_t i = 0; i < d_; ++i) x[i] /= static_cast<double>(n_);
    Probes alpha, along, size, factor = {};
    column_products(x, probes(basis_.back()), d_, &alpha);
    // Twice against the whole basis: rounding would else let found eigenvalues come back as copies.
    for (int pass = 0; pass < 2; ++pass) {
      for (const std::vector<double>& v : basis_) {
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

  std::int64_t n_, d_;
  std::vector<float> panels_;
  std::vector<std::vector<double>> basis_;  // (d, probes) each
  std::array<std::vector<double>, kProbes> diagonal_, off_diagonal_;
};

CovarianceSpectrum sketched_spectrum(const FloatMatrix& rows, std::uint64_t seed) {
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

CovarianceSpectrum covariance_spectrum(FloatMatrix rows, std::uint64_t seed) {
  const auto n = static_cast<std::int64_t>(rows.rows), d = static_cast<std::int64_t>(rows.cols);
  STRATA_CHECK(n >= 2 && d >= 1);
  Moments moments;
  CovarianceSpectrum spectrum;
  if (spectrum_is_exact(n, d)) {
    Matrix exact(rows.rows, rows.cols);
    std::copy(rows.data.begin(), rows.data.end(), exact.data.begin());
    moments = centre(exact);
    spectrum = exact_spectrum(exact);
  } else {
    moments = centre(rows);
    spectrum = sketched_spectrum(rows, seed);
  }
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
