#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "strata/tokenizer/tokenizer_file_parts.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

// Ids may leave gaps (removed tokens, padding to a round size), but tables are allocated by id, so the
// largest one must be justified by the number of entries. Published files have no gap at all.
constexpr std::size_t kIdSlack = 65536;

class VocabularyReader {
 public:
  VocabularyReader(const JsonView& root, TokenizerFile& file)
      : root_(root), model_(root.at("model")), file_(file) {}

  void run() {
    check_options();
    const JsonView vocab = model_.at("vocab");
    vocab.require_object();
    const std::size_t added = root_.has("added_tokens") ? root_.at("added_tokens").elements().size() : 0;
    id_limit_ = vocab.json().size() + added + kIdSlack;
    seen_.resize(id_limit_);
    read_vocab(vocab);
    read_merges();
    if (added > 0) read_added();
    check_bytes();
    read_symbols();
  }

 private:
  void check_options() const {
    const std::string type = model_.at("type").string();
    if (type != "BPE") model_.at("type").unsupported("model " + in_quotes(type), "\"BPE\"");
    if (model_.has("dropout")) check_dropout(model_.at("dropout"));
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) refuse_text(key);
    file_.ignore_merges = model_.flag("ignore_merges");
    if (model_.flag("byte_fallback")) {
      // With every byte there (checked below), nothing is unknown: unk_token and fuse_unk are without effect.
      file_.alphabet = TokenAlphabet::characters;
      (void)model_.flag("fuse_unk");
      if (model_.has("unk_token")) (void)model_.at("unk_token").string();
      if (file_.ignore_merges)
        model_.at("ignore_merges").unsupported("ignore_merges with byte_fallback", "false");
      return;
    }
    // A byte without a token is an error of the text here, so nothing becomes unk_token.
    if (model_.has("unk_token")) (void)model_.at("unk_token").string();
    (void)model_.flag("fuse_unk");
  }

  // The share of merges that training leaves out at random: 0 leaves out none.
  static void check_dropout(const JsonView& dropout) {
    if (!dropout.json().is_number()) dropout.wrong_type("a number or null");
    if (dropout.json().get<double>() != 0.0)
      dropout.unsupported("dropout " + dropout.json().dump(), "0 or null");
  }

  void refuse_text(const char* key) const {
    if (model_.has(key) && !model_.at(key).string().empty())
      model_.at(key).unsupported(fmt::format("{} {}", key, in_quotes(model_.at(key).string())),
                                 "null or empty");
  }

  std::int32_t take_id(const JsonView& view) {
    const std::int32_t id = view.id();
    if (static_cast<std::size_t>(id) >= id_limit_)
      view.bad(fmt::format("id {}", id), fmt::format("less than {}, by the number of tokens", id_limit_));
    if (seen_[static_cast<std::size_t>(id)]) view.bad(fmt::format("id {} twice", id), "distinct ids");
    seen_[static_cast<std::size_t>(id)] = true;
    file_.vocab_size = std::max(file_.vocab_size, id + 1);
    return id;
  }

  void read_vocab(const JsonView& vocab) {
    file_.vocab.reserve(vocab.json().size());
    for (const auto& [token, value] : vocab.json().items()) {
      const JsonView entry(value, fmt::format("{}[{}]", vocab.where(), in_quotes(token)));
      if (token.empty()) entry.bad("an empty token", "tokens of at least one character");
      file_.vocab.emplace(token, take_id(entry));
    }
  }

  // Both spellings: "left right" and ["left", "right"]; the second one allows spaces in tokens.
  static std::pair<std::string, std::string> halves(const JsonView& merge) {
    if (merge.json().is_array()) {
      const auto parts = merge.elements();
      if (parts.size() != 2) merge.bad(fmt::format("{} tokens", parts.size()), "two");
      return {parts[0].string(), parts[1].string()};
    }
    const std::string& text = merge.string();
    const std::size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos)
      merge.bad(in_quotes(text), "two tokens with one space between them");
    return {text.substr(0, space), text.substr(space + 1)};
  }

  [[nodiscard]] std::int32_t known(const std::string& token, const JsonView& merge) const {
    const auto found = file_.vocab.find(token);
    if (found == file_.vocab.end())
      merge.bad(fmt::format("unknown token {}", in_quotes(token)), "tokens of the vocabulary");
    return found->second;
  }

  void read_merges() {
    std::unordered_set<std::uint64_t> pairs;
    for (const JsonView& merge : model_.at("merges").elements()) {
      const auto [left, right] = halves(merge);
      const BpeMerge read{known(left, merge), known(right, merge), known(left + right, merge)};
      const auto pair =
          (static_cast<std::uint64_t>(read.left) << 32) | static_cast<std::uint64_t>(read.right);
      if (!pairs.insert(pair).second) merge.bad("a merge that was there before", "distinct merges");
      file_.merges.push_back(read);
    }
  }

  // An added token that the vocabulary has too must agree with it; the others follow without a gap.
  // Hugging Face's tokenizers numbers them so whatever "id" says (seen with 0.23.2), so a file that
  // says otherwise has two readings.
  void read_added() {
    std::unordered_set<std::string> contents;
    auto next = static_cast<std::int32_t>(file_.vocab.size());
    for (const JsonView& entry : root_.at("added_tokens").elements()) {
      for (const char* key : {"single_word", "lstrip", "rstrip"})
        if (entry.flag(key)) entry.at(key).unsupported(fmt::format("added token with {}", key), "false");
      const std::string content = entry.at("content").string();
      if (content.empty()) entry.at("content").bad("an empty token", "at least one character");
      if (!contents.insert(content).second)
        entry.at("content").bad(in_quotes(content) + " twice", "distinct tokens");
      const JsonView id_view = entry.at("id");
      const auto in_vocab = file_.vocab.find(content);
      if (in_vocab == file_.vocab.end()) (void)take_id(id_view);
      const std::int32_t id = id_view.id();
      const std::int32_t expected = in_vocab == file_.vocab.end() ? next : in_vocab->second;
      if (id != expected)
        id_view.bad(fmt::format("id {} for {}", id, in_quotes(content)), fmt::format("{}", expected));
      next = std::max(next, id + 1);
      file_.added.push_back({.id = id, .content = content, .normalized = entry.flag("normalized")});
      (void)entry.flag("special");
    }
  }

  // With all bytes to fall back to, no text has an unknown character.
  void check_bytes() {
    if (file_.alphabet == TokenAlphabet::bytes) return;
    if (const auto byte = missing_byte(byte_fallback_ids(file_.vocab))) {
      model_.at("vocab").unsupported(fmt::format("a vocabulary without the byte \"<0x{:02X}>\"", *byte),
                                     "all bytes (byte_fallback)");
    }
  }

  // tokenizers looks up each character as it stands; one that is no token falls back to bytes at once.
  void read_symbols() {
    if (file_.alphabet == TokenAlphabet::bytes) return;
    for (const auto& [token, id] : file_.vocab) {
      std::size_t at = 0;
      (void)next_code_point(token, at);
      if (at == token.size()) file_.symbols.emplace(token, id);
    }
  }

  const JsonView& root_;
  JsonView model_;
  TokenizerFile& file_;
  std::size_t id_limit_ = 0;
  std::vector<bool> seen_;  // by id
};

}  // namespace

void read_vocabulary(const JsonView& root, TokenizerFile& file) {
  VocabularyReader(root, file).run();
}

}  // namespace strata
