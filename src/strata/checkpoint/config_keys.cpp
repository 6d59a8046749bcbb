// Read from transformers 5.24: configuration_*.py of the families, configuration_utils.py,
// modeling_rope_utils.py, masking_utils.py and what the three modeling files take of the configuration.
#include "strata/checkpoint/config_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "strata/checkpoint/strict_json.h"

namespace strata {
namespace {

using nlohmann::json;
using enum KeyUse;
using enum Harmless;

constexpr std::string_view kAll = "";
constexpr std::string_view kSwitched = "qwen2 qwen3 smollm3 qwen2_moe qwen3_moe";  // use_sliding_window
constexpr std::string_view kHybrid = "qwen3_next qwen3_5 qwen3_5_moe";
constexpr std::string_view kNoHybrid = "!qwen3_next qwen3_5 qwen3_5_moe";
constexpr std::string_view kMixtures = "qwen2_moe qwen3_moe mixtral qwen3_next qwen3_5_moe";
constexpr std::string_view kNoMixtures = "!qwen2_moe qwen3_moe mixtral qwen3_next qwen3_5_moe";
constexpr std::string_view kQwenMixtures = "qwen2_moe qwen3_moe qwen3_next qwen3_5_moe";
constexpr std::string_view kNoQwenMixtures = "!qwen2_moe qwen3_moe qwen3_next qwen3_5_moe";
constexpr std::string_view kShared = "qwen2_moe qwen3_next qwen3_5_moe";
constexpr std::string_view kNoShared = "!qwen2_moe qwen3_next qwen3_5_moe";
constexpr std::string_view kSomeBlocks = "qwen2_moe qwen3_moe qwen3_next";
constexpr std::string_view kPartial = "phi3 qwen3_next qwen3_5 qwen3_5_moe";  // partial_rotary_factor
constexpr std::string_view kNotPartial = "!phi3 qwen3_next qwen3_5 qwen3_5_moe";
constexpr std::string_view kNoPhi3 = "!phi3";
constexpr std::string_view kMultimodal = "qwen3_5 qwen3_5_moe";

// clang-format off
constexpr ConfigKey kConfigKeys[] = {
    {"architectures", kAll, computed, special, "the class; absent or empty: model_type decides; the base class (`LlamaModel`) is taken for it"},
    {"model_type", kAll, computed, special, "the family; absent: architectures decides"},
    {"num_hidden_layers", kAll, computed, special, "blocks; absent: the class's, 24 to 48"},
    {"hidden_size", kAll, computed, special, "width; absent: 4096, 3072 or 2048, the class's"},
    {"intermediate_size", "!qwen3_5_moe", computed, special, "width of the MLP, in mixtral of each expert; absent: the class's"},
    {"num_attention_heads", kAll, computed, special, "heads; absent: 32 or 16, the class's"},
    {"num_key_value_heads", kAll, computed, special, "null: as many as heads; absent: likewise (llama), else the class's"},
    {"head_dim", kAll, computed, special, "absent or null: hidden_size / heads; absent in qwen3 and ministral3: 128, in qwen3_next and qwen3_5: 256"},
    {"vocab_size", kAll, computed, special, "rows of the embedding; absent: the class's"},
    {"max_position_embeddings", kAll, computed, special, "the longest window of text; original context of scaled rope where none is given, and of `dynamic`; absent: the class's"},
    {"original_max_position_embeddings", kAll, computed, special, "of scaled rope; at the top level it wins over the one in the section (phi3: 4096 where it is absent there)"},
    {"rms_norm_eps", kAll, computed, special, "absent: 1e-6 (ministral3, mixtral, phi3: 1e-5)"},
    {"rope_theta", kAll, computed, special, "absent: 10000 (ministral3, mixtral: 1e6, smollm3: 2e6); must agree with the one in a section"},
    {"rope_scaling", kAll, computed, special, "the section of rotary positions, older name"},
    {"rope_parameters", kAll, computed, special, "the section of rotary positions; ministral3 must have one"},
    {"tie_word_embeddings", kAll, computed, special, "absent: false (smollm3: true)"},
    {"layer_types", "llama", computed, special, "`full_attention`"},
    {"layer_types", "qwen2 qwen3 ministral smollm3 qwen2_moe", computed, special, "`full_attention` or `sliding_attention`, which then is the block's whatever the other keys say"},
    {"layer_types", kHybrid, computed, special, "`full_attention` or `linear_attention` (the gated delta rule)"},
    {"layer_types", "mistral ministral3 mixtral qwen3_moe phi3", unused, off, "not read by these classes"},
    {"full_attention_interval", kHybrid, computed, special, "without layer_types: each so many-th block has attention; absent: 4"},
    {"linear_num_key_heads", kHybrid, computed, special, "of the gated delta rule; absent: 16"},
    {"linear_num_value_heads", kHybrid, computed, special, "of the gated delta rule; absent: 32"},
    {"linear_key_head_dim", kHybrid, computed, special, "of the gated delta rule; absent: 128"},
    {"linear_value_head_dim", kHybrid, computed, special, "of the gated delta rule; absent: 128"},
    {"linear_conv_kernel_dim", kHybrid, computed, special, "taps of its convolution; absent: 4"},
    {"sliding_window", "mistral ministral ministral3 mixtral phi3", computed, special, "tokens that a sliding block sees, its own included; null: none; absent: 4096 (ministral3, mixtral, phi3: none). Every block slides (ministral: by layer_types, else every)"},
    {"sliding_window", kSwitched, computed, special, "counts with use_sliding_window: tokens that a sliding block sees, its own included; absent: 4096 (smollm3: none)"},
    {"use_sliding_window", kSwitched, computed, special, "absent: false"},
    {"max_window_layers", "qwen2 qwen3", computed, special, "the first block that slides, without layer_types; absent: 28"},
    {"max_window_layers", "qwen2_moe", computed, special, "without layer_types the even blocks below it slide; absent: 28"},
    {"is_causal", kAll, refused, on, "true (false takes the causal mask away in transformers 5)"},
    {"attention_bias", "llama qwen3 smollm3 qwen3_moe", computed, special, "biases on q, k, v and o; absent: false"},
    {"mlp_bias", "llama smollm3", computed, special, "biases on gate, up and down; absent: false"},
    {"attention_bias", kHybrid, refused, off, "false"},
    {"qkv_bias", "qwen2_moe", computed, special, "biases on q, k and v; absent: true"},
    {"qkv_bias", "!qwen2_moe", refused, special, "the family's own: true in qwen2, else false"},
    {"hidden_act", kAll, refused, special, "`silu` or its other name `swish`; absent: silu"},
    {"partial_rotary_factor", kPartial, computed, special, "the share of each head that is rotated, its first dimensions; absent: 0.25 (phi3: 1)"},
    {"partial_rotary_factor", kNotPartial, refused, one, "1"},
    {"quantization_config", kAll, refused, off, "none: weights in F32, F16 or BF16"},
    {"compression_config", kAll, refused, off, "none: weights in F32, F16 or BF16"},
    {"auto_map", kNoPhi3, refused, special, "no AutoModel: the repository's own code is never run"},
    {"auto_map", "phi3", unused, off, "the repository's own code is never run; a note says so"},
    {"per_layer_config", kAll, refused, off, "none: every block has the same shape"},
    {"block_configs", kAll, refused, off, "none: every block has the same shape"},
    {"transformers_weights", kAll, refused, off, "none: the weights under their usual names"},
    {"is_encoder_decoder", kAll, refused, off, "false"},
    {"add_cross_attention", kAll, refused, off, "false"},
    {"pruned_heads", kAll, refused, off, "none"},
    {"num_experts", kQwenMixtures, computed, special, "experts of a mixture; absent: the class's"},
    {"num_experts", kNoQwenMixtures, refused, off, "no mixture of experts"},
    {"num_local_experts", "mixtral", computed, special, "experts of a mixture; absent: 8"},
    {"num_local_experts", "qwen3_moe", computed, special, "other name of num_experts"},
    {"num_local_experts", "!mixtral qwen3_moe", refused, off, "no mixture of experts under this name"},
    {"num_experts_per_tok", kMixtures, computed, special, "experts that a token takes; absent: the class's"},
    {"num_experts_per_tok", kNoMixtures, refused, off, "no mixture of experts"},
    {"moe_intermediate_size", kQwenMixtures, computed, special, "width of an expert; absent: the class's"},
    {"moe_intermediate_size", kNoQwenMixtures, refused, off, "no mixture of experts"},
    {"shared_expert_intermediate_size", kShared, computed, special, "width of the shared expert; absent: the class's"},
    {"shared_expert_intermediate_size", kNoShared, refused, off, "no shared expert"},
    {"norm_topk_prob", kSomeBlocks, computed, special, "whether the weights of the experts taken are made to sum to 1; absent: false (qwen3_next: true)"},
    {"norm_topk_prob", "!qwen2_moe qwen3_moe qwen3_next", unused, off, "not read by these classes"},
    {"mlp_only_layers", kSomeBlocks, computed, special, "blocks that have an MLP in place of the mixture"},
    {"mlp_only_layers", "!qwen2_moe qwen3_moe qwen3_next", refused, off, "none"},
    {"decoder_sparse_step", kSomeBlocks, computed, special, "each so many-th block has a mixture; absent: 1"},
    {"decoder_sparse_step", "!qwen2_moe qwen3_moe qwen3_next", refused, off_or_one, "1"},
    {"intermediate_size", "qwen3_5_moe", unused, off, "not a field of the class: every block has a mixture"},
    {"n_routed_experts", kAll, refused, off, "no mixture of experts under this name"},
    {"n_shared_experts", kAll, refused, off, "no shared experts under this name"},
    {"output_router_logits", kAll, unused, off, "what is returned"},
    {"router_aux_loss_coef", kAll, unused, off, "training only"},
    {"router_jitter_noise", kAll, unused, off, "training only"},
    {"text_config", kMultimodal, unused, off, "of a multimodal model: its keys are the text model's, and count"},
    {"vision_config", kMultimodal, unused, off, "of the vision tower, whose tensors are left alone"},
    {"image_token_id", kMultimodal, unused, off, "of images"},
    {"video_token_id", kMultimodal, unused, off, "of images"},
    {"vision_start_token_id", kMultimodal, unused, off, "of images"},
    {"vision_end_token_id", kMultimodal, unused, off, "of images"},
    {"mtp_num_hidden_layers", kMultimodal, unused, off, "of the head for several tokens, whose tensors are left alone"},
    {"mtp_use_dedicated_embeddings", kMultimodal, unused, off, "likewise"},
    {"attn_output_gate", kHybrid, refused, on, "true: these classes always have the gate"},
    {"mamba_ssm_dtype", kHybrid, unused, off, "of the delta rule's state: float32"},
    {"logit_scale", kAll, refused, one, "1"},
    {"logits_scaling", kAll, refused, one, "1"},
    {"embedding_multiplier", kAll, refused, one, "1"},
    {"residual_multiplier", kAll, refused, one, "1"},
    {"attention_multiplier", kAll, refused, off, "none"},
    {"scale_emb", kAll, refused, one, "1"},
    {"scale_depth", kAll, refused, off, "none"},
    {"clip_qkv", kAll, refused, off, "none"},
    {"attn_logit_softcapping", kAll, refused, off, "none"},
    {"final_logit_softcapping", kAll, refused, off, "none"},
    {"query_pre_attn_scalar", kAll, refused, off, "none"},
    {"attention_chunk_size", kAll, refused, off, "none"},
    {"sliding_window_pattern", kAll, refused, off, "none"},
    {"no_rope_layers", "smollm3", computed, special, "0: the block has no rotation; absent: by the interval"},
    {"no_rope_layer_interval", "smollm3", computed, special, "each so many-th block has no rotation; absent: 4"},
    {"no_rope_layers", "!smollm3", refused, off, "none"},
    {"no_rope_layer_interval", "!smollm3", refused, off, "none"},
    {"use_bidirectional_attention", kAll, refused, off, "false"},
    {"use_qk_norm", kAll, refused, special, "the family's own: true in qwen3, else false"},
    {"use_mrope", kAll, refused, off, "false"},
    {"rope_interleaved", kAll, refused, off, "false"},
    {"pretraining_tp", kAll, unused, off, "the same product in slices"},
    {"bos_token_id", kAll, unused, off, "-1, null, `none` or an id beyond the vocabulary: no such token"},
    {"eos_token_id", kAll, unused, off, "likewise; the first one divides documents of a text"},
    {"pad_token_id", kAll, unused, off, "no padding here"},
    {"dtype", kAll, unused, off, "of the stored weights; strata computes in float32"},
    {"torch_dtype", kAll, unused, off, "older name of dtype"},
    {"attention_dropout", kAll, unused, off, "training only"},
    {"hidden_dropout", kAll, unused, off, "training only"},
    {"resid_pdrop", kAll, unused, off, "training only"},
    {"embd_pdrop", kAll, unused, off, "training only"},
    {"initializer_range", kAll, unused, off, "training only"},
    {"gradient_checkpointing", kAll, unused, off, "training only"},
    {"use_cache", kAll, unused, off, "no cache here"},
    {"sliding_window", "llama", unused, off, "not a field of LlamaConfig"},
    {"sliding_window", kHybrid, unused, off, "not a field of the class"},
    {"use_sliding_window", "llama mistral ministral ministral3 mixtral phi3 qwen3_next qwen3_5 qwen3_5_moe", unused, off, "not a field of the class"},
    {"max_window_layers", "!qwen2 qwen3 qwen2_moe", unused, off, "not a field of the class"},
    {"attention_bias", "qwen2", unused, off, "not a field of Qwen2Config: q, k, v always have a bias"},
    {"attention_bias", "mistral ministral ministral3 mixtral phi3", unused, off, "not a field of the class: no biases"},
    {"attention_bias", "qwen2_moe", unused, off, "not a field of the class: qkv_bias is"},
    {"mlp_bias", "!llama smollm3", unused, off, "not a field of the class"},
    {"chunk_size_feed_forward", kAll, unused, off, "the same product in slices"},
    {"tie_last_hidden_states", kAll, unused, off, "which state transformers lists last"},
    {"output_hidden_states", kAll, unused, off, "what is returned"},
    {"output_attentions", kAll, unused, off, "what is returned"},
    {"return_dict", kAll, unused, off, "what is returned"},
    {"use_return_dict", kAll, unused, off, "what is returned"},
    {"torchscript", kAll, unused, off, "what is returned"},
    {"id2label", kAll, unused, off, "of classifiers"},
    {"label2id", kAll, unused, off, "of classifiers"},
    {"num_labels", kAll, unused, off, "of classifiers"},
    {"problem_type", kAll, unused, off, "of classifiers"},
    {"finetuning_task", kAll, unused, off, "a name"},
    {"task_specific_params", kAll, unused, off, "of generation"},
    {"is_decoder", kAll, unused, off, "not read by these classes"},
    {"cross_attention_hidden_size", kAll, unused, off, "not read by these classes"},
    {"tie_encoder_decoder", kAll, unused, off, "not read by these classes"},
    {"attn_implementation", kAll, unused, off, "which kernel"},
    {"_attn_implementation", kAll, unused, off, "which kernel"},
    {"_attn_implementation_autoset", kAll, unused, off, "which kernel"},
    {"_attn_implementation_internal", kAll, unused, off, "which kernel"},
    {"experts_implementation", kAll, unused, off, "which kernel"},
    {"_experts_implementation", kAll, unused, off, "which kernel"},
    {"_experts_implementation_internal", kAll, unused, off, "which kernel"},
    {"_flash_attn_2_enabled", kAll, unused, off, "which kernel"},
    {"use_flash_attn", kAll, unused, off, "which kernel"},
    {"distributed_config", kAll, unused, off, "how the weights are spread"},
    {"fusion_config", kAll, unused, off, "the same products, fused"},
    {"use_bfloat16", kAll, unused, off, "of TPUs"},
    {"tf_legacy_loss", kAll, unused, off, "of TensorFlow"},
    {"tokenizer_class", kAll, unused, off, "of the tokenizer"},
    {"prefix", kAll, unused, off, "of pipelines"},
    {"sep_token_id", kAll, unused, off, "of generation"},
    {"decoder_start_token_id", kAll, unused, off, "of generation"},
    {"max_sequence_length", kAll, unused, off, "older name of max_position_embeddings that transformers does not read"},
    {"is_llama_config", kAll, unused, off, "a mark of nanotron"},
    {"transformers_version", kAll, unused, off, "a name"},
    {"_name_or_path", kAll, unused, off, "a name"},
    {"name_or_path", kAll, unused, off, "a name"},
    {"_commit_hash", kAll, unused, off, "a name"},
    {"transformers.js_config", kAll, unused, off, "of transformers.js"},
    {"unsloth_fixed", kAll, unused, off, "a mark of unsloth"},
    {"unsloth_version", kAll, unused, off, "a mark of unsloth"},
    {"rope.rope_type", kAll, computed, special, "`default`, `linear`, `dynamic`, `yarn`, `llama3`, `longrope`; absent: default. In phi3 `default` or `longrope`, whose older names are `su` and `yarn`"},
    {"rope.type", kAll, computed, special, "older name of rope_type"},
    {"rope.rope_theta", kAll, computed, special, "absent: the one at the top level"},
    {"rope.factor", kAll, computed, special, "of every scaling; absent or null in `yarn` and `longrope`: max_position_embeddings / original"},
    {"rope.low_freq_factor", kNoPhi3, computed, special, "of `llama3`"},
    {"rope.high_freq_factor", kNoPhi3, computed, special, "of `llama3`"},
    {"rope.original_max_position_embeddings", kNoPhi3, computed, special, "of `llama3`, `yarn`, `longrope`; absent: max_position_embeddings"},
    {"rope.llama_4_scaling_beta", "ministral3", computed, special, "of the queries: times 1 + beta ln(1 + floor(position / original context)); must be there"},
    {"rope.llama_4_scaling_beta", "!ministral3", refused, off, "none"},
    {"rope.max_position_embeddings", "ministral3", unused, off, "a copy of the one at the top level"},
    {"rope.partial_rotary_factor", kPartial, computed, special, "as partial_rotary_factor, which it overrules"},
    {"rope.partial_rotary_factor", kNotPartial, refused, one, "1"},
    {"rope.mrope_interleaved", kHybrid, unused, off, "likewise"},
    {"rope.attention_factor", kAll, computed, special, "of `yarn` and `longrope`, on cosine and sine; absent: by the formula"},
    {"rope.beta_fast", kNoPhi3, computed, special, "of `yarn`; absent: 32"},
    {"rope.beta_slow", kNoPhi3, computed, special, "of `yarn`; absent: 1"},
    {"rope.mscale", kNoPhi3, computed, special, "of `yarn`, with mscale_all_dim: the attention factor where none is given"},
    {"rope.mscale_all_dim", kNoPhi3, computed, special, "of `yarn`, with mscale"},
    {"rope.truncate", kNoPhi3, computed, special, "of `yarn`: whole frequencies as ends of the ramp; absent: true"},
    {"rope.short_factor", kAll, computed, special, "of `longrope`: divisors of the frequencies for texts up to the original context"},
    {"rope.long_factor", kAll, computed, special, "of `longrope`: divisors for longer texts"},
    {"rope.original_max_position_embeddings", "phi3", unused, off, "the one at the top level wins, 4096 where it is absent"},
    {"rope.low_freq_factor", "phi3", unused, off, "of scalings that the class does not have"},
    {"rope.high_freq_factor", "phi3", unused, off, "of scalings that the class does not have"},
    {"rope.beta_fast", "phi3", unused, off, "of scalings that the class does not have"},
    {"rope.beta_slow", "phi3", unused, off, "of scalings that the class does not have"},
    {"rope.mscale", "phi3", unused, off, "of scalings that the class does not have"},
    {"rope.mscale_all_dim", "phi3", unused, off, "of scalings that the class does not have"},
    {"rope.truncate", "phi3", unused, off, "of scalings that the class does not have"},
    {"rope.mrope_section", kAll, unused, off, "of multimodal models; text positions are the same in every section"},
};
// clang-format on

// Parameters of generation that older transformers wrote into config.json (GenerationConfig).
constexpr std::string_view kGeneration[] = {"max_length",
                                            "max_new_tokens",
                                            "min_length",
                                            "min_new_tokens",
                                            "early_stopping",
                                            "max_time",
                                            "stop_strings",
                                            "do_sample",
                                            "num_beams",
                                            "num_beam_groups",
                                            "cache_implementation",
                                            "cache_config",
                                            "temperature",
                                            "top_k",
                                            "top_p",
                                            "min_p",
                                            "top_h",
                                            "typical_p",
                                            "epsilon_cutoff",
                                            "eta_cutoff",
                                            "repetition_penalty",
                                            "encoder_repetition_penalty",
                                            "length_penalty",
                                            "diversity_penalty",
                                            "no_repeat_ngram_size",
                                            "encoder_no_repeat_ngram_size",
                                            "bad_words_ids",
                                            "renormalize_logits",
                                            "forced_bos_token_id",
                                            "forced_eos_token_id",
                                            "remove_invalid_values",
                                            "exponential_decay_length_penalty",
                                            "suppress_tokens",
                                            "begin_suppress_tokens",
                                            "sequence_bias",
                                            "guidance_scale",
                                            "num_return_sequences",
                                            "output_scores",
                                            "output_logits",
                                            "return_dict_in_generate",
                                            "penalty_alpha"};

const ConfigKey* find_key(std::string_view name, std::string_view family) {
  const auto found = std::find_if(std::begin(kConfigKeys), std::end(kConfigKeys), [&](const ConfigKey& key) {
    return key.name == name && is_for(key, family);
  });
  return found == std::end(kConfigKeys) ? nullptr : found;
}

bool is_off(const json& value) {
  return value.is_null() || value == json(false) || value == json(0) || value == json("") ||
         ((value.is_array() || value.is_object()) && value.empty());
}

bool is_harmless(const json& value, Harmless rule) {
  switch (rule) {
    case off:
      return is_off(value);
    case not_positive:
      return is_off(value) || (value.is_number() && value.get<double>() <= 0.0);
    case one:
      return value.is_null() || value == json(1);
    case off_or_one:
      return is_off(value) || value == json(1);
    case on:
      return value == json(true);
    case special:
      return true;
  }
  return false;
}

void check_unknown(const ConfigReader& file, const std::string& name, const json& value,
                   std::vector<std::string>& notes) {
  if (is_off(value)) return;
  if (names_a_change(name)) file.refuse(name.c_str(), ConfigReader::show(value), "none, or off");
  notes.push_back(fmt::format("config.json: {} = {} is a key that neither strata nor transformers uses here",
                              printable(name), ConfigReader::show(value)));
}

void check_section(const ConfigReader& file, const Family& family, std::string_view prefix,
                   std::vector<std::string>& notes) {
  for (const auto& [name, value] : file.object().items()) {
    const ConfigKey* key = find_key(std::string(prefix) + name, family.id);
    if (key == nullptr) {
      const bool generation =
          std::find(std::begin(kGeneration), std::end(kGeneration), name) != std::end(kGeneration) &&
          prefix.empty();
      if (generation) continue;
      // Sections by kind of layer lie one below the other.
      if (!prefix.empty() && value.is_object()) file.refuse(name.c_str(), "an object", "numbers");
      check_unknown(file, name, value, notes);
    } else if (key->use == refused && !is_harmless(value, key->harmless)) {
      file.refuse(name.c_str(), ConfigReader::show(value), key->rule);
    }
  }
}

std::string families_in_words(const ConfigKey& key) {
  if (key.families.empty()) return "all";
  return key.families.starts_with('!') ? "all but " + std::string(key.families.substr(1))
                                       : std::string(key.families);
}

std::string table_of(std::span<const ConfigKey> keys) {
  std::string out = "| Key | Families | | |\n| --- | --- | --- | --- |\n";
  for (const ConfigKey& key : keys) {
    if (key.use == unused) continue;
    out += fmt::format("| `{}` | {} | {} | {} |\n", key.name, families_in_words(key),
                       key.use == computed ? "computed" : "refused unless", key.rule);
  }
  out += "\nWithout effect:\n\n";
  for (const ConfigKey& key : keys) {
    if (key.use != unused) continue;
    out += fmt::format("- `{}`{}: {}\n", key.name,
                       key.families.empty() ? "" : fmt::format(" ({})", families_in_words(key)), key.rule);
  }
  return out;
}

}  // namespace

bool is_for(const ConfigKey& key, std::string_view family) {
  const bool all_but = key.families.starts_with('!');
  std::string_view rest = key.families.substr(all_but ? 1 : 0);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    if (rest.substr(0, end) == family) return !all_but;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return all_but || key.families.empty();
}

std::span<const ConfigKey> config_keys() {
  return kConfigKeys;
}

bool names_a_change(std::string_view key) {
  constexpr std::string_view kWords[] = {
      "softcap", "bidirectional", "alibi",         "multiplier",  "mup_",          "moe",
      "expert",  "sink",          "logit_scal",    "logits_scal", "residual_scal", "embedding_scal",
      "qk_norm", "qk_layernorm",  "parallel_",     "causal",      "chunk",         "nope",
      "no_rope", "rotary",        "clamp",         "rope_scal",   "rope.scal",     "sliding",
      "window",  "attn_factor",   "softmax_scale", "lora"};
  // Size of the MLP in Meta's own files.
  if (key == "ffn_dim_multiplier") return false;
  return std::any_of(std::begin(kWords), std::end(kWords),
                     [&](std::string_view word) { return key.find(word) != std::string_view::npos; });
}

void check_config_keys(const ConfigReader& file, const Family& family, std::vector<std::string>& notes) {
  check_section(file, family, "", notes);
  for (const char* name : {"rope_scaling", "rope_parameters"}) {
    if (const auto section = file.section(name)) check_section(*section, family, "rope.", notes);
  }
}

std::string key_tables_markdown() {
  std::string generation;
  for (const std::string_view name : kGeneration)
    generation += fmt::format("{}`{}`", generation.empty() ? "" : ", ", name);
  return "### Keys of config.json\n\n`rope.` stands for the section `rope_parameters` or "
         "`rope_scaling`.\n\n" +
         table_of(config_keys()) + "- of generation: " + generation + "\n" +
         "\n### Keys of GGUF metadata\n\nBelow the architecture's name (`llama.`, `qwen2.`, `qwen3.`, "
         "`mistral3.`, `smollm3.`).\n\n" +
         table_of(gguf_keys());
}

}  // namespace strata
