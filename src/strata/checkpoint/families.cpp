// The families strata computes: which tensors they have, by role, name and shape.
#include <algorithm>
#include <array>

#include "strata/base/error.h"
#include "strata/checkpoint/config.h"

namespace strata {
namespace {

using Shape = std::vector<std::int64_t>;

std::int64_t query_width(const ModelConfig& c) {
  return std::int64_t{c.heads} * c.head_dim;
}
std::int64_t key_width(const ModelConfig& c) {
  return std::int64_t{c.kv_heads} * c.head_dim;
}

// (vocabulary, hidden): one row for each token, for the embedding and the unembedding alike.
Shape token_rows(const ModelConfig& c) {
  return {c.vocab, c.hidden};
}
Shape hidden_vector(const ModelConfig& c) {
  return {c.hidden};
}
// Linear layers are stored (out, in).
Shape hidden_to_query(const ModelConfig& c) {
  return {query_width(c), c.hidden};
}
Shape hidden_to_key(const ModelConfig& c) {
  return {key_width(c), c.hidden};
}
Shape query_to_hidden(const ModelConfig& c) {
  return {c.hidden, query_width(c)};
}
Shape query_vector(const ModelConfig& c) {
  return {query_width(c)};
}
Shape key_vector(const ModelConfig& c) {
  return {key_width(c)};
}
Shape head_vector(const ModelConfig& c) {
  return {c.head_dim};
}
Shape ffn_vector(const ModelConfig& c) {
  return {c.ffn};
}
Shape hidden_to_ffn(const ModelConfig& c) {
  return {c.ffn, c.hidden};
}
Shape ffn_to_hidden(const ModelConfig& c) {
  return {c.hidden, c.ffn};
}

bool untied(const ModelConfig& c) {
  return !c.tied_embeddings && c.has_head;
}
bool has_qkv_bias(const ModelConfig& c) {
  return c.qkv_bias;
}
bool has_output_bias(const ModelConfig& c) {
  return c.output_bias;
}
bool has_mlp_bias(const ModelConfig& c) {
  return c.mlp_bias;
}
bool has_qk_norm(const ModelConfig& c) {
  return c.qk_norm;
}

constexpr bool kPerBlock = true;
constexpr bool kOnce = false;

// Names of transformers' dense decoders, which share one scheme, and of llama.cpp (gguf-py's
// tensor_mapping.py).
constexpr std::array<TensorRule, 21> kDecoderTensors{{
    {Role::embedding, "model.embed_tokens.weight", "token_embd.weight", kOnce, nullptr, token_rows},
    {Role::final_norm, "model.norm.weight", "output_norm.weight", kOnce, nullptr, hidden_vector},
    {Role::unembedding, "lm_head.weight", "output.weight", kOnce, untied, token_rows},
    {Role::attention_norm, "model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight", kPerBlock,
     nullptr, hidden_vector},
    {Role::query, "model.layers.{}.self_attn.q_proj.weight", "blk.{}.attn_q.weight", kPerBlock, nullptr,
     hidden_to_query},
    {Role::key, "model.layers.{}.self_attn.k_proj.weight", "blk.{}.attn_k.weight", kPerBlock, nullptr,
     hidden_to_key},
    {Role::value, "model.layers.{}.self_attn.v_proj.weight", "blk.{}.attn_v.weight", kPerBlock, nullptr,
     hidden_to_key},
    {Role::attention_output, "model.layers.{}.self_attn.o_proj.weight", "blk.{}.attn_output.weight",
     kPerBlock, nullptr, query_to_hidden},
    {Role::query_bias, "model.layers.{}.self_attn.q_proj.bias", "blk.{}.attn_q.bias", kPerBlock, has_qkv_bias,
     query_vector},
    {Role::key_bias, "model.layers.{}.self_attn.k_proj.bias", "blk.{}.attn_k.bias", kPerBlock, has_qkv_bias,
     key_vector},
    {Role::value_bias, "model.layers.{}.self_attn.v_proj.bias", "blk.{}.attn_v.bias", kPerBlock, has_qkv_bias,
     key_vector},
    {Role::output_bias, "model.layers.{}.self_attn.o_proj.bias", "blk.{}.attn_output.bias", kPerBlock,
     has_output_bias, hidden_vector},
    {Role::query_norm, "model.layers.{}.self_attn.q_norm.weight", "blk.{}.attn_q_norm.weight", kPerBlock,
     has_qk_norm, head_vector},
    {Role::key_norm, "model.layers.{}.self_attn.k_norm.weight", "blk.{}.attn_k_norm.weight", kPerBlock,
     has_qk_norm, head_vector},
    {Role::mlp_norm, "model.layers.{}.post_attention_layernorm.weight", "blk.{}.ffn_norm.weight", kPerBlock,
     nullptr, hidden_vector},
    {Role::gate, "model.layers.{}.mlp.gate_proj.weight", "blk.{}.ffn_gate.weight", kPerBlock, nullptr,
     hidden_to_ffn},
    {Role::up, "model.layers.{}.mlp.up_proj.weight", "blk.{}.ffn_up.weight", kPerBlock, nullptr,
     hidden_to_ffn},
    {Role::down, "model.layers.{}.mlp.down_proj.weight", "blk.{}.ffn_down.weight", kPerBlock, nullptr,
     ffn_to_hidden},
    {Role::gate_bias, "model.layers.{}.mlp.gate_proj.bias", "blk.{}.ffn_gate.bias", kPerBlock, has_mlp_bias,
     ffn_vector},
    {Role::up_bias, "model.layers.{}.mlp.up_proj.bias", "blk.{}.ffn_up.bias", kPerBlock, has_mlp_bias,
     ffn_vector},
    {Role::down_bias, "model.layers.{}.mlp.down_proj.bias", "blk.{}.ffn_down.bias", kPerBlock, has_mlp_bias,
     hidden_vector},
}};

// What LlamaConfig, Qwen2Config and so on of transformers 5.24 have for absent keys.
constexpr FamilyDefaults kQwenDefaults{.ffn = 22016, .kv_heads = 32, .vocab = 151936, .max_context = 32768};
constexpr FamilyDefaults kQwen3Defaults{
    .ffn = 22016, .kv_heads = 32, .head_dim = 128, .vocab = 151936, .max_context = 32768};

constexpr FamilyDefaults kMistralDefaults{.ffn = 14336, .kv_heads = 8, .max_context = 131072};
constexpr FamilyDefaults kMinistral3Defaults{.layers = 34,
                                             .ffn = 14336,
                                             .kv_heads = 8,
                                             .head_dim = 128,
                                             .vocab = 131072,
                                             .max_context = 262144,
                                             .rope_theta = 1e6,
                                             .norm_eps = 1e-5,
                                             .window = 0};
constexpr FamilyDefaults kSmolLM3Defaults{.hidden = 2048,
                                          .layers = 36,
                                          .heads = 16,
                                          .kv_heads = 4,
                                          .vocab = 128256,
                                          .max_context = 32768,
                                          .rope_theta = 2e6,
                                          .tied = true,
                                          .window = 0};

constexpr std::array<Family, 7> kFamilies{{
    {.id = "llama",
     .architecture = "LlamaForCausalLM",
     .model_type = "llama",
     .gguf_architecture = "llama",
     .gguf_interleaves_qk = true,
     .qkv_bias_default = false,
     .qk_norm = false,
     .bias_keys = true,
     .mlp_bias_key = true,
     .skips_rotation = false,
     .scales_queries = false,
     .gguf_rope_factors = true,
     .gguf_window_everywhere = true,
     .window = WindowRule::none,
     .defaults = {},
     .tensors = kDecoderTensors},
    {.id = "qwen2",
     .architecture = "Qwen2ForCausalLM",
     .model_type = "qwen2",
     .gguf_architecture = "qwen2",
     .gguf_interleaves_qk = false,
     .qkv_bias_default = true,
     .qk_norm = false,
     .bias_keys = false,
     .mlp_bias_key = false,
     .skips_rotation = false,
     .scales_queries = false,
     .gguf_rope_factors = false,
     .gguf_window_everywhere = false,
     .window = WindowRule::from_block,
     .defaults = kQwenDefaults,
     .tensors = kDecoderTensors},
    {.id = "qwen3",
     .architecture = "Qwen3ForCausalLM",
     .model_type = "qwen3",
     .gguf_architecture = "qwen3",
     .gguf_interleaves_qk = false,
     .qkv_bias_default = false,
     .qk_norm = true,
     .bias_keys = true,
     .mlp_bias_key = false,
     .skips_rotation = false,
     .scales_queries = false,
     .gguf_rope_factors = false,
     .gguf_window_everywhere = false,
     .window = WindowRule::from_block,
     .defaults = kQwen3Defaults,
     .tensors = kDecoderTensors},
    {.id = "mistral",
     .architecture = "MistralForCausalLM",
     .model_type = "mistral",
     .gguf_architecture = "llama",
     .gguf_interleaves_qk = true,
     .qkv_bias_default = false,
     .qk_norm = false,
     .bias_keys = false,
     .mlp_bias_key = false,
     .skips_rotation = false,
     .scales_queries = false,
     .gguf_rope_factors = true,
     .gguf_window_everywhere = true,
     .window = WindowRule::every_block,
     .defaults = kMistralDefaults,
     .tensors = kDecoderTensors},
    {.id = "ministral",
     .architecture = "MinistralForCausalLM",
     .model_type = "ministral",
     .gguf_architecture = "llama",
     .gguf_interleaves_qk = true,
     .qkv_bias_default = false,
     .qk_norm = false,
     .bias_keys = false,
     .mlp_bias_key = false,
     .skips_rotation = false,
     .scales_queries = false,
     .gguf_rope_factors = true,
     .gguf_window_everywhere = true,
     .window = WindowRule::by_list,
     .defaults = kMistralDefaults,
     .tensors = kDecoderTensors},
    {.id = "ministral3",
     .architecture = "Ministral3ForCausalLM",
     .model_type = "ministral3",
     .gguf_architecture = "mistral3",
     .gguf_interleaves_qk = true,
     .qkv_bias_default = false,
     .qk_norm = false,
     .bias_keys = false,
     .mlp_bias_key = false,
     .skips_rotation = false,
     .scales_queries = true,
     .gguf_rope_factors = true,
     .gguf_window_everywhere = true,
     .window = WindowRule::every_block,
     .defaults = kMinistral3Defaults,
     .tensors = kDecoderTensors},
    {.id = "smollm3",
     .architecture = "SmolLM3ForCausalLM",
     .model_type = "smollm3",
     .gguf_architecture = "smollm3",
     .gguf_interleaves_qk = true,
     .qkv_bias_default = false,
     .qk_norm = false,
     .bias_keys = true,
     .mlp_bias_key = true,
     .skips_rotation = true,
     .scales_queries = false,
     .gguf_rope_factors = false,
     .gguf_window_everywhere = false,
     .window = WindowRule::without_rotation,
     .defaults = kSmolLM3Defaults,
     .tensors = kDecoderTensors},
}};

std::int64_t product(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    STRATA_CHECK(!__builtin_mul_overflow(count, extent, &count));
  }
  return count;
}

}  // namespace

std::span<const Family> families() {
  return kFamilies;
}

const Family& family_of(const ModelConfig& config) {
  for (const Family& family : kFamilies) {
    if (family.id == config.family) return family;
  }
  check_failed("config.family is in the family table", __FILE__, __LINE__);
}

const char* to_string(RopeType type) {
  switch (type) {
    case RopeType::linear:
      return "linear";
    case RopeType::dynamic:
      return "dynamic";
    case RopeType::yarn:
      return "yarn";
    case RopeType::longrope:
      return "longrope";
  }
  return "";
}

const char* rope_scaling_name(const ModelConfig& config) {
  if (config.scaled_rope) return to_string(config.scaled_rope->type);
  if (config.rope_scaling) return "llama3";
  return config.rope_factors.empty() ? "none" : "factors";
}

BlockDescription describe_block(const ModelConfig& c, int layer) {
  const auto marked = [&](const std::vector<char>& list) {
    return !list.empty() && list.at(static_cast<std::size_t>(layer)) != 0;
  };
  return {.hidden = c.hidden,
          .norm_eps = c.norm_eps,
          .attention = {.heads = c.heads,
                        .kv_heads = c.kv_heads,
                        .head_dim = c.head_dim,
                        .qkv_bias = c.qkv_bias,
                        .output_bias = c.output_bias,
                        .qk_norm = c.qk_norm,
                        .rope = !marked(c.no_rope),
                        .window = marked(c.slides) ? c.window : 0},
          .feed_forward = {.width = c.ffn, .bias = c.mlp_bias}};
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

bool has_tensor(const TensorRule& rule, const ModelConfig& config) {
  return rule.present == nullptr || rule.present(config);
}

ParameterCount count_parameters(const ModelConfig& config) {
  ParameterCount count;
  std::int64_t once = 0;
  for (const TensorRule& rule : family_of(config).tensors) {
    if (rule.present != nullptr && !rule.present(config)) continue;
    const std::int64_t size = product(rule.shape(config));
    if (rule.per_block) {
      count.per_block += size;
    } else {
      once += size;
    }
    if (rule.role == Role::embedding || rule.role == Role::unembedding) count.embedding += size;
  }
  std::int64_t blocks = 0;
  STRATA_CHECK(!__builtin_mul_overflow(count.per_block, std::int64_t{config.n_layers}, &blocks));
  STRATA_CHECK(!__builtin_add_overflow(once, blocks, &count.total));
  return count;
}

}  // namespace strata
