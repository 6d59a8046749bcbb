// GGUF v3 as llama.cpp's converter writes it: keys and tensor names of
// convert_hf_to_gguf.py (ggml-org/llama.cpp), format of docs/gguf.md (ggml-org/ggml).
#include <fmt/format.h>

#include <cstring>

#include "strata/base/error.h"
#include "strata/gguf/gguf.h"
#include "strata/synth/layout.h"
#include "strata/synth/weights.h"

namespace strata::synth {
namespace {

constexpr std::uint64_t kAlignment = 32;

class Writer {
 public:
  template <class T>
  void number(T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    text_.append(bytes, sizeof(T));
  }
  void string(std::string_view value) {
    number<std::uint64_t>(value.size());
    text_ += value;
  }
  void key(std::string_view name, GgufValueType type) {
    string(name);
    number(static_cast<std::uint32_t>(type));
    ++keys;
  }
  void pad() { text_.resize((text_.size() + kAlignment - 1) / kAlignment * kAlignment, '\0'); }
  std::string text_;
  std::uint64_t keys = 0;
};

// The metadata; the caller writes the counts before it.
Writer metadata(const SynthOptions& options) {
  const ModelConfig& c = options.config;
  const std::string architecture(family_of(c).gguf_architecture);
  Writer out;
  const auto name = [&](const char* key) { return fmt::format("{}.{}", architecture, key); };
  const auto u32 = [&](const std::string& key, std::int64_t value) {
    out.key(key, GgufValueType::u32);
    out.number(static_cast<std::uint32_t>(value));
  };
  const auto f32 = [&](const std::string& key, double value) {
    out.key(key, GgufValueType::f32);
    out.number(static_cast<float>(value));
  };
  out.key("general.architecture", GgufValueType::string);
  out.string(architecture);
  out.key("general.name", GgufValueType::string);
  out.string("strata synth");
  u32("general.file_type", encoding(options.type).ggml_file_type);
  u32("general.alignment", kAlignment);
  u32(name("block_count"), c.n_layers);
  u32(name("context_length"), c.max_context);
  u32(name("embedding_length"), c.hidden);
  u32(name("feed_forward_length"), c.ffn);
  u32(name("attention.head_count"), c.heads);
  u32(name("attention.head_count_kv"), c.kv_heads);
  u32(name("attention.key_length"), c.head_dim);
  u32(name("attention.value_length"), c.head_dim);
  u32(name("rope.dimension_count"), c.head_dim);
  u32(name("vocab_size"), c.vocab);
  f32(name("rope.freq_base"), c.rope_theta);
  f32(name("attention.layer_norm_rms_epsilon"), c.norm_eps);
  // llama.cpp's word for a model without a tokenizer: it takes vocab_size for the number of tokens.
  out.key("tokenizer.ggml.model", GgufValueType::string);
  out.string("no_vocab");
  return out;
}

const char* role_name(Role role) {
  switch (role) {
    case Role::embedding:
      return "token_embd.weight";
    case Role::final_norm:
      return "output_norm.weight";
    case Role::unembedding:
      return "output.weight";
    case Role::attention_norm:
      return "attn_norm.weight";
    case Role::query:
      return "attn_q.weight";
    case Role::key:
      return "attn_k.weight";
    case Role::value:
      return "attn_v.weight";
    case Role::attention_output:
      return "attn_output.weight";
    case Role::query_bias:
      return "attn_q.bias";
    case Role::key_bias:
      return "attn_k.bias";
    case Role::value_bias:
      return "attn_v.bias";
    case Role::output_bias:
      return "attn_output.bias";
    case Role::query_norm:
      return "attn_q_norm.weight";
    case Role::key_norm:
      return "attn_k_norm.weight";
    case Role::mlp_norm:
      return "ffn_norm.weight";
    case Role::gate:
      return "ffn_gate.weight";
    case Role::up:
      return "ffn_up.weight";
    case Role::down:
      return "ffn_down.weight";
    case Role::gate_bias:
      return "ffn_gate.bias";
    case Role::up_bias:
      return "ffn_up.bias";
    case Role::down_bias:
      return "ffn_down.bias";
  }
  check_failed("every role has a GGUF name", __FILE__, __LINE__);
}

}  // namespace

std::string gguf_name(Role role, int layer) {
  const bool once = role == Role::embedding || role == Role::final_norm || role == Role::unembedding;
  return once ? role_name(role) : fmt::format("blk.{}.{}", layer, role_name(role));
}

std::string gguf_header(const SynthOptions& options, std::vector<PlacedTensor>& tensors) {
  const Writer values = metadata(options);
  Writer out;
  out.text_ = "GGUF";
  out.number<std::uint32_t>(3);
  out.number<std::uint64_t>(tensors.size());
  out.number<std::uint64_t>(values.keys);
  out.text_ += values.text_;
  std::uint64_t at = 0;
  for (PlacedTensor& t : tensors) {
    out.string(t.name);
    out.number(static_cast<std::uint32_t>(t.shape.size()));
    for (auto extent = t.shape.rbegin(); extent != t.shape.rend(); ++extent)
      out.number(static_cast<std::uint64_t>(*extent));
    out.number(encoding(t.type).ggml_type);
    out.number(at);
    t.offset_bytes = at;
    at += (t.size_bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
  out.pad();
  for (PlacedTensor& t : tensors) t.offset_bytes += out.text_.size();
  return out.text_;
}

}  // namespace strata::synth
