#include "strata/theory/split.h"

#include <cmath>

#include "strata/theory/dose.h"

namespace strata {
namespace {

// ln(b / a); NaN unless both are positive.
double log_ratio(double a, double b) {
  return a > 0.0 && b > 0.0 ? std::log(b / a) : kUndefinedValue;
}

// sqrt(kappa / absolute); NaN unless both are positive.
double effective_rms(double kappa, double absolute) {
  return kappa > 0.0 && absolute > 0.0 ? std::sqrt(kappa / absolute) : kUndefinedValue;
}

class Splitter {
 public:
  explicit Splitter(const Trace& trace)
      : trace_(trace),
        relative_(find_series(trace, "sensitivity", TokenSet::ordinary)),
        absolute_(find_series(trace, "sensitivity_absolute", TokenSet::ordinary)),
        rms_(find_series(trace, "residual_rms", TokenSet::ordinary)) {
    if (!defined()) return;
    for (std::size_t d = 0; d < trace.documents.size(); ++d)
      if (trace.documents[d].lane_tokens > 0) lane_documents_.push_back(d);
  }

  [[nodiscard]] bool defined() const { return relative_ != nullptr && absolute_ != nullptr; }

  [[nodiscard]] StateSplit of(int state) const {
    const auto column = static_cast<std::size_t>(state);
    StateSplit split{.state = state};
    const std::vector<double> undefined(trace_.documents.size(), kUndefinedValue);
    split.kappa_by_doc = split.absolute_by_doc = undefined;
    split.rms_effective_by_doc = split.rms_median_by_doc = undefined;
    std::vector<std::size_t> used;
    std::vector<double> kappa, absolute, rms;
    for (const std::size_t d : lane_documents_) {
      const double k = relative_->by_doc(d, column), b = absolute_->by_doc(d, column);
      const double r = rms_ == nullptr ? kUndefinedValue : rms_->by_doc(d, column);
      split.kappa_by_doc[d] = k;
      split.absolute_by_doc[d] = b;
      split.rms_effective_by_doc[d] = effective_rms(k, b);
      split.rms_median_by_doc[d] = r;
      if (!std::isfinite(k) || !std::isfinite(b)) continue;
      used.push_back(d);
      kappa.push_back(k);
      absolute.push_back(b);
      rms.push_back(r);
    }
    split.kappa = dose::mean_over_documents(trace_, used, kappa).value;
    split.absolute = dose::mean_over_documents(trace_, used, absolute).value;
    split.rms_effective = effective_rms(split.kappa, split.absolute);
    split.rms_median = dose::mean_over_documents(trace_, used, rms).value;
    split.correlation = log_ratio(split.rms_median, split.rms_effective);
    if (!trace_.model.has_head()) {
      split.note = kNoHead;
    } else if (used.empty()) {
      split.note = "no document with finite sensitivities";
    } else if (rms_ == nullptr) {
      split.note = "no median RMS: the signal residual_rms was not measured";
    }
    return split;
  }

 private:
  const Trace& trace_;
  const Series *relative_, *absolute_, *rms_;
  std::vector<std::size_t> lane_documents_;
};

}  // namespace

std::vector<StateSplit> split_states(const Trace& trace) {
  const Splitter splitter(trace);
  std::vector<StateSplit> splits;
  if (!splitter.defined()) return splits;
  for (int state = 0; state <= trace.n_layers(); ++state) splits.push_back(splitter.of(state));
  return splits;
}

GapSplit split_gap(const Sensitivity& a, const Sensitivity& b) {
  GapSplit gap;
  gap.absolute = log_ratio(a.absolute, b.absolute);
  gap.function = log_ratio(a.kappa, b.kappa);
  gap.scale = -2.0 * log_ratio(effective_rms(a.kappa, a.absolute), effective_rms(b.kappa, b.absolute));
  gap.plain_scale = -2.0 * log_ratio(a.rms_median, b.rms_median);
  gap.correlation = gap.scale - gap.plain_scale;
  return gap;
}

}  // namespace strata
