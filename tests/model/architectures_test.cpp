// Every architecture against Hugging Face transformers: states and logits of tiny checkpoints that it
// computed (the data folder's reference/architectures, float32), from their own format and from GGUF. And
// each feature computed wrongly on purpose, by an edit of config.json: the last state moves as far as
// transformers' does.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/npy.h"
#include "strata/model/block.h"
#include "strata/model/head.h"
#include "tests/support/float_values.h"
#include "tests/support/paths.h"
#include "tests/support/reference_gguf.h"

namespace strata {
namespace {

using nlohmann::json;
using test::relative_difference;
namespace fs = std::filesystem;

constexpr double kWorst = 1e-4;  // worst element over the array's RMS

struct Computed {
  std::vector<float> states;  // (blocks + 1, tokens, d)
  std::vector<float> logits;  // (tokens, vocab); empty without a head
};

Computed run_through(const Checkpoint& checkpoint, const std::vector<std::int32_t>& ids) {
  const ModelConfig& config = checkpoint.config();
  const auto n = static_cast<std::int64_t>(ids.size());
  const RopeTable rope = make_rope_table(config, 150);
  const Embedding embedding = load_embedding(checkpoint);
  std::vector<float> h(static_cast<std::size_t>(n * config.hidden));
  embed(embedding, ids, h.data());
  Computed result{.states = h, .logits = {}};
  BlockScratch scratch;
  for (int layer = 0; layer < config.n_layers; ++layer) {
    forward_block(load_block(checkpoint, layer), rope, h.data(), h.data(), n, scratch, nullptr);
    result.states.insert(result.states.end(), h.begin(), h.end());
  }
  if (!config.has_head) return result;
  const HeadWeights head = load_head(checkpoint, embedding);
  LogitScratch logit_scratch;
  std::vector<float> chunk(static_cast<std::size_t>(kLogitRows * config.vocab));
  for (std::int64_t begin = 0; begin < n; begin += kLogitRows) {
    const std::int64_t rows = std::min(kLogitRows, n - begin);
    compute_logits(head, config, h.data() + begin * config.hidden, rows, chunk.data(), logit_scratch);
    result.logits.insert(result.logits.end(), chunk.begin(), chunk.begin() + rows * config.vocab);
  }
  return result;
}

template <class T>
std::vector<T> npy_values(const fs::path& path) {
  return std::get<std::vector<T>>(read_npy(path).data);
}

// Of the data folder, else one of the few that the repository has the short document of.
std::optional<fs::path> folder_of(const std::string& name) {
  if (auto shared = test::shared_data("reference/architectures/" + name)) return shared;
  auto copy = test::repo_path("tests/golden/architectures/" + name);
  return fs::exists(copy) ? std::optional(copy) : std::nullopt;
}
std::vector<std::string> lengths_of(const fs::path& folder) {
  std::vector<std::string> lengths;
  for (const char* length : {"short", "long"}) {
    if (fs::exists(folder / fmt::format("ids_{}.npy", length))) lengths.emplace_back(length);
  }
  return lengths;
}
#define FOLDER_OR_SKIP(folder, name)   \
  const auto folder = folder_of(name); \
  if (!folder)                         \
  GTEST_SKIP() << "needs reference/architectures/" << name << " of the data folder (STRATA_SHARED_DATA)"

// Largest difference of a state or the logits, each over its RMS.
double worst_difference(const Computed& ours, const fs::path& folder, const std::string& length) {
  const NpyArray reference = read_npy(folder / ("states_" + length + ".npy"));
  const auto& states = std::get<std::vector<float>>(reference.data);
  EXPECT_EQ(states.size(), ours.states.size());
  if (states.size() != ours.states.size()) return INFINITY;
  const std::size_t each = reference.shape[1] * reference.shape[2];
  double worst = 0.0;
  for (std::size_t at = 0; at < states.size(); at += each) {
    worst = std::max(worst, relative_difference(ours.states.data() + at, states.data() + at, each));
  }
  const fs::path path = folder / ("logits_" + length + ".npy");
  EXPECT_EQ(fs::exists(path), !ours.logits.empty());
  if (!fs::exists(path) || ours.logits.empty()) return worst;
  const auto logits = npy_values<float>(path);
  EXPECT_EQ(logits.size(), ours.logits.size());
  return std::max(worst, relative_difference(ours.logits, logits));
}

class Architecture : public testing::TestWithParam<const char*> {};

TEST_P(Architecture, StatesAndLogitsOfTransformers) {
  FOLDER_OR_SKIP(folder, GetParam());
  const Checkpoint checkpoint = Checkpoint::open(*folder);
  for (const std::string& length : lengths_of(*folder)) {
    const auto ids = npy_values<std::int32_t>(*folder / fmt::format("ids_{}.npy", length));
    const double worst = worst_difference(run_through(checkpoint, ids), *folder, length);
    fmt::print("{} {}: {:.1e} of the RMS\n", GetParam(), length, worst);
    EXPECT_LT(worst, kWorst) << length;
  }
}

// Key by key what the blocks are, and the same numbers to the bit, but where a factor went through float32.
TEST_P(Architecture, TheSameFromGguf) {
  FOLDER_OR_SKIP(folder, GetParam());
  const Checkpoint checkpoint = Checkpoint::open(*folder);
  const bool dynamic =
      checkpoint.config().scaled_rope && checkpoint.config().scaled_rope->type == RopeType::dynamic;
  if (dynamic) GTEST_SKIP() << "GGUF has no key for it";
  test::TemporaryDirectory directory;
  test::write_text(directory.path() / "model.gguf", test::reference_gguf(*folder).bytes());
  const Checkpoint gguf = Checkpoint::open(directory.path() / "model.gguf");
  const std::string family = GetParam();
  if (family.starts_with("smollm3")) {
    // llama.cpp takes the rotation from every fourth block, whatever config.json says.
    EXPECT_EQ(gguf.config().no_rope, (std::vector<char>{0, 0, 0, 1}));
    return;
  }
  for (int layer = 0; layer < gguf.config().n_layers; ++layer)
    EXPECT_EQ(describe_block(gguf.config(), layer), describe_block(checkpoint.config(), layer)) << layer;
  for (const std::string& length : lengths_of(*folder)) {
    const auto ids = npy_values<std::int32_t>(*folder / fmt::format("ids_{}.npy", length));
    const Computed ours = run_through(gguf, ids), theirs = run_through(checkpoint, ids);
    EXPECT_LT(relative_difference(ours.states, theirs.states), kWorst) << length;
    if (checkpoint.config().has_head) {
      EXPECT_LT(worst_difference(ours, *folder, length), kWorst) << length;
    }
  }
}

constexpr const char* kFolders[] = {"llama-rope-llama3",
                                    "llama-rope-llama3-old",
                                    "llama-rope-llama3-top",
                                    "llama-2",
                                    "llama-bias",
                                    "llama-head-dim",
                                    "llama-rope-linear",
                                    "llama-rope-dynamic",
                                    "llama-rope-yarn",
                                    "llama-rope-longrope",
                                    "qwen2",
                                    "qwen2-sliding",
                                    "qwen3",
                                    "qwen3-sliding",
                                    "qwen3-yarn",
                                    "qwen3-embedding",
                                    "qwen3-embedding-hub",
                                    "mistral",
                                    "mistral-sliding",
                                    "ministral",
                                    "ministral3",
                                    "smollm3",
                                    "smollm3-sliding"};
std::string test_name(const testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Reference, Architecture, testing::ValuesIn(kFolders), test_name);

// Computed without the mask it is another model (is_causal false).
TEST(Architecture, BidirectionalAttentionIsRefused) {
  FOLDER_OR_SKIP(folder, "qwen3-bidirectional");
  EXPECT_STRATA_ERROR(Checkpoint::open(*folder), ErrorKind::unsupported, "is_causal");
}

TEST(Architecture, ABaseModelHasStatesAndNoHead) {
  FOLDER_OR_SKIP(folder, "qwen3-embedding");
  const Checkpoint checkpoint = Checkpoint::open(*folder);
  EXPECT_FALSE(checkpoint.config().has_head);
  EXPECT_STRATA_ERROR(load_head(checkpoint, load_embedding(checkpoint)), ErrorKind::unsupported,
                      "without an output head");
}

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

// The RMS of the difference of the last state over its RMS is what transformers itself gives for the mistake.
TEST(ArchitectureMistakes, MoveTheLastStateAsFarAsInTransformers) {
  FOLDER_OR_SKIP(first, "qwen3");  // the data folder is there
  for (const Mistake& mistake : kMistakes) {
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
    const Computed wrong =
        run_through(Checkpoint::open(directory.path()), npy_values<std::int32_t>(folder / "ids_long.npy"));
    const auto states = npy_values<float>(folder / "states_long.npy");
    double difference = 0.0, square = 0.0;
    const auto blocks = config["num_hidden_layers"].get<std::size_t>();
    for (std::size_t i = states.size() / (blocks + 1) * blocks; i < states.size(); ++i) {
      difference += std::pow(static_cast<double>(wrong.states[i]) - states[i], 2);
      square += std::pow(static_cast<double>(states[i]), 2);
    }
    const double moved = std::sqrt(difference / square);
    const double expected = json::parse(read_file(folder / "reference.json"))["changes"].at(mistake.name);
    EXPECT_NEAR(moved, expected, 1e-3 * expected);
  }
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
