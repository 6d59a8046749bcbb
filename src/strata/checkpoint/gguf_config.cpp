#include "strata/checkpoint/gguf_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "strata/base/error.h"
#include "strata/checkpoint/config_keys.h"
#include "strata/checkpoint/gguf_architecture.h"
#include "strata/checkpoint/limits.h"
#include "strata/checkpoint/other_architectures.h"
#include "strata/checkpoint/strict_json.h"

namespace strata {
namespace {

// Of the families of one architecture, the first with experts where the file has some.
const Family& read_family(const GgufMetadata& metadata) {
  constexpr std::string_view kKey = "general.architecture";
  const std::string_view architecture = metadata.string(kKey);
  const std::string count = fmt::format("{}.expert_count", architecture);
  const bool experts = metadata.find_integer(count, 0, kMaxExperts).value_or(0) > 0;
  std::string known;
  for (const Family& family : families()) {
    if (family.gguf_architecture == architecture && family.has_experts() == experts) return family;
    if (known.ends_with(family.gguf_architecture)) continue;
    if (known.find(fmt::format("{},", family.gguf_architecture)) != std::string::npos) continue;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", family.gguf_architecture);
  }
  for (const Family& family : families()) {
    if (family.gguf_architecture != architecture) continue;
    metadata.fail(count, experts ? "experts" : "no experts",
                  experts ? "none in a " + std::string(architecture) : "the number of its experts");
  }
  metadata.refuse(kKey, "\"" + printable(architecture) + "\"", "one of " + known,
                  what_it_needs(architecture));
}

// llama.cpp has no key of whether weights are made to sum to 1: each architecture does or does not.
void read_experts(const ArchitectureKeys& keys, const Family& family, ModelConfig& config) {
  ExpertConfig experts;
  experts.count = keys.size("expert_count", kMaxExperts);
  experts.used = keys.size("expert_used_count", kMaxExperts);
  if (experts.used > experts.count) {
    keys.fail("expert_used_count", fmt::format("{}", experts.used),
              fmt::format("at most expert_count = {}", experts.count));
  }
  const auto width = [&](std::string_view key, int otherwise) {
    const auto found = keys.find_size(key, kMaxFfn);
    return static_cast<int>(found.value_or(otherwise));
  };
  const bool own_width = std::string_view(family.experts.width_key) != "intermediate_size";
  experts.width = width("expert_feed_forward_length", own_width ? config.ffn / experts.used : config.ffn);
  if (family.experts.shared_width > 0)
    experts.shared_width = width("expert_shared_feed_forward_length", config.ffn);
  experts.normalise = family.experts.gguf_normalises;
  experts.blocks.assign(static_cast<std::size_t>(config.n_layers), 1);
  config.experts = std::move(experts);
}

// The gated delta rule in all blocks but each full_attention_interval-th; its sizes under the keys of
// state-space models.
void read_delta_rule(const ArchitectureKeys& keys, ModelConfig& config) {
  config.output_gate = true;
  DeltaDescription& delta = config.delta;
  delta.kernel = keys.size("ssm.conv_kernel", kMaxKernel);
  delta.key_dim = keys.size("ssm.state_size", kMaxHeads);
  delta.key_heads = keys.size("ssm.group_count", kMaxHeads);
  delta.value_heads = keys.size("ssm.time_step_rank", kMaxHeads);
  const int inner = keys.size("ssm.inner_size", kMaxWidth);
  if (delta.value_heads % delta.key_heads != 0) {
    keys.fail("ssm.time_step_rank", fmt::format("{}", delta.value_heads),
              fmt::format("a multiple of ssm.group_count = {}", delta.key_heads));
  }
  if (inner % delta.value_heads != 0) {
    keys.fail("ssm.inner_size", fmt::format("{}", inner),
              fmt::format("a multiple of ssm.time_step_rank = {}", delta.value_heads));
  }
  delta.value_dim = inner / delta.value_heads;
  constexpr std::string_view kBlocks = "attention.recurrent_layers";
  const auto blocks = static_cast<std::size_t>(config.n_layers);
  const auto listed = keys.metadata().values().find(keys.name(kBlocks));
  if (listed != keys.metadata().values().end()) {
    const GgufValue& value = listed->second;
    if (value.type != GgufValueType::array || value.element != GgufValueType::boolean || value.count < blocks)
      keys.fail(kBlocks, "other values", fmt::format("{} booleans, one for each block", blocks));
    for (const std::byte flag : value.bytes.last(static_cast<std::size_t>(value.count)).first(blocks))
      config.delta_blocks.push_back(flag == std::byte{0} ? 0 : 1);
    return;
  }
  const std::int64_t interval = keys.find_size("full_attention_interval", kMaxLayers).value_or(4);
  for (std::size_t i = 0; i < blocks; ++i)
    config.delta_blocks.push_back((static_cast<std::int64_t>(i) + 1) % interval == 0 ? 0 : 1);
}

void read_heads(const ArchitectureKeys& keys, ModelConfig& config) {
  config.heads = keys.size("attention.head_count", kMaxHeads);
  config.kv_heads =
      static_cast<int>(keys.find_size("attention.head_count_kv", kMaxHeads).value_or(config.heads));
  if (config.heads % config.kv_heads != 0) {
    keys.fail("attention.head_count_kv", fmt::format("{}", config.kv_heads),
              fmt::format("a divisor of attention.head_count = {}", config.heads));
  }
  const auto key_length = keys.find_size("attention.key_length", kMaxHeads);
  if (!key_length && config.hidden % config.heads != 0) {
    keys.fail("embedding_length", fmt::format("{}", config.hidden),
              fmt::format("a multiple of attention.head_count = {} where attention.key_length is absent",
                          config.heads));
  }
  config.head_dim = static_cast<int>(key_length.value_or(config.hidden / config.heads));
  if (config.head_dim % 2 != 0) {
    keys.fail("attention.key_length", fmt::format("{}", config.head_dim),
              "an even number (rotary positions turn pairs)");
  }
  const auto value_length = keys.find_size("attention.value_length", kMaxHeads);
  const std::int64_t values = value_length.value_or(config.hidden / config.heads);
  if (values != config.head_dim) {
    keys.refuse("attention.value_length", fmt::format("{}", values),
                fmt::format("the key length, {}", config.head_dim));
  }
}

double read_norm_eps(const ArchitectureKeys& keys) {
  constexpr std::string_view kKey = "attention.layer_norm_rms_epsilon";
  const auto eps = keys.find_number(kKey);
  if (!eps) keys.fail(kKey, "missing", "a number between 0 and 1");
  if (!(*eps > 0.0 && *eps < 1.0)) keys.fail(kKey, fmt::format("{}", *eps), "a number between 0 and 1");
  return *eps;
}

// Without a key of their own (llama.cpp's constant): every fourth block has no rotation.
std::vector<char> blocks_without_rotation(int n_layers) {
  constexpr std::size_t kStep = 4;
  std::vector<char> without(static_cast<std::size_t>(n_layers), 0);
  for (std::size_t i = kStep - 1; i < without.size(); i += kStep) without[i] = 1;
  if (without.size() < kStep) without.clear();
  return without;
}

// Keys whose harmless values depend on the model; the others are refused by the table.
void refuse_uncomputed(const ArchitectureKeys& keys, const Family& family, ModelConfig& config) {
  check_gguf_keys(keys.metadata(), family, config.notes);
  const double scale = keys.find_number("attention.scale").value_or(0.0);
  const auto usual = static_cast<float>(1.0 / std::sqrt(static_cast<double>(config.head_dim)));
  if (scale != 0.0 && std::fabs(static_cast<float>(scale) - usual) > 1e-6f * usual) {
    keys.refuse("attention.scale", fmt::format("{}", scale),
                fmt::format("none, or {} = 1 / sqrt(key length)", usual));
  }
  const std::string_view act = keys.metadata().find_string(keys.name("hidden_activation")).value_or("silu");
  if (act != "silu" && act != "swish") {
    keys.refuse("hidden_activation", "\"" + printable(act) + "\"", "silu");
  }
}

// What llama.cpp computes whatever these keys say, so that another value means another model.
void refuse_other_routing(const ArchitectureKeys& keys, const Family& family) {
  if (!family.has_experts()) return;
  const auto values = keys.metadata().values();
  const auto norm = values.find(keys.name("expert_weights_norm"));
  if (norm != values.end()) {
    const bool said = keys.metadata().find_flag(keys.name("expert_weights_norm")).value_or(false);
    if (said != family.experts.gguf_normalises)
      keys.refuse("expert_weights_norm", said ? "true" : "false", said ? "false" : "true");
  }
  const std::int64_t gating =
      keys.metadata().find_integer(keys.name("expert_gating_func"), 0, 255).value_or(0);
  if (gating > 1) keys.refuse("expert_gating_func", fmt::format("{}", gating), "1, the softmax");
}

// Writers put -1 into unsigned ids to say that there is no such token.
std::vector<std::int32_t> read_token_id(const GgufMetadata& metadata, std::string_view key, int vocab) {
  const auto id = metadata.find_integer(key, -1, std::numeric_limits<std::uint32_t>::max());
  if (!id || *id == -1 || *id == std::numeric_limits<std::uint32_t>::max()) return {};
  if (*id >= vocab) metadata.fail(key, fmt::format("{}", *id), fmt::format("a token id below {}", vocab));
  return {static_cast<std::int32_t>(*id)};
}

// The token list and the count, where they are there, against the rows of the embedding.
void check_vocabulary(const ArchitectureKeys& keys, std::int64_t rows) {
  const auto stated = keys.find_size("vocab_size", kMaxVocab);
  if (stated && *stated != rows) {
    keys.fail("vocab_size", fmt::format("{}", *stated),
              fmt::format("{}, the rows of token_embd.weight", rows));
  }
  constexpr std::string_view kTokens = "tokenizer.ggml.tokens";
  const auto tokens = keys.metadata().values().find(kTokens);
  if (tokens == keys.metadata().values().end()) return;
  if (tokens->second.type != GgufValueType::array || tokens->second.element != GgufValueType::string) {
    keys.metadata().fail(kTokens, "other values", "an array of strings");
  }
  if (tokens->second.count > static_cast<std::uint64_t>(rows)) {
    keys.metadata().fail(kTokens, fmt::format("{} tokens", tokens->second.count),
                         fmt::format("at most {}, the rows of token_embd.weight", rows));
  }
}

}  // namespace

ModelConfig parse_gguf_config(const GgufMetadata& metadata, std::int64_t vocab, bool tied) {
  const Family& family = read_family(metadata);
  const ArchitectureKeys keys(metadata, family.gguf_architecture);
  ModelConfig config;
  config.family = family.id;
  config.architecture = family.architecture;
  config.n_layers = keys.size("block_count", kMaxLayers);
  if (!family.left_alone.empty()) {
    config.unused_blocks = static_cast<int>(
        keys.metadata().find_integer(keys.name("nextn_predict_layers"), 0, config.n_layers - 1).value_or(0));
    config.n_layers -= config.unused_blocks;
  }
  config.hidden = keys.size("embedding_length", kMaxWidth);
  // A class without an MLP has its width only for what leaves those of the experts out.
  const bool widths = keys.has("expert_feed_forward_length") && keys.has("expert_shared_feed_forward_length");
  if (family.defaults.ffn > 0 || !widths) config.ffn = keys.size("feed_forward_length", kMaxFfn);
  if (vocab < 1 || vocab > kMaxVocab) {
    metadata.fail("token_embd.weight", fmt::format("{} rows", vocab), fmt::format("1 to {}", kMaxVocab));
  }
  config.vocab = static_cast<int>(vocab);
  check_vocabulary(keys, vocab);
  config.max_context = metadata.integer(keys.name("context_length"), 1, kMaxContext);
  read_heads(keys, config);
  config.norm_eps = read_norm_eps(keys);
  read_gguf_rope(keys, config);
  if (!family.delta_rule) read_gguf_window(keys, family, config);
  if (family.has_experts()) read_experts(keys, family, config);
  if (family.defaults.ffn == 0) config.ffn = config.experts->width;
  if (family.delta_rule) read_delta_rule(keys, config);
  if (family.skips_rotation) config.no_rope = blocks_without_rotation(config.n_layers);
  if (family.scales_queries) read_gguf_query_scale(keys, config);
  config.tied_embeddings = tied;
  config.qkv_bias = family.qkv_bias_default;
  config.qk_norm = family.qk_norm;
  config.bos_ids = read_token_id(metadata, "tokenizer.ggml.bos_token_id", config.vocab);
  config.eos_ids = read_token_id(metadata, "tokenizer.ggml.eos_token_id", config.vocab);
  refuse_uncomputed(keys, family, config);
  refuse_other_routing(keys, family);
  return config;
}

}  // namespace strata
