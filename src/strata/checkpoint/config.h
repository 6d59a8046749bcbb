// What a checkpoint says about its architecture, and which families strata computes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/checkpoint/block_description.h"

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

/// The mixtures of experts that take the place of the MLP in some blocks.
struct ExpertConfig {
  int count = 0;
  int used = 0;   ///< by each token
  int width = 0;  ///< of each
  bool normalise = false;
  int shared_width = 0;      ///< of the expert that every token uses; 0 = none
  std::vector<char> blocks;  ///< per block: whether it has the mixture
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
  int rotary_dim = 0;  ///< dimensions of a head that are rotated, the first ones; 0 = all
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
  bool output_gate = false;  ///< attention's output is multiplied by sigmoid of a gate
  std::optional<ExpertConfig> experts;
  DeltaDescription delta;          ///< of the blocks that have it
  std::vector<char> delta_blocks;  ///< per block: gated delta rule in place of attention; empty = none
  bool has_head = true;            ///< false: a base model, which gives states and no logits
  /// Tokens that a block with a sliding window sees, its own included; 0 = no such block.
  std::int64_t window = 0;
  /// Per block: whether it has the window. Empty with a window: the file does not say which blocks have it
  /// (GGUF), so that windows of text must be no longer.
  std::vector<char> slides;
  std::vector<char> no_rope;                   ///< per block: whether it has no rotation; empty = none
  int unused_blocks = 0;                       ///< after the last, of a GGUF file's head for several tokens
  std::string stored_dtype;                    ///< config.json's own word for it; may be empty
  std::vector<std::int32_t> bos_ids, eos_ids;  ///< empty = the file names none
  /// Sentences about keys that are not used though a reader might expect it, and defaults that were taken.
  std::vector<std::string> notes;
};

/// What block `layer` computes.
[[nodiscard]] BlockDescription describe_block(const ModelConfig& config, int layer);
/// Dimensions of a head that are rotated.
[[nodiscard]] int rotated_dims(const ModelConfig& config);
/// Each of the distinct descriptions of the model's blocks once.
[[nodiscard]] std::vector<BlockDescription> distinct_blocks(const ModelConfig& config);
/// Tokens that a window of text may have at most because the file does not place its sliding window; else 0.
[[nodiscard]] std::int64_t text_limit(const ModelConfig& config);

/// The type of a ScaledRope; "llama3" where the file gives the numbers of the formula, "factors" where it
/// gives only the divisors that follow from them (GGUF), else "none".
[[nodiscard]] const char* rope_scaling_name(const ModelConfig& config);

/// Parses config.json as transformers 5 does: an absent key has the default of the configuration class, and
/// every key is computed, refused or without effect as the table of config_keys.h says. Error(bad_file) for
/// values that are impossible, Error(unsupported) for what strata does not compute (other architectures,
/// mixture of experts, other rope types, other activations, quantized checkpoints, attention without a causal
/// mask).
[[nodiscard]] ModelConfig parse_config(std::string_view json, const std::string& where);

struct ParameterCount {
  std::int64_t total = 0;          ///< every stored parameter once (tied embeddings once)
  std::int64_t embedding = 0;      ///< token embedding, plus the unembedding when it is not tied
  std::int64_t per_block = 0;      ///< of the largest block
  std::int64_t active = 0;         ///< that one token uses: of the experts, those taken
  std::int64_t active_blocks = 0;  ///< the same, of all blocks
};
[[nodiscard]] ParameterCount count_parameters(const ModelConfig& config);

}  // namespace strata
