#include "strata/model/feed_forward.h"

#include <algorithm>
#include <cmath>

#include "strata/model/block.h"
#include "strata/model/room.h"

namespace strata {
namespace {

void compute_router_logits(const Weight& router, const float* normed, std::int64_t n, float* logits,
                           PackedRows& input) {
  input.reset(ComputeDType::float32, n, router.columns());
  input.put(normed, router.columns());
  multiply(input, router.packed(), {.data = logits, .stride = router.rows()});
}

// Rows of an expert that are computed at once.
constexpr std::int64_t kExpertRows = 1024;

float sigmoid(double x) {
  return static_cast<float>(1.0 / (1.0 + std::exp(-x)));
}

void compute_shared_open(const WeightVector& gate, const float* normed, std::int64_t n, std::int64_t d,
                         float* open) {
  for (std::int64_t t = 0; t < n; ++t) open[t] = sigmoid(inner_product(normed + t * d, gate.data(), d));
}

const Routing& route_rows(const BlockWeights& w, const FeedForwardPass& window, Routing& own,
                          FeedForwardScratch& s) {
  if (window.hooks->frozen_routing != nullptr) return *window.hooks->frozen_routing;
  float* logits = room(s.logits, window.tokens * w.block.feed_forward.experts);
  compute_router_logits(w.mixture.router, window.normed, window.tokens, logits, s.router_input);
  Routing& routing = window.hooks->routing != nullptr ? *window.hooks->routing : own;
  route(w.block.feed_forward, logits, window.tokens, routing);
  return routing;
}

// sum += x / |x|; NaN of a zero vector.
void add_direction(float* sum, const float* x, std::int64_t d) {
  const auto inverse = static_cast<float>(1.0 / std::sqrt(inner_product(x, x, d)));
  for (std::int64_t i = 0; i < d; ++i) sum[i] += x[i] * inverse;
}

// Pairs [begin, begin + count) of one expert: through it, and to the tokens' sums.
void run_expert(const BlockWeights& w, std::size_t expert, const ExpertRows& rows, std::int64_t begin,
                std::int64_t count, std::span<const FeedForwardPass> windows,
                std::span<const RoutedWindow> routed, FeedForwardScratch& s) {
  const std::int64_t d = w.block.hidden, used = w.block.feed_forward.experts_used;
  float* input = room(s.rows, count * d);
  float* out = room(s.out, count * d);
  for (std::int64_t r = 0; r < count; ++r) {
    const auto pair = static_cast<std::size_t>(begin + r);
    const FeedForwardPass& window = windows[static_cast<std::size_t>(rows.window[pair])];
    std::copy_n(window.normed + rows.token[pair] * d, d, input + r * d);
  }
  run_mlp(w.mixture.experts[expert], input, out, count, s.mlp);
  for (std::int64_t r = 0; r < count; ++r) {
    const auto pair = static_cast<std::size_t>(begin + r);
    const auto at = static_cast<std::size_t>(rows.window[pair]);
    const FeedForwardPass& window = windows[at];
    const std::int64_t token = rows.token[pair];
    add_scaled(window.branch + token * d, out + r * d,
               routed[at].routing->weight[static_cast<std::size_t>(token * used + rows.slot[pair])], d);
    if (window.hooks->expert_directions != nullptr)
      add_direction(window.hooks->expert_directions + token * d, out + r * d, d);
  }
}

void run_shared_expert(const BlockWeights& w, const FeedForwardPass& window, FeedForwardScratch& s) {
  const std::int64_t d = w.block.hidden, n = window.tokens;
  float* open = room(s.shared_gate, n);
  compute_shared_open(w.mixture.shared_gate, window.normed, n, d, open);
  float* out = room(s.out, n * d);
  run_mlp(w.mixture.shared, window.normed, out, n, s.mlp);
  for (std::int64_t t = 0; t < n; ++t) add_scaled(window.branch + t * d, out + t * d, open[t], d);
}

// Experts in the order of their numbers, so that a token's sum does not depend on its neighbours.
void run_mixture(const BlockWeights& w, std::span<const FeedForwardPass> windows, FeedForwardScratch& s) {
  const FeedForwardDescription& mixture = w.block.feed_forward;
  s.routing.resize(std::max(s.routing.size(), windows.size()));
  std::vector<RoutedWindow> routed;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const FeedForwardPass& window = windows[i];
    routed.push_back({&route_rows(w, window, s.routing[i], s), window.tokens, window.hooks->dropped_expert});
    std::fill_n(window.branch, window.tokens * w.block.hidden, 0.0f);
    if (window.hooks->expert_directions != nullptr)
      std::fill_n(window.hooks->expert_directions, window.tokens * w.block.hidden, 0.0f);
  }
  const ExpertRows rows = group_by_expert(mixture, routed);
  for (std::size_t e = 0; e < w.mixture.experts.size(); ++e) {
    for (std::int64_t begin = rows.begin[e]; begin < rows.begin[e + 1]; begin += kExpertRows) {
      const std::int64_t count = std::min(kExpertRows, rows.begin[e + 1] - begin);
      run_expert(w, e, rows, begin, count, windows, routed, s);
    }
  }
  if (mixture.shared_width == 0) return;
  for (const FeedForwardPass& window : windows) run_shared_expert(w, window, s);
}

}  // namespace

std::uint64_t feed_forward_scratch_bytes(const BlockDescription& block, int tokens, std::int64_t windows) {
  const FeedForwardDescription& f = block.feed_forward;
  const std::int64_t d = block.hidden, all = tokens * windows;
  std::int64_t floats = tokens * mlp_scratch_floats(d, std::max(f.width, f.shared_width));
  if (f.experts > 0) {
    const std::int64_t rows = std::max<std::int64_t>(tokens, std::min(kExpertRows, all));
    floats = rows * (mlp_scratch_floats(d, std::max(f.width, f.shared_width)) + 2 * d) +
             tokens * (d + f.experts + 1) + all * (f.experts + 5 * std::int64_t{f.experts_used});
  }
  return static_cast<std::uint64_t>(floats) * sizeof(float);
}

void feed_forward(const BlockWeights& w, std::span<const FeedForwardPass> windows, FeedForwardScratch& s) {
  if (w.block.feed_forward.experts > 0) return run_mixture(w, windows, s);
  for (const FeedForwardPass& window : windows)
    run_mlp(w.mlp, window.normed, window.branch, window.tokens, s.mlp);
}

std::uint64_t feed_forward_backward_bytes(const BlockDescription& block, int tokens) {
  const FeedForwardDescription& f = block.feed_forward;
  const std::int64_t d = block.hidden;
  const std::int64_t widest = std::max(f.width, f.shared_width);
  std::int64_t each = mlp_backward_floats(d, widest) + d;
  if (f.experts == 0) {
    each += 2 * std::int64_t{f.width};
  } else {
    each += std::int64_t{f.experts_used} * (2 * f.width + d + 4) + 2 * std::int64_t{f.shared_width} + 6 * d +
            3 * std::int64_t{f.experts} + 2;
  }
  return static_cast<std::uint64_t>(tokens) * static_cast<std::uint64_t>(each) * sizeof(float) +
         feed_forward_scratch_bytes(block, tokens, 1);
}

void feed_forward_recompute(const BlockWeights& w, const float* normed, std::int64_t n,
                            FeedForwardBackwardScratch& s) {
  const FeedForwardDescription& f = w.block.feed_forward;
  const std::int64_t d = w.block.hidden, width = f.width;
  if (f.experts == 0) {
    return gate_and_up(w.mlp, normed, n, room(s.gate, n * width), room(s.up, n * width), s.packed);
  }
  const BlockHooks nothing;
  s.forward.routing.resize(1);
  const FeedForwardPass window{.normed = normed, .tokens = n, .hooks = &nothing};
  const RoutedWindow routed{&route_rows(w, window, s.forward.routing[0], s.forward), n};
  s.rows = group_by_expert(f, {&routed, 1});
  const std::int64_t pairs = n * f.experts_used;
  float* gate = room(s.gate, pairs * width);
  float* up = room(s.up, pairs * width);
  float* out = room(s.out, pairs * d);
  for (std::size_t e = 0; e < w.mixture.experts.size(); ++e) {
    const std::int64_t begin = s.rows.begin[e], count = s.rows.begin[e + 1] - begin;
    if (count == 0) continue;
    float* input = room(s.input, count * d);
    for (std::int64_t r = 0; r < count; ++r)
      std::copy_n(normed + s.rows.token[static_cast<std::size_t>(begin + r)] * d, d, input + r * d);
    gate_and_up(w.mixture.experts[e], input, count, gate + begin * width, up + begin * width, s.packed);
    run_mlp(w.mixture.experts[e], input, out + begin * d, count, s.forward.mlp);
  }
  if (f.shared_width == 0) return;
  compute_shared_open(w.mixture.shared_gate, normed, n, d, room(s.shared_open, n));
  gate_and_up(w.mixture.shared, normed, n, room(s.shared_gate, n * f.shared_width),
              room(s.shared_up, n * f.shared_width), s.packed);
  run_mlp(w.mixture.shared, normed, room(s.shared_out, n * d), n, s.forward.mlp);
}

namespace {

// Through the experts, to d_normed, and to the weights, d_weight.
void experts_backward(const BlockWeights& w, const float* d_branch, std::int64_t n, float* d_normed,
                      FeedForwardBackwardScratch& s) {
  const FeedForwardDescription& f = w.block.feed_forward;
  const std::int64_t d = w.block.hidden, used = f.experts_used, width = f.width;
  const Routing& routing = s.forward.routing[0];
  float* d_weight = room(s.d_weight, n * used);
  for (std::size_t e = 0; e < w.mixture.experts.size(); ++e) {
    const std::int64_t begin = s.rows.begin[e], count = s.rows.begin[e + 1] - begin;
    if (count == 0) continue;
    float* d_out = room(s.d_out, count * d);
    float* d_rows = room(s.d_rows, count * d);
    for (std::int64_t r = 0; r < count; ++r) {
      const auto pair = static_cast<std::size_t>(begin + r);
      const std::int64_t token = s.rows.token[pair], at = token * used + s.rows.slot[pair];
      const float* gradient = d_branch + token * d;
      d_weight[at] = static_cast<float>(inner_product(gradient, s.out.data() + (begin + r) * d, d));
      const float weight = routing.weight[static_cast<std::size_t>(at)];
      for (std::int64_t i = 0; i < d; ++i) d_out[r * d + i] = weight * gradient[i];
    }
    mlp_backward(w.mixture.experts[e], s.gate.data() + begin * width, s.up.data() + begin * width, d_out,
                 count, d_rows, s.mlp);
    for (std::int64_t r = 0; r < count; ++r)
      add_scaled(d_normed + s.rows.token[static_cast<std::size_t>(begin + r)] * d, d_rows + r * d, 1.0f, d);
  }
}

void shared_backward(const BlockWeights& w, const float* d_branch, std::int64_t n, float* d_normed,
                     FeedForwardBackwardScratch& s) {
  const std::int64_t d = w.block.hidden;
  float* d_out = room(s.d_out, n * d);
  float* d_rows = room(s.d_rows, n * d);
  for (std::int64_t t = 0; t < n; ++t) {
    const float open = s.shared_open[static_cast<std::size_t>(t)];
    for (std::int64_t i = 0; i < d; ++i) d_out[t * d + i] = open * d_branch[t * d + i];
  }
  mlp_backward(w.mixture.shared, s.shared_gate.data(), s.shared_up.data(), d_out, n, d_rows, s.mlp);
  for (std::int64_t t = 0; t < n; ++t) {
    const auto open = static_cast<double>(s.shared_open[static_cast<std::size_t>(t)]);
    const double d_open = inner_product(d_branch + t * d, s.shared_out.data() + t * d, d);
    add_scaled(d_normed + t * d, d_rows + t * d, 1.0f, d);
    add_scaled(d_normed + t * d, w.mixture.shared_gate.data(),
               static_cast<float>(d_open * open * (1.0 - open)), d);
  }
}

}  // namespace

void feed_forward_backward(const BlockWeights& w, const float* d_branch, std::int64_t n, float* d_normed,
                           bool frozen_routing, FeedForwardBackwardScratch& s) {
  const FeedForwardDescription& f = w.block.feed_forward;
  if (f.experts == 0) return mlp_backward(w.mlp, s.gate.data(), s.up.data(), d_branch, n, d_normed, s.mlp);
  std::fill_n(d_normed, n * w.block.hidden, 0.0f);
  experts_backward(w, d_branch, n, d_normed, s);
  if (f.shared_width > 0) shared_backward(w, d_branch, n, d_normed, s);
  if (frozen_routing) return;
  float* d_logits = room(s.d_logits, n * f.experts);
  route_backward(f, s.forward.routing[0], s.d_weight.data(), n, d_logits);
  s.packed.reset(ComputeDType::float32, n, f.experts);
  s.packed.put(d_logits, f.experts);
  multiply_transposed(s.packed, w.mixture.router.packed(),
                      {.data = d_normed, .stride = w.block.hidden, .add = true});
}

}  // namespace strata
