#include "strata/sweep/dose_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "strata/sweep/cost.h"

namespace strata {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kSettled = 2.0;  // standard errors between a place's damage and the next one's
constexpr int kMostRuns = 12;

std::string run_name(std::string_view phase, int run) {
  return run == 1 ? std::string(phase) : fmt::format("{}, run {}", phase, run);
}

class DoseRun {
 public:
  DoseRun(const LaneEngineInput& input, DosePlan plan, const Progress& progress)
      : input_(input),
        plan_(std::move(plan)),
        progress_(progress),
        order_(document_order(input.context, input.sample)),
        done_(plan_.curves.size(), 0) {
    weight_.assign(input.context.corpus.documents.size(), 0.0);
    for (const LaneWindow& w : input.sample) weight_[document_of(w)] += static_cast<double>(w.tokens);
    for (DoseCurve& curve : plan_.curves) {
      const Matrix undefined(weight_.size(), curve.strength.size(), kNaN);
      curve.kl_nats = curve.delta_nll_nats = curve.top1_agreement = undefined;
      if (input.context.config.has_head) continue;
      curve.embedding_distance = undefined;
      curve.note = kNoHead;
    }
  }

  std::vector<DoseCurve> run() {
    std::map<int, std::vector<std::size_t>, std::greater<>> by_documents;
    for (std::size_t c = 0; c < plan_.curves.size(); ++c) by_documents[first_documents(c)].push_back(c);
    for (const auto& [documents, curves] : by_documents) run(curves, 0, documents);
    settle();
    for (std::size_t c = 0; c < plan_.curves.size(); ++c) describe_sample(c);
    return std::move(plan_.curves);
  }

 private:
  [[nodiscard]] int all() const { return static_cast<int>(order_.size()); }
  [[nodiscard]] int first_documents(std::size_t curve) const {
    const LaneShare* share = plan_.share_of[curve];
    return share == nullptr || share->documents == 0 ? all() : std::min(all(), share->documents);
  }
  [[nodiscard]] std::size_t document_of(const LaneWindow& w) const {
    return static_cast<std::size_t>(input_.context.corpus.windows[w.window].document);
  }
  [[nodiscard]] std::size_t document_at(int place) const {
    return document_of(input_.sample[order_[static_cast<std::size_t>(place)].front()]);
  }

  // The lanes of these curves on the documents [first, end) of the order.
  void run(const std::vector<std::size_t>& curves, int first, int end) {
    const std::set<std::size_t> wanted(curves.begin(), curves.end());
    std::vector<Lane> lanes;
    std::vector<std::size_t> of;
    for (std::size_t i = 0; i < plan_.lanes.size(); ++i) {
      if (!wanted.contains(plan_.curve_of[i])) continue;
      lanes.push_back(plan_.lanes[i]);
      of.push_back(i);
    }
    const std::vector<LaneWindow> sample = documents_of(input_.context, input_.sample, first, end);
    const std::string phase = run_name(input_.phase, ++runs_);
    const LaneEngineInput part{.model = input_.model,
                               .other = input_.other,
                               .context = input_.context,
                               .classes = input_.classes,
                               .sample = sample,
                               .options = input_.options,
                               .phase = phase};
    const auto damage = run_lanes(part, lanes, progress_);
    for (const std::size_t c : curves) {
      done_[c] = end;
      for (int place = first; place < end; ++place) begin_document(plan_.curves[c], document_at(place));
    }
    const std::vector<std::int64_t> scored_of = lane_scored(input_.context, sample);
    for (std::size_t i = 0; i < lanes.size(); ++i) add(of[i], sample, scored_of, damage[i]);
  }

  void begin_document(DoseCurve& curve, std::size_t d) const {
    const bool head = input_.context.config.has_head;
    for (std::size_t s = 0; s < curve.strength.size(); ++s) {
      if (!head) {
        curve.embedding_distance(d, s) = 0.0;
        continue;
      }
      curve.kl_nats(d, s) = curve.delta_nll_nats(d, s) = curve.top1_agreement(d, s) = 0.0;
    }
  }

  void add(std::size_t lane, const std::vector<LaneWindow>& sample,
           const std::vector<std::int64_t>& scored_of, const std::vector<Damage>& damage) {
    DoseCurve& curve = plan_.curves[plan_.curve_of[lane]];
    const std::size_t s = plan_.strength_of[lane];
    const double signs = plan_.lanes[lane].edit.intervention->antithetic ? 2.0 : 1.0;
    for (std::size_t w = 0; w < sample.size(); ++w) {
      const std::size_t d = document_of(sample[w]);
      if (!input_.context.config.has_head) {
        const auto windows = std::count_if(sample.begin(), sample.end(),
                                           [&](const LaneWindow& x) { return document_of(x) == d; });
        curve.embedding_distance(d, s) += damage[w].distance / (static_cast<double>(windows) * signs);
        continue;
      }
      const double scored = static_cast<double>(scored_of[d]) * signs;
      curve.kl_nats(d, s) += damage[w].kl / scored;
      curve.delta_nll_nats(d, s) += damage[w].delta_nll / scored;
      // Logits that overflow have no largest one.
      curve.top1_agreement(d, s) +=
          std::isfinite(damage[w].kl) ? static_cast<double>(damage[w].same_top) / scored : kNaN;
    }
  }

  // Weighted mean of one value for each of the first `n` documents, and its error as an estimate of the mean
  // over all.
  struct Mean {
    double value = kNaN, error = kNaN;
  };
  template <class Value>
  [[nodiscard]] Mean mean_of(int n, const Value& value) const {
    double sum = 0.0, total = 0.0, square = 0.0;
    for (int place = 0; place < n; ++place) {
      const std::size_t d = document_at(place);
      sum += weight_[d] * value(d);
      total += weight_[d];
    }
    Mean mean{.value = sum / total};
    if (n < 2) return mean;
    for (int place = 0; place < n; ++place) {
      const std::size_t d = document_at(place);
      const double residual = weight_[d] / total * (value(d) - mean.value);
      square += residual * residual;
    }
    const double left_out = 1.0 - static_cast<double>(n) / static_cast<double>(all());
    mean.error = std::sqrt(square * static_cast<double>(n) / (n - 1.0) * left_out);
    return mean;
  }

  [[nodiscard]] double damage_at(std::size_t curve, std::size_t document) const {
    return damage_of(plan_.curves[curve])(document, 0);
  }

  // How many standard errors lie between each curve's damage and its neighbours' in rank: the smaller of
  // both. Of a curve whose order cannot be told by more documents, infinity.
  [[nodiscard]] std::vector<double> separations(const std::vector<std::size_t>& curves) const {
    std::vector<double> apart(plan_.curves.size(), std::numeric_limits<double>::infinity());
    std::vector<std::pair<double, std::size_t>> ranked;
    for (const std::size_t c : curves) {
      const double mean = mean_of(done_[c], [&](std::size_t d) { return damage_at(c, d); }).value;
      if (std::isfinite(mean)) ranked.emplace_back(mean, c);
    }
    std::sort(ranked.begin(), ranked.end());
    for (std::size_t i = 0; i + 1 < ranked.size(); ++i) {
      const std::size_t a = ranked[i].second, b = ranked[i + 1].second;
      const Mean difference = mean_of(std::min(done_[a], done_[b]),
                                      [&](std::size_t d) { return damage_at(b, d) - damage_at(a, d); });
      const double errors = difference.error > 0.0 ? std::fabs(difference.value) / difference.error : 0.0;
      apart[a] = std::min(apart[a], errors);
      apart[b] = std::min(apart[b], errors);
    }
    return apart;
  }

  [[nodiscard]] double cost_of(std::size_t curve, double tokens) const {
    double flops = 0.0;
    for (std::size_t i = 0; i < plan_.lanes.size(); ++i) {
      if (plan_.curve_of[i] == curve) flops += tokens * lane_token_flops(input_.context, plan_.lanes[i].fork);
    }
    return flops;
  }

  // Further documents for the curves that need them, while the shares last.
  void settle() {
    std::map<const LaneShare*, std::vector<std::size_t>> curves_of;
    std::map<const LaneShare*, double> left;
    for (std::size_t c = 0; c < plan_.curves.size(); ++c) {
      const LaneShare* share = plan_.share_of[c];
      if (share == nullptr || !(share->more > 0.0) || plan_.curves[c].strength.size() != 1) continue;
      curves_of[share].push_back(c);
      left[share] = share->more;
    }
    while (runs_ < kMostRuns) {
      // By the documents that they have; the fewest go on first.
      std::map<int, std::vector<std::size_t>> next;
      for (const LaneShare& share : input_.options.shares) {
        if (!curves_of.contains(&share)) continue;
        for (const auto& [documents, curves] : unsettled(curves_of[&share], left[&share])) {
          auto& all_shares = next[documents];
          all_shares.insert(all_shares.end(), curves.begin(), curves.end());
        }
      }
      if (next.empty()) return;
      const auto& [documents, curves] = *next.begin();
      const int end = std::min(all(), 2 * documents);
      const auto tokens =
          static_cast<double>(tokens_of(documents_of(input_.context, input_.sample, documents, end)));
      for (const std::size_t c : curves) left[plan_.share_of[c]] -= cost_of(c, tokens);
      run(curves, documents, end);
    }
  }

  // Curves of one share that need documents and can pay for them, by the documents that they have.
  [[nodiscard]] std::map<int, std::vector<std::size_t>> unsettled(const std::vector<std::size_t>& curves,
                                                                  double budget) const {
    const std::vector<double> apart = separations(curves);
    std::vector<std::size_t> order = curves;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return apart[a] < apart[b]; });
    std::map<int, std::vector<std::size_t>> result;
    std::map<int, double> spent;
    for (const std::size_t c : order) {
      if (!(apart[c] < kSettled) || done_[c] >= all()) continue;
      const int end = std::min(all(), 2 * done_[c]);
      const double cost = cost_of(
          c, static_cast<double>(tokens_of(documents_of(input_.context, input_.sample, done_[c], end))));
      if (spent[done_[c]] + cost > budget) continue;
      spent[done_[c]] += cost;
      result[done_[c]].push_back(c);
    }
    std::erase_if(result, [](const auto& entry) { return entry.second.empty(); });
    return result;
  }

  void describe_sample(std::size_t c) {
    DoseCurve& curve = plan_.curves[c];
    if (done_[c] >= all()) return;
    for (int place = 0; place < done_[c]; ++place)
      curve.documents.push_back(static_cast<int>(document_at(place)));
    std::sort(curve.documents.begin(), curve.documents.end());
    for (std::size_t s = 0; s < curve.strength.size(); ++s) {
      const Matrix& damage = damage_of(curve);
      curve.sampling_error.push_back(mean_of(done_[c], [&](std::size_t d) { return damage(d, s); }).error);
    }
  }

  const LaneEngineInput& input_;
  DosePlan plan_;
  const Progress& progress_;
  std::vector<std::vector<std::size_t>> order_;
  std::vector<int> done_;       // documents of the order, per curve
  std::vector<double> weight_;  // tokens in lanes, per document
  int runs_ = 0;
};

}  // namespace

std::vector<std::string> lane_snapshots(std::string_view phase) {
  std::vector<std::string> names;
  for (int run = 1; run <= kMostRuns; ++run) names.push_back(run_name(phase, run));
  return names;
}

std::vector<DoseCurve> run_doses(const LaneEngineInput& input, DosePlan plan, const Progress& progress) {
  return DoseRun(input, std::move(plan), progress).run();
}

}  // namespace strata
