// T8: boundaries are functional: brittleness changes there.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "strata/base/philox.h"
#include "strata/families/families.h"
#include "strata/families/predictions/registry.h"
#include "strata/stats/least_squares.h"
#include "strata/stats/student.h"

namespace strata {
namespace {

constexpr double kClaimedJump = 0.5;  // of a model's RMS jump
constexpr int kMargin = 2;            // edges left out at either end
constexpr int kSetSize = 5;

// Size of the change of both quantities at each edge 1..L-1 (index 0 = edge 1), each in units of its root
// mean square over the edges that count; NaN where there is none.
std::vector<double> jumps(const Evidence& e) {
  const auto edges = static_cast<std::size_t>(std::max(0, e.n_layers - 1));
  std::vector<double> sum(edges, 0.0), count(edges, 0.0);
  for (const auto* values : {&e.ln_kappa, &e.ln_skip_kl}) {
    if (values->size() != edges + 1) continue;
    const auto residual = stats::remove_quadratic(*values);
    std::vector<double> change(edges, kUndefined);
    double square = 0.0, n = 0.0;
    for (std::size_t i = kMargin; i + kMargin < edges; ++i) {
      change[i] = std::fabs(residual[i + 1] - residual[i]);
      if (!std::isfinite(change[i])) continue;
      square += change[i] * change[i];
      n += 1.0;
    }
    // What rounding leaves of an exact quadratic is no change.
    if (!(square > 1e-18 * n)) continue;
    const double scale = std::sqrt(square / n);
    for (std::size_t i = 0; i < edges; ++i) {
      if (!std::isfinite(change[i])) continue;
      sum[i] += change[i] / scale;
      count[i] += 1.0;
    }
  }
  for (std::size_t i = 0; i < edges; ++i) sum[i] = count[i] > 0.0 ? sum[i] / count[i] : kUndefined;
  return sum;
}

// The jump at one boundary, and those at the edges matched with it in depth, itself among them.
struct Matched {
  double at = 0.0;
  std::vector<double> among;
};

std::vector<Matched> match(const Evidence& e) {
  const auto all = jumps(e);
  const int window = std::max(2, static_cast<int>(std::lround(0.15 * e.n_layers)));
  std::vector<Matched> out;
  for (const int edge : e.split.edges) {
    const double at = all[static_cast<std::size_t>(edge - 1)];
    if (!std::isfinite(at)) continue;
    Matched m{.at = at, .among = {}};
    for (int other = std::max(1, edge - window); other <= std::min(e.n_layers - 1, edge + window); ++other) {
      const double x = all[static_cast<std::size_t>(other - 1)];
      if (std::isfinite(x)) m.among.push_back(x);
    }
    if (m.among.size() >= 2) out.push_back(std::move(m));
  }
  return out;
}

double excess(const std::vector<Matched>& boundaries) {
  double sum = 0.0;
  for (const Matched& m : boundaries) {
    double others = -m.at;
    for (const double x : m.among) others += x;
    sum += m.at - others / static_cast<double>(m.among.size() - 1);
  }
  return sum / static_cast<double>(boundaries.size());
}

double mean_jump(const std::vector<std::vector<Matched>>& models, Philox* rng) {
  double sum = 0.0;
  for (const auto& boundaries : models) {
    double own = 0.0;
    for (const Matched& m : boundaries) own += rng == nullptr ? m.at : m.among[rng->below(m.among.size())];
    sum += own / static_cast<double>(boundaries.size());
  }
  return sum / static_cast<double>(models.size());
}

void add_permutation(const std::vector<std::vector<Matched>>& models, const StudyCard& card, Assessment& a) {
  double combinations = 1.0;
  for (const auto& boundaries : models) {
    for (const Matched& m : boundaries) combinations *= static_cast<double>(m.among.size());
  }
  Philox rng({.seed = card.seed, .stream = Stream::permutation, .a = 10});
  const double observed = mean_jump(models, nullptr);
  int extreme = 1;
  for (int i = 1; i < card.permutations; ++i) extreme += mean_jump(models, &rng) >= observed - 1e-9 ? 1 : 0;
  a.p_value = static_cast<double>(extreme) / card.permutations;
  a.smallest_p = std::max(1.0 / combinations, 1.0 / card.permutations);
  const double each = std::pow(combinations, 1.0 / static_cast<double>(models.size()));
  const double needed = std::ceil(std::log(kSetSize / card.alpha) / std::log(each) + 1e-9);
  if (static_cast<double>(models.size()) < needed) a.models_needed = static_cast<int>(needed);
}

Assessment assess(const StudyView& view) {
  Assessment a;
  a.claimed_region = {kClaimedJump, kUndefined};
  std::vector<std::vector<Matched>> models;
  std::vector<double> effects;
  for (const Evidence* e : view.main) {
    if (!e->split.defined()) continue;
    auto boundaries = match(*e);
    if (boundaries.empty()) continue;
    a.count_forced(*e);
    effects.push_back(excess(boundaries));
    a.quantities.push_back(
        {.name = "excess jump, " + e->model, .unit = "RMS jump", .value = effects.back(), .note = {}});
    models.push_back(std::move(boundaries));
  }
  a.models = static_cast<int>(models.size());
  if (models.empty()) {
    a.missing = "no run has a boundary away from both ends, with kappa or block skip around it";
    return a;
  }
  const Moments m = moments(effects);
  a.effect = m.mean;
  if (m.n >= kFewestModels) {
    const double half = stats::student_quantile(0.95, m.n - 1) * std::sqrt(m.variance / m.n);
    a.interval_90 = {m.mean - half, m.mean + half};
  }
  add_permutation(models, *view.card, a);
  a.found = fmt::format(
      "At the boundaries brittleness jumps by {:.2f} of a model's RMS jump more than at edges "
      "of like depth, over {} models.",
      a.effect, a.models);
  return a;
}

}  // namespace

Prediction functional_boundaries() {
  return {
      .id = "T8",
      .title = "boundaries are functional",
      .claim =
          "Brittleness and the cost of skipping a block jump at the boundaries, which were found without "
          "them.",
      .statistic =
          "size of the jump of ln kappa and of ln skip cost at the boundaries, after a quadratic in "
          "depth, minus that at edges within 0.15 of the depth",
      .null = "boundaries at edges matched in depth, the first and last two left out, permuted within models",
      .region = "at least half of a model's RMS jump",
      .refuted_by = "an interval of the excess jump, over models, below half an RMS jump",
      .effect_unit = "RMS jump",
      .set = TestSet::within_model,
      .assess = assess};
}

}  // namespace strata
