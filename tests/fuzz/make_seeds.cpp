// Writes the first inputs of every fuzz target into the folder named on the command line: valid files and
// near misses, small, one feature each. The corpora in fuzz/corpus grew from these.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "fuzz/targets.h"
#include "strata/base/npy.h"
#include "tests/support/gguf_file.h"
#include "tests/support/synthetic_run.h"
#include "tests/support/synthetic_study.h"
#include "tests/support/tiny_checkpoint.h"
#include "tests/tokenizer/tiny.h"

namespace {

using namespace strata;
using nlohmann::json;

class SeedFolder {
 public:
  SeedFolder(const std::filesystem::path& root, std::string_view target) : folder_(root / target) {
    std::filesystem::create_directories(folder_);
  }
  void add(std::string_view name, std::string_view content) const {
    std::ofstream file(folder_ / fmt::format("seed-{}", name), std::ios::binary);
    file.exceptions(std::ios::failbit | std::ios::badbit);
    file.write(content.data(), static_cast<std::streamsize>(content.size()));
  }

 private:
  std::filesystem::path folder_;
};

void safetensors_seeds(const SeedFolder& folder) {
  test::TinyCheckpoint tiny;
  tiny.layers = 1;
  tiny.hidden = 2;
  tiny.ffn = 2;
  tiny.heads = 1;
  tiny.kv_heads = 1;
  tiny.head_dim = 2;
  tiny.vocab = 2;
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    tiny.dtype = dtype;
    const std::string file = test::safetensors_bytes(test::tiny_tensors(tiny));
    folder.add(to_string(dtype), file);
  }
  const std::string zeros(16, '\0');
  folder.add("empty", std::string("{}"));
  folder.add("metadata", std::string(R"({"__metadata__":{"format":"pt"},)"
                                     R"("a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})") +
                             '\0' + zeros);
  folder.add("two", std::string(R"({"b":{"dtype":"BF16","shape":[4],"data_offsets":[8,16]},)"
                                R"("a":{"dtype":"F16","shape":[1,4],"data_offsets":[0,8]}})") +
                        '\0' + zeros);
  folder.add("scalar", std::string(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
                                   R"("z":{"dtype":"F32","shape":[0,7],"data_offsets":[4,4]}})") +
                           '\0' + zeros.substr(0, 4));
  folder.add("escapes", R"({"\u00e9\ud83d\ude00\n":{"dtype":"I64","shape":[1e3,-1,18446744073709551615]}})");
}

void gguf_seeds(const SeedFolder& folder) {
  test::GgufFile file;
  folder.add("nothing", file.bytes());
  file.set("general.architecture", test::gguf_string("llama"));
  file.set("llama.block_count", test::gguf_u32(1));
  file.set("llama.rope.freq_base", test::gguf_f32(10000.0f));
  file.set("tokenizer.ggml.add_bos_token", test::gguf_flag(true));
  file.set("tokenizer.ggml.tokens", test::gguf_strings({"<unk>", "a", ""}));
  file.set("tokenizer.ggml.scores", test::gguf_floats({0.0f, -1.0f, 2.5f}));
  file.set("tokenizer.ggml.token_type", test::gguf_i32s({2, 1, 1}));
  folder.add("keys", file.bytes());
  file.tensors.push_back({.name = "output_norm.weight", .extents = {3}, .bytes = std::string(12, 'n')});
  file.tensors.push_back({.name = "m", .type = 1, .extents = {4, 2}, .bytes = std::string(16, 'm')});
  folder.add("tensors", file.bytes());
  file.version = 2;
  file.alignment = 8;
  file.set("general.alignment", test::gguf_u32(8));
  folder.add("aligned", file.bytes());
  test::GgufFile model;
  model.set("general.architecture", test::gguf_string("qwen3"));
  for (const char* key : {"block_count", "embedding_length", "feed_forward_length", "context_length",
                          "attention.head_count", "attention.key_length", "attention.value_length"}) {
    model.set(std::string("qwen3.") + key, test::gguf_u32(8));
  }
  model.set("qwen3.attention.layer_norm_rms_epsilon", test::gguf_f32(1e-5f));
  model.set("qwen3.rope.scaling.type", test::gguf_string("none"));
  folder.add("config", model.bytes());
  // Every type of value, and an array of arrays, behind counts of one byte each.
  std::string every = {13, 0};
  for (int type = 0; type <= 12; ++type) {
    constexpr int kSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    every += test::little_endian(1, 8) + static_cast<char>('a' + type) + test::little_endian(type, 4);
    if (type == 8) every += test::little_endian(2, 8) + "xy";
    if (type == 9) {
      every += test::little_endian(9, 4) + test::little_endian(2, 8);
      for (int i = 0; i < 2; ++i) every += test::little_endian(4, 4) + test::little_endian(1, 8) + "abcd";
    }
    every += std::string(static_cast<std::size_t>(kSizes[type]), '\1');
  }
  folder.add("types", every);
  folder.add("tensor", std::string("\0\1", 2) + test::little_endian(1, 8) + "t" + test::little_endian(2, 4) +
                           test::little_endian(2, 8) + test::little_endian(3, 8) + test::little_endian(0, 4) +
                           test::little_endian(0, 8) + std::string(80, '\0'));
}

void config_seeds(const SeedFolder& folder) {
  for (const Family& family : families()) {
    folder.add(family.id, test::tiny_config({.family = std::string(family.id)}).dump());
  }
  json config = test::tiny_config({});
  const json scaling = {{"rope_type", "llama3"},
                        {"factor", 8.0},
                        {"low_freq_factor", 1.0},
                        {"high_freq_factor", 4.0},
                        {"original_max_position_embeddings", 8192}};
  config["rope_scaling"] = scaling;
  config["rope_parameters"] = scaling;
  config["rope_parameters"]["rope_theta"] = 10000.0;
  config["eos_token_id"] = {1, 2};
  config["bos_token_id"] = 0;
  config["dtype"] = "bfloat16";
  config["partial_rotary_factor"] = 1.0;
  folder.add("rope", config.dump());
  config = test::tiny_config({.family = "qwen2"});
  config["use_sliding_window"] = true;
  config["sliding_window"] = 32;
  config["max_window_layers"] = 3;
  config["qkv_bias"] = true;
  config["pretraining_tp"] = 1;
  config["hidden_act"] = "silu";
  config["num_experts"] = 0;
  config["auto_map"] = {{"AutoConfig", "x"}};
  folder.add("window", config.dump());
  config = test::tiny_config({.family = "qwen3"});
  config["layer_types"] = {"full_attention", "full_attention", "full_attention"};
  config["quantization_config"] = {{"bits", 4}};
  config["num_key_value_heads"] = nullptr;
  folder.add("layer_types", config.dump());
}

// What follows the vocabulary of tokenizer_prefix(): more tokens, the rest of the model, the pipeline.
std::string continued(const std::string& tokens, const json& model, const json& root) {
  std::string text = tokens + "}";
  for (const auto& [key, value] : model.items())
    text += fmt::format(",{}:{}", json(key).dump(), value.dump());
  text += "}";
  for (const auto& [key, value] : root.items()) text += fmt::format(",{}:{}", json(key).dump(), value.dump());
  return text + "}";
}

const json kByteLevel = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};

json pipeline(const json& more) {
  json root = {{"pre_tokenizer", kByteLevel}, {"decoder", {{"type", "ByteLevel"}}}};
  root.update(more);
  return root;
}

void tokenizer_seeds(const SeedFolder& folder) {
  folder.add("whole", test::tiny_json({"a b", "ab a"}).dump() + '\0' + "abab");
  const auto add = [&](std::string_view name, const std::string& tokens, const json& model, const json& root,
                       std::string_view text) {
    folder.add(name, continued(tokens, model, pipeline(root)) + '\0' + std::string(text));
  };
  const json plain = {{"merges", json::array()}};
  add("plain", "", plain, json::object(), "hello  world");
  add("merges", R"(,"ab":256,"abab":257)", {{"merges", {"a b", "ab ab"}}, {"ignore_merges", true}},
      json::object(), std::string(60, 'a') + "babab");
  add("pairs", R"(,"ab":256)", {{"merges", json::array({json::array({"a", "b"})})}}, json::object(), "ab ab");
  add("added", "", plain,
      {{"added_tokens", {test::added_token(256, "<s>"), test::added_token(257, "\u00c5", "normalized")}},
       {"normalizer", {{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}}}}}}},
      "a<s>A\u030a");
  add("template", "", plain,
      {{"added_tokens", {test::added_token(256, "<s>")}},
       {"post_processor",
        {{"type", "Sequence"},
         {"processors",
          {kByteLevel,
           {{"type", "TemplateProcessing"},
            {"single",
             {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
              {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
            {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {256}}, {"tokens", {"<s>"}}}}}}}}}}}},
      "text");
  const json space = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}};
  const json fallback = {{"type", "Sequence"},
                         {"decoders", {{{"type", "ByteFallback"}}, {{"type", "Fuse"}}}}};
  folder.add("llama2",
             "#" +
                 continued(R"(,"\u2581":256,"a":257,"b":258,"ab":259,"\u2581ab":260)",
                           {{"merges", {"a b", "\u2581 ab"}}, {"fuse_unk", true}, {"unk_token", "<unk>"}},
                           {{"normalizer",
                             {{"type", "Sequence"},
                              {"normalizers", {{{"type", "Prepend"}, {"prepend", "\u2581"}}, space}}}},
                            {"decoder", fallback}}) +
                 '\0' + "ab abab \u00e9");
  folder.add("metaspace", "#" +
                              continued(R"(,"\u2581":256,"a":257)", plain,
                                        {{"added_tokens", {test::added_token(258, "<s>")}},
                                         {"pre_tokenizer",
                                          {{"type", "Metaspace"},
                                           {"replacement", "\u2581"},
                                           {"prepend_scheme", "first"},
                                           {"split", false}}},
                                         {"decoder", {{"type", "Metaspace"}, {"replacement", "\u2581"}}}}) +
                              '\0' + "a <s> a");
  // The patterns of Llama 3 and Qwen 2, and one of every construct.
  const std::string patterns[] = {
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
      R"(a*|(?<=x)y|(?<!x)z|(?>w+)|\d{2,}?|[^\]\-a-f])"};
  for (std::size_t i = 0; i < std::size(patterns); ++i) {
    add(fmt::format("pattern{}", i), "", plain, {{"pre_tokenizer", test::split_by(patterns[i])}},
        "It's 2024:\n\n   xy xz www 12345");
  }
}

void tokenizer_folder_seeds(const SeedFolder& folder) {
  const auto add = [&](std::string_view name, std::string_view vocab, std::string_view merges,
                       std::string_view config, std::string_view text) {
    std::string input;
    for (const std::string_view part : {vocab, merges, config}) input += std::string(part) + '\0';
    folder.add(name, input + std::string(text));
  };
  add("merges", R"(,"ab":256})", "#version: 0.2\na b\n", "", "ab 12 x");
  add("gpt2", R"(,"ab":256})", "a b\n", R"({"tokenizer_class":"GPT2Tokenizer","add_prefix_space":true})",
      "ab 12 it's");
  add("llama", R"(,"<s>":256})", "",
      R"({"tokenizer_class":"Qwen2Tokenizer","bos_token":{"content":"<s>"},"pad_token":"<p>","additional_special_tokens":["<x>"]})",
      "<s>a<p><x>");
  add("decoder", "}", "",
      R"({"tokenizer_class":"Qwen2Tokenizer","add_bos_token":null,"added_tokens_decoder":{"256":{"content":"<q>","lstrip":false}}})",
      "<q>\u00e9");
  add("newer", "}", "", "", "a\u0315\u0897\u0334 \U00010d50\U00031350 \u1c89");
  add("broken-merges", "}", "a b c\n", "", "a");
  add("broken-config", "}", "", R"({"bos_token":3})", "a");
  add("few-bytes", R"({"a":0,"b":1,"ab":2})", "a b\n", "", "abc");
}

void tokenizer_gguf_seeds(const SeedFolder& folder) {
  folder.add("llama",
             "mllama\nt1\1\u2581\nt1\1a\nt1\1b\nt1\2ab\nt1\3\u2581ab\nt3\0<s>\nb\5\1\nB1\nxab abab\n");
  folder.add("unknown",
             "mllama\nt2\1<unk>\nt3\1</s>\nt4\1user\nt5\1unused\nt6\1<0x00>\ns0\nE1\ne\1\1\nx<unk>\n");
  folder.add("llama3", "mgpt2\npllama-bpe\nt1\1ab\nga b\nt3\1<|end|>\nb\1\1\nxabab 123<|end|>\n");
  folder.add("qwen2", "mgpt2\npqwen2\nt1\1ab\nt1\1abab\nga b\ngab ab\nB0\nxabab\n");
  folder.add("default", "mgpt2\npdefault\nE1\ne\7\nx1234 a.b\n");
}

// A length-delimited field of a protocol buffer; the numbers are those of sentencepiece_model.proto.
std::string field(int number, const std::string& bytes) {
  std::string out(1, static_cast<char>(number << 3 | 2));
  std::size_t size = bytes.size();
  for (; size >= 128; size >>= 7) out += static_cast<char>((size & 127) | 128);
  return out + static_cast<char>(size) + bytes;
}

std::string piece(const std::string& text, int type, char score) {
  return field(1, field(1, text) + std::string("\x15\0\0\0", 4) + score + "\x18" + static_cast<char>(type));
}

void sentencepiece_seeds(const SeedFolder& folder) {
  const std::string special = piece("<unk>", 2, 0) + piece("<s>", 3, 0) + piece("</s>", 3, 0);
  const std::string pieces = piece("\u2581", 1, 0) + piece("a", 1, 0) + piece("b", 1, 0) +
                             piece("ab", 1, '\x40') + piece("user", 4, 0) + piece("x", 5, 0);
  const std::string bpe = field(2, "\x18\x02"), unigram = field(2, "\x18\x01");
  folder.add("bpe", special + pieces + bpe + field(3, field(1, "identity")));
  folder.add("unigram", special + pieces + unigram);
  folder.add("words", special + pieces + field(2, "\x18\x03"));
  folder.add("characters", special + pieces + field(2, "\x18\x04"));
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte)
    bytes += piece(fuzz::fallback_token(static_cast<unsigned char>(byte)), 6, 0);
  folder.add("bytes", special + pieces + bytes + field(2, std::string("\x18\x02\x98\x02\x01", 5)));
  folder.add("config", R"({"add_bos_token":true,"add_eos_token":false,"legacy":false,"added_tokens_decoder":)"
                       R"({"0":{"content":"<unk>","special":true,"lstrip":false},"9":{"content":"<pad>"}}})");
}

void study_seeds(const SeedFolder& folder) {
  folder.add(
      "toml",
      "title = 't'\nnotes = ['n', \"m\"]\nseed = 3\n[analyze]\nlane_tokens = 64\nsignals = ['cka_matrix']\n"
      "[[text]]\nname = 'a'\nboundaries_only = true\n[[model]]\nmodel = 'org/name@main'\ntraining = 'base'\n"
      "[[expected]]\nquantity = 'boundary_cv'\nlo = 0.067\nhi = 9.5e-2\n");
  folder.add("inline",
             "model = [{model = 'a/b', family = \"\\u00e9\"}, {run = 'r'}]\ntext = [{}]\n[analyze]\nchunks = "
             "1_000\n");
  folder.add("dotted",
             "analyze.seed = 0x10\nanalyze.limit = 2\n[[model]]\nrun = \"\"\"\nx\"\"\"\n# comment\n");
  folder.add("date", "title = 1979-05-27T07:32:00Z\nseed = nan\n");
  folder.add("json", R"({"model":[{"model":"a/b","name":"c","size":"7B"}],"text":[{"name":"t","path":"p"}],)"
                     R"("expected":[{"quantity":"boundary_sd","value":1}],"main_text":"t"})");
  Study study = test::synthetic_study();
  study.members.resize(1);
  study.members[0].ln_kappa.resize(2);
  study.members[0].ln_absolute.clear();
  study.members[0].ln_skip_kl.clear();
  study.verdicts.resize(1);
  folder.add("record", study_json(study));
}

// The first byte says how the user calls it (fuzz/texts_fuzz.cpp).
void texts_seeds(const SeedFolder& folder) {
  const auto form = [](int number, const std::string& bytes) {
    return static_cast<char>('0' + number) + bytes;  // '0' is a multiple of the number of forms
  };
  folder.add("prose", form(0, "One.<e>Two \u00e9.<e>"));
  folder.add("lines", form(1, "{\"text\": \"a\", \"x\": NaN}\n{\"text\": \"b\\n\"}\n"));
  folder.add("chat",
             form(1, R"({"messages":[{"role":"user","content":"a"},{"content":[{"text":"b"},{}]}]})"));
  folder.add("list", form(7, R"([{"text": "a"}, {"text": "b"}, "c"])"));
  folder.add("nested", form(2, R"({"a": [{"b": "c"}, {"b": "d"}]})"));
  folder.add("ids", form(1, R"({"input_ids": [0, 1, 2], "attention_mask": [0, 1, 1]})"));
  folder.add("numbers", form(1, "[[1, 2], [3]]"));
  const NpyArray rows{{2, 2}, std::vector<std::int32_t>{1, 2, 3, 4}};
  folder.add("npy", form(3, format_npy(rows)));
  folder.add("raw", form(4, std::string("\1\0\2\0", 4)));
  folder.add("raw-odd", form(4, std::string("\1\0\2", 3)));
  folder.add("raw-int64", form(5, std::string("\1\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 16)));
  folder.add("conversation", form(1, R"({"conversations":[{"from":"human","value":"a"},{"value":"b"}]})"));
  folder.add("lines-crlf", form(1, "{\"text\": \"\\ud83d\\ude00 \\ud83d\"}\r\n\r\n{\"text\": \"\"}"));
  folder.add("nested-lines", form(2, "{\"a\": {\"b\": \"c\"}}\n{\"a\": {\"b\": [1]}}\n"));
  folder.add("text", form(6, std::string("\0 {", 3)));
  folder.add("utf16", form(0, std::string("\xff\xfe"
                                          "a\0b\0",
                                          6)));
  // gzip of "aaaaaaaaaaaaaaaa" with a fixed header, and a frame of Zstandard with a raw block.
  folder.add(
      "gzip",
      form(0, std::string("\x1f\x8b\x08\0\0\0\0\0\2\3\x4b\x4c\x44\5\0\xd5\x68\xd6\xcf\x10\0\0\0", 23)));
  folder.add("zstd", form(0, std::string("\x28\xb5\x2f\xfd\x20\x03\x19\0\0"
                                         "abc",
                                         12)));
}

void foreign_seeds(const SeedFolder& folder) {
  folder.add("lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n");
  folder.add("page", "\xef\xbb\xbf <!DOCTYPE html><html><title>a</title>");
  folder.add("server", R"({"error":"Repository not found"})");
  folder.add("zip", std::string("PK\x03\x04\x14\0", 6));
  folder.add("pickle", std::string("\x80\x04\x95\0", 4));
  folder.add("ggml", "lmgg\1\1\1\1");
  folder.add("imatrix", std::string("\1\0\0\0\x16\0\0\0"
                                    "blk.0.attn_q.weight\0\0\0",
                                    30));
  folder.add("adapter", R"({"base_model_name_or_path": "org/Base", "peft_type": "LORA"})");
  folder.add("adapter-control", "{\"base_model_name_or_path\": \"a\\u001b[2Jb\\u202e\"}");
  test::GgufFile file;
  file.set("general.type", test::gguf_string("adapter"));
  folder.add("gguf-adapter", file.bytes());
}

void record_seeds(const SeedFolder& folder) {
  folder.add("tiny", results_json(test::tiny_run()));
  const std::vector<std::pair<const char*, NpyArray>> arrays = {
      {"f64", {{2, 2}, std::vector<double>{1, 2, 3, 4}}},
      {"f32", {{3}, std::vector<float>{1, 2, 3}}},
      {"i32", {{}, std::vector<std::int32_t>{7}}},
      {"i64", {{0, 5}, std::vector<std::int64_t>{}}}};
  for (const auto& [name, array] : arrays) folder.add(name, format_npy(array));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  safetensors_seeds(SeedFolder(argv[1], "safetensors"));
  gguf_seeds(SeedFolder(argv[1], "gguf"));
  config_seeds(SeedFolder(argv[1], "config"));
  tokenizer_seeds(SeedFolder(argv[1], "tokenizer"));
  tokenizer_folder_seeds(SeedFolder(argv[1], "tokenizer_folder"));
  tokenizer_gguf_seeds(SeedFolder(argv[1], "tokenizer_gguf"));
  sentencepiece_seeds(SeedFolder(argv[1], "sentencepiece"));
  record_seeds(SeedFolder(argv[1], "record"));
  study_seeds(SeedFolder(argv[1], "study"));
  texts_seeds(SeedFolder(argv[1], "texts"));
  foreign_seeds(SeedFolder(argv[1], "foreign"));
  return 0;
}
