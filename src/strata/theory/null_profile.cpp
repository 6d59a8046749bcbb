#include "strata/theory/null_profile.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "strata/base/error.h"
#include "strata/stats/quantile.h"
#include "strata/stats/rank_correlation.h"

namespace strata {
namespace {

const PrimaryCurve* find(const std::vector<PrimaryCurve>& curves, const std::string& id) {
  const auto found =
      std::find_if(curves.begin(), curves.end(), [&](const PrimaryCurve& curve) { return curve.id == id; });
  return found == curves.end() ? nullptr : &*found;
}

// Mean, smallest and largest over the runs; NaN at a place where one of them is undefined.
void average(const std::vector<const PrimaryCurve*>& runs, NullSeries& series) {
  const std::size_t places = runs.front()->mean.size();
  series.mean = series.low = series.high = runs.front()->mean;
  for (std::size_t i = 0; i < places; ++i) {
    double sum = 0.0;
    for (const PrimaryCurve* run : runs) {
      const double x = run->mean.at(i);
      sum += x;
      series.low[i] =
          std::isnan(x) || std::isnan(series.low[i]) ? kUndefinedValue : std::min(series.low[i], x);
      series.high[i] =
          std::isnan(x) || std::isnan(series.high[i]) ? kUndefinedValue : std::max(series.high[i], x);
    }
    series.mean[i] = sum / static_cast<double>(runs.size());
  }
  if (runs.size() == 1) series.low = series.high = {};
}

void compare(const std::vector<double>& model, NullSeries& series) {
  std::vector<double> x, y, apart;
  for (std::size_t i = series.axis == Axis::state ? 1 : 0; i < model.size(); ++i) {
    if (!std::isfinite(model[i]) || !std::isfinite(series.mean[i])) continue;
    x.push_back(model[i]);
    y.push_back(series.mean[i]);
    apart.push_back(std::fabs(model[i] - series.mean[i]));
  }
  series.correlation = stats::rank_correlation(x, y);
  if (std::isnan(series.correlation)) return;
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  series.difference = stats::median(apart) / (*high - *low);
}

std::string likeness_of(double correlation, double difference) {
  if (correlation >= kSameCorrelation && difference <= kSameDifference) return "same";
  return correlation < kOtherCorrelation || difference > kOtherDifference ? "different" : "partly";
}

// Signals that are another one by the rule for their medians.
std::vector<std::string> changed(const NullProfile& profile) {
  std::vector<std::string> ids;
  for (const NullSeries& series : profile.series) {
    if (!std::isnan(series.correlation) && likeness_of(series.correlation, series.difference) == "different")
      ids.push_back(series.id);
  }
  return ids;
}

std::string show_medians(const NullProfile& profile) {
  return fmt::format(
      "median correlation {:.2f} over {} signals, median difference {:.0f}% of a signal's range",
      profile.median_correlation, profile.compared, 100.0 * profile.median_difference);
}

// "the boundaries are", "its shape is"
std::string subject(bool boundaries, const char* plural, const char* singular) {
  return boundaries ? fmt::format("the boundaries {}", plural) : fmt::format("its shape {}", singular);
}

std::string shuffled_sentence(const NullProfile& profile, bool boundaries) {
  const std::string medians = show_medians(profile);
  if (profile.likeness == "same") {
    return fmt::format(
        "The profile is much the same for shuffled text ({}): {} of the network, not of the text.", medians,
        subject(boundaries, "are", "is"));
  }
  if (profile.likeness == "different") {
    return fmt::format("The profile is another one for shuffled text ({}): {} on the order of the text.",
                       medians, subject(boundaries, "depend", "depends"));
  }
  return fmt::format(
      "The profile is partly the same for shuffled text ({}): {} in part on the order of the text.", medians,
      subject(boundaries, "depend", "depends"));
}

std::string random_sentence(const NullProfile& profile, bool boundaries) {
  const std::string medians = show_medians(profile);
  const std::string whose = profile.runs == 1 ? "a network with random weights"
                                              : fmt::format("{} networks with random weights", profile.runs);
  if (profile.likeness == "same") {
    return fmt::format(
        "The profile is much the same as that of {} ({}): {} of the architecture, not of what was "
        "learnt.",
        whose, medians, subject(boundaries, "are", "is"));
  }
  if (profile.likeness == "different")
    return fmt::format("The profile is another one than that of {} ({}).", whose, medians);
  return fmt::format("The profile is partly that of {} ({}).", whose, medians);
}

// What the same detector says of the null.
std::string detector_sentence(const NullDetection& null) {
  if (!null.defined) return fmt::format("On shuffled text the same detector says nothing: {}.", null.note);
  if (null.edges.empty()) return fmt::format("On shuffled text the same detector says: {}.", null.verdict);
  return fmt::format("On shuffled text the same detector says: {} at {} {}.", null.verdict,
                     null.edges.size() == 1 ? "edge" : "edges", fmt::join(null.edges, ", "));
}

}  // namespace

std::vector<PrimaryCurve> primary_curves(const Trace& trace) {
  std::vector<PrimaryCurve> curves;
  for (const Series& series : trace.series) {
    if (series.group == Group::control || series.tokens != TokenSet::ordinary) continue;
    curves.push_back({series.id, series.axis, mean_over_documents(series)});
  }
  return curves;
}

NullProfile null_profile(const NullInput& input) {
  NullProfile profile{.kind = input.kind,
                      .runs = static_cast<int>(input.runs.size()),
                      .documents = input.documents,
                      .tokens = input.tokens,
                      .note = input.note,
                      .detections = input.detections};
  if (input.runs.empty()) return profile;
  std::vector<double> correlations, differences;
  for (const PrimaryCurve& model : input.model) {
    std::vector<const PrimaryCurve*> runs;
    for (const auto& run : input.runs) {
      const PrimaryCurve* curve = find(run, model.id);
      if (curve == nullptr) continue;
      STRATA_CHECK(curve->axis == model.axis && curve->mean.size() == model.mean.size());
      runs.push_back(curve);
    }
    if (runs.size() != input.runs.size()) continue;
    NullSeries series{.id = model.id, .axis = model.axis};
    average(runs, series);
    compare(model.mean, series);
    if (!input.of_the_record) series.model = model.mean;
    if (!std::isnan(series.correlation)) {
      correlations.push_back(series.correlation);
      differences.push_back(series.difference);
    }
    profile.series.push_back(std::move(series));
  }
  profile.compared = static_cast<int>(correlations.size());
  if (correlations.empty()) return profile;
  profile.median_correlation = stats::median(correlations);
  profile.median_difference = stats::median(differences);
  if (profile.compared >= kLeastCompared)
    profile.likeness = likeness_of(profile.median_correlation, profile.median_difference);
  return profile;
}

std::vector<std::string> null_sentences(const Findings& findings) {
  std::vector<std::string> sentences;
  const Detection* headline =
      findings.headline < 0 ? nullptr : &findings.detections.at(static_cast<std::size_t>(findings.headline));
  const bool boundaries = headline != nullptr && headline->selected_k > 0;
  for (const NullProfile& profile : findings.null_profiles) {
    if (!profile.likeness.empty()) {
      sentences.push_back(profile.kind == kShuffledText ? shuffled_sentence(profile, boundaries)
                                                        : random_sentence(profile, boundaries));
    }
    const auto ids = changed(profile);
    if (profile.kind == kShuffledText && !ids.empty() &&
        (profile.likeness == "same" || profile.likeness == "partly")) {
      sentences.push_back(fmt::format("Signals that differ on shuffled text: {}.", fmt::join(ids, ", ")));
    }
    for (const NullDetection& null : profile.detections) {
      if (headline == nullptr || null.detector != headline->detector || null.tokens != headline->tokens)
        continue;
      sentences.push_back(detector_sentence(null));
    }
  }
  return sentences;
}

}  // namespace strata
