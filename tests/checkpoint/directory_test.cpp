// Whole directories: single and sharded files, digests, and corrupt or foreign twins.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>

#include "strata/base/error.h"
#include "strata/base/sha256.h"
#include "strata/checkpoint/checkpoint.h"
#include "tests/support/load_all.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using test::load_all;
using test::Loaded;
using test::StoredTensor;
using test::TemporaryDirectory;
using test::TinyCheckpoint;
using test::write_text;
using Tensors = std::vector<StoredTensor>;

Checkpoint open_tiny(const TemporaryDirectory& directory, const TinyCheckpoint& tiny) {
  test::write_checkpoint(directory.path(), tiny);
  return Checkpoint::open(directory.path());
}

StoredTensor& named(Tensors& tensors, const std::string& name) {
  for (StoredTensor& tensor : tensors) {
    if (tensor.name == name) return tensor;
  }
  throw std::invalid_argument(name);
}

TEST(Checkpoint, EveryFamilyInEveryDtype) {
  for (const Family& family : families()) {
    for (const bool tied : {false, true}) {
      for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
        const TemporaryDirectory directory;
        const TinyCheckpoint tiny{.family = std::string(family.id), .tied = tied, .dtype = dtype};
        const Checkpoint checkpoint = open_tiny(directory, tiny);
        EXPECT_EQ(checkpoint.has(Role::unembedding), !tied);
        EXPECT_EQ(checkpoint.has(Role::query_bias), family.qkv_bias_default);
        EXPECT_EQ(checkpoint.has(Role::key_norm), family.qk_norm);
        EXPECT_EQ(checkpoint.shape(Role::key), (std::vector<std::int64_t>{8, 16}));
        const auto stored = test::tiny_tensors(tiny);
        EXPECT_EQ(
            checkpoint.weight_bytes(),
            static_cast<std::uint64_t>(count_parameters(checkpoint.config()).total) * size_bytes(dtype));
        if (!family.packed.empty()) continue;  // tests/model compares them with transformers
        const auto loaded = load_all(checkpoint);
        ASSERT_EQ(loaded.size(), stored.size());
        EXPECT_EQ(checkpoint.tensors().size(), stored.size());
        for (std::size_t i = 0; i < loaded.size(); ++i) {  // same order: both walk the table
          EXPECT_EQ(test::encode(dtype, loaded[i].values), stored[i].bytes) << stored[i].name;
        }
        EXPECT_EQ(checkpoint.bytes_read(), checkpoint.weight_bytes());
      }
    }
  }
}

TEST(Checkpoint, ShardedEqualsSingle) {
  const TemporaryDirectory one, many;
  TinyCheckpoint tiny{.family = "qwen2", .dtype = DType::bf16};
  const Checkpoint single = open_tiny(one, tiny);
  tiny.shards = 3;
  const Checkpoint sharded = open_tiny(many, tiny);
  EXPECT_EQ(single.files().size(), 1u);
  EXPECT_EQ(sharded.files().size(), 3u);
  const auto a = load_all(single), b = load_all(sharded);
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].values, b[i].values);
  EXPECT_EQ(single.digest(), sharded.digest());
}

TEST(Checkpoint, DigestIsOfNamesAndBytes) {
  const TemporaryDirectory directory;
  TinyCheckpoint tiny{.layers = 2};
  const Checkpoint forward = open_tiny(directory, tiny);
  auto stored = test::tiny_tensors(tiny);
  std::sort(stored.begin(), stored.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  std::string lines;
  for (const StoredTensor& tensor : stored) lines += tensor.name + " " + sha256_hex(tensor.bytes) + "\n";
  load_all(forward);
  EXPECT_EQ(forward.digest(), sha256_hex(lines));

  // Another order, a tensor twice, and empty until the last one is there.
  const Checkpoint backward = Checkpoint::open(directory.path());
  const auto all = load_all(forward);
  for (std::size_t i = all.size(); i-- > 0;) {
    EXPECT_TRUE(backward.digest().empty());
    std::vector<float> out(all[i].values.size());
    backward.load(all[i].role, all[i].layer, out);
    backward.load(all[i].role, all[i].layer, out);
    EXPECT_EQ(out, all[i].values);
  }
  EXPECT_EQ(backward.digest(), forward.digest());
  EXPECT_EQ(backward.bytes_read(), 2 * backward.weight_bytes());

  // Swapping two blocks' weights is another model.
  tiny.edit_tensors = [](Tensors& tensors) {
    std::swap(named(tensors, "model.layers.0.mlp.up_proj.weight").bytes,
              named(tensors, "model.layers.1.mlp.up_proj.weight").bytes);
  };
  const TemporaryDirectory other;
  const Checkpoint swapped = open_tiny(other, tiny);
  load_all(swapped);
  EXPECT_NE(swapped.digest(), forward.digest());
}

TEST(Checkpoint, LoadsFromSeveralThreads) {
  const TemporaryDirectory directory;
  const Checkpoint checkpoint = open_tiny(directory, {.hidden = 64, .ffn = 128, .head_dim = 16});
  const auto expected = load_all(Checkpoint::open(directory.path()));
  std::vector<std::vector<Loaded>> seen(4);
  std::vector<std::thread> threads;
  for (auto& mine : seen) threads.emplace_back([&] { mine = load_all(checkpoint); });
  for (auto& thread : threads) thread.join();
  for (const auto& mine : seen) {
    ASSERT_EQ(mine.size(), expected.size());
    for (std::size_t i = 0; i < mine.size(); ++i) EXPECT_EQ(mine[i].values, expected[i].values);
  }
  EXPECT_EQ(checkpoint.bytes_read(), 4 * checkpoint.weight_bytes());
  EXPECT_EQ(checkpoint.digest().size(), 64u);
}

void expect_twin(const TinyCheckpoint& tiny, ErrorKind kind, const std::string& text) {
  const TemporaryDirectory directory;
  EXPECT_STRATA_ERROR(open_tiny(directory, tiny), kind, text);
}

TinyCheckpoint with_tensors(std::function<void(Tensors&)> edit, bool tied = false) {
  return {.tied = tied, .edit_tensors = std::move(edit)};
}

TEST(CorruptCheckpoint, EveryMissingTensor) {
  for (const Family& family : families()) {
    TinyCheckpoint tiny{.family = std::string(family.id), .layers = 1};
    const auto all = test::tiny_tensors(tiny);
    for (std::size_t i = 0; i < all.size(); ++i) {
      tiny.edit_tensors = [&](Tensors& tensors) {
        tensors.erase(tensors.begin() + static_cast<std::ptrdiff_t>(i));
      };
      expect_twin(tiny, ErrorKind::bad_file, "no tensor \"" + all[i].name + "\"");
    }
  }
}

TEST(CorruptCheckpoint, EveryWrongShape) {
  TinyCheckpoint tiny{.family = "qwen2", .layers = 1};
  const auto all = test::tiny_tensors(tiny);
  for (std::size_t i = 0; i < all.size(); ++i) {
    tiny.edit_tensors = [&](Tensors& tensors) {  // same bytes, other shape
      tensors[i].shape.insert(tensors[i].shape.begin(), 1);
    };
    expect_twin(tiny, ErrorKind::bad_file, "tensor \"" + all[i].name + "\": shape [1, ");
  }
}

TEST(CorruptCheckpoint, ConfigAgainstWeights) {
  const auto with_config = [](const char* key, int value) {
    return TinyCheckpoint{.edit_config = [=](nlohmann::json& config) { config[key] = value; }};
  };
  expect_twin(with_config("vocab_size", 41), ErrorKind::bad_file,
              "tensor \"model.embed_tokens.weight\": shape [40, 16]; expected [41, 16]");
  expect_twin(with_config("hidden_size", 18), ErrorKind::bad_file, "model.embed_tokens.weight");
  expect_twin(with_config("intermediate_size", 25), ErrorKind::bad_file, "mlp.gate_proj.weight");
  expect_twin(with_config("num_key_value_heads", 1), ErrorKind::bad_file, "self_attn.k_proj.weight");
  expect_twin(with_config("num_hidden_layers", 4), ErrorKind::bad_file,
              "no tensor \"model.layers.3.input_layernorm.weight\"");
  expect_twin(with_config("num_hidden_layers", 2), ErrorKind::unsupported, "model.layers.2.");
}

TEST(CorruptCheckpoint, UnknownTensorsAreRefused) {
  for (const char* name : {"model.layers.0.self_attn.o_proj.bias", "model.layers.0.self_attn.q_proj.bias",
                           "model.layers.0.mlp.gate_proj.lora_A.weight",
                           "model.layers.0.self_attn.q_norm.weight", "score.weight"}) {
    expect_twin(with_tensors([=](Tensors& tensors) {
                  tensors.push_back({name, "F32", {1}, std::string(4, '\0')});
                }),
                ErrorKind::unsupported, std::string("tensor \"") + name + "\"");
  }
}

TEST(CorruptCheckpoint, OtherDtypes) {
  expect_twin(with_tensors([](Tensors& tensors) {
                StoredTensor& norm = named(tensors, "model.norm.weight");
                norm.dtype = "F64";
                norm.bytes.resize(128);
              }),
              ErrorKind::unsupported, "tensor \"model.norm.weight\": dtype F64");
}

TEST(Checkpoint, RotaryBuffersAndMixedDtypesAreAccepted) {
  const TemporaryDirectory directory;
  const Checkpoint checkpoint = open_tiny(
      directory, with_tensors([](Tensors& tensors) {
        tensors.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", "F32", {2}, std::string(8, '\0')});
        StoredTensor& norm = named(tensors, "model.norm.weight");
        norm.dtype = "BF16";
        norm.bytes = test::encode(DType::bf16, std::vector<float>(16, 1.5f));
      }));
  std::vector<float> norm(16);
  checkpoint.load(Role::final_norm, 0, norm);
  EXPECT_EQ(norm, std::vector<float>(16, 1.5f));
  for (const TensorInfo& tensor : checkpoint.tensors())
    EXPECT_EQ(tensor.name.find("inv_freq"), std::string::npos);
}

TEST(Checkpoint, TiedModelWithAStoredUnembedding) {
  const auto add_head = [](Tensors& tensors) {
    StoredTensor head = named(tensors, "model.embed_tokens.weight");
    head.name = "lm_head.weight";
    tensors.push_back(head);
  };
  const TemporaryDirectory directory, plain;
  const Checkpoint checkpoint = open_tiny(directory, with_tensors(add_head, true));
  EXPECT_FALSE(checkpoint.has(Role::unembedding));
  load_all(checkpoint);
  const Checkpoint without = open_tiny(plain, {.tied = true});
  load_all(without);
  EXPECT_EQ(checkpoint.digest(), without.digest());
  expect_twin(with_tensors(
                  [&](Tensors& tensors) {
                    add_head(tensors);
                    tensors.back().bytes.back() = static_cast<char>(tensors.back().bytes.back() ^ 1);
                  },
                  true),
              ErrorKind::unsupported, "tensor \"lm_head.weight\": an unembedding that differs");
}

TEST(CorruptCheckpoint, NonFiniteWeights) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const float bad : {std::nanf(""), inf, -inf}) {
      const TemporaryDirectory directory;
      TinyCheckpoint tiny{.dtype = dtype};
      tiny.edit_tensors = [&](Tensors& tensors) {
        const auto value = test::encode(dtype, {bad});
        named(tensors, "model.layers.1.mlp.down_proj.weight")
            .bytes.replace(37 * value.size(), value.size(), value);
      };
      const Checkpoint checkpoint = open_tiny(directory, tiny);
      std::vector<float> out(checkpoint.element_count(Role::down));
      EXPECT_NO_THROW(checkpoint.load(Role::down, 0, out));
      EXPECT_STRATA_ERROR(checkpoint.load(Role::down, 1, out), ErrorKind::bad_file,
                          "tensor \"model.layers.1.mlp.down_proj.weight\"");
      EXPECT_STRATA_ERROR(checkpoint.load(Role::down, 1, out), ErrorKind::bad_file, "at flat index 37");
    }
  }
}

TEST(Checkpoint, WrongCallsAreBugs) {
  const TemporaryDirectory directory;
  const Checkpoint checkpoint = open_tiny(directory, {});
  std::vector<float> out(checkpoint.element_count(Role::down));
  EXPECT_THROW(checkpoint.load(Role::down, 3, out), std::logic_error);
  EXPECT_THROW(checkpoint.load(Role::down, -1, out), std::logic_error);
  EXPECT_THROW(checkpoint.load(Role::query_bias, 0, out), std::logic_error);
  EXPECT_THROW(checkpoint.load(Role::final_norm, 0, out), std::logic_error);
  EXPECT_THROW((void)checkpoint.shape(Role::key_norm), std::logic_error);
}

TEST(CorruptCheckpoint, Shards) {
  const auto damaged = [](const std::function<void(const fs::path&)>& damage, ErrorKind kind,
                          const char* text) {
    const TemporaryDirectory directory;
    test::write_checkpoint(directory.path(), {.shards = 2});
    EXPECT_NO_THROW(Checkpoint::open(directory.path()));
    damage(directory.path());
    EXPECT_STRATA_ERROR(Checkpoint::open(directory.path()), kind, text);
  };
  const auto bad = ErrorKind::bad_file;
  const auto first = "model-00001-of-00002.safetensors", second = "model-00002-of-00002.safetensors";
  damaged([&](const fs::path& d) { fs::remove(d / second); }, bad, "missing shard");
  damaged(
      [&](const fs::path& d) { fs::copy_file(d / first, d / second, fs::copy_options::overwrite_existing); },
      bad, "is also in model-00001-of-00002.safetensors");
  damaged([&](const fs::path& d) { fs::resize_file(d / second, fs::file_size(d / second) - 4); }, bad,
          "beyond the end");
  const auto index = [&](const std::function<void(nlohmann::json&)>& edit) {
    return [=](const fs::path& d) {
      Tensors tensors = test::tiny_tensors({});
      nlohmann::json map;
      for (std::size_t i = 0; i < tensors.size(); ++i) map[tensors[i].name] = i % 2 == 0 ? first : second;
      nlohmann::json document{{"weight_map", map}};
      edit(document);
      write_text(d / "model.safetensors.index.json", document.dump());
    };
  };
  const char* norm = "model.norm.weight";  // in the second shard
  damaged(index([&](auto& j) { j["weight_map"][norm] = first; }), bad, "no tensor \"model.norm.weight\"");
  damaged(index([&](auto& j) { j["weight_map"].erase(norm); }), bad, "the index does not list");
  damaged(index([&](auto& j) { j["weight_map"]["extra"] = first; }), bad, "no tensor \"extra\"");
  damaged(index([&](auto& j) { j["weight_map"][norm] = 2; }), bad, "no file name for \"model.norm.weight\"");
  damaged(index([&](auto& j) { j.erase("weight_map"); }), bad, "no weight_map");
  damaged(index([&](auto& j) { j["weight_map"] = nlohmann::json::array(); }), bad, "no weight_map");
  for (const char* name : {"../model.safetensors", "/etc/passwd", "a/b.safetensors", "..", "", "a\\b"}) {
    damaged(index([&](auto& j) { j["weight_map"][norm] = name; }), bad, "a plain file name");
  }
  damaged([&](const fs::path& d) { write_text(d / "model.safetensors.index.json", "{"); }, bad,
          "not valid JSON");
}

TEST(ForeignCheckpoint, NamedForWhatItIs) {
  const TemporaryDirectory directory;
  const fs::path& d = directory.path();
  EXPECT_STRATA_ERROR(Checkpoint::open(d / "absent"), ErrorKind::usage, "absent: no such file or directory");
  EXPECT_STRATA_ERROR(Checkpoint::open(d), ErrorKind::bad_file, "config.json: missing");
  write_text(d / "model.gguf", "GGUF");
  EXPECT_STRATA_ERROR(Checkpoint::open(d / "model.gguf"), ErrorKind::bad_file,
                      "the version: 4 bytes at byte 4");
  write_text(d / "notes.txt", "hello");
  EXPECT_STRATA_ERROR(Checkpoint::open(d / "notes.txt"), ErrorKind::unsupported,
                      "a directory with config.json");
  fs::remove(d / "model.gguf");  // alone in a directory it would be that directory's model
  write_text(d / "config.json", test::tiny_config({}).dump());
  EXPECT_STRATA_ERROR(Checkpoint::open(d), ErrorKind::bad_file, "no weights");
  write_text(d / "pytorch_model.bin", "PK");
  EXPECT_STRATA_ERROR(Checkpoint::open(d), ErrorKind::unsupported,
                      "pytorch_model.bin: weights as a Python pickle");
  write_text(d / "model.safetensors", "");
  EXPECT_STRATA_ERROR(Checkpoint::open(d), ErrorKind::bad_file, "model.safetensors: an empty file");
  fs::remove(d / "model.safetensors");
  fs::create_directory(d / "model.safetensors");
  EXPECT_STRATA_ERROR(Checkpoint::open(d), ErrorKind::bad_file, "model.safetensors");
  fs::remove(d / "config.json");
  fs::create_directory(d / "config.json");
  EXPECT_STRATA_ERROR(Checkpoint::open(d), ErrorKind::bad_file, "config.json");
}

}  // namespace
}  // namespace strata
