// tokenizer_config.json beside a tokenizer.model: which special tokens a text gets, and tokens added later.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "strata/tokenizer/hugging_face_config.h"
#include "strata/tokenizer/json_view.h"
#include "strata/tokenizer/sentencepiece_model.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

std::int32_t parse_id(const JsonView& token, std::string_view text) {
  std::int64_t id = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || id > std::numeric_limits<std::int32_t>::max() / 16) id = -1;
    if (id < 0) break;
    id = id * 10 + (c - '0');
  }
  if (text.empty() || id < 0) token.bad("key " + in_quotes(text), "a token id");
  return static_cast<std::int32_t>(id);
}

}  // namespace

AddedToken read_decoder_entry(const JsonView& token, std::string_view id) {
  for (const char* key : {"single_word", "lstrip", "rstrip"})
    if (token.flag(key)) token.at(key).unsupported(fmt::format("added token with {}", key), "false");
  const std::string content = token.at("content").string();
  if (content.empty()) token.at("content").bad("an empty token", "at least one character");
  return {.id = parse_id(token, id), .content = content};
}

SentencePiecePolicy parse_tokenizer_config(std::string_view json, const std::string& where) {
  const nlohmann::json parsed = parse_json_object(json, where);
  const JsonView root(parsed, where + ": ");
  SentencePiecePolicy policy;
  if (root.has("add_bos_token")) policy.add_bos = root.at("add_bos_token").boolean();
  if (root.has("add_eos_token")) policy.add_eos = root.at("add_eos_token").boolean();
  if (root.has("legacy")) policy.legacy = root.at("legacy").boolean();
  if (root.has("add_prefix_space") && !root.at("add_prefix_space").boolean())
    root.at("add_prefix_space").unsupported("add_prefix_space false", "true or nothing");
  if (!root.has("added_tokens_decoder")) return policy;
  const JsonView added = root.at("added_tokens_decoder");
  added.require_object();
  for (const auto& [id, value] : added.json().items())
    policy.added.push_back(
        read_decoder_entry(JsonView(value, fmt::format("{}[{}]", added.where(), in_quotes(id))), id));
  // The keys are strings: "10" comes before "9".
  std::sort(policy.added.begin(), policy.added.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  return policy;
}

}  // namespace strata
