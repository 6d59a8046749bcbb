// Models in GGUF: equal to their safetensors twins bit for bit, split or whole, and refused when they lie.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>

#include "strata/base/error.h"
#include "strata/base/sha256.h"
#include "strata/checkpoint/checkpoint.h"
#include "tests/support/load_all.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_gguf.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using test::GgufFile;
using test::load_all;
using test::Loaded;
using test::TemporaryDirectory;
using test::TinyCheckpoint;

constexpr ErrorKind kBadHeader = ErrorKind::bad_file;
constexpr ErrorKind kUnsupportedHeader = ErrorKind::unsupported;

Checkpoint open_file(const TemporaryDirectory& directory, const GgufFile& file) {
  test::write_text(directory.path() / "tiny.gguf", file.bytes());
  return Checkpoint::open(directory.path() / "tiny.gguf");
}

void expect_same_model(const Checkpoint& a, const Checkpoint& b) {
  const ModelConfig &x = a.config(), &y = b.config();
  EXPECT_EQ(x.family, y.family);
  EXPECT_EQ(x.architecture, y.architecture);
  EXPECT_EQ(x.n_layers, y.n_layers);
  EXPECT_EQ(x.hidden, y.hidden);
  EXPECT_EQ(x.ffn, y.ffn);
  EXPECT_EQ(x.heads, y.heads);
  EXPECT_EQ(x.kv_heads, y.kv_heads);
  EXPECT_EQ(x.head_dim, y.head_dim);
  EXPECT_EQ(x.vocab, y.vocab);
  EXPECT_EQ(x.max_context, y.max_context);
  EXPECT_EQ(x.rope_theta, y.rope_theta);
  EXPECT_EQ(x.norm_eps, y.norm_eps);
  EXPECT_EQ(x.tied_embeddings, y.tied_embeddings);
  EXPECT_EQ(x.qkv_bias, y.qkv_bias);
  EXPECT_EQ(x.qk_norm, y.qk_norm);
  EXPECT_EQ(x.bos_ids, y.bos_ids);
  const auto p = load_all(a), q = load_all(b);
  ASSERT_EQ(p.size(), q.size());
  for (std::size_t i = 0; i < p.size(); ++i) {
    ASSERT_EQ(p[i].values.size(), q[i].values.size());
    EXPECT_EQ(std::memcmp(p[i].values.data(), q[i].values.data(), p[i].values.size() * sizeof(float)), 0)
        << "role " << static_cast<int>(p[i].role) << ", block " << p[i].layer;
  }
}

TEST(Gguf, EqualsItsTwinInEveryFamilyAndPlainType) {
  for (const Family& family : families()) {
    if (family.id == "mistral" || family.id == "ministral") continue;  // GGUF calls them llama
    for (const bool tied : {false, true}) {
      for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
        // Converters put the vectors of the others into float32.
        if (!family.packed.empty() && dtype != DType::f32) continue;
        const TinyCheckpoint tiny{.family = std::string(family.id), .tied = tied, .dtype = dtype};
        const TemporaryDirectory twin, directory;
        test::write_checkpoint(twin.path(), tiny);
        const Checkpoint gguf = open_file(directory, test::tiny_gguf(tiny));
        expect_same_model(gguf, Checkpoint::open(twin.path()));
        if (family.packed.empty()) {
          EXPECT_EQ(gguf.bytes_read(), gguf.weight_bytes());
        }
        EXPECT_EQ(gguf.weight_bytes(),
                  static_cast<std::uint64_t>(count_parameters(gguf.config()).total) * size_bytes(dtype));
        EXPECT_EQ(gguf.name(), "tiny");
        EXPECT_EQ(gguf.path(), directory.path() / "tiny.gguf");
      }
    }
  }
}

// A name without the suffix is known by its first bytes (a cache may name files by their digest).
TEST(Gguf, KnownByItsFirstBytes) {
  const TemporaryDirectory directory;
  test::write_text(directory.path() / "blob", test::tiny_gguf({}).bytes());
  const Checkpoint checkpoint = Checkpoint::open(directory.path() / "blob");
  EXPECT_EQ(checkpoint.name(), "blob");
}

TEST(Gguf, DigestIsOfStoredNamesAndBytes) {
  const TemporaryDirectory directory;
  const GgufFile file = test::tiny_gguf({.layers = 2});
  const Checkpoint checkpoint = open_file(directory, file);
  EXPECT_TRUE(checkpoint.digest().empty());
  load_all(checkpoint);
  auto tensors = file.tensors;
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  std::string lines;
  for (const auto& tensor : tensors) lines += tensor.name + " " + sha256_hex(tensor.bytes) + "\n";
  EXPECT_EQ(checkpoint.digest(), sha256_hex(lines));
}

TEST(Gguf, SplitsEqualTheWhole) {
  const TemporaryDirectory one, many;
  const GgufFile file = test::tiny_gguf({.family = "qwen2"});
  const Checkpoint whole = open_file(one, file);
  const fs::path first = test::write_splits(many.path(), file, 3);
  const Checkpoint split = Checkpoint::open(first);
  EXPECT_EQ(split.files().size(), 3u);
  EXPECT_EQ(split.name(), "model");
  expect_same_model(whole, split);
  EXPECT_EQ(whole.digest(), split.digest());
}

// Large enough for several tasks, so that threads can matter.
TEST(Gguf, ThreadsChangeNothing) {
  const TinyCheckpoint tiny{
      .layers = 1, .hidden = 256, .ffn = 1024, .heads = 8, .kv_heads = 4, .head_dim = 64, .vocab = 3000};
  const TemporaryDirectory directory;
  Checkpoint checkpoint = open_file(directory, test::tiny_gguf(tiny));
  const auto one = load_all(checkpoint);
  const std::string digest = [&] {
    const Checkpoint again = Checkpoint::open(checkpoint.path());
    load_all(again);
    return again.digest();
  }();
  Checkpoint threaded = Checkpoint::open(checkpoint.path());
  threaded.set_load_threads(5);
  EXPECT_EQ(load_all(threaded), one);
  EXPECT_EQ(threaded.digest(), digest);
  EXPECT_EQ(threaded.bytes_read(), threaded.weight_bytes());
}

// 256 columns and random blocks; the scales are written small so that all is finite.
GgufFile with_quantized(const DTypeFacts& type, const char* name) {
  const TinyCheckpoint tiny{
      .layers = 1, .hidden = 256, .ffn = 256, .heads = 4, .kv_heads = 2, .head_dim = 64};
  GgufFile file = test::tiny_gguf(tiny);
  auto& entry = file.tensor(name);
  entry.type = type.ggml_type;
  const std::size_t blocks = entry.bytes.size() / sizeof(float) / type.block_elements;
  entry.bytes.resize(blocks * type.block_bytes);
  for (std::size_t i = 0; i < entry.bytes.size(); ++i) entry.bytes[i] = static_cast<char>(i * 37 % 61);
  return file;
}

TEST(Gguf, QuantizedRowsAreUnpermutedToo) {
  for (const DTypeFacts& type : dtypes()) {
    if (type.block_elements == 1) continue;
    const TemporaryDirectory directory;
    GgufFile file = with_quantized(type, "blk.0.attn_k.weight");
    const Checkpoint checkpoint = open_file(directory, file);
    std::vector<float> loaded(checkpoint.element_count(Role::key));
    checkpoint.load(Role::key, 0, loaded);
    std::vector<float> stored(loaded.size());
    convert_to_float32(type.dtype, std::as_bytes(std::span(file.tensor("blk.0.attn_k.weight").bytes)),
                       stored);
    const std::size_t columns = 256, head = 64;
    for (std::size_t row = 0; row < 128; ++row) {
      const std::size_t i = row % head % 32, s = row % head / 32;
      const std::size_t from = row / head * head + 2 * i + s;
      EXPECT_EQ(std::memcmp(&loaded[row * columns], &stored[from * columns], columns * sizeof(float)), 0)
          << type.name << " row " << row;
    }
    EXPECT_EQ(checkpoint.bytes_read(), file.tensor("blk.0.attn_k.weight").bytes.size());
  }
}

TEST(Gguf, RopeFactors) {
  GgufFile file = test::tiny_gguf({});
  file.tensors.push_back(
      {.name = "rope_freqs.weight", .extents = {2}, .bytes = test::encode(DType::f32, {1.0f, 8.0f})});
  const TemporaryDirectory directory;
  const Checkpoint checkpoint = open_file(directory, file);
  EXPECT_EQ(checkpoint.config().rope_factors, (std::vector<float>{1.0f, 8.0f}));
  EXPECT_STREQ(rope_scaling_name(checkpoint.config()), "factors");
  load_all(checkpoint);
  EXPECT_EQ(checkpoint.digest().size(), 64u);
  EXPECT_EQ(checkpoint.bytes_read(), checkpoint.weight_bytes());
  const std::string with = checkpoint.digest();
  file.tensors.back().bytes = test::encode(DType::f32, {1.0f, 4.0f});
  const Checkpoint other = open_file(directory, file);
  load_all(other);
  EXPECT_NE(other.digest(), with);
}

// What llama.cpp lets a file leave out.
TEST(Gguf, Defaults) {
  GgufFile file = test::tiny_gguf({.kv_heads = 4});
  for (const char* key :
       {"llama.attention.head_count_kv", "llama.attention.key_length", "llama.attention.value_length",
        "llama.rope.dimension_count", "llama.rope.freq_base", "llama.vocab_size", "tokenizer.ggml.tokens",
        "tokenizer.ggml.bos_token_id"}) {
    file.erase(key);
  }
  file.set("tokenizer.ggml.eos_token_id", test::gguf_u32(4294967295u));
  file.set("llama.rope.scaling.type", test::gguf_string("none"));
  file.set("llama.feed_forward_length", test::gguf_i32s({24, 24, 24}));
  const TemporaryDirectory directory;
  const Checkpoint checkpoint = open_file(directory, file);
  const ModelConfig& config = checkpoint.config();
  EXPECT_EQ(config.kv_heads, 4);
  EXPECT_EQ(config.head_dim, 4);
  EXPECT_EQ(config.rope_theta, 10000.0);
  EXPECT_EQ(config.vocab, 40);
  EXPECT_EQ(config.ffn, 24);
  EXPECT_TRUE(config.bos_ids.empty());
  EXPECT_TRUE(config.eos_ids.empty());
}

TEST(Gguf, NumbersMeanTheirShortestDecimal) {
  GgufFile file = test::tiny_gguf({.norm_eps = 1e-6});
  file.set("llama.rope.freq_base", test::gguf_f32(500000.0f));
  const TemporaryDirectory directory;
  const Checkpoint checkpoint = open_file(directory, file);
  EXPECT_EQ(checkpoint.config().norm_eps, 1e-6);
  EXPECT_EQ(checkpoint.config().rope_theta, 500000.0);
}

TEST(Gguf, NonFiniteWeights) {
  GgufFile file = test::tiny_gguf({});
  auto& bytes = file.tensor("blk.1.ffn_down.weight").bytes;
  bytes.replace(37 * 4, 4, test::encode(DType::f32, {INFINITY}));
  const TemporaryDirectory directory;
  const Checkpoint checkpoint = open_file(directory, file);
  std::vector<float> out(checkpoint.element_count(Role::down));
  EXPECT_NO_THROW(checkpoint.load(Role::down, 0, out));
  EXPECT_STRATA_ERROR(checkpoint.load(Role::down, 1, out), kBadHeader, "tensor \"blk.1.ffn_down.weight\"");
  EXPECT_STRATA_ERROR(checkpoint.load(Role::down, 1, out), kBadHeader, "at flat index 37");
}

// Keys at values that change nothing, as converters write them.
TEST(Gguf, HarmlessValues) {
  const auto opens = [](const std::function<void(GgufFile&)>& edit) {
    GgufFile file = test::tiny_gguf({});
    edit(file);
    const TemporaryDirectory directory;
    return open_file(directory, file).config();
  };
  const ModelConfig plain = opens([](GgufFile&) {});
  EXPECT_TRUE(plain.notes.empty());
  for (const float value : {0.0f, 1.0f}) {
    for (const char* key : {"logit_scale", "residual_scale", "embedding_scale", "rope.scaling.factor",
                            "rope.scale_linear", "attention.output_scale", "attention.value_scale"}) {
      EXPECT_TRUE(opens([&](GgufFile& f) {
                    f.set(std::string("llama.") + key, test::gguf_f32(value));
                  }).notes.empty())
          << key;
    }
  }
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, float>>{{"attention.scale", 0.5f},  // 1 / sqrt(4)
                                                  {"rope.scaling.attn_factor", 1.0f},
                                                  {"rope.scaling.yarn_ext_factor", -1.0f},
                                                  {"rope.scaling.yarn_attn_factor", 1.0f},
                                                  {"attention.clamp_kqv", 0.0f},
                                                  {"final_logit_softcapping", 0.0f}}) {
    EXPECT_NO_THROW((void)opens([&](GgufFile& f) { f.set("llama." + key, test::gguf_f32(value)); })) << key;
  }
  EXPECT_EQ(opens([](GgufFile& f) { f.set("llama.attention.sliding_window", test::gguf_u32(64)); }).window,
            64);
  const auto unknown = opens([](GgufFile& f) { f.set("llama.my_key", test::gguf_u32(7)); }).notes;
  ASSERT_EQ(unknown.size(), 1u);
  EXPECT_NE(unknown[0].find("llama.my_key = 7"), std::string::npos);
  EXPECT_TRUE(opens([](GgufFile& f) { f.set("llama.my_key", test::gguf_u32(0)); }).notes.empty());
  EXPECT_TRUE(opens([](GgufFile& f) { f.set("qwen2.logit_scale", test::gguf_f32(7)); }).notes.empty());
  EXPECT_STRATA_ERROR(opens([](GgufFile& f) { f.set("llama.expert_new", test::gguf_u32(7)); }),
                      kUnsupportedHeader, "llama.expert_new: 7");
  for (const float value : {0.5f, 2.0f}) {  // on cosine and sine, with no scaling of the frequencies too
    const ModelConfig c =
        opens([&](GgufFile& f) { f.set("llama.rope.scaling.attn_factor", test::gguf_f32(value)); });
    EXPECT_EQ(c.scaled_rope.value().attention_factor, value);
    EXPECT_EQ(c.scaled_rope->factor, 1.0);
  }
  EXPECT_STRATA_ERROR(
      opens([](GgufFile& f) { f.set("llama.rope.scaling.attn_factor", test::gguf_f32(0.0f)); }),
      ErrorKind::bad_file, "llama.rope.scaling.attn_factor: 0");
  EXPECT_STRATA_ERROR(
      opens([](GgufFile& f) { f.set("llama.rope.scaling.yarn_ext_factor", test::gguf_f32(1.0f)); }),
      kUnsupportedHeader, "yarn_ext_factor");
}

}  // namespace
}  // namespace strata
