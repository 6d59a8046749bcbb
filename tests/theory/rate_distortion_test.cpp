// Rates, distortions and compression weights on channels whose curves are known.
#include "strata/theory/rate_distortion.h"

#include <gtest/gtest.h>

#include <cmath>

#include "strata/theory/gaussian_rate.h"
#include "strata/theory/kappa.h"
#include "tests/theory/synthetic_trace.h"

namespace strata {
namespace {

using test::add_noise_curve;
using test::trace_with_documents;

const test::Law kCurveNoNll = [](std::size_t, double) { return 0.0; };

void add_spectrum(Trace& trace, const std::vector<double>& eigenvalues) {
  const auto states = static_cast<std::size_t>(trace.n_layers()) + 1;
  SpectrumRecord& record = trace.spectra.emplace_back();
  record.width = record.entries = static_cast<std::int64_t>(eigenvalues.size());
  record.value = Matrix(states, eigenvalues.size());
  record.multiplicity = Matrix(states, eigenvalues.size(), 1.0);
  record.shrinkage.assign(states, 0.0);
  for (std::size_t s = 0; s < states; ++s) {
    std::copy(eigenvalues.begin(), eigenvalues.end(), record.value.row(s).begin());
  }
}

StateRateDistortion one_curve(const Trace& trace) {
  const auto all = rate_distortion(trace, estimate_kappa(trace));
  EXPECT_EQ(all.size(), 1u);
  return all.at(0);
}

const std::vector<double> kEigenvalues{4.0, 1.0, 0.25};

double rate(double eps) {
  double sum = 0.0;
  for (const double v : kEigenvalues) sum += 0.5 * std::log(1 + v / (eps * eps));
  return sum;
}
double dimension(double eps) {
  double sum = 0.0;
  for (const double v : kEigenvalues) sum += v / (v + eps * eps);
  return sum;
}

// A linear-Gaussian channel: u ~ N(0, diag lambda), outputs N(W u, I). Noise eps on u moves the mean of the
// output by eps W xi, so D = eps^2 |W|^2 / 2 exactly, kappa = |W|^2, and beta = kappa eps^2 / m at any eps.
TEST(RateDistortion, LinearGaussianChannel) {
  const double w2 = 3.5;
  Trace trace = trace_with_documents({10, 30, 7}, 3);
  add_spectrum(trace, kEigenvalues);
  add_noise_curve(
      trace, 2, [&](std::size_t, double eps) { return w2 * eps * eps / 2; }, kCurveNoNll);
  const StateRateDistortion result = one_curve(trace);
  EXPECT_EQ(result.state, 2);
  ASSERT_EQ(result.curve.points.size(), test::kGrid.size());
  for (const RatePoint& point : result.curve.points) {
    const double eps = point.strength;
    EXPECT_NEAR(point.rate_nats, rate(eps), 1e-12 * rate(eps));
    EXPECT_EQ(point.rate_error, 0.0);
    EXPECT_NEAR(point.distortion_nats, w2 * eps * eps / 2, 1e-12);
    EXPECT_NEAR(point.effective_dimension, dimension(eps), 1e-12);
    EXPECT_NEAR(point.beta, w2 * eps * eps / dimension(eps), 1e-9 * point.beta) << eps;
    EXPECT_NEAR(point.ln_beta_error, 0.0, 1e-9);
  }
  ASSERT_EQ(result.curve.matched.size(), std::size(kMatchedDistortion));
  for (const MatchedPoint& point : result.curve.matched) {
    const double eps = std::sqrt(2 * point.distortion_nats / w2);
    EXPECT_NEAR(point.strength, eps, 1e-9 * eps);
    EXPECT_NEAR(point.rate_nats, rate(eps), 1e-9 * rate(eps));
    // Pure spectrum: at matched distortion kappa is gone.
    EXPECT_NEAR(point.beta, 2 * point.distortion_nats / dimension(eps), 1e-9 * point.beta);
  }
}

// beta is -dD/dR along the curve: against the chord between neighbouring points of a fine grid.
TEST(RateDistortion, BetaIsTheSlopeOfTheCurve) {
  std::vector<double> grid;
  for (double eps = 0.01; eps < 0.7; eps *= 1.02) grid.push_back(eps);
  Trace trace = trace_with_documents({20, 20}, 1);
  add_spectrum(trace, kEigenvalues);
  const double kappa = 5.0, a = 0.4;  // saturates
  const auto law = [&](std::size_t, double eps) { return a * (1 - std::exp(-kappa * eps * eps / (2 * a))); };
  add_noise_curve(trace, 0, law, kCurveNoNll, grid);
  const auto points = one_curve(trace).curve.points;
  for (std::size_t i = 10; i + 1 < points.size(); ++i) {
    const double chord = -(points[i + 1].distortion_nats - points[i - 1].distortion_nats) /
                         (points[i + 1].rate_nats - points[i - 1].rate_nats);
    const double eps = points[i].strength;
    const double exact = kappa * eps * eps * std::exp(-kappa * eps * eps / (2 * a)) / dimension(eps);
    EXPECT_NEAR(points[i].beta, chord, 2e-3 * chord) << eps;
    EXPECT_NEAR(points[i].beta, exact, 2e-3 * exact) << eps;
  }
}

// D = c eps^p with p != 2 has no quadratic range: kappa is undefined and the slope is p everywhere.
TEST(RateDistortion, PowerLawWithoutAQuadraticRange) {
  Trace trace = trace_with_documents({20, 20}, 1);
  add_spectrum(trace, kEigenvalues);
  add_noise_curve(
      trace, 1, [](std::size_t, double eps) { return 0.3 * std::pow(eps, 1.5); }, kCurveNoNll);
  const auto curve = one_curve(trace).curve;
  for (const RatePoint& point : curve.points) {
    EXPECT_NEAR(point.beta, 1.5 * point.distortion_nats / dimension(point.strength), 1e-9 * point.beta);
  }
  for (const MatchedPoint& point : curve.matched) {
    EXPECT_NEAR(point.strength, std::pow(point.distortion_nats / 0.3, 1 / 1.5), 1e-9);
    EXPECT_NEAR(point.beta, 1.5 * point.distortion_nats / dimension(point.strength), 1e-9 * point.beta);
  }
}

TEST(RateDistortion, WhatTheCurveDoesNotReachIsUndefined) {
  Trace trace = trace_with_documents({20, 20}, 1);
  add_spectrum(trace, kEigenvalues);
  add_noise_curve(
      trace, 1, [](std::size_t, double eps) { return 0.005 * eps * eps; }, kCurveNoNll);
  const auto curve = one_curve(trace).curve;
  EXPECT_FALSE(std::isnan(curve.matched[0].beta));
  EXPECT_TRUE(std::isnan(curve.matched[1].beta));
  EXPECT_NE(curve.note.find("0.01 nats"), std::string::npos);
  Trace bare = trace_with_documents({20, 20}, 1);  // and without a spectrum nothing is made up
  add_noise_curve(
      bare, 1, [](std::size_t, double eps) { return eps * eps; }, kCurveNoNll);
  EXPECT_TRUE(rate_distortion(bare, estimate_kappa(bare)).empty());
}

// Two documents of equal size with kappa 1 and 3: ln beta is ln 3 and ln 1 with one left out.
TEST(RateDistortion, JackknifeErrorOfLnBeta) {
  Trace trace = trace_with_documents({20, 20}, 1);
  add_spectrum(trace, kEigenvalues);
  add_noise_curve(
      trace, 0, [](std::size_t d, double eps) { return (d == 0 ? 1.0 : 3.0) * eps * eps / 2; }, kCurveNoNll);
  for (const RatePoint& point : one_curve(trace).curve.points) {
    EXPECT_NEAR(point.ln_beta_error, std::log(3.0) / 2, 1e-9);
    EXPECT_NEAR(point.distortion_error, point.strength * point.strength / 2,
                1e-9);  // D is 1 +- 0.5, in eps^2
  }
}

TEST(RateDistortion, ProbesOfASketch) {
  SpectrumRecord record{.probes = 2, .entries = 4, .value = Matrix(1, 4), .multiplicity = Matrix(1, 4)};
  record.value.data = {1, 2, 3, 5};
  record.multiplicity.data = {1, 0.5, 0.25, 1.5};
  const double first = 0.5 * (std::log(2.0) + 0.5 * std::log(3.0));
  const double second = 0.5 * (0.25 * std::log(4.0) + 1.5 * std::log(6.0));
  const TraceEstimate estimate = gaussian_rate(record, 0, 1.0);
  EXPECT_NEAR(estimate.value, first + second, 1e-12);
  EXPECT_NEAR(estimate.standard_error, std::abs(first - second),
              1e-12);  // of 2 first and 2 second, their mean
}

TEST(RateDistortion, Segments) {
  Trace trace = trace_with_documents({20, 20}, 4);
  add_spectrum(trace, kEigenvalues);
  const double kappa[] = {1.0, 4.0, 9.0};
  for (int state = 0; state < 3; ++state) {
    add_noise_curve(
        trace, state, [&, state](std::size_t, double eps) { return kappa[state] * eps * eps / 2; },
        kCurveNoNll);
  }
  const auto states = rate_distortion(trace, estimate_kappa(trace));
  const auto segments = segment_rate_distortion({{"Local", 0, 2}, {"Rest", 2, 4}}, true, states);
  ASSERT_EQ(segments.size(), 2u);
  const RatePoint& point = segments[0].curve.points.at(2);
  const double eps = point.strength;
  EXPECT_TRUE(segments[0].forced);
  EXPECT_TRUE(segments[0].curve.note.empty());
  EXPECT_NEAR(point.rate_nats, rate(eps), 1e-9);
  EXPECT_NEAR(point.distortion_nats, 2.5 * eps * eps / 2, 1e-12);
  EXPECT_NEAR(point.beta, 2.0 * eps * eps / dimension(eps), 1e-12);  // geometric mean of 1 and 4
  EXPECT_NEAR(segments[1].curve.points.at(2).beta, 9.0 * eps * eps / dimension(eps), 1e-12);
  EXPECT_NE(segments[1].curve.note.find("1 of 2 states"), std::string::npos);
}

}  // namespace
}  // namespace strata
