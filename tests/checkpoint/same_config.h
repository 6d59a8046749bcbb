// What tests of config.json share: a small configuration of each family, and whether two are the same.
#pragma once

#include <gtest/gtest.h>

#include "strata/checkpoint/config.h"
#include "tests/support/tiny_checkpoint.h"

namespace strata::test {

using nlohmann::json;

inline ModelConfig parse(const json& config) {
  return parse_config(config.dump(), "config.json");
}

inline json base(const char* family) {
  return tiny_config({.family = family});
}

inline void expect_same(const ModelConfig& a, const ModelConfig& b) {
  EXPECT_EQ(a.family, b.family);
  EXPECT_EQ(a.architecture, b.architecture);
  EXPECT_EQ(a.n_layers, b.n_layers);
  EXPECT_EQ(a.hidden, b.hidden);
  EXPECT_EQ(a.ffn, b.ffn);
  EXPECT_EQ(a.heads, b.heads);
  EXPECT_EQ(a.kv_heads, b.kv_heads);
  EXPECT_EQ(a.head_dim, b.head_dim);
  EXPECT_EQ(a.vocab, b.vocab);
  EXPECT_EQ(a.max_context, b.max_context);
  EXPECT_EQ(a.rope_theta, b.rope_theta);
  EXPECT_EQ(a.norm_eps, b.norm_eps);
  EXPECT_EQ(a.tied_embeddings, b.tied_embeddings);
  EXPECT_EQ(a.qkv_bias, b.qkv_bias);
  EXPECT_EQ(a.qk_norm, b.qk_norm);
  EXPECT_EQ(a.stored_dtype, b.stored_dtype);
  EXPECT_EQ(a.bos_ids, b.bos_ids);
  EXPECT_EQ(a.eos_ids, b.eos_ids);
  ASSERT_EQ(a.rope_scaling.has_value(), b.rope_scaling.has_value());
  if (!a.rope_scaling) return;
  EXPECT_EQ(a.rope_scaling->factor, b.rope_scaling->factor);
  EXPECT_EQ(a.rope_scaling->low_freq_factor, b.rope_scaling->low_freq_factor);
  EXPECT_EQ(a.rope_scaling->high_freq_factor, b.rope_scaling->high_freq_factor);
  EXPECT_EQ(a.rope_scaling->original_context, b.rope_scaling->original_context);
}

inline const json kLlama3 = {{"rope_type", "llama3"},
                             {"factor", 8.0},
                             {"low_freq_factor", 1.0},
                             {"high_freq_factor", 4.0},
                             {"original_max_position_embeddings", 8192}};

}  // namespace strata::test
