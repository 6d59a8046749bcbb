#include "strata/synth/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "strata/base/error.h"
#include "strata/synth/weights.h"

namespace strata::synth {
namespace {

using Json = nlohmann::ordered_json;

[[noreturn]] void refuse(std::string where, std::string found, std::string expected) {
  throw Error(ErrorKind::usage,
              {.where = std::move(where), .found = std::move(found), .expected = std::move(expected)});
}

// The rules for config.json are the rules for the options.
void check_config(const SynthOptions& options) {
  const ModelConfig& c = options.config;
  try {
    const ModelConfig read = parse_config(config_json(options), "the model to write");
    if (read.qkv_bias != c.qkv_bias || read.qk_norm != c.qk_norm)
      refuse("the model to write", "biases or QK-norm", "those of the family " + c.family);
    for (int layer = 0; layer < c.n_layers; ++layer) {
      if (describe_block(read, layer) != describe_block(c, layer))
        refuse("the model to write", fmt::format("block {} as a {} has none", layer, c.family),
               "what its config.json can say");
    }
    const bool more = c.scaled_rope || c.output_bias || c.mlp_bias || !c.no_rope.empty() ||
                      c.query_scale_beta != 0.0 || !c.slides.empty() || family_of(c).skips_rotation ||
                      family_of(c).delta_rule ||
                      (c.experts && c.experts->normalise != family_of(c).experts.gguf_normalises);
    if (options.format == ModelFormat::gguf && more)
      refuse("--format gguf", "a model with more than plain blocks", "--format safetensors");
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::usage) throw;
    throw Error(ErrorKind::usage, {.found = error.what()});
  }
}

// The packed tensor in which the family's files of this format hold the role; nullptr for one of its own.
const PackedRule* packed_of(const SynthOptions& options, const TensorRule& rule) {
  const bool gguf = options.format == ModelFormat::gguf;
  if (!(gguf ? rule.gguf_name : rule.name).empty()) return nullptr;
  for (const PackedRule& packed : family_of(options.config).packed) {
    // The first that holds no other role where there is one: gate and up of experts apart.
    const bool holds = std::find(packed.roles.begin(), packed.roles.end(), rule.role) != packed.roles.end();
    const bool alone = rule.scope != Scope::expert || packed.roles.size() == 1;
    if (holds && alone && !(gguf ? packed.gguf_name : packed.name).empty()) return &packed;
  }
  check_failed("every role has a tensor in each format", __FILE__, __LINE__);
}

PlacedTensor place(const SynthOptions& options, const TensorRule& rule, int layer, int expert) {
  const bool gguf = options.format == ModelFormat::gguf;
  PlacedTensor tensor{
      .rule = &rule, .layer = layer, .type = options.type, .shape = rule.shape(options.config)};
  const PackedRule* packed = packed_of(options, rule);
  if (packed != nullptr) tensor.shape = packed->shape(options.config);
  const std::string_view name =
      packed != nullptr ? (gguf ? packed->gguf_name : packed->name) : (gguf ? rule.gguf_name : rule.name);
  tensor.name = fmt::format(fmt::runtime(name), layer, expert);
  tensor.first_row = static_cast<std::uint64_t>(expert) * tensor.rows();
  const bool vector = tensor.shape.size() == 1 || rule.role == Role::router ||
                      rule.role == Role::shared_expert_gate;  // float32 in GGUF files
  if (gguf && rule.role == Role::shared_expert_gate) tensor.shape.erase(tensor.shape.begin());
  if (gguf && vector) tensor.type = SynthType::f32;
  if (gguf && family_of(options.config).gguf_interleaves_qk) {
    if (rule.role == Role::query) tensor.interleaved_heads = options.config.heads;
    if (rule.role == Role::key) tensor.interleaved_heads = options.config.kv_heads;
  }
  const Encoding& e = encoding(tensor.type);
  if (tensor.columns() % e.block_elements != 0) {
    refuse(fmt::format("--dtype {}", e.name),
           fmt::format("rows of {} values in {}", tensor.columns(), tensor.name),
           fmt::format("a multiple of {}", e.block_elements));
  }
  tensor.size_bytes = encoded_bytes(e, tensor.rows() * tensor.columns());
  return tensor;
}

// All tensors of a role in one block: one of each expert where the files hold them apart.
void place_role(const SynthOptions& options, const TensorRule& rule, int layer,
                std::vector<PlacedTensor>& tensors) {
  const PackedRule* packed = packed_of(options, rule);
  if (packed != nullptr && packed->roles[0] != rule.role) return;  // it came with the first of them
  const int copies = packed != nullptr ? 1 : copies_of(rule, options.config);
  for (int expert = 0; expert < copies; ++expert) tensors.push_back(place(options, rule, layer, expert));
}

Json scaled_rope_json(const ModelConfig& c) {
  const ScaledRope& s = *c.scaled_rope;
  Json json{{"rope_type", to_string(s.type)}};
  if (s.type != RopeType::longrope) json["factor"] = s.factor;
  if (s.type == RopeType::yarn || s.type == RopeType::longrope) {
    json["original_max_position_embeddings"] = static_cast<std::int64_t>(s.original_context);
    json["attention_factor"] = s.attention_factor;
  }
  if (s.type == RopeType::yarn) {
    json["beta_fast"] = s.beta_fast;
    json["beta_slow"] = s.beta_slow;
    json["truncate"] = s.truncate;
  }
  if (s.type == RopeType::longrope) {
    json["short_factor"] = s.short_factors;
    json["long_factor"] = s.long_factors;
  }
  if (family_of(c).scales_queries) json["llama_4_scaling_beta"] = c.query_scale_beta;
  return json;
}

// What a family with mixtures or the gated delta rule says of its blocks.
void add_mixture_keys(Json& json, const ModelConfig& c, const Family& family) {
  const ExpertRules& rules = family.experts;
  json[rules.count_key] = c.experts->count;
  json["num_experts_per_tok"] = c.experts->used;
  json[rules.width_key] = c.experts->width;
  if (rules.shared_width > 0) json["shared_expert_intermediate_size"] = c.experts->shared_width;
  if (rules.weights != ExpertWeights::normalised) json["norm_topk_prob"] = c.experts->normalise;
  if (!rules.some_blocks) return;
  Json dense = Json::array();
  for (int layer = 0; layer < c.n_layers; ++layer) {
    if (describe_block(c, layer).feed_forward.experts == 0) dense.push_back(layer);
  }
  json["mlp_only_layers"] = dense;
}
void add_delta_keys(Json& json, const ModelConfig& c) {
  json["linear_num_key_heads"] = c.delta.key_heads;
  json["linear_num_value_heads"] = c.delta.value_heads;
  json["linear_key_head_dim"] = c.delta.key_dim;
  json["linear_value_head_dim"] = c.delta.value_dim;
  json["linear_conv_kernel_dim"] = c.delta.kernel;
  Json kinds = Json::array();
  for (const char delta : c.delta_blocks) kinds.push_back(delta != 0 ? "linear_attention" : "full_attention");
  json["layer_types"] = kinds;
}

// What gives the rotated dimensions back when it is multiplied by head_dim and cut to an integer.
double rotary_share(const ModelConfig& c) {
  double share = static_cast<double>(rotated_dims(c)) / c.head_dim;
  if (static_cast<int>(c.head_dim * share) < rotated_dims(c)) share = std::nextafter(share, 2.0);
  return share;
}

// Keys that plain models of the first families do without.
void add_block_keys(Json& json, const ModelConfig& c, const Family& family) {
  if (family.bias_keys && c.output_bias) json["attention_bias"] = true;
  if (c.mlp_bias) json["mlp_bias"] = true;
  if (!c.slides.empty()) {
    json["sliding_window"] = c.window;
    json["use_sliding_window"] = true;
    Json kinds = Json::array();
    for (const char slides : c.slides) kinds.push_back(slides != 0 ? "sliding_attention" : "full_attention");
    json["layer_types"] = kinds;
  } else if (family.window != WindowRule::none && family.window != WindowRule::from_block) {
    json["sliding_window"] = nullptr;
  }
  if (c.experts) add_mixture_keys(json, c, family);
  if (family.delta_rule) add_delta_keys(json, c);
  if (family.rotary_share > 0.0) json["partial_rotary_factor"] = rotary_share(c);
  if (family.longrope_alone && c.scaled_rope)
    json["original_max_position_embeddings"] = static_cast<std::int64_t>(c.scaled_rope->original_context);
  if (family.skips_rotation) {
    Json rotated = Json::array();
    for (int layer = 0; layer < c.n_layers; ++layer)
      rotated.push_back(describe_block(c, layer).attention.rope ? 1 : 0);
    json["no_rope_layers"] = rotated;
  }
}

// In the order in which a forward pass needs them.
std::vector<PlacedTensor> place_all(const SynthOptions& options) {
  const ModelConfig& c = options.config;
  std::vector<PlacedTensor> tensors;
  const auto rules = family_of(c).tensors;
  const auto add = [&](int layer, auto wanted) {
    for (const TensorRule& rule : rules) {
      if (wanted(rule) && has_tensor(rule, c, layer)) place_role(options, rule, layer, tensors);
    }
  };
  add(0, [](const TensorRule& r) { return r.role == Role::embedding; });
  for (int layer = 0; layer < c.n_layers; ++layer)
    add(layer, [](const TensorRule& r) { return r.scope != Scope::model; });
  add(0, [](const TensorRule& r) { return r.scope == Scope::model && r.role != Role::embedding; });
  return tensors;
}

// 8 bytes of length, then the list as JSON, padded so that the data begin at a multiple of 8.
std::string safetensors_header(const std::vector<PlacedTensor>& tensors) {
  Json list{{"__metadata__", {{"format", "pt"}}}};
  std::uint64_t at = 0;
  for (const PlacedTensor& t : tensors) {
    list[t.name] = {
        {"dtype", encoding(t.type).name}, {"shape", t.shape}, {"data_offsets", {at, at + t.size_bytes}}};
    at += t.size_bytes;
  }
  std::string text = list.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string header;
  for (int i = 0; i < 8; ++i) header += static_cast<char>(text.size() >> (8 * i) & 0xff);
  return header + text;
}

WeightFile shard_of(std::string name, std::vector<PlacedTensor> tensors) {
  WeightFile file{.name = std::move(name), .tensors = std::move(tensors)};
  file.header = safetensors_header(file.tensors);
  file.size_bytes = file.header.size();
  for (PlacedTensor& t : file.tensors) {
    t.offset_bytes = file.size_bytes;
    file.size_bytes += t.size_bytes;
  }
  return file;
}

// Consecutive tensors, cut where each shard has its share of the bytes.
void add_shards(Layout& layout, std::vector<PlacedTensor> tensors, int shards) {
  if (shards == 1) {
    layout.files.push_back(shard_of("model.safetensors", std::move(tensors)));
    return;
  }
  std::uint64_t total = 0, done = 0;
  for (const PlacedTensor& t : tensors) total += t.size_bytes;
  Json weight_map = Json::object();
  auto next = tensors.begin();
  for (int i = 1; i <= shards; ++i) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i, shards);
    const double goal = static_cast<double>(total) * i / shards;
    std::vector<PlacedTensor> part;
    // At least one tensor here, and one left for each shard to come.
    while (next != tensors.end() && (part.empty() || i == shards || static_cast<double>(done) < goal) &&
           (part.empty() || tensors.end() - next > shards - i)) {
      weight_map[next->name] = name;
      done += next->size_bytes;
      part.push_back(std::move(*next++));
    }
    layout.files.push_back(shard_of(name, std::move(part)));
  }
  const Json index{{"metadata", {{"total_size", total}}}, {"weight_map", weight_map}};
  layout.documents.emplace_back("model.safetensors.index.json", index.dump(1) + "\n");
}

WeightFile gguf_file(const SynthOptions& options, std::vector<PlacedTensor> tensors) {
  WeightFile file{.tensors = std::move(tensors)};
  if (options.config.rope_scaling) {
    PlacedTensor factors{.name = "rope_freqs.weight",
                         .values = llama3_rope_factors(options.config.rope_theta, options.config.head_dim,
                                                       *options.config.rope_scaling)};
    factors.shape = {static_cast<std::int64_t>(factors.values.size())};
    factors.size_bytes = factors.values.size() * sizeof(float);
    file.tensors.insert(file.tensors.begin(), std::move(factors));
  }
  file.header = gguf_header(options, file.tensors);
  file.size_bytes = file.tensors.back().offset_bytes + file.tensors.back().size_bytes;
  return file;
}

}  // namespace

std::uint64_t PlacedTensor::rows() const {
  std::uint64_t rows = 1;
  for (std::size_t i = 0; i + 1 < shape.size(); ++i) rows *= static_cast<std::uint64_t>(shape[i]);
  return rows;
}
std::uint64_t PlacedTensor::columns() const {
  return static_cast<std::uint64_t>(shape.back());
}

std::uint64_t PlacedTensor::source_row(std::uint64_t row) const {
  if (interleaved_heads == 0) return first_row + row;
  const std::uint64_t head_dim = rows() / static_cast<std::uint64_t>(interleaved_heads);
  const std::uint64_t within = row % head_dim;
  return row - within + within % 2 * (head_dim / 2) + within / 2;
}

std::uint64_t Layout::size_bytes() const {
  std::uint64_t total = 0;
  for (const WeightFile& file : files) total += file.size_bytes;
  for (const auto& [name, content] : documents) total += content.size();
  return total;
}

std::string config_json(const SynthOptions& options) {
  const ModelConfig& c = options.config;
  const Family& family = family_of(c);
  Json scaling = nullptr;
  if (c.rope_scaling) {
    scaling = {
        {"rope_type", "llama3"},
        {"factor", c.rope_scaling->factor},
        {"low_freq_factor", c.rope_scaling->low_freq_factor},
        {"high_freq_factor", c.rope_scaling->high_freq_factor},
        {"original_max_position_embeddings", static_cast<std::int64_t>(c.rope_scaling->original_context)}};
  }
  if (c.scaled_rope) scaling = scaled_rope_json(c);
  // transformers' name of a base class: LlamaForCausalLM without its head is LlamaModel.
  std::string architecture(family.architecture);
  constexpr std::string_view kCausal = "ForCausalLM";
  if (!c.has_head && architecture.ends_with(kCausal))
    architecture.replace(architecture.size() - kCausal.size(), kCausal.size(), "Model");
  Json json{{"architectures", Json::array({architecture})},
            {"model_type", family.model_type},
            {"num_hidden_layers", c.n_layers},
            {"hidden_size", c.hidden},
            {"intermediate_size", c.ffn},
            {"num_attention_heads", c.heads},
            {"num_key_value_heads", c.kv_heads},
            {"head_dim", c.head_dim},
            {"vocab_size", c.vocab},
            {"max_position_embeddings", c.max_context},
            {"rope_theta", c.rope_theta},
            {"rope_scaling", scaling},
            {"rms_norm_eps", c.norm_eps},
            {"tie_word_embeddings", c.tied_embeddings},
            {"hidden_act", "silu"},
            {"torch_dtype", options.type == SynthType::f32   ? "float32"
                            : options.type == SynthType::f16 ? "float16"
                                                             : "bfloat16"}};
  add_block_keys(json, c, family);
  return json.dump(2) + "\n";
}

Layout plan_layout(const SynthOptions& options) {
  check_config(options);
  if (!options.scales.empty() && options.scales.size() != static_cast<std::size_t>(options.config.n_layers))
    refuse("scales of the blocks", std::to_string(options.scales.size()),
           fmt::format("one for each of {} blocks", options.config.n_layers));
  const bool gguf = options.format == ModelFormat::gguf;
  if (!gguf && encoding(options.type).block_elements > 1)
    refuse(fmt::format("--dtype {}", to_string(options.type)), "a type that safetensors does not have",
           "f32, f16 or bf16, or --format gguf");
  if (gguf && options.shards != 1) refuse("--shards", fmt::format("{} for GGUF", options.shards), "1");
  if (gguf && !options.tokenizer.empty())
    refuse("--tokenizer", "a tokenizer.json for GGUF", "none: GGUF keeps its vocabulary inside");
  auto tensors = place_all(options);
  if (options.shards < 1 || static_cast<std::size_t>(options.shards) > tensors.size())
    refuse("--shards", std::to_string(options.shards),
           fmt::format("1 to {}, one tensor each", tensors.size()));
  Layout layout;
  if (gguf) {
    layout.files.push_back(gguf_file(options, std::move(tensors)));
    return layout;
  }
  layout.documents.emplace_back("config.json", config_json(options));
  add_shards(layout, std::move(tensors), options.shards);
  return layout;
}

}  // namespace strata::synth
