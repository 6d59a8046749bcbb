// A model among networks with random weights.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "strata/base/error.h"
#include "strata/segmentation/segmentation.h"

namespace strata {
namespace {

// As in RecordCount.
double statistic_of(const Detection& detection) {
  if (detection.evidence.empty()) return detection.tests.front().statistic;
  return *std::max_element(detection.evidence.begin(), detection.evidence.end());
}

RandomTwins rank_one(const Detection& detection, std::size_t which,
                     const std::vector<std::vector<RecordCount>>& twins) {
  RandomTwins result{
      .detector = detection.detector, .tokens = detection.tokens, .forced_two = Matrix(twins.size(), 2)};
  int at_least = 0, undefined = 0;
  const bool tested = detection.defined && !detection.tests.empty();
  result.observed = tested ? statistic_of(detection) : kUndefinedValue;
  for (std::size_t i = 0; i < twins.size(); ++i) {
    const RecordCount& twin = twins[i].at(which);
    const double statistic = twin.defined ? twin.statistic : kUndefinedValue;
    result.statistic.push_back(statistic);
    result.selected_k.push_back(twin.selected_k);
    result.verdict.push_back(twin.verdict);
    for (std::size_t j = 0; j < 2; ++j)
      result.forced_two(i, j) = twin.forced_two.size() == 2 ? twin.forced_two[j] : kUndefinedValue;
    undefined += std::isnan(statistic) ? 1 : 0;
    at_least += statistic >= result.observed ? 1 : 0;
  }
  result.defined = tested && undefined == 0;
  if (!tested) {
    result.note = detection.note.empty() ? "the detection is undefined" : detection.note;
  } else if (undefined > 0) {
    result.note = fmt::format("undefined in {} of {} networks with random weights", undefined, twins.size());
  }
  if (!result.defined) return result;
  result.rank = 1 + at_least;
  result.p_value = result.rank / (1.0 + static_cast<double>(twins.size()));
  return result;
}

}  // namespace

std::vector<RandomTwins> rank_among_twins(const std::vector<Detection>& detections,
                                          const std::vector<std::vector<RecordCount>>& twins) {
  std::vector<RandomTwins> results;
  if (twins.empty()) return results;
  for (std::size_t which = 0; which < detections.size(); ++which) {
    if (which >= twins.front().size()) break;
    for (const auto& twin : twins) STRATA_CHECK(twin.size() == twins.front().size());
    results.push_back(rank_one(detections[which], which, twins));
  }
  return results;
}

}  // namespace strata
