#include "tests/support/tiny_checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "strata/base/philox.h"
#include "tests/support/paths.h"

namespace strata::test {
namespace {

using nlohmann::json;

const Family& family_named(const std::string& id) {
  for (const Family& family : families()) {
    if (family.id == id) return family;
  }
  throw std::invalid_argument("no family " + id);
}

ModelConfig model_config(const TinyCheckpoint& tiny) {
  const Family& family = family_named(tiny.family);
  ModelConfig config;
  config.family = family.id;
  config.architecture = family.architecture;
  config.n_layers = tiny.layers;
  config.hidden = tiny.hidden;
  config.ffn = tiny.ffn;
  config.heads = tiny.heads;
  config.kv_heads = tiny.kv_heads;
  config.head_dim = tiny.head_dim;
  config.vocab = tiny.vocab;
  config.tied_embeddings = tiny.tied;
  config.qkv_bias = family.qkv_bias_default;
  config.qk_norm = family.qk_norm;
  if (tiny.biases) config.qkv_bias = config.output_bias = config.mlp_bias = true;
  const auto blocks = static_cast<std::size_t>(tiny.layers);
  if (family.has_experts()) {
    config.experts = ExpertConfig{
        .count = kTinyExperts,
        .used = 2,
        .width = family.defaults.ffn == 0 || family.experts.some_blocks ? kTinyExpertWidth : tiny.ffn,
        .normalise = family.experts.gguf_normalises,
        .shared_width = family.experts.shared_width > 0 ? kTinySharedWidth : 0,
        .blocks = std::vector<char>(blocks, 1)};
    if (family.experts.some_blocks) config.experts->blocks[0] = 0;
  }
  if (family.delta_rule) {
    config.output_gate = true;
    config.delta = kTinyDelta;
    for (std::size_t i = 0; i < blocks; ++i)
      config.delta_blocks.push_back((i % 2 == 0) == tiny.delta_first ? 1 : 0);
  }
  return config;
}

// Keys of the family's mixtures and delta rule.
void add_block_keys(json& config, const Family& family, const TinyCheckpoint& tiny) {
  if (family.has_experts()) {
    config[family.experts.count_key] = kTinyExperts;
    config["num_experts_per_tok"] = 2;
    if (family.experts.width_key != std::string("intermediate_size"))
      config[family.experts.width_key] = kTinyExpertWidth;
    if (family.experts.shared_width > 0) config["shared_expert_intermediate_size"] = kTinySharedWidth;
    if (family.experts.weights != ExpertWeights::normalised)
      config["norm_topk_prob"] = family.experts.gguf_normalises;
    if (family.experts.some_blocks) config["mlp_only_layers"] = {0};
  }
  if (!family.delta_rule) return;
  config["linear_num_key_heads"] = kTinyDelta.key_heads;
  config["linear_num_value_heads"] = kTinyDelta.value_heads;
  config["linear_key_head_dim"] = kTinyDelta.key_dim;
  config["linear_value_head_dim"] = kTinyDelta.value_dim;
  config["linear_conv_kernel_dim"] = kTinyDelta.kernel;
  config["partial_rotary_factor"] = 0.5;
  config["layer_types"] = json::array();
  for (int i = 0; i < tiny.layers; ++i)
    config["layer_types"].push_back((i % 2 == 0) == tiny.delta_first ? "linear_attention" : "full_attention");
}

// The packed tensor that holds the role in files of these families.
const PackedRule& packed_rule(const Family& family, Role role) {
  for (const PackedRule& packed : family.packed) {
    if (!packed.name.empty() &&
        std::find(packed.roles.begin(), packed.roles.end(), role) != packed.roles.end())
      return packed;
  }
  throw std::invalid_argument("a role without a tensor");
}

std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

std::uint16_t to_f16(float value) {
  const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
  const double size = std::fabs(double{value});
  const int exponent = size < std::ldexp(1.0, -14) ? -14 : std::ilogb(size);
  // In units of the last place; a subnormal has no implicit bit, so its exponent field stays 0.
  const auto units = static_cast<int>(std::nearbyint(std::ldexp(size, 10 - exponent)));
  return static_cast<std::uint16_t>(sign | (((exponent + 14) << 10) + units));
}

std::vector<float> random_values(const TensorRule& rule, const std::string& name,
                                 const std::vector<std::int64_t>& shape, std::uint64_t seed) {
  const bool vector = shape.size() == 1;
  const bool bias = name.ends_with(".bias") || name.ends_with("dt_bias") || name.ends_with("A_log");
  double scale = vector ? 0.1 : 1.0 / std::sqrt(static_cast<double>(shape.back()));
  if (rule.role == Role::embedding) scale = 1.0;
  const double centre = vector && !bias ? 1.0 : 0.0;
  std::uint32_t hash = 2166136261u;  // FNV-1a, so that a tensor's values depend on its name alone
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  Philox rng({.seed = seed, .stream = Stream::test, .a = hash});
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(centre + scale * rng.normal());
  return values;
}

void write_shards(const std::filesystem::path& directory, const std::vector<StoredTensor>& tensors,
                  int shards) {
  json weight_map = json::object();
  for (int shard = 0; shard < shards; ++shard) {
    const std::string file = fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, shards);
    std::vector<StoredTensor> part;
    for (std::size_t i = static_cast<std::size_t>(shard); i < tensors.size();
         i += static_cast<std::size_t>(shards)) {
      part.push_back(tensors[i]);
      weight_map[tensors[i].name] = file;
    }
    write_text(directory / file, safetensors_bytes(part));
  }
  const json index{{"metadata", {{"total_size", 0}}}, {"weight_map", weight_map}};
  write_text(directory / "model.safetensors.index.json", index.dump(1));
}

}  // namespace

json tiny_config(const TinyCheckpoint& tiny) {
  const Family& family = family_named(tiny.family);
  const json section{{"rope_type", "default"}, {"llama_4_scaling_beta", 0.0}};
  json config{{"architectures", json::array({std::string(family.architecture)})},
              {"model_type", std::string(family.model_type)},
              {"num_hidden_layers", tiny.layers},
              {"hidden_size", tiny.hidden},
              {"intermediate_size", tiny.ffn},
              {"num_attention_heads", tiny.heads},
              {"num_key_value_heads", tiny.kv_heads},
              {"head_dim", tiny.head_dim},
              {"vocab_size", tiny.vocab},
              {"max_position_embeddings", tiny.context},
              {"rope_theta", tiny.rope_theta},
              {"rope_scaling", family.scales_queries ? section : json()},
              {"rms_norm_eps", tiny.norm_eps},
              {"tie_word_embeddings", tiny.tied},
              {"hidden_act", "silu"},
              {"torch_dtype", tiny.dtype == DType::f32   ? "float32"
                              : tiny.dtype == DType::f16 ? "float16"
                                                         : "bfloat16"},
              {"bos_token_id", 0},
              {"eos_token_id", json::array({1, 2})}};
  add_block_keys(config, family, tiny);
  if (tiny.biases) config["attention_bias"] = config["mlp_bias"] = true;
  return config;
}

std::vector<StoredTensor> tiny_tensors(const TinyCheckpoint& tiny) {
  const ModelConfig config = model_config(tiny);
  std::vector<StoredTensor> tensors;
  const auto add = [&](const TensorRule& rule, std::string_view pattern, const TensorShape& shape, int layer,
                       int expert) {
    const std::string name = fmt::format(fmt::runtime(pattern), layer, expert);
    tensors.push_back({.name = name,
                       .dtype = to_string(tiny.dtype),
                       .shape = shape,
                       .bytes = encode(tiny.dtype, random_values(rule, name, shape, tiny.seed))});
  };
  for (const TensorRule& rule : family_of(config).tensors) {
    for (int layer = 0; layer < places_of(rule, config); ++layer) {
      if (!has_tensor(rule, config, layer)) continue;
      if (rule.name.empty()) {
        const PackedRule& packed = packed_rule(family_of(config), rule.role);
        if (packed.roles[0] == rule.role) add(rule, packed.name, packed.shape(config), layer, 0);
        continue;
      }
      for (int expert = 0; expert < copies_of(rule, config); ++expert)
        add(rule, rule.name, rule.shape(config), layer, expert);
    }
  }
  return tensors;
}

std::string safetensors_bytes(const std::string& header, const std::string& data) {
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return file + header + data;
}

std::string safetensors_bytes(const std::vector<StoredTensor>& tensors) {
  json header{{"__metadata__", {{"format", "pt"}}}};
  std::string data;
  for (const StoredTensor& tensor : tensors) {
    const std::size_t begin = data.size();
    data += tensor.bytes;
    header[tensor.name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  }
  return safetensors_bytes(header.dump(), data);
}

std::string encode(DType dtype, const std::vector<float>& values) {
  std::string bytes(values.size() * size_bytes(dtype), '\0');
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (dtype == DType::f32) {
      std::memcpy(bytes.data() + 4 * i, &values[i], 4);
    } else {
      const std::uint16_t bits = dtype == DType::f16 ? to_f16(values[i]) : to_bf16(values[i]);
      std::memcpy(bytes.data() + 2 * i, &bits, 2);
    }
  }
  return bytes;
}

void write_checkpoint(const std::filesystem::path& directory, const TinyCheckpoint& tiny) {
  json config = tiny_config(tiny);
  if (tiny.edit_config) tiny.edit_config(config);
  write_text(directory / "config.json", config.dump(1));
  auto tensors = tiny_tensors(tiny);
  if (tiny.edit_tensors) tiny.edit_tensors(tensors);
  if (tiny.shards > 1) {
    write_shards(directory, tensors, tiny.shards);
  } else {
    write_text(directory / "model.safetensors", safetensors_bytes(tensors));
  }
}

}  // namespace strata::test
