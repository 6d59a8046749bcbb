#include "strata/checkpoint/block_description.h"

#include <algorithm>

#include "strata/base/error.h"
#include "strata/checkpoint/family.h"

namespace strata {
namespace {

bool is_marked(const std::vector<char>& blocks, int layer) {
  return !blocks.empty() && blocks.at(static_cast<std::size_t>(layer)) != 0;
}

std::int64_t elements_of(const TensorShape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) STRATA_CHECK(!__builtin_mul_overflow(count, extent, &count));
  return count;
}

void add_to(std::int64_t& sum, std::int64_t count) {
  STRATA_CHECK(!__builtin_add_overflow(sum, count, &sum));
}

FeedForwardDescription feed_forward_of(const ModelConfig& c, int layer) {
  if (!c.experts || !is_marked(c.experts->blocks, layer)) return {.width = c.ffn, .bias = c.mlp_bias};
  return {.width = c.experts->width,
          .experts = c.experts->count,
          .experts_used = c.experts->used,
          .normalise = c.experts->normalise,
          .shared_width = c.experts->shared_width};
}

}  // namespace

int rotated_dims(const ModelConfig& config) {
  return config.rotary_dim == 0 ? config.head_dim : config.rotary_dim;
}

BlockDescription describe_block(const ModelConfig& c, int layer) {
  BlockDescription block{.hidden = c.hidden, .norm_eps = c.norm_eps};
  block.feed_forward = feed_forward_of(c, layer);
  if (is_marked(c.delta_blocks, layer)) {
    block.mixer = Mixer::delta_rule;
    block.delta = c.delta;
    return block;
  }
  block.attention = {.heads = c.heads,
                     .kv_heads = c.kv_heads,
                     .head_dim = c.head_dim,
                     .rotary_dim = rotated_dims(c),
                     .qkv_bias = c.qkv_bias,
                     .output_bias = c.output_bias,
                     .qk_norm = c.qk_norm,
                     .rope = !is_marked(c.no_rope, layer),
                     .output_gate = c.output_gate,
                     .window = is_marked(c.slides, layer) ? c.window : 0};
  return block;
}

std::vector<BlockDescription> distinct_blocks(const ModelConfig& config) {
  std::vector<BlockDescription> distinct;
  for (int layer = 0; layer < config.n_layers; ++layer) {
    const BlockDescription block = describe_block(config, layer);
    if (std::find(distinct.begin(), distinct.end(), block) == distinct.end()) distinct.push_back(block);
  }
  return distinct;
}

std::int64_t text_limit(const ModelConfig& config) {
  return config.slides.empty() ? config.window : 0;
}

ParameterCount count_parameters(const ModelConfig& config) {
  ParameterCount count;
  std::vector<std::int64_t> blocks(static_cast<std::size_t>(config.n_layers), 0);
  for (const TensorRule& rule : family_of(config).tensors) {
    for (int layer = 0; layer < places_of(rule, config); ++layer) {
      if (!has_tensor(rule, config, layer)) continue;
      const std::int64_t one = elements_of(rule.shape(config));
      std::int64_t size = 0, active = 0;
      STRATA_CHECK(!__builtin_mul_overflow(one, std::int64_t{copies_of(rule, config)}, &size));
      active = rule.scope == Scope::expert ? one * config.experts->used : one;
      add_to(count.total, size);
      add_to(count.active, active);
      if (rule.scope != Scope::model) {
        add_to(blocks[static_cast<std::size_t>(layer)], size);
        add_to(count.active_blocks, active);
      }
      if (rule.role == Role::embedding || rule.role == Role::unembedding) add_to(count.embedding, size);
    }
  }
  count.per_block = *std::max_element(blocks.begin(), blocks.end());
  return count;
}

}  // namespace strata
