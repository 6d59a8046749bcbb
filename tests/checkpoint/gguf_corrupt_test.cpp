// GGUF models that are not what they claim, key by key and tensor by tensor, and those strata refuses.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "strata/base/error.h"
#include "strata/checkpoint/checkpoint.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_gguf.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using test::GgufFile;
using test::TemporaryDirectory;
using test::TinyCheckpoint;

constexpr ErrorKind kBadGguf = ErrorKind::bad_file;
constexpr ErrorKind kUnsupportedGguf = ErrorKind::unsupported;

void expect_refused(const std::function<void(GgufFile&)>& edit, ErrorKind kind, const std::string& text,
                    const TinyCheckpoint& tiny = {}) {
  GgufFile file = test::tiny_gguf(tiny);
  edit(file);
  const TemporaryDirectory directory;
  test::write_text(directory.path() / "tiny.gguf", file.bytes());
  EXPECT_STRATA_ERROR(Checkpoint::open(directory.path() / "tiny.gguf"), kind, text);
}

// A number of the config: missing (where that is an error), of another type, zero, absurd.
TEST(CorruptGguf, EveryNumberOfTheConfig) {
  struct Key {
    const char* key;
    bool required;
  };
  for (const Key& k : {Key{"llama.block_count", true}, Key{"llama.context_length", true},
                       Key{"llama.embedding_length", true}, Key{"llama.feed_forward_length", true},
                       Key{"llama.attention.head_count", true}, Key{"llama.attention.head_count_kv", false},
                       Key{"llama.attention.key_length", false}, Key{"llama.attention.value_length", false},
                       Key{"llama.rope.dimension_count", false}, Key{"llama.vocab_size", false}}) {
    const std::string key = k.key;
    if (k.required) expect_refused([&](GgufFile& f) { f.erase(key); }, kBadGguf, key + ": missing");
    expect_refused([&](GgufFile& f) { f.set(key, test::gguf_string("16")); }, kBadGguf,
                   key + ": a value of type string");
    expect_refused([&](GgufFile& f) { f.set(key, test::gguf_f32(4.0f)); }, kBadGguf,
                   key + ": a value of type f32");
    expect_refused([&](GgufFile& f) { f.set(key, test::gguf_u32(0)); }, kBadGguf,
                   key + ": 0; expected an integer");
    const test::GgufStored absurd{10, test::little_endian(std::uint64_t{1} << 60, 8)};
    expect_refused([&](GgufFile& f) { f.set(key, absurd); }, kBadGguf, key + ": 1152921504606846976");
    const test::GgufStored negative{11, test::little_endian(~std::uint64_t{0}, 8)};
    expect_refused([&](GgufFile& f) { f.set(key, negative); }, kBadGguf, key + ": -1");
  }
}

TEST(CorruptGguf, RealNumbersOfTheConfig) {
  const std::string eps = "llama.attention.layer_norm_rms_epsilon", base = "llama.rope.freq_base";
  expect_refused([&](GgufFile& f) { f.erase(eps); }, kBadGguf, eps + ": missing");
  for (const std::string& key : {eps, base}) {
    expect_refused([&](GgufFile& f) { f.set(key, test::gguf_u32(1)); }, kBadGguf,
                   key + ": a value of type u32");
    for (const float value : {0.0f, -1.0f}) {
      expect_refused([&](GgufFile& f) { f.set(key, test::gguf_f32(value)); }, kBadGguf, key + ": ");
    }
    expect_refused([&](GgufFile& f) { f.set(key, test::gguf_f32(std::nanf(""))); }, kBadGguf,
                   "a finite number");
  }
  expect_refused([&](GgufFile& f) { f.set(eps, test::gguf_f32(1.0f)); }, kBadGguf, eps + ": 1");
}

TEST(CorruptGguf, NumbersThatContradict) {
  const auto u32 = [](const char* key, std::uint32_t value) {
    return [=](GgufFile& f) { f.set(key, test::gguf_u32(value)); };
  };
  expect_refused(u32("llama.attention.head_count_kv", 3), kBadGguf, "a divisor of attention.head_count = 4");
  expect_refused(u32("llama.attention.key_length", 5), kBadGguf, "an even number");
  expect_refused(u32("llama.attention.value_length", 8), kUnsupportedGguf, "the key length, 4");
  expect_refused(u32("llama.rope.dimension_count", 2), kUnsupportedGguf, "the whole head, 4");
  expect_refused(u32("llama.vocab_size", 41), kBadGguf, "40, the rows of token_embd.weight");
  expect_refused(u32("llama.embedding_length", 18), kBadGguf, "tensor \"token_embd.weight\": shape [40, 16]");
  expect_refused(u32("llama.feed_forward_length", 25), kBadGguf,
                 "ffn_gate.weight\": shape [24, 16]; expected [25, 16]");
  expect_refused(u32("llama.block_count", 4), kBadGguf, "no tensor \"blk.3.attn_norm.weight\"");
  expect_refused(u32("llama.block_count", 2), kUnsupportedGguf, "tensor \"blk.2.");
  expect_refused(u32("tokenizer.ggml.bos_token_id", 40), kBadGguf, "tokenizer.ggml.bos_token_id: 40");
  expect_refused(u32("tokenizer.ggml.eos_token_id", 40), kBadGguf, "tokenizer.ggml.eos_token_id: 40");
  expect_refused(u32("tokenizer.ggml.tokens", 40), kBadGguf, "an array of strings");
  expect_refused(
      [](GgufFile& f) { f.set("tokenizer.ggml.tokens", test::gguf_strings(std::vector<std::string>(41))); },
      kBadGguf, "41 tokens");
  expect_refused(
      [](GgufFile& f) {
        f.erase("llama.attention.key_length");
        f.set("llama.attention.head_count", test::gguf_u32(3));
        f.set("llama.attention.head_count_kv", test::gguf_u32(3));
      },
      kBadGguf, "where attention.key_length is absent");
}

TEST(RefusedGguf, OtherModels) {
  const auto text = [](const char* key, const char* value) {
    return [=](GgufFile& f) { f.set(key, test::gguf_string(value)); };
  };
  expect_refused(text("general.architecture", "gemma\n3"), kUnsupportedGguf,
                 "\"gemma?3\"; expected one of llama, qwen2, qwen3, mistral3, smollm3");
  expect_refused([](GgufFile& f) { f.erase("general.architecture"); }, kBadGguf,
                 "general.architecture: missing");
  expect_refused([](GgufFile& f) { f.set("general.architecture", test::gguf_u32(1)); }, kBadGguf, "a string");
  expect_refused(text("llama.rope.scaling.type", "su"), kUnsupportedGguf,
                 "\"su\"; expected none, linear, yarn");
  expect_refused(text("llama.rope.scaling.type", "longrope"), kBadGguf,
                 "no tensor \"rope_factors_short.weight\"");
  for (const char* key : {"llama.rope.scaling.yarn_attn_factor", "llama.rope.scaling.yarn_ext_factor"}) {
    expect_refused([=](GgufFile& f) { f.set(key, test::gguf_f32(2.0f)); }, kUnsupportedGguf, key);
  }
  for (const char* key : {"llama.rope.scaling.factor", "llama.rope.scale_linear",
                          "llama.rope.scaling.attn_factor", "llama.rope.scaling.yarn_beta_fast"}) {
    expect_refused(
        [=](GgufFile& f) {
          f.set("llama.rope.scaling.type", test::gguf_string("yarn"));
          f.set(key, test::gguf_f32(-2.0f));
        },
        kBadGguf, std::string(key) + ": -2; expected a number above 0");
  }
  expect_refused([=](GgufFile& f) { f.set("llama.expert_count", test::gguf_u32(8)); }, kBadGguf,
                 "llama.expert_used_count: missing");  // a Mixtral
  for (const char* key : {"llama.expert_used_count", "llama.nextn_predict_layers"}) {
    expect_refused([=](GgufFile& f) { f.set(key, test::gguf_u32(8)); }, kUnsupportedGguf,
                   std::string(key) + ": 8; expected 0");
  }
  for (const char* key : {"llama.attention.scale", "llama.logit_scale", "llama.final_logit_softcapping"}) {
    expect_refused([=](GgufFile& f) { f.set(key, test::gguf_f32(0.25f)); }, kUnsupportedGguf, key);
  }
  expect_refused([](GgufFile& f) { f.set("llama.attention.causal", test::gguf_flag(false)); },
                 kUnsupportedGguf, "llama.attention.causal");
  expect_refused(
      [](GgufFile& f) {
        f.set("llama.attention.head_count_kv", test::gguf_i32s({2, 2, 1}));
      },
      kUnsupportedGguf, "head_count_kv: 1 to 2, by block; expected the same");
  expect_refused([](GgufFile& f) { f.set("llama.feed_forward_length", test::gguf_i32s({})); }, kBadGguf,
                 "an empty array");
  expect_refused([](GgufFile& f) { f.set("llama.feed_forward_length", test::gguf_i32s({-3})); }, kBadGguf,
                 "feed_forward_length: -3");
}

TEST(CorruptGguf, EveryMissingTensorAndWrongShape) {
  for (const Family& family : families()) {
    const TinyCheckpoint tiny{.family = std::string(family.id), .layers = family.packed.empty() ? 1 : 2};
    const GgufFile whole = test::tiny_gguf(tiny);
    for (const auto& tensor : whole.tensors) {
      // It tells a dense block from a mixture; and a vector may have an extent of 1 in front.
      const bool told = family.experts.some_blocks && tensor.name == "blk.0.ffn_gate.weight";
      if (told || tensor.name.ends_with("gate_inp_shexp.weight")) continue;
      const auto drop = [&](GgufFile& f) {
        std::erase_if(f.tensors, [&](const auto& t) { return t.name == tensor.name; });
      };
      const auto widen = [&](GgufFile& f) { f.tensor(tensor.name).extents.push_back(1); };
      if (tensor.name != "output.weight") {  // without it the model is tied
        expect_refused(drop, kBadGguf, "no tensor \"" + tensor.name + "\"", tiny);
      }
      expect_refused(widen, kBadGguf,
                     tensor.name != "token_embd.weight" ? tensor.name
                     : family.packed.empty()            ? "vocab_size"
                                                        : "tokenizer.ggml.tokens",
                     tiny);
    }
  }
}

TEST(RefusedGguf, TensorsThatLie) {
  expect_refused([](GgufFile& f) { f.tensor("output_norm.weight").type = 16; }, kUnsupportedGguf,
                 "tensor \"output_norm.weight\": weights of IQ2_XXS");
  expect_refused([](GgufFile& f) { f.tensor("output_norm.weight").type = 77; }, kUnsupportedGguf, "type 77");
  expect_refused([](GgufFile& f) { f.tensor("output_norm.weight").type = 8; }, kBadGguf,
                 "rows of 16; expected a multiple of 32 for Q8_0");
  expect_refused([](GgufFile& f) { f.tensors.back().extents = {24, 4000}; }, kBadGguf, "in a file of");
  expect_refused(
      [](GgufFile& f) {
        auto& wide = f.tensors.back();
        wide.type = 0;
        wide.extents = {std::uint64_t{1} << 61};
      },
      kBadGguf, "in a file of");
  expect_refused([](GgufFile& f) { f.tensors[1].offset = 0; }, kBadGguf, "overlaps tensor");
  for (const char* name : {"blk.0.attn_q_norm.weight", "blk.0.ffn_gate_exps.weight", "cls.weight"}) {
    expect_refused([=](GgufFile& f) { f.tensors.push_back({.name = name, .extents = {1}, .bytes = "abcd"}); },
                   kUnsupportedGguf, std::string("tensor \"") + name + "\"");
  }
}

// A bias in one block makes it the model's.
TEST(RefusedGguf, BiasesMustBeWhole) {
  const auto add = [](const char* name) {
    return [=](GgufFile& f) { f.tensors.push_back({.name = name, .extents = {1}, .bytes = "abcd"}); };
  };
  expect_refused(add("blk.0.attn_q.bias"), kBadGguf,
                 "tensor \"blk.0.attn_q.bias\": shape [1]; expected [16]");
  expect_refused(add("blk.0.attn_output.bias"), kBadGguf, "expected [16]");
  expect_refused(add("blk.0.ffn_gate.bias"), kBadGguf, "expected [24]");
  expect_refused(add("blk.1.attn_output.bias"), kUnsupportedGguf, "tensor \"blk.1.attn_output.bias\"");
  expect_refused(add("blk.0.attn_output.bias"), kUnsupportedGguf, "tensor \"blk.0.attn_output.bias\"",
                 {.family = "qwen2"});
}

TEST(CorruptGguf, SlidingWindowPattern) {
  const auto pattern = [](test::GgufStored value) {
    return [=](GgufFile& f) {
      f.set("llama.attention.sliding_window", test::gguf_u32(4));
      f.set("llama.attention.sliding_window_pattern", value);
    };
  };
  expect_refused(pattern(test::gguf_array(GgufValueType::boolean, 2, std::string(2, '\1'))), kBadGguf,
                 "sliding_window_pattern: 2 bool; expected 3 booleans");
  expect_refused(pattern(test::gguf_i32s({1, 1, 1})), kBadGguf, "3 i32; expected 3 booleans");
  expect_refused(pattern(test::gguf_f32(2.0f)), kBadGguf, "sliding_window_pattern");
}

TEST(RefusedGguf, RopeFactorsThatLie) {
  const auto add = [](std::vector<std::uint64_t> extents, std::vector<float> values) {
    return [=](GgufFile& f) {
      f.tensors.push_back(
          {.name = "rope_freqs.weight", .extents = extents, .bytes = test::encode(DType::f32, values)});
    };
  };
  expect_refused(add({3}, {1, 1, 1}), kBadGguf,
                 "rope_freqs.weight\": F32 of shape [3]; expected F32 of shape [2]");
  expect_refused(add({2}, {1, 0}), kBadGguf, "rope_freqs.weight\": 0; expected numbers above 0");
  expect_refused(add({2}, {1, -1}), kBadGguf, "numbers above 0");
  expect_refused(add({2}, {1, INFINITY}), kBadGguf, "numbers above 0");
  expect_refused(add({2}, {1, 1}), kUnsupportedGguf, "rope factors in a model of family qwen2",
                 {.family = "qwen2"});
}

TEST(CorruptGguf, Splits) {
  const auto damaged = [](const std::function<void(const fs::path&)>& damage, ErrorKind kind,
                          const std::string& text, int open = 1) {
    const TemporaryDirectory directory;
    const auto split = [&](int n) {
      return directory.path() / ("model-0000" + std::to_string(n) + "-of-00002.gguf");
    };
    test::write_splits(directory.path(), test::tiny_gguf({}), 2);
    damage(directory.path());
    EXPECT_STRATA_ERROR(Checkpoint::open(split(open)), kind, text);
  };
  const char *first = "model-00001-of-00002.gguf", *second = "model-00002-of-00002.gguf";
  damaged([](const fs::path&) {}, ErrorKind::usage,
          "split 2 of 2; expected the first, whose name ends in "
          "-00001-of-00002.gguf",
          2);
  damaged([&](const fs::path& d) { fs::remove(d / second); }, kBadGguf,
          std::string(second) + ": missing split");
  damaged(
      [&](const fs::path& d) { fs::copy_file(d / first, d / second, fs::copy_options::overwrite_existing); },
      kBadGguf, "is also in model-00001-of-00002.gguf");
  const auto write = [](const fs::path& path, const char* key, test::GgufStored value, bool metadata) {
    const GgufFile whole = test::tiny_gguf({});
    GgufFile part;
    if (metadata) part.pairs = whole.pairs;
    part.set("split.no", {2, test::little_endian(metadata ? 0 : 1, 2)});
    part.set("split.count", {2, test::little_endian(2, 2)});
    part.set("split.tensors.count", {5, test::little_endian(whole.tensors.size(), 4)});
    for (std::size_t t = metadata ? 0 : 1; t < whole.tensors.size(); t += 2)
      part.tensors.push_back(whole.tensors[t]);
    if (value.bytes.empty()) {
      part.erase(key);
    } else {
      part.set(key, std::move(value));
    }
    test::write_text(path, part.bytes());
  };
  damaged([&](const fs::path& d) { write(d / second, "split.no", test::gguf_u32(0), false); }, kBadGguf,
          "split.no: 0; expected 1");
  damaged([&](const fs::path& d) { write(d / second, "split.no", {}, false); }, kBadGguf,
          "split.no: missing");
  damaged([&](const fs::path& d) { write(d / second, "split.count", test::gguf_u32(3), false); }, kBadGguf,
          "split.count: 3; expected 2");
  damaged([&](const fs::path& d) { write(d / first, "split.no", {}, true); }, kBadGguf, "split.no: missing");
  damaged([&](const fs::path& d) { write(d / first, "split.no", test::gguf_string("0"), true); }, kBadGguf,
          "split.no: a value of type string");
  damaged([&](const fs::path& d) { write(d / first, "split.count", test::gguf_u32(70000), true); }, kBadGguf,
          "split.count: 70000");
  damaged([&](const fs::path& d) { write(d / first, "split.count", test::gguf_u32(3), true); }, kBadGguf,
          "a name that ends in -00001-of-00003.gguf");
  damaged([&](const fs::path& d) { write(d / first, "split.tensors.count", test::gguf_u32(5), true); },
          kBadGguf, "split.tensors.count: 5");
  damaged([&](const fs::path& d) { write(d / first, "split.count", {}, true); }, kBadGguf, "no tensor");
  damaged([&](const fs::path& d) { fs::resize_file(d / second, fs::file_size(d / second) - 1); }, kBadGguf,
          "the file may be cut short");
}

TEST(CorruptGguf, CutAnywhereItFails) {
  const TemporaryDirectory directory;
  const fs::path path = directory.path() / "tiny.gguf";
  const std::string whole = test::tiny_gguf({.layers = 1}).bytes();
  for (std::size_t size = 0; size < whole.size(); size += 101) {
    test::write_text(path, whole.substr(0, size));
    EXPECT_STRATA_ERROR(Checkpoint::open(path), kBadGguf, "tiny.gguf");
  }
  test::write_text(path, whole);
  EXPECT_NO_THROW(Checkpoint::open(path));
}

}  // namespace
}  // namespace strata
