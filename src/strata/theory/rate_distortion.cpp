#include "strata/theory/rate_distortion.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "strata/base/words.h"
#include "strata/theory/dose.h"
#include "strata/theory/gaussian_rate.h"

namespace strata {
namespace {

// Derivative at `at` of the parabola through (x0, y0), (x1, y1), (x2, y2).
double parabola_slope(const double (&x)[3], const double (&y)[3], double at) {
  double slope = 0.0;
  for (int i = 0; i < 3; ++i) {
    const int j = (i + 1) % 3, k = (i + 2) % 3;
    slope += y[i] * (2.0 * at - x[j] - x[k]) / ((x[i] - x[j]) * (x[i] - x[k]));
  }
  return slope;
}

// One document set's distortion over the positive strengths, in rising order.
struct Distortion {
  std::vector<double> strength, nats;
  double kappa = kUndefinedValue;
  std::size_t quadratic = 0;  ///< so many of the smallest strengths are those that kappa was read from

  // dD / d ln eps at strength i.
  [[nodiscard]] double derivative(std::size_t i) const {
    if (i < quadratic) return kappa * strength[i] * strength[i];
    return nats[i] * log_slope(i);
  }
  // d ln D / d ln eps at strength i; NaN where a logarithm is not defined or there are fewer than three
  // points.
  [[nodiscard]] double log_slope(std::size_t i) const {
    const std::size_t n = strength.size();
    if (n < 3) return kUndefinedValue;
    const std::size_t first = std::min(i == 0 ? 0 : i - 1, n - 3);
    double x[3], y[3];
    for (std::size_t j = 0; j < 3; ++j) {
      x[j] = std::log(strength[first + j]);
      y[j] = nats[first + j] > 0.0 ? std::log(nats[first + j]) : kUndefinedValue;
    }
    return parabola_slope(x, y, std::log(strength[i]));
  }
};

// The curve of one state, for any set of its documents.
class StateCurve {
 public:
  StateCurve(const Trace& trace, const DoseCurve& curve, const KappaEstimate& kappa)
      : trace_(trace), curve_(curve), kappa_(kappa), documents_(dose::usable_documents(trace, curve)) {
    order_.resize(curve.strength.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::erase_if(order_, [&](std::size_t j) { return !(curve.strength[j] > 0.0); });
    std::sort(order_.begin(), order_.end(),
              [&](std::size_t a, std::size_t b) { return curve.strength[a] < curve.strength[b]; });
  }

  [[nodiscard]] const std::vector<std::size_t>& documents() const { return documents_; }

  [[nodiscard]] Distortion of(const std::vector<std::size_t>& documents) const {
    Distortion result;
    for (const std::size_t j : order_) {
      result.strength.push_back(curve_.strength[j]);
      result.nats.push_back(dose::pooled(trace_, curve_.kl_nats, documents, j));
    }
    if (!(kappa_.kappa > 0.0) || kappa_.strengths_used.empty()) return result;
    // kappa may start above a smallest strength that rounding spoils: such a point has no derivative here.
    const auto& used = kappa_.strengths_used;
    while (result.quadratic < result.strength.size() &&
           result.strength[result.quadratic] <= *std::max_element(used.begin(), used.end())) {
      ++result.quadratic;
    }
    double sum = 0.0, weight = 0.0;
    for (const std::size_t d : documents) {
      const auto tokens = static_cast<double>(trace_.documents[d].lane_tokens);
      sum += tokens * dose::document_kappa(curve_, curve_.kl_nats, used, d);
      weight += tokens;
    }
    result.kappa = sum / weight;
    return result;
  }

  [[nodiscard]] std::vector<double> distortion_errors() const {
    std::vector<double> weight(trace_.documents.size(), 0.0);
    for (const std::size_t d : documents_) weight[d] = static_cast<double>(trace_.documents[d].lane_tokens);
    const auto all = weighted_standard_error(curve_.kl_nats, weight);
    std::vector<double> errors;
    for (const std::size_t j : order_) errors.push_back(all[j]);
    return errors;
  }

  // Jackknife standard error of ln(dD / d ln eps) at every strength; the spectrum cancels.
  [[nodiscard]] std::vector<double> ln_beta_errors() const {
    std::vector<double> errors(order_.size(), kUndefinedValue);
    if (documents_.size() < 2) return errors;
    const auto n = static_cast<double>(documents_.size());
    std::vector<std::vector<double>> values(order_.size());
    for (std::size_t out = 0; out < documents_.size(); ++out) {
      auto rest = documents_;
      rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(out));
      const Distortion distortion = of(rest);
      for (std::size_t i = 0; i < order_.size(); ++i) values[i].push_back(std::log(distortion.derivative(i)));
    }
    for (std::size_t i = 0; i < order_.size(); ++i) {
      const double mean = std::accumulate(values[i].begin(), values[i].end(), 0.0) / n;
      double square = 0.0;
      for (const double value : values[i]) square += (value - mean) * (value - mean);
      errors[i] = std::sqrt(square * (n - 1.0) / n);
    }
    return errors;
  }

 private:
  const Trace& trace_;
  const DoseCurve& curve_;
  const KappaEstimate& kappa_;
  std::vector<std::size_t> documents_, order_;
};

MatchedPoint undefined_match(double distortion) {
  return {distortion, kUndefinedValue, kUndefinedValue, kUndefinedValue, kUndefinedValue};
}

// Where the curve first reaches `target`; beta without 1/m, which the caller divides by.
struct Crossing {
  double strength = kUndefinedValue, derivative = kUndefinedValue;
};

Crossing crossing(const Distortion& d, double target) {
  if (d.strength.empty()) return {};
  if (d.nats.front() >= target) {
    if (!(d.kappa > 0.0) || d.quadratic == 0) return {};
    return {std::sqrt(2.0 * target / d.kappa), 2.0 * target};
  }
  for (std::size_t i = 0; i + 1 < d.strength.size(); ++i) {
    if (!(d.nats[i] > 0.0 && d.nats[i] < target && d.nats[i + 1] >= target)) continue;
    const double share = std::log(target / d.nats[i]) / std::log(d.nats[i + 1] / d.nats[i]);
    const double slope =
        (1.0 - share) * d.derivative(i) / d.nats[i] + share * d.derivative(i + 1) / d.nats[i + 1];
    return {d.strength[i] * std::pow(d.strength[i + 1] / d.strength[i], share), target * slope};
  }
  return {};
}

RateDistortion curve_of(const StateCurve& state_curve, const SpectrumRecord& spectrum, int state) {
  RateDistortion result;
  const Distortion distortion = state_curve.of(state_curve.documents());
  const auto errors = state_curve.distortion_errors();
  const auto ln_beta_errors = state_curve.ln_beta_errors();
  for (std::size_t i = 0; i < distortion.strength.size(); ++i) {
    const double eps = distortion.strength[i];
    const TraceEstimate rate = gaussian_rate(spectrum, state, eps);
    const double m = effective_dimension(spectrum, state, eps).value;
    const double beta = distortion.derivative(i) / m;
    result.points.push_back({.strength = eps,
                             .rate_nats = rate.value,
                             .rate_error = rate.standard_error,
                             .distortion_nats = distortion.nats[i],
                             .distortion_error = errors[i],
                             .effective_dimension = m,
                             .beta = std::isfinite(beta) ? beta : kUndefinedValue,
                             .ln_beta_error = ln_beta_errors[i]});
  }
  for (const double target : kMatchedDistortion) {
    const Crossing at = crossing(distortion, target);
    if (std::isnan(at.strength)) {
      result.matched.push_back(undefined_match(target));
      add_note(result.note, fmt::format("no strength with a distortion of {:g} nats", target));
      continue;
    }
    const double m = effective_dimension(spectrum, state, at.strength).value;
    result.matched.push_back(
        {target, at.strength, gaussian_rate(spectrum, state, at.strength).value, m, at.derivative / m});
  }
  return result;
}

// Without predictions there is no distortion: the rate of the channel at each strength, and why.
RateDistortion rate_alone(const DoseCurve& curve, const SpectrumRecord& spectrum, int state) {
  RateDistortion result;
  for (const double eps : curve.strength) {
    const TraceEstimate rate = gaussian_rate(spectrum, state, eps);
    result.points.push_back({.strength = eps,
                             .rate_nats = rate.value,
                             .rate_error = rate.standard_error,
                             .distortion_nats = kUndefinedValue,
                             .distortion_error = kUndefinedValue,
                             .effective_dimension = effective_dimension(spectrum, state, eps).value,
                             .beta = kUndefinedValue,
                             .ln_beta_error = kUndefinedValue});
  }
  for (const double target : kMatchedDistortion) result.matched.push_back(undefined_match(target));
  result.note = kNoHead;
  return result;
}

// Means over the states of a segment, member by member; NaN where one state has none.
template <class Point>
double mean_of(const std::vector<const Point*>& points, double Point::*member) {
  double sum = 0.0;
  for (const Point* point : points) sum += point->*member;
  return sum / static_cast<double>(points.size());
}
template <class Point>
double geometric_mean_of(const std::vector<const Point*>& points, double Point::*member) {
  double sum = 0.0;
  for (const Point* point : points) sum += std::log(point->*member);
  return std::exp(sum / static_cast<double>(points.size()));
}

RatePoint mean_point(const std::vector<const RatePoint*>& points) {
  RatePoint mean{.strength = points.front()->strength,
                 .rate_nats = mean_of(points, &RatePoint::rate_nats),
                 .distortion_nats = mean_of(points, &RatePoint::distortion_nats),
                 .distortion_error = mean_of(points, &RatePoint::distortion_error),
                 .effective_dimension = mean_of(points, &RatePoint::effective_dimension),
                 .beta = geometric_mean_of(points, &RatePoint::beta),
                 .ln_beta_error = mean_of(points, &RatePoint::ln_beta_error)};
  double square = 0.0;
  for (const RatePoint* point : points) square += point->rate_error * point->rate_error;
  mean.rate_error = std::sqrt(square) / static_cast<double>(points.size());
  return mean;
}

MatchedPoint mean_match(const std::vector<const MatchedPoint*>& points) {
  return {points.front()->distortion_nats, geometric_mean_of(points, &MatchedPoint::strength),
          mean_of(points, &MatchedPoint::rate_nats), mean_of(points, &MatchedPoint::effective_dimension),
          geometric_mean_of(points, &MatchedPoint::beta)};
}

// The states' points at the strength of `like`; fewer than all states where a grid lacks it.
std::vector<const RatePoint*> points_at(const std::vector<const RateDistortion*>& curves, double strength) {
  std::vector<const RatePoint*> points;
  for (const RateDistortion* curve : curves) {
    for (const RatePoint& point : curve->points) {
      if (point.strength == strength) points.push_back(&point);
    }
  }
  return points;
}

}  // namespace

std::vector<StateRateDistortion> rate_distortion(const Trace& trace,
                                                 const std::vector<KappaEstimate>& kappa) {
  std::vector<StateRateDistortion> result;
  const SpectrumRecord* spectrum = find_spectrum(trace, TokenSet::ordinary);
  if (spectrum == nullptr || spectrum->value.rows == 0) return result;
  for (const KappaEstimate& estimate : kappa) {
    const DoseCurve* curve = dose::find_curve(trace, "relative_noise", Axis::state, estimate.state);
    if (curve == nullptr) continue;
    if (!trace.model.has_head()) {
      result.push_back({estimate.state, rate_alone(*curve, *spectrum, estimate.state)});
      continue;
    }
    const StateCurve state_curve(trace, *curve, estimate);
    if (state_curve.documents().empty()) continue;
    result.push_back({estimate.state, curve_of(state_curve, *spectrum, estimate.state)});
  }
  return result;
}

std::vector<SegmentRateDistortion> segment_rate_distortion(const std::vector<Segment>& segments, bool forced,
                                                           const std::vector<StateRateDistortion>& states) {
  std::vector<SegmentRateDistortion> result;
  for (const Segment& segment : segments) {
    std::vector<const RateDistortion*> curves;
    for (const StateRateDistortion& state : states) {
      if (segment.begin <= state.state && state.state < segment.end) curves.push_back(&state.curve);
    }
    if (curves.empty()) continue;
    SegmentRateDistortion of{.segment = segment, .forced = forced, .curve = {}};
    for (const RatePoint& point : curves.front()->points) {
      const auto points = points_at(curves, point.strength);
      if (points.size() == curves.size()) of.curve.points.push_back(mean_point(points));
    }
    for (std::size_t i = 0; i < std::size(kMatchedDistortion); ++i) {
      std::vector<const MatchedPoint*> points;
      for (const RateDistortion* curve : curves) points.push_back(&curve->matched[i]);
      of.curve.matched.push_back(mean_match(points));
    }
    const auto blocks = static_cast<std::size_t>(segment.end - segment.begin);
    if (curves.size() != blocks) {
      of.curve.note =
          fmt::format("{} of {} states have no curve and are left out", blocks - curves.size(), blocks);
    }
    if (curves.front()->note == kNoHead) add_note(of.curve.note, kNoHead);
    result.push_back(std::move(of));
  }
  return result;
}

}  // namespace strata
