// Rules of transformers 4.57 (PreTrainedTokenizerFast.__init__, LlamaTokenizerFast.update_post_processor).
#include "strata/tokenizer/hugging_face_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

constexpr std::array<const char*, 7> kNamed = {"bos_token", "eos_token", "unk_token", "sep_token",
                                               "pad_token", "cls_token", "mask_token"};

// Classes whose fast form builds the template anew from add_bos_token and add_eos_token.
struct Rebuilding {
  std::string_view name;
  bool add_bos_by_default;
};
constexpr std::array<Rebuilding, 5> kRebuilding = {{{"LlamaTokenizer", true},
                                                    {"CodeLlamaTokenizer", true},
                                                    {"CohereTokenizer", true},
                                                    {"GemmaTokenizer", true},
                                                    {"GPTNeoXTokenizer", false}}};

const Rebuilding* rebuilding(std::string_view tokenizer_class) {
  for (const Rebuilding& known : kRebuilding)
    if (known.name == tokenizer_class) return &known;
  return nullptr;
}

// "<s>", or an object with "content".
std::string token_text(const JsonView& token) {
  return token.json().is_object() ? token.at("content").string() : token.string();
}

std::optional<bool> read_flag(const JsonView& root, const char* key) {
  if (!root.json().contains(key)) return std::nullopt;
  return root.at(key).is_null() ? false : root.at(key).boolean();  // None is false to Python
}

void read_named(const JsonView& root, HuggingFaceConfig& config) {
  for (const char* key : kNamed) {
    if (!root.json().contains(key)) continue;
    const JsonView token = root.at(key);
    config.named[key] = token.is_null() ? std::nullopt : std::optional(token_text(token));
  }
  if (root.has("additional_special_tokens"))
    for (const JsonView& token : root.at("additional_special_tokens").elements())
      config.extra.push_back(token_text(token));
}

class Application {
 public:
  Application(const HuggingFaceConfig& config, TokenizerFile& file) : config_(config), file_(file) {
    next_ = static_cast<std::int32_t>(file.vocab.size());
    for (const AddedToken& token : file.added) next_ = std::max(next_, token.id + 1);
  }

  void run() {
    for (const AddedToken& token : config_.added) add(token, true);
    for (const char* key : kNamed) {
      const auto named = config_.named.find(key);
      if (named != config_.named.end() && named->second && !named->second->empty())
        add({.content = *named->second}, false);
    }
    for (const std::string& text : config_.extra)
      if (!text.empty()) add({.content = text}, false);
    set_prefix_space();
    if (const Rebuilding* rule = rebuilding(config_.tokenizer_class)) return rebuild(*rule);
    note_unread_flags();
  }

 private:
  [[noreturn]] void refuse(const std::string& key, const std::string& found,
                           const std::string& expected) const {
    throw Error(ErrorKind::bad_file,
                {.where = config_.where + ": " + key, .found = found, .expected = expected});
  }

  [[nodiscard]] std::optional<std::int32_t> id_of(const std::string& token) const {
    for (const AddedToken& added : file_.added)
      if (added.content == token) return added.id;
    const auto found = file_.vocab.find(token);
    return found == file_.vocab.end() ? std::nullopt : std::optional(found->second);
  }

  // tokenizers numbers new tokens behind the others, whatever the file says; an id that disagrees has two
  // readings.
  void add(AddedToken token, bool has_id) {
    const auto known = id_of(token.content);
    const std::int32_t id = known.value_or(next_);
    if (has_id && token.id != id)
      refuse("added_tokens_decoder", fmt::format("id {} for {}", token.id, in_quotes(token.content)),
             fmt::format("{}, as in the tokenizer", id));
    const bool listed = std::any_of(file_.added.begin(), file_.added.end(),
                                    [&](const AddedToken& added) { return added.content == token.content; });
    if (listed) return;
    token.id = id;
    next_ = std::max(next_, id + 1);
    file_.vocab_size = std::max(file_.vocab_size, id + 1);
    file_.added.push_back(std::move(token));
  }

  // What the tokenizer itself would do.
  [[nodiscard]] bool template_begins_with_bos() const { return !file_.prefix.empty(); }

  [[nodiscard]] std::int32_t special(const std::string& key, const char* fallback, const char* flag) const {
    const auto named = config_.named.find(key);
    const bool is_null = named != config_.named.end() && !named->second;
    if (is_null) refuse(key, "null", fmt::format("a token, as {} is true", flag));
    const std::string text = named == config_.named.end() ? fallback : *named->second;
    const auto id = id_of(text);
    if (!id)
      refuse(key, in_quotes(text) + ", which is no token", fmt::format("a token, as {} is true", flag));
    return *id;
  }

  // transformers 4 builds the tokenizer anew where the configuration speaks of this space.
  void set_prefix_space() {
    if (!config_.add_prefix_space) return;
    const bool wanted = *config_.add_prefix_space;
    if (file_.alphabet == TokenAlphabet::characters) {
      if (!wanted) file_.space_prefix = SpacePrefix::none;
      if (wanted && file_.space_prefix == SpacePrefix::none) refuse_prefix_space("none");
    } else if (file_.split_patterns.empty() && wanted != file_.add_prefix_space) {
      refuse_prefix_space(file_.add_prefix_space ? "one" : "none");
    }
  }

  [[noreturn]] void refuse_prefix_space(const char* in_tokenizer) const {
    throw Error(ErrorKind::unsupported,
                {.where = config_.where + ": add_prefix_space",
                 .found = fmt::format("{}, though tokenizer.json puts {} before a text",
                                      *config_.add_prefix_space, in_tokenizer),
                 .expected = "both to say the same"});
  }

  void rebuild(const Rebuilding& rule) {
    const auto has = [&](const char* key) { return config_.named.contains(key); };
    if (config_.class_is_guess && !has("bos_token") && !id_of("<s>")) return note_unread_flags();
    const bool had_bos = template_begins_with_bos();
    const bool bos = config_.add_bos.value_or(rule.add_bos_by_default);
    const bool eos = config_.add_eos.value_or(false);
    file_.prefix.clear();
    file_.suffix.clear();
    if (bos) file_.prefix = {special("bos_token", "<s>", "add_bos_token")};
    if (eos) file_.suffix = {special("eos_token", "</s>", "add_eos_token")};
    if (bos == had_bos) return;
    file_.special_source =
        fmt::format("add_bos_token {} in tokenizer_config.json ({}), not the template of tokenizer.json",
                    !config_.add_bos ? "absent"
                    : bos            ? "true"
                                     : "false",
                    rule.name);
  }

  void note_unread_flags() {
    if (!config_.add_bos || *config_.add_bos == template_begins_with_bos()) return;
    file_.special_source = fmt::format(
        "the template of tokenizer.json; {} does not read add_bos_token {} of tokenizer_config.json",
        config_.tokenizer_class.empty() ? "its class" : config_.tokenizer_class, *config_.add_bos);
  }

  const HuggingFaceConfig& config_;
  TokenizerFile& file_;
  std::int32_t next_ = 0;
};

}  // namespace

std::string slow_class_name(std::string name) {
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  return name;
}

std::string class_of_model_type(std::string_view model_type) {
  for (const char* llama : {"llama", "mistral", "mixtral"})
    if (model_type == llama) return "LlamaTokenizer";
  for (const char* qwen : {"qwen2", "qwen3", "qwen2_moe", "qwen3_moe"})
    if (model_type == qwen) return "Qwen2Tokenizer";
  return {};
}

HuggingFaceConfig parse_hugging_face_config(std::string_view json, const std::string& where) {
  const nlohmann::json parsed = parse_json_object(json, where);
  const JsonView root(parsed, where + ": ");
  HuggingFaceConfig config;
  config.where = where;
  if (root.has("tokenizer_class"))
    config.tokenizer_class = slow_class_name(root.at("tokenizer_class").string());
  config.add_bos = read_flag(root, "add_bos_token");
  config.add_eos = read_flag(root, "add_eos_token");
  if (root.has("add_prefix_space")) config.add_prefix_space = root.at("add_prefix_space").boolean();
  if (root.flag("split_special_tokens"))
    root.at("split_special_tokens").unsupported("split_special_tokens true", "false or nothing");
  read_named(root, config);
  config.lists_added = root.has("added_tokens_decoder");
  if (!config.lists_added) return config;
  const JsonView added = root.at("added_tokens_decoder");
  added.require_object();
  for (const auto& [id, value] : added.json().items())
    config.added.push_back(
        read_decoder_entry(JsonView(value, fmt::format("{}[{}]", added.where(), in_quotes(id))), id));
  // The keys are strings: "10" comes before "9".
  std::sort(config.added.begin(), config.added.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  return config;
}

void add_special_tokens_map(std::string_view json, const std::string& where, HuggingFaceConfig& config) {
  const nlohmann::json parsed = parse_json_object(json, where);
  read_named(JsonView(parsed, where + ": "), config);
}

void apply_hugging_face_config(const HuggingFaceConfig& config, TokenizerFile& file) {
  Application(config, file).run();
}

}  // namespace strata
