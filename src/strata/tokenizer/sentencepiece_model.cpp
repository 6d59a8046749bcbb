#include "strata/tokenizer/sentencepiece_model.h"

#include <fmt/format.h>

#include <limits>
#include <optional>
#include <unordered_set>

#include "strata/base/error.h"
#include "strata/tokenizer/json_view.h"
#include "strata/tokenizer/sentencepiece_processor.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

// Protocol buffers merge a message that comes twice: these bytes behind a model set
// normalizer_spec.add_dummy_prefix (fields 3 and 3 of sentencepiece_model.proto).
constexpr std::string_view kWithPrefix{"\x1a\x02\x18\x01", 4};
constexpr std::string_view kWithoutPrefix{"\x1a\x02\x18\x00", 4};
constexpr std::uint64_t kNormalizerSpec = 3;       // of ModelProto
constexpr std::uint64_t kDenormalizerSpec = 5;     // of ModelProto
constexpr std::uint64_t kPrecompiledCharsMap = 2;  // of NormalizerSpec

// One field after the other of a protocol buffer's wire format. It must not read less than the library does:
// what it passes over is not checked by anyone. So what it cannot read (groups, which proto3 has not; tags
// above 32 bits, which the library cuts) makes the whole file unreadable.
class WireReader {
 public:
  WireReader(std::string_view bytes, const std::string& where) : rest_(bytes), where_(where) {}

  /// The next length-delimited field; other kinds are passed over. Nothing at the end.
  struct Field {
    std::uint64_t number;
    std::string_view bytes;
  };
  std::optional<Field> next() {
    while (!rest_.empty()) {
      const std::uint64_t tag = varint();
      if (tag > std::numeric_limits<std::uint32_t>::max()) fail();
      switch (tag & 7) {
        case 0:
          (void)varint();
          continue;
        case 1:
          (void)take(8);
          continue;
        case 5:
          (void)take(4);
          continue;
        case 2:
          return Field{tag >> 3, take(varint())};
        default:
          fail();
      }
    }
    return std::nullopt;
  }

 private:
  [[noreturn]] void fail() const {
    throw Error(ErrorKind::bad_file, {.where = where_,
                                      .found = "not a protocol buffer",
                                      .expected = "a SentencePiece model",
                                      .hint = "is the file complete?"});
  }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    fail();
  }
  std::string_view take(std::uint64_t count) {
    if (count > rest_.size()) fail();
    const auto bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }
  std::string_view rest_;
  const std::string& where_;
};

bool has_character_map(std::string_view model, const std::string& where) {
  WireReader fields(model, where);
  while (const auto field = fields.next()) {
    if (field->number != kNormalizerSpec && field->number != kDenormalizerSpec) continue;
    WireReader inner(field->bytes, where);
    while (const auto part = inner.next())
      if (part->number == kPrecompiledCharsMap && !part->bytes.empty()) return true;
  }
  return false;
}

class SentencePieceEngine : public TextEngine {
 public:
  SentencePieceEngine(SentencePieceProcessor first, std::optional<SentencePieceProcessor> later)
      : first_(std::move(first)), later_(std::move(later)) {}

  void encode(std::string_view stretch, bool at_start, std::vector<std::int32_t>& ids) const override {
    (at_start || !later_ ? first_ : *later_).encode(stretch, ids);
  }

 private:
  SentencePieceProcessor first_;
  std::optional<SentencePieceProcessor> later_;  // none = the same
};

void read_pieces(const SentencePieceProcessor& processor, const std::string& where,
                 SentencePieceModel& model) {
  const std::int32_t count = processor.size();
  for (std::int32_t id = 0; id < count; ++id) {
    const std::string piece = processor.piece(id);
    if (const auto bad = invalid_utf8_offset(piece)) {
      throw Error(ErrorKind::bad_file,
                  {.where = where,
                   .found = fmt::format("invalid UTF-8 in piece {} at its byte {}", id, *bad),
                   .expected = "UTF-8"});
    }
    model.ids.emplace(piece, id);
    const bool symbol = processor.is_control(id) || processor.is_unknown(id);
    const auto byte = processor.is_byte(id) ? fallback_byte(piece) : std::nullopt;
    if (byte) {
      model.tokens.emplace_back(1, static_cast<char>(*byte));
    } else {
      model.tokens.push_back(symbol ? piece : spelled_bytes(piece, TokenAlphabet::characters));
    }
    if (symbol && !piece.empty()) model.added.push_back({.id = id, .content = piece});
  }
}

// A token that is a piece already must be that piece; the others follow without a gap.
void read_added(const SentencePiecePolicy& policy, const std::string& where, SentencePieceModel& model) {
  const std::size_t pieces = model.tokens.size();
  std::unordered_set<std::int32_t> listed;
  for (const AddedToken& known : model.added) listed.insert(known.id);
  for (const AddedToken& added : policy.added) {
    const auto id = static_cast<std::size_t>(added.id);
    const auto known = model.ids.find(added.content);
    const bool same = known != model.ids.end() && known->second == added.id;
    if (!same && (known != model.ids.end() || id != model.tokens.size())) {
      throw Error(ErrorKind::bad_file,
                  {.where = where + ": tokenizer_config.json: added_tokens_decoder",
                   .found = fmt::format("id {} for {}", id, in_quotes(added.content)),
                   .expected = known != model.ids.end() ? fmt::format("{}", known->second)
                                                        : fmt::format("{}", model.tokens.size())});
    }
    if (id >= pieces && !same) {
      model.ids.emplace(added.content, added.id);
      model.tokens.push_back(added.content);
      model.added.push_back(added);
      continue;
    }
    if (listed.insert(added.id).second) model.added.push_back(added);
  }
}

void add_special(bool wanted, int id, const char* name, const std::string& where,
                 std::vector<std::int32_t>& out) {
  if (!wanted) return;
  if (id < 0) {
    throw Error(ErrorKind::bad_file, {.where = where,
                                      .found = fmt::format("no {} piece", name),
                                      .expected = "one, as every text gets it",
                                      .hint = "or say otherwise in tokenizer_config.json"});
  }
  out.push_back(id);
}

}  // namespace

SentencePieceModel load_sentencepiece(std::string_view bytes, const SentencePiecePolicy& policy,
                                      const std::string& where) {
  if (bytes.empty())
    throw Error(ErrorKind::bad_file, {.where = where, .found = "empty", .expected = "a SentencePiece model"});
  if (has_character_map(bytes, where)) {
    throw Error(ErrorKind::unsupported, {.where = where,
                                         .found = "normalisation rules are not supported",
                                         .expected = "the rule \"identity\", as Llama has it"});
  }
  const std::string model_bytes(bytes);
  SentencePieceProcessor first(policy.legacy ? model_bytes : model_bytes + std::string(kWithPrefix), where);
  std::optional<SentencePieceProcessor> later;
  if (!policy.legacy) later.emplace(model_bytes + std::string(kWithoutPrefix), where);
  SentencePieceModel model;
  read_pieces(first, where, model);
  read_added(policy, where, model);
  add_special(policy.add_bos, first.bos_id(), "BOS", where, model.prefix);
  add_special(policy.add_eos, first.eos_id(), "EOS", where, model.suffix);
  model.engine = std::make_unique<SentencePieceEngine>(std::move(first), std::move(later));
  return model;
}

}  // namespace strata
