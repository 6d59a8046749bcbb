// Read from llama.cpp: LLM_KV_NAMES of llama-arch.cpp, load_hparams of llama-model.cpp, models/llama.cpp,
// models/qwen2.cpp, models/qwen3.cpp.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "strata/checkpoint/config_keys.h"
#include "strata/checkpoint/strict_json.h"
#include "strata/gguf/value.h"

namespace strata {
namespace {

using enum KeyUse;
using enum Harmless;

constexpr std::string_view kAll = "", kNot3 = "!ministral3";
constexpr std::string_view kHybrid = "qwen3_next qwen3_5 qwen3_5_moe";
constexpr std::string_view kNoHybrid = "!qwen3_next qwen3_5 qwen3_5_moe";
constexpr std::string_view kMixtures = "qwen2_moe qwen3_moe mixtral qwen3_next qwen3_5_moe";
constexpr std::string_view kNoMixtures = "!qwen2_moe qwen3_moe mixtral qwen3_next qwen3_5_moe";
constexpr std::string_view kShared = "qwen2_moe qwen3_next qwen3_5_moe";
constexpr std::string_view kNoShared = "!qwen2_moe qwen3_next qwen3_5_moe";

// clang-format off
constexpr ConfigKey kGgufKeys[] = {
    {"block_count", kAll, computed, special, "blocks"},
    {"embedding_length", kAll, computed, special, "width"},
    {"feed_forward_length", "!qwen3_5_moe", computed, special, "width of the MLP"},
    {"feed_forward_length", "qwen3_5_moe", unused, off, "only where the widths of the experts are absent"},
    {"context_length", kAll, computed, special, "the longest window of text"},
    {"vocab_size", kAll, computed, special, "must be the rows of `token_embd.weight`"},
    {"attention.head_count", kAll, computed, special, "heads"},
    {"attention.head_count_kv", kAll, computed, special, "absent: as many as heads"},
    {"attention.key_length", kAll, computed, special, "absent: width / heads"},
    {"attention.value_length", kAll, computed, special, "must be the key length"},
    {"attention.layer_norm_rms_epsilon", kAll, computed, special, "must be there"},
    {"attention.sliding_window", kHybrid, unused, off, "not read for these architectures"},
    {"attention.sliding_window", kNoHybrid, computed, special, "above 0: tokens that a sliding block sees, its own included; without a pattern every block of a llama, mistral3 or phi3 slides, and for others windows of text are no longer"},
    {"rope.freq_base", kAll, computed, special, "absent: 10000"},
    {"rope.dimension_count", kAll, computed, special, "must be the key length; in phi3, qwen3next and qwen35 dimensions of a head that are rotated"},
    {"attention.sliding_window_pattern", kHybrid, unused, off, "not read for these architectures"},
    {"attention.sliding_window_pattern", kNoHybrid, computed, special, "which blocks slide: a boolean for each, or a period n (all but each n-th)"},
    {"rope.scaling.type", kAll, computed, special, "`none`, `linear`, `yarn`, `longrope`; absent: linear. In phi3 the tensors of factors make it longrope"},
    {"rope.scaling.factor", kAll, computed, special, "of `linear` and `yarn`; absent or 0: 1"},
    {"rope.scale_linear", kAll, computed, special, "older name of the factor"},
    {"rope.scaling.attn_factor", kAll, computed, special, "on cosine and sine, beside what `yarn` gives by its factor; absent: 1"},
    {"rope.scaling.original_context_length", kAll, computed, special, "of `yarn`, `longrope`; absent: context_length"},
    {"rope.scaling.yarn_beta_fast", "!phi3", computed, special, "absent: 32"},
    {"rope.scaling.yarn_beta_slow", "!phi3", computed, special, "absent: 1"},
    {"rope.scaling.yarn_beta_fast", "phi3", unused, off, "of yarn, which is refused"},
    {"rope.scaling.yarn_beta_slow", "phi3", unused, off, "of yarn, which is refused"},
    {"rope.scaling.yarn_attn_factor", kAll, refused, special, "1, or what follows from the factor (llama.cpp puts that in its place)"},
    {"rope.scaling.yarn_ext_factor", kAll, refused, special, "below 0 for none; 1 with `yarn`, 0 without"},
    {"rope.scaling.alpha", kAll, refused, off_or_one, "1, or 0 for none"},
    {"attention.causal", kAll, refused, on, "true"},
    {"attention.scale", kAll, refused, special, "0 for none, or 1 / sqrt(key length)"},
    {"attention.output_scale", kAll, refused, off_or_one, "1, or 0 for none"},
    {"attention.value_scale", kAll, refused, off_or_one, "1, or 0 for none"},
    {"attention.clamp_kqv", kAll, refused, not_positive, "0"},
    {"attention.max_alibi_bias", kAll, refused, not_positive, "0"},
    {"attention.temperature_length", kAll, refused, off, "0"},
    {"attention.temperature_scale", "ministral3", computed, special, "beta of the queries' factor by position; absent: 0"},
    {"attention.temperature_scale", kNot3, refused, off, "0"},
    {"attention.q_lora_rank", kAll, refused, off, "0"},
    {"attention.kv_lora_rank", kAll, refused, off, "0"},
    {"attention.key_length_mla", kAll, refused, off, "0"},
    {"attention.value_length_mla", kAll, refused, off, "0"},
    {"attention.relative_buckets_count", kAll, refused, off, "0"},
    {"attention.shared_kv_layers", kAll, refused, off, "0"},
    {"attention.recurrent_layers", kHybrid, computed, special, "which blocks have the gated delta rule: a boolean for each"},
    {"attention.recurrent_layers", kNoHybrid, refused, off, "none"},
    {"logit_scale", kAll, refused, off_or_one, "1, or 0 for none"},
    {"residual_scale", kAll, refused, off_or_one, "1, or 0 for none"},
    {"embedding_scale", kAll, refused, off_or_one, "1, or 0 for none"},
    {"attn_logit_softcapping", kAll, refused, off, "0"},
    {"final_logit_softcapping", kAll, refused, off, "0"},
    {"router_logit_softcapping", kAll, refused, off, "0"},
    {"hidden_activation", kAll, refused, special, "`silu` or `swish`"},
    {"use_parallel_residual", kAll, refused, off, "false"},
    {"swin_norm", kAll, refused, off, "false"},
    {"norm_before_residual", kAll, refused, off, "false"},
    {"swiglu_clamp_exp", kAll, refused, off, "0"},
    {"swiglu_clamp_shexp", kAll, refused, off, "0"},
    {"rescale_every_n_layers", kAll, refused, off, "0"},
    {"embedding_length_out", kAll, refused, off, "0"},
    {"embedding_length_per_layer_input", kAll, refused, off, "0"},
    {"leading_dense_block_count", kAll, refused, off, "0"},
    {"expert_count", kAll, computed, special, "experts of a mixture; a llama that has some is a Mixtral, the other dense architectures have none"},
    {"expert_used_count", kMixtures, computed, special, "experts that a token takes"},
    {"expert_used_count", kNoMixtures, refused, off, "0"},
    {"expert_shared_count", kAll, refused, off, "0"},
    {"expert_group_count", kAll, refused, off_or_one, "0 or 1"},
    {"expert_feed_forward_length", kMixtures, computed, special, "width of an expert; absent: the MLP's over the experts taken, in mixtral the MLP's"},
    {"expert_feed_forward_length", kNoMixtures, refused, off, "0"},
    {"expert_shared_feed_forward_length", kShared, computed, special, "width of the shared expert; absent: the MLP's"},
    {"expert_shared_feed_forward_length", kNoShared, refused, off, "0"},
    {"expert_weights_scale", kMixtures, refused, off_or_one, "1, or 0 for none"},
    {"expert_weights_norm", kMixtures, refused, special, "as the architecture does: false in qwen2moe, else true"},
    {"expert_gating_func", kMixtures, refused, special, "1, the softmax, or 0 for the architecture's"},
    {"expert_chunk_feed_forward_length", kAll, refused, off, "0"},
    {"interleave_moe_layer_step", kAll, refused, off, "0"},
    {"moe_every_n_layers", kAll, refused, off, "0"},
    {"full_attention_interval", kHybrid, computed, special, "each so many-th block has attention, the others the gated delta rule; absent: 4"},
    {"full_attention_interval", kNoHybrid, refused, off, "0"},
    {"nextn_predict_layers", kHybrid, computed, special, "blocks at the end that are the head for several tokens and left alone"},
    {"nextn_predict_layers", kNoHybrid, refused, off, "0"},
    {"n_deepstack_layers", kAll, refused, off, "0"},
    {"ssm.conv_kernel", kHybrid, computed, special, "taps of the delta rule's convolution"},
    {"ssm.inner_size", kHybrid, computed, special, "value heads times their size"},
    {"ssm.state_size", kHybrid, computed, special, "size of a key head"},
    {"ssm.group_count", kHybrid, computed, special, "key heads"},
    {"ssm.time_step_rank", kHybrid, computed, special, "value heads"},
    {"ssm.conv_kernel", kNoHybrid, refused, off, "0"},
    {"ssm.inner_size", kNoHybrid, refused, off, "0"},
    {"ssm.state_size", kNoHybrid, refused, off, "0"},
    {"ssm.group_count", kNoHybrid, refused, off, "0"},
    {"ssm.time_step_rank", kNoHybrid, refused, off, "0"},
    {"hyper_connection.count", kAll, refused, off, "0"},
    {"hash_layer_count", kAll, refused, off, "0"},
    {"expert_group_used_count", kAll, unused, off, "of groups of experts, which are refused"},
    {"expert_weights_scale", kNoMixtures, unused, off, "of experts"},
    {"expert_weights_norm", kNoMixtures, unused, off, "of experts"},
    {"expert_gating_func", kNoMixtures, unused, off, "of experts"},
    {"attention.layer_norm_epsilon", kAll, unused, off, "of LayerNorm; these models have RMSNorm"},
    {"attention.group_norm_epsilon", kAll, unused, off, "of group norm"},
    {"attention.group_norm_groups", kAll, unused, off, "of group norm"},
    {"attention.key_length_swa", kAll, unused, off, "not read for these architectures"},
    {"attention.value_length_swa", kAll, unused, off, "not read for these architectures"},
    {"rope.dimension_count_swa", kAll, unused, off, "not read for these architectures"},
    {"rope.freq_base_swa", kAll, unused, off, "not read for these architectures"},
    {"rope.dimension_sections", kAll, unused, off, "of multimodal models; text positions are the same in every section"},
    {"rope.scaling.finetuned", kAll, unused, off, "a mark"},
    {"rope.scaling.yarn_log_multiplier", "ministral3", computed, special, "of `yarn`: takes its factor of attention back; absent: 0"},
    {"rope.scaling.yarn_log_multiplier", kNot3, unused, off, "not read for these architectures"},
    {"pooling_type", kAll, unused, off, "of embeddings, after the last state"},
    {"classifier.output_labels", kAll, unused, off, "of classifiers"},
    {"dense_2_feat_in", kAll, unused, off, "of embeddings, after the last state"},
    {"dense_2_feat_out", kAll, unused, off, "of embeddings, after the last state"},
    {"dense_3_feat_in", kAll, unused, off, "of embeddings, after the last state"},
    {"dense_3_feat_out", kAll, unused, off, "of embeddings, after the last state"},
    {"tensor_data_layout", kAll, unused, off, "a name"},
};
// clang-format on

template <class T>
double load_as(const std::byte* at) {
  return static_cast<double>(gguf::load<T>(at));
}

// Nothing for strings and arrays.
std::optional<double> number_of(const GgufValue& value) {
  const std::byte* at = value.bytes.data();
  switch (value.type) {
    case GgufValueType::u8:
    case GgufValueType::boolean:
      return load_as<std::uint8_t>(at);
    case GgufValueType::i8:
      return load_as<std::int8_t>(at);
    case GgufValueType::u16:
      return load_as<std::uint16_t>(at);
    case GgufValueType::i16:
      return load_as<std::int16_t>(at);
    case GgufValueType::u32:
      return load_as<std::uint32_t>(at);
    case GgufValueType::i32:
      return load_as<std::int32_t>(at);
    case GgufValueType::u64:
      return load_as<std::uint64_t>(at);
    case GgufValueType::i64:
      return load_as<std::int64_t>(at);
    case GgufValueType::f32:
      return load_as<float>(at);
    case GgufValueType::f64:
      return load_as<double>(at);
    case GgufValueType::string:
    case GgufValueType::array:
      break;
  }
  return std::nullopt;
}

std::string text_of(const GgufValue& value) {
  return {reinterpret_cast<const char*>(value.bytes.data()) + 8, value.bytes.size() - 8};
}

bool is_off(const GgufValue& value) {
  if (const auto number = number_of(value)) return *number == 0.0;
  if (value.type == GgufValueType::string) return text_of(value).empty();
  if (value.element == GgufValueType::string) return value.count == 0;
  return std::all_of(value.bytes.begin(), value.bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

bool is_harmless(const GgufValue& value, Harmless rule) {
  const auto number = number_of(value);
  switch (rule) {
    case off:
      return is_off(value);
    case not_positive:
      return is_off(value) || (number && *number <= 0.0);
    case one:
      return number == 1.0;
    case off_or_one:
      return is_off(value) || number == 1.0;
    case on:
      return number == 1.0;
    case special:
      return true;
  }
  return false;
}

std::string show(const GgufValue& value) {
  if (value.type == GgufValueType::boolean) return number_of(value) == 0.0 ? "false" : "true";
  if (value.type == GgufValueType::f32) return fmt::format("{}", gguf::load<float>(value.bytes.data()));
  if (const auto number = number_of(value)) return fmt::format("{}", *number);
  if (value.type == GgufValueType::string) return "\"" + printable(text_of(value)) + "\"";
  return fmt::format("an array of {} {}", value.count, to_string(value.element));
}

}  // namespace

std::span<const ConfigKey> gguf_keys() {
  return kGgufKeys;
}

void check_gguf_keys(const GgufMetadata& metadata, const Family& family, std::vector<std::string>& notes) {
  const std::string prefix = std::string(family.gguf_architecture) + ".";
  for (const auto& [full, value] : metadata.values()) {
    if (!full.starts_with(prefix)) continue;
    const std::string name = full.substr(prefix.size());
    const auto key = std::find_if(std::begin(kGgufKeys), std::end(kGgufKeys),
                                  [&](const ConfigKey& k) { return k.name == name && is_for(k, family.id); });
    if (key != std::end(kGgufKeys)) {
      if (key->use == refused && !is_harmless(value, key->harmless))
        metadata.refuse(full, show(value), std::string(key->rule));
      continue;
    }
    if (is_off(value)) continue;
    if (names_a_change(name)) metadata.refuse(full, show(value), "none, or off");
    notes.push_back(fmt::format("{} = {} is a key that strata does not know and does not use",
                                printable(full), show(value)));
  }
}

}  // namespace strata
