// T8: boundaries are functional: brittleness changes there.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "strata/base/philox.h"
#include "strata/families/families.h"
#include "strata/families/predictions/registry.h"
#include "strata/stats/ar1.h"
#include "strata/stats/quantile.h"
#include "strata/stats/student.h"

namespace strata {
namespace {

constexpr double kClaimedJump = 0.5;  // of a model's RMS jump
constexpr int kEnds = 2;              // blocks left out at either end: start-up and read-out
constexpr int kSetSize = 5;
constexpr double kSides = 2.0;  // p counts both tails: the claim may be supported or refuted

// Jump at edge i+2 of four values in a row, the edge between the second and the third: what is left of the
// middle change when a smooth curve through the outer two is taken out. Of a quadratic and of an exponential
// nothing is left.
double jump_of(const double* x) {
  const double before = x[1] - x[0], here = x[2] - x[1], after = x[3] - x[2];
  const double jump = std::fabs(here - 0.5 * (before + after));
  if (!(before * here > 0.0 && after * here > 0.0)) return jump;
  return std::min(jump, std::fabs(std::fabs(here) - std::sqrt(before * after)));
}

// Of the values between the ends, at edges 1..L-1 (index 0 = edge 1), in units of their root mean square; NaN
// where there is none.
std::vector<double> jumps_of(const std::vector<double>& values) {
  const std::size_t n = values.size();
  std::vector<double> out(n > 0 ? n - 1 : 0, kUndefined);
  double square = 0.0, count = 0.0;
  for (std::size_t e = kEnds + 2; e + 2 + kEnds <= n; ++e) {
    const double jump = jump_of(&values[e - 2]);
    if (!std::isfinite(jump)) continue;
    out[e - 1] = jump;
    square += jump * jump;
    count += 1.0;
  }
  // What rounding leaves of an exact curve is no jump.
  const double scale = square > 1e-18 * count ? std::sqrt(square / count) : kUndefined;
  for (double& x : out) x /= scale;
  return out;
}

// Mean of both measures at each edge.
std::vector<double> jumps(const Evidence& e) {
  const auto edges = static_cast<std::size_t>(std::max(0, e.n_layers - 1));
  std::vector<double> sum(edges, 0.0), count(edges, 0.0);
  for (const auto* values : {&e.ln_kappa, &e.ln_skip_kl}) {
    if (values->size() != edges + 1) continue;
    const auto own = jumps_of(*values);
    for (std::size_t i = 0; i < edges; ++i) {
      if (!std::isfinite(own[i])) continue;
      sum[i] += own[i];
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

// The window is 0.15 of the depth to either side, or wider until it holds five edges: an edge at the rim of a
// narrow one differs from the others by more than they do from each other, because neighbours share blocks.
std::vector<double> window_of(const std::vector<double>& jumps, int edge) {
  constexpr std::size_t kFewestEdges = 5;
  const int last = static_cast<int>(jumps.size());
  std::vector<double> among;
  for (int reach = std::max(2, static_cast<int>(std::lround(0.15 * (last + 1)))); reach <= last; ++reach) {
    among.clear();
    for (int other = std::max(1, edge - reach); other <= std::min(last, edge + reach); ++other) {
      const double x = jumps[static_cast<std::size_t>(other - 1)];
      if (std::isfinite(x)) among.push_back(x);
    }
    if (among.size() >= kFewestEdges) break;
  }
  return among;
}

std::vector<Matched> match(const Evidence& e) {
  const auto all = jumps(e);
  std::vector<Matched> out;
  for (const int edge : e.split.edges) {
    const double at = all[static_cast<std::size_t>(edge - 1)];
    if (!std::isfinite(at)) continue;
    Matched m{.at = at, .among = window_of(all, edge)};
    if (m.among.size() >= 2) out.push_back(std::move(m));
  }
  return out;
}

// How far the largest jump stands out, boundaries left out: over the median of all.
double largest_elsewhere(const std::vector<double>& jumps, const std::vector<int>& boundaries) {
  std::vector<double> all;
  double largest = 0.0;
  for (std::size_t i = 0; i < jumps.size(); ++i) {
    if (!std::isfinite(jumps[i])) continue;
    all.push_back(jumps[i]);
    const bool boundary =
        std::find(boundaries.begin(), boundaries.end(), static_cast<int>(i) + 1) != boundaries.end();
    if (!boundary) largest = std::max(largest, jumps[i]);
  }
  const double middle = all.empty() ? 0.0 : stats::median(all);
  return middle > 0.0 ? largest / middle : kUndefined;
}

// p of jumps that stand out as far, away from the boundaries, in Gaussian AR(1) noise without any: the
// largest over three rho. One measure stands for both, as if they shared all their noise.
double jumps_elsewhere_p(const std::vector<const Evidence*>& models, const StudyCard& card) {
  double observed = 0.0;
  for (const Evidence* e : models) {
    const double x = largest_elsewhere(jumps(*e), e->split.edges);
    if (!std::isfinite(x)) return kUndefined;
    observed += std::log(x);
  }
  double worst = 0.0;
  std::uint32_t stream = 0;
  for (const double rho : {0.0, 0.5, 0.9}) {
    int extreme = 1;
    for (int i = 0; i < card.resamples; ++i) {
      double sum = 0.0;
      Philox rng({.seed = card.seed,
                  .stream = Stream::permutation,
                  .a = 12,
                  .b = stream,
                  .c = static_cast<std::uint32_t>(i)});
      for (const Evidence* e : models) {
        Matrix noise(static_cast<std::size_t>(e->n_layers), 1);
        stats::fill_ar1(noise, rho, std::vector<double>{1.0}, rng);
        sum += std::log(largest_elsewhere(jumps_of(noise.data), {}));
      }
      extreme += sum >= observed ? 1 : 0;
    }
    worst = std::max(worst, static_cast<double>(extreme) / (1.0 + card.resamples));
    ++stream;
  }
  return std::min(1.0, kSides * worst);
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
  a.p_value = std::min(1.0, kSides * extreme / card.permutations);
  a.smallest_p = std::min(1.0, kSides * std::max(1.0 / combinations, 1.0 / card.permutations));
  const double each = std::pow(combinations, 1.0 / static_cast<double>(models.size()));
  const double needed = std::ceil(std::log(kSides * kSetSize / card.alpha) / std::log(each) + 1e-9);
  if (static_cast<double>(models.size()) < needed) a.models_needed = static_cast<int>(needed);
}

// An interval below the claim refutes only where brittleness jumps at all.
void add_refutation(const std::vector<const Evidence*>& models, const StudyCard& card, Assessment& a) {
  if (!(a.interval_90.hi < kClaimedJump)) return;
  a.p_against = jumps_elsewhere_p(models, card);
  a.unclear = fmt::format(
      "the boundaries do not jump by as much as claimed, but no other edge stands out from the noise from "
      "block "
      "to block either (p = {:.2g}), so there are no jumps to be elsewhere",
      a.p_against);
}

bool has_split(const Evidence& e) {
  return e.split.defined();
}

Assessment assess(const StudyView& view) {
  Assessment a;
  if (!require_selected(view.main, has_split, 1, "model", a)) return a;
  a.claimed_region = {kClaimedJump, kUndefined};
  std::vector<std::vector<Matched>> models;
  std::vector<double> effects;
  std::vector<const Evidence*> used;
  for (const Evidence* e : view.main) {
    if (!e->split.defined()) continue;
    auto boundaries = match(*e);
    if (boundaries.empty()) continue;
    effects.push_back(excess(boundaries));
    a.quantities.push_back(
        {.name = "excess jump, " + e->model, .unit = "RMS jump", .value = effects.back(), .note = {}});
    models.push_back(std::move(boundaries));
    used.push_back(e);
  }
  a.models = static_cast<int>(models.size());
  if (models.empty()) {
    a.missing = "no run has a selected boundary away from both ends, with kappa or block skip around it";
    return a;
  }
  const Moments m = moments(effects);
  a.effect = m.mean;
  if (m.n >= kFewestModels) {
    const double half = stats::student_quantile(0.95, m.n - 1) * std::sqrt(m.variance / m.n);
    a.interval_90 = {m.mean - half, m.mean + half};
  }
  add_permutation(models, *view.card, a);
  add_refutation(used, *view.card, a);
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
          "size of the jump of ln kappa and of ln skip cost at the selected boundaries, beyond a smooth "
          "curve "
          "through the two blocks on either side, minus that at edges within 0.15 of the depth",
      .null =
          "boundaries at edges matched in depth, the first and last three left out, permuted within models",
      .region = "at least half of a model's RMS jump",
      .refuted_by =
          "an interval of the excess jump, over models, below half an RMS jump, while edges that are no "
          "boundaries jump further than noise does (p < 0.05)",
      .effect_unit = "RMS jump",
      .set = TestSet::within_model,
      .assess = assess};
}

}  // namespace strata
