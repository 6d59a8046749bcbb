#include "tests/support/reference_gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>

#include "strata/base/file.h"
#include "tests/support/reference_tensors.h"

namespace strata::test {
using nlohmann::json;
namespace fs = std::filesystem;

std::string to_float32(const Stored& tensor) {
  if (tensor.dtype == "F32") return tensor.bytes;
  std::string out;
  for (std::size_t i = 0; i < tensor.bytes.size(); i += 2) {
    std::uint16_t half = 0;
    std::memcpy(&half, tensor.bytes.data() + i, 2);
    std::uint32_t bits = static_cast<std::uint32_t>(half) << 16;
    if (tensor.dtype == "F16") {
      const int exponent = half >> 10 & 31, mantissa = half & 1023;
      const double size =
          exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
      const auto value = static_cast<float>((half & 0x8000) != 0 ? -size : size);
      std::memcpy(&bits, &value, 4);
    }
    out += little_endian(bits, 4);
  }
  return out;
}

namespace {

// The number behind `part`.
std::size_t number_of(const std::string& name, const std::string& part) {
  return std::stoul(name.substr(name.find(part) + part.size()));
}

// "model.layers.3.self_attn.q_proj.bias" -> "blk.3.attn_q.bias"; nothing for what GGUF holds in another way.
std::optional<std::string> gguf_name(std::string name) {
  if (name.starts_with("model.")) name.erase(0, 6);
  const std::map<std::string, std::string> once{{"embed_tokens.weight", "token_embd.weight"},
                                                {"norm.weight", "output_norm.weight"},
                                                {"lm_head.weight", "output.weight"}};
  if (const auto found = once.find(name); found != once.end()) return found->second;
  const std::map<std::string, std::string> parts{{"mlp.gate", "ffn_gate_inp"},
                                                 {"post_attention_norm", "post_attention_norm"},
                                                 {"linear_attn.in_proj_qkv", "attn_qkv"},
                                                 {"linear_attn.in_proj_z", "attn_gate"},
                                                 {"linear_attn.in_proj_b", "ssm_beta"},
                                                 {"linear_attn.in_proj_a", "ssm_alpha"},
                                                 {"linear_attn.in_proj_ba", "ssm_ba"},
                                                 {"linear_attn.conv1d", "ssm_conv1d"},
                                                 {"linear_attn.dt", "ssm_dt"},
                                                 {"linear_attn.norm", "ssm_norm"},
                                                 {"linear_attn.out_proj", "ssm_out"},
                                                 {"block_sparse_moe.gate", "ffn_gate_inp"},
                                                 {"mlp.shared_expert_gate", "ffn_gate_inp_shexp"},
                                                 {"mlp.shared_expert.gate_proj", "ffn_gate_shexp"},
                                                 {"mlp.shared_expert.up_proj", "ffn_up_shexp"},
                                                 {"mlp.shared_expert.down_proj", "ffn_down_shexp"},
                                                 {"input_layernorm", "attn_norm"},
                                                 {"self_attn.q_proj", "attn_q"},
                                                 {"self_attn.k_proj", "attn_k"},
                                                 {"self_attn.v_proj", "attn_v"},
                                                 {"self_attn.qkv_proj", "attn_qkv"},
                                                 {"mlp.gate_up_proj", "ffn_up"},
                                                 {"self_attn.o_proj", "attn_output"},
                                                 {"self_attn.q_norm", "attn_q_norm"},
                                                 {"self_attn.k_norm", "attn_k_norm"},
                                                 {"post_attention_layernorm", "ffn_norm"},
                                                 {"mlp.gate_proj", "ffn_gate"},
                                                 {"mlp.up_proj", "ffn_up"},
                                                 {"mlp.down_proj", "ffn_down"}};
  if (name.ends_with(".A_log")) return fmt::format("blk.{}.ssm_a", number_of(name, "layers."));
  const std::size_t number = name.find('.') + 1, part = name.find('.', number) + 1, end = name.rfind('.');
  const auto found = parts.find(name.substr(part, end - part));
  if (found == parts.end()) throw std::invalid_argument(name);
  return fmt::format("blk.{}.{}{}", name.substr(number, part - 1 - number), found->second, name.substr(end));
}

// "model.layers.2.mlp.experts.5.up_proj.weight" -> "blk.2.ffn_up_exps.weight"
std::string stacked_name(const std::string& name) {
  const std::map<std::string, std::string> parts{{"gate_proj", "gate"}, {"up_proj", "up"},
                                                 {"down_proj", "down"}, {"w1", "gate"},
                                                 {"w3", "up"},          {"w2", "down"}};
  const std::size_t end = name.rfind('.'), begin = name.rfind('.', end - 1) + 1;
  return fmt::format("blk.{}.ffn_{}_exps.weight", number_of(name, "layers."),
                     parts.at(name.substr(begin, end - begin)));
}

// Row s * half + i of each head goes to row 2 i + s.
std::string interleaved(const std::string& bytes, std::size_t rows, std::size_t head_dim) {
  const std::size_t each = bytes.size() / rows;
  std::string out(bytes.size(), '\0');
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t within = row % head_dim, half = head_dim / 2;
    out.replace((row - within + 2 * (within % half) + within / half) * each, each, bytes, row * each, each);
  }
  return out;
}

std::uint32_t ggml_number(const Stored& tensor) {
  return tensor.dtype == "F32" ? 0 : tensor.dtype == "F16" ? 1 : 30;
}

std::string architecture_of(const json& config) {
  const std::map<std::string, std::string> names{
      {"llama", "llama"},         {"mistral", "llama"},
      {"ministral", "llama"},     {"qwen2", "qwen2"},
      {"qwen3", "qwen3"},         {"ministral3", "mistral3"},
      {"smollm3", "smollm3"},     {"phi3", "phi3"},
      {"mixtral", "llama"},       {"qwen2_moe", "qwen2moe"},
      {"qwen3_moe", "qwen3moe"},  {"qwen3_next", "qwen3next"},
      {"qwen3_5_text", "qwen35"}, {"qwen3_5_moe_text", "qwen35moe"}};
  return names.at(config.at("model_type"));
}

struct Writer {
  const json& config;
  GgufFile& file;
  std::string architecture;

  void u32(const std::string& key, std::uint32_t value) const {
    file.set(architecture + "." + key, gguf_u32(value));
  }
  void f32(const std::string& key, double value) const {
    file.set(architecture + "." + key, gguf_f32(static_cast<float>(value)));
  }
  [[nodiscard]] std::uint32_t number(const char* key) const { return config.at(key).get<std::uint32_t>(); }

  void sizes() const {
    const std::uint32_t heads = number("num_attention_heads");
    u32("block_count", number("num_hidden_layers"));
    u32("context_length", number("max_position_embeddings"));
    u32("embedding_length", number("hidden_size"));
    if (config.contains("intermediate_size")) u32("feed_forward_length", number("intermediate_size"));
    u32("attention.head_count", heads);
    u32("attention.head_count_kv", number("num_key_value_heads"));
    const std::uint32_t head_dim =
        config.value("head_dim", json()).is_number() ? number("head_dim") : number("hidden_size") / heads;
    u32("attention.key_length", head_dim);
    u32("attention.value_length", head_dim);
    const json section = config.value("rope_parameters", json::object());
    const double share = section.value("partial_rotary_factor", config.value("partial_rotary_factor", 1.0));
    u32("rope.dimension_count", static_cast<std::uint32_t>(share * head_dim));
    f32("attention.layer_norm_rms_epsilon", config.at("rms_norm_eps"));
    for (const char* key : {"num_experts", "num_local_experts"}) {
      if (config.contains(key)) u32("expert_count", number(key));
    }
    if (config.contains("num_experts_per_tok")) u32("expert_used_count", number("num_experts_per_tok"));
    if (config.contains("moe_intermediate_size"))
      u32("expert_feed_forward_length", number("moe_intermediate_size"));
    if (config.contains("shared_expert_intermediate_size"))
      u32("expert_shared_feed_forward_length", number("shared_expert_intermediate_size"));
  }

  void delta_rule() const {
    if (!config.contains("linear_conv_kernel_dim")) return;
    u32("ssm.conv_kernel", number("linear_conv_kernel_dim"));
    u32("ssm.state_size", number("linear_key_head_dim"));
    u32("ssm.group_count", number("linear_num_key_heads"));
    u32("ssm.time_step_rank", number("linear_num_value_heads"));
    u32("ssm.inner_size", number("linear_num_value_heads") * number("linear_value_head_dim"));
    std::string flags;
    for (const json& type : config.at("layer_types"))
      flags += static_cast<char>(type == "linear_attention" ? 1 : 0);
    file.set(architecture + ".attention.recurrent_layers",
             gguf_array(GgufValueType::boolean, flags.size(), flags));
  }

  void rope() const {
    json section = config.contains("rope_parameters") ? config["rope_parameters"] : json::object();
    if (config.contains("rope_scaling") && config["rope_scaling"].is_object())
      section = config["rope_scaling"];
    f32("rope.freq_base", section.value("rope_theta", config.value("rope_theta", 10000.0)));
    if (architecture == "phi3") return fused_rope(section);
    const std::string type = section.value("rope_type", "default");
    if (type == "linear") {
      file.set(architecture + ".rope.scaling.type", gguf_string("linear"));
      f32("rope.scaling.factor", section.at("factor"));
    } else if (type == "yarn") {
      yarn(section);
    } else if (type == "longrope") {
      const double factor = section.at("factor"), original = section.at("original_max_position_embeddings");
      file.set(architecture + ".rope.scaling.type", gguf_string("longrope"));
      u32("rope.scaling.original_context_length", static_cast<std::uint32_t>(original));
      f32("rope.scaling.attn_factor", std::sqrt(1.0 + std::log(factor) / std::log(original)));
      factors("rope_factors_long.weight", section.at("long_factor"));
      factors("rope_factors_short.weight", section.at("short_factor"));
    } else if (type == "llama3") {
      llama3(section);
    }
  }

  // Without a word on the type.
  void fused_rope(const json& section) const {
    const double original = config.value("original_max_position_embeddings", 4096),
                 factor = number("max_position_embeddings") / original;
    u32("rope.scaling.original_context_length", static_cast<std::uint32_t>(original));
    if (!section.contains("long_factor")) return;
    f32("rope.scaling.attn_factor", std::sqrt(1.0 + std::log(factor) / std::log(original)));
    factors("rope_factors_long.weight", section.at("long_factor"));
    factors("rope_factors_short.weight", section.at("short_factor"));
  }

  void yarn(const json& section) const {
    const double factor = section.at("factor");
    file.set(architecture + ".rope.scaling.type", gguf_string("yarn"));
    f32("rope.scaling.factor", factor);
    u32("rope.scaling.original_context_length", section.at("original_max_position_embeddings"));
    if (section.contains("beta_fast")) f32("rope.scaling.yarn_beta_fast", section["beta_fast"]);
    if (section.contains("beta_slow")) f32("rope.scaling.yarn_beta_slow", section["beta_slow"]);
    if (section.contains("mscale_all_dim"))
      f32("rope.scaling.yarn_log_multiplier", section["mscale_all_dim"]);
    // llama.cpp multiplies what follows from the factor by it.
    if (section.contains("attention_factor"))
      f32("rope.scaling.attn_factor",
          section["attention_factor"].get<double>() / (0.1 * std::log(factor) + 1.0));
    if (section.contains("llama_4_scaling_beta"))
      f32("attention.temperature_scale", section["llama_4_scaling_beta"]);
  }

  void llama3(const json& section) const {
    const double theta = section.value("rope_theta", config.value("rope_theta", 10000.0));
    const double low = section.at("low_freq_factor"), high = section.at("high_freq_factor"),
                 factor = section.at("factor");
    const double original = config.contains("original_max_position_embeddings")
                                ? config["original_max_position_embeddings"].get<double>()
                                : section.at("original_max_position_embeddings").get<double>();
    const int head_dim = config.contains("head_dim") ? config["head_dim"].get<int>() : 12;
    std::vector<double> list;
    for (int i = 0; i < head_dim; i += 2) {
      const double turns = original * std::pow(theta, -static_cast<double>(i) / head_dim) / (2.0 * M_PI);
      const double smooth = std::clamp((turns - low) / (high - low), 0.0, 1.0);
      list.push_back(1.0 / ((1.0 - smooth) / factor + smooth));
    }
    factors("rope_freqs.weight", list);
  }

  void factors(const std::string& name, const std::vector<double>& list) const {
    std::string bytes;
    for (const double factor : list) bytes += gguf_f32(static_cast<float>(factor)).bytes;
    file.tensors.push_back({.name = name, .type = 0, .extents = {list.size()}, .bytes = bytes});
  }

  // llama.cpp's key of which blocks slide is a list of booleans.
  void window() const {
    if (!config.value("sliding_window", json()).is_number()) return;
    const std::string type = config.at("model_type");
    const bool switched = type.starts_with("qwen") || type == "smollm3";
    if (switched && !config.value("use_sliding_window", false)) return;
    u32("attention.sliding_window", number("sliding_window"));
    if (type == "phi3") return;
    std::string flags;
    for (std::uint32_t i = 0; i < number("num_hidden_layers"); ++i) {
      bool slides = true;
      if (config.contains("layer_types")) {
        slides = config["layer_types"][i] == "sliding_attention";
      } else if (type == "qwen2" || type == "qwen3") {
        slides = i >= number("max_window_layers");
      } else if (type == "qwen2_moe") {
        slides = i % 2 == 0 && i < number("max_window_layers");
      } else if (type == "smollm3") {
        slides = (i + 1) % number("no_rope_layer_interval") == 0;
      }
      flags += static_cast<char>(slides ? 1 : 0);
    }
    file.set(architecture + ".attention.sliding_window_pattern",
             gguf_array(GgufValueType::boolean, flags.size(), flags));
  }
};

}  // namespace

GgufFile reference_gguf(const fs::path& folder) {
  return converted_gguf(json::parse(read_file(folder / "config.json")), read_tensors(folder));
}

GgufFile converted_gguf(const json& whole, const std::map<std::string, Stored>& tensors) {
  const json config = whole.value("text_config", whole);
  GgufFile file;
  const Writer writer{config, file, architecture_of(config)};
  file.set("general.architecture", gguf_string(writer.architecture));
  writer.sizes();
  writer.rope();
  writer.window();
  writer.delta_rule();
  const bool turns = !writer.architecture.starts_with("qwen") && writer.architecture != "phi3";
  const auto head_dim =
      config.value("head_dim", json()).is_number()
          ? config["head_dim"].get<std::size_t>()
          : config["hidden_size"].get<std::size_t>() / config["num_attention_heads"].get<std::size_t>();
  std::map<std::string, std::map<std::size_t, Stored>> experts;  // of each stacked tensor
  for (const auto& [name, tensor] : as_converted(tensors, config)) {
    if (name.find(".experts.") != std::string::npos) {
      experts[stacked_name(name)][number_of(name, ".experts.")] = tensor;
      continue;
    }
    const auto to = gguf_name(name);
    if (!to) continue;
    GgufEntry entry{
        .name = *to, .extents = {tensor.shape.rbegin(), tensor.shape.rend()}, .bytes = tensor.bytes};
    entry.type = ggml_number(tensor);
    if (tensor.shape.size() == 1 || name.find("linear_attn.conv1d") != std::string::npos) {
      entry.bytes = to_float32(tensor);
      entry.type = 0;
    }
    if (turns && (to->find(".attn_q.") != std::string::npos || to->find(".attn_k.") != std::string::npos))
      entry.bytes = interleaved(entry.bytes, tensor.shape[0], head_dim);
    file.tensors.push_back(std::move(entry));
  }
  for (const auto& [name, each] : experts) {
    const Stored& first = each.begin()->second;
    GgufEntry entry{
        .name = name, .type = ggml_number(first), .extents = {first.shape.rbegin(), first.shape.rend()}};
    entry.extents.push_back(each.size());
    for (const auto& [expert, tensor] : each) entry.bytes += tensor.bytes;
    file.tensors.push_back(std::move(entry));
  }
  return file;
}

}  // namespace strata::test
