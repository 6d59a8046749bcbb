// Shapes of published checkpoints: what a configuration can be recognised as, and what `strata synth`
// can imitate. Values of the models' own config.json files.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/checkpoint/config.h"

namespace strata {

struct PublishedModel {
  std::string_view name;        ///< lower case: "llama-3.2-1b"
  std::string_view generation;  ///< "Llama 3.2"
  std::string_view family;      ///< id in the family table
  int n_layers, hidden, ffn, heads, kv_heads, head_dim, vocab;
  std::int64_t max_context;
  double rope_theta;
  double llama3_factor;  ///< of the rope scaling "llama3" with low 1, high 4, original context 8192; 0 = none
  double norm_eps;
  bool tied_embeddings;
  int experts = 0, experts_used = 0, expert_width = 0, shared_width = 0;  ///< of the mixture in every block
  bool normalise = false;                                                 ///< weights made to sum to 1
};

[[nodiscard]] std::span<const PublishedModel> published_models();
/// By name, whatever its case; nullptr when it is not in the table.
[[nodiscard]] const PublishedModel* find_published(std::string_view name);
[[nodiscard]] ModelConfig config_of(const PublishedModel& model);

/// What the configuration alone tells about where a model comes from.
struct Origin {
  /// "Llama 3.2", "Qwen2 or Qwen2.5" where generations share a configuration, empty where it cannot be
  /// told. The family qwen3 is its own generation; otherwise a published checkpoint must have these
  /// dimensions, rope and (llama) context and eps. Qwen releases of one generation differ in those two.
  std::string generation;
  std::vector<std::string_view> same_shape;  ///< names of those checkpoints
};
[[nodiscard]] Origin origin_of(const ModelConfig& config);

}  // namespace strata
