// Small checkpoints that have each feature of a block, by name: what is compared with the network written
// again.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <stdexcept>
#include <string>

#include "tests/support/tiny_checkpoint.h"

namespace strata::test {

inline constexpr std::array<const char*, 15> kBlockCases{
    "llama",           "qwen2",          "qwen3",
    "biases",          "window",         "yarn",
    "longrope",        "scaled_queries", "no_rotation",
    "mixture",         "raw_weights",    "every_block_a_mixture",
    "gated_attention", "delta_rule",     "packed_delta_rule"};

/// The first of them: without the delta rule and gated attention, whose second implementations are
/// plain_network and the LibTorch backend.
inline constexpr std::span<const char* const> kAttentionCases = std::span(kBlockCases).first(12);

/// Block 1 has the feature; texts are longer than 16 tokens.
[[nodiscard]] inline TinyCheckpoint block_case(const std::string& name) {
  using nlohmann::json;
  if (name == "llama" || name == "qwen2" || name == "qwen3") return {.family = name, .tied = name == "qwen2"};
  if (name == "biases") return {.family = "llama", .biases = true};
  if (name == "window") {
    return {.family = "qwen3", .edit_config = [](json& config) {
              config["use_sliding_window"] = true;
              config["sliding_window"] = 5;
              config["layer_types"] = {"full_attention", "sliding_attention", "full_attention"};
            }};
  }
  if (name == "yarn") {
    return {.family = "mistral", .edit_config = [](json& config) {
              config["sliding_window"] = 33;
              config["rope_scaling"] = {
                  {"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 64}};
            }};
  }
  if (name == "longrope") {
    return {.family = "llama", .edit_config = [](json& config) {
              config["rope_scaling"] = {{"rope_type", "longrope"},
                                        {"short_factor", {1.0, 1.5}},
                                        {"long_factor", {2.0, 3.5}},
                                        {"original_max_position_embeddings", 16}};
            }};
  }
  if (name == "scaled_queries") {
    return {.family = "ministral3", .edit_config = [](json& config) {
              config["rope_scaling"] = {{"rope_type", "yarn"},
                                        {"factor", 2.0},
                                        {"original_max_position_embeddings", 8},
                                        {"llama_4_scaling_beta", 0.4}};
            }};
  }
  if (name == "no_rotation") {
    return {.family = "smollm3", .edit_config = [](json& config) { config["no_rope_layers"] = {1, 0, 1}; }};
  }
  if (name == "mixture") return {.family = "qwen3_moe"};
  // With a shared expert.
  if (name == "raw_weights")
    return {.family = "qwen2_moe", .edit_config = [](json& config) { config["norm_topk_prob"] = false; }};
  if (name == "every_block_a_mixture") return {.family = "mixtral"};
  if (name == "gated_attention") return {.family = "qwen3_5", .norm_eps = 1e-3};
  if (name == "delta_rule") return {.family = "qwen3_5_moe", .norm_eps = 1e-3, .delta_first = false};
  if (name == "packed_delta_rule") return {.family = "qwen3_next", .norm_eps = 1e-3, .delta_first = false};
  throw std::invalid_argument(name);
}

}  // namespace strata::test
