// The families strata computes.
#include <array>

#include "strata/base/error.h"
#include "strata/checkpoint/family.h"
#include "strata/checkpoint/tensor_tables.h"

namespace strata {
namespace {

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

constexpr FamilyDefaults kPhi3Defaults{.hidden = 3072,
                                       .ffn = 8192,
                                       .vocab = 32064,
                                       .max_context = 4096,
                                       .norm_eps = 1e-5,
                                       .window = 0,
                                       .original_context = 4096};

// Of Qwen2MoeConfig and so on, likewise.
constexpr FamilyDefaults kQwen2MoeDefaults{.hidden = 2048,
                                           .layers = 24,
                                           .heads = 16,
                                           .ffn = 5632,
                                           .kv_heads = 16,
                                           .vocab = 151936,
                                           .max_context = 32768};
constexpr FamilyDefaults kQwen3MoeDefaults{.hidden = 2048,
                                           .layers = 24,
                                           .heads = 32,
                                           .ffn = 6144,
                                           .kv_heads = 4,
                                           .vocab = 151936,
                                           .max_context = 32768};
constexpr FamilyDefaults kMixtralDefaults{
    .ffn = 14336, .kv_heads = 8, .max_context = 131072, .rope_theta = 1e6, .norm_eps = 1e-5, .window = 0};
constexpr FamilyDefaults kQwen3NextDefaults{.hidden = 2048,
                                            .layers = 48,
                                            .heads = 16,
                                            .ffn = 5632,
                                            .kv_heads = 2,
                                            .head_dim = 256,
                                            .vocab = 151936,
                                            .max_context = 32768};
constexpr FamilyDefaults kQwen35Defaults{
    .heads = 16, .ffn = 12288, .kv_heads = 4, .head_dim = 256, .vocab = 248320, .max_context = 32768};
constexpr FamilyDefaults kQwen35MoeDefaults{.hidden = 2048,
                                            .layers = 40,
                                            .heads = 16,
                                            .ffn = 0,
                                            .kv_heads = 2,
                                            .head_dim = 256,
                                            .vocab = 248320,
                                            .max_context = 32768};

// The head for several tokens, and the vision tower of a multimodal model.
constexpr std::array<std::string_view, 2> kLeftAlone{"mtp.", "model.visual."};

}  // namespace

std::span<const Family> families() {
  static const std::array<Family, 14> table{{
      {.id = "llama",
       .architecture = "LlamaForCausalLM",
       .model_type = "llama",
       .gguf_architecture = "llama",
       .gguf_interleaves_qk = true,
       .bias_keys = true,
       .mlp_bias_key = true,
       .gguf_rope_factors = true,
       .gguf_window_everywhere = true,
       .window = WindowRule::none,
       .tensors = dense_tensors()},
      {.id = "qwen2",
       .architecture = "Qwen2ForCausalLM",
       .model_type = "qwen2",
       .gguf_architecture = "qwen2",
       .qkv_bias_default = true,
       .window = WindowRule::from_block,
       .defaults = kQwenDefaults,
       .tensors = dense_tensors()},
      {.id = "qwen3",
       .architecture = "Qwen3ForCausalLM",
       .model_type = "qwen3",
       .gguf_architecture = "qwen3",
       .qk_norm = true,
       .bias_keys = true,
       .window = WindowRule::from_block,
       .defaults = kQwen3Defaults,
       .tensors = dense_tensors()},
      {.id = "mistral",
       .architecture = "MistralForCausalLM",
       .model_type = "mistral",
       .gguf_architecture = "llama",
       .gguf_interleaves_qk = true,
       .gguf_rope_factors = true,
       .gguf_window_everywhere = true,
       .window = WindowRule::every_block,
       .defaults = kMistralDefaults,
       .tensors = dense_tensors()},
      {.id = "ministral",
       .architecture = "MinistralForCausalLM",
       .model_type = "ministral",
       .gguf_architecture = "llama",
       .gguf_interleaves_qk = true,
       .gguf_rope_factors = true,
       .gguf_window_everywhere = true,
       .window = WindowRule::by_list,
       .defaults = kMistralDefaults,
       .tensors = dense_tensors()},
      {.id = "ministral3",
       .architecture = "Ministral3ForCausalLM",
       .model_type = "ministral3",
       .gguf_architecture = "mistral3",
       .gguf_interleaves_qk = true,
       .scales_queries = true,
       .gguf_rope_factors = true,
       .gguf_window_everywhere = true,
       .window = WindowRule::every_block,
       .defaults = kMinistral3Defaults,
       .tensors = dense_tensors()},
      {.id = "smollm3",
       .architecture = "SmolLM3ForCausalLM",
       .model_type = "smollm3",
       .gguf_architecture = "smollm3",
       .gguf_interleaves_qk = true,
       .bias_keys = true,
       .mlp_bias_key = true,
       .skips_rotation = true,
       .window = WindowRule::without_rotation,
       .defaults = kSmolLM3Defaults,
       .tensors = dense_tensors()},
      {.id = "phi3",
       .architecture = "Phi3ForCausalLM",
       .model_type = "phi3",
       .gguf_architecture = "phi3",
       .gguf_rope_factors = true,
       .gguf_window_everywhere = true,
       .rotary_share = 1.0,
       .longrope_alone = true,
       .published_with_code = true,
       .window = WindowRule::every_block,
       .defaults = kPhi3Defaults,
       .tensors = fused_tensors(),
       .packed = packed_dense()},
      {.id = "qwen2_moe",
       .architecture = "Qwen2MoeForCausalLM",
       .model_type = "qwen2_moe",
       .gguf_architecture = "qwen2moe",
       .qkv_bias_default = true,
       .qkv_bias_key = true,
       .window = WindowRule::even_below,
       .defaults = kQwen2MoeDefaults,
       .experts = {.count_key = "num_experts",
                   .count = 60,
                   .used = 4,
                   .width_key = "moe_intermediate_size",
                   .width = 1408,
                   .shared_width = 5632,
                   .weights = ExpertWeights::by_key_or_raw,
                   .some_blocks = true,
                   .gguf_normalises = false},
       .tensors = qwen_mixture_tensors(),
       .packed = packed_experts()},
      {.id = "qwen3_moe",
       .architecture = "Qwen3MoeForCausalLM",
       .model_type = "qwen3_moe",
       .gguf_architecture = "qwen3moe",
       .qk_norm = true,
       .bias_keys = true,
       .window = WindowRule::every_if_switched,
       .defaults = kQwen3MoeDefaults,
       .experts = {.count_key = "num_experts",
                   .count = 128,
                   .used = 8,
                   .width_key = "moe_intermediate_size",
                   .width = 768,
                   .weights = ExpertWeights::by_key_or_raw,
                   .some_blocks = true},
       .tensors = qwen_mixture_tensors(),
       .packed = packed_experts()},
      {.id = "mixtral",
       .architecture = "MixtralForCausalLM",
       .model_type = "mixtral",
       .gguf_architecture = "llama",
       .gguf_interleaves_qk = true,
       .gguf_rope_factors = true,
       .gguf_window_everywhere = true,
       .window = WindowRule::every_block,
       .defaults = kMixtralDefaults,
       .experts = {.count_key = "num_local_experts",
                   .count = 8,
                   .used = 2,
                   .width_key = "intermediate_size",
                   .width = 14336},
       .tensors = mixtral_tensors(),
       .packed = packed_experts()},
      {.id = "qwen3_next",
       .architecture = "Qwen3NextForCausalLM",
       .model_type = "qwen3_next",
       .gguf_architecture = "qwen3next",
       .qk_norm = true,
       .bias_keys = true,
       .delta_rule = true,
       .rotary_share = 0.25,
       .zero_centred_norms = true,
       .left_alone = kLeftAlone,
       .defaults = kQwen3NextDefaults,
       .experts = {.count_key = "num_experts",
                   .count = 512,
                   .used = 10,
                   .width_key = "moe_intermediate_size",
                   .width = 512,
                   .shared_width = 512,
                   .weights = ExpertWeights::by_key_or_normalised,
                   .some_blocks = true},
       .tensors = next_tensors(),
       .packed = packed_hybrid()},
      {.id = "qwen3_5",
       .architecture = "Qwen3_5ForCausalLM",
       .model_type = "qwen3_5_text",
       .gguf_architecture = "qwen35",
       .qk_norm = true,
       .bias_keys = true,
       .delta_rule = true,
       .rotary_share = 0.25,
       .gguf_tiles_value_heads = true,
       .zero_centred_norms = true,
       .multimodal_type = "qwen3_5",
       .multimodal_architecture = "Qwen3_5ForConditionalGeneration",
       .left_alone = kLeftAlone,
       .defaults = kQwen35Defaults,
       .tensors = hybrid_tensors(),
       .packed = packed_hybrid()},
      {.id = "qwen3_5_moe",
       .architecture = "Qwen3_5MoeForCausalLM",
       .model_type = "qwen3_5_moe_text",
       .gguf_architecture = "qwen35moe",
       .qk_norm = true,
       .bias_keys = true,
       .delta_rule = true,
       .rotary_share = 0.25,
       .gguf_tiles_value_heads = true,
       .zero_centred_norms = true,
       .multimodal_type = "qwen3_5_moe",
       .multimodal_architecture = "Qwen3_5MoeForConditionalGeneration",
       .left_alone = kLeftAlone,
       .defaults = kQwen35MoeDefaults,
       .experts = {.count_key = "num_experts",
                   .count = 256,
                   .used = 8,
                   .width_key = "moe_intermediate_size",
                   .width = 512,
                   .shared_width = 512},
       .tensors = hybrid_tensors(),
       .packed = packed_hybrid()},
  }};
  return table;
}

const Family& family_of(const ModelConfig& config) {
  for (const Family& family : families()) {
    if (family.id == config.family) return family;
  }
  check_failed("config.family is in the family table", __FILE__, __LINE__);
}

bool has_tensor(const TensorRule& rule, const ModelConfig& config, int layer) {
  if (rule.present == nullptr) return true;
  return rule.present(config,
                      rule.scope == Scope::model ? BlockDescription{} : describe_block(config, layer));
}

int places_of(const TensorRule& rule, const ModelConfig& config) {
  return rule.scope == Scope::model ? 1 : config.n_layers;
}

int copies_of(const TensorRule& rule, const ModelConfig& config) {
  return rule.scope == Scope::expert ? config.experts->count : 1;
}

const TensorRule* find_rule(const ModelConfig& config, Role role) {
  for (const TensorRule& rule : family_of(config).tensors) {
    if (rule.role != role) continue;
    for (int layer = 0; layer < places_of(rule, config); ++layer) {
      if (has_tensor(rule, config, layer)) return &rule;
    }
  }
  return nullptr;
}

}  // namespace strata
