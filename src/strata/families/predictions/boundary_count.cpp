// T1 (P1.1): exactly two boundaries.
#include <fmt/format.h>

#include <cmath>

#include "strata/base/words.h"
#include "strata/families/families.h"
#include "strata/families/predictions/registry.h"
#include "strata/stats/special.h"

namespace strata {
namespace {

constexpr double kClaimedShare = 0.8;
constexpr double kFalseShare = 0.05;  // a smooth model gets two boundaries at most as often as any at all
constexpr int kDeepEnough = 16;  // blocks, below which the detectors lack the power that calibration asks
constexpr int kSetSize = 5;

// P(X >= hits) of a binomial.
double upper_tail(int hits, int trials, double share) {
  return hits == 0 ? 1.0 : stats::incomplete_beta(share, hits, trials - hits + 1);
}

// Clopper and Pearson's end (1934, Biometrika 26:404): the share at which the tail is 5%.
double solve(bool lower, int hits, int trials) {
  double low = 0.0, high = 1.0;
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    const double tail = lower ? upper_tail(hits, trials, middle) : 1.0 - upper_tail(hits + 1, trials, middle);
    ((lower ? tail < 0.05 : tail > 0.05) ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

// The second null, beside the first: it has no p-value of its own over models.
void add_random_networks(const StudyView& view, Assessment& a) {
  for (const Evidence* e : view.main) {
    if (!e->tested || e->random_networks == 0) continue;
    a.quantities.push_back(
        {.name = "rank of " + e->model + " among networks with random weights",
         .unit = "rank",
         .value = static_cast<double>(e->random_rank),
         .note = fmt::format("of {}, 1 = jumps fit best, on the same text", e->random_networks + 1)});
    a.found += fmt::format(" Jumps fit {} better than {} of {} with random weights on the same text.",
                           e->model, e->random_networks + 1 - e->random_rank,
                           counted(static_cast<std::size_t>(e->random_networks), "network"));
  }
}

Assessment assess(const StudyView& view) {
  Assessment a;
  a.claimed_region = {kClaimedShare, 1.0};
  int two = 0, deep = 0, deep_two = 0;
  std::string counts;
  for (const Evidence* e : view.main) {
    if (!e->tested) continue;
    ++a.models;
    const bool hit = e->selected_k == 2;
    two += hit ? 1 : 0;
    deep += e->n_layers >= kDeepEnough ? 1 : 0;
    deep_two += hit && e->n_layers >= kDeepEnough ? 1 : 0;
    counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", e->model, e->selected_k);
    a.quantities.push_back({.name = "boundaries of " + e->model,
                            .unit = "boundaries",
                            .value = static_cast<double>(e->selected_k),
                            .note = {}});
  }
  if (a.models == 0) {
    a.missing = "no run has a detector that could be tested";
    return a;
  }
  a.effect = static_cast<double>(two) / a.models;
  a.smallest_p = std::pow(kFalseShare, a.models);
  a.p_value = upper_tail(two, a.models, kFalseShare);
  a.interval_90.lo = two == 0 ? 0.0 : solve(true, two, a.models);
  a.interval_90.hi = deep_two == deep ? 1.0 : solve(false, deep_two, deep);
  while (std::pow(kFalseShare, a.models_needed) * kSetSize >= view.card->alpha) ++a.models_needed;
  if (a.models >= a.models_needed) a.models_needed = 0;
  a.found = fmt::format("The tests select two boundaries in {} of {} ({}).", two,
                        counted(static_cast<std::size_t>(a.models), "model"), counts);
  if (deep < a.models) {
    a.found += fmt::format(
        " Models of fewer than {} blocks do not count against it: there the detectors miss "
        "boundaries too often.",
        kDeepEnough);
  }
  add_random_networks(view, a);
  return a;
}

}  // namespace

Prediction boundary_count() {
  return {.id = "T1",
          .title = "exactly two boundaries",
          .claim = "Two boundaries divide the layers of every model (the paper's P1.1).",
          .statistic = "share of models in which the sequential tests select two boundaries",
          .null = "smooth curves with AR(1) noise, on which the tests find any boundary in at most 5%",
          .region = "at least 80% of the models; the detectors count right in about 90% of calibrated trials",
          .refuted_by = "an interval of the share below 80%, from models of 16 blocks and more",
          .effect_unit = "share of models",
          .set = TestSet::within_model,
          .assess = assess};
}

}  // namespace strata
