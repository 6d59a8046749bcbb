// The architecture card of `strata inspect`: everything that a checkpoint's headers tell.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "strata/checkpoint/checkpoint.h"
#include "strata/checkpoint/published.h"
#include "strata/workflow/tokenizer_kind.h"

namespace strata {

/// What `strata analyze` at default options takes at least, before there is a text. Perturbed lanes come
/// on top; `strata analyze --dry-run` counts them and measures the machine.
struct CostEstimate {
  std::uint64_t weight_bytes = 0;      ///< two blocks, embedding and unembedding, in float32
  std::uint64_t program_bytes = 0;     ///< the program itself
  std::uint64_t bytes_per_ktoken = 0;  ///< residual stream of 1,000 tokens
  double flops_per_ktoken = 0.0;       ///< multiply-adds times two of the clean sweep, 1,000 tokens
  double assumed_flops_per_second = 0.0;
  [[nodiscard]] double seconds_per_ktoken() const { return flops_per_ktoken / assumed_flops_per_second; }
};
/// Pure arithmetic on the configuration: 2 flops for each parameter of the blocks and of the unembedding,
/// and 4 * keys * heads * head_dim of attention at windows of min(512, context) tokens.
[[nodiscard]] CostEstimate estimate_cost(const ModelConfig& config);

struct DTypeCount {
  std::int64_t tensors = 0;
  std::uint64_t bytes = 0;
};

struct Card {
  ModelLocation location;
  ModelConfig config;
  ParameterCount parameters;
  Origin origin;
  TokenizerKind tokenizer;
  CostEstimate cost;
  std::vector<std::string> notes;  ///< see Checkpoint::notes
  std::string pooling;       ///< of a base model with weights: how its embedding is made, and who says so
  bool has_weights = false;  ///< false: a configuration alone; what follows is then empty
  std::map<std::string, DTypeCount> dtypes;
  std::vector<std::string> files;
  std::vector<TensorInfo> tensors;
  std::uint64_t weight_bytes = 0;
};

/// Opens what locate_model finds. A directory with config.json and no weights of any kind gives the
/// configuration's part. Throws as Checkpoint::open.
[[nodiscard]] Card make_card(const std::string& model);

[[nodiscard]] std::string card_text(const Card& card, bool tensors);
[[nodiscard]] std::string card_json(const Card& card, bool tensors);

}  // namespace strata
