// tokenizer.model on models written by hand, with tokenizer_config.json beside them, and their corrupt twins.
#include <gtest/gtest.h>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "strata/tokenizer/engine.h"
#include "strata/tokenizer/sentencepiece_model.h"
#include "tests/support/paths.h"
#include "tests/tokenizer/tiny_sentencepiece.h"

namespace strata {
namespace {

using Ids = std::vector<std::int32_t>;
using test::Piece;

using test::bytes_field;
using test::float_field;
using test::int_field;
using test::model_of;

const std::vector<Piece> kPieces = {{"\u2581", -4}, {"a", -5},        {"b", -6},       {"ab", -1},
                                    {"c", -7},      {"\u2581ab", -2}, {"\u2581c", -3}, {"[x]", 0, 4}};

class SentencePiece : public testing::Test {
 protected:
  void write(const std::string& model, const std::string& config = "") {
    test::write_text(dir_.path() / "tokenizer.model", model);
    if (!config.empty()) test::write_text(dir_.path() / "tokenizer_config.json", config);
  }
  Tokenizer load() { return Tokenizer::for_model(dir_.path()); }
  test::TemporaryDirectory dir_;
};

TEST_F(SentencePiece, PiecesSpecialTokensAndBytes) {
  write(model_of(kPieces));
  const Tokenizer tokenizer = load();
  EXPECT_EQ(tokenizer.vocab_size(), 267);
  EXPECT_EQ(tokenizer.encode("ab c", true), (Ids{1, 264, 265}));
  EXPECT_EQ(tokenizer.encode("ab</s>c<unk>", false), (Ids{264, 2, 265, 0}));
  EXPECT_EQ(tokenizer.encode("\u00e9", false), (Ids{259, 3 + 0xc3, 3 + 0xa9}));
  // A user-defined piece is no added token: no space behind it.
  EXPECT_EQ(tokenizer.encode("ab[x]ab", false), (Ids{264, 266, 262}));
  EXPECT_EQ(tokenizer.decode({264, 3 + 0xc3, 3 + 0xa9, 2, 266}), " ab\u00e9</s>[x]");
  EXPECT_EQ(tokenizer.id_of("\u2581ab"), 264);
  EXPECT_EQ(tokenizer.encode("", false), Ids{});
  EXPECT_EQ(Tokenizer::from_sentencepiece(dir_.path() / "tokenizer.model").sha256(), tokenizer.sha256());
}

// The same pieces as GGUF give the same ids; "cab" has no piece across it.
TEST_F(SentencePiece, AgreesWithTheGgufEngine) {
  const std::vector<Piece> pieces(kPieces.begin(), kPieces.end() - 1);
  write(model_of(pieces));
  const Tokenizer model = load();
  const Tokenizer gguf = test::load(test::spm_gguf(pieces));
  Philox rng({.seed = 7, .stream = Stream::test});
  for (int trial = 0; trial < 2000; ++trial) {
    std::string text;
    for (std::uint64_t length = rng.below(30); length > 0; --length)
      text += std::vector<std::string>{"a", "b", "c", " ", "\u00e9", "\u2581", "</s>"}[rng.below(7)];
    ASSERT_EQ(gguf.encode(text, true), model.encode(text, true)) << in_quotes(text);
  }
}

TEST_F(SentencePiece, UnigramTakesTheBestPath) {
  // By BPE "ab" joins first; by unigram the whole "▁ab" (-2) beats "▁" + "ab" (-4 - 1).
  write(model_of({{"\u2581", -4}, {"a", -5}, {"b", -6}, {"ab", -1}, {"\u2581ab", -9}}, {.model_type = 1}));
  EXPECT_EQ(load().encode("ab", false), (Ids{259, 262}));
}

TEST_F(SentencePiece, ConfigDecidesBosEosAndLegacy) {
  write(model_of(kPieces), R"({"add_bos_token": false, "add_eos_token": true, "legacy": false})");
  const Tokenizer tokenizer = load();
  EXPECT_TRUE(tokenizer.prefix().empty());
  EXPECT_EQ(tokenizer.suffix(), Ids{2});
  EXPECT_EQ(tokenizer.encode("ab</s>ab", false), (Ids{264, 2, 262}));  // the first stretch alone has a space
  EXPECT_EQ(tokenizer.encode("</s>ab", false), (Ids{2, 262}));
  write(model_of(kPieces), R"({"legacy": true})");
  EXPECT_EQ(load().encode("ab</s>ab", true), (Ids{1, 264, 2, 264}));
}

TEST_F(SentencePiece, AddedTokensFollowThePieces) {
  write(model_of(kPieces), R"({"added_tokens_decoder": {"268": {"content": "<q>"}, "267": {"content": "<p>"},
                               "1": {"content": "<s>"}, "263": {"content": "c"}}})");
  const Tokenizer tokenizer = load();
  EXPECT_EQ(tokenizer.vocab_size(), 269);
  EXPECT_EQ(tokenizer.encode("<p>ab<q>c", false), (Ids{267, 264, 268, 263}));
  EXPECT_EQ(tokenizer.token_bytes(268), "<q>");
}

TEST_F(SentencePiece, CorruptConfigs) {
  const auto refused = [&](const char* config, ErrorKind kind, const char* message) {
    write(model_of(kPieces), config);
    EXPECT_STRATA_ERROR(load(), kind, message);
    EXPECT_STRATA_ERROR(load(), kind, "tokenizer_config.json");
  };
  refused("[]", ErrorKind::bad_file, "a JSON object");
  refused(R"({"add_bos_token": 1})", ErrorKind::bad_file, "add_bos_token: 1");
  refused(R"({"add_eos_token": "x"})", ErrorKind::bad_file, "add_eos_token");
  refused(R"({"legacy": 0})", ErrorKind::bad_file, "legacy");
  refused(R"({"add_prefix_space": false})", ErrorKind::unsupported, "add_prefix_space false");
  refused(R"({"added_tokens_decoder": []})", ErrorKind::bad_file, "added_tokens_decoder");
  refused(R"({"added_tokens_decoder": {"x": {"content": "p"}}})", ErrorKind::bad_file, "key \"x\"");
  refused(R"({"added_tokens_decoder": {"99999999999": {"content": "p"}}})", ErrorKind::bad_file,
          "a token id");
  refused(R"({"added_tokens_decoder": {"267": {}}})", ErrorKind::bad_file, "no key \"content\"");
  refused(R"({"added_tokens_decoder": {"267": {"content": ""}}})", ErrorKind::bad_file, "empty token");
  refused(R"({"added_tokens_decoder": {"267": {"content": "p", "lstrip": true}}})", ErrorKind::unsupported,
          "lstrip");
  refused(R"({"added_tokens_decoder": {"268": {"content": "p"}}})", ErrorKind::bad_file,
          "id 268 for \"p\"; expected 267");
  refused(R"({"added_tokens_decoder": {"267": {"content": "<s>"}}})", ErrorKind::bad_file, "expected 1");
  write(model_of(kPieces), "{}");
  test::write_text(dir_.path() / "added_tokens.json", "{}");
  EXPECT_STRATA_ERROR(load(), ErrorKind::unsupported, "added_tokens.json");
}

TEST_F(SentencePiece, CorruptModels) {
  const auto refused = [&](const std::string& model, ErrorKind kind, const char* message) {
    write(model);
    EXPECT_STRATA_ERROR(load(), kind, message);
    EXPECT_STRATA_ERROR(load(), kind, "tokenizer.model: ");
  };
  const std::string good = model_of(kPieces);
  refused("", ErrorKind::bad_file, "empty");
  refused("hello, world", ErrorKind::bad_file, "not a protocol buffer");
  for (const std::size_t cut : {good.size() - 1, good.size() / 2, std::size_t{3}})
    refused(good.substr(0, cut), ErrorKind::bad_file, "not a protocol buffer");
  refused(bytes_field(1, bytes_field(1, "a")), ErrorKind::bad_file, "unk");
  refused(model_of({{"a", 0}, {"a", 0}}), ErrorKind::bad_file, "distinct pieces");
  refused(model_of({{"<0x4G>", 0, 6}}), ErrorKind::bad_file, "byte piece");
  refused(model_of({}, {.normalizer = bytes_field(2, "rules")}), ErrorKind::unsupported,
          "normalisation rules");
}

TEST_F(SentencePiece, RandomBytesChangedLoadOrExplain) {
  const std::string good = model_of(kPieces);
  Philox rng({.seed = 9, .stream = Stream::test});
  int loaded = 0;
  for (int trial = 0; trial < 1000; ++trial) {
    std::string model = good;
    for (std::uint64_t changes = 1 + rng.below(3); changes > 0; --changes)
      model[rng.below(model.size())] = static_cast<char>(rng.below(256));
    try {
      (void)make_engine(read_sentencepiece(model, {}, "m"), "m");
      ++loaded;
    } catch (const Error& error) {
      EXPECT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos) << error.what();
    }
  }
  EXPECT_GT(loaded, 0);
  EXPECT_LT(loaded, 1000);
}

}  // namespace
}  // namespace strata
