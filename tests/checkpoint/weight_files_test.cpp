// Weights under less usual names: shards without an index, consolidated, a file of its own, tensors of the
// base class, stored rotary frequencies.
#include "strata/checkpoint/weight_files.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "strata/base/error.h"
#include "strata/checkpoint/checkpoint.h"
#include "tests/support/load_all.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using test::StoredTensor;
using test::TemporaryDirectory;
using test::TinyCheckpoint;
using test::write_text;

constexpr ErrorKind kBadFile = ErrorKind::bad_file;
constexpr ErrorKind kUnsupportedFile = ErrorKind::unsupported;

std::vector<test::Loaded> loaded(const fs::path& path) {
  return test::load_all(Checkpoint::open(path));
}

std::vector<test::Loaded> usual(const TinyCheckpoint& tiny = {}) {
  const TemporaryDirectory directory;
  test::write_checkpoint(directory.path(), tiny);
  return loaded(directory.path());
}

TEST(WeightFiles, ShardsWithoutAnIndex) {
  for (const int shards : {1, 3}) {
    const TemporaryDirectory directory;
    test::write_checkpoint(directory.path(), {.shards = std::max(2, shards)});
    if (shards == 1) {
      fs::remove(directory.path() / "model-00001-of-00002.safetensors");
      fs::remove(directory.path() / "model-00002-of-00002.safetensors");
      write_text(directory.path() / "model-00001-of-00001.safetensors",
                 test::safetensors_bytes(test::tiny_tensors({})));
    }
    fs::remove(directory.path() / "model.safetensors.index.json");
    EXPECT_EQ(loaded(directory.path()), usual());
    EXPECT_EQ(Checkpoint::open(directory.path()).files().size(), static_cast<std::size_t>(shards));
    if (shards == 1) continue;
    fs::rename(directory.path() / "model-00002-of-00003.safetensors", directory.path() / "away");
    EXPECT_STRATA_ERROR(Checkpoint::open(directory.path()), kBadFile,
                        "model-00002-of-00003.safetensors: missing shard");
    fs::rename(directory.path() / "away", directory.path() / "model-00002-of-00004.safetensors");
    EXPECT_STRATA_ERROR(Checkpoint::open(directory.path()), kBadFile, "a shard of 4 beside shards of 3");
  }
}

TEST(WeightFiles, ConsolidatedIsReadOrNamed) {
  const TemporaryDirectory directory;
  test::write_checkpoint(directory.path(), {});
  fs::rename(directory.path() / "model.safetensors", directory.path() / "consolidated.safetensors");
  EXPECT_EQ(loaded(directory.path()), usual());
  TinyCheckpoint meta;
  meta.edit_tensors = [](std::vector<StoredTensor>& tensors) {
    for (StoredTensor& tensor : tensors)
      if (tensor.name == "model.embed_tokens.weight") tensor.name = "tok_embeddings.weight";
  };
  test::write_checkpoint(directory.path(), meta);
  fs::rename(directory.path() / "model.safetensors", directory.path() / "consolidated.safetensors");
  EXPECT_STRATA_ERROR(Checkpoint::open(directory.path()), kBadFile, "Meta's names");
}

TEST(WeightFiles, AFileOfTheDirectoryStandsForIt) {
  const TemporaryDirectory directory;
  test::write_checkpoint(directory.path() / "Tiny", {.shards = 2});
  const fs::path tiny = directory.path() / "Tiny";
  for (const char* file :
       {"config.json", "model.safetensors.index.json", "model-00002-of-00002.safetensors"}) {
    const Checkpoint checkpoint = Checkpoint::open(tiny / file);
    EXPECT_EQ(test::load_all(checkpoint), usual()) << file;
    EXPECT_EQ(checkpoint.name(), "Tiny");
    EXPECT_EQ(checkpoint.path(), tiny);
  }
  // Another file is the weights itself.
  write_text(tiny / "step-100.safetensors", test::safetensors_bytes(test::tiny_tensors({.seed = 2})));
  EXPECT_EQ(loaded(tiny / "step-100.safetensors"), usual({.seed = 2}));
  EXPECT_EQ(loaded(tiny), usual());
  const TemporaryDirectory without;
  write_text(without.path() / "model.safetensors", test::safetensors_bytes(test::tiny_tensors({})));
  EXPECT_STRATA_ERROR(Checkpoint::open(without.path() / "model.safetensors"), kBadFile,
                      "config.json: missing");
  write_text(without.path() / "config.json", test::tiny_config({}).dump());
  fs::rename(without.path() / "model.safetensors", without.path() / "weights.safetensors");
  EXPECT_STRATA_ERROR(Checkpoint::open(without.path()), kBadFile, "but weights.safetensors; expected");
}

void strip_prefix(std::vector<StoredTensor>& tensors) {
  for (StoredTensor& tensor : tensors)
    if (tensor.name.starts_with("model.")) tensor.name = tensor.name.substr(6);
}

// Qwen3-Embedding and everything else that was saved from the base class.
TEST(WeightFiles, TensorsOfTheBaseClass) {
  for (const Family& family : families()) {
    for (const bool tied : {false, true}) {
      const TinyCheckpoint plain{.family = std::string(family.id), .tied = tied};
      TinyCheckpoint tiny = plain;
      tiny.edit_tensors = strip_prefix;
      EXPECT_EQ(usual(tiny), usual(plain)) << family.id;
    }
  }
  TinyCheckpoint headless;
  headless.edit_tensors = [](std::vector<StoredTensor>& tensors) {
    strip_prefix(tensors);
    std::erase_if(tensors, [](const StoredTensor& t) { return t.name == "lm_head.weight"; });
  };
  EXPECT_STRATA_ERROR(usual(headless), kBadFile, "a base model without an output head");
  TinyCheckpoint mixed;
  mixed.edit_tensors = [](std::vector<StoredTensor>& tensors) {
    for (StoredTensor& tensor : tensors)
      if (tensor.name == "model.norm.weight") tensor.name = "norm.weight";
  };
  EXPECT_STRATA_ERROR(usual(mixed), kBadFile, "no tensor \"model.norm.weight\"");
}

// Old converters stored them, as F64 now and then; every reader ignores them.
TEST(WeightFiles, StoredRotaryFrequenciesOfAnyType) {
  for (const auto& [dtype, bytes] : std::vector<std::pair<std::string, std::size_t>>{
           {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8}}) {
    TinyCheckpoint tiny;
    tiny.edit_tensors = [&](std::vector<StoredTensor>& tensors) {
      tensors.push_back({.name = "model.layers.0.self_attn.rotary_emb.inv_freq",
                         .dtype = dtype,
                         .shape = {2},
                         .bytes = std::string(2 * bytes, '\0')});
    };
    EXPECT_EQ(usual(tiny), usual()) << dtype;
    tiny.shards = 2;
    EXPECT_EQ(usual(tiny), usual()) << dtype;
    tiny.shards = 1;
    tiny.edit_tensors = [&](std::vector<StoredTensor>& tensors) {
      tensors.push_back({.name = "model.layers.0.self_attn.rotary_emb.inv_freq",
                         .dtype = dtype,
                         .shape = {3},
                         .bytes = std::string(2 * bytes, '\0')});
    };
    EXPECT_STRATA_ERROR(usual(tiny), kBadFile, "for shape [3]");
  }
  TinyCheckpoint other;
  other.edit_tensors = [](std::vector<StoredTensor>& tensors) {
    tensors.push_back(
        {.name = "model.norm.scale", .dtype = "F64", .shape = {1}, .bytes = std::string(8, '\0')});
  };
  EXPECT_STRATA_ERROR(usual(other), kUnsupportedFile, "dtype F64");
}

}  // namespace
}  // namespace strata
