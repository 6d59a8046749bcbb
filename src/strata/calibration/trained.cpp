#include "strata/calibration/trained.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "strata/base/philox.h"
#include "strata/segmentation/layer_series.h"
#include "strata/stats/student.h"

namespace strata {
namespace {

constexpr double kNearIdentity = 0.02, kSharp = 4.0, kFlat = 0.15, kLoud = 8.0, kConstant = 20.0;
constexpr int kTransient = 2, kReach = 6;  // blocks
constexpr double kLevel = 0.05;

// `count` of the numbers below n in random order.
std::vector<int> shuffled(int n, Philox& rng) {
  std::vector<int> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
  return order;
}

int jitter(Philox& rng) {
  return static_cast<int>(rng.below(3)) - 1;
}

// Factors in the third that is changed.
void change(TrainedPlan& plan, int begin, int end, double query, double write) {
  for (int l = begin; l < end; ++l) {
    plan.blocks[static_cast<std::size_t>(l)].query = query;
    plan.blocks[static_cast<std::size_t>(l)].write = write;
  }
}

void repeat_blocks(TrainedPlan& plan, int n, Philox& rng) {
  const auto chosen = shuffled(n, rng);
  std::size_t segment = 0;
  for (std::size_t l = 0; l < plan.blocks.size(); ++l) {
    while (segment < plan.edges.size() && plan.edges[segment] == static_cast<int>(l)) ++segment;
    plan.blocks[l].source = chosen[segment];
  }
}

void order_at_random(TrainedPlan& plan, int n, Philox& rng) {
  std::vector<int> order;
  for (TrainedBlock& block : plan.blocks) {
    if (order.empty()) order = shuffled(n, rng);
    block.source = order.back();
    order.pop_back();
  }
}

// Two-sided p-value of equal means, pooled variance.
double t_test(const std::vector<double>& a, const std::vector<double>& b) {
  const auto mean = [](const std::vector<double>& x) {
    return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
  };
  const double mean_a = mean(a), mean_b = mean(b);
  double square = 0.0;
  for (const double x : a) square += (x - mean_a) * (x - mean_a);
  for (const double x : b) square += (x - mean_b) * (x - mean_b);
  const auto n_a = static_cast<double>(a.size()), n_b = static_cast<double>(b.size());
  const double freedom = n_a + n_b - 2.0, error = std::sqrt(square / freedom * (1.0 / n_a + 1.0 / n_b));
  if (mean_a == mean_b) return 1.0;
  if (!(error > 0.0)) return 0.0;
  return 2.0 * stats::student_cdf(-std::abs(mean_a - mean_b) / error, freedom);
}

}  // namespace

TrainedPlan plan_trained(TrainedKind kind, int n_layers, int trial, std::uint64_t seed,
                         const std::vector<int>& n_blocks) {
  Philox rng({.seed = seed, .stream = Stream::planted, .b = 20});
  TrainedPlan plan;
  plan.model = static_cast<std::size_t>(trial) % n_blocks.size();
  plan.seed = rng.next_u64();
  const int n = n_blocks[plan.model];
  plan.blocks.resize(static_cast<std::size_t>(n_layers));
  for (int l = 0; l < n_layers; ++l) plan.blocks[static_cast<std::size_t>(l)].source = l * n / n_layers;
  const int a = n_layers / 3 + jitter(rng), b = 2 * n_layers / 3 + jitter(rng);
  const bool last = rng.below(2) == 1;
  const double sharpness = kind == TrainedKind::sharp ? kSharp : kFlat;
  switch (kind) {
    case TrainedKind::three_blocks:
      plan.edges = {a, b};
      repeat_blocks(plan, n, rng);
      break;
    case TrainedKind::two_blocks:
      plan.edges = {n_layers / 3 + static_cast<int>(rng.below(static_cast<std::uint64_t>(n_layers / 3 + 1)))};
      repeat_blocks(plan, n, rng);
      break;
    case TrainedKind::near_identity:
    case TrainedKind::identity:
      plan.edges = {a, b};
      change(plan, a, b, 1.0, kind == TrainedKind::identity ? 0.0 : kNearIdentity);
      break;
    case TrainedKind::first_identity:
      plan.edges = {a};
      change(plan, 0, a, 1.0, kNearIdentity);
      break;
    case TrainedKind::sharp:
    case TrainedKind::flat:
      plan.edges = last ? std::vector<int>{b} : std::vector<int>{a, b};
      change(plan, plan.edges.front(), last ? n_layers : b, sharpness, 1.0);
      break;
    case TrainedKind::loud:
      plan.edges = {a, b};
      change(plan, a, a + 1, 1.0, kLoud);
      change(plan, b, b + 1, 1.0, kLoud);
      break;
    case TrainedKind::one_block: {
      const int turn = trial / static_cast<int>(n_blocks.size());
      // A stride without a divisor in common with n reaches every block.
      int stride = std::min(5, n);
      while (std::gcd(stride, n) != 1) ++stride;
      for (TrainedBlock& block : plan.blocks) block.source = turn * stride % n;
      break;
    }
    case TrainedKind::doubled:
      break;
    case TrainedKind::constant:
      plan.constant = TrainedPlan::Constant{.rms = kConstant, .written_by = a, .removed_by = b};
      break;
    case TrainedKind::random_weights:
      plan.random_weights = true;
      break;
    case TrainedKind::random_order:
      order_at_random(plan, n, rng);
      break;
  }
  return plan;
}

std::vector<bool> edges_that_show(const Trace& trace, const std::vector<int>& edges) {
  const LayerSeries series = layer_series(trace, TokenSet::ordinary, 0, 0);
  std::vector<bool> seen(edges.size(), false);
  if (!series.undefined.empty()) return seen;
  const int last = trace.n_layers() - 1;  // the last block is unlike the others
  for (std::size_t k = 0; k < edges.size(); ++k) {
    const int begin = k == 0 ? 1 : edges[k - 1] + kTransient,
              end = k + 1 < edges.size() ? edges[k + 1] : last;
    const int from = std::max(begin, edges[k] - kReach), first = edges[k] + kTransient,
              to = std::min(end, first + kReach);
    if (edges[k] - from < 2 || to - first < 2) continue;
    for (std::size_t j = 0; j < series.y.cols; ++j) {
      std::vector<double> before, behind;
      for (int l = from; l < edges[k]; ++l) before.push_back(series.y(static_cast<std::size_t>(l), j));
      for (int l = first; l < to; ++l) behind.push_back(series.y(static_cast<std::size_t>(l), j));
      if (t_test(before, behind) * static_cast<double>(series.y.cols) <= kLevel) seen[k] = true;
    }
  }
  return seen;
}

}  // namespace strata
