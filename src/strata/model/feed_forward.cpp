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

void gather_rows(const float* from, const std::int32_t* token, std::int64_t rows, std::int64_t d, float* to) {
  for (std::int64_t r = 0; r < rows; ++r) std::copy_n(from + token[r] * d, d, to + r * d);
}

float sigmoid(double x) {
  return static_cast<float>(1.0 / (1.0 + std::exp(-x)));
}

void compute_shared_open(const WeightVector& gate, const float* normed, std::int64_t n, std::int64_t d,
                         float* open) {
  for (std::int64_t t = 0; t < n; ++t) open[t] = sigmoid(inner_product(normed + t * d, gate.data(), d));
}

const Routing& route_rows(const BlockWeights& w, const float* normed, std::int64_t n, FeedForwardScratch& s,
                          const BlockHooks& hooks) {
  if (hooks.frozen_routing != nullptr) return *hooks.frozen_routing;
  float* logits = room(s.logits, n * w.block.feed_forward.experts);
  compute_router_logits(w.mixture.router, normed, n, logits, s.router_input);
  Routing& routing = hooks.routing != nullptr ? *hooks.routing : s.routing;
  route(w.block.feed_forward, logits, n, routing);
  return routing;
}

// sum += x / |x|; NaN of a zero vector.
void add_direction(float* sum, const float* x, std::int64_t d) {
  const auto inverse = static_cast<float>(1.0 / std::sqrt(inner_product(x, x, d)));
  for (std::int64_t i = 0; i < d; ++i) sum[i] += x[i] * inverse;
}

// Experts in the order of their numbers, so that a token's sum does not depend on its neighbours.
void run_mixture(const BlockWeights& w, const float* normed, float* branch, std::int64_t n,
                 FeedForwardScratch& s, const BlockHooks& hooks) {
  const FeedForwardDescription& mixture = w.block.feed_forward;
  const std::int64_t d = w.block.hidden, used = mixture.experts_used;
  const Routing& routing = route_rows(w, normed, n, s, hooks);
  const ExpertRows rows = group_by_expert(mixture, routing, n);
  std::fill_n(branch, n * d, 0.0f);
  if (hooks.expert_directions != nullptr) std::fill_n(hooks.expert_directions, n * d, 0.0f);
  for (std::size_t e = 0; e < w.mixture.experts.size(); ++e) {
    const std::int64_t begin = rows.begin[e], count = rows.begin[e + 1] - begin;
    if (count == 0 || static_cast<std::int64_t>(e) == hooks.dropped_expert) continue;
    float* input = room(s.rows, count * d);
    float* out = room(s.out, count * d);
    gather_rows(normed, rows.token.data() + begin, count, d, input);
    run_mlp(w.mixture.experts[e], input, out, count, s.mlp);
    for (std::int64_t r = 0; r < count; ++r) {
      const auto pair = static_cast<std::size_t>(begin + r);
      const std::int64_t token = rows.token[pair];
      add_scaled(branch + token * d, out + r * d,
                 routing.weight[static_cast<std::size_t>(token * used + rows.slot[pair])], d);
      if (hooks.expert_directions != nullptr)
        add_direction(hooks.expert_directions + token * d, out + r * d, d);
    }
  }
  if (mixture.shared_width == 0) return;
  float* open = room(s.shared_gate, n);
  compute_shared_open(w.mixture.shared_gate, normed, n, d, open);
  float* out = room(s.out, n * d);
  run_mlp(w.mixture.shared, normed, out, n, s.mlp);
  for (std::int64_t t = 0; t < n; ++t) add_scaled(branch + t * d, out + t * d, open[t], d);
}

}  // namespace

std::uint64_t feed_forward_scratch_bytes(const BlockDescription& block, int tokens) {
  const FeedForwardDescription& f = block.feed_forward;
  const std::int64_t d = block.hidden;
  std::int64_t each = mlp_scratch_floats(d, std::max(f.width, f.shared_width));
  if (f.experts > 0) each += 3 * d + 2 * std::int64_t{f.experts} + 4 * std::int64_t{f.experts_used} + 1;
  return static_cast<std::uint64_t>(tokens) * static_cast<std::uint64_t>(each) * sizeof(float);
}

void feed_forward(const BlockWeights& w, const float* normed, float* branch, std::int64_t n,
                  FeedForwardScratch& scratch, const BlockHooks& hooks) {
  if (w.block.feed_forward.experts == 0) return run_mlp(w.mlp, normed, branch, n, scratch.mlp);
  run_mixture(w, normed, branch, n, scratch, hooks);
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
         feed_forward_scratch_bytes(block, tokens);
}

void feed_forward_recompute(const BlockWeights& w, const float* normed, std::int64_t n,
                            FeedForwardBackwardScratch& s) {
  const FeedForwardDescription& f = w.block.feed_forward;
  const std::int64_t d = w.block.hidden, width = f.width;
  if (f.experts == 0) {
    return gate_and_up(w.mlp, normed, n, room(s.gate, n * width), room(s.up, n * width), s.packed);
  }
  const Routing& routing = route_rows(w, normed, n, s.forward, {});
  s.rows = group_by_expert(f, routing, n);
  const std::int64_t pairs = n * f.experts_used;
  float* gate = room(s.gate, pairs * width);
  float* up = room(s.up, pairs * width);
  float* out = room(s.out, pairs * d);
  for (std::size_t e = 0; e < w.mixture.experts.size(); ++e) {
    const std::int64_t begin = s.rows.begin[e], count = s.rows.begin[e + 1] - begin;
    if (count == 0) continue;
    float* input = room(s.input, count * d);
    gather_rows(normed, s.rows.token.data() + begin, count, d, input);
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
  const Routing& routing = s.forward.routing;
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
  route_backward(f, s.forward.routing, s.d_weight.data(), n, d_logits);
  s.packed.reset(ComputeDType::float32, n, f.experts);
  s.packed.put(d_logits, f.experts);
  multiply_transposed(s.packed, w.mixture.router.packed(),
                      {.data = d_normed, .stride = w.block.hidden, .add = true});
}

}  // namespace strata
