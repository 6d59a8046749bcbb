#include "strata/theory/kappa.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "strata/base/error.h"
#include "strata/base/words.h"
#include "strata/theory/critical.h"
#include "strata/theory/dose.h"

namespace strata {
namespace {

// The pooled curve at its positive strengths, in rising order.
struct Pooled {
  std::vector<double> strength, kl;
};

Pooled pool(const Trace& trace, const DoseCurve& curve, std::span<const std::size_t> documents) {
  std::vector<std::size_t> order(curve.strength.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::erase_if(order, [&](std::size_t j) {
    return !(curve.strength[j] > 0.0) || dose::undefined_everywhere(curve, j);
  });
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return curve.strength[a] < curve.strength[b]; });
  Pooled pooled;
  for (const std::size_t j : order) {
    pooled.strength.push_back(curve.strength[j]);
    pooled.kl.push_back(dose::pooled(trace, damage_of(curve), documents, j));
  }
  return pooled;
}

// Slope between strengths i and i+1; NaN where the logarithm is not defined.
std::vector<double> log_slopes(const Pooled& curve) {
  std::vector<double> slopes;
  for (std::size_t i = 0; i + 1 < curve.strength.size(); ++i) {
    const bool defined =
        curve.kl[i] > 0.0 && curve.kl[i + 1] > 0.0 && curve.strength[i + 1] > curve.strength[i];
    slopes.push_back(defined ? std::log(curve.kl[i + 1] / curve.kl[i]) /
                                   std::log(curve.strength[i + 1] / curve.strength[i])
                             : kUndefinedValue);
  }
  return slopes;
}

// [first, last] of the longest chain of joined strengths; empty when no pair is joined.
std::vector<double> quadratic_range(const Pooled& curve, const std::vector<double>& slopes,
                                    double tolerance) {
  std::size_t best_begin = 0, best_joints = 0, joints = 0;
  for (std::size_t i = 0; i < slopes.size(); ++i) {
    joints = std::fabs(slopes[i] - 2.0) <= tolerance ? joints + 1 : 0;  // NaN is not joined
    if (joints > best_joints) {
      best_joints = joints;
      best_begin = i + 1 - joints;
    }
  }
  if (best_joints == 0) return {};
  const auto begin = curve.strength.begin() + static_cast<std::ptrdiff_t>(best_begin);
  return {begin, begin + static_cast<std::ptrdiff_t>(best_joints) + 1};
}

std::string show_slopes(const std::vector<double>& slopes) {
  std::string text;
  for (const double slope : slopes) {
    text += (text.empty() ? "" : ", ") +
            (std::isnan(slope) ? std::string("undefined") : fmt::format("{:.2f}", slope));
  }
  return text.empty() ? "none" : text;
}

// Value of a series of the backward sweep for these documents.
std::vector<double> backward_values(const Series& series, std::span<const std::size_t> documents, int state) {
  std::vector<double> values;
  for (const std::size_t d : documents) values.push_back(series.by_doc(d, static_cast<std::size_t>(state)));
  return values;
}

// Whether noise lanes are a check of the backward sweep rather than kappa itself: they ran on fewer
// documents, or at fewer than half of the states. Kappa of one run should be of one estimator.
bool is_check(const Trace& trace, const DoseCurve& curve) {
  const auto states = std::count_if(trace.curves.begin(), trace.curves.end(), [](const DoseCurve& c) {
    return c.intervention == "relative_noise" && c.axis == Axis::state && c.span == 1;
  });
  return !curve.documents.empty() || 2 * states < trace.n_layers() + 1;
}

// The backward sweep's value of the same documents, and the paired difference to the lanes' values.
void compare(const Trace& trace, const Curvature& lanes, bool checks, KappaEstimate& estimate) {
  const Series* series = backward_series_of(trace);
  if (series == nullptr) return;
  const std::vector<std::size_t> backward = backward_documents(trace, *series, estimate.state);
  std::vector<std::size_t> both;
  std::vector<double> difference;
  for (std::size_t i = 0; i < lanes.documents.size(); ++i) {
    const std::size_t d = lanes.documents[i];
    if (std::find(backward.begin(), backward.end(), d) == backward.end()) continue;
    both.push_back(d);
    if (!lanes.by_doc.empty())
      difference.push_back(lanes.by_doc[i] - series->by_doc(d, static_cast<std::size_t>(estimate.state)));
  }
  const bool check = checks && !backward.empty();
  const auto& documents = check ? backward : both;
  const dose::Mean mean =
      dose::mean_over_documents(trace, documents, backward_values(*series, documents, estimate.state));
  estimate.fisher = mean.value;
  estimate.fisher_error = mean.standard_error;
  if (check) {
    estimate.check = estimate.kappa;
    estimate.check_error = estimate.standard_error;
    estimate.kappa = mean.value;
    estimate.standard_error = mean.standard_error;
    estimate.estimator = "backward";
  }
  if (difference.empty()) return;
  const dose::Mean apart = dose::mean_over_documents(trace, both, difference);
  estimate.difference_z = apart.standard_error > 0.0 ? apart.value / apart.standard_error : kUndefinedValue;
}

void add_absolute(const Trace& trace, const KappaOptions& options, std::span<const std::size_t> documents,
                  KappaEstimate& estimate) {
  if (const Series* series = find_series(
          trace, trace.model.has_head() ? "sensitivity_absolute" : "embedding_sensitivity_absolute",
          TokenSet::ordinary)) {
    const dose::Mean mean =
        dose::mean_over_documents(trace, documents, backward_values(*series, documents, estimate.state));
    estimate.absolute_fisher = mean.value;
    estimate.absolute_fisher_error = mean.standard_error;
  }
  const DoseCurve* curve = dose::find_curve(trace, "absolute_noise", Axis::state, estimate.state);
  if (curve == nullptr) return;
  const Curvature lanes = estimate_curvature(trace, *curve, options);
  estimate.absolute = lanes.kl.value;
  estimate.absolute_error = lanes.kl.standard_error;
  estimate.absolute_nll = lanes.nll.value;
  estimate.absolute_nll_error = lanes.nll.standard_error;
  if (!lanes.note.empty()) add_note(estimate.note, "absolute noise: " + lanes.note);
}

// Where no noise lanes were run, kappa is that of the backward sweep.
KappaEstimate estimate_backward(const Trace& trace, const Series& series, int state,
                                const KappaOptions& options) {
  KappaEstimate estimate{.state = state,
                         .kappa = kUndefinedValue,
                         .standard_error = kUndefinedValue,
                         .critical_strength = kUndefinedValue};
  estimate.estimator = "backward";
  const std::vector<std::size_t> documents = backward_documents(trace, series, state);
  const dose::Mean mean =
      dose::mean_over_documents(trace, documents, backward_values(series, documents, state));
  estimate.kappa = estimate.fisher = mean.value;
  estimate.standard_error = estimate.fisher_error = mean.standard_error;
  estimate.note = documents.empty() ? "no document with a finite sensitivity" : "no noise lanes were run";
  add_absolute(trace, options, documents, estimate);
  return estimate;
}

KappaEstimate estimate_one(const Trace& trace, const DoseCurve& curve, const KappaOptions& options) {
  KappaEstimate estimate;
  estimate.state = curve.place;
  const Curvature lanes = estimate_curvature(trace, curve, options);
  estimate.kappa = lanes.kl.value;
  estimate.standard_error = lanes.kl.standard_error;
  estimate.nll = lanes.nll.value;
  estimate.nll_error = lanes.nll.standard_error;
  estimate.strengths_used = lanes.strengths;
  estimate.note = lanes.note;
  estimate.critical_strength = kUndefinedValue;
  if (lanes.documents.empty()) return estimate;
  compare(trace, lanes, is_check(trace, curve), estimate);
  if (trace.model.has_head()) {
    const CriticalStrength critical = critical_strength(trace, curve);
    estimate.critical_strength = critical.strength;
    estimate.critical_error = critical.standard_error;
    if (!critical.note.empty()) add_note(estimate.note, critical.note);
  }
  add_absolute(trace, options, lanes.documents, estimate);
  return estimate;
}

}  // namespace

Curvature estimate_curvature(const Trace& trace, const DoseCurve& curve, const KappaOptions& options) {
  Curvature result;
  result.documents = dose::usable_documents(trace, curve);
  if (result.documents.empty()) {
    result.note = "no document with lane tokens and finite values";
    return result;
  }
  const auto lanes = curve.documents.empty()
                         ? std::count_if(trace.documents.begin(), trace.documents.end(),
                                         [](const Document& d) { return d.lane_tokens > 0; })
                         : static_cast<std::ptrdiff_t>(curve.documents.size());
  const std::size_t left_out = static_cast<std::size_t>(lanes) - result.documents.size();
  if (left_out != 0)
    add_note(result.note, fmt::format("{} of {} left out: not finite", left_out,
                                      counted(static_cast<std::uint64_t>(lanes), "document")));
  const Pooled pooled = pool(trace, curve, result.documents);
  const auto slopes = log_slopes(pooled);
  result.strengths = quadratic_range(pooled, slopes, options.slope_tolerance);
  if (result.strengths.size() > options.most_strengths) result.strengths.resize(options.most_strengths);
  if (result.strengths.empty()) {
    add_note(result.note,
             fmt::format("no quadratic range: the log-log slopes of {} are {}, none within {:g} of 2",
                         curve.embedding_distance.rows > 0 ? "the distance" : "KL", show_slopes(slopes),
                         options.slope_tolerance));
    return result;
  }
  std::vector<double> nll;
  for (const std::size_t d : result.documents) {
    result.by_doc.push_back(dose::document_kappa(curve, damage_of(curve), result.strengths, d));
    nll.push_back(dose::document_kappa(curve, curve.delta_nll_nats, result.strengths, d));
  }
  result.kl = dose::mean_over_documents(trace, result.documents, result.by_doc);
  result.nll = dose::mean_over_documents(trace, result.documents, nll);
  if (result.documents.size() < 2) add_note(result.note, "no standard error: one document");
  return result;
}

const Series* backward_series_of(const Trace& trace) {
  return find_series(trace, trace.model.has_head() ? "sensitivity" : "embedding_sensitivity",
                     TokenSet::ordinary);
}

std::vector<std::size_t> backward_documents(const Trace& trace, const Series& series, int state) {
  std::vector<std::size_t> documents;
  for (std::size_t d = 0; d < trace.documents.size(); ++d) {
    if (trace.documents[d].lane_tokens > 0 &&
        std::isfinite(series.by_doc(d, static_cast<std::size_t>(state))))
      documents.push_back(d);
  }
  return documents;
}

std::vector<KappaEstimate> estimate_kappa(const Trace& trace, const KappaOptions& options) {
  const Series* backward = backward_series_of(trace);
  std::vector<KappaEstimate> estimates;
  for (int state = 0; state <= trace.n_layers(); ++state) {
    if (const DoseCurve* curve = dose::find_curve(trace, "relative_noise", Axis::state, state)) {
      estimates.push_back(estimate_one(trace, *curve, options));
    } else if (backward != nullptr) {
      estimates.push_back(estimate_backward(trace, *backward, state, options));
    }
  }
  return estimates;
}

}  // namespace strata
