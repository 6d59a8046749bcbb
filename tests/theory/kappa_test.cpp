// kappa and critical strength on curves whose answer is known.
#include "strata/theory/kappa.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "strata/base/philox.h"
#include "strata/theory/critical.h"
#include "tests/theory/synthetic_trace.h"

namespace strata {
namespace {

using test::add_noise_curve;
using test::kGrid;
using test::trace_with_documents;

const test::Law kKappaNoNll = [](std::size_t, double) { return 0.0; };

// Shows the quadratic range, of which kappa is read from the smallest strengths.
const KappaOptions kWholeRange{.most_strengths = kGrid.size()};

KappaEstimate one(const Trace& trace, const KappaOptions& options = {}) {
  const auto all = estimate_kappa(trace, options);
  EXPECT_EQ(all.size(), 1u);
  return all.at(0);
}

TEST(Kappa, ExactQuadratic) {
  Trace trace = trace_with_documents({10, 30, 7}, 4);
  add_noise_curve(
      trace, 2, [](std::size_t, double eps) { return 3.7 * eps * eps / 2; }, kKappaNoNll);
  const KappaEstimate k = one(trace);
  EXPECT_EQ(k.state, 2);
  EXPECT_NEAR(k.kappa, 3.7, 1e-12);
  EXPECT_NEAR(k.standard_error, 0.0, 1e-12);
  EXPECT_EQ(k.strengths_used, (std::vector<double>{0.003, 0.01, 0.03}));
  EXPECT_EQ(one(trace, kWholeRange).strengths_used, kGrid);
}

// Below a compute mode's noise floor a whole point is undefined; the others still give kappa.
TEST(Kappa, APointThatIsUndefinedEverywhereIsPassedOver) {
  Trace trace = trace_with_documents({10, 30}, 1);
  add_noise_curve(
      trace, 1, [](std::size_t, double eps) { return 3.7 * eps * eps / 2; }, kKappaNoNll);
  for (std::size_t d = 0; d < 2; ++d) {
    trace.curves[0].kl_nats(d, 0) = trace.curves[0].delta_nll_nats(d, 0) = std::nan("");
  }
  const KappaEstimate k = one(trace);
  EXPECT_NEAR(k.kappa, 3.7, 1e-12);
  EXPECT_EQ(k.strengths_used, (std::vector<double>{0.01, 0.03, 0.1}));
}

// Two documents, 10 and 30 lane tokens: kappa 2 and 4 by the lanes, 2.2 and 3.9 by the backward sweep.
TEST(Kappa, TheBackwardSweepBesideTheLanes) {
  Trace trace = trace_with_documents({10, 30}, 1);
  add_noise_curve(
      trace, 1, [](std::size_t d, double eps) { return (d == 0 ? 2.0 : 4.0) * eps * eps / 2; }, kKappaNoNll);
  EXPECT_TRUE(std::isnan(one(trace).fisher));
  EXPECT_TRUE(std::isnan(one(trace).difference_z));
  Series series{.id = "sensitivity", .axis = Axis::state, .by_doc = Matrix(2, 2, 0.0), .weight = {10, 30}};
  series.by_doc(0, 1) = 2.2;
  series.by_doc(1, 1) = 3.9;
  trace.series.push_back(series);
  const KappaEstimate k = estimate_kappa(trace).at(1);
  const double mean = 0.25 * 2.2 + 0.75 * 3.9;
  EXPECT_NEAR(k.kappa, 3.5, 1e-12);
  EXPECT_NEAR(k.fisher, mean, 1e-12);
  EXPECT_NEAR(k.fisher_error,
              std::sqrt(2 * (std::pow(0.25 * (2.2 - mean), 2) + std::pow(0.75 * (3.9 - mean), 2))), 1e-12);
  // Differences -0.2 and 0.1, their weighted mean 0.025.
  const double error =
      std::sqrt(2 * (std::pow(0.25 * (-0.2 - 0.025), 2) + std::pow(0.75 * (0.1 - 0.025), 2)));
  EXPECT_NEAR(k.difference_z, 0.025 / error, 1e-9);
}

// Lanes on two of four documents check the backward sweep's value, which is over all four.
TEST(Kappa, LanesOnASampleCheckTheBackwardSweep) {
  Trace trace = trace_with_documents({10, 30, 20, 40}, 1);
  add_noise_curve(
      trace, 1, [](std::size_t d, double eps) { return (d == 1 ? 2.0 : 4.0) * eps * eps / 2; }, kKappaNoNll);
  DoseCurve& curve = trace.curves[0];
  curve.documents = {1, 3};
  curve.sampling_error.assign(curve.strength.size(), 0.1);
  for (const std::size_t d : {0u, 2u}) {
    for (std::size_t j = 0; j < curve.strength.size(); ++j)
      curve.kl_nats(d, j) = curve.delta_nll_nats(d, j) = std::nan("");
  }
  Series series{
      .id = "sensitivity", .axis = Axis::state, .by_doc = Matrix(4, 2, 0.0), .weight = {10, 30, 20, 40}};
  const double backward[] = {1.0, 2.2, 3.0, 3.9};
  for (std::size_t d = 0; d < 4; ++d) series.by_doc(d, 1) = backward[d];
  trace.series.push_back(series);
  const KappaEstimate k = estimate_kappa(trace).at(1);
  EXPECT_EQ(k.estimator, "backward");
  EXPECT_NEAR(k.kappa, 0.1 * 1.0 + 0.3 * 2.2 + 0.2 * 3.0 + 0.4 * 3.9, 1e-12);
  EXPECT_EQ(k.fisher, k.kappa);
  EXPECT_EQ(k.fisher_error, k.standard_error);
  EXPECT_NEAR(k.check, (30 * 2.0 + 40 * 4.0) / 70, 1e-12);
  EXPECT_EQ(k.note.find("left out"), std::string::npos) << k.note;  // they are no gaps
  // Differences -0.2 and 0.1 on the two documents of both.
  const double mean = (30 * -0.2 + 40 * 0.1) / 70, a = 30.0 / 70, b = 40.0 / 70;
  const double error = std::sqrt(2 * (std::pow(a * (-0.2 - mean), 2) + std::pow(b * (0.1 - mean), 2)));
  EXPECT_NEAR(k.difference_z, mean / error, 1e-9);
}

// Lanes at one state of four: states of one run are by one estimator.
TEST(Kappa, LanesAtFewStatesCheckTheBackwardSweep) {
  for (const int blocks : {1, 3}) {
    Trace trace = trace_with_documents({10, 30}, blocks);
    add_noise_curve(
        trace, 1, [](std::size_t, double eps) { return 3.0 * eps * eps / 2; }, kKappaNoNll);
    const auto states = static_cast<std::size_t>(blocks) + 1;
    trace.series.push_back(
        {.id = "sensitivity", .axis = Axis::state, .by_doc = Matrix(2, states, 2.5), .weight = {10, 30}});
    const KappaEstimate k = estimate_kappa(trace).at(1);
    EXPECT_EQ(k.estimator, blocks == 1 ? "lanes" : "backward");
    EXPECT_NEAR(k.kappa, blocks == 1 ? 3.0 : 2.5, 1e-12);
    EXPECT_EQ(std::isnan(k.check), blocks == 1);
  }
}

// KL = kappa eps^2/2 + c eps^4: the eps^4 term is removed exactly, whichever strengths are used.
TEST(Kappa, FourthOrderTermIsRemoved) {
  for (const double c : {-1.0, 0.5, 4.0}) {
    Trace trace = trace_with_documents({10, 30}, 1);
    add_noise_curve(trace, 0, [&](std::size_t, double eps) { return eps * eps + c * std::pow(eps, 4); },
                    kKappaNoNll, {0.003, 0.01, 0.03, 0.1});
    const KappaEstimate k = one(trace);
    EXPECT_GE(k.strengths_used.size(), 3u);
    EXPECT_NEAR(k.kappa, 2.0, 1e-9) << c;
  }
}

// KL = a (1 - exp(-kappa eps^2 / (2a))) saturates: the bend is left out, by the slopes worked out here.
TEST(Kappa, BendIsLeftOut) {
  const double kappa = 5.0, a = 0.2;
  const auto law = [&](double eps) { return a * (1 - std::exp(-kappa * eps * eps / (2 * a))); };
  Trace trace = trace_with_documents({10, 30}, 1);
  add_noise_curve(
      trace, 0, [&](std::size_t, double eps) { return law(eps); }, kKappaNoNll);
  const KappaEstimate k = one(trace, kWholeRange);
  std::vector<double> expected{kGrid[0]};
  for (std::size_t j = 1; j < kGrid.size(); ++j) {
    const double slope = std::log(law(kGrid[j]) / law(kGrid[j - 1])) / std::log(kGrid[j] / kGrid[j - 1]);
    if (std::fabs(slope - 2) > 0.15) break;
    expected.push_back(kGrid[j]);
  }
  EXPECT_LT(expected.size(), kGrid.size());
  EXPECT_EQ(k.strengths_used, expected);
  EXPECT_NEAR(k.kappa, kappa, 0.01 * kappa);
}

// A floor of rounding below and saturation above: the slopes are 0.65, 1.59, 1.95, 1.99, 1.26, 0, so the
// range is the chain in the middle. What the floor adds at 0.01 (0.2 of 3) is the price of the tolerance.
TEST(Kappa, FloorAndSaturation) {
  Trace trace = trace_with_documents({10, 30}, 1);
  const std::vector<double> grid{0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0};
  add_noise_curve(
      trace, 0, [](std::size_t, double eps) { return 1e-5 + std::min(1.5 * eps * eps, 0.06); }, kKappaNoNll,
      grid);
  const KappaEstimate k = one(trace);
  EXPECT_EQ(k.strengths_used, (std::vector<double>{0.01, 0.03, 0.1}));
  EXPECT_NEAR(k.kappa, 3.0, 0.15);
}

TEST(Kappa, FlatCurveIsUndefinedWithAReason) {
  Trace trace = trace_with_documents({10, 30}, 1);
  add_noise_curve(
      trace, 0, [](std::size_t, double) { return 1e-7; }, kKappaNoNll);
  const KappaEstimate k = one(trace);
  EXPECT_TRUE(std::isnan(k.kappa));
  EXPECT_TRUE(std::isnan(k.standard_error));
  EXPECT_TRUE(k.strengths_used.empty());
  EXPECT_NE(k.note.find("no quadratic range"), std::string::npos) << k.note;
  EXPECT_NE(k.note.find("0.00, 0.00"), std::string::npos) << k.note;
}

TEST(Kappa, ZeroOrNegativeDamageIsNoRange) {
  Trace trace = trace_with_documents({10}, 1);
  add_noise_curve(
      trace, 0, [](std::size_t, double) { return 0.0; }, kKappaNoNll);
  EXPECT_TRUE(std::isnan(one(trace).kappa));
  EXPECT_NE(one(trace).note.find("undefined"), std::string::npos);
  trace.curves.clear();  // negative at the smallest strength only: the rest still has its range
  add_noise_curve(
      trace, 0, [](std::size_t, double eps) { return eps < 0.005 ? -1e-9 : eps * eps; }, kKappaNoNll);
  EXPECT_EQ(one(trace).strengths_used.front(), 0.01);
  EXPECT_NEAR(one(trace).kappa, 2.0, 1e-9);
}

TEST(Kappa, ToleranceDecides) {
  Trace trace = trace_with_documents({10, 30}, 1);
  add_noise_curve(
      trace, 0, [](std::size_t, double eps) { return std::pow(eps, 2.16); }, kKappaNoNll);
  EXPECT_TRUE(std::isnan(one(trace).kappa));
  EXPECT_EQ(one(trace, {.slope_tolerance = 0.17, .most_strengths = kGrid.size()}).strengths_used, kGrid);
}

// Two values and weights by hand: mean (1*2 + 3*6)/4 = 5, SE^2 = 2/1 * ((1/4)^2 3^2 + (3/4)^2 1^2) = 2.25.
TEST(Kappa, StandardErrorByHand) {
  Trace trace = trace_with_documents({10, 30, 0}, 1);
  const std::vector<double> own{2.0, 6.0, 1000.0};  // the third has no lane tokens
  add_noise_curve(
      trace, 0, [&](std::size_t d, double eps) { return own[d] * eps * eps / 2; }, kKappaNoNll);
  const KappaEstimate k = one(trace);
  EXPECT_NEAR(k.kappa, 5.0, 1e-12);
  EXPECT_NEAR(k.standard_error, 1.5, 1e-12);
  EXPECT_TRUE(k.note.find("left out") == std::string::npos);
}

// Documents with kappa uniform on [1, 3]: the standard error is sd / sqrt(n), sd = 2 / sqrt(12), and it
// is the spread of the estimate over repetitions.
TEST(Kappa, StandardErrorIsTheSpreadOverRepetitions) {
  Philox rng({.seed = 3, .stream = Stream::test});
  const int repetitions = 400;
  const std::size_t n = 24;
  double sum = 0, square = 0, variance = 0;
  for (int r = 0; r < repetitions; ++r) {
    Trace trace = trace_with_documents(std::vector<int>(n, 50), 1);
    std::vector<double> own(n);
    for (double& value : own) value = 1 + 2 * rng.uniform();
    add_noise_curve(
        trace, 0, [&](std::size_t d, double eps) { return own[d] * eps * eps / 2; }, kKappaNoNll);
    const KappaEstimate k = one(trace);
    sum += k.kappa;
    square += k.kappa * k.kappa;
    variance += k.standard_error * k.standard_error / repetitions;
  }
  const double mean = sum / repetitions;
  const double analytic = 4.0 / 12 / static_cast<double>(n);
  EXPECT_NEAR(mean, 2.0, 5 * std::sqrt(analytic / repetitions));
  EXPECT_NEAR(variance, analytic, 0.05 * analytic);
  EXPECT_NEAR(square / repetitions - mean * mean, analytic, 0.3 * analytic);
}

TEST(Kappa, OneDocumentHasNoStandardError) {
  Trace trace = trace_with_documents({10}, 1);
  add_noise_curve(
      trace, 0, [](std::size_t, double eps) { return eps * eps; }, kKappaNoNll);
  EXPECT_NEAR(one(trace).kappa, 2.0, 1e-12);
  EXPECT_TRUE(std::isnan(one(trace).standard_error));
  EXPECT_NE(one(trace).note.find("one document"), std::string::npos);
}

TEST(Kappa, DocumentsThatAreNotFiniteAreLeftOut) {
  Trace trace = trace_with_documents({10, 30, 20}, 1);
  add_noise_curve(
      trace, 0, [](std::size_t d, double eps) { return d == 1 && eps == 1.0 ? NAN : eps * eps; },
      kKappaNoNll);
  const KappaEstimate k = one(trace);
  EXPECT_NEAR(k.kappa, 2.0, 1e-12);
  EXPECT_NE(k.note.find("1 of 3 documents left out"), std::string::npos) << k.note;
  Trace none = trace_with_documents({0, 0}, 1);
  add_noise_curve(
      none, 0, [](std::size_t, double eps) { return eps * eps; }, kKappaNoNll);
  EXPECT_TRUE(std::isnan(one(none).kappa));
  EXPECT_NE(one(none).note.find("no document"), std::string::npos);
}

// delta NLL = 4 ln 2 + ln(eps) reaches ln 2 at eps = 1/8, exactly, as it is linear in ln eps.
TEST(CriticalStrength, LogLinearCurve) {
  Trace trace = trace_with_documents({10, 30}, 1);
  add_noise_curve(
      trace, 0, [](std::size_t, double eps) { return eps * eps; },
      [](std::size_t, double eps) { return 4 * std::log(2.0) + std::log(eps); });
  EXPECT_NEAR(one(trace).critical_strength, 0.125, 1e-12);
}

TEST(CriticalStrength, PooledOverDocumentsAndFirstCrossing) {
  Trace trace = trace_with_documents({10, 30}, 1);
  // pooled: (10 * 0 + 30 * x) / 40 = 3x/4; x jumps from 0 to 8 ln 2 / 3 between 0.1 and 0.3, so the
  // crossing is half way in ln eps; it falls again and crosses once more later.
  add_noise_curve(
      trace, 0, [](std::size_t, double eps) { return eps * eps; },
      [](std::size_t d, double eps) { return d == 1 && eps == 0.3 ? 8 * std::log(2.0) / 3 : 0.0; });
  EXPECT_NEAR(one(trace).critical_strength, std::sqrt(0.1 * 0.3), 1e-12);
}

// delta NLL = x_d + ln(eps): the crossing is at 2 exp(-mean x). Leaving one document out leaves the mean of
// the others, so the jackknife's error is worked out by hand.
TEST(CriticalStrength, StandardErrorIsTheJackknifes) {
  Trace trace = trace_with_documents({20, 20, 20}, 1);
  const double x[] = {2.0, 2.3, 2.9};
  add_noise_curve(
      trace, 0, [](std::size_t, double eps) { return eps * eps; },
      [&](std::size_t d, double eps) { return x[d] + std::log(eps); });
  const double left_out[] = {2 * std::exp(-2.6), 2 * std::exp(-2.45), 2 * std::exp(-2.15)};
  const double mean = (left_out[0] + left_out[1] + left_out[2]) / 3;
  double square = 0.0;
  for (const double value : left_out) square += (value - mean) * (value - mean);
  EXPECT_NEAR(one(trace).critical_strength, 2 * std::exp(-2.4), 1e-12);
  EXPECT_NEAR(one(trace).critical_error, std::sqrt(square * 2 / 3), 1e-12);
  const auto doses = summarise_doses(trace);
  ASSERT_EQ(doses.size(), 1u);
  EXPECT_EQ(doses[0].intervention, "relative_noise");
  EXPECT_EQ(doses[0].critical_strength, one(trace).critical_strength);
  EXPECT_EQ(doses[0].critical_error, one(trace).critical_error);
}

TEST(CriticalStrength, HasNoErrorWhereOneDocumentDecides) {
  Trace trace = trace_with_documents({20, 20}, 1);
  add_noise_curve(
      trace, 0, [](std::size_t, double eps) { return eps * eps; },
      [](std::size_t d, double eps) { return d == 1 ? 10 * eps : 0.0; });
  EXPECT_FALSE(std::isnan(one(trace).critical_strength));
  EXPECT_TRUE(std::isnan(one(trace).critical_error));
  EXPECT_NE(one(trace).note.find("without document 2 there is no crossing"), std::string::npos);
}

TEST(CriticalStrength, IsNotInterpolatedWhereThereIsNothingInBetween) {
  Trace trace = trace_with_documents({20, 20}, 1);
  add_noise_curve(
      trace, 0, [](std::size_t, double eps) { return eps * eps; },
      [](std::size_t, double eps) { return eps; }, {0.5, 1.0});
  EXPECT_FALSE(std::isnan(critical_strength(trace, trace.curves[0]).strength));
  trace.curves[0].continuous = false;
  EXPECT_TRUE(std::isnan(critical_strength(trace, trace.curves[0]).strength));
  EXPECT_EQ(critical_strength(trace, trace.curves[0]).note,
            "perplexity doubles between 0.5 and 1; there is nothing in between");
}

TEST(CriticalStrength, NotEnclosedByTheGrid) {
  const test::Law kl = [](std::size_t, double eps) { return eps * eps; };
  for (const double level : {0.1, 5.0}) {
    Trace trace = trace_with_documents({10, 30}, 1);
    add_noise_curve(trace, 0, kl, [&](std::size_t, double) { return level; });
    const KappaEstimate k = one(trace);
    EXPECT_TRUE(std::isnan(k.critical_strength));
    EXPECT_NE(k.note.find(level > 1 ? "already doubled at the smallest strength 0.003"
                                    : "not doubled at the largest strength 1"),
              std::string::npos)
        << k.note;
  }
}

TEST(Kappa, StatesInOrderAndOtherCurvesIgnored) {
  Trace trace = trace_with_documents({10, 30}, 3);
  for (const int state : {3, 0}) {
    add_noise_curve(
        trace, state, [&](std::size_t, double eps) { return (state + 1) * eps * eps / 2; }, kKappaNoNll);
  }
  test::add_skip_curve(trace, 1, {0.5, 0.5});
  trace.curves.push_back(trace.curves[0]);
  trace.curves.back().intervention = "absolute_noise";
  trace.curves.back().place = 1;
  const auto all = estimate_kappa(trace);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].state, 0);
  EXPECT_NEAR(all[0].kappa, 1.0, 1e-12);
  EXPECT_EQ(all[1].state, 3);
  EXPECT_NEAR(all[1].kappa, 4.0, 1e-12);
  EXPECT_TRUE(estimate_kappa(trace_with_documents({10}, 3)).empty());
}

// Without noise lanes kappa is the backward sweep's: two documents with 10 and 30 lane tokens, a third
// without.
TEST(Kappa, TheBackwardSweepAloneWhereNoNoiseWasRun) {
  Trace trace = trace_with_documents({10, 30, 0}, 2);
  add_noise_curve(
      trace, 1, [](std::size_t, double eps) { return 5 * eps * eps / 2; }, kKappaNoNll);
  for (const auto& [id, factor] : {std::pair("sensitivity", 1.0), std::pair("sensitivity_absolute", 10.0)}) {
    Series series{
        .id = id, .axis = Axis::state, .by_doc = Matrix(3, 3, kUndefinedValue), .weight = {10, 30, 0}};
    for (std::size_t s = 0; s < 3; ++s) {
      series.by_doc(0, s) = factor * (2.0 + static_cast<double>(s));
      series.by_doc(1, s) = factor * (4.0 + static_cast<double>(s));
    }
    trace.series.push_back(series);
  }
  const auto all = estimate_kappa(trace);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[1].estimator, "backward");  // lanes at one state of three check it
  EXPECT_NEAR(all[1].kappa, 4.5, 1e-12);
  EXPECT_NEAR(all[1].check, 5.0, 1e-12);
  for (const int state : {0, 2}) {
    const KappaEstimate& k = all[static_cast<std::size_t>(state)];
    EXPECT_EQ(k.state, state);
    EXPECT_EQ(k.estimator, "backward");
    const double mean = 3.5 + state;
    EXPECT_NEAR(k.kappa, mean, 1e-12);
    EXPECT_EQ(k.fisher, k.kappa);
    EXPECT_NEAR(k.standard_error, std::sqrt(2 * (std::pow(0.25 * 1.5, 2) + std::pow(0.75 * 0.5, 2))), 1e-12);
    EXPECT_EQ(k.fisher_error, k.standard_error);
    EXPECT_NEAR(k.absolute_fisher, 10 * mean, 1e-12);
    EXPECT_TRUE(std::isnan(k.difference_z));
    EXPECT_TRUE(std::isnan(k.critical_strength));
    EXPECT_TRUE(k.strengths_used.empty());
    EXPECT_EQ(k.note, "no noise lanes were run");
  }
  trace.series[0].by_doc(0, 2) = trace.series[0].by_doc(1, 2) = kUndefinedValue;
  EXPECT_TRUE(std::isnan(estimate_kappa(trace)[2].kappa));
  EXPECT_EQ(estimate_kappa(trace)[2].note, "no document with a finite sensitivity");
}

// The lanes say nothing (no quadratic range), the backward sweep does.
TEST(Kappa, TheBackwardSweepStandsBesideLanesWithoutAQuadraticRange) {
  Trace trace = trace_with_documents({10, 30}, 1);
  add_noise_curve(
      trace, 1, [](std::size_t, double eps) { return eps; }, kKappaNoNll);
  trace.series.push_back(
      {.id = "sensitivity", .axis = Axis::state, .by_doc = Matrix(2, 2, 3.0), .weight = {10, 30}});
  const auto all = estimate_kappa(trace);
  EXPECT_TRUE(std::isnan(all.at(1).kappa));
  EXPECT_EQ(all.at(1).estimator, "lanes");
  EXPECT_NEAR(all.at(1).fisher, 3.0, 1e-12);
  EXPECT_TRUE(std::isnan(all.at(1).difference_z));
}

// 15% of curvature at eps = 1 passes the slope; a line through it would put kappa 0.5% off.
TEST(Kappa, TheEndOfTheRangeDoesNotBendTheLine) {
  Trace trace = trace_with_documents({10, 30}, 1);
  const auto law = [](std::size_t, double eps) {
    return eps * eps * (1 + 0.4 * eps * eps - 0.21 * std::pow(eps, 4));  // kappa 2
  };
  add_noise_curve(trace, 0, law, kKappaNoNll);
  EXPECT_EQ(one(trace, kWholeRange).strengths_used, kGrid);
  EXPECT_GT(std::fabs(one(trace, kWholeRange).kappa - 2.0), 0.005);
  EXPECT_NEAR(one(trace).kappa, 2.0, 1e-5);
}

// Unsorted strengths, and strength 0 (the identity), change nothing.
TEST(Kappa, OrderOfStrengths) {
  Trace trace = trace_with_documents({10, 30}, 1);
  add_noise_curve(
      trace, 0, [](std::size_t, double eps) { return eps * eps; },
      [](std::size_t, double eps) { return eps; }, {0.3, 0.0, 0.01, 1.0, 0.1});
  const KappaEstimate k = one(trace);
  EXPECT_EQ(k.strengths_used, (std::vector<double>{0.01, 0.1, 0.3}));
  EXPECT_NEAR(k.kappa, 2.0, 1e-12);
  EXPECT_GT(k.critical_strength, 0.3);
  EXPECT_LT(k.critical_strength, 1.0);
}

TEST(Kappa, SizesThatDoNotFitAreABug) {
  Trace trace = trace_with_documents({10, 30}, 1);
  add_noise_curve(
      trace, 0, [](std::size_t, double eps) { return eps; }, kKappaNoNll);
  trace.curves[0].strength.pop_back();
  EXPECT_THROW(estimate_kappa(trace), std::logic_error);
}

}  // namespace
}  // namespace strata
