// Spectra of covariances against closed forms, brute force and singular values.
#include "strata/signals/covariance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "strata/base/philox.h"
#include "strata/linalg/decompose.h"
#include "strata/linalg/product.h"
#include "strata/signals/covariance_spectrum.h"
#include "strata/theory/gaussian_rate.h"
#include "tests/signals/world.h"

namespace strata {
namespace {

// Normal rows with standard deviation scale(j) in column j.
FloatMatrix normal_rows(std::size_t n, std::size_t d, const std::function<double(std::size_t)>& scale) {
  FloatMatrix x(n, d);
  Philox rng({.seed = 7, .stream = Stream::test});
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < d; ++j) x(i, j) = static_cast<float>(scale(j) * rng.normal());
  }
  return x;
}

// Pairs of rows +-a_j e_j: S = diag(2 a_j^2 / n), mean 0.
FloatMatrix axis_pairs(const std::vector<double>& a, std::size_t d) {
  FloatMatrix x(2 * a.size(), d);
  for (std::size_t j = 0; j < a.size(); ++j) {
    x(2 * j, j) = static_cast<float>(a[j]);
    x(2 * j + 1, j) = static_cast<float>(-a[j]);
  }
  return x;
}

double sum_of(const CovarianceSpectrum& spectrum, const std::function<double(double)>& f) {
  double sum = 0.0;
  for (std::size_t i = 0; i < spectrum.value.size(); ++i)
    sum += spectrum.multiplicity[i] * f(spectrum.value[i]);
  return sum;
}

TEST(Covariance, KnownEigenvalues) {
  const auto spectrum = covariance_spectrum(axis_pairs({3.0, 1.0, 2.0}, 3), 0);
  // S = diag(3, 1/3, 4/3), tr S / d = 14/9; sum |x|^4 / n = (81 + 1 + 16) / 3.
  const double norm = 9.0 + 1.0 / 9 + 16.0 / 9, target = 14.0 / 9;
  const double r = ((98.0 / 3 - norm) / 6) / (norm - 3 * target * target);
  EXPECT_LT(r, 1.0);
  EXPECT_NEAR(spectrum.shrinkage, r, 1e-12);
  ASSERT_EQ(spectrum.value.size(), 3u);
  const double s[] = {1.0 / 3, 4.0 / 3, 3.0};
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(spectrum.value[i], (1 - r) * s[i] + r * target, 1e-12);
}

TEST(Covariance, FewerRowsThanDimensions) {
  const auto spectrum = covariance_spectrum(axis_pairs({3.0, 1.0}, 10), 0);
  ASSERT_EQ(static_cast<std::int64_t>(spectrum.value.size()), spectrum_entries(4, 10));
  const double floor = spectrum.shrinkage * (5.0 + 0.0) / 10;  // tr S = (9 + 1) / 2
  double directions = 0.0;
  for (const double m : spectrum.multiplicity) directions += m;
  EXPECT_EQ(directions, 10.0);
  EXPECT_EQ(spectrum.multiplicity.back(), 6.0);
  EXPECT_NEAR(spectrum.value.back(), floor, 1e-12);
  EXPECT_NEAR(sum_of(spectrum, [](double v) { return v; }), 5.0, 1e-12);  // the trace is kept
}

// The shrinkage by its definition: mean over the rows of |x x^T - S|^2, entry by entry.
TEST(Covariance, ShrinkageByBruteForce) {
  const std::size_t n = 30, d = 8;
  const FloatMatrix x = normal_rows(n, d, [](std::size_t j) { return 1.0 + static_cast<double>(j); });
  std::vector<double> mean(d, 0.0);
  for (std::size_t i = 0; i < n * d; ++i) mean[i % d] += x.data[i] / static_cast<double>(n);
  const auto at = [&](std::size_t i, std::size_t j) { return x(i, j) - mean[j]; };
  double error = 0.0, distance = 0.0, trace = 0.0;
  for (std::size_t a = 0; a < d; ++a) {
    for (std::size_t i = 0; i < n; ++i) trace += at(i, a) * at(i, a) / static_cast<double>(n);
  }
  for (std::size_t a = 0; a < d; ++a) {
    for (std::size_t b = 0; b < d; ++b) {
      double s = 0.0, square = 0.0;
      for (std::size_t i = 0; i < n; ++i) s += at(i, a) * at(i, b) / static_cast<double>(n);
      for (std::size_t i = 0; i < n; ++i) square += std::pow(at(i, a) * at(i, b) - s, 2);
      error += square / static_cast<double>(n * n);
      const double target = a == b ? trace / static_cast<double>(d) : 0.0;
      distance += (s - target) * (s - target);
    }
  }
  EXPECT_NEAR(covariance_spectrum(x, 0).shrinkage, error / distance, 1e-12);
}

TEST(Covariance, IsotropicRowsShrinkToOneEigenvalueAndOthersDoNot) {
  const auto round = covariance_spectrum(normal_rows(300, 60, [](std::size_t) { return 1.0; }), 0);
  EXPECT_GT(round.shrinkage, 0.8);
  EXPECT_LT(round.value.back() / round.value.front(), 1.4);  // 5.8 without shrinkage
  const auto steep = covariance_spectrum(
      normal_rows(300, 60, [](std::size_t j) { return 1.0 / (1.0 + static_cast<double>(j)); }), 0);
  EXPECT_LT(steep.shrinkage, 0.05);
  const auto same = covariance_spectrum(axis_pairs({1.0, 1.0, 1.0}, 3), 0);
  EXPECT_EQ(same.shrinkage, 0.0);
  EXPECT_NEAR(same.value.front(), same.value.back(), 1e-15);
}

// Rates and dimensions of a sketch against all eigenvalues.
void expect_traces(const FloatMatrix& x, const CovarianceSpectrum& sketch) {
  const std::size_t n = x.rows, d = x.cols;
  ASSERT_EQ(static_cast<std::int64_t>(sketch.value.size()),
            spectrum_entries(static_cast<std::int64_t>(n), static_cast<std::int64_t>(d)));
  Matrix centred(n, d);
  for (std::size_t j = 0; j < d; ++j) {
    double mean = 0.0;
    for (std::size_t i = 0; i < n; ++i) mean += x(i, j) / static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i) centred(i, j) = x(i, j) - mean;
  }
  std::vector<double> exact =
      linalg::symmetric_eigenvalues(n < d ? linalg::gram_of_rows(centred) : linalg::gram_of_columns(centred));
  exact.resize(d, 0.0);
  double trace = 0.0;
  for (double& value : exact) {
    value /= static_cast<double>(n);
    trace += value;
  }
  for (double& v : exact) v = (1 - sketch.shrinkage) * v + sketch.shrinkage * trace / static_cast<double>(d);
  SpectrumRecord record{.probes = static_cast<int>(kProbes),
                        .value = Matrix(1, sketch.value.size()),
                        .multiplicity = Matrix(1, sketch.value.size())};
  record.value.data = sketch.value;
  record.multiplicity.data = sketch.multiplicity;
  for (const double eps : {0.003, 0.03, 0.3, 1.0}) {
    double rate = 0.0, dimension = 0.0;
    for (const double v : exact) {
      rate += 0.5 * std::log1p(v / (eps * eps));
      dimension += v / (v + eps * eps);
    }
    const TraceEstimate r = gaussian_rate(record, 0, eps), m = effective_dimension(record, 0, eps);
    EXPECT_LT(std::abs(r.value - rate), 4 * r.standard_error + 1e-4 * rate) << eps;
    EXPECT_LT(std::abs(m.value - dimension), 4 * m.standard_error + 1e-3 * dimension) << eps;
    EXPECT_LT(std::abs(r.value - rate), 0.02 * rate) << eps;
    EXPECT_LT(std::abs(m.value - dimension), 0.03 * dimension) << eps;
    EXPECT_GT(r.standard_error, 0.0);
  }
}

// Wider than the exact solver's side: small eigenvalues without end, which take every step.
TEST(Covariance, TheSketchAgreesWithTheEigenvaluesWithinItsError) {
  const std::int64_t n = 1030, d = 1100;
  ASSERT_FALSE(spectrum_is_exact(n, d));
  const FloatMatrix x =
      normal_rows(n, d, [](std::size_t j) { return 20.0 * std::pow(1.0 + static_cast<double>(j), -0.8); });
  const auto sketch = covariance_spectrum(x, 5);
  expect_traces(x, sketch);
  EXPECT_GT(sketch.multiplicity.back(), 0.0);
  EXPECT_EQ(covariance_spectrum(x, 5).value, sketch.value);
  EXPECT_NE(covariance_spectrum(x, 6).value, sketch.value);
}

// Eigenvalues between 0.15 and 2.6: after half of the steps nothing changes.
TEST(Covariance, TheSketchStopsWhereNothingChanges) {
  const std::int64_t n = 3000, d = 1100;
  ASSERT_FALSE(spectrum_is_exact(n, d));
  const FloatMatrix x = normal_rows(n, d, [](std::size_t) { return 1.0; });
  const auto sketch = covariance_spectrum(x, 5);
  expect_traces(x, sketch);
  const auto taken =
      std::count_if(sketch.multiplicity.begin(), sketch.multiplicity.end(), [](double m) { return m > 0.0; });
  EXPECT_LE(taken, kProbes * kLanczosSteps / 2);
  EXPECT_GE(taken, kProbes * kLanczosSteps / 8);
  double directions = 0.0;
  for (const double m : sketch.multiplicity) directions += m;
  EXPECT_NEAR(directions, static_cast<double>(d), 1e-9);
}

class CovarianceSignal : public testing::Test {
 protected:
  CovarianceSignal() {
    world.config.n_layers = 1;
    world.fill_normal(3);
  }
  [[nodiscard]] SpectrumRecord run() const {
    SweepContext context = world.context();
    context.positions = 400;
    const Trace trace = test::drive(world, context, covariance_spectrum_signal());
    EXPECT_EQ(trace.spectra.size(), 1u);
    return trace.spectra.at(0);
  }
  test::World world{1, 12, {{120}, {120}, {120}}};
};

TEST_F(CovarianceSignal, EachTokenIsScaledToItsOwnRms) {
  const SpectrumRecord before = run();
  ASSERT_EQ(before.value.rows, 2u);
  ASSERT_EQ(before.value.cols, 12u);
  EXPECT_EQ(before.probes, 0);
  EXPECT_EQ(before.n_tokens, 357);  // first positions are sinks
  double trace = 0.0;
  for (const double v : before.value.row(0)) trace += v;
  EXPECT_NEAR(trace, 12.0, 0.3);  // |u|^2 = d for every token, less the mean's square
  for (std::int64_t t = 1; t < 360; ++t) {
    for (float& v : world.row(0, t)) v *= t % 2 == 0 ? 4.0f : 0.5f;  // exact in binary
  }
  EXPECT_EQ(run().value.data, before.value.data);
}

TEST_F(CovarianceSignal, SinksAreOutAtEveryState) {
  const SpectrumRecord before = run();
  for (float& v : world.row(1, 50)) v *= 1e4f;  // massive at state 1, so no token of state 0 either
  const SpectrumRecord without = run();
  EXPECT_EQ(without.n_tokens, 356);
  EXPECT_NE(without.value.data, before.value.data);
  for (float& v : world.row(0, 50)) v = -v;
  EXPECT_EQ(run().value.data, without.value.data);
}

TEST(CovarianceSignalAlone, TooFewTokensSayNothing) {
  test::World world(1, 4, {{40}});
  const Trace trace = test::drive(world, world.context(), covariance_spectrum_signal());
  ASSERT_EQ(trace.spectra.size(), 1u);
  EXPECT_EQ(trace.spectra[0].entries, 0);
  EXPECT_NE(trace.spectra[0].note.find("at least 64"), std::string::npos);
}

}  // namespace
}  // namespace strata
