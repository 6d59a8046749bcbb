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

/// The numbers that rotary frequencies of this base are divided by under that scaling, as llama.cpp's
/// converter stores them: (head_dim/2).
[[nodiscard]] std::vector<float> llama3_rope_factors(double theta, int head_dim, const Llama3Rope& scaling);

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
  std::vector<float> rope_factors;  ///< (head_dim/2) divisors of the rotary frequencies; empty = all 1
  double norm_eps = 0.0;
  bool tied_embeddings = false;
  bool qkv_bias = false;
  bool qk_norm = false;
  /// Tokens that a sliding-window layer sees; 0 = no such layer. strata computes full attention, which is the
  /// same for texts of up to this many tokens, and refuses longer windows of text.
  std::int64_t window = 0;
  std::string stored_dtype;                    ///< config.json's own word for it; may be empty
  std::vector<std::int32_t> bos_ids, eos_ids;  ///< empty = the file names none
  /// Sentences about keys that are not used though a reader might expect it, and defaults that were taken.
  std::vector<std::string> notes;
};

/// "llama3" where the file gives the numbers of the formula, "factors" where it gives only the divisors
/// that follow from them (GGUF), else "none".
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
  query_norm,
  key_norm,
  mlp_norm,
  gate,
  up,
  down,
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
  std::span<const TensorRule> tensors;
};

[[nodiscard]] std::span<const Family> families();
[[nodiscard]] const Family& family_of(const ModelConfig& config);

/// Parses config.json as transformers 5 does: an absent key has the default of the configuration class, and
/// every key is computed, refused or without effect as the table of config_keys.h says. Error(bad_file) for
/// values that are impossible, Error(unsupported) for what strata does not compute (other architectures,
/// mixture of experts, other rope types, other activations, biases outside the table, quantized checkpoints,
/// attention without a causal mask).
[[nodiscard]] ModelConfig parse_config(std::string_view json, const std::string& where);

struct ParameterCount {
  std::int64_t total = 0;      ///< every stored parameter once (tied embeddings once)
  std::int64_t embedding = 0;  ///< token embedding, plus the unembedding when it is not tied
  std::int64_t per_block = 0;
};
[[nodiscard]] ParameterCount count_parameters(const ModelConfig& config);

}  // namespace strata
