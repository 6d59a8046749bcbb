#include "strata/tokenizer/sentencepiece_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "strata/base/error.h"
#include "strata/tokenizer/json_view.h"
#include "strata/tokenizer/piece_merges.h"
#include "strata/tokenizer/sentencepiece_proto.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

using ModelType = SentencePieceProto::ModelType;

constexpr const char* kNotByHand = "take the file as its trainer wrote it";

class ModelReader {
 public:
  ModelReader(const SentencePieceProto& proto, const std::string& where, TokenizerFile& file)
      : proto_(proto), where_(where), file_(file) {}

  void run() {
    check_model_type();
    read_rules();
    for (std::size_t id = 0; id < proto_.pieces.size(); ++id) read_piece(id);
    check_whole();
    if (!file_.sentencepiece->unigram) read_merges();
  }

 private:
  [[noreturn]] void fail(const std::string& field, const std::string& found,
                         const std::string& expected) const {
    throw Error(ErrorKind::bad_file,
                {.where = where_ + ": " + field, .found = found, .expected = expected, .hint = kNotByHand});
  }
  [[noreturn]] void refuse(const std::string& field, const std::string& found,
                           const std::string& expected) const {
    throw Error(ErrorKind::unsupported,
                {.where = where_ + ": " + field, .found = found, .expected = expected});
  }
  static std::string name(std::size_t id, const char* field) {
    return fmt::format("pieces[{}].{}", id, field);
  }

  void check_model_type() const {
    if (proto_.has_character_map) {
      throw Error(ErrorKind::unsupported, {.where = where_,
                                           .found = "normalisation rules are not supported",
                                           .expected = "the rule \"identity\", as Llama has it"});
    }
    if (proto_.model_type == ModelType::word || proto_.model_type == ModelType::character)
      refuse("trainer_spec.model_type", proto_.model_type == ModelType::word ? "WORD" : "CHAR",
             "BPE or UNIGRAM");
  }

  void read_rules() {
    file_.alphabet = TokenAlphabet::characters;
    file_.vocab_size = static_cast<std::int32_t>(proto_.pieces.size());
    file_.vocab.reserve(proto_.pieces.size());
    file_.sentencepiece = SentencePieceRules{.dummy_prefix = proto_.add_dummy_prefix,
                                             .squeeze_spaces = proto_.remove_extra_whitespaces,
                                             .mark_spaces = proto_.escape_whitespaces,
                                             .spaces_trail = proto_.treat_whitespace_as_suffix,
                                             .byte_fallback = proto_.byte_fallback,
                                             .unigram = proto_.model_type == ModelType::unigram,
                                             .unknown = -1};
  }

  void read_piece(std::size_t id) {
    SentencePieceRules& rules = *file_.sentencepiece;
    const SentencePieceProto::Piece& piece = proto_.pieces[id];
    const std::string text(piece.text);
    if (const auto [first, is_new] = file_.vocab.emplace(text, static_cast<std::int32_t>(id)); !is_new)
      fail_twice(id, static_cast<std::size_t>(first->second));
    const bool in_text = piece.type == PieceType::normal || piece.type == PieceType::unused;
    if (in_text && !std::isfinite(piece.score))
      fail(name(id, "score"), fmt::format("{} ({})", piece.score, in_quotes(text)), "a finite number");
    if (piece.type == PieceType::unknown) {
      if (rules.unknown >= 0)
        fail(name(id, "type"), fmt::format("unknown (unk), as piece {} is", rules.unknown),
             "one unknown piece");
      rules.unknown = static_cast<std::int32_t>(id);
    }
    if (piece.type == PieceType::byte) {
      if (!rules.byte_fallback)
        fail(name(id, "type"), fmt::format("byte piece {}", in_quotes(text)),
             "none, as trainer_spec.byte_fallback is false");
      if (!fallback_byte(text))
        fail(name(id, "piece"), fmt::format("byte piece {}", in_quotes(text)), "<0x00> to <0xFF>");
    }
    check_reach(id, text);
    if (piece.type == PieceType::control || piece.type == PieceType::unknown)
      file_.added.push_back({.id = static_cast<std::int32_t>(id), .content = text});
    rules.types.push_back(piece.type);
    rules.scores.push_back(piece.score);
  }

  // The library keeps pieces of a text (normal, user-defined, unused) apart from the others.
  [[noreturn]] void fail_twice(std::size_t id, std::size_t first) const {
    const auto of_text = [&](std::size_t one) {
      const PieceType type = proto_.pieces[one].type;
      return type == PieceType::normal || type == PieceType::user_defined || type == PieceType::unused;
    };
    const std::string found = fmt::format("{}, as piece {} is", in_quotes(proto_.pieces[id].text), first);
    if (of_text(id) == of_text(first)) fail(name(id, "piece"), found, "distinct pieces");
    refuse(name(id, "piece"), found + ", of another kind", "distinct pieces");
  }

  // What the library reads otherwise than it was meant.
  void check_reach(std::size_t id, const std::string& text) const {
    const PieceType type = proto_.pieces[id].type;
    const bool bpe = proto_.model_type == ModelType::bpe;
    // Its tries end a piece at a zero byte.
    const bool in_trie =
        type == PieceType::user_defined || (!bpe && (type == PieceType::normal || type == PieceType::unused));
    if (in_trie && text.find('\0') != std::string::npos)
      refuse(name(id, "piece"), fmt::format("a zero byte in {}", in_quotes(text)), "none");
    // A space of the text would become the special piece, and the library reports a failure of its own.
    if (bpe && (type == PieceType::control || type == PieceType::unknown) &&
        (text == kSpaceMark || text == " "))
      refuse(name(id, "piece"), fmt::format("{} as a control or unknown piece", in_quotes(text)),
             "another text");
  }

  void check_whole() const {
    const SentencePieceRules& rules = *file_.sentencepiece;
    if (rules.unknown < 0) fail("pieces", "no unknown piece (unk)", "one piece of type 2");
    if (rules.byte_fallback) {
      const ByteIds ids = byte_fallback_ids(file_.vocab);
      for (std::size_t byte = 0; byte < ids.size(); ++byte) {
        const std::int32_t id = ids[byte];
        if (id < 0 || rules.types[static_cast<std::size_t>(id)] != PieceType::byte)
          fail("pieces", fmt::format("no byte piece <0x{:02X}>", byte),
               "all 256, as trainer_spec.byte_fallback is true");
      }
    }
    const bool any = std::any_of(rules.types.begin(), rules.types.end(), [](PieceType type) {
      return type == PieceType::normal || type == PieceType::user_defined || type == PieceType::unused;
    });
    if (rules.unigram && !any) fail("pieces", "none that a text can have", "at least one");
  }

  void read_merges() {
    std::vector<ScoredPiece> pieces(proto_.pieces.size());
    for (std::size_t id = 0; id < pieces.size(); ++id) {
      const SentencePieceProto::Piece& piece = proto_.pieces[id];
      if (piece.type != PieceType::normal && piece.type != PieceType::unused) continue;
      if (piece.text.size() > kLongestPieceBytes)
        refuse(name(id, "piece"), fmt::format("{} bytes", piece.text.size()),
               fmt::format("at most {}", kLongestPieceBytes));
      pieces[id] = {.text = piece.text, .score = piece.score, .role = ScoredPiece::Role::joined};
    }
    if (!merge_by_score(pieces, file_))
      refuse("pieces", fmt::format("more than {} merges", kMostMerges), "fewer");
  }

  const SentencePieceProto& proto_;
  const std::string& where_;
  TokenizerFile& file_;
};

// A token that is a piece already must be that piece; the others follow without a gap.
void read_added(const SentencePiecePolicy& policy, const std::string& where, TokenizerFile& file) {
  std::unordered_set<std::int32_t> listed;
  for (const AddedToken& known : file.added) listed.insert(known.id);
  for (const AddedToken& added : policy.added) {
    const auto known = file.vocab.find(added.content);
    const bool same = known != file.vocab.end() && known->second == added.id;
    if (!same && (known != file.vocab.end() || added.id != file.vocab_size)) {
      throw Error(
          ErrorKind::bad_file,
          {.where = where + ": tokenizer_config.json: added_tokens_decoder",
           .found = fmt::format("id {} for {}", added.id, in_quotes(added.content)),
           .expected = fmt::format("{}", known != file.vocab.end() ? known->second : file.vocab_size)});
    }
    if (!same) {
      file.vocab.emplace(added.content, added.id);
      ++file.vocab_size;
    }
    if (listed.insert(added.id).second) file.added.push_back(added);
  }
}

// The library looks for the special pieces by their texts, not by trainer_spec's ids.
void add_special(bool wanted, std::string_view text, const char* name, const std::string& where,
                 const TokenizerFile& file, std::vector<std::int32_t>& out) {
  if (!wanted) return;
  const auto found = file.vocab.find(text.substr(0, text.find('\0')));
  if (found == file.vocab.end() ||
      file.sentencepiece->types[static_cast<std::size_t>(found->second)] != PieceType::control) {
    throw Error(ErrorKind::bad_file, {.where = where,
                                      .found = fmt::format("no {} piece", name),
                                      .expected = "one, as every text gets it",
                                      .hint = "or say otherwise in tokenizer_config.json"});
  }
  out.push_back(found->second);
}

}  // namespace

TokenizerFile read_sentencepiece(std::string_view bytes, const SentencePiecePolicy& policy,
                                 const std::string& where) {
  if (bytes.empty())
    throw Error(ErrorKind::bad_file, {.where = where, .found = "empty", .expected = "a SentencePiece model"});
  const SentencePieceProto proto = parse_sentencepiece_proto(bytes, where);
  TokenizerFile file;
  ModelReader(proto, where, file).run();
  file.sentencepiece->first_only = !policy.legacy;
  add_special(policy.add_bos, proto.bos_piece.empty() ? "<s>" : proto.bos_piece, "BOS", where, file,
              file.prefix);
  add_special(policy.add_eos, proto.eos_piece.empty() ? "</s>" : proto.eos_piece, "EOS", where, file,
              file.suffix);
  read_added(policy, where, file);
  return file;
}

}  // namespace strata
