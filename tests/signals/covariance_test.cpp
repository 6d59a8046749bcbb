// Spectra of covariances against closed forms, brute force and LibTorch's eigenvalues.
#include "strata/signals/covariance.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_eigvalsh.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sub.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "strata/base/philox.h"
#include "strata/signals/covariance_spectrum.h"
#include "strata/theory/gaussian_rate.h"
#include "tests/signals/world.h"

namespace strata {
namespace {

// Normal rows with standard deviation scale(j) in column j.
at::Tensor normal_rows(std::int64_t n, std::int64_t d, const std::function<double(std::int64_t)>& scale) {
  at::Tensor x = at::empty({n, d}, at::kFloat);
  Philox rng({.seed = 7, .stream = Stream::test});
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < d; ++j)
      x.data_ptr<float>()[i * d + j] = static_cast<float>(scale(j) * rng.normal());
  }
  return x;
}

// Pairs of rows +-a_j e_j: S = diag(2 a_j^2 / n), mean 0.
at::Tensor axis_pairs(const std::vector<double>& a, std::int64_t d) {
  const auto n = 2 * static_cast<std::int64_t>(a.size());
  at::Tensor x = at::empty({n, d}, at::kFloat);
  std::fill_n(x.data_ptr<float>(), n * d, 0.0f);
  for (std::size_t j = 0; j < a.size(); ++j) {
    const auto row = static_cast<std::int64_t>(2 * j);
    x.data_ptr<float>()[row * d + static_cast<std::int64_t>(j)] = static_cast<float>(a[j]);
    x.data_ptr<float>()[(row + 1) * d + static_cast<std::int64_t>(j)] = static_cast<float>(-a[j]);
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
  const std::int64_t n = 30, d = 8;
  const at::Tensor x = normal_rows(n, d, [](std::int64_t j) { return 1.0 + static_cast<double>(j); });
  std::vector<double> mean(8, 0.0);
  const at::Tensor exact = x.to(at::kDouble);
  const double* p = exact.data_ptr<double>();
  for (std::int64_t i = 0; i < n * d; ++i)
    mean[static_cast<std::size_t>(i % d)] += p[i] / static_cast<double>(n);
  const auto at = [&](std::int64_t i, std::int64_t j) {
    return p[i * d + j] - mean[static_cast<std::size_t>(j)];
  };
  double error = 0.0, distance = 0.0, trace = 0.0;
  for (std::int64_t a = 0; a < d; ++a) {
    for (std::int64_t i = 0; i < n; ++i) trace += at(i, a) * at(i, a) / static_cast<double>(n);
  }
  for (std::int64_t a = 0; a < d; ++a) {
    for (std::int64_t b = 0; b < d; ++b) {
      double s = 0.0, square = 0.0;
      for (std::int64_t i = 0; i < n; ++i) s += at(i, a) * at(i, b) / static_cast<double>(n);
      for (std::int64_t i = 0; i < n; ++i) square += std::pow(at(i, a) * at(i, b) - s, 2);
      error += square / static_cast<double>(n * n);
      const double target = a == b ? trace / static_cast<double>(d) : 0.0;
      distance += (s - target) * (s - target);
    }
  }
  EXPECT_NEAR(covariance_spectrum(x.clone(), 0).shrinkage, error / distance, 1e-12);
}

TEST(Covariance, IsotropicRowsShrinkToOneEigenvalueAndOthersDoNot) {
  const auto round = covariance_spectrum(normal_rows(300, 60, [](std::int64_t) { return 1.0; }), 0);
  EXPECT_GT(round.shrinkage, 0.8);
  EXPECT_LT(round.value.back() / round.value.front(), 1.4);  // 5.8 without shrinkage
  const auto steep = covariance_spectrum(
      normal_rows(300, 60, [](std::int64_t j) { return 1.0 / (1.0 + static_cast<double>(j)); }), 0);
  EXPECT_LT(steep.shrinkage, 0.05);
  const auto same = covariance_spectrum(axis_pairs({1.0, 1.0, 1.0}, 3), 0);
  EXPECT_EQ(same.shrinkage, 0.0);
  EXPECT_NEAR(same.value.front(), same.value.back(), 1e-15);
}

// Rates and dimensions of a sketch against all eigenvalues.
void expect_traces(const at::Tensor& x, const CovarianceSpectrum& sketch) {
  const std::int64_t n = x.size(0), d = x.size(1);
  ASSERT_EQ(static_cast<std::int64_t>(sketch.value.size()), spectrum_entries(n, d));
  const at::Tensor wide = x.to(at::kDouble), centred = at::sub(wide, at::mean(wide, 0, true));
  const at::Tensor values =
      at::linalg_eigvalsh(n < d ? at::mm(centred, centred.t()) : at::mm(centred.t(), centred), "L");
  std::vector<double> exact(static_cast<std::size_t>(d), 0.0);
  double trace = 0.0;
  for (std::int64_t i = 0; i < values.size(0); ++i) {
    exact[static_cast<std::size_t>(i)] = values.data_ptr<double>()[i] / static_cast<double>(n);
    trace += exact[static_cast<std::size_t>(i)];
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
  const at::Tensor x =
      normal_rows(n, d, [](std::int64_t j) { return 20.0 * std::pow(1.0 + static_cast<double>(j), -0.8); });
  const auto sketch = covariance_spectrum(x.clone(), 5);
  expect_traces(x, sketch);
  EXPECT_GT(sketch.multiplicity.back(), 0.0);
  EXPECT_EQ(covariance_spectrum(x.clone(), 5).value, sketch.value);
  EXPECT_NE(covariance_spectrum(x.clone(), 6).value, sketch.value);
}

// Eigenvalues between 0.15 and 2.6: after half of the steps nothing changes.
TEST(Covariance, TheSketchStopsWhereNothingChanges) {
  const std::int64_t n = 3000, d = 1100;
  ASSERT_FALSE(spectrum_is_exact(n, d));
  const at::Tensor x = normal_rows(n, d, [](std::int64_t) { return 1.0; });
  const auto sketch = covariance_spectrum(x.clone(), 5);
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
