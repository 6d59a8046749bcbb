#include "strata/theory/kappa.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "strata/base/error.h"
#include "strata/theory/dose.h"

namespace strata {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// The pooled curve at its positive strengths, in rising order.
struct Pooled {
  std::vector<double> strength, kl, delta_nll;
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
    pooled.kl.push_back(dose::pooled(trace, curve.kl_nats, documents, j));
    pooled.delta_nll.push_back(dose::pooled(trace, curve.delta_nll_nats, documents, j));
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
                             : kNaN);
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

struct Mean {
  double value = kNaN;
  double standard_error = kNaN;
};

// Mean of one value for each document, weighted by its lane tokens.
Mean mean_over_documents(const Trace& trace, std::span<const std::size_t> documents,
                         const std::vector<double>& values) {
  double sum = 0.0, weight = 0.0;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    const auto tokens = static_cast<double>(trace.documents[documents[i]].lane_tokens);
    sum += tokens * values[i];
    weight += tokens;
  }
  Mean mean;
  mean.value = sum / weight;
  if (documents.size() < 2) return mean;
  double square = 0.0;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    const double share = static_cast<double>(trace.documents[documents[i]].lane_tokens) / weight;
    square += share * share * (values[i] - mean.value) * (values[i] - mean.value);
  }
  const auto n = static_cast<double>(documents.size());
  mean.standard_error = std::sqrt(square * n / (n - 1.0));
  return mean;
}

void add_note(std::string& note, const std::string& text) {
  note += (note.empty() ? "" : "; ") + text;
}

void find_critical_strength(const Pooled& curve, KappaEstimate& estimate) {
  constexpr double kDoubled = std::numbers::ln2;  // perplexity doubles when the NLL rises by ln 2
  estimate.critical_strength = kNaN;
  if (curve.strength.empty()) return;
  if (curve.delta_nll.front() >= kDoubled) {
    add_note(estimate.note, fmt::format("perplexity is already doubled at the smallest strength {:g}",
                                        curve.strength.front()));
    return;
  }
  for (std::size_t i = 1; i < curve.strength.size(); ++i) {
    const double below = curve.delta_nll[i - 1], above = curve.delta_nll[i];
    if (!(below < kDoubled && above >= kDoubled)) continue;
    const double from = std::log(curve.strength[i - 1]), to = std::log(curve.strength[i]);
    estimate.critical_strength = std::exp(from + (to - from) * (kDoubled - below) / (above - below));
    return;
  }
  add_note(estimate.note,
           fmt::format("perplexity is not doubled at the largest strength {:g}", curve.strength.back()));
}

std::string show_slopes(const std::vector<double>& slopes) {
  std::string text;
  for (const double slope : slopes) {
    text += (text.empty() ? "" : ", ") +
            (std::isnan(slope) ? std::string("undefined") : fmt::format("{:.2f}", slope));
  }
  return text.empty() ? "none" : text;
}

// The backward sweep's value of the same documents, and the paired difference to the lanes' `values`.
void compare(const Trace& trace, std::span<const std::size_t> documents, const std::vector<double>& values,
             KappaEstimate& estimate) {
  const Series* series = find_series(trace, "sensitivity", TokenSet::ordinary);
  if (series == nullptr) return;
  std::vector<double> fisher, difference;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    fisher.push_back(series->by_doc(documents[i], static_cast<std::size_t>(estimate.state)));
    difference.push_back(values[i] - fisher.back());
  }
  const Mean mean = mean_over_documents(trace, documents, fisher);
  estimate.fisher = mean.value;
  estimate.fisher_error = mean.standard_error;
  const Mean apart = mean_over_documents(trace, documents, difference);
  estimate.difference_z = apart.standard_error > 0.0 ? apart.value / apart.standard_error : kNaN;
}

KappaEstimate estimate_one(const Trace& trace, const DoseCurve& curve, const KappaOptions& options) {
  KappaEstimate estimate;
  estimate.state = curve.place;
  estimate.kappa = estimate.standard_error = estimate.critical_strength = kNaN;
  estimate.fisher = estimate.fisher_error = estimate.difference_z = kNaN;
  const auto documents = dose::usable_documents(trace, curve);
  if (documents.empty()) {
    estimate.note = "no document with lane tokens and finite values";
    return estimate;
  }
  const auto lanes = std::count_if(trace.documents.begin(), trace.documents.end(),
                                   [](const Document& d) { return d.lane_tokens > 0; });
  if (static_cast<std::size_t>(lanes) != documents.size()) {
    add_note(estimate.note, fmt::format("{} of {} documents left out: not finite",
                                        static_cast<std::size_t>(lanes) - documents.size(), lanes));
  }
  const Pooled curve_of_all = pool(trace, curve, documents);
  const auto slopes = log_slopes(curve_of_all);
  estimate.strengths_used = quadratic_range(curve_of_all, slopes, options.slope_tolerance);
  if (estimate.strengths_used.size() > options.most_strengths) {
    estimate.strengths_used.resize(options.most_strengths);
  }
  if (estimate.strengths_used.empty()) {
    add_note(estimate.note,
             fmt::format("no quadratic range: the log-log slopes of KL are {}, none within {:g} of 2",
                         show_slopes(slopes), options.slope_tolerance));
  } else {
    std::vector<double> values;
    for (const std::size_t d : documents) {
      values.push_back(dose::document_kappa(curve, estimate.strengths_used, d));
    }
    const Mean mean = mean_over_documents(trace, documents, values);
    estimate.kappa = mean.value;
    estimate.standard_error = mean.standard_error;
    if (documents.size() < 2) add_note(estimate.note, "no standard error: one document");
    compare(trace, documents, values, estimate);
  }
  find_critical_strength(curve_of_all, estimate);
  return estimate;
}

}  // namespace

std::vector<KappaEstimate> estimate_kappa(const Trace& trace, const KappaOptions& options) {
  std::vector<KappaEstimate> estimates;
  for (int state = 0; state <= trace.n_layers(); ++state) {
    if (const DoseCurve* curve = dose::find_curve(trace, "relative_noise", Axis::state, state)) {
      estimates.push_back(estimate_one(trace, *curve, options));
    }
  }
  return estimates;
}

}  // namespace strata
