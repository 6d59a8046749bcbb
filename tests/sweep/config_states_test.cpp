// Every key of config.json and of GGUF metadata, changed one at a time: the states change, or the file is
// refused, or the table says that the key has no effect. And what transformers computes from configurations
// with traps.
#include <gtest/gtest.h>

#include <cmath>

#include "strata/base/error.h"
#include "strata/base/npy.h"
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

bool is_of(const ConfigKey& key, std::string_view family) {
  return key.families.empty() || key.families.find(family) != std::string_view::npos;
}

// llama3 rope without an original context, and a window that slides: every key has something to act on.
TinyCheckpoint base_of(const Family& family) {
  TinyCheckpoint tiny{.family = std::string(family.id)};
  tiny.edit_config = [](json& config) {
    config["rope_scaling"] = {
        {"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0}};
    config["use_sliding_window"] = true;
    config["sliding_window"] = 64;
    config["max_window_layers"] = 1;
  };
  return tiny;
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
    const TinyCheckpoint tiny = base_of(family);
    const TemporaryDirectory directory;
    test::write_checkpoint(directory.path(), tiny);
    const States plain = states_of(directory.path());
    json config = test::tiny_config(tiny);
    tiny.edit_config(config);
    for (const ConfigKey& key : config_keys()) {
      if (!is_of(key, family.id)) continue;
      const std::string name(key.name);
      const bool rope = name.starts_with("rope.");
      Outcomes seen;
      for (const json& value : values()) {
        json changed = config;
        if (rope) {
          changed["rope_scaling"][name.substr(5)] = value;
        } else {
          changed[name] = value;
        }
        test::write_text(directory.path() / "config.json", changed.dump());
        seen.add(outcome(directory.path(), plain));
      }
      expect_use(key, seen, family.id);
    }
  }
}

// A key that no table has never changes a state, and is refused where it is named like a change.
TEST(ConfigStates, UnknownKeysOfConfigJson) {
  const TinyCheckpoint tiny = base_of(families()[0]);
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
    const test::GgufFile whole = test::tiny_gguf({.family = std::string(family.id)});
    const TemporaryDirectory directory;
    const fs::path path = directory.path() / "m.gguf";
    test::write_text(path, whole.bytes());
    const States plain = states_of(path);
    for (const ConfigKey& key : gguf_keys()) {
      if (!is_of(key, family.id)) continue;
      Outcomes seen;
      for (const test::GgufStored& value : changes) {
        test::GgufFile changed = whole;
        changed.set(std::string(family.gguf_architecture) + "." + std::string(key.name), value);
        test::write_text(path, changed.bytes());
        seen.add(outcome(path, plain));
      }
      expect_use(key, seen, family.id);
    }
  }
}

// Up to its window a sliding layer is a full one; longer texts are refused.
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
    if (window >= int{kIds}) {
      EXPECT_EQ(states_of(directory.path()), plain) << window;
    } else {
      EXPECT_STRATA_ERROR(states_of(directory.path()), ErrorKind::unsupported, "sliding window of 19");
    }
  }
}

// The largest difference over the RMS of the reference.
double distance(const std::vector<float>& ours, const std::vector<double>& theirs) {
  EXPECT_EQ(ours.size(), theirs.size());
  double worst = 0.0, squares = 0.0;
  for (std::size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
    worst = std::max(worst, std::fabs(double{ours[i]} - theirs[i]));
    squares += theirs[i] * theirs[i];
  }
  return worst / std::sqrt(squares / static_cast<double>(theirs.size()));
}

// Checkpoints with states of transformers 5.24, beside the project; 1e-4 is a mistake.
class Architectures : public ::testing::TestWithParam<const char*> {};

TEST_P(Architectures, StatesOfTransformers) {
  const auto folder = test::shared_data(std::string("reference/architectures/") + GetParam());
  if (!folder) GTEST_SKIP() << "no reference arrays beside the project";
  const Checkpoint checkpoint = Checkpoint::open(*folder);
  for (const char* text : {"short", "long"}) {
    const NpyArray stored = read_npy(*folder / (std::string("ids_") + text + ".npy"));
    const auto& ids = std::get<std::vector<std::int32_t>>(stored.data);
    const std::vector<double> theirs =
        read_npy(*folder / (std::string("states_") + text + ".npy")).as_double();
    const States ours = states_of(checkpoint, ids);
    const std::size_t each = ours[0].size();
    ASSERT_EQ(theirs.size(), each * ours.size());
    for (std::size_t state = 0; state < ours.size(); ++state) {
      const auto at = theirs.begin() + static_cast<std::ptrdiff_t>(state * each);
      EXPECT_LT(distance(ours[state], {at, at + static_cast<std::ptrdiff_t>(each)}), 1e-4)
          << text << ", state " << state;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Config, Architectures,
                         ::testing::Values("llama-2", "llama-head-dim", "llama-rope-llama3",
                                           "llama-rope-llama3-old", "llama-rope-llama3-top", "qwen2", "qwen3",
                                           "qwen3-embedding-hub"));

TEST(ArchitecturesRefused, ByName) {
  if (!test::shared_data("reference/architectures")) GTEST_SKIP() << "no reference arrays beside the project";
  const auto open = [](const std::string& folder) {
    return Checkpoint::open(*test::shared_data("reference/architectures/" + folder));
  };
  const auto no = ErrorKind::unsupported;
  EXPECT_STRATA_ERROR(open("qwen3-bidirectional"), no, "is_causal: false");
  EXPECT_STRATA_ERROR(open("llama-bias"), no, "_bias: true");
  EXPECT_STRATA_ERROR(open("llama-rope-linear"), no, "\"linear\"");
  EXPECT_STRATA_ERROR(open("llama-rope-dynamic"), no, "\"dynamic\"");
  EXPECT_STRATA_ERROR(open("llama-rope-yarn"), no, "\"yarn\"");
  EXPECT_STRATA_ERROR(open("llama-rope-longrope"), no, "\"longrope\"");
  EXPECT_STRATA_ERROR(open("qwen3-yarn"), no, "\"yarn\"");
  EXPECT_STRATA_ERROR(open("qwen3-sliding"), no, "attention_bias");
  EXPECT_STRATA_ERROR(open("qwen3-embedding"), ErrorKind::bad_file, "without an output head");
  const Checkpoint sliding = open("qwen2-sliding");
  EXPECT_STRATA_ERROR(states_of(sliding, std::vector<std::int32_t>(17, 3)), no, "sliding window of 16");
  EXPECT_NO_THROW((void)states_of(sliding, std::vector<std::int32_t>(16, 3)));
}

}  // namespace
}  // namespace strata
