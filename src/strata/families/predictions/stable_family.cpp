// T4: the stable family's boundaries stay at one relative depth.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "strata/families/families.h"
#include "strata/families/predictions/registry.h"
#include "strata/stats/variance_ratio.h"

namespace strata {
namespace {

constexpr double kStable = 0.05;  // SD of relative depth, as in strong dominance

// Share of surrogates whose boundaries spread no more than observed, with their mean SD.
struct SmoothSpread {
  double p_value = kUndefined, smallest_p = kUndefined, mean_sd = kUndefined;
};

SmoothSpread smooth_spread(const ModelList& members, double observed) {
  std::size_t draws = members.front()->smooth_depths.rows;
  for (const Evidence* e : members) draws = std::min(draws, e->smooth_depths.rows);
  SmoothSpread s;
  if (draws == 0) return s;
  int tighter = 0;
  s.mean_sd = 0.0;
  for (std::size_t i = 0; i < draws; ++i) {
    double variance = 0.0;
    for (const std::size_t b : {0u, 1u}) {
      std::vector<double> depths;
      for (const Evidence* e : members) depths.push_back(e->smooth_depths(i, b));
      variance += 0.5 * moments(depths).variance;
    }
    tighter += std::sqrt(variance) <= observed ? 1 : 0;
    s.mean_sd += std::sqrt(variance) / static_cast<double>(draws);
  }
  s.smallest_p = 1.0 / (1.0 + static_cast<double>(draws));
  s.p_value = (1.0 + tighter) * s.smallest_p;
  return s;
}

Assessment assess(const StudyView& view) {
  Assessment a;
  a.claimed_region = {kUndefined, kStable};
  const std::string& name = view.card->stable_family;
  const ModelList members = view.family(name);
  a.models = static_cast<int>(members.size());
  if (!require_family(view, name, a)) return a;
  const double freedom = 2.0 * (a.models - 1);
  a.effect = pooled_depth_sd(members);
  const auto range = stats::sd_interval_90(a.effect, freedom);
  a.interval_90 = {range.lo, range.hi};
  const SmoothSpread smooth = smooth_spread(members, a.effect);
  a.p_value = smooth.p_value;
  a.smallest_p = smooth.smallest_p;
  if (a.effect <= kStable && !(a.p_value < view.card->alpha)) a.tag = "stable but uninformative";
  a.found = fmt::format(
      "The boundaries of {} {} models have an SD of {:.3f} of the depth; smooth curves of the "
      "same models, cut in three, have {:.3f}.",
      a.models, name, a.effect, smooth.mean_sd);
  a.quantities.push_back(
      {.name = "SD on smooth surrogates", .unit = "relative depth", .value = smooth.mean_sd, .note = "mean"});
  a.quantities.push_back(
      {.name = "the paper's CV",
       .unit = "1",
       .value = kUndefined,
       .interval_90 = {0.067, 0.095},
       .note = "a range over its boundaries, no interval; index or relative depth is not said"});
  return a;
}

}  // namespace

Prediction stable_family() {
  return {.id = "T4",
          .title = "the stable family (Llama) is stable",
          .claim = "Within the stable family the boundaries lie at one relative depth, whatever the size.",
          .statistic = "SD of the relative depth of the selected boundaries within the family, both pooled",
          .null = "the best two-boundary splits of smooth surrogates of the same models",
          .region = "SD at most 0.05 (strong dominance)",
          .refuted_by = "an interval of the SD above 0.05",
          .effect_unit = "relative depth",
          .set = TestSet::between_model,
          .assess = assess};
}

}  // namespace strata
