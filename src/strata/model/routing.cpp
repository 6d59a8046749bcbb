#include "strata/model/routing.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "strata/model/simd.h"

namespace strata {
namespace {

// Softmax of a row, in place of it.
void expert_softmax(const float* logits, std::int64_t count, float* probability) {
  const float largest = *std::max_element(logits, logits + count);
  double sum = 0.0;
  for (std::int64_t e = 0; e < count; ++e) {
    probability[e] = simd::exp(logits[e] - largest);
    sum += static_cast<double>(probability[e]);
  }
  const auto inverse = static_cast<float>(1.0 / sum);
  for (std::int64_t e = 0; e < count; ++e) probability[e] *= inverse;
}

double sum_of_chosen(const float* probability, const std::int32_t* chosen, std::int64_t used) {
  double sum = 0.0;
  for (std::int64_t s = 0; s < used; ++s) sum += static_cast<double>(probability[chosen[s]]);
  return sum;
}

}  // namespace

void route(const FeedForwardDescription& mixture, const float* logits, std::int64_t tokens,
           Routing& routing) {
  const std::int64_t experts = mixture.experts, used = mixture.experts_used;
  routing.probability.resize(static_cast<std::size_t>(tokens * experts));
  routing.chosen.resize(static_cast<std::size_t>(tokens * used));
  routing.weight.resize(static_cast<std::size_t>(tokens * used));
  std::vector<std::int32_t> order(static_cast<std::size_t>(experts));
  for (std::int64_t t = 0; t < tokens; ++t) {
    float* p = routing.probability.data() + t * experts;
    expert_softmax(logits + t * experts, experts, p);
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + used, order.end(),
                      [&](std::int32_t a, std::int32_t b) { return p[a] != p[b] ? p[a] > p[b] : a < b; });
    std::int32_t* chosen = routing.chosen.data() + t * used;
    std::copy_n(order.begin(), used, chosen);
    const double sum = mixture.normalise ? sum_of_chosen(p, chosen, used) : 1.0;
    for (std::int64_t s = 0; s < used; ++s)
      routing.weight[static_cast<std::size_t>(t * used + s)] = static_cast<float>(p[chosen[s]] / sum);
  }
}

ExpertRows group_by_expert(const FeedForwardDescription& mixture, std::span<const RoutedWindow> windows) {
  const std::int64_t used = mixture.experts_used;
  ExpertRows rows{.begin = std::vector<std::int64_t>(static_cast<std::size_t>(mixture.experts) + 1, 0)};
  const auto each_pair = [&](const auto& body) {
    for (std::size_t w = 0; w < windows.size(); ++w) {
      for (std::int64_t i = 0; i < windows[w].tokens * used; ++i) {
        const std::int32_t expert = windows[w].routing->chosen[static_cast<std::size_t>(i)];
        if (expert != windows[w].dropped_expert) body(static_cast<std::size_t>(expert), w, i);
      }
    }
  };
  each_pair([&](std::size_t expert, std::size_t, std::int64_t) { ++rows.begin[expert + 1]; });
  std::partial_sum(rows.begin.begin(), rows.begin.end(), rows.begin.begin());
  const auto pairs = static_cast<std::size_t>(rows.begin.back());
  rows.window.resize(pairs);
  rows.token.resize(pairs);
  rows.slot.resize(pairs);
  std::vector<std::int64_t> next(rows.begin.begin(), rows.begin.end() - 1);
  each_pair([&](std::size_t expert, std::size_t w, std::int64_t i) {
    const auto at = static_cast<std::size_t>(next[expert]++);
    rows.window[at] = static_cast<std::int32_t>(w);
    rows.token[at] = static_cast<std::int32_t>(i / used);
    rows.slot[at] = static_cast<std::int32_t>(i % used);
  });
  return rows;
}

void route_backward(const FeedForwardDescription& mixture, const Routing& routing, const float* d_weight,
                    std::int64_t tokens, float* d_logits) {
  const std::int64_t experts = mixture.experts, used = mixture.experts_used;
  for (std::int64_t t = 0; t < tokens; ++t) {
    const float* p = routing.probability.data() + t * experts;
    const std::int32_t* chosen = routing.chosen.data() + t * used;
    const float* weight = routing.weight.data() + t * used;
    const float* dw = d_weight + t * used;
    float* d = d_logits + t * experts;
    // To the probabilities: those of the experts that are not taken have no effect but through the softmax.
    const double sum = mixture.normalise ? sum_of_chosen(p, chosen, used) : 1.0;
    double mean = 0.0;
    for (std::int64_t s = 0; s < used && mixture.normalise; ++s)
      mean += static_cast<double>(weight[s]) * static_cast<double>(dw[s]);
    double inner = 0.0;
    std::fill_n(d, experts, 0.0f);
    for (std::int64_t s = 0; s < used; ++s) {
      const double d_p = (static_cast<double>(dw[s]) - mean) / sum;
      inner += static_cast<double>(p[chosen[s]]) * d_p;
      d[chosen[s]] = static_cast<float>(d_p);
    }
    for (std::int64_t e = 0; e < experts; ++e)
      d[e] = static_cast<float>(static_cast<double>(p[e]) * (static_cast<double>(d[e]) - inner));
  }
}

}  // namespace strata
