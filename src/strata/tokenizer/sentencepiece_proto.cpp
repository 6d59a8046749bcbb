#include "strata/tokenizer/sentencepiece_proto.h"

#include <fmt/format.h>

#include <bit>
#include <limits>
#include <optional>

#include "strata/base/error.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

constexpr const char* kDamaged = "is the file complete?";

enum class WireType : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

std::string name_of(WireType type) {
  const char* name = type == WireType::varint    ? "varint"
                     : type == WireType::fixed64 ? "64 bits"
                     : type == WireType::bytes   ? "length-delimited"
                                                 : "32 bits";
  return fmt::format("wire type {} ({})", static_cast<int>(type), name);
}

// One field after the other of a protocol buffer's wire format. What it cannot read (groups, which no field
// of the schema is; tags above 32 bits, which the library cuts) makes the whole file unreadable.
class WireReader {
 public:
  WireReader(std::string_view bytes, const std::string& where) : rest_(bytes), where_(where) {}

  struct Field {
    std::uint64_t number = 0;
    WireType type = WireType::varint;
    std::uint64_t value = 0;  // of the types with a number
    std::string_view bytes;   // of a length-delimited one
  };
  /// Nothing at the end.
  std::optional<Field> next() {
    if (rest_.empty()) return std::nullopt;
    const std::uint64_t tag = varint();
    if (tag > std::numeric_limits<std::uint32_t>::max() || tag >> 3 == 0) fail();
    Field field{.number = tag >> 3, .type = static_cast<WireType>(tag & 7)};
    switch (field.type) {
      case WireType::varint:
        field.value = varint();
        return field;
      case WireType::fixed64:
        field.value = fixed(take(8));
        return field;
      case WireType::bytes:
        field.bytes = take(varint());
        return field;
      case WireType::fixed32:
        field.value = fixed(take(4));
        return field;
    }
    fail();
  }

 private:
  [[noreturn]] void fail() const {
    throw Error(ErrorKind::bad_file, {.where = where_,
                                      .found = "not a protocol buffer",
                                      .expected = "a SentencePiece model",
                                      .hint = kDamaged});
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
  static std::uint64_t fixed(std::string_view bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = bytes.size(); i > 0; --i)
      value = value << 8 | static_cast<unsigned char>(bytes[i - 1]);
    return value;
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

// A field that comes twice: the later one counts, and messages are merged, as protocol buffers say.
class ProtoReader {
 public:
  explicit ProtoReader(const std::string& where) : where_(where) {}

  SentencePieceProto read(std::string_view bytes) {
    for_each_field(bytes, [&](const Field& field) {
      switch (field.number) {
        case 1:
          return read_piece(typed(field, WireType::bytes, [&] {
                              return fmt::format("pieces[{}]", proto_.pieces.size());
                            }).bytes);
        case 2:
          return read_trainer(message(field, "trainer_spec"));
        case 3:
          return read_normalizer(message(field, "normalizer_spec"));
        case 5:
          return read_denormalizer(message(field, "denormalizer_spec"));
        default:
          return;
      }
    });
    return std::move(proto_);
  }

 private:
  using Field = WireReader::Field;

  template <typename OnField>
  void for_each_field(std::string_view bytes, OnField&& on_field) const {
    WireReader fields(bytes, where_);
    while (const auto field = fields.next()) on_field(*field);
  }

  [[noreturn]] void fail(const std::string& name, const std::string& found,
                         const std::string& expected) const {
    throw Error(ErrorKind::bad_file,
                {.where = where_ + ": " + name, .found = found, .expected = expected, .hint = kDamaged});
  }

  void read_piece(std::string_view bytes) {
    SentencePieceProto::Piece piece;
    const auto name = [&](const char* field) {
      return fmt::format("pieces[{}].{}", proto_.pieces.size(), field);
    };
    for_each_field(bytes, [&](const Field& field) {
      if (field.number == 1) {
        piece.text = typed(field, WireType::bytes, [&] { return name("piece"); }).bytes;
      } else if (field.number == 2) {
        piece.score = std::bit_cast<float>(
            static_cast<std::uint32_t>(typed(field, WireType::fixed32, [&] { return name("score"); }).value));
      } else if (field.number == 3) {
        const std::uint64_t type = typed(field, WireType::varint, [&] { return name("type"); }).value;
        if (type < 1 || type > 6) fail(name("type"), fmt::format("{}", type), "1 (normal) to 6 (byte)");
        piece.type = static_cast<PieceType>(type);
      }
    });
    if (piece.text.empty()) fail(name("piece"), "no text", "at least one character");
    if (const auto bad = invalid_utf8_offset(piece.text)) {
      fail(name("piece"), fmt::format("invalid UTF-8 in piece {} at its byte {}", proto_.pieces.size(), *bad),
           "UTF-8");
    }
    proto_.pieces.push_back(piece);
  }

  void read_trainer(std::string_view bytes) {
    for_each_field(bytes, [&](const Field& field) {
      switch (field.number) {
        case 3:
          proto_.model_type = model_type(field);
          return;
        case 24:
          proto_.treat_whitespace_as_suffix = flag(field, "trainer_spec.treat_whitespace_as_suffix");
          return;
        case 35:
          proto_.byte_fallback = flag(field, "trainer_spec.byte_fallback");
          return;
        case 46:
          proto_.bos_piece = message(field, "trainer_spec.bos_piece");
          return;
        case 47:
          proto_.eos_piece = message(field, "trainer_spec.eos_piece");
          return;
        default:
          return;
      }
    });
  }

  void read_normalizer(std::string_view bytes) {
    for_each_field(bytes, [&](const Field& field) {
      switch (field.number) {
        case 1:
          proto_.normalizer_name = message(field, "normalizer_spec.name");
          return;
        case 2:
          proto_.has_character_map |= !message(field, "normalizer_spec.precompiled_charsmap").empty();
          return;
        case 3:
          proto_.add_dummy_prefix = flag(field, "normalizer_spec.add_dummy_prefix");
          return;
        case 4:
          proto_.remove_extra_whitespaces = flag(field, "normalizer_spec.remove_extra_whitespaces");
          return;
        case 5:
          proto_.escape_whitespaces = flag(field, "normalizer_spec.escape_whitespaces");
          return;
        default:
          return;
      }
    });
  }

  void read_denormalizer(std::string_view bytes) {
    for_each_field(bytes, [&](const Field& field) {
      if (field.number == 2)
        proto_.has_character_map |= !message(field, "denormalizer_spec.precompiled_charsmap").empty();
    });
  }

  template <typename Name>
  const Field& typed(const Field& field, WireType wanted, Name&& name) const {
    if (field.type != wanted) fail(name(), name_of(field.type), name_of(wanted));
    return field;
  }
  std::string_view message(const Field& field, const char* name) const {
    return typed(field, WireType::bytes, [&] { return name; }).bytes;
  }
  bool flag(const Field& field, const char* name) const {
    return typed(field, WireType::varint, [&] { return name; }).value != 0;
  }
  SentencePieceProto::ModelType model_type(const Field& field) const {
    constexpr const char* kName = "trainer_spec.model_type";
    const std::uint64_t value = typed(field, WireType::varint, [&] { return kName; }).value;
    if (value < 1 || value > 4) fail(kName, fmt::format("{}", value), "1 (unigram) to 4 (characters)");
    return static_cast<SentencePieceProto::ModelType>(value);
  }

  const std::string& where_;
  SentencePieceProto proto_;
};

}  // namespace

SentencePieceProto parse_sentencepiece_proto(std::string_view bytes, const std::string& where) {
  return ProtoReader(where).read(bytes);
}

}  // namespace strata
