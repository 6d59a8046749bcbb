#include "strata/theory/critical.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "strata/theory/dose.h"

namespace strata {
namespace {

constexpr double kDoubled = std::numbers::ln2;  // perplexity doubles when the NLL rises by ln 2

// Columns of the curve's positive strengths, in rising order.
std::vector<std::size_t> rising(const DoseCurve& curve) {
  std::vector<std::size_t> order(curve.strength.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::erase_if(order, [&](std::size_t j) { return !(curve.strength[j] > 0.0); });
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return curve.strength[a] < curve.strength[b]; });
  return order;
}

struct CriticalCrossing {
  double strength = kUndefinedValue;
  std::string why;  // undefined
};

CriticalCrossing crossing(const Trace& trace, const DoseCurve& curve,
                          std::span<const std::size_t> documents) {
  const auto order = rising(curve);
  if (order.empty()) return {.why = "no positive strength"};
  std::vector<double> rise;
  for (const std::size_t j : order) rise.push_back(dose::pooled(trace, curve.delta_nll_nats, documents, j));
  const auto strength = [&](std::size_t i) { return curve.strength[order[i]]; };
  if (rise.front() >= kDoubled) {
    return {.why = fmt::format("perplexity is already doubled at the smallest strength {:g}", strength(0))};
  }
  for (std::size_t i = 1; i < rise.size(); ++i) {
    if (!(rise[i - 1] < kDoubled && rise[i] >= kDoubled)) continue;
    if (!curve.continuous) {
      return {.why = fmt::format("perplexity doubles between {:g} and {:g}; there is nothing in between",
                                 strength(i - 1), strength(i))};
    }
    const double from = std::log(strength(i - 1)), to = std::log(strength(i));
    return {.strength = std::exp(from + (to - from) * (kDoubled - rise[i - 1]) / (rise[i] - rise[i - 1]))};
  }
  return {.why = fmt::format("perplexity is not doubled at the largest strength {:g}",
                             strength(order.size() - 1))};
}

void add_error(const Trace& trace, const DoseCurve& curve, const std::vector<std::size_t>& documents,
               CriticalStrength& result) {
  if (documents.size() < 2) {
    result.note = "no standard error: one document";
    return;
  }
  std::vector<double> left_out;
  for (const std::size_t out : documents) {
    std::vector<std::size_t> rest = documents;
    std::erase(rest, out);
    left_out.push_back(crossing(trace, curve, rest).strength);
    if (std::isnan(left_out.back())) {
      result.note = fmt::format("no standard error: without document {} there is no crossing",
                                trace.documents[out].name);
      return;
    }
  }
  const auto n = static_cast<double>(left_out.size());
  const double mean = std::accumulate(left_out.begin(), left_out.end(), 0.0) / n;
  double square = 0.0;
  for (const double value : left_out) square += (value - mean) * (value - mean);
  result.standard_error = std::sqrt(square * (n - 1.0) / n);
}

}  // namespace

CriticalStrength critical_strength(const Trace& trace, const DoseCurve& curve) {
  const auto documents = dose::usable_documents(trace, curve);
  CriticalStrength result;
  if (!trace.model.has_head()) {
    result.note = kNoHead;
    return result;
  }
  if (documents.empty()) {
    result.note = "no document with lane tokens and finite values";
    return result;
  }
  const CriticalCrossing all = crossing(trace, curve, documents);
  result.strength = all.strength;
  result.note = all.why;
  if (!std::isnan(result.strength)) add_error(trace, curve, documents, result);
  return result;
}

std::vector<DoseSummary> summarise_doses(const Trace& trace) {
  std::vector<DoseSummary> summaries;
  for (const DoseCurve& curve : trace.curves) {
    const CriticalStrength critical = critical_strength(trace, curve);
    summaries.push_back({.intervention = curve.intervention,
                         .site = curve.site,
                         .strength_unit = curve.strength_unit,
                         .axis = curve.axis,
                         .place = curve.place,
                         .span = curve.span,
                         .head = curve.head,
                         .critical_strength = critical.strength,
                         .critical_error = critical.standard_error,
                         .note = critical.note});
  }
  return summaries;
}

}  // namespace strata
