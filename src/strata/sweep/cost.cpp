#include "strata/sweep/cost.h"

#include <algorithm>

namespace strata {
namespace {

// The mean number of keys that a query of the longest window sees.
double keys_of(const SweepContext& context) {
  std::int64_t longest = 0;
  for (std::size_t w = 0; w < context.corpus.windows.size(); ++w)
    longest = std::max(longest, context.tokens_in(w));
  return static_cast<double>(longest) / 2.0;
}

}  // namespace

double block_flops(const ModelConfig& c, double keys) {
  const ParameterCount count = count_parameters(c);
  int attention = 0;
  for (int layer = 0; layer < c.n_layers; ++layer)
    attention += describe_block(c, layer).mixer == Mixer::attention ? 1 : 0;
  const double matrices = static_cast<double>(count.active_blocks) / c.n_layers;
  return 2.0 * matrices + 4.0 * keys * c.heads * c.head_dim * attention / c.n_layers;
}

double head_flops(const ModelConfig& c) {
  if (!c.has_head) return 0.0;
  return 2.0 * static_cast<double>(c.vocab) * c.hidden;
}

double forward_flops(const SweepContext& context, std::int64_t tokens) {
  const ModelConfig& c = context.config;
  return static_cast<double>(tokens) * (c.n_layers * block_flops(c, keys_of(context)) + head_flops(c));
}

double lane_token_flops(const SweepContext& context, int fork) {
  const ModelConfig& c = context.config;
  return (c.n_layers - fork) * block_flops(c, keys_of(context)) + head_flops(c);
}

double backward_flops(const SweepContext& context, std::int64_t tokens, int draws) {
  return (2.0 + draws) * forward_flops(context, tokens);
}

std::int64_t tokens_of(const std::vector<LaneWindow>& sample) {
  std::int64_t tokens = 0;
  for (const LaneWindow& w : sample) tokens += w.tokens;
  return tokens;
}

}  // namespace strata
