#include <fmt/format.h>

#include <optional>

#include "strata/tokenizer/split_pattern.h"
#include "strata/tokenizer/tokenizer_file_parts.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

// Each pattern runs inside the one before it, and every text gets the template. Published files have at most
// four patterns and two tokens.
constexpr std::size_t kMaxSplits = 16;
constexpr std::size_t kMaxTemplateTokens = 64;

[[noreturn]] void unknown_type(const JsonView& component, const std::string& what,
                               const std::string& expected) {
  const JsonView type = component.at("type");
  type.unsupported(what + " " + in_quotes(type.string()), expected);
}

void read_normalizer(const JsonView& component, TokenizerFile& file) {
  const std::string type = component.at("type").string();
  if (type == "Sequence") {
    for (const JsonView& part : component.at("normalizers").elements()) read_normalizer(part, file);
  } else if (type == "NFC") {
    file.nfc = true;
  } else {
    unknown_type(component, "normalizer", "\"NFC\" or none");
  }
}

class PreTokenizerReader {
 public:
  explicit PreTokenizerReader(TokenizerFile& file) : file_(file) {}

  void run(const JsonView& component) {
    read(component);
    if (!byte_level_) component.unsupported("a pre-tokenizer without ByteLevel", "byte-level BPE");
  }

 private:
  void read(const JsonView& component) {
    const std::string type = component.at("type").string();
    if (type == "Sequence") {
      for (const JsonView& part : component.at("pretokenizers").elements()) read(part);
      return;
    }
    // Behind ByteLevel, others would see its alphabet in place of the text.
    if (byte_level_) component.unsupported(in_quotes(type) + " behind ByteLevel", "ByteLevel last");
    if (type == "Split") return read_split(component);
    if (type == "Digits") return read_digits(component);
    if (type == "ByteLevel") return read_byte_level(component);
    unknown_type(component, "pre_tokenizer", "\"Split\", \"Digits\" or \"ByteLevel\"");
  }

  void read_split(const JsonView& component) {
    const JsonView pattern = component.at("pattern");
    if (!pattern.has("Regex")) pattern.unsupported("a pattern other than Regex", "\"Regex\"");
    const std::string behavior = component.at("behavior").string();
    if (behavior != "Isolated")
      component.at("behavior").unsupported("behavior " + in_quotes(behavior), "\"Isolated\"");
    if (component.flag("invert")) component.at("invert").unsupported("invert", "false");
    add_split(component, pattern.at("Regex").string(), pattern.at("Regex").where());
  }

  // Rust's char::is_numeric, the general category N of Unicode 17 (tokenizers 0.23.3), which has 13
  // characters more than 16: each character a word, or each run of them.
  void read_digits(const JsonView& component) {
    const bool individual = component.at("individual_digits").boolean();
    const std::string numeric = "[\\p{N}\U00011de0-\U00011de9\U00016ff4-\U00016ff6]";
    add_split(component, individual ? numeric : numeric + "+", component.where());
  }

  void add_split(const JsonView& component, std::string pattern, const std::string& where) {
    if (file_.split_patterns.size() == kMaxSplits)
      component.unsupported("one more pattern", fmt::format("at most {}", kMaxSplits));
    file_.split_patterns.push_back(std::move(pattern));
    file_.split_where.push_back(where);
  }

  void read_byte_level(const JsonView& component) {
    byte_level_ = true;
    file_.add_prefix_space = component.at("add_prefix_space").boolean();
    // Absent means true: files of before the option was there.
    const bool use_regex = !component.has("use_regex") || component.at("use_regex").boolean();
    if (!use_regex) return;
    file_.byte_level_split = true;
  }

  TokenizerFile& file_;
  bool byte_level_ = false;
};

class TemplateReader {
 public:
  explicit TemplateReader(TokenizerFile& file) : file_(file) {}

  void read(const JsonView& component) {
    const std::string type = component.at("type").string();
    if (type == "Sequence") {
      for (const JsonView& part : component.at("processors").elements()) read(part);
    } else if (type == "TemplateProcessing") {
      if (seen_) component.unsupported("a second TemplateProcessing", "one");
      seen_ = true;
      read_template(component);
    } else if (type != "ByteLevel") {  // ByteLevel here moves offsets, which strata has none of
      unknown_type(component, "post_processor", "\"ByteLevel\", \"TemplateProcessing\" or none");
    }
  }

 private:
  // "single": special tokens around the text, {"Sequence": {"id": "A"}} exactly once.
  void read_template(const JsonView& component) {
    const JsonView single = component.at("single");
    bool behind_text = false;
    for (const JsonView& piece : single.elements()) {
      if (piece.has("Sequence")) {
        const JsonView id = piece.at("Sequence").at("id");
        if (id.string() != "A" || behind_text) id.bad(in_quotes(id.string()), "the text \"A\" exactly once");
        behind_text = true;
      } else {
        read_special(component, piece.at("SpecialToken").at("id"), behind_text ? file_.suffix : file_.prefix);
      }
    }
    if (!behind_text) single.bad("no Sequence", "the text \"A\" exactly once");
  }

  void read_special(const JsonView& component, const JsonView& name, std::vector<std::int32_t>& out) {
    const JsonView special = component.at("special_tokens").at(name.string());
    if (special.has("id") && special.at("id").string() != name.string())
      special.at("id").bad(in_quotes(special.at("id").string()), in_quotes(name.string()));
    const std::size_t count = special.at("ids").json().size();
    if (count + file_.prefix.size() + file_.suffix.size() > kMaxTemplateTokens)
      special.at("ids").unsupported("a template of so many tokens",
                                    fmt::format("at most {}", kMaxTemplateTokens));
    const auto ids = special.at("ids").elements();
    const auto tokens = special.at("tokens").elements();
    if (ids.empty() || ids.size() != tokens.size())
      special.at("ids").bad(fmt::format("{} ids", ids.size()),
                            fmt::format("one for each of {} tokens", tokens.size()));
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto known = id_of(tokens[i].string());
      if (!known)
        tokens[i].bad("unknown token " + in_quotes(tokens[i].string()), "a token of the vocabulary");
      if (*known != ids[i].id())
        ids[i].bad(fmt::format("{} for {}", ids[i].id(), in_quotes(tokens[i].string())),
                   fmt::format("{}", *known));
      out.push_back(*known);
    }
  }

  [[nodiscard]] std::optional<std::int32_t> id_of(const std::string& token) const {
    for (const AddedToken& added : file_.added)
      if (added.content == token) return added.id;
    const auto found = file_.vocab.find(token);
    return found == file_.vocab.end() ? std::nullopt : std::optional(found->second);
  }

  TokenizerFile& file_;
  bool seen_ = false;
};

}  // namespace

void read_pipeline(const JsonView& root, TokenizerFile& file) {
  if (file.alphabet == TokenAlphabet::characters) {
    read_character_pipeline(root, file);
  } else {
    if (root.has("normalizer")) read_normalizer(root.at("normalizer"), file);
    if (!root.has("pre_tokenizer")) root.unsupported("a tokenizer without pre_tokenizer", "byte-level BPE");
    PreTokenizerReader(file).run(root.at("pre_tokenizer"));
  }
  if (root.has("post_processor")) TemplateReader(file).read(root.at("post_processor"));
  if (file.alphabet == TokenAlphabet::characters) return read_character_decoder(root);
  if (!root.has("decoder")) return;  // ids need none, and strata knows what each token spells
  const JsonView decoder = root.at("decoder");
  if (decoder.at("type").string() != "ByteLevel") unknown_type(decoder, "decoder", "\"ByteLevel\"");
}

}  // namespace strata
