// Every key of config.json and of GGUF metadata, changed one at a time: the states change, or the file is
// refused, or the table says that the key has no effect.
#include <gtest/gtest.h>

#include <map>

#include "strata/base/error.h"
#include "strata/checkpoint/config_keys.h"
#include "strata/sweep/forward.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_gguf.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::TemporaryDirectory;
using test::TinyCheckpoint;

constexpr std::size_t kIds = 20;

using States = std::vector<std::vector<float>>;  // by state: (tokens, hidden)

States states_of(const Checkpoint& checkpoint, const std::vector<std::int32_t>& ids) {
  States states(static_cast<std::size_t>(checkpoint.config().n_layers) + 1);
  forward_windows(
      checkpoint, {ids}, {},
      {.state =
           [&](int state, std::size_t, std::span<const float> h) {
             states[static_cast<std::size_t>(state)].assign(h.begin(), h.end());
           },
       .output = [](std::size_t, std::int64_t, std::span<const float>, std::span<const float>) {}});
  return states;
}

States states_of(const fs::path& model) {
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < kIds; ++i) ids.push_back(static_cast<std::int32_t>(i * 7 % 40));
  return states_of(Checkpoint::open(model), ids);
}

// What came of one value of one key.
enum class Outcome { same, differs, bad_file, unsupported };

Outcome outcome(const fs::path& model, const States& plain) {
  try {
    return states_of(model) == plain ? Outcome::same : Outcome::differs;
  } catch (const Error& error) {
    EXPECT_TRUE(error.kind() == ErrorKind::bad_file || error.kind() == ErrorKind::unsupported)
        << error.what();
    return error.kind() == ErrorKind::bad_file ? Outcome::bad_file : Outcome::unsupported;
  }
}

struct Outcomes {
  int same = 0, differs = 0, bad_file = 0, unsupported = 0;
  // What a computed key has to show: further values would show no more.
  [[nodiscard]] bool suffice(const ConfigKey& key) const {
    return key.use == KeyUse::computed && differs + bad_file + unsupported > 0;
  }
  void add(Outcome o) {
    same += o == Outcome::same;
    differs += o == Outcome::differs;
    bad_file += o == Outcome::bad_file;
    unsupported += o == Outcome::unsupported;
  }
};

void expect_use(const ConfigKey& key, const Outcomes& seen, std::string_view family) {
  const std::string what = std::string(family) + ": " + std::string(key.name);
  switch (key.use) {
    case KeyUse::computed:
      EXPECT_GT(seen.differs + seen.bad_file + seen.unsupported, 0) << what << " changes nothing";
      break;
    case KeyUse::refused:
      EXPECT_GT(seen.unsupported, 0) << what << " is never refused";
      EXPECT_EQ(seen.differs, 0) << what << " changes the states";
      break;
    case KeyUse::unused:
      EXPECT_EQ(seen.differs, 0) << what << " changes the states";
      EXPECT_EQ(seen.unsupported, 0) << what << " is refused";
      EXPECT_GT(seen.same, 0) << what;
      break;
  }
}

// What every family refuses or ignores by the same row is tried on one and on the one with most other parts.
bool is_tried(const ConfigKey& key, const Family& family) {
  const bool shared = key.families.empty() && key.use != KeyUse::computed;
  return is_for(key, family.id) && (!shared || family.id == "llama" || family.id == "qwen3_5_moe");
}

// Scaled rope of each kind without what has a default, and a window that acts: every key has something to act
// on in one of them.
std::vector<TinyCheckpoint> bases_of(const Family& family) {
  std::vector<TinyCheckpoint> bases;
  for (json section :
       {json{{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0}},
        json{{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 8}},
        json{{"rope_type", "longrope"},
             {"short_factor", {1.0, 1.1, 1.2, 1.3}},
             {"long_factor", {2.0, 2.1, 2.2, 2.3}},
             {"original_max_position_embeddings", 16}}}) {
    if (family.longrope_alone && section["rope_type"] != "longrope") continue;
    if (family.delta_rule) {  // half of a head is rotated
      for (const char* key : {"short_factor", "long_factor"}) {
        if (section.contains(key)) section[key].erase(section[key].begin() + 2, section[key].end());
      }
    }
    if (family.scales_queries) section["llama_4_scaling_beta"] = 0.1;
    TinyCheckpoint tiny{.family = std::string(family.id), .head_dim = 8};
    tiny.edit_config = [=](json& config) {
      config["rope_scaling"] = section;
      config["use_sliding_window"] = true;
      config["sliding_window"] = 8;
      config["max_window_layers"] = 1;
      if (config.contains("linear_conv_kernel_dim")) {
        config.erase("layer_types");
        config["full_attention_interval"] = 2;
      }
      if (config["model_type"] == "smollm3") config["no_rope_layer_interval"] = 2;
      if (config["model_type"] == "phi3") config["original_max_position_embeddings"] = 16;
    };
    bases.push_back(tiny);
  }
  return bases;
}

const std::vector<json>& values() {
  static const std::vector<json> all{nullptr,
                                     false,
                                     true,
                                     0,
                                     1,
                                     2,
                                     3,
                                     16,
                                     0.5,
                                     -1,
                                     "x",
                                     "gelu",
                                     json::array(),
                                     json::array({1}),
                                     json::object(),
                                     json{{"AutoModel", "x.Y"}, {"a", 1}},
                                     json::array({"sliding_attention", "full_attention", "full_attention"})};
  return all;
}

TEST(ConfigStates, EveryKeyOfConfigJson) {
  for (const Family& family : families()) {
    std::map<std::string, Outcomes> seen;
    const std::vector<TinyCheckpoint> bases = bases_of(family);
    for (const TinyCheckpoint& tiny : bases) {
      const TemporaryDirectory directory;
      test::write_checkpoint(directory.path(), tiny);
      const States plain = states_of(directory.path());
      json config = test::tiny_config(tiny);
      tiny.edit_config(config);
      for (const ConfigKey& key : config_keys()) {
        if (!is_tried(key, family)) continue;
        const std::string name(key.name);
        const bool rope = name.starts_with("rope.");
        if (!rope && &tiny != &bases.front()) continue;  // acts in the first of them
        Outcomes& outcomes = seen[name];
        for (const json& value : values()) {
          if (outcomes.suffice(key)) break;
          json changed = config;
          if (rope) {
            changed["rope_scaling"][name.substr(5)] = value;
          } else {
            changed[name] = value;
          }
          test::write_text(directory.path() / "config.json", changed.dump());
          outcomes.add(outcome(directory.path(), plain));
        }
      }
    }
    for (const ConfigKey& key : config_keys()) {
      if (is_tried(key, family)) expect_use(key, seen[std::string(key.name)], family.id);
    }
  }
}

// A key that no table has never changes a state, and is refused where it is named like a change.
TEST(ConfigStates, UnknownKeysOfConfigJson) {
  const TinyCheckpoint tiny = bases_of(families()[0])[0];
  const TemporaryDirectory directory;
  test::write_checkpoint(directory.path(), tiny);
  const States plain = states_of(directory.path());
  json config = test::tiny_config(tiny);
  tiny.edit_config(config);
  for (const auto& [name, refused] : std::vector<std::pair<std::string, bool>>{
           {"some_key", false}, {"dense_softcapping", true}, {"num_experts_of_tomorrow", true}}) {
    Outcomes seen;
    for (const json& value : values()) {
      json changed = config;
      changed[name] = value;
      test::write_text(directory.path() / "config.json", changed.dump());
      seen.add(outcome(directory.path(), plain));
    }
    EXPECT_EQ(seen.differs + seen.bad_file, 0) << name;
    EXPECT_EQ(seen.unsupported > 0, refused) << name;
  }
}

TEST(ConfigStates, EveryKeyOfGguf) {
  const std::vector<test::GgufStored> changes{
      test::gguf_u32(0),      test::gguf_u32(1),          test::gguf_u32(3),        test::gguf_u32(10),
      test::gguf_f32(0.25f),  test::gguf_f32(2.0f),       test::gguf_flag(false),   test::gguf_flag(true),
      test::gguf_string("x"), test::gguf_i32s({1, 2, 3}), test::gguf_strings({"x"})};
  for (const Family& family : families()) {
    const std::string prefix = std::string(family.gguf_architecture) + ".";
    test::GgufFile plain_file = test::tiny_gguf({.family = std::string(family.id), .head_dim = 8}),
                   scaled_file;
    if (family.delta_rule) {
      plain_file.erase(prefix + "attention.recurrent_layers");
      plain_file.set(prefix + "full_attention_interval", test::gguf_u32(2));
    }
    scaled_file = plain_file;
    scaled_file.set(prefix + "attention.sliding_window", test::gguf_u32(8));
    scaled_file.set(prefix + "attention.sliding_window_pattern",
                    test::gguf_array(GgufValueType::boolean, 3, std::string("\1\0\1", 3)));
    if (family.longrope_alone) {
      const std::string divisors = test::gguf_f32(1.0f).bytes + test::gguf_f32(2.0f).bytes +
                                   test::gguf_f32(3.0f).bytes + test::gguf_f32(4.0f).bytes;
      for (const char* name : {"rope_factors_short.weight", "rope_factors_long.weight"})
        scaled_file.tensors.push_back({.name = name, .extents = {4}, .bytes = divisors});
    } else {
      scaled_file.set(prefix + "rope.scaling.type", test::gguf_string("yarn"));
      scaled_file.set(prefix + "rope.scaling.factor", test::gguf_f32(4.0f));
    }
    scaled_file.set(prefix + "rope.scaling.original_context_length", test::gguf_u32(8));
    std::map<std::string, Outcomes> seen;
    for (const test::GgufFile& whole : {plain_file, scaled_file}) {
      const TemporaryDirectory directory;
      const fs::path path = directory.path() / "m.gguf";
      test::write_text(path, whole.bytes());
      const States plain = states_of(path);
      for (const ConfigKey& key : gguf_keys()) {
        if (!is_tried(key, family)) continue;
        Outcomes& outcomes = seen[std::string(key.name)];
        for (const test::GgufStored& value : changes) {
          if (outcomes.suffice(key)) break;
          test::GgufFile changed = whole;
          changed.set(prefix + std::string(key.name), value);
          test::write_text(path, changed.bytes());
          outcomes.add(outcome(path, plain));
        }
      }
    }
    for (const ConfigKey& key : gguf_keys()) {
      if (is_tried(key, family)) expect_use(key, seen[std::string(key.name)], family.id);
    }
  }
}

// Up to its window a sliding block is a full one to the bit; a GGUF file that does not place its window is
// read up to there.
TEST(ConfigStates, SlidingWindowAsLongAsTheText) {
  TinyCheckpoint tiny{.family = "qwen2"};
  const TemporaryDirectory directory;
  test::write_checkpoint(directory.path(), tiny);
  const States plain = states_of(directory.path());
  for (const int window : {int{kIds} - 1, int{kIds}, 64}) {
    tiny.edit_config = [&](json& config) {
      config["use_sliding_window"] = true;
      config["sliding_window"] = window;
      config["max_window_layers"] = 0;
    };
    test::write_checkpoint(directory.path(), tiny);
    const States windowed = states_of(directory.path());
    EXPECT_EQ(windowed == plain, window >= int{kIds}) << window;
    test::GgufFile file = test::tiny_gguf(tiny);
    file.set("qwen2.attention.sliding_window", test::gguf_u32(static_cast<std::uint32_t>(window)));
    test::write_text(directory.path() / "m.gguf", file.bytes());
    if (window >= int{kIds}) {
      EXPECT_EQ(states_of(directory.path() / "m.gguf"), plain) << window;
    } else {
      EXPECT_STRATA_ERROR(states_of(directory.path() / "m.gguf"), ErrorKind::unsupported,
                          "sliding window of 19");
    }
  }
}

}  // namespace
}  // namespace strata
