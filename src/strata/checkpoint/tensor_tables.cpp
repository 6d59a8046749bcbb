// The tensors of the families, by role: names of transformers, which its decoders share, and of llama.cpp
// (gguf-py's tensor_mapping.py), and their shapes.
#include "strata/checkpoint/tensor_tables.h"

#include <array>

namespace strata {
namespace {

using enum Role;

std::int64_t query_width(const ModelConfig& c) {
  return std::int64_t{c.heads} * c.head_dim;
}
std::int64_t key_width(const ModelConfig& c) {
  return std::int64_t{c.kv_heads} * c.head_dim;
}
std::int64_t delta_key_width(const ModelConfig& c) {
  return std::int64_t{c.delta.key_heads} * c.delta.key_dim;
}
std::int64_t delta_value_width(const ModelConfig& c) {
  return std::int64_t{c.delta.value_heads} * c.delta.value_dim;
}
std::int64_t delta_channels(const ModelConfig& c) {
  return 2 * delta_key_width(c) + delta_value_width(c);
}

// (vocabulary, hidden): one row for each token, for the embedding and the unembedding alike.
TensorShape token_rows(const ModelConfig& c) {
  return {c.vocab, c.hidden};
}
TensorShape hidden_vector(const ModelConfig& c) {
  return {c.hidden};
}
// Linear layers are stored (out, in).
TensorShape hidden_to_query(const ModelConfig& c) {
  return {query_width(c), c.hidden};
}
TensorShape hidden_to_gated_query(const ModelConfig& c) {
  return {2 * query_width(c), c.hidden};
}
TensorShape hidden_to_key(const ModelConfig& c) {
  return {key_width(c), c.hidden};
}
TensorShape query_to_hidden(const ModelConfig& c) {
  return {c.hidden, query_width(c)};
}
TensorShape query_vector(const ModelConfig& c) {
  return {query_width(c)};
}
TensorShape key_vector(const ModelConfig& c) {
  return {key_width(c)};
}
TensorShape head_vector(const ModelConfig& c) {
  return {c.head_dim};
}
TensorShape ffn_vector(const ModelConfig& c) {
  return {c.ffn};
}
TensorShape hidden_to_ffn(const ModelConfig& c) {
  return {c.ffn, c.hidden};
}
TensorShape ffn_to_hidden(const ModelConfig& c) {
  return {c.hidden, c.ffn};
}
TensorShape hidden_to_experts(const ModelConfig& c) {
  return {c.experts->count, c.hidden};
}
TensorShape hidden_to_expert(const ModelConfig& c) {
  return {c.experts->width, c.hidden};
}
TensorShape expert_to_hidden(const ModelConfig& c) {
  return {c.hidden, c.experts->width};
}
TensorShape hidden_to_all_experts(const ModelConfig& c) {
  return {c.experts->count, c.experts->width, c.hidden};
}
TensorShape hidden_to_gate_and_up(const ModelConfig& c) {
  return {c.experts->count, 2 * std::int64_t{c.experts->width}, c.hidden};
}
TensorShape all_experts_to_hidden(const ModelConfig& c) {
  return {c.experts->count, c.hidden, c.experts->width};
}
TensorShape hidden_to_one(const ModelConfig& c) {
  return {1, c.hidden};
}
TensorShape hidden_to_shared(const ModelConfig& c) {
  return {c.experts->shared_width, c.hidden};
}
TensorShape shared_to_hidden(const ModelConfig& c) {
  return {c.hidden, c.experts->shared_width};
}
TensorShape hidden_to_channels(const ModelConfig& c) {
  return {delta_channels(c), c.hidden};
}
TensorShape hidden_to_delta_value(const ModelConfig& c) {
  return {delta_value_width(c), c.hidden};
}
TensorShape hidden_to_value_heads(const ModelConfig& c) {
  return {c.delta.value_heads, c.hidden};
}
TensorShape channel_taps(const ModelConfig& c) {
  return {delta_channels(c), 1, c.delta.kernel};
}
TensorShape value_head_vector(const ModelConfig& c) {
  return {c.delta.value_heads};
}
TensorShape delta_value_vector(const ModelConfig& c) {
  return {c.delta.value_dim};
}
TensorShape delta_value_to_hidden(const ModelConfig& c) {
  return {c.hidden, delta_value_width(c)};
}
TensorShape hidden_to_channels_and_gate(const ModelConfig& c) {
  return {delta_channels(c) + delta_value_width(c), c.hidden};
}
TensorShape hidden_to_write_and_step(const ModelConfig& c) {
  return {2 * std::int64_t{c.delta.value_heads}, c.hidden};
}

TensorShape hidden_to_query_key_value(const ModelConfig& c) {
  return {query_width(c) + 2 * key_width(c), c.hidden};
}
TensorShape hidden_to_ffn_twice(const ModelConfig& c) {
  return {2 * std::int64_t{c.ffn}, c.hidden};
}

bool is_untied(const ModelConfig& c, const BlockDescription&) {
  return !c.tied_embeddings && c.has_head;
}
bool attends(const ModelConfig&, const BlockDescription& b) {
  return b.mixer == Mixer::attention;
}
bool gates_attention(const ModelConfig& c, const BlockDescription& b) {
  return attends(c, b) && b.attention.output_gate;
}
bool has_qkv_bias(const ModelConfig& c, const BlockDescription& b) {
  return attends(c, b) && b.attention.qkv_bias;
}
bool has_output_bias(const ModelConfig& c, const BlockDescription& b) {
  return attends(c, b) && b.attention.output_bias;
}
bool has_qk_norm(const ModelConfig& c, const BlockDescription& b) {
  return attends(c, b) && b.attention.qk_norm;
}
bool has_delta_rule(const ModelConfig&, const BlockDescription& b) {
  return b.mixer == Mixer::delta_rule;
}
bool is_dense(const ModelConfig&, const BlockDescription& b) {
  return b.feed_forward.experts == 0;
}
bool has_mlp_bias(const ModelConfig&, const BlockDescription& b) {
  return b.feed_forward.bias;
}
bool is_mixture(const ModelConfig&, const BlockDescription& b) {
  return b.feed_forward.experts > 0;
}
bool has_shared_expert(const ModelConfig&, const BlockDescription& b) {
  return b.feed_forward.shared_width > 0;
}

constexpr Scope kOnce = Scope::model, kBlock = Scope::block, kExpert = Scope::expert;

template <std::size_t... n>
constexpr auto joined(const std::array<TensorRule, n>&... parts) {
  std::array<TensorRule, (n + ...)> all{};
  std::size_t at = 0;
  const auto add = [&](const auto& part) {
    for (const TensorRule& rule : part) all[at++] = rule;
  };
  (add(parts), ...);
  return all;
}

constexpr std::array<TensorRule, 5> kEnds{{
    {embedding, "model.embed_tokens.weight", "token_embd.weight", kOnce, nullptr, token_rows},
    {final_norm, "model.norm.weight", "output_norm.weight", kOnce, nullptr, hidden_vector},
    {unembedding, "lm_head.weight", "output.weight", kOnce, is_untied, token_rows},
    {attention_norm, "model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight", kBlock, nullptr,
     hidden_vector},
    {mlp_norm, "model.layers.{}.post_attention_layernorm.weight", "blk.{}.ffn_norm.weight", kBlock, nullptr,
     hidden_vector},
}};

constexpr std::array<TensorRule, 10> kAttention{{
    {query, "model.layers.{}.self_attn.q_proj.weight", "blk.{}.attn_q.weight", kBlock, attends,
     hidden_to_query},
    {key, "model.layers.{}.self_attn.k_proj.weight", "blk.{}.attn_k.weight", kBlock, attends, hidden_to_key},
    {value, "model.layers.{}.self_attn.v_proj.weight", "blk.{}.attn_v.weight", kBlock, attends,
     hidden_to_key},
    {attention_output, "model.layers.{}.self_attn.o_proj.weight", "blk.{}.attn_output.weight", kBlock,
     attends, query_to_hidden},
    {query_bias, "model.layers.{}.self_attn.q_proj.bias", "blk.{}.attn_q.bias", kBlock, has_qkv_bias,
     query_vector},
    {key_bias, "model.layers.{}.self_attn.k_proj.bias", "blk.{}.attn_k.bias", kBlock, has_qkv_bias,
     key_vector},
    {value_bias, "model.layers.{}.self_attn.v_proj.bias", "blk.{}.attn_v.bias", kBlock, has_qkv_bias,
     key_vector},
    {output_bias, "model.layers.{}.self_attn.o_proj.bias", "blk.{}.attn_output.bias", kBlock, has_output_bias,
     hidden_vector},
    {query_norm, "model.layers.{}.self_attn.q_norm.weight", "blk.{}.attn_q_norm.weight", kBlock, has_qk_norm,
     head_vector},
    {key_norm, "model.layers.{}.self_attn.k_norm.weight", "blk.{}.attn_k_norm.weight", kBlock, has_qk_norm,
     head_vector},
}};

constexpr std::array<TensorRule, 6> kMlp{{
    {gate, "model.layers.{}.mlp.gate_proj.weight", "blk.{}.ffn_gate.weight", kBlock, is_dense, hidden_to_ffn},
    {up, "model.layers.{}.mlp.up_proj.weight", "blk.{}.ffn_up.weight", kBlock, is_dense, hidden_to_ffn},
    {down, "model.layers.{}.mlp.down_proj.weight", "blk.{}.ffn_down.weight", kBlock, is_dense, ffn_to_hidden},
    {gate_bias, "model.layers.{}.mlp.gate_proj.bias", "blk.{}.ffn_gate.bias", kBlock, has_mlp_bias,
     ffn_vector},
    {up_bias, "model.layers.{}.mlp.up_proj.bias", "blk.{}.ffn_up.bias", kBlock, has_mlp_bias, ffn_vector},
    {down_bias, "model.layers.{}.mlp.down_proj.bias", "blk.{}.ffn_down.bias", kBlock, has_mlp_bias,
     hidden_vector},
}};

// GGUF files hold the experts stacked (kPackedExperts).
constexpr std::array<TensorRule, 8> kQwenExperts{{
    {router, "model.layers.{}.mlp.gate.weight", "blk.{}.ffn_gate_inp.weight", kBlock, is_mixture,
     hidden_to_experts},
    {expert_gate, "model.layers.{}.mlp.experts.{}.gate_proj.weight", "", kExpert, is_mixture,
     hidden_to_expert},
    {expert_up, "model.layers.{}.mlp.experts.{}.up_proj.weight", "", kExpert, is_mixture, hidden_to_expert},
    {expert_down, "model.layers.{}.mlp.experts.{}.down_proj.weight", "", kExpert, is_mixture,
     expert_to_hidden},
    {shared_expert_gate, "model.layers.{}.mlp.shared_expert_gate.weight", "blk.{}.ffn_gate_inp_shexp.weight",
     kBlock, has_shared_expert, hidden_to_one},
    {shared_gate, "model.layers.{}.mlp.shared_expert.gate_proj.weight", "blk.{}.ffn_gate_shexp.weight",
     kBlock, has_shared_expert, hidden_to_shared},
    {shared_up, "model.layers.{}.mlp.shared_expert.up_proj.weight", "blk.{}.ffn_up_shexp.weight", kBlock,
     has_shared_expert, hidden_to_shared},
    {shared_down, "model.layers.{}.mlp.shared_expert.down_proj.weight", "blk.{}.ffn_down_shexp.weight",
     kBlock, has_shared_expert, shared_to_hidden},
}};

constexpr std::array<TensorRule, 4> kMixtralExperts{{
    {router, "model.layers.{}.block_sparse_moe.gate.weight", "blk.{}.ffn_gate_inp.weight", kBlock, is_mixture,
     hidden_to_experts},
    {expert_gate, "model.layers.{}.block_sparse_moe.experts.{}.w1.weight", "", kExpert, is_mixture,
     hidden_to_expert},
    {expert_up, "model.layers.{}.block_sparse_moe.experts.{}.w3.weight", "", kExpert, is_mixture,
     hidden_to_expert},
    {expert_down, "model.layers.{}.block_sparse_moe.experts.{}.w2.weight", "", kExpert, is_mixture,
     expert_to_hidden},
}};

constexpr Role kGateAndUp[] = {expert_gate, expert_up};
constexpr Role kGate[] = {expert_gate};
constexpr Role kUp[] = {expert_up};
constexpr Role kDown[] = {expert_down};

std::vector<RowRange> rows_of_expert(const ModelConfig& c, Role role, int expert) {
  const std::int64_t rows = role == expert_down ? c.hidden : c.experts->width;
  return {{.from = expert * rows, .to = 0, .count = rows}};
}
std::vector<RowRange> rows_of_gate_or_up(const ModelConfig& c, Role role, int expert) {
  const std::int64_t width = c.experts->width;
  return {{.from = (2 * expert + (role == expert_up ? 1 : 0)) * width, .to = 0, .count = width}};
}

constexpr std::array<PackedRule, 4> kPackedExperts{{
    {"model.layers.{}.mlp.experts.gate_up_proj", "blk.{}.ffn_gate_up_exps.weight", kGateAndUp,
     hidden_to_gate_and_up, rows_of_gate_or_up},
    {"", "blk.{}.ffn_gate_exps.weight", kGate, hidden_to_all_experts, rows_of_expert},
    {"", "blk.{}.ffn_up_exps.weight", kUp, hidden_to_all_experts, rows_of_expert},
    {"model.layers.{}.mlp.experts.down_proj", "blk.{}.ffn_down_exps.weight", kDown, all_experts_to_hidden,
     rows_of_expert},
}};

// Of Qwen3-Next and Qwen3.5. llama.cpp's files name the second norm otherwise.
constexpr std::array<TensorRule, 9> kDeltaRule{{
    {delta_qkv, "model.layers.{}.linear_attn.in_proj_qkv.weight", "blk.{}.attn_qkv.weight", kBlock,
     has_delta_rule, hidden_to_channels},
    {delta_gate, "model.layers.{}.linear_attn.in_proj_z.weight", "blk.{}.attn_gate.weight", kBlock,
     has_delta_rule, hidden_to_delta_value},
    {delta_write, "model.layers.{}.linear_attn.in_proj_b.weight", "blk.{}.ssm_beta.weight", kBlock,
     has_delta_rule, hidden_to_value_heads},
    {delta_step, "model.layers.{}.linear_attn.in_proj_a.weight", "blk.{}.ssm_alpha.weight", kBlock,
     has_delta_rule, hidden_to_value_heads},
    {delta_convolution, "model.layers.{}.linear_attn.conv1d.weight", "blk.{}.ssm_conv1d.weight", kBlock,
     has_delta_rule, channel_taps},
    {delta_decay, "model.layers.{}.linear_attn.A_log", "blk.{}.ssm_a", kBlock, has_delta_rule,
     value_head_vector},
    {delta_step_bias, "model.layers.{}.linear_attn.dt_bias", "blk.{}.ssm_dt.bias", kBlock, has_delta_rule,
     value_head_vector},
    {delta_norm, "model.layers.{}.linear_attn.norm.weight", "blk.{}.ssm_norm.weight", kBlock, has_delta_rule,
     delta_value_vector},
    {delta_output, "model.layers.{}.linear_attn.out_proj.weight", "blk.{}.ssm_out.weight", kBlock,
     has_delta_rule, delta_value_to_hidden},
}};
constexpr std::array<TensorRule, 2> kGatedQuery{{
    {query, "", "", kBlock, gates_attention, hidden_to_query},
    {query_gate, "", "", kBlock, gates_attention, hidden_to_query},
}};
// All of kEnds but the name of the second norm in GGUF, and of kAttention but the queries.
constexpr auto kHybridEnds = [] {
  auto rules = kEnds;
  rules[4].gguf_name = "blk.{}.post_attention_norm.weight";
  return rules;
}();
constexpr auto kHybridAttention = [] {
  std::array<TensorRule, kAttention.size() - 1> rules{};
  for (std::size_t i = 0; i < rules.size(); ++i) rules[i] = kAttention[i + 1];
  return rules;
}();

constexpr Role kQueryAndGate[] = {query, query_gate};
constexpr Role kChannelsAndGate[] = {delta_qkv, delta_gate};
constexpr Role kWriteAndStep[] = {delta_write, delta_step};

// Of each head its query, then its gate.
std::vector<RowRange> rows_of_query_or_gate(const ModelConfig& c, Role role, int) {
  std::vector<RowRange> rows;
  for (std::int64_t head = 0; head < c.heads; ++head) {
    rows.push_back({.from = (2 * head + (role == query_gate ? 1 : 0)) * c.head_dim,
                    .to = head * c.head_dim,
                    .count = c.head_dim});
  }
  return rows;
}
// Of each key head q, k, then v and z of its value heads.
std::vector<RowRange> rows_of_channels_or_gate(const ModelConfig& c, Role role, int) {
  const DeltaDescription& d = c.delta;
  const std::int64_t values = std::int64_t{d.value_heads / d.key_heads} * d.value_dim;
  const std::int64_t each = 2 * std::int64_t{d.key_dim} + 2 * values;
  std::vector<RowRange> rows;
  for (std::int64_t head = 0; head < d.key_heads; ++head) {
    const std::int64_t from = head * each;
    if (role == delta_gate) {
      rows.push_back({.from = from + 2 * d.key_dim + values, .to = head * values, .count = values});
      continue;
    }
    rows.push_back({.from = from, .to = head * d.key_dim, .count = d.key_dim});
    rows.push_back(
        {.from = from + d.key_dim, .to = delta_key_width(c) + head * d.key_dim, .count = d.key_dim});
    rows.push_back(
        {.from = from + 2 * d.key_dim, .to = 2 * delta_key_width(c) + head * values, .count = values});
  }
  return rows;
}
// Of each key head "b" of its value heads, then "a".
std::vector<RowRange> rows_of_write_or_step(const ModelConfig& c, Role role, int) {
  const std::int64_t group = c.delta.value_heads / c.delta.key_heads;
  std::vector<RowRange> rows;
  for (std::int64_t head = 0; head < c.delta.key_heads; ++head) {
    rows.push_back(
        {.from = (2 * head + (role == delta_step ? 1 : 0)) * group, .to = head * group, .count = group});
  }
  return rows;
}

constexpr std::array<PackedRule, 7> kPackedHybrid{{
    {"model.layers.{}.self_attn.q_proj.weight", "blk.{}.attn_q.weight", kQueryAndGate, hidden_to_gated_query,
     rows_of_query_or_gate},
    {"model.layers.{}.linear_attn.in_proj_qkvz.weight", "blk.{}.ssm_in.weight", kChannelsAndGate,
     hidden_to_channels_and_gate, rows_of_channels_or_gate},
    {"model.layers.{}.linear_attn.in_proj_ba.weight", "blk.{}.ssm_ba.weight", kWriteAndStep,
     hidden_to_write_and_step, rows_of_write_or_step},
    kPackedExperts[0],
    kPackedExperts[1],
    kPackedExperts[2],
    kPackedExperts[3],
}};

// Qwen3-Next has its products packed in both formats: in Hugging Face's all, in GGUF b and a.
constexpr auto kPackedDeltaRule = [] {
  auto rules = kDeltaRule;
  for (std::size_t i = 0; i < 4; ++i) rules[i].name = "";
  rules[2].gguf_name = rules[3].gguf_name = "";
  return rules;
}();

// Phi-3: the products of one input in one tensor, in both formats.
constexpr auto kFusedAttention = [] {
  auto rules = kAttention;
  for (std::size_t i = 0; i < 3; ++i) rules[i].name = rules[i].gguf_name = "";
  return rules;
}();
constexpr auto kFusedMlp = [] {
  auto rules = kMlp;
  for (std::size_t i = 0; i < 2; ++i) rules[i].name = rules[i].gguf_name = "";
  return rules;
}();
constexpr Role kQueryKeyValue[] = {query, key, value};
constexpr Role kDenseGateAndUp[] = {gate, up};

std::vector<RowRange> rows_of_query_key_or_value(const ModelConfig& c, Role role, int) {
  const std::int64_t first = role == query ? 0 : query_width(c) + (role == key ? 0 : key_width(c));
  return {{.from = first, .to = 0, .count = role == query ? query_width(c) : key_width(c)}};
}
std::vector<RowRange> rows_of_dense_gate_or_up(const ModelConfig& c, Role role, int) {
  return {{.from = role == gate ? 0 : c.ffn, .to = 0, .count = c.ffn}};
}

constexpr std::array<PackedRule, 2> kPackedDense{{
    {"model.layers.{}.self_attn.qkv_proj.weight", "blk.{}.attn_qkv.weight", kQueryKeyValue,
     hidden_to_query_key_value, rows_of_query_key_or_value},
    {"model.layers.{}.mlp.gate_up_proj.weight", "blk.{}.ffn_up.weight", kDenseGateAndUp, hidden_to_ffn_twice,
     rows_of_dense_gate_or_up},
}};

constexpr auto kNextRules =
    joined(kHybridEnds, kGatedQuery, kHybridAttention, kPackedDeltaRule, kMlp, kQwenExperts);
constexpr auto kHybridRules =
    joined(kHybridEnds, kGatedQuery, kHybridAttention, kDeltaRule, kMlp, kQwenExperts);
constexpr auto kDenseRules = joined(kEnds, kAttention, kMlp);
constexpr auto kFusedRules = joined(kEnds, kFusedAttention, kFusedMlp);
constexpr auto kQwenMixtureRules = joined(kEnds, kAttention, kMlp, kQwenExperts);
constexpr auto kMixtralRules = joined(kEnds, kAttention, kMlp, kMixtralExperts);

}  // namespace

std::span<const TensorRule> dense_tensors() {
  return kDenseRules;
}
std::span<const TensorRule> fused_tensors() {
  return kFusedRules;
}
std::span<const PackedRule> packed_dense() {
  return kPackedDense;
}
std::span<const TensorRule> qwen_mixture_tensors() {
  return kQwenMixtureRules;
}
std::span<const TensorRule> mixtral_tensors() {
  return kMixtralRules;
}
std::span<const TensorRule> next_tensors() {
  return kNextRules;
}
std::span<const TensorRule> hybrid_tensors() {
  return kHybridRules;
}
std::span<const PackedRule> packed_hybrid() {
  return kPackedHybrid;
}
std::span<const PackedRule> packed_experts() {
  return kPackedExperts;
}

}  // namespace strata
