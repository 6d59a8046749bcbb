// T9: compression weights differ between segments.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "strata/families/families.h"
#include "strata/families/predictions/registry.h"
#include "strata/segmentation/noise.h"
#include "strata/stats/least_squares.h"
#include "strata/stats/student.h"

namespace strata {
namespace {

constexpr double kClaimedShare = 0.1;

// Share of the variance of `residual` that lies between the segments; NaN without variance.
double between(const std::vector<double>& residual, const std::vector<int>& edges) {
  const int bounds[] = {0, edges[0], edges[1], static_cast<int>(residual.size())};
  const Moments all = moments(residual);
  double inside = 0.0;
  for (std::size_t s = 0; s < 3; ++s) {
    const std::vector<double> part(residual.begin() + bounds[s], residual.begin() + bounds[s + 1]);
    const Moments m = moments(part);
    if (m.n > 1) inside += m.variance * (m.n - 1);
  }
  const double total = all.variance * (all.n - 1);
  return total > 0.0 ? 1.0 - inside / total : kUndefined;
}

// The statistic on quadratics with AR(1) noise like this model's.
std::vector<double> surrogate_shares(const Evidence& e, int draws, std::uint64_t seed, std::uint32_t index) {
  Matrix y(e.ln_beta.size(), 1);
  y.data = e.ln_beta;
  double square = 0.0;
  for (const double x : y.data) square += x * x;
  const Models models(y.rows, 1.0, 1e-10 * square);
  const FittedModel quadratic = models.smooth(stats::Trend::quadratic, y);
  StreamKey key{.seed = seed, .stream = Stream::surrogate, .a = 1001, .b = index, .c = 0, .d = 0};
  const NoiseModel noise = estimate_noise(models, quadratic, quadratic, y, key, 1);
  std::vector<double> out;
  key.d = 1;
  for (int i = 0; i < draws; ++i) {
    key.c = static_cast<std::uint32_t>(i);
    out.push_back(between(stats::remove_quadratic(surrogate(quadratic, noise, key).data), e.split.edges));
  }
  return out;
}

bool has_split(const Evidence& e) {
  return e.split.defined();
}

Assessment assess(const StudyView& view) {
  Assessment a;
  if (!require_selected(view.main, has_split, 1, "model", a)) return a;
  a.claimed_region = {kClaimedShare, kUndefined};
  std::vector<double> observed, effects, sum(static_cast<std::size_t>(view.card->resamples), 0.0);
  for (const Evidence* e : view.main) {
    const bool finite =
        std::all_of(e->ln_beta.begin(), e->ln_beta.end(), [](double x) { return std::isfinite(x); });
    if (!e->split.defined() || e->ln_beta.size() != static_cast<std::size_t>(e->n_layers) || !finite)
      continue;
    const double share = between(stats::remove_quadratic(e->ln_beta), e->split.edges);
    if (std::isnan(share)) continue;
    const auto null = surrogate_shares(*e, view.card->resamples, view.card->seed,
                                       static_cast<std::uint32_t>(observed.size()));
    const double expected = moments(null).mean;
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += null[i];
    observed.push_back(share);
    effects.push_back((share - expected) / (1.0 - expected));
    a.quantities.push_back({.name = "share between segments, " + e->model,
                            .unit = "1",
                            .value = share,
                            .note = fmt::format("{:.2f} expected of a smooth curve", expected)});
  }
  a.models = static_cast<int>(observed.size());
  if (observed.empty()) {
    a.missing =
        "the records of the models with two selected boundaries hold no compression weights (beta) of "
        "every block";
    return a;
  }
  const Moments m = moments(effects);
  a.effect = m.mean;
  if (m.n >= kFewestModels) {
    const double half = stats::student_quantile(0.95, m.n - 1) * std::sqrt(m.variance / m.n);
    a.interval_90 = {m.mean - half, m.mean + half};
  }
  const double total = moments(observed).mean * m.n;
  const auto extreme = std::count_if(sum.begin(), sum.end(), [&](double x) { return x >= total; });
  a.smallest_p = 1.0 / (1.0 + static_cast<double>(sum.size()));
  a.p_value = (1.0 + static_cast<double>(extreme)) * a.smallest_p;
  a.found = fmt::format(
      "Segments hold {:.0f}% of the variance of ln beta about a quadratic, {:.0f}% more than a "
      "smooth curve with the same noise would leave to them.",
      100.0 * moments(observed).mean, 100.0 * a.effect);
  return a;
}

}  // namespace

Prediction segment_compression() {
  return {
      .id = "T9",
      .title = "compression weights differ by segment",
      .claim = "The segments trade rate for distortion at different weights beta.",
      .statistic =
          "share of the variance of ln beta (matched noise) that lies between the segments of the selected "
          "boundaries after a quadratic in depth, beyond what the null leaves there",
      .null = "quadratics with AR(1) noise along depth, cut at the same edges, pooled over models",
      .region = "at least 0.1 of what the null leaves",
      .refuted_by = "an interval of the share, over models, below 0.1",
      .effect_unit = "share of variance",
      .set = TestSet::within_model,
      .assess = assess};
}

}  // namespace strata
