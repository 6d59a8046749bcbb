#include "strata/segmentation/step_search.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "strata/base/parallel.h"
#include "strata/segmentation/locate.h"
#include "strata/segmentation/roughness.h"
#include "strata/segmentation/rule.h"
#include "strata/stats/quantile.h"

namespace strata {
namespace {

constexpr std::uint32_t kStepSurrogates = 10, kStepResamples = 11, kPower = 12;  // field d of the stream key
constexpr std::size_t kMostSteps = 6, kPlacedSteps = 3, kPatience = 2;
constexpr double kThreshold = 0.95;
constexpr std::size_t kPowerTrials = 100;
constexpr std::array kPowerSigmas = {2.0, 3.0, 4.0, 6.0};

// Largest value of each statistic over the edges.
std::vector<double> maxima(const Matrix& statistic) {
  std::vector<double> out;
  for (std::size_t s = 0; s < statistic.rows; ++s)
    out.push_back(*std::max_element(statistic.row(s).begin(), statistic.row(s).end()));
  return out;
}

// Evidence of each edge, and which statistic gives it.
struct Evidence {
  std::vector<double> value;
  std::vector<std::size_t> statistic;
};

Evidence evidence_of(const Matrix& statistic, const std::vector<double>& threshold) {
  Evidence evidence{std::vector<double>(statistic.cols, 0.0), std::vector<std::size_t>(statistic.cols, 0)};
  for (std::size_t s = 0; s < statistic.rows; ++s) {
    for (std::size_t e = 0; e < statistic.cols; ++e) {
      const double value = statistic(s, e) / threshold[s];
      if (value > evidence.value[e]) {
        evidence.value[e] = value;
        evidence.statistic[e] = s;
      }
    }
  }
  return evidence;
}

struct Null {
  std::vector<double> threshold;  // of each statistic
  std::vector<double> sample;     // evidence, sorted
};

Null draw_null(const SearchProblem& problem, const SearchOptions& options) {
  const auto count = static_cast<std::size_t>(options.common.surrogates);
  std::vector<std::vector<double>> drawn(count);
  parallel_for(count, options.common.threads, [&](std::size_t i) {
    Philox rng({.seed = options.common.seed,
                .stream = Stream::surrogate,
                .a = options.stream,
                .c = static_cast<std::uint32_t>(i),
                .d = kStepSurrogates});
    drawn[i] = maxima(problem.surrogate(rng));
  });
  Null null;
  for (std::size_t s = 0; s < drawn.front().size(); ++s) {
    std::vector<double> values;
    for (const auto& one : drawn) values.push_back(one[s]);
    null.threshold.push_back(std::max(stats::quantile(values, kThreshold), 1e-9));
  }
  for (const auto& one : drawn) {
    double largest = 0.0;
    for (std::size_t s = 0; s < one.size(); ++s) largest = std::max(largest, one[s] / null.threshold[s]);
    null.sample.push_back(largest);
  }
  std::sort(null.sample.begin(), null.sample.end());
  // The largest of several statistics exceeds its own 5% more often than each: evidence 1 is the threshold of
  // all.
  const double all = std::max(stats::quantile(null.sample, kThreshold), 1e-9);
  for (double& x : null.sample) x /= all;
  for (double& x : null.threshold) x *= all;
  return null;
}

double p_value(const std::vector<double>& sorted, double evidence) {
  const auto below = std::lower_bound(sorted.begin(), sorted.end(), evidence - 1e-12) - sorted.begin();
  const auto n = static_cast<double>(sorted.size());
  return (1.0 + n - static_cast<double>(below)) / (1.0 + n);
}

// Edges among which a step is looked for again: around its own, nearer to it than to any other step.
struct Neighbourhood {
  int edge = 0, first = 0, last = 0;
};

Neighbourhood around(int edge, const StepSearch& search, int n_layers) {
  const int reach = std::max(4, n_layers / 6);
  Neighbourhood near{edge, std::max(1, edge - reach), std::min(n_layers - 1, edge + reach)};
  for (const auto& other : search.steps) {
    if (other.edge < edge) near.first = std::max(near.first, (other.edge + edge) / 2 + 1);
    if (other.edge > edge) near.last = std::min(near.last, (other.edge + edge - 1) / 2);
  }
  return near;
}

// The one with the largest evidence; the step's own where there is none.
int strongest_near(const Matrix& statistic, const std::vector<double>& threshold, const Neighbourhood& near) {
  const Evidence evidence = evidence_of(statistic, threshold);
  int best = near.edge;
  double largest = 0.0;
  for (int e = near.first; e <= near.last; ++e) {
    const double value = evidence.value[static_cast<std::size_t>(e)];
    if (value > largest) {
      largest = value;
      best = e;
    }
  }
  return best;
}

// Where resamples put the step: the edge, moved by what layer noise moves it and by what one half-sample of
// the documents moves it.
EdgeEstimate place_of(const SearchProblem& problem, const SearchOptions& options, const Null& null,
                      const Neighbourhood& near) {
  const int edge = near.edge, last = problem.n_layers - 1;
  const auto count = static_cast<std::size_t>(options.common.bootstraps);
  std::vector<int> by_documents(problem.half_samples), found(count);
  parallel_for(problem.half_samples, options.common.threads, [&](std::size_t r) {
    by_documents[r] = strongest_near(problem.in_half_sample(edge, r), null.threshold, near) - edge;
  });
  parallel_for(count, options.common.threads, [&](std::size_t b) {
    Philox rng({.seed = options.common.seed,
                .stream = Stream::bootstrap,
                .a = options.stream,
                .b = static_cast<std::uint32_t>(edge),
                .c = static_cast<std::uint32_t>(b),
                .d = kStepResamples});
    found[b] = strongest_near(problem.with_step(edge, rng), null.threshold, near);
    if (!by_documents.empty()) found[b] += by_documents[b % by_documents.size()];
  });
  EdgeEstimate estimate{.edge = edge};
  estimate.histogram.assign(static_cast<std::size_t>(last), 0.0);
  for (const int e : found)
    estimate.histogram[static_cast<std::size_t>(std::clamp(e, near.first, near.last)) - 1] +=
        1.0 / static_cast<double>(count);
  estimate.modal_share = estimate.histogram[static_cast<std::size_t>(edge) - 1];
  estimate.interval_90 = central_interval(estimate.histogram);
  return estimate;
}

}  // namespace

namespace {

// Finds steps one after the other, each with the evidence that is left when those before it are taken out. A
// step can hide behind another, so two more are looked for after one that is not significant.
void find_steps(const SearchProblem& problem, const Null& null, double alpha, StepSearch& search) {
  const auto n = static_cast<std::size_t>(problem.n_layers);
  std::vector<bool> open(n, false);
  for (const int e : candidate_edges(problem.n_layers)) open[static_cast<std::size_t>(e)] = true;
  for (std::size_t failures = 0; search.steps.size() < kMostSteps && failures < kPatience;) {
    Evidence evidence = evidence_of(problem.score(), null.threshold);
    if (search.evidence.empty()) search.evidence.assign(evidence.value.begin() + 1, evidence.value.end());
    for (std::size_t e = 0; e < n; ++e) {
      if (!open[e]) evidence.value[e] = -1.0;
    }
    const auto at = std::max_element(evidence.value.begin(), evidence.value.end());
    if (*at < 0.0) break;
    const int edge = static_cast<int>(at - evidence.value.begin());
    search.steps.push_back({.edge = edge, .evidence = *at, .p_value = p_value(null.sample, *at)});
    failures = search.steps.back().p_value <= alpha ? 0 : failures + 1;
    const int distance = min_distance(problem.n_layers);
    for (int e = std::max(0, edge - distance + 1); e < std::min(problem.n_layers, edge + distance); ++e)
      open[static_cast<std::size_t>(e)] = false;
    problem.take_out(edge, evidence.statistic[static_cast<std::size_t>(edge)]);
  }
}

// A step that was found before a stronger one was masked by it: its evidence is taken again with the
// significant ones found later taken out.
void look_again(const SearchProblem& problem, const Null& null, double alpha, StepSearch& search) {
  for (std::size_t i = 0; i < search.steps.size(); ++i) {
    StepSearch::Step& step = search.steps[i];
    const bool later =
        std::any_of(search.steps.begin() + static_cast<std::ptrdiff_t>(i) + 1, search.steps.end(),
                    [&](const auto& other) { return other.p_value <= alpha; });
    if (step.p_value <= alpha || !later) continue;
    const Evidence evidence = evidence_of(problem.alone(step.edge), null.threshold);
    const double again = evidence.value[static_cast<std::size_t>(step.edge)];
    if (again <= step.evidence) continue;
    step.evidence = again;
    step.p_value = p_value(null.sample, again);
  }
  std::stable_sort(search.steps.begin(), search.steps.end(),
                   [](const auto& a, const auto& b) { return a.evidence > b.evidence; });
  for (const auto& step : search.steps) search.accepted += step.p_value <= alpha ? 1 : 0;
}

}  // namespace

namespace {

// The edges that the search selects in a profile, one after the other; at most three.
std::vector<int> selected_in(const SearchProblem& problem, const Null& null, double alpha, Matrix profile) {
  std::vector<int> edges;
  const int distance = min_distance(problem.n_layers);
  while (edges.size() < kPlacedSteps) {
    const Evidence evidence = evidence_of(problem.score_of(profile), null.threshold);
    int best = 0;
    for (const int e : candidate_edges(problem.n_layers)) {
      const bool open =
          std::none_of(edges.begin(), edges.end(), [&](int f) { return std::abs(e - f) < distance; });
      if (open && (best == 0 || evidence.value[static_cast<std::size_t>(e)] >
                                    evidence.value[static_cast<std::size_t>(best)]))
        best = e;
    }
    if (best == 0 || p_value(null.sample, evidence.value[static_cast<std::size_t>(best)]) > alpha) break;
    edges.push_back(best);
    profile = problem.without(profile, best);
  }
  return edges;
}

// Both of two planted steps selected at the level of the rule, each within one block.
void measure_power(const SearchProblem& problem, const SearchOptions& options, const Null& null,
                   StepSearch& search) {
  const int n = problem.n_layers;
  const std::vector<int> edges = {(n + 1) / 3, (2 * n + 1) / 3};
  for (const double sigmas : kPowerSigmas) {
    std::vector<char> found(kPowerTrials, 0);
    parallel_for(kPowerTrials, options.common.threads, [&](std::size_t i) {
      Philox rng({.seed = options.common.seed,
                  .stream = Stream::surrogate,
                  .a = options.stream,
                  .b = static_cast<std::uint32_t>(10.0 * sigmas),
                  .c = static_cast<std::uint32_t>(i),
                  .d = kPower});
      const auto selected =
          selected_in(problem, null, options.common.alpha / p_factor(n), problem.planted(sigmas, edges, rng));
      found[i] = std::all_of(edges.begin(), edges.end(), [&](int edge) {
        return std::any_of(selected.begin(), selected.end(), [&](int e) { return std::abs(e - edge) <= 1; });
      });
    });
    const auto hits = std::count(found.begin(), found.end(), 1);
    search.power.push_back(
        {.sigmas = sigmas, .share = static_cast<double>(hits) / static_cast<double>(kPowerTrials)});
  }
}

}  // namespace

void search_steps(const SearchProblem& problem, const SearchOptions& options, StepSearch& search) {
  const Null null = draw_null(problem, options);
  search.null_sample = null.sample;
  find_steps(problem, null, options.common.alpha, search);
  look_again(problem, null, options.common.alpha, search);
  if (!options.intervals) return;
  if (problem.planted) measure_power(problem, options, null, search);
  for (std::size_t i = 0; i < std::max(search.accepted, std::min(kPlacedSteps, search.steps.size())); ++i)
    search.steps[i].place =
        place_of(problem, options, null, around(search.steps[i].edge, search, problem.n_layers));
}

}  // namespace strata
