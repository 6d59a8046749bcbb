// What differs between the blocks of one model in config.json: sliding windows, blocks without rotation,
// mixtures of experts, the gated delta rule.
// Read from the configuration and modeling files of transformers 5.24.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "strata/checkpoint/config_reader.h"
#include "strata/checkpoint/limits.h"

namespace strata {
namespace {

using nlohmann::json;

constexpr std::int64_t kDefaultFirstSliding = 28;  // max_window_layers of Qwen2Config and Qwen3Config
constexpr std::int64_t kDefaultInterval = 4;       // no_rope_layer_interval, full_attention_interval

std::int64_t whole(const ConfigReader& file, const char* key, std::int64_t otherwise) {
  if (!file.has(key)) return otherwise;
  const json& value = file.require(key, "an integer, 0 or more");
  if (!value.is_number_integer() || value.get<std::int64_t>() < 0) {
    file.fail(key, value, "an integer, 0 or more");
  }
  return value.get<std::int64_t>();
}

// layer_types, where it is there: per block, whether it slides.
std::optional<std::vector<char>> read_list(const ConfigReader& file, const Family& family,
                                           const ModelConfig& config) {
  if (!file.has_value("layer_types")) return std::nullopt;
  const json& types = file.require("layer_types", "");
  if (!types.is_array() || types.size() != static_cast<std::size_t>(config.n_layers)) {
    file.fail("layer_types", types, fmt::format("a list of {} names", config.n_layers));
  }
  std::vector<char> slides;
  for (const json& type : types) {
    const bool sliding = type == json("sliding_attention") && family.window != WindowRule::none;
    if (!sliding && type != json("full_attention")) {
      file.refuse("layer_types", ConfigReader::show(type),
                  family.window == WindowRule::none ? "\"full_attention\" in every layer"
                                                    : "\"full_attention\" or \"sliding_attention\"");
    }
    slides.push_back(sliding ? 1 : 0);
  }
  return slides;
}

// Per block, whether it has no rotation: no_rope_layers (1 = it has), else every no_rope_layer_interval-th.
std::vector<char> read_no_rope(const ConfigReader& file, const ModelConfig& config) {
  std::vector<char> without(static_cast<std::size_t>(config.n_layers), 0);
  if (file.has_value("no_rope_layers")) {
    const std::string expected = fmt::format("a list of at least {} numbers, each 0 or 1", config.n_layers);
    const json& list = file.require("no_rope_layers", expected);
    if (!list.is_array() || list.size() < without.size()) file.fail("no_rope_layers", list, expected);
    for (std::size_t i = 0; i < without.size(); ++i) {
      if (list[i] != json(0) && list[i] != json(1)) file.fail("no_rope_layers", list, expected);
      without[i] = list[i] == json(0) ? 1 : 0;
    }
    return without;
  }
  const std::int64_t interval = file.has("no_rope_layer_interval")
                                    ? file.integer("no_rope_layer_interval", kMaxLayers)
                                    : kDefaultInterval;
  for (std::size_t i = 0; i < without.size(); ++i)
    without[i] = (static_cast<std::int64_t>(i) + 1) % interval == 0 ? 1 : 0;
  return without;
}

// Which blocks have a mixture of experts: those that are not in mlp_only_layers, each
// decoder_sparse_step-th.
std::vector<char> mixture_blocks(const ConfigReader& file, const ModelConfig& config) {
  std::vector<char> blocks(static_cast<std::size_t>(config.n_layers), 0);
  const std::int64_t step =
      file.has("decoder_sparse_step") ? file.integer("decoder_sparse_step", kMaxLayers) : 1;
  for (std::size_t i = 0; i < blocks.size(); ++i)
    blocks[i] = (static_cast<std::int64_t>(i) + 1) % step == 0 ? 1 : 0;
  if (!file.has_value("mlp_only_layers")) return blocks;
  constexpr const char* kExpected = "a list of block numbers from 0";
  const json& dense = file.require("mlp_only_layers", kExpected);
  if (!dense.is_array()) file.fail("mlp_only_layers", dense, kExpected);
  for (const json& block : dense) {
    if (!block.is_number_unsigned()) file.fail("mlp_only_layers", dense, kExpected);
    if (block.get<std::uint64_t>() < blocks.size()) blocks[block.get<std::size_t>()] = 0;
  }
  return blocks;
}

void read_experts(const ConfigReader& file, const Family& family, ModelConfig& config) {
  const ExpertRules& rules = family.experts;
  const auto size = [&](const char* key, std::int64_t limit, int otherwise) {
    return file.has(key) ? file.size(key, limit) : otherwise;
  };
  ExpertConfig experts;
  // Qwen3MoeConfig takes the count under both names.
  constexpr const char* kOther = "num_local_experts";
  const bool twice = file.has(rules.count_key) && file.has_value(kOther);
  experts.count = size(file.has(rules.count_key) ? rules.count_key : kOther, kMaxExperts, rules.count);
  if (twice && file.size(kOther, kMaxExperts) != experts.count)
    file.fail(kOther, file.size(kOther, kMaxExperts),
              fmt::format("{}, as {} says", experts.count, rules.count_key));
  experts.used = size("num_experts_per_tok", kMaxExperts, rules.used);
  if (experts.used > experts.count) {
    file.fail("num_experts_per_tok", experts.used,
              fmt::format("at most the number of experts, {}", experts.count));
  }
  experts.width = size(rules.width_key, kMaxFfn, rules.width);
  if (rules.shared_width > 0)
    experts.shared_width = size("shared_expert_intermediate_size", kMaxFfn, rules.shared_width);
  experts.normalise = rules.weights != ExpertWeights::by_key_or_raw;
  if (rules.weights != ExpertWeights::normalised)
    experts.normalise = file.flag("norm_topk_prob").value_or(experts.normalise);
  experts.blocks = rules.some_blocks ? mixture_blocks(file, config)
                                     : std::vector<char>(static_cast<std::size_t>(config.n_layers), 1);
  if (family.defaults.ffn == 0) config.ffn = experts.width;
  config.experts = std::move(experts);
}

// layer_types, else attention in each full_attention_interval-th block.
std::vector<char> delta_blocks(const ConfigReader& file, const ModelConfig& config) {
  std::vector<char> blocks(static_cast<std::size_t>(config.n_layers), 0);
  if (!file.has_value("layer_types")) {
    const std::int64_t interval = file.has("full_attention_interval")
                                      ? file.integer("full_attention_interval", kMaxLayers)
                                      : kDefaultInterval;
    for (std::size_t i = 0; i < blocks.size(); ++i)
      blocks[i] = (static_cast<std::int64_t>(i) + 1) % interval == 0 ? 0 : 1;
    return blocks;
  }
  const json& types = file.require("layer_types", "");
  if (!types.is_array() || types.size() != blocks.size())
    file.fail("layer_types", types, fmt::format("a list of {} names", config.n_layers));
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    blocks[i] = types[i] == json("linear_attention") ? 1 : 0;
    if (blocks[i] == 0 && types[i] != json("full_attention"))
      file.refuse("layer_types", ConfigReader::show(types[i]), "\"full_attention\" or \"linear_attention\"");
  }
  return blocks;
}

void read_delta_rule(const ConfigReader& file, ModelConfig& config) {
  const auto size = [&](const char* key, std::int64_t limit, int otherwise) {
    return file.has(key) ? file.size(key, limit) : otherwise;
  };
  config.output_gate = true;
  config.delta_blocks = delta_blocks(file, config);
  DeltaDescription& delta = config.delta;
  delta.key_heads = size("linear_num_key_heads", kMaxHeads, 16);
  delta.value_heads = size("linear_num_value_heads", kMaxHeads, 32);
  delta.key_dim = size("linear_key_head_dim", kMaxHeads, 128);
  delta.value_dim = size("linear_value_head_dim", kMaxHeads, 128);
  delta.kernel = size("linear_conv_kernel_dim", kMaxKernel, 4);
  if (delta.value_heads % delta.key_heads != 0) {
    file.fail("linear_num_value_heads", delta.value_heads,
              fmt::format("a multiple of linear_num_key_heads = {}", delta.key_heads));
  }
}

bool any(const std::vector<char>& marks) {
  return std::find(marks.begin(), marks.end(), 1) != marks.end();
}

// Whether the class's sliding_window is in use.
bool window_used(const ConfigReader& file, const Family& family) {
  const bool there =
      file.has("sliding_window") ? file.has_value("sliding_window") : family.defaults.window > 0;
  const bool switched =
      family.window == WindowRule::from_block || family.window == WindowRule::without_rotation ||
      family.window == WindowRule::even_below || family.window == WindowRule::every_if_switched;
  return there && (!switched || file.flag("use_sliding_window").value_or(false));
}

std::vector<char> sliding_blocks(const ConfigReader& file, const Family& family, const ModelConfig& config) {
  std::vector<char> slides(static_cast<std::size_t>(config.n_layers), 0);
  switch (family.window) {
    case WindowRule::none:
      break;
    case WindowRule::from_block:
      for (auto i = static_cast<std::size_t>(whole(file, "max_window_layers", kDefaultFirstSliding));
           i < slides.size(); ++i)
        slides[i] = 1;
      break;
    case WindowRule::even_below:
      for (std::size_t i = 0; i < slides.size(); i += 2) {
        const std::int64_t end = whole(file, "max_window_layers", kDefaultFirstSliding);
        slides[i] = static_cast<std::int64_t>(i) < end ? 1 : 0;
      }
      break;
    case WindowRule::every_if_switched:
    case WindowRule::every_block:
    case WindowRule::by_list:
      slides.assign(slides.size(), 1);
      break;
    case WindowRule::without_rotation:
      slides = config.no_rope;
      slides.resize(static_cast<std::size_t>(config.n_layers), 0);
      break;
  }
  return slides;
}

}  // namespace

void read_block_kinds(const ConfigReader& file, const Family& family, ModelConfig& config) {
  if (family.has_experts()) read_experts(file, family, config);
  if (family.skips_rotation) {
    config.no_rope = read_no_rope(file, config);
    if (!any(config.no_rope)) config.no_rope.clear();
  }
  if (family.delta_rule) return read_delta_rule(file, config);
  // The classes whose every block slides do not read the list.
  const bool lists =
      family.window != WindowRule::every_block && family.window != WindowRule::every_if_switched;
  auto slides = lists ? read_list(file, family, config) : std::nullopt;
  const bool used = family.window != WindowRule::none && window_used(file, family);
  if (slides && any(*slides) && !used) {
    file.refuse("layer_types", "sliding_attention without a sliding_window in use",
                "use_sliding_window true and sliding_window, or \"full_attention\" in every layer");
  }
  if (!used) return;
  if (!slides) slides = sliding_blocks(file, family, config);
  if (!any(*slides)) return;
  config.window =
      file.has("sliding_window") ? file.integer("sliding_window", kMaxContext) : family.defaults.window;
  config.slides = std::move(*slides);
}

}  // namespace strata
