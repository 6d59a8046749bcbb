// A corrupt twin for every field that strata reads of a tokenizer.model.
#include <gtest/gtest.h>

#include <limits>

#include "strata/base/error.h"
#include "strata/tokenizer/engine.h"
#include "strata/tokenizer/sentencepiece_model.h"
#include "tests/support/paths.h"
#include "tests/tokenizer/tiny_sentencepiece.h"

namespace strata {
namespace {

using test::bytes_field;
using test::float_field;
using test::int_field;
using test::Piece;
using test::piece_field;
using test::varint;

const std::string kSpecial = piece_field({"<unk>", 0, 2}) + piece_field({"<s>", 0, 3});
const std::string kBpe = bytes_field(2, int_field(3, 2));

TokenizerFile read(const std::string& model) {
  return read_sentencepiece(model, {}, "m.model");
}

void refused(const std::string& model, ErrorKind kind, const std::string& message) {
  EXPECT_STRATA_ERROR(read(model), kind, "m.model: " + message);
}

void damaged(const std::string& model, const std::string& message) {
  refused(model, ErrorKind::bad_file, message);
}

std::string fixed64_field(std::uint64_t number) {
  return varint(number << 3 | 1) + std::string(8, '\1');
}

TEST(CorruptSentencePiece, ThePlainModelIsRead) {
  const TokenizerFile file = read(kSpecial + piece_field({"a", -1}) + kBpe);
  EXPECT_EQ(file.vocab_size, 3);
  EXPECT_EQ(file.prefix, std::vector<std::int32_t>{1});
  EXPECT_TRUE(file.sentencepiece->dummy_prefix && file.sentencepiece->squeeze_spaces);
  EXPECT_TRUE(file.sentencepiece->mark_spaces);
  EXPECT_FALSE(file.sentencepiece->spaces_trail || file.sentencepiece->byte_fallback);
  // The schema's default.
  EXPECT_TRUE(read(kSpecial + piece_field({"a", -1})).sentencepiece->unigram);
}

// Every field with each of the three other wire types.
TEST(CorruptSentencePiece, WireTypes) {
  struct Field {
    const char* name;
    std::uint64_t outer, number;
    int wire;  // the right one
  };
  for (const Field& field :
       {Field{"pieces[2].piece", 1, 1, 2}, Field{"pieces[2].score", 1, 2, 5},
        Field{"pieces[2].type", 1, 3, 0}, Field{"trainer_spec.model_type", 2, 3, 0},
        Field{"trainer_spec.treat_whitespace_as_suffix", 2, 24, 0},
        Field{"trainer_spec.byte_fallback", 2, 35, 0}, Field{"trainer_spec.bos_piece", 2, 46, 2},
        Field{"trainer_spec.eos_piece", 2, 47, 2}, Field{"normalizer_spec.name", 3, 1, 2},
        Field{"normalizer_spec.precompiled_charsmap", 3, 2, 2},
        Field{"normalizer_spec.add_dummy_prefix", 3, 3, 0},
        Field{"normalizer_spec.remove_extra_whitespaces", 3, 4, 0},
        Field{"normalizer_spec.escape_whitespaces", 3, 5, 0},
        Field{"denormalizer_spec.precompiled_charsmap", 5, 2, 2}}) {
    SCOPED_TRACE(field.name);
    const std::pair<int, std::string> all[] = {{0, int_field(field.number, 1)},
                                               {1, fixed64_field(field.number)},
                                               {2, bytes_field(field.number, "x")},
                                               {5, float_field(field.number, 1)}};
    for (const auto& [wire, bytes] : all)
      if (wire != field.wire)
        damaged(kSpecial + bytes_field(field.outer, bytes) + kBpe,
                std::string(field.name) + ": wire type " + std::to_string(wire));
  }
  for (const auto& [name, number] : {std::pair{"pieces[2]", 1u}, std::pair{"trainer_spec", 2u},
                                     std::pair{"normalizer_spec", 3u}, std::pair{"denormalizer_spec", 5u}})
    damaged(kSpecial + int_field(number, 1),
            std::string(name) + ": wire type 0 (varint); expected wire type 2");
}

// Fields that strata does not read may have any well-formed content.
TEST(CorruptSentencePiece, WireFormat) {
  const std::string good = kSpecial + piece_field({"a", -1}) + kBpe;
  EXPECT_EQ(read(good + int_field(4, 7) + bytes_field(200, "\xff") + fixed64_field(9)).vocab_size, 3);
  const char* broken = "not a protocol buffer";
  damaged(good + varint(6 << 3 | 3), broken);                        // a group
  damaged(good + varint(6 << 3 | 7), broken);                        // no such wire type
  damaged(good + int_field(0, 1), broken);                           // field 0
  damaged(good + int_field(std::uint64_t{1} << 29, 1), broken);      // a tag of 33 bits
  damaged(good + varint(1 << 3 | 2) + varint(100) + "abc", broken);  // longer than the file
  damaged(good + varint(1 << 3 | 2) + std::string(9, '\xff') + "\x01", broken);
  damaged(good + varint(4 << 3) + std::string(11, '\x80'), broken);  // a varint of 11 bytes
  damaged(good + bytes_field(1, bytes_field(1, "b") + varint(2 << 3 | 5) + "ab"), broken);
  damaged(good + bytes_field(2, varint(3 << 3)), broken);
  damaged(good + bytes_field(3, varint(2 << 3 | 2) + varint(5)), broken);
  damaged(good + bytes_field(5, "\x80"), broken);
}

TEST(CorruptSentencePiece, Pieces) {
  damaged(kSpecial + bytes_field(1, int_field(3, 1)) + kBpe,
          "pieces[2].piece: no text; expected at least one");
  damaged(kSpecial + piece_field({"", 0}) + kBpe, "pieces[2].piece: no text");
  damaged(kSpecial + piece_field({"a\xff", 0}) + kBpe,
          "pieces[2].piece: invalid UTF-8 in piece 2 at its byte 1");
  damaged(kSpecial + piece_field({"a", 0}) + piece_field({"a", 0}) + kBpe,
          "pieces[3].piece: \"a\", as piece 2 is; expected distinct pieces");
  damaged(kSpecial + piece_field({"a", 0, 5}) + piece_field({"a", 0, 4}) + kBpe, "pieces[3].piece: \"a\"");
  damaged(kSpecial + piece_field({"<s>", 0, 3}) + kBpe, "pieces[2].piece: \"<s>\"");
  refused(kSpecial + piece_field({"<s>", 0, 1}) + kBpe, ErrorKind::unsupported,
          "pieces[2].piece: \"<s>\", as piece 1 is, of another kind");
  for (const std::uint64_t type :
       {std::uint64_t{0}, std::uint64_t{7}, ~std::uint64_t{0}, (std::uint64_t{1} << 32) + 1})
    damaged(kSpecial + bytes_field(1, bytes_field(1, "a") + int_field(3, type)) + kBpe,
            "pieces[2].type: " + std::to_string(type) + "; expected 1 (normal) to 6 (byte)");
  const float inf = std::numeric_limits<float>::infinity();
  for (const auto& [score, text] : {std::pair{std::numeric_limits<float>::quiet_NaN(), "nan"},
                                    std::pair{inf, "inf"}, std::pair{-inf, "-inf"}})
    for (const std::int32_t type : {1, 5})
      damaged(kSpecial + piece_field({"a", score, type}) + kBpe,
              std::string("pieces[2].score: ") + text + " (\"a\"); expected a finite number");
  // Nobody asks for the scores of the others.
  EXPECT_EQ(read(kSpecial + piece_field({"</s>", inf, 3}) + piece_field({"u", inf, 4}) + kBpe).vocab_size, 4);
}

TEST(CorruptSentencePiece, UnknownPieces) {
  damaged(piece_field({"<s>", 0, 3}) + piece_field({"a", 0}) + kBpe, "pieces: no unknown piece (unk)");
  damaged(kBpe, "pieces: no unknown piece (unk)");
  damaged(kSpecial + piece_field({"?", 0, 2}) + kBpe,
          "pieces[2].type: unknown (unk), as piece 0 is; expected one unknown piece");
  damaged(kSpecial, "pieces: none that a text can have");  // unigram
}

TEST(CorruptSentencePiece, BytePieces) {
  const std::string fallback = bytes_field(2, int_field(3, 2) + int_field(35, 1));
  std::string all;
  for (const Piece& piece : test::byte_pieces()) all += piece_field(piece);
  EXPECT_EQ(read(kSpecial + all + fallback).vocab_size, 258);
  damaged(kSpecial + all + kBpe, "pieces[2].type: byte piece \"<0x00>\"; expected none, as");
  damaged(kSpecial + fallback, "pieces: no byte piece <0x00>; expected all 256");
  const std::string last = piece_field(test::byte_pieces().back());
  damaged(kSpecial + all.substr(0, all.size() - last.size()) + fallback, "pieces: no byte piece <0xFF>");
  damaged(kSpecial + all.substr(0, all.size() - last.size()) + piece_field({"<0xFF>", 0, 1}) + fallback,
          "pieces: no byte piece <0xFF>");
  for (const char* text : {"<0xff>", "<0x4G>", "x", "<0x041>"})
    damaged(kSpecial + all + piece_field({text, 0, 6}) + fallback,
            std::string("pieces[258].piece: byte piece \"") + text + "\"; expected <0x00> to <0xFF>");
}

TEST(CorruptSentencePiece, ModelTypes) {
  const auto typed = [](std::uint64_t type) {
    return kSpecial + piece_field({"a", 0}) + bytes_field(2, int_field(3, type));
  };
  refused(typed(3), ErrorKind::unsupported, "trainer_spec.model_type: WORD; expected BPE or UNIGRAM");
  refused(typed(4), ErrorKind::unsupported, "trainer_spec.model_type: CHAR; expected BPE or UNIGRAM");
  damaged(typed(0), "trainer_spec.model_type: 0; expected 1 (unigram) to 4");
  damaged(typed(5), "trainer_spec.model_type: 5");
  damaged(typed(~std::uint64_t{0}), "trainer_spec.model_type: 18446744073709551615");
}

TEST(CorruptSentencePiece, WhatTheLibraryReadsOtherwiseThanItWasMeant) {
  const std::string nul("a\0b", 3);
  const auto refuses = [](const Piece& piece, const std::string& trainer, const std::string& message) {
    refused(kSpecial + piece_field({"c", 0}) + piece_field(piece) + trainer, ErrorKind::unsupported, message);
  };
  refuses({nul, 0, 4}, kBpe, "pieces[3].piece: a zero byte");
  refuses({nul, 0, 1}, "", "pieces[3].piece: a zero byte");
  refuses({nul, 0, 5}, "", "pieces[3].piece: a zero byte");
  refuses({"\u2581", 0, 3}, kBpe, "pieces[3].piece: \"\u2581\" as a control or unknown piece");
  refuses({" ", 0, 3}, kBpe, "pieces[3].piece: \" \" as a control");
  refuses({std::string(1025, 'a'), 0, 1}, kBpe, "pieces[3].piece: 1025 bytes; expected at most 1024");
  EXPECT_EQ(read(kSpecial + piece_field({nul, 0, 1}) + kBpe).vocab_size, 3);
  EXPECT_EQ(read(kSpecial + piece_field({std::string(1025, 'a'), 0, 1})).vocab_size, 3);
}

TEST(CorruptSentencePiece, SpecialPieces) {
  const std::string model = kSpecial + piece_field({"a", 0}) + piece_field({"[b]", 0, 3});
  const auto trainer = [](const std::string& fields) { return bytes_field(2, int_field(3, 2) + fields); };
  EXPECT_EQ(read(model + trainer(bytes_field(46, "[b]"))).prefix, std::vector<std::int32_t>{3});
  EXPECT_EQ(read_sentencepiece(model + trainer(bytes_field(47, "[b]")), {.add_eos = true}, "m").suffix,
            std::vector<std::int32_t>{3});
  for (const char* text : {"[c]", "a", "<unk>"})  // absent, or of another type
    damaged(model + trainer(bytes_field(46, text)), "no BOS piece; expected one, as every text gets it");
  EXPECT_STRATA_ERROR(read_sentencepiece(model + kBpe, {.add_eos = true}, "m.model"), ErrorKind::bad_file,
                      "m.model: no EOS piece");
}

// What comes twice is merged, the later value counts, as protocol buffers say.
TEST(CorruptSentencePiece, MessagesThatComeTwice) {
  const TokenizerFile file =
      read(kSpecial + piece_field({"a", 0}) + kBpe + bytes_field(2, int_field(24, 1)) +
           bytes_field(3, int_field(3, 0)) + bytes_field(3, int_field(3, 1) + int_field(4, 0)));
  EXPECT_TRUE(file.sentencepiece->spaces_trail && file.sentencepiece->dummy_prefix);
  EXPECT_FALSE(file.sentencepiece->unigram || file.sentencepiece->squeeze_spaces);
}

// Merges that grow with the square of the pieces' length stay within bounds.
TEST(CorruptSentencePiece, LongPiecesInsideEachOther) {
  std::string model = kSpecial;
  for (std::size_t length = 1; length <= 1024; ++length)
    model += piece_field({std::string(length, 'a'), -static_cast<float>(length)});
  const auto engine = make_engine(read(model + kBpe), "m.model");
  std::vector<std::int32_t> ids;
  engine->encode(std::string(5000, 'a'), true, ids);
  EXPECT_LT(ids.size(), 5000u);
}

}  // namespace
}  // namespace strata
