// Each feature of each architecture computed wrongly on purpose, by an edit of config.json or of the tensors:
// the last state moves as far as Hugging Face transformers' does.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <span>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "tests/model/reference_folder.h"
#include "tests/support/gguf_file.h"
#include "tests/support/paths.h"
#include "tests/support/reference_tensors.h"
#include "tests/support/tiny_checkpoint.h"

namespace strata {
namespace {

using nlohmann::json;
using test::Computed;
using test::folder_of;
using test::npy_values;
using test::run_through;
namespace fs = std::filesystem;

// A mistake, as reference.json names it, and the edit of config.json that makes it.
struct Mistake {
  const char* folder;
  const char* name;
  std::function<void(json&)> edit;
};

void drop_scaling(json& config) {
  const char* section = config.contains("rope_parameters") ? "rope_parameters" : "rope_scaling";
  config["rope_theta"] = config[section].value("rope_theta", config.value("rope_theta", 10000.0));
  config.erase(section);
}
void raise_theta(json& config) {
  if (config.contains("rope_parameters")) {
    config["rope_parameters"]["rope_theta"] = config["rope_parameters"]["rope_theta"].get<double>() * 1.2;
  } else {
    config["rope_theta"] = config.value("rope_theta", 10000.0) * 1.2;
  }
}
auto set_rope(const char* key, const json& value) {
  return [=](json& config) {
    config[config.contains("rope_parameters") ? "rope_parameters" : "rope_scaling"][key] = value;
  };
}
auto set_key(const char* key, const json& value) {
  return [=](json& config) { config[key] = value; };
}
auto list_kinds(const char* kinds) {
  return [=](json& config) {
    config["layer_types"] = json::array();
    for (const char* kind = kinds; *kind != '\0'; ++kind)
      config["layer_types"].push_back(*kind == 's' ? "sliding_attention" : "full_attention");
  };
}

const Mistake kMistakes[] = {
    {"llama-rope-llama3", "rope scaling left out", drop_scaling},
    {"llama-rope-llama3", "rope theta 20% larger", raise_theta},
    {"llama-rope-llama3-old", "rope scaling left out", drop_scaling},
    {"llama-rope-llama3-top", "the one in rope_parameters wins",
     [](json& c) { c.erase("original_max_position_embeddings"); }},
    {"llama-2", "rope theta 20% larger", raise_theta},
    {"llama-head-dim", "eps 1e-6", set_key("rms_norm_eps", 1e-6)},
    {"llama-head-dim", "rope theta 20% larger", raise_theta},
    {"llama-rope-linear", "rope scaling left out", drop_scaling},
    {"llama-rope-dynamic", "rope scaling left out", drop_scaling},
    {"llama-rope-yarn", "rope scaling left out", drop_scaling},
    {"llama-rope-yarn", "attention_factor from the factor", set_rope("attention_factor", nullptr)},
    {"llama-rope-yarn", "beta_fast 32, beta_slow 1",
     [](json& c) {
       c["rope_parameters"].erase("beta_fast");
       c["rope_parameters"].erase("beta_slow");
     }},
    {"llama-rope-longrope", "rope scaling left out", drop_scaling},
    {"llama-rope-longrope", "short factors for the long text",
     set_rope("original_max_position_embeddings", 200)},
    {"llama-rope-longrope", "attention factor 1", set_rope("attention_factor", 1.0)},
    {"qwen2", "sliding window in use", set_key("use_sliding_window", true)},
    {"qwen2", "rope theta 20% larger", raise_theta},
    {"qwen2-sliding", "sliding window left out", set_key("use_sliding_window", false)},
    {"qwen2-sliding", "window in the first blocks", list_kinds("ssff")},
    {"qwen2-sliding", "window one shorter", set_key("sliding_window", 15)},
    {"qwen3", "rope theta 20% larger", raise_theta},
    {"qwen3-sliding", "sliding window left out", list_kinds("ffff")},
    {"qwen3-sliding", "window in the other blocks", list_kinds("fsfs")},
    {"qwen3-yarn", "rope scaling left out", drop_scaling},
    {"qwen3-yarn", "attention factor 1", set_rope("attention_factor", 1.0)},
    {"mistral", "rope theta 20% larger", raise_theta},
    {"mistral", "sliding window", set_key("sliding_window", 16)},
    {"mistral-sliding", "sliding window left out", set_key("sliding_window", nullptr)},
    {"mistral-sliding", "window one shorter", set_key("sliding_window", 15)},
    {"ministral", "sliding window left out", list_kinds("ffff")},
    {"ministral", "window in every block", list_kinds("ssss")},
    {"ministral3", "rope scaling left out", set_rope("rope_type", "default")},
    {"ministral3", "queries not scaled", set_rope("llama_4_scaling_beta", 0.0)},
    {"smollm3", "rope in every block", set_key("no_rope_layers", json::array({1, 1, 1, 1}))},
    {"smollm3", "no_rope_layers read the other way", set_key("no_rope_layers", json::array({0, 1, 0, 1}))},
    {"smollm3", "every fourth block", set_key("no_rope_layers", nullptr)},
    {"smollm3-sliding", "sliding window left out", set_key("use_sliding_window", false)},
    {"smollm3-sliding", "rope in every block",
     [](json& c) {
       c["no_rope_layers"] = json::array({1, 1, 1, 1});
       c["layer_types"] =
           json::array({"full_attention", "sliding_attention", "full_attention", "sliding_attention"});
     }},
};

auto set_divisors(const char* key, double first, double step, int count) {
  return [=](json& config) {
    json list = json::array();
    for (int i = 0; i < count; ++i) list.push_back(first + step * (i % 3));
    config["rope_scaling"][key] = list;
  };
}
const Mistake kFusedMistakes[] = {
    {"phi3", "sliding window left out", set_key("sliding_window", nullptr)},
    {"phi3", "window one shorter", set_key("sliding_window", 16)},
    {"phi3", "rope theta 20% larger", raise_theta},
    {"phi3", "half of each head rotated", set_key("partial_rotary_factor", 0.5)},
    {"phi3", "eps 1e-2", set_key("rms_norm_eps", 1e-2)},
    {"phi3-longrope", "all of each head rotated",
     [](json& c) {
       c["partial_rotary_factor"] = 1.0;
       set_divisors("short_factor", 1.0, 0.3, 6)(c);
       set_divisors("long_factor", 1.5, 2.0, 6)(c);
     }},
    {"phi3-longrope", "rope scaling left out", set_key("rope_scaling", nullptr)},
    {"phi3-longrope", "short factors for the long text", set_divisors("long_factor", 1.0, 0.3, 3)},
    {"phi3-longrope", "attention factor 1", set_rope("attention_factor", 1.0)},
};

const Mistake kMixtureMistakes[] = {
    {"qwen2-moe", "weights of the experts taken made to sum to 1", set_key("norm_topk_prob", true)},
    {"qwen2-moe", "one expert fewer", set_key("num_experts_per_tok", 2)},
    {"qwen2-moe-sparse-step", "sliding window left out", set_key("use_sliding_window", false)},
    {"qwen2-moe-sparse-step", "weights of the experts taken not made to sum to 1",
     set_key("norm_topk_prob", false)},
    {"qwen3-moe", "weights of the experts taken not made to sum to 1", set_key("norm_topk_prob", false)},
    {"qwen3-moe", "one expert fewer", set_key("num_experts_per_tok", 2)},
    {"mixtral", "one expert fewer", set_key("num_experts_per_tok", 1)},
    {"mixtral", "rope theta 20% larger", raise_theta},
    {"qwen3-next", "all of each head rotated", set_rope("partial_rotary_factor", 1.0)},
    {"qwen3-next", "eps of the norms 1e-6", set_key("rms_norm_eps", 1e-6)},
    {"qwen3-next", "weights of the experts taken not made to sum to 1", set_key("norm_topk_prob", false)},
    {"qwen3.5-text", "all of each head rotated", set_rope("partial_rotary_factor", 1.0)},
    {"qwen3.5-text", "eps of the norms 1e-6", set_key("rms_norm_eps", 1e-6)},
    {"qwen3.5", "all of each head rotated",
     [](json& c) { c["text_config"]["rope_parameters"]["partial_rotary_factor"] = 1.0; }},
    {"qwen3.5-moe", "one expert fewer", [](json& c) { c["text_config"]["num_experts_per_tok"] = 2; }},
};

// A mistake that no key of config.json makes: an edit of the tensors whose names end so.
struct TensorMistake {
  const char* folder;
  const char* name;
  std::vector<std::string> tensors;
  std::function<void(test::Stored&)> edit;
};

std::string stored_value(const test::Stored& tensor, float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return tensor.dtype == "F32" ? test::little_endian(bits, 4) : test::little_endian(bits >> 16, 2);
}
auto fill(float value) {
  return [=](test::Stored& tensor) {
    const std::string one = stored_value(tensor, value);
    for (std::size_t at = 0; at < tensor.bytes.size(); at += one.size())
      tensor.bytes.replace(at, one.size(), one);
  };
}
// Each row of taps passes the present token on.
void pass_on(test::Stored& tensor) {
  const std::string zero = stored_value(tensor, 0.0f), one = stored_value(tensor, 1.0f);
  const std::size_t taps = tensor.shape.back();
  for (std::size_t i = 0; i < tensor.bytes.size() / one.size(); ++i)
    tensor.bytes.replace(i * one.size(), one.size(), (i + 1) % taps == 0 ? one : zero);
}
// Of each head's query and gate, the gate.
void close_gates(test::Stored& tensor) {
  constexpr std::size_t kHeads = 4;
  const std::size_t half = tensor.bytes.size() / kHeads / 2;
  for (std::size_t head = 0; head < kHeads; ++head)
    tensor.bytes.replace((2 * head + 1) * half, half, std::string(half, '\0'));
}

const TensorMistake kTensorMistakes[] = {
    {"qwen2-moe", "shared expert left out", {"shared_expert.down_proj.weight"}, fill(0.0f)},
    {"qwen2-moe", "gate of the shared expert a constant 1/2", {"shared_expert_gate.weight"}, fill(0.0f)},
    {"qwen2-moe", "bias of q, k, v left out", {"_proj.bias"}, fill(0.0f)},
    {"qwen3-next", "output gate of attention a constant 1/2", {"self_attn.q_proj.weight"}, close_gates},
    {"qwen3-next", "convolution left out", {"conv1d.weight"}, pass_on},
    {"qwen3-next", "A_log left out (A = 1)", {"A_log"}, fill(0.0f)},
    {"qwen3-next", "dt_bias left out", {"dt_bias"}, fill(0.0f)},
    {"qwen3-next", "weight of the gated norm left out", {"linear_attn.norm.weight"}, fill(1.0f)},
    {"qwen3-next", "gate of the shared expert a constant 1/2", {"shared_expert_gate.weight"}, fill(0.0f)},
    {"qwen3.5-text", "output gate of attention a constant 1/2", {"self_attn.q_proj.weight"}, close_gates},
    {"qwen3.5-text", "convolution left out", {"conv1d.weight"}, pass_on},
    {"qwen3.5-text", "A_log left out (A = 1)", {"A_log"}, fill(0.0f)},
    {"qwen3.5-text", "dt_bias left out", {"dt_bias"}, fill(0.0f)},
    {"qwen3.5-text", "weight of the gated norm left out", {"linear_attn.norm.weight"}, fill(1.0f)},
    {"qwen3.5", "output gate of attention a constant 1/2", {"self_attn.q_proj.weight"}, close_gates},
    {"qwen3.5-moe", "gate of the shared expert a constant 1/2", {"shared_expert_gate.weight"}, fill(0.0f)},
};

// The RMS of the difference of the last state over its RMS, for the folder's long document.
void expect_moved(const fs::path& folder, const fs::path& wrong_folder, const std::string& mistake) {
  const Checkpoint checkpoint = Checkpoint::open(wrong_folder);
  const Computed wrong = run_through(checkpoint, npy_values<std::int32_t>(folder / "ids_long.npy"));
  const auto states = npy_values<float>(folder / "states_long.npy");
  double difference = 0.0, square = 0.0;
  const auto blocks = static_cast<std::size_t>(checkpoint.config().n_layers);
  for (std::size_t i = states.size() / (blocks + 1) * blocks; i < states.size(); ++i) {
    difference += std::pow(static_cast<double>(wrong.states[i]) - states[i], 2);
    square += std::pow(static_cast<double>(states[i]), 2);
  }
  const double expected = json::parse(read_file(folder / "reference.json"))["changes"].at(mistake);
  EXPECT_NEAR(std::sqrt(difference / square), expected, 1e-3 * expected);
}

TEST(ArchitectureMistakes, OfTensorsMoveTheLastStateAsFarAsInTransformers) {
  FOLDER_OR_SKIP(first, "qwen3-next");  // the data folder is there
  for (const TensorMistake& mistake : kTensorMistakes) {
    SCOPED_TRACE(fmt::format("{}: {}", mistake.folder, mistake.name));
    const fs::path folder = *folder_of(mistake.folder);
    test::TemporaryDirectory directory;
    fs::create_symlink(folder / "config.json", directory.path() / "config.json");
    std::vector<test::StoredTensor> tensors;
    std::size_t edited = 0;
    for (auto& [name, tensor] : test::read_tensors(folder)) {
      const bool wanted = std::any_of(mistake.tensors.begin(), mistake.tensors.end(),
                                      [&](const std::string& ending) { return name.ends_with(ending); });
      if (wanted) {
        mistake.edit(tensor);
        ++edited;
      }
      tensors.push_back({.name = name,
                         .dtype = tensor.dtype,
                         .shape = {tensor.shape.begin(), tensor.shape.end()},
                         .bytes = tensor.bytes});
    }
    EXPECT_GT(edited, 0u);
    test::write_text(directory.path() / "model.safetensors", test::safetensors_bytes(tensors));
    expect_moved(folder, directory.path(), mistake.name);
  }
}

// The RMS of the difference of the last state over its RMS is what transformers itself gives for the mistake.
void expect_mistakes(std::span<const Mistake> mistakes) {
  for (const Mistake& mistake : mistakes) {
    SCOPED_TRACE(fmt::format("{}: {}", mistake.folder, mistake.name));
    const fs::path folder = *folder_of(mistake.folder);
    test::TemporaryDirectory directory;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().string().find(".safetensors") != std::string::npos)
        fs::create_symlink(entry.path(), directory.path() / entry.path().filename());
    }
    json config = json::parse(read_file(folder / "config.json"));
    mistake.edit(config);
    test::write_text(directory.path() / "config.json", config.dump());
    expect_moved(folder, directory.path(), mistake.name);
  }
}

TEST(ArchitectureMistakes, MoveTheLastStateAsFarAsInTransformers) {
  FOLDER_OR_SKIP(first, "qwen3");  // the data folder is there
  expect_mistakes(kMistakes);
  expect_mistakes(kMixtureMistakes);
}

TEST(ArchitectureMistakes, OfFusedModelsMoveTheLastStateAsFarAsInTransformers) {
  expect_mistakes(kFusedMistakes);
}

// Biases are tensors: a file that has them and a config.json that does not say so is refused.
TEST(ArchitectureMistakes, BiasesMustBeUsed) {
  FOLDER_OR_SKIP(folder, "llama-bias");
  for (const char* key : {"attention_bias", "mlp_bias"}) {
    test::TemporaryDirectory directory;
    fs::create_symlink(*folder / "model.safetensors", directory.path() / "model.safetensors");
    json config = json::parse(read_file(*folder / "config.json"));
    config[key] = false;
    test::write_text(directory.path() / "config.json", config.dump());
    EXPECT_STRATA_ERROR(Checkpoint::open(directory.path()), ErrorKind::unsupported, ".bias");
  }
}

}  // namespace
}  // namespace strata
