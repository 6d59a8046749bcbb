#include "strata/checkpoint/published.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "strata/base/error.h"
#include "strata/checkpoint/family.h"

namespace strata {
namespace {

constexpr double kLowFreq = 1.0, kHighFreq = 4.0, kOriginalContext = 8192.0;  // of every Llama 3.x

// clang-format off
// name, generation, family, layers, hidden, ffn, heads, kv heads, head dim, vocab, context, theta, factor, eps, tied,
// experts, taken, their width, shared width, weights sum to 1
constexpr std::array<PublishedModel, 44> kModels{{
    {"llama-2-7b", "Llama 2", "llama", 32, 4096, 11008, 32, 32, 128, 32000, 4096, 10000, 0, 1e-05, false},
    {"llama-2-13b", "Llama 2", "llama", 40, 5120, 13824, 40, 40, 128, 32000, 4096, 10000, 0, 1e-05, false},
    {"llama-2-70b", "Llama 2", "llama", 80, 8192, 28672, 64, 8, 128, 32000, 4096, 10000, 0, 1e-05, false},
    {"llama-3-8b", "Llama 3", "llama", 32, 4096, 14336, 32, 8, 128, 128256, 8192, 500000, 0, 1e-05, false},
    {"llama-3-70b", "Llama 3", "llama", 80, 8192, 28672, 64, 8, 128, 128256, 8192, 500000, 0, 1e-05, false},
    {"llama-3.1-8b", "Llama 3.1", "llama", 32, 4096, 14336, 32, 8, 128, 128256, 131072, 500000, 8, 1e-05, false},
    {"llama-3.1-70b", "Llama 3.1", "llama", 80, 8192, 28672, 64, 8, 128, 128256, 131072, 500000, 8, 1e-05, false},
    {"llama-3.1-405b", "Llama 3.1", "llama", 126, 16384, 53248, 128, 8, 128, 128256, 131072, 500000, 8, 1e-05, false},
    {"llama-3.2-1b", "Llama 3.2", "llama", 16, 2048, 8192, 32, 8, 64, 128256, 131072, 500000, 32, 1e-05, true},
    {"llama-3.2-3b", "Llama 3.2", "llama", 28, 3072, 8192, 24, 8, 128, 128256, 131072, 500000, 32, 1e-05, true},
    {"llama-3.3-70b", "Llama 3.3", "llama", 80, 8192, 28672, 64, 8, 128, 128256, 131072, 500000, 8, 1e-05, false},
    {"qwq-32b", "Qwen2.5", "qwen2", 64, 5120, 27648, 40, 8, 128, 152064, 131072, 1000000, 0, 1e-05, false},
    {"qwen1.5-0.5b", "Qwen1.5", "qwen2", 24, 1024, 2816, 16, 16, 64, 151936, 32768, 1000000, 0, 1e-06, true},
    {"qwen1.5-1.8b", "Qwen1.5", "qwen2", 24, 2048, 5504, 16, 16, 128, 151936, 32768, 1000000, 0, 1e-06, false},
    {"qwen1.5-4b", "Qwen1.5", "qwen2", 40, 2560, 6912, 20, 20, 128, 151936, 32768, 1000000, 0, 1e-06, false},
    {"qwen1.5-7b", "Qwen1.5", "qwen2", 32, 4096, 11008, 32, 32, 128, 151936, 32768, 1000000, 0, 1e-06, false},
    {"qwen1.5-14b", "Qwen1.5", "qwen2", 40, 5120, 13696, 40, 40, 128, 152064, 32768, 1000000, 0, 1e-06, false},
    {"qwen1.5-32b", "Qwen1.5", "qwen2", 64, 5120, 27392, 40, 8, 128, 152064, 32768, 1000000, 0, 1e-06, false},
    {"qwen1.5-72b", "Qwen1.5", "qwen2", 80, 8192, 24576, 64, 64, 128, 152064, 32768, 1000000, 0, 1e-06, false},
    {"qwen2-0.5b", "Qwen2", "qwen2", 24, 896, 4864, 14, 2, 64, 151936, 131072, 1000000, 0, 1e-06, true},
    {"qwen2-1.5b", "Qwen2", "qwen2", 28, 1536, 8960, 12, 2, 128, 151936, 131072, 1000000, 0, 1e-06, true},
    {"qwen2-7b", "Qwen2", "qwen2", 28, 3584, 18944, 28, 4, 128, 152064, 131072, 1000000, 0, 1e-06, false},
    {"qwen2-72b", "Qwen2", "qwen2", 80, 8192, 29568, 64, 8, 128, 152064, 131072, 1000000, 0, 1e-05, false},
    {"qwen2.5-0.5b", "Qwen2.5", "qwen2", 24, 896, 4864, 14, 2, 64, 151936, 32768, 1000000, 0, 1e-06, true},
    {"qwen2.5-1.5b", "Qwen2.5", "qwen2", 28, 1536, 8960, 12, 2, 128, 151936, 131072, 1000000, 0, 1e-06, true},
    {"qwen2.5-3b", "Qwen2.5", "qwen2", 36, 2048, 11008, 16, 2, 128, 151936, 32768, 1000000, 0, 1e-06, true},
    {"qwen2.5-7b", "Qwen2.5", "qwen2", 28, 3584, 18944, 28, 4, 128, 152064, 131072, 1000000, 0, 1e-06, false},
    {"qwen2.5-14b", "Qwen2.5", "qwen2", 48, 5120, 13824, 40, 8, 128, 152064, 131072, 1000000, 0, 1e-05, false},
    {"qwen2.5-32b", "Qwen2.5", "qwen2", 64, 5120, 27648, 40, 8, 128, 152064, 131072, 1000000, 0, 1e-05, false},
    {"qwen2.5-72b", "Qwen2.5", "qwen2", 80, 8192, 29568, 64, 8, 128, 152064, 131072, 1000000, 0, 1e-05, false},
    {"qwen3-0.6b", "Qwen3", "qwen3", 28, 1024, 3072, 16, 8, 128, 151936, 40960, 1000000, 0, 1e-06, true},
    {"qwen3-1.7b", "Qwen3", "qwen3", 28, 2048, 6144, 16, 8, 128, 151936, 40960, 1000000, 0, 1e-06, true},
    {"qwen3-4b", "Qwen3", "qwen3", 36, 2560, 9728, 32, 8, 128, 151936, 40960, 1000000, 0, 1e-06, true},
    {"qwen3-8b", "Qwen3", "qwen3", 36, 4096, 12288, 32, 8, 128, 151936, 40960, 1000000, 0, 1e-06, false},
    {"qwen3-14b", "Qwen3", "qwen3", 40, 5120, 17408, 40, 8, 128, 151936, 40960, 1000000, 0, 1e-06, false},
    {"qwen3-32b", "Qwen3", "qwen3", 64, 5120, 25600, 64, 8, 128, 151936, 40960, 1000000, 0, 1e-06, false},
    {"qwen3-30b-a3b", "Qwen3", "qwen3_moe", 48, 2048, 6144, 32, 4, 128, 151936, 40960, 1000000, 0, 1e-06, false, 128, 8, 768, 0, true},
    {"qwen3-235b-a22b", "Qwen3", "qwen3_moe", 94, 4096, 12288, 64, 4, 128, 151936, 40960, 1000000, 0, 1e-06, false, 128, 8, 1536, 0, true},
    {"qwen1.5-moe-a2.7b", "Qwen1.5", "qwen2_moe", 24, 2048, 5632, 16, 16, 128, 151936, 8192, 1000000, 0, 1e-06, false, 60, 4, 1408, 5632, false},
    {"mixtral-8x7b", "Mixtral", "mixtral", 32, 4096, 14336, 32, 8, 128, 32000, 32768, 1000000, 0, 1e-05, false, 8, 2, 14336, 0, true},
    {"smollm2-135m", "SmolLM2", "llama", 30, 576, 1536, 9, 3, 64, 49152, 8192, 100000, 0, 1e-05, true},
    {"smollm2-360m", "SmolLM2", "llama", 32, 960, 2560, 15, 5, 64, 49152, 8192, 100000, 0, 1e-05, true},
    {"smollm2-1.7b", "SmolLM2", "llama", 24, 2048, 8192, 32, 32, 64, 49152, 8192, 130000, 0, 1e-05, true},
    {"tinyllama-1.1b", "TinyLlama", "llama", 22, 2048, 5632, 32, 4, 64, 32000, 2048, 10000, 0, 1e-05, false},
}};
// clang-format on

// GGUF stores these as float32.
bool same(double a, double b) {
  return std::fabs(a - b) <= 1e-6 * std::fabs(b);
}

Llama3Rope scaling_of(const PublishedModel& m) {
  return {.factor = m.llama3_factor,
          .low_freq_factor = kLowFreq,
          .high_freq_factor = kHighFreq,
          .original_context = kOriginalContext};
}

bool same_rope(const PublishedModel& m, const ModelConfig& c) {
  if (!same(c.rope_theta, m.rope_theta)) return false;
  if (!c.rope_factors.empty()) {  // GGUF: only what follows from the numbers
    const auto expected = m.llama3_factor == 0.0
                              ? std::vector<float>{}
                              : llama3_rope_factors(m.rope_theta, m.head_dim, scaling_of(m));
    return std::equal(expected.begin(), expected.end(), c.rope_factors.begin(), c.rope_factors.end(),
                      [](float a, float b) { return std::fabs(a - b) <= 1e-5f * b; });
  }
  if (!c.rope_scaling) return m.llama3_factor == 0.0;
  const Llama3Rope& s = *c.rope_scaling;
  return m.llama3_factor != 0.0 && same(s.factor, m.llama3_factor) && same(s.low_freq_factor, kLowFreq) &&
         same(s.high_freq_factor, kHighFreq) && same(s.original_context, kOriginalContext);
}

bool same_experts(const PublishedModel& m, const ModelConfig& c) {
  if (!c.experts) return m.experts == 0;
  return m.experts == c.experts->count && m.experts_used == c.experts->used &&
         m.expert_width == c.experts->width && m.shared_width == c.experts->shared_width &&
         m.normalise == c.experts->normalise;
}

bool same_shape(const PublishedModel& m, const ModelConfig& c) {
  return m.family == c.family && m.n_layers == c.n_layers && m.hidden == c.hidden && m.ffn == c.ffn &&
         m.heads == c.heads && m.kv_heads == c.kv_heads && m.head_dim == c.head_dim && m.vocab == c.vocab &&
         m.tied_embeddings == c.tied_embeddings && same_experts(m, c);
}

std::string joined(const std::vector<std::string_view>& generations) {
  std::string text;
  for (std::size_t i = 0; i < generations.size(); ++i) {
    if (i > 0) text += i + 1 == generations.size() ? " or " : ", ";
    text += generations[i];
  }
  return text;
}

}  // namespace

std::span<const PublishedModel> published_models() {
  return kModels;
}

const PublishedModel* find_published(std::string_view name) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
  const auto found = std::find_if(kModels.begin(), kModels.end(), [&](const PublishedModel& m) {
    return std::equal(m.name.begin(), m.name.end(), name.begin(), name.end(),
                      [&](char a, char b) { return a == lower(b); });
  });
  return found == kModels.end() ? nullptr : &*found;
}

ModelConfig config_of(const PublishedModel& m) {
  const auto family =
      std::find_if(families().begin(), families().end(), [&](const Family& f) { return f.id == m.family; });
  STRATA_CHECK(family != families().end());
  ModelConfig c;
  c.family = m.family;
  c.architecture = family->architecture;
  c.n_layers = m.n_layers;
  c.hidden = m.hidden;
  c.ffn = m.ffn;
  c.heads = m.heads;
  c.kv_heads = m.kv_heads;
  c.head_dim = m.head_dim;
  c.vocab = m.vocab;
  c.max_context = m.max_context;
  c.rope_theta = m.rope_theta;
  if (m.llama3_factor != 0.0) c.rope_scaling = scaling_of(m);
  c.norm_eps = m.norm_eps;
  c.tied_embeddings = m.tied_embeddings;
  c.qkv_bias = family->qkv_bias_default;
  c.qk_norm = family->qk_norm;
  if (m.experts > 0) {
    c.experts = ExpertConfig{.count = m.experts,
                             .used = m.experts_used,
                             .width = m.expert_width,
                             .normalise = m.normalise,
                             .shared_width = m.shared_width,
                             .blocks = std::vector<char>(static_cast<std::size_t>(m.n_layers), 1)};
  }
  return c;
}

Origin origin_of(const ModelConfig& config) {
  Origin origin;
  std::vector<std::string_view> generations;
  for (const PublishedModel& m : kModels) {
    if (!same_shape(m, config) || !same_rope(m, config)) continue;
    if (m.family == "llama" && (m.max_context != config.max_context || !same(config.norm_eps, m.norm_eps)))
      continue;
    origin.same_shape.push_back(m.name);
    if (std::find(generations.begin(), generations.end(), m.generation) == generations.end())
      generations.push_back(m.generation);
  }
  origin.generation = joined(generations);
  if (config.family == "qwen3") origin.generation = "Qwen3";
  return origin;
}

}  // namespace strata
