// Field by field: every field of a tokenizer's files changes ids when it is changed, or is refused, or stands
// in docs/formats.md among those without effect.
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <sstream>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "tests/support/paths.h"
#include "tests/tokenizer/tiny.h"
#include "tests/tokenizer/tiny_gguf.h"

namespace strata {
namespace {

using Ids = std::vector<std::int32_t>;
using Json = nlohmann::json;

// The names in backticks of the table row that begins with this file's name.
std::set<std::string> without_effect(const std::string& file) {
  std::istringstream page(read_file(test::repo_path("docs/formats.md")));
  std::set<std::string> names;
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("| No effect on ids: `" + file + "` |")) continue;
    const std::string list = line.substr(line.find('|', 1) + 1);
    for (std::size_t at = list.find('`'); at != std::string::npos;) {
      const std::size_t end = list.find('`', at + 1);
      names.insert(list.substr(at + 1, end - at - 1));
      at = list.find('`', end + 1);
    }
  }
  EXPECT_FALSE(names.empty()) << file;
  return names;
}

struct Mutation {
  std::string field;
  Json value;
};

// What each mutation does to the ids of one text that shows every rule.
constexpr const char* kProbe = "It 12ab. p\u0301 <s>ab</s> <q>qab\u00a0  x1";

void expect_accounted_for(const std::string& file, const std::vector<std::string>& fields,
                          const std::function<std::optional<Ids>(std::size_t)>& ids_of, const Ids& before) {
  const std::set<std::string> listed = without_effect(file);
  std::set<std::string> effective, silent;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    std::optional<Ids> ids;
    try {
      ids = ids_of(i);
    } catch (const Error&) {
    }
    (!ids || *ids != before ? effective : silent).insert(fields[i]);
  }
  for (const std::string& field : silent) {
    if (effective.contains(field)) continue;
    EXPECT_TRUE(listed.contains(field)) << file << ": " << field << " has no effect";
  }
  for (const std::string& field : listed) {
    EXPECT_FALSE(effective.contains(field)) << file << ": " << field << " has an effect";
    EXPECT_TRUE(silent.contains(field)) << file << ": " << field << " was not tried";
  }
}

// Every field that published files have, byte-level.
Json full_json() {
  Json json = test::tiny_json({"b .", "a b", "1 2", "\u0120 \u0120"});
  json["model"]["vocab"]["It"] = 260;  // a whole word that no merge makes
  json["added_tokens"] = Json::array();
  for (const auto& [text, id] : {std::pair("<s>", 261), std::pair("</s>", 262), std::pair("<q>", 263)})
    json["added_tokens"].push_back({{"id", id},
                                    {"content", text},
                                    {"single_word", false},
                                    {"lstrip", false},
                                    {"rstrip", false},
                                    {"normalized", false},
                                    {"special", true}});
  json["normalizer"] = {{"type", "NFC"}};
  const Json split = {{"type", "Split"},
                      {"pattern", {{"Regex", R"('s|\S+|\s+)"}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  const Json digits = {{"type", "Digits"}, {"individual_digits", false}};
  json["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {split, digits, json["pre_tokenizer"]}}};
  json["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single",
       {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"pair", Json::array()},
      {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {261}}, {"tokens", {"<s>"}}}}}}};
  json["decoder"] = {
      {"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
  return json;
}

Ids ids_of(const Tokenizer& tokenizer) {
  return tokenizer.encode(kProbe, true);
}

TEST(Mutation, TokenizerJson) {
  const std::vector<Mutation> mutations = {
      {"version", "2.0"},
      {"truncation", {{"max_length", 4}}},
      {"padding", {{"pad_id", 0}}},
      {"added_tokens/2/id", 300},
      {"added_tokens/2/content", "<r>"},
      {"added_tokens/2/single_word", true},
      {"added_tokens/2/lstrip", true},
      {"added_tokens/2/rstrip", true},
      {"added_tokens/2/special", false},
      {"normalizer/type", "NFD"},
      {"pre_tokenizer/pretokenizers/0/type", "Whitespace"},
      {"pre_tokenizer/pretokenizers/0/pattern/Regex", "a"},
      {"pre_tokenizer/pretokenizers/0/behavior", "Removed"},
      {"pre_tokenizer/pretokenizers/0/invert", true},
      {"pre_tokenizer/pretokenizers/1/individual_digits", true},
      {"pre_tokenizer/pretokenizers/2/add_prefix_space", true},
      {"pre_tokenizer/pretokenizers/2/trim_offsets", false},
      {"pre_tokenizer/pretokenizers/2/use_regex", true},
      {"post_processor/type", "BertProcessing"},
      {"post_processor/single/0/SpecialToken/id", "</s>"},
      {"post_processor/single/0/SpecialToken/type_id", 1},
      {"post_processor/single/1/Sequence/id", "B"},
      {"post_processor/single/1/Sequence/type_id", 1},
      {"post_processor/pair", {1}},
      {"post_processor/special_tokens/<s>/id", "</s>"},
      {"post_processor/special_tokens/<s>/ids", {1}},
      {"post_processor/special_tokens/<s>/tokens", {"</s>"}},
      {"decoder/type", "WordPiece"},
      {"decoder", nullptr},
      {"decoder/add_prefix_space", false},
      {"decoder/trim_offsets", false},
      {"decoder/use_regex", false},
      {"model/type", "Unigram"},
      {"model/dropout", 0.5},
      {"model/unk_token", "ab"},
      {"model/continuing_subword_prefix", "##"},
      {"model/end_of_word_suffix", "</w>"},
      {"model/fuse_unk", true},
      {"model/byte_fallback", true},
      {"model/merges", Json::array()},
      {"model/vocab/ab", 300},
      {"model/vocab/12", 301},
  };
  Json original = full_json();
  original["added_tokens"].push_back({{"id", 264}, {"content", "\u1e55"}, {"normalized", false}});
  std::vector<std::string> fields;
  std::vector<Json> files;
  const auto add = [&](const std::string& field, const char* pointer, const Json& value) {
    Json file = original;
    file[Json::json_pointer(pointer)] = value;
    // Positions in lists are no part of a field's name.
    std::string name;
    std::istringstream parts(field);
    for (std::string part; std::getline(parts, part, '/');)
      if (part.find_first_not_of("0123456789") != std::string::npos && part != "<s>")
        name += (name.empty() ? "" : ".") + part;
    fields.push_back(name);
    files.push_back(std::move(file));
  };
  for (const Mutation& m : mutations) add(m.field, ("/" + m.field).c_str(), m.value);
  add("added_tokens/normalized", "/added_tokens/3/normalized", true);
  add("model/ignore_merges", "/model/ignore_merges", true);
  add("model/vocab", "/model/vocab/ab", 300);
  const Ids before = ids_of(Tokenizer::from_json(original.dump(), "t"));
  expect_accounted_for(
      "tokenizer.json", fields,
      [&](std::size_t i) { return ids_of(Tokenizer::from_json(files[i].dump(), "t")); }, before);
}

TEST(Mutation, TokenizerConfigJson) {
  Json original = {{"tokenizer_class", "LlamaTokenizerFast"},
                   {"bos_token", "<s>"},
                   {"eos_token", "</s>"},
                   {"add_bos_token", true},
                   {"add_eos_token", true}};
  const std::vector<Mutation> mutations = {
      {"tokenizer_class", "GPT2Tokenizer"},
      {"bos_token", "</s>"},
      {"eos_token", "<s>"},
      {"unk_token", "It"},
      {"sep_token", "It"},
      {"pad_token", "It"},
      {"cls_token", "It"},
      {"mask_token", "It"},
      {"additional_special_tokens", {"It"}},
      {"add_bos_token", false},
      {"add_eos_token", false},
      {"added_tokens_decoder", {{"260", {{"content", "It"}}}}},
      {"add_prefix_space", true},
      {"split_special_tokens", true},
      {"legacy", false},
      {"model_max_length", 4},
      {"clean_up_tokenization_spaces", true},
      {"sp_model_kwargs", {{"nbest_size", 3}}},
      {"chat_template", "{{ bos_token }}"},
      {"use_default_system_prompt", true},
      {"padding_side", "left"},
      {"truncation_side", "left"},
      {"errors", "strict"},
      {"spaces_between_special_tokens", true},
      {"model_input_names", {"input_ids"}},
      {"processor_class", "X"},
      {"auto_map", {{"AutoTokenizer", {"a.B", nullptr}}}},
      {"use_fast", false},
      {"name_or_path", "x/y"},
      {"special_tokens_map_file", "x"},
  };
  const test::TemporaryDirectory folder;
  Json tokenizer = full_json();
  tokenizer["pre_tokenizer"] = tokenizer["pre_tokenizer"]["pretokenizers"][2];  // ByteLevel alone
  test::write_text(folder.path() / "tokenizer.json", tokenizer.dump());
  const auto load = [&](const Json& config) {
    test::write_text(folder.path() / "tokenizer_config.json", config.dump());
    return ids_of(Tokenizer::from_directory(folder.path()));
  };
  const Ids before = load(original);
  std::vector<std::string> fields;
  for (const Mutation& m : mutations) fields.push_back(m.field);
  expect_accounted_for(
      "tokenizer_config.json", fields,
      [&](std::size_t i) {
        Json config = original;
        config[mutations[i].field] = mutations[i].value;
        return load(config);
      },
      before);
}

TEST(Mutation, GgufKeys) {
  test::GgufFile original = test::bpe_gguf("qwen2", {"a b", "1 2"});
  original.set("tokenizer.ggml.bos_token_id", test::gguf_u32(258));
  original.set("tokenizer.ggml.eos_token_id", test::gguf_u32(258));
  original.set("tokenizer.ggml.add_bos_token", test::gguf_flag(true));
  original.set("tokenizer.ggml.add_eos_token", test::gguf_flag(true));
  std::vector<float> scores(259, 1.0f);
  const std::pair<const char*, test::GgufStored> mutations[] = {
      {"tokenizer.ggml.model", test::gguf_string("bert")},
      {"tokenizer.ggml.pre", test::gguf_string("llama-bpe")},
      {"tokenizer.ggml.tokens", test::gguf_strings({"a"})},
      {"tokenizer.ggml.token_type", test::gguf_i32s(std::vector<std::int32_t>(259, 7))},
      {"tokenizer.ggml.merges", test::gguf_strings({"1 2"})},
      {"tokenizer.ggml.scores", test::gguf_floats(scores)},
      {"tokenizer.ggml.bos_token_id", test::gguf_u32(1)},
      {"tokenizer.ggml.eos_token_id", test::gguf_u32(1)},
      {"tokenizer.ggml.add_bos_token", test::gguf_flag(false)},
      {"tokenizer.ggml.add_eos_token", test::gguf_flag(false)},
      {"tokenizer.ggml.add_sep_token", test::gguf_flag(true)},
      {"tokenizer.ggml.add_space_prefix", test::gguf_flag(true)},
      {"tokenizer.ggml.remove_extra_whitespaces", test::gguf_flag(true)},
      {"tokenizer.ggml.unknown_token_id", test::gguf_u32(1)},
      {"tokenizer.ggml.seperator_token_id", test::gguf_u32(1)},
      {"tokenizer.ggml.padding_token_id", test::gguf_u32(1)},
      {"tokenizer.ggml.mask_token_id", test::gguf_u32(1)},
      {"tokenizer.ggml.eot_token_id", test::gguf_u32(1)},
      {"tokenizer.ggml.eom_token_id", test::gguf_u32(1)},
      {"tokenizer.ggml.fim_pre_token_id", test::gguf_u32(1)},
      {"tokenizer.ggml.token_type_count", test::gguf_u32(2)},
      {"tokenizer.chat_template", test::gguf_string("{{ x }}")},
      {"tokenizer.huggingface.json", test::gguf_string("{}")},
  };
  const Ids before = ids_of(test::load(original));
  std::vector<std::string> fields;
  for (const auto& [key, value] : mutations) fields.emplace_back(key);
  expect_accounted_for(
      "GGUF, gpt2", fields,
      [&](std::size_t i) {
        test::GgufFile file = original;
        file.set(mutations[i].first, mutations[i].second);
        return ids_of(test::load(file));
      },
      before);
}

}  // namespace
}  // namespace strata
