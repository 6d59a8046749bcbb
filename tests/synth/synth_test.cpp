// Whole synthetic checkpoints: opened again, told apart, refused.
#include "strata/synth/synth.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/checkpoint/checkpoint.h"
#include "strata/checkpoint/published.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using test::TemporaryDirectory;

SynthOptions tiny(const char* like, SynthType type = SynthType::f32,
                  ModelFormat format = ModelFormat::safetensors) {
  SynthOptions options{.config = config_of(*find_published(like)), .format = format, .type = type};
  ModelConfig& c = options.config;
  c.n_layers = 3;
  c.hidden = 64;
  c.ffn = 96;
  c.heads = 4;
  c.kv_heads = 2;
  c.head_dim = 32;
  c.vocab = 160;
  return options;
}

std::vector<float> load(const Checkpoint& checkpoint, Role role, int layer) {
  std::vector<float> out(checkpoint.element_count(role));
  checkpoint.load(role, layer, out);
  return out;
}

void expect_same_weights(const Checkpoint& a, const Checkpoint& b) {
  for (const TensorRule& rule : family_of(a.config()).tensors) {
    ASSERT_EQ(a.has(rule.role), b.has(rule.role));
    if (!a.has(rule.role)) continue;
    for (int layer = 0; layer < places_of(rule, a.config()); ++layer)
      EXPECT_EQ(load(a, rule.role, layer), load(b, rule.role, layer)) << rule.name << " " << layer;
  }
}

constexpr const char* kModels[] = {"llama-2-7b", "llama-3.2-1b", "qwen2.5-0.5b", "qwen3-8b"};

TEST(Synth, BothFormatsHoldTheSameModel) {
  for (const char* like : kModels) {
    for (const SynthType type : {SynthType::f32, SynthType::f16, SynthType::bf16}) {
      const TemporaryDirectory d;
      SynthOptions options = tiny(like, type);
      write_synthetic(options, d.path() / "a");
      const Checkpoint directory = Checkpoint::open(d.path() / "a");
      EXPECT_EQ(directory.config().family, options.config.family);
      EXPECT_EQ(count_parameters(directory.config()).total, count_parameters(options.config).total);
      EXPECT_EQ(directory.config().rope_scaling.has_value(), options.config.rope_scaling.has_value());
      options.format = ModelFormat::gguf;
      write_synthetic(options, d.path() / "a.gguf");
      const Checkpoint gguf = Checkpoint::open(d.path() / "a.gguf");
      EXPECT_EQ(gguf.config().rope_factors.empty(), !options.config.rope_scaling);
      expect_same_weights(directory, gguf);
      EXPECT_EQ(fs::file_size(d.path() / "a.gguf"), synthetic_bytes(options));
    }
  }
}

// A random network of a model's shape (null models) computes what the model computes, its rope and windows
// too.
void expect_same_shape(const fs::path& folder) {
  SCOPED_TRACE(folder.string());
  const ModelConfig config = Checkpoint::open(folder).config();
  const TemporaryDirectory d;
  write_synthetic({.config = config, .type = SynthType::f32}, d.path() / "a");
  const ModelConfig again = Checkpoint::open(d.path() / "a").config();
  EXPECT_EQ(again.family, config.family);
  ASSERT_EQ(again.n_layers, config.n_layers);
  for (int layer = 0; layer < config.n_layers; ++layer)
    EXPECT_EQ(describe_block(again, layer), describe_block(config, layer)) << layer;
  EXPECT_EQ(again.rope_theta, config.rope_theta);
  EXPECT_EQ(again.scaled_rope, config.scaled_rope);
  ASSERT_EQ(again.rope_scaling.has_value(), config.rope_scaling.has_value());
  if (config.rope_scaling) {
    EXPECT_EQ(llama3_rope_factors(1e4, 64, *again.rope_scaling),
              llama3_rope_factors(1e4, 64, *config.rope_scaling));
  }
  EXPECT_EQ(again.query_scale_beta, config.query_scale_beta);
  EXPECT_EQ(again.query_scale_context, config.query_scale_context);
  EXPECT_EQ(again.max_context, config.max_context);
  EXPECT_EQ(again.tied_embeddings, config.tied_embeddings);
  EXPECT_EQ(again.has_head, config.has_head);
}

TEST(Synth, HasTheShapeOfEveryArchitecture) {
  int folders = 0;
  for (const auto& root : {std::optional(test::repo_path("tests/golden/architectures")),
                           test::shared_data("reference/architectures")}) {
    if (!root) continue;
    for (const auto& entry : fs::directory_iterator(*root)) {
      if (!fs::exists(entry.path() / "config.json") || entry.path().filename() == "qwen3-bidirectional")
        continue;
      expect_same_shape(entry.path());
      ++folders;
    }
  }
  EXPECT_GE(folders, 6);
}

TEST(Synth, QuantizedFilesOpenAndAreNearTheOriginal) {
  for (const char* like : kModels) {
    const TemporaryDirectory d;
    write_synthetic(tiny(like), d.path() / "plain");
    const auto plain = load(Checkpoint::open(d.path() / "plain"), Role::query, 1);
    for (const SynthType type : {SynthType::q8_0, SynthType::q4_0}) {
      const fs::path path = d.path() / (std::string(to_string(type)) + ".gguf");
      write_synthetic(tiny(like, type, ModelFormat::gguf), path);
      const auto stored = load(Checkpoint::open(path), Role::query, 1);
      double error = 0.0, size = 0.0;
      for (std::size_t i = 0; i < plain.size(); ++i) {
        error += std::pow(double{stored[i]} - plain[i], 2);
        size += std::pow(double{plain[i]}, 2);
      }
      EXPECT_LT(std::sqrt(error / size), type == SynthType::q8_0 ? 0.01 : 0.12);
      EXPECT_GT(error, 0.0);
    }
  }
}

TEST(Synth, ValuesHaveTheStatedSpread) {
  const TemporaryDirectory d;
  SynthOptions options = tiny("llama-2-7b");
  options.config.hidden = options.config.ffn = 256;
  write_synthetic(options, d.path() / "m");
  const Checkpoint m = Checkpoint::open(d.path() / "m");
  const auto expect_spread = [&](Role role, double centre, double scale) {
    const auto values = load(m, role, role == Role::embedding || role == Role::unembedding ? 0 : 2);
    double sum = 0.0, squares = 0.0;
    for (const float v : values) {
      sum += v - centre;
      squares += (v - centre) * (v - centre);
    }
    const auto n = static_cast<double>(values.size());  // 5 standard errors
    EXPECT_NEAR(sum / n, 0.0, 5 * scale / std::sqrt(n));
    EXPECT_NEAR(squares / n / (scale * scale), 1.0, 5 * std::sqrt(2.0 / n) + 0.002);
  };
  expect_spread(Role::embedding, 0.0, 1.0);
  expect_spread(Role::unembedding, 0.0, 1.0 / 16);
  expect_spread(Role::query, 0.0, 1.0 / 16);
  expect_spread(Role::attention_output, 0.0, 1.0 / std::sqrt(128.0 * 6));
  expect_spread(Role::down, 0.0, 1.0 / std::sqrt(256.0 * 6));
  expect_spread(Role::mlp_norm, 1.0, 0.1);
}

TEST(Synth, ThreadsShardsAndSeeds) {
  const TemporaryDirectory d;
  SynthOptions options = tiny("qwen3-8b", SynthType::bf16);
  options.config.hidden = 512;
  options.config.ffn = 8192;  // several pieces for each matrix
  write_synthetic(options, d.path() / "one");
  options.threads = 2;
  write_synthetic(options, d.path() / "two");
  const std::string bytes = read_file(d.path() / "one" / "model.safetensors");
  EXPECT_TRUE(bytes == read_file(d.path() / "two" / "model.safetensors"));
  options.shards = 3;
  write_synthetic(options, d.path() / "sharded");
  const Checkpoint sharded = Checkpoint::open(d.path() / "sharded");
  EXPECT_EQ(sharded.files().size(), 3u);
  expect_same_weights(Checkpoint::open(d.path() / "one"), sharded);
  options.shards = 1;
  options.seed = 1;
  write_synthetic(options, d.path() / "other");
  EXPECT_FALSE(bytes == read_file(d.path() / "other" / "model.safetensors"));
}

TEST(Synth, TokenizerIsCopied) {
  const TemporaryDirectory d;
  test::write_text(d.path() / "t.json", "{}");
  SynthOptions options = tiny("llama-2-7b");
  options.tokenizer = d.path() / "t.json";
  write_synthetic(options, d.path() / "m");
  EXPECT_EQ(read_file(d.path() / "m" / "tokenizer.json"), "{}");
}

TEST(Synth, NothingIsOverwritten) {
  const TemporaryDirectory d;
  fs::create_directory(d.path() / "empty");
  EXPECT_NO_THROW(write_synthetic(tiny("llama-2-7b"), d.path() / "empty" / ""));
  const std::string before = read_file(d.path() / "empty" / "config.json");
  EXPECT_STRATA_ERROR(write_synthetic(tiny("qwen3-8b"), d.path() / "empty"), ErrorKind::usage,
                      "already there");
  EXPECT_EQ(read_file(d.path() / "empty" / "config.json"), before);
  test::write_text(d.path() / "file.gguf", "mine");
  EXPECT_STRATA_ERROR(
      write_synthetic(tiny("llama-2-7b", SynthType::f32, ModelFormat::gguf), d.path() / "file.gguf"),
      ErrorKind::usage, "already there");
  EXPECT_EQ(read_file(d.path() / "file.gguf"), "mine");
}

TEST(Synth, TooLittleRoomIsSaidFirst) {
  const TemporaryDirectory d;
  SynthOptions options = tiny("llama-2-7b");
  options.config.vocab = 1 << 26;
  options.config.hidden = 1 << 20;  // 512 TiB of embeddings
  EXPECT_STRATA_ERROR(write_synthetic(options, d.path() / "m"), ErrorKind::run_failed, "GiB free");
  EXPECT_TRUE(fs::is_empty(d.path()));
}

TEST(Synth, AStopLeavesNothing) {
  const TemporaryDirectory d;
  SynthOptions options = tiny("llama-2-7b");
  options.progress = [](std::uint64_t bytes) { return bytes < 50'000; };
  EXPECT_STRATA_ERROR(write_synthetic(options, d.path() / "m"), ErrorKind::interrupted, "interrupted");
  EXPECT_TRUE(fs::is_empty(d.path()));
}

TEST(Synth, ImpossibleOptions) {
  const TemporaryDirectory d;
  const auto refused = [&](SynthOptions options, const char* text) {
    EXPECT_STRATA_ERROR(write_synthetic(options, d.path() / "m"), ErrorKind::usage, text);
    EXPECT_FALSE(fs::exists(d.path() / "m"));
  };
  SynthOptions options = tiny("llama-2-7b");
  options.config.kv_heads = 3;
  refused(options, "num_key_value_heads");
  options = tiny("llama-2-7b");
  options.config.n_layers = 0;
  refused(options, "num_hidden_layers");
  options = tiny("llama-2-7b");
  options.config.qk_norm = true;
  refused(options, "QK-norm");
  refused(tiny("llama-2-7b", SynthType::q8_0), "safetensors does not have");
  options = tiny("llama-2-7b", SynthType::q4_0, ModelFormat::gguf);
  options.config.ffn = 100;
  refused(options, "a multiple of 32");
  options = tiny("llama-2-7b");
  options.shards = 1000;
  refused(options, "--shards");
  options = tiny("llama-2-7b", SynthType::f32, ModelFormat::gguf);
  options.shards = 2;
  refused(options, "--shards");
  options.shards = 1;
  options.tokenizer = "t.json";
  refused(options, "--tokenizer");
}

}  // namespace
}  // namespace strata
