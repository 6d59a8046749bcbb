#include "strata/signals/hsic.h"

#include <cmath>
#include <limits>

#include "strata/base/error.h"
#include "strata/model/simd.h"

namespace strata {
namespace {

// U-centres one Gram matrix restricted to `rows`, row i of it times factor[i] where there are factors; `out`
// receives its strict upper triangle.
void u_centre(const std::vector<double>& upper, std::size_t n, std::span<const std::size_t> rows,
              const std::vector<double>& factor, std::vector<double>& out) {
  const std::size_t m = rows.size();
  const auto at = [&](std::size_t i, std::size_t j) { return upper[i * n - i * (i + 1) / 2 + (j - i - 1)]; };
  std::vector<double> row_sum(m, 0.0);
  out.resize(m * (m - 1) / 2);
  std::size_t next = 0;
  for (std::size_t a = 0; a < m; ++a) {
    for (std::size_t b = a + 1; b < m; ++b) {
      double k = at(rows[a], rows[b]);
      if (!factor.empty()) k *= factor[rows[a]] * factor[rows[b]];
      out[next++] = k;
      row_sum[a] += k;
      row_sum[b] += k;
    }
  }
  double total = 0.0;
  for (const double s : row_sum) total += s;
  const auto size = static_cast<double>(m);
  const double grand = total / ((size - 1.0) * (size - 2.0));
  next = 0;
  for (std::size_t a = 0; a < m; ++a) {
    for (std::size_t b = a + 1; b < m; ++b) out[next++] += grand - (row_sum[a] + row_sum[b]) / (size - 2.0);
  }
}

STRATA_VECTORISED
double product_sum(const double* a, const double* b, std::int64_t n) {
  return simd::sum<double>(n, [&](std::int64_t i) { return a[i] * b[i]; });
}

}  // namespace

std::size_t add_unbiased_hsic(const BatchGrams& grams, std::span<const std::size_t> rows,
                              std::size_t min_rows, Matrix& hsic, StateScale scale) {
  const std::size_t m = rows.size(), states = grams.upper.size();
  STRATA_CHECK(hsic.rows == states && hsic.cols == states);
  const bool scaled = scale == StateScale::token_rms;
  STRATA_CHECK(!scaled || grams.inverse_rms.size() == states);
  if (m < min_rows || m < 4) return 0;
  std::vector<std::vector<double>> centred(states);
  const std::vector<double> plain;
  for (std::size_t s = 0; s < states; ++s)
    u_centre(grams.upper[s], grams.n, rows, scaled ? grams.inverse_rms[s] : plain, centred[s]);
  const auto size = static_cast<double>(m);
  // sum over i != j is twice the triangle; 1 / (m (m - 3)) makes it HSIC, m weights the batch.
  const double factor = 2.0 / (size - 3.0);
  const auto length = static_cast<std::int64_t>(m * (m - 1) / 2);
  for (std::size_t k = 0; k < states; ++k) {
    for (std::size_t l = k; l < states; ++l) {
      const double term = factor * product_sum(centred[k].data(), centred[l].data(), length);
      hsic(k, l) += term;
      if (l != k) hsic(l, k) += term;
    }
  }
  return m;
}

Matrix cka_from_hsic(const Matrix& hsic) {
  Matrix cka(hsic.rows, hsic.cols, 1.0);
  for (std::size_t k = 0; k < hsic.rows; ++k) {
    for (std::size_t l = 0; l < hsic.cols; ++l) {
      if (k == l) continue;
      const double self = hsic(k, k) * hsic(l, l);
      const bool positive = hsic(k, k) > 0.0 && hsic(l, l) > 0.0;
      cka(k, l) = positive ? hsic(k, l) / std::sqrt(self) : std::numeric_limits<double>::quiet_NaN();
    }
  }
  return cka;
}

}  // namespace strata
