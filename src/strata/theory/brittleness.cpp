#include "strata/theory/brittleness.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "strata/base/words.h"
#include "strata/theory/dose.h"
#include "strata/theory/kappa.h"

namespace strata {
namespace {

// Each document's own kappa for the states that have one; rows share the document order of the trace.
struct StateValues {
  int state = 0;
  double kappa = 0.0;
  std::vector<double> by_doc;  // NaN = the document has no value
};

std::vector<StateValues> values_by_state(const Trace& trace, const std::vector<KappaEstimate>& kappa) {
  std::vector<StateValues> all;
  for (const KappaEstimate& estimate : kappa) {
    if (!(estimate.kappa > 0.0)) continue;
    StateValues values{estimate.state, estimate.kappa,
                       std::vector<double>(trace.documents.size(), kUndefinedValue)};
    if (estimate.estimator == "backward") {
      const Series* series = backward_series_of(trace);
      STRATA_CHECK(series != nullptr);
      for (const std::size_t d : backward_documents(trace, *series, estimate.state))
        values.by_doc[d] = series->by_doc(d, static_cast<std::size_t>(estimate.state));
      all.push_back(std::move(values));
      continue;
    }
    const DoseCurve* curve = dose::find_curve(trace, "relative_noise", Axis::state, estimate.state);
    STRATA_CHECK(curve != nullptr);
    for (const std::size_t d : dose::usable_documents(trace, *curve)) {
      values.by_doc[d] = dose::document_kappa(*curve, damage_of(*curve), estimate.strengths_used, d);
    }
    all.push_back(std::move(values));
  }
  return all;
}

// How often each document is drawn, times its lane tokens.
std::vector<double> resample(const Trace& trace, const std::vector<std::size_t>& lane_documents,
                             Philox& rng) {
  std::vector<double> weight(trace.documents.size(), 0.0);
  for (std::size_t i = 0; i < lane_documents.size(); ++i) {
    const std::size_t d = lane_documents[rng.below(lane_documents.size())];
    weight[d] += static_cast<double>(trace.documents[d].lane_tokens);
  }
  return weight;
}

double weighted_mean(const std::vector<double>& values, const std::vector<double>& weight) {
  double sum = 0.0, total = 0.0;
  for (std::size_t d = 0; d < values.size(); ++d) {
    if (std::isnan(values[d])) continue;
    sum += weight[d] * values[d];
    total += weight[d];
  }
  return total > 0.0 ? sum / total : kUndefinedValue;
}

// Linear interpolation between order statistics (Hyndman and Fan's type 7); `sorted` is not empty.
double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

class Brittleness {
 public:
  Brittleness(const Trace& trace, const std::vector<KappaEstimate>& kappa, const BrittlenessOptions& options)
      : trace_(trace), options_(options), kappa_(kappa), states_(values_by_state(trace, kappa)) {
    for (std::size_t d = 0; d < trace.documents.size(); ++d) {
      if (trace.documents[d].lane_tokens > 0) lane_documents_.push_back(d);
    }
  }

  [[nodiscard]] SegmentBrittleness of(const Segment& segment) const {
    SegmentBrittleness result{.segment = segment,
                              .forced = options_.forced_segments,
                              .kappa_geometric = kUndefinedValue,
                              .kappa_arithmetic = kUndefinedValue,
                              .kappa_interval_90 = {kUndefinedValue, kUndefinedValue},
                              .skip_kl_nats = kUndefinedValue};
    add_kappa(result);
    add_skip(result);
    add_joint(result);
    add_means(result);
    return result;
  }

 private:
  [[nodiscard]] std::string name() const { return trace_.model.has_head() ? "kappa" : "sensitivity"; }

  void add_kappa(SegmentBrittleness& result) const {
    std::vector<const StateValues*> inside;
    for (const StateValues& values : states_) {
      if (values.state >= result.segment.begin && values.state < result.segment.end)
        inside.push_back(&values);
    }
    const int blocks = result.segment.end - result.segment.begin;
    if (inside.empty()) {
      add_note(result.note, name() + " undefined: no state of the segment has one");
      return;
    }
    if (static_cast<int>(inside.size()) != blocks) {
      add_note(result.note, fmt::format("{} of {} states have no {} and are left out",
                                        blocks - static_cast<int>(inside.size()), blocks, name()));
    }
    double log_sum = 0.0, sum = 0.0;
    for (const StateValues* values : inside) {
      log_sum += std::log(values->kappa);
      sum += values->kappa;
    }
    const auto n = static_cast<double>(inside.size());
    result.kappa_geometric = std::exp(log_sum / n);
    result.kappa_arithmetic = sum / n;
    add_interval(inside, result);
  }

  void add_interval(const std::vector<const StateValues*>& inside, SegmentBrittleness& result) const {
    const std::size_t documents = lane_documents_.size();
    if (documents < 2 || options_.bootstraps < 2) {
      add_note(result.note, documents < 2 ? "no interval: one document" : "no interval: no resamples");
      return;
    }
    if (documents < static_cast<std::size_t>(kFewDocuments)) {
      add_note(result.note, fmt::format("{} documents: the interval is unreliable", documents));
    }
    std::vector<double> replicates;
    for (int b = 0; b < options_.bootstraps; ++b) {
      Philox rng({.seed = options_.seed,
                  .stream = Stream::bootstrap,
                  .a = kPurpose,
                  .b = static_cast<std::uint32_t>(b)});
      const auto weight = resample(trace_, lane_documents_, rng);
      double log_sum = 0.0;
      for (const StateValues* values : inside) log_sum += std::log(weighted_mean(values->by_doc, weight));
      const double replicate = std::exp(log_sum / static_cast<double>(inside.size()));
      if (std::isfinite(replicate)) replicates.push_back(replicate);
    }
    if (replicates.size() != static_cast<std::size_t>(options_.bootstraps)) {
      add_note(result.note, fmt::format("no interval: {} of {} resamples have no geometric mean",
                                        static_cast<std::size_t>(options_.bootstraps) - replicates.size(),
                                        options_.bootstraps));
      return;
    }
    std::sort(replicates.begin(), replicates.end());
    result.kappa_interval_90 = {quantile(replicates, 0.05), quantile(replicates, 0.95)};
  }

  void add_skip(SegmentBrittleness& result) const {
    double sum = 0.0;
    for (int block = result.segment.begin; block < result.segment.end; ++block) {
      const DoseCurve* curve = dose::find_curve(trace_, "block_skip", Axis::block, block);
      const double damage = curve == nullptr ? kUndefinedValue : full_strength(*curve);
      if (std::isnan(damage)) {
        add_note(result.note, fmt::format("skip damage undefined: block {} was not skipped", block));
        return;
      }
      sum += damage;
    }
    result.skip_kl_nats = sum / (result.segment.end - result.segment.begin);
  }

  void add_joint(SegmentBrittleness& result) const {
    const int begin = result.segment.begin, span = result.segment.end - begin;
    const DoseCurve* curve = dose::find_curve(trace_, "joint_noise", Axis::state, begin, span);
    if (curve == nullptr) {
      add_note(result.note, "joint " + name() + " undefined: no joint noise was run over this segment");
      return;
    }
    const Curvature joint = estimate_curvature(trace_, *curve);
    result.kappa_joint = joint.kl.value;
    result.kappa_joint_error = joint.kl.standard_error;
    if (!joint.note.empty()) add_note(result.note, "joint noise: " + joint.note);
  }

  // Means over the segment's states of every kind of sensitivity that was measured.
  void add_means(SegmentBrittleness& result) const {
    struct Kind {
      const char *noise, *measure, *estimator;
      double KappaEstimate::*member;
    };
    static constexpr Kind kKinds[] = {{"relative", "kl", "lanes", &KappaEstimate::kappa},
                                      {"relative", "kl", "backward", &KappaEstimate::fisher},
                                      {"relative", "nll", "lanes", &KappaEstimate::nll},
                                      {"absolute", "kl", "lanes", &KappaEstimate::absolute},
                                      {"absolute", "kl", "backward", &KappaEstimate::absolute_fisher},
                                      {"absolute", "nll", "lanes", &KappaEstimate::absolute_nll}};
    for (const Kind& kind : kKinds) {
      SegmentMean mean{.noise = kind.noise, .measure = kind.measure, .estimator = kind.estimator};
      std::vector<double> values;
      for (const KappaEstimate& estimate : kappa_) {
        if (estimate.state < result.segment.begin || estimate.state >= result.segment.end) continue;
        const bool lanes = kind.member != &KappaEstimate::kappa || estimate.estimator == "lanes";
        values.push_back(lanes ? estimate.*kind.member : kUndefinedValue);
      }
      fill(values, result.segment.end - result.segment.begin, mean);
      result.means.push_back(mean);
    }
    std::vector<double> effective, median;
    for (const StateSplit& split : options_.splits) {
      if (split.state < result.segment.begin || split.state >= result.segment.end) continue;
      effective.push_back(split.rms_effective);
      median.push_back(split.rms_median);
    }
    result.rms_effective = geometric(effective);
    result.rms_median = geometric(median);
  }

  // NaN unless every state of the segment has a value: means over different states would not compare.
  static void fill(const std::vector<double>& values, int blocks, SegmentMean& mean) {
    const auto defined =
        std::count_if(values.begin(), values.end(), [](double x) { return std::isfinite(x); });
    if (defined != blocks) {
      mean.note = fmt::format("defined at {} of {} states", defined, blocks);
      return;
    }
    double sum = 0.0;
    for (const double value : values) sum += value;
    mean.arithmetic = sum / static_cast<double>(values.size());
    mean.geometric = geometric(values);
    if (std::isnan(mean.geometric)) mean.note = "no geometric mean: a value is not positive";
  }

  static double geometric(const std::vector<double>& values) {
    if (values.empty()) return kUndefinedValue;
    double sum = 0.0;
    for (const double value : values) {
      if (!(value > 0.0)) return kUndefinedValue;
      sum += std::log(value);
    }
    return std::exp(sum / static_cast<double>(values.size()));
  }

  // Strength 1 is the block left out as a whole.
  [[nodiscard]] double full_strength(const DoseCurve& curve) const {
    const auto at = std::find(curve.strength.begin(), curve.strength.end(), 1.0);
    if (at == curve.strength.end()) return kUndefinedValue;
    return dose::pooled(trace_, damage_of(curve), dose::usable_documents(trace_, curve),
                        static_cast<std::size_t>(at - curve.strength.begin()));
  }

  static constexpr std::uint32_t kPurpose = 0x6b61;  // keeps these streams apart from other bootstraps

  const Trace& trace_;
  const BrittlenessOptions& options_;
  const std::vector<KappaEstimate>& kappa_;
  std::vector<StateValues> states_;
  std::vector<std::size_t> lane_documents_;
};

}  // namespace

std::vector<SegmentBrittleness> segment_brittleness(const Trace& trace, const std::vector<Segment>& segments,
                                                    const std::vector<KappaEstimate>& kappa,
                                                    const BrittlenessOptions& options) {
  const Brittleness brittleness(trace, kappa, options);
  std::vector<SegmentBrittleness> results;
  for (const Segment& segment : segments) {
    STRATA_CHECK(segment.begin >= 0 && segment.begin < segment.end && segment.end <= trace.n_layers());
    results.push_back(brittleness.of(segment));
  }
  return results;
}

}  // namespace strata
