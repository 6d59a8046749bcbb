// What a checkpoint says about its architecture, and which families strata computes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace strata {

/// RoPE scaling of Llama 3.1 (the "llama3" rope type).
struct Llama3Rope {
  double factor = 0.0;
  double low_freq_factor = 0.0;
  double high_freq_factor = 0.0;
  double original_context = 0.0;
};

/// The other scalings of rotary positions, as transformers computes them (modeling_rope_utils.py).
enum class RopeType {
  linear,   ///< every frequency is divided by the factor
  dynamic,  ///< the base grows with the length of the text beyond the original context (NTK)
  yarn,  ///< low frequencies are divided by the factor, high ones kept (Peng et al. 2023, arXiv:2309.00071)
  longrope,  ///< a divisor for each frequency, by the length of the text (Ding et al. 2024, arXiv:2402.13753)
};
[[nodiscard]] const char* to_string(RopeType type);

struct ScaledRope {
  RopeType type = RopeType::linear;
  double factor = 1.0;                              ///< of linear, dynamic and yarn
  double original_context = 0.0;                    ///< tokens; of dynamic, yarn and longrope
  double attention_factor = 1.0;                    ///< of cosine and sine
  double beta_fast = 32.0, beta_slow = 1.0;         ///< of yarn: turns over the original context
  bool truncate = true;                             ///< of yarn: its ends are whole frequencies
  std::vector<double> short_factors, long_factors;  ///< of longrope: (head_dim/2) divisors
  bool operator==(const ScaledRope&) const = default;
};

/// The numbers that rotary frequencies of this base are divided by under that scaling, as llama.cpp's
/// converter stores them: (head_dim/2).
[[nodiscard]] std::vector<float> llama3_rope_factors(double theta, int head_dim, const Llama3Rope& scaling);

/// What a block's attention computes.
struct AttentionDescription {
  int heads = 0, kv_heads = 0, head_dim = 0;
  bool qkv_bias = false, output_bias = false;
  bool qk_norm = false;     ///< RMSNorm of each head of q and k before the rotation
  bool rope = true;         ///< false: no positions enter
  std::int64_t window = 0;  ///< a query sees so many keys, its own included; 0 = all before it
  bool operator==(const AttentionDescription&) const = default;
};

/// A gated MLP with silu.
struct FeedForwardDescription {
  int width = 0;
  bool bias = false;  ///< of gate, up and down
  bool operator==(const FeedForwardDescription&) const = default;
};

/// One block: x + attention(norm(x)), then x + feed_forward(norm(x)), with RMSNorm. The engine computes
/// descriptions; which family they come from it does not know.
struct BlockDescription {
  int hidden = 0;
  double norm_eps = 0.0;
  AttentionDescription attention;
  FeedForwardDescription feed_forward;
  bool operator==(const BlockDescription&) const = default;
};

/// Dimensions and switches of a pre-norm decoder with RMSNorm, rotary positions, grouped-query
/// attention and SwiGLU. Every field comes from the file or from the family's documented rule.
struct ModelConfig {
  std::string family;        ///< id in the family table
  std::string architecture;  ///< Hugging Face's name of the class
  int n_layers = 0;
  int hidden = 0;
  int ffn = 0;
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  int vocab = 0;
  std::int64_t max_context = 0;
  double rope_theta = 0.0;
  std::optional<Llama3Rope> rope_scaling;
  std::vector<float> rope_factors;        ///< (head_dim/2) divisors of the rotary frequencies; empty = all 1
  std::optional<ScaledRope> scaled_rope;  ///< never together with rope_scaling
  /// Queries are multiplied by 1 + beta ln(1 + floor(position / context)) after the rotation; 0 = they are
  /// not.
  double query_scale_beta = 0.0, query_scale_context = 0.0;
  double norm_eps = 0.0;
  bool tied_embeddings = false;
  bool qkv_bias = false;
  bool output_bias = false;  ///< on the attention's output
  bool mlp_bias = false;
  bool qk_norm = false;
  bool has_head = true;  ///< false: a base model, which gives states and no logits
  /// Tokens that a block with a sliding window sees, its own included; 0 = no such block.
  std::int64_t window = 0;
  /// Per block: whether it has the window. Empty with a window: the file does not say which blocks have it
  /// (GGUF), so that windows of text must be no longer.
  std::vector<char> slides;
  std::vector<char> no_rope;                   ///< per block: whether it has no rotation; empty = none
  std::string stored_dtype;                    ///< config.json's own word for it; may be empty
  std::vector<std::int32_t> bos_ids, eos_ids;  ///< empty = the file names none
  /// Sentences about keys that are not used though a reader might expect it, and defaults that were taken.
  std::vector<std::string> notes;
};

/// What block `layer` computes.
[[nodiscard]] BlockDescription describe_block(const ModelConfig& config, int layer);
/// Each of the distinct descriptions of the model's blocks once.
[[nodiscard]] std::vector<BlockDescription> distinct_blocks(const ModelConfig& config);
/// Tokens that a window of text may have at most because the file does not place its sliding window; else 0.
[[nodiscard]] std::int64_t text_limit(const ModelConfig& config);

/// The type of a ScaledRope; "llama3" where the file gives the numbers of the formula, "factors" where it
/// gives only the divisors that follow from them (GGUF), else "none".
[[nodiscard]] const char* rope_scaling_name(const ModelConfig& config);

/// What a tensor does. The model asks for tensors by role, never by name.
enum class Role {
  embedding,
  final_norm,
  unembedding,
  attention_norm,
  query,
  key,
  value,
  attention_output,
  query_bias,
  key_bias,
  value_bias,
  output_bias,
  query_norm,
  key_norm,
  mlp_norm,
  gate,
  up,
  down,
  gate_bias,
  up_bias,
  down_bias,
};

/// One row of a family's tensor table.
struct TensorRule {
  Role role;
  std::string_view name;       ///< Hugging Face name; "{}" stands for the block number
  std::string_view gguf_name;  ///< llama.cpp's name for the same
  bool per_block;
  bool (*present)(const ModelConfig&);  ///< nullptr = always
  std::vector<std::int64_t> (*shape)(const ModelConfig&);
};
/// Whether this model has the tensor.
[[nodiscard]] bool has_tensor(const TensorRule& rule, const ModelConfig& config);

/// Which blocks have the sliding window of config.json.
enum class WindowRule {
  none,             ///< none has; the keys are no fields of the class
  from_block,       ///< with use_sliding_window: layer_types, else those from max_window_layers on
  every_block,      ///< all, where sliding_window is not null
  by_list,          ///< layer_types, else all
  without_rotation  ///< with use_sliding_window: layer_types, else those without rotation
};

/// What the configuration class has for an absent key; 0 = by a rule.
struct FamilyDefaults {
  int hidden = 4096, layers = 32, heads = 32;
  int ffn = 11008, kv_heads = 0, head_dim = 0, vocab = 32000;
  std::int64_t max_context = 2048;
  double rope_theta = 10000.0;
  double norm_eps = 1e-6;
  bool tied = false;
  std::int64_t window = 4096;  ///< where sliding_window is absent; 0 = none
};

/// One architecture that strata computes. Adding a family: one entry in the table of families.cpp.
struct Family {
  std::string_view id;                 ///< "llama"
  std::string_view architecture;       ///< "LlamaForCausalLM"
  std::string_view model_type;         ///< "llama"
  std::string_view gguf_architecture;  ///< general.architecture of GGUF files
  /// GGUF files hold the rows of q and k so that the two of a rotated pair are neighbours (2i, 2i + 1);
  /// Hugging Face pairs i with i + head_dim/2.
  bool gguf_interleaves_qk;
  bool qkv_bias_default;  ///< bias on q, k, v when config.json does not say
  bool qk_norm;
  bool bias_keys;               ///< attention_bias (q, k, v, o) is a key of the class
  bool mlp_bias_key;            ///< mlp_bias is
  bool skips_rotation;          ///< no_rope_layers and no_rope_layer_interval are
  bool scales_queries;          ///< llama_4_scaling_beta is
  bool gguf_rope_factors;       ///< GGUF files may hold divisors of the frequencies as a tensor
  bool gguf_window_everywhere;  ///< a window that GGUF metadata does not place is every block's
  WindowRule window;
  FamilyDefaults defaults;
  std::span<const TensorRule> tensors;
};

[[nodiscard]] std::span<const Family> families();
[[nodiscard]] const Family& family_of(const ModelConfig& config);

/// Parses config.json as transformers 5 does: an absent key has the default of the configuration class, and
/// every key is computed, refused or without effect as the table of config_keys.h says. Error(bad_file) for
/// values that are impossible, Error(unsupported) for what strata does not compute (other architectures,
/// mixture of experts, other rope types, other activations, quantized checkpoints, attention without a causal
/// mask).
[[nodiscard]] ModelConfig parse_config(std::string_view json, const std::string& where);

struct ParameterCount {
  std::int64_t total = 0;      ///< every stored parameter once (tied embeddings once)
  std::int64_t embedding = 0;  ///< token embedding, plus the unembedding when it is not tied
  std::int64_t per_block = 0;
};
[[nodiscard]] ParameterCount count_parameters(const ModelConfig& config);

}  // namespace strata
