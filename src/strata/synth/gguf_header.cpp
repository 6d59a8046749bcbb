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
  if (c.experts) {
    u32(name("expert_count"), c.experts->count);
    u32(name("expert_used_count"), c.experts->used);
    u32(name("expert_feed_forward_length"), c.experts->width);
    if (c.experts->shared_width > 0) u32(name("expert_shared_feed_forward_length"), c.experts->shared_width);
  }
  // llama.cpp's word for a model without a tokenizer: it takes vocab_size for the number of tokens.
  out.key("tokenizer.ggml.model", GgufValueType::string);
  out.string("no_vocab");
  return out;
}

}  // namespace

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
