// Which architectures strata computes: their tensors by role, and what their configuration classes fill in.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "strata/checkpoint/config.h"

namespace strata {

/// What a tensor does. The model asks for tensors by role, never by name.
enum class Role {
  embedding,
  final_norm,
  unembedding,
  attention_norm,  ///< before the mixer, whichever it is
  query,
  query_gate,  ///< of the output gate
  key,
  value,
  attention_output,
  query_bias,
  key_bias,
  value_bias,
  output_bias,
  query_norm,
  key_norm,
  delta_qkv,          ///< rows of q of all key heads, of k, then of v of all value heads
  delta_gate,         ///< "z"
  delta_write,        ///< "b", of the write strength
  delta_step,         ///< "a", of the decay
  delta_convolution,  ///< a row of taps for each row of delta_qkv
  delta_decay,        ///< exp(A_log)
  delta_step_bias,    ///< dt_bias
  delta_norm,
  delta_output,
  mlp_norm,
  gate,
  up,
  down,
  gate_bias,
  up_bias,
  down_bias,
  router,
  expert_gate,
  expert_up,
  expert_down,
  shared_expert_gate,  ///< one row: of the shared expert as a whole
  shared_gate,
  shared_up,
  shared_down,
};

/// How often a model has a tensor.
enum class Scope { model, block, expert };

using TensorShape = std::vector<std::int64_t>;

/// One role of a family.
struct TensorRule {
  Role role;
  /// Hugging Face name; the first "{}" stands for the block's number, the second for the expert's. Empty: the
  /// role is only part of a packed tensor.
  std::string_view name;
  std::string_view gguf_name;  ///< llama.cpp's name for the same
  Scope scope;
  bool (*present)(const ModelConfig&, const BlockDescription&);  ///< nullptr = always
  TensorShape (*shape)(const ModelConfig&);                      ///< of one expert where the scope is that
};

/// Consecutive rows of a stored tensor and where they go among the rows of a role's matrix.
struct RowRange {
  std::int64_t from = 0, to = 0, count = 0;
};

/// A stored tensor that holds several roles, or a role of all experts, along its rows: all dimensions but the
/// last. It stands in for the tensors of those roles, per block, where the files have it.
struct PackedRule {
  std::string_view name;       ///< as TensorRule's; empty = not in that format
  std::string_view gguf_name;  ///< likewise
  std::span<const Role> roles;
  TensorShape (*shape)(const ModelConfig&);
  std::vector<RowRange> (*rows)(const ModelConfig&, Role, int expert);
};

/// Which blocks have the sliding window of config.json.
enum class WindowRule {
  none,               ///< none has; the keys are no fields of the class
  from_block,         ///< with use_sliding_window: layer_types, else those from max_window_layers on
  even_below,         ///< with use_sliding_window: layer_types, else the even ones below max_window_layers
  every_if_switched,  ///< with use_sliding_window: all
  every_block,        ///< all, where sliding_window is not null
  by_list,            ///< layer_types, else all
  without_rotation    ///< with use_sliding_window: layer_types, else those without rotation
};

/// What the configuration class has for an absent key; 0 = by a rule.
struct FamilyDefaults {
  int hidden = 4096, layers = 32, heads = 32;
  int ffn = 11008, kv_heads = 0, head_dim = 0, vocab = 32000;
  std::int64_t max_context = 2048;
  double rope_theta = 10000.0;
  double norm_eps = 1e-6;
  bool tied = false;
  std::int64_t window = 4096;         ///< where sliding_window is absent; 0 = none
  std::int64_t original_context = 0;  ///< original_max_position_embeddings; 0 = max_position_embeddings
};

/// How the weights of the experts taken are made.
enum class ExpertWeights {
  by_key_or_raw,         ///< norm_topk_prob, else the router's probabilities
  by_key_or_normalised,  ///< norm_topk_prob, else made to sum to 1
  normalised             ///< made to sum to 1 whatever the file says
};

/// Of a family with mixtures of experts.
struct ExpertRules {
  const char* count_key = nullptr;  ///< nullptr: the family has none
  int count = 0, used = 0;          ///< where the keys are absent
  const char* width_key = nullptr;
  int width = 0, shared_width = 0;  ///< likewise; shared_width 0: no shared expert
  ExpertWeights weights = ExpertWeights::normalised;
  bool some_blocks = false;     ///< mlp_only_layers and decoder_sparse_step are keys of the class
  bool gguf_normalises = true;  ///< llama.cpp makes the weights of this architecture sum to 1
};

/// One architecture that strata computes. Adding a family: one entry in the table of families.cpp.
struct Family {
  std::string_view id;                 ///< "llama"
  std::string_view architecture;       ///< "LlamaForCausalLM"
  std::string_view model_type;         ///< "llama"
  std::string_view gguf_architecture;  ///< general.architecture of GGUF files
  /// GGUF files hold the rows of q and k so that the two of a rotated pair are neighbours (2i, 2i + 1);
  /// Hugging Face pairs i with i + head_dim/2.
  bool gguf_interleaves_qk = false;
  bool qkv_bias_default = false;  ///< bias on q, k, v when config.json does not say
  bool qkv_bias_key = false;      ///< qkv_bias is a key of the class
  bool qk_norm = false;
  bool bias_keys = false;               ///< attention_bias (q, k, v, o) is a key of the class
  bool mlp_bias_key = false;            ///< mlp_bias is
  bool skips_rotation = false;          ///< no_rope_layers and no_rope_layer_interval are
  bool scales_queries = false;          ///< llama_4_scaling_beta is
  bool gguf_rope_factors = false;       ///< GGUF files may hold divisors of the frequencies as a tensor
  bool gguf_window_everywhere = false;  ///< a window that GGUF metadata does not place is every block's
  bool delta_rule = false;              ///< blocks of the gated delta rule; attention has an output gate
  /// partial_rotary_factor is a key of the class, and this its default; 0: it is not, heads are rotated
  /// whole.
  double rotary_share = 0.0;
  /// The only scaling of rope is longrope, under its older names "su" and "yarn" too; in GGUF files it is
  /// there where its factors are.
  bool longrope_alone = false;
  bool published_with_code = false;  ///< files of the class name code of the repository, which is not needed
  /// GGUF files hold the value heads of the delta rule so that those of different key heads alternate.
  bool gguf_tiles_value_heads = false;
  bool zero_centred_norms = false;  ///< Hugging Face files hold the norms' weights less 1
  /// model_type and class of the multimodal model whose text part it is (text_config); empty = none.
  std::string_view multimodal_type = {}, multimodal_architecture = {};
  /// Beginnings of the names of tensors that the text model does not use.
  std::span<const std::string_view> left_alone = {};
  WindowRule window = WindowRule::none;
  FamilyDefaults defaults = {};
  ExpertRules experts = {};
  std::span<const TensorRule> tensors;
  std::span<const PackedRule> packed = {};

  [[nodiscard]] bool has_experts() const { return experts.count_key != nullptr; }
};

[[nodiscard]] std::span<const Family> families();
[[nodiscard]] const Family& family_of(const ModelConfig& config);

/// Whether that block of the model has the tensor; `layer` is ignored for one that is the model's.
[[nodiscard]] bool has_tensor(const TensorRule& rule, const ModelConfig& config, int layer);
/// Blocks that may have it: 1 for one that is the model's.
[[nodiscard]] int places_of(const TensorRule& rule, const ModelConfig& config);
/// Experts that have it: 1 for one that is the block's or the model's.
[[nodiscard]] int copies_of(const TensorRule& rule, const ModelConfig& config);
/// The family's rule for a role that some block of the model has; nullptr if none has.
[[nodiscard]] const TensorRule* find_rule(const ModelConfig& config, Role role);

}  // namespace strata
