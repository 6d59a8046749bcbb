// Which experts a token takes, and with which weights.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "strata/checkpoint/block_description.h"
#include "strata/model/product.h"

namespace strata {

/// Of one window.
struct Routing {
  std::vector<float> probability;    ///< (tokens, experts): softmax of the router's logits over all experts
  std::vector<std::int32_t> chosen;  ///< (tokens, experts_used): the largest, the first of them first
  std::vector<float> weight;         ///< (tokens, experts_used): what their outputs are multiplied by
};

/// One window's routes, and the expert that its tokens do without (-1: none).
struct RoutedWindow {
  const Routing* routing = nullptr;
  std::int64_t tokens = 0;
  std::int64_t dropped_expert = -1;
};

/// The pairs of a token and an expert that it takes: expert by expert, windows and their tokens in order.
struct ExpertRows {
  std::vector<std::int64_t> begin;   ///< (experts + 1): the expert's pairs lie in [begin[e], begin[e + 1])
  std::vector<std::int32_t> window;  ///< of each pair
  std::vector<std::int32_t> token;   ///< of each pair, in its window
  std::vector<std::int32_t> slot;    ///< of each pair: where the expert stands among the token's
};

/// Routes `logits` (tokens, experts). Of equal probabilities the expert of the lower number goes first.
void route(const FeedForwardDescription& mixture, const float* logits, std::int64_t tokens, Routing& routing);

[[nodiscard]] ExpertRows group_by_expert(const FeedForwardDescription& mixture,
                                         std::span<const RoutedWindow> windows);

/// d_logits (tokens, experts) from d_weight (tokens, experts_used), with the choice of experts held fixed.
void route_backward(const FeedForwardDescription& mixture, const Routing& routing, const float* d_weight,
                    std::int64_t tokens, float* d_logits);

}  // namespace strata
