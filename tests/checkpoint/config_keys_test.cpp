// The tables of keys: they have every field of the configuration classes, and the page says what they say.
#include "strata/checkpoint/config_keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "strata/base/file.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

bool has_key(std::span<const ConfigKey> keys, std::string_view name, std::string_view family) {
  return std::any_of(keys.begin(), keys.end(),
                     [&](const ConfigKey& key) { return key.name == name && is_for(key, family); });
}

// Fields of the dataclasses LlamaConfig, Qwen2Config, Qwen3Config and PreTrainedConfig, and what the modeling
// files, the masks and the rotary positions read beside them (transformers 5.24).
TEST(ConfigKeys, EveryFieldOfTheClasses) {
  const std::vector<std::string_view> all{"vocab_size",
                                          "hidden_size",
                                          "intermediate_size",
                                          "num_hidden_layers",
                                          "num_attention_heads",
                                          "num_key_value_heads",
                                          "hidden_act",
                                          "max_position_embeddings",
                                          "initializer_range",
                                          "rms_norm_eps",
                                          "use_cache",
                                          "pad_token_id",
                                          "bos_token_id",
                                          "eos_token_id",
                                          "tie_word_embeddings",
                                          "rope_parameters",
                                          "rope_scaling",
                                          "rope_theta",
                                          "partial_rotary_factor",
                                          "attention_dropout",
                                          "head_dim",
                                          "transformers_version",
                                          "architectures",
                                          "output_hidden_states",
                                          "return_dict",
                                          "dtype",
                                          "torch_dtype",
                                          "chunk_size_feed_forward",
                                          "is_encoder_decoder",
                                          "id2label",
                                          "label2id",
                                          "problem_type",
                                          "num_labels",
                                          "name_or_path",
                                          "_commit_hash",
                                          "output_attentions",
                                          "attn_implementation",
                                          "experts_implementation",
                                          "per_layer_config",
                                          "tie_last_hidden_states",
                                          "is_causal",
                                          "original_max_position_embeddings",
                                          "layer_types",
                                          "attention_chunk_size",
                                          "sliding_window",
                                          "gradient_checkpointing",
                                          "distributed_config",
                                          "transformers_weights",
                                          "fusion_config",
                                          "quantization_config",
                                          "auto_map",
                                          "rope.rope_theta",
                                          "rope.rope_type",
                                          "rope.type",
                                          "rope.partial_rotary_factor",
                                          "rope.factor",
                                          "rope.original_max_position_embeddings",
                                          "rope.attention_factor",
                                          "rope.beta_fast",
                                          "rope.beta_slow",
                                          "rope.short_factor",
                                          "rope.long_factor",
                                          "rope.low_freq_factor",
                                          "rope.high_freq_factor",
                                          "rope.mscale",
                                          "rope.mscale_all_dim",
                                          "rope.truncate",
                                          "rope.mrope_section"};
  for (const std::string_view key : all) {
    for (const Family& family : families()) EXPECT_TRUE(has_key(config_keys(), key, family.id)) << key;
  }
  for (const char* key : {"pretraining_tp", "attention_bias", "mlp_bias"})
    EXPECT_TRUE(has_key(config_keys(), key, "llama")) << key;
  for (const char* key : {"use_sliding_window", "max_window_layers"})
    for (const char* family : {"qwen2", "qwen3"}) EXPECT_TRUE(has_key(config_keys(), key, family)) << key;
}

TEST(ConfigKeys, OneRowEach) {
  for (const auto keys : {config_keys(), gguf_keys()}) {
    for (const Family& family : families()) {
      std::set<std::string_view> seen;
      for (const ConfigKey& key : keys) {
        if (!is_for(key, family.id)) continue;
        EXPECT_TRUE(seen.insert(key.name).second) << key.name;
        EXPECT_FALSE(key.rule.empty()) << key.name;
      }
    }
  }
}

TEST(ConfigKeys, NamesThatMeanAChange) {
  for (const char* key : {"attn_logit_softcapping", "num_experts_of_tomorrow", "use_bidirectional_attn",
                          "residual_multiplier", "mup_base", "attention_sinks", "window_size"})
    EXPECT_TRUE(names_a_change(key)) << key;
  for (const char* key : {"my_note", "ffn_dim_multiplier", "license", "unsloth_template", "language"})
    EXPECT_FALSE(names_a_change(key)) << key;
}

// docs/formats.md, from "### Keys of config.json" to the next heading of the second rank. On a difference the
// test writes what belongs there beside the build.
TEST(ConfigKeys, ThePageSaysWhatTheTablesSay) {
  const std::string page = read_file(test::repo_path("docs/formats.md"));
  const std::string tables = key_tables_markdown();
  const auto begin = page.find("### Keys of config.json");
  ASSERT_NE(begin, std::string::npos);
  const auto end = page.find("\n## ", begin);
  ASSERT_NE(end, std::string::npos);
  if (page.substr(begin, end - begin) != tables) {
    write_file_atomic("key_tables.md", tables);
    ADD_FAILURE()
        << "docs/formats.md differs from the tables of config_keys.cpp and gguf_keys.cpp; what belongs "
           "there is in key_tables.md";
  }
}

}  // namespace
}  // namespace strata
