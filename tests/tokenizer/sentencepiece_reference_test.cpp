// tokenizer.model against libsentencepiece, the program these files are made for.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/philox.h"
#include "tests/support/paths.h"
#include "tests/tokenizer/tiny_sentencepiece.h"

namespace strata {
namespace {

using Ids = std::vector<std::int32_t>;
using test::Piece;

// Philox with the few things that tests ask of it.
class Random {
 public:
  explicit Random(std::uint64_t seed) : philox_({.seed = seed, .stream = Stream::test}) {}
  std::size_t below(std::size_t count) { return philox_.below(count); }
  bool chance(std::size_t percent) { return below(100) < percent; }
  template <typename Value>
  const Value& of(const std::vector<Value>& all) {
    return all[below(all.size())];
  }

 private:
  Philox philox_;
};

// transformers' LlamaTokenizer around the library: control and unknown pieces are cut out of a text first.
class Library {
 public:
  Library(const std::string& model, bool legacy) {
    // Protocol buffers merge a message that comes twice: these bytes set normalizer_spec.add_dummy_prefix.
    load(first_, legacy ? model : model + std::string("\x1a\x02\x18\x01", 4));
    load(later_, legacy ? model : model + std::string("\x1a\x02\x18\x00", 4));
    for (int id = 0; id < first_.GetPieceSize(); ++id)
      if (first_.IsControl(id) || first_.IsUnknown(id)) special_.emplace_back(first_.IdToPiece(id), id);
  }

  Ids encode(std::string_view text) const {
    Ids ids;
    std::size_t begin = 0;
    const auto flush = [&](std::size_t end) {
      if (end == begin) return;
      std::vector<int> part;
      const std::string_view stretch = text.substr(begin, end - begin);
      const auto status = (begin == 0 ? first_ : later_).Encode({stretch.data(), stretch.size()}, &part);
      EXPECT_TRUE(status.ok()) << status.ToString();
      ids.insert(ids.end(), part.begin(), part.end());
    };
    for (std::size_t at = 0; at < text.size();) {
      const std::pair<std::string, int>* longest = nullptr;
      for (const auto& one : special_)
        if (text.substr(at).starts_with(one.first) && (!longest || one.first.size() > longest->first.size()))
          longest = &one;
      if (longest == nullptr) {
        ++at;
        continue;
      }
      flush(at);
      ids.push_back(longest->second);
      begin = at += longest->first.size();
    }
    flush(text.size());
    return ids;
  }

 private:
  static void load(sentencepiece::SentencePieceProcessor& processor, const std::string& model) {
    const auto status = processor.LoadFromSerializedProto({model.data(), model.size()});
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  sentencepiece::SentencePieceProcessor first_, later_;
  std::vector<std::pair<std::string, int>> special_;
};

const std::vector<std::string> kScripts = {"a",
                                           "b",
                                           "e",
                                           "Z",
                                           "0",
                                           "9",
                                           ".",
                                           ",",
                                           "-",
                                           "\n",
                                           "\t",
                                           "\r\n",
                                           std::string(1, '\0'),
                                           "\x7f",
                                           "\u00a0",
                                           "\u00e9",
                                           "e\u0301",
                                           "\u00df",
                                           "\u03b1",
                                           "\u03c9",
                                           "\u0436",
                                           "\u044f",
                                           "\u05d0",
                                           "\u05b0",
                                           "\u0645",
                                           "\u0644\u0627",
                                           "\u0915\u094d\u0937",
                                           "\u0e01\u0e33",
                                           "\u10d0",
                                           "\u1112\u1161\u11ab",
                                           "\ud55c",
                                           "\u3042",
                                           "\u30a2",
                                           "\u4e2d",
                                           "\u6587",
                                           "\u3000",
                                           "\u200b",
                                           "\u2028",
                                           "\u2581",
                                           "\ufffd",
                                           "\ufeff",
                                           "\U0001f600",
                                           "\U0001f468\u200d\U0001f469\u200d\U0001f467",
                                           "\U0001f1e9\U0001f1ea",
                                           "\U0002070e",
                                           "\U000e0041",
                                           "\U0010ffff"};

// A text of parts of `alphabet`, with runs of spaces and of one part.
std::string random_text(Random& random, const std::vector<std::string>& alphabet) {
  std::string text;
  for (std::size_t parts = random.below(random.chance(5) ? 400 : 40); parts > 0; --parts) {
    const std::string part = random.chance(20)   ? " "
                             : random.chance(10) ? random.of(kScripts)
                                                 : random.of(alphabet);
    const std::size_t times = random.chance(10) ? 1 + random.below(70) : 1;
    for (std::size_t i = 0; i < times; ++i) text += part;
  }
  return text;
}

// Both on the same texts, with and without "legacy". Returns the number of texts.
class SentencePieceReference : public testing::Test {
 protected:
  void compare(const std::string& model, const std::vector<std::string>& texts) {
    test::write_text(dir_.path() / "tokenizer.model", model);
    for (const bool legacy : {true, false}) {
      test::write_text(dir_.path() / "tokenizer_config.json",
                       fmt::format(R"({{"add_bos_token": false, "legacy": {}}})", legacy));
      const Tokenizer ours = Tokenizer::for_model(dir_.path());
      const Library library(model, legacy);
      for (const std::string& text : texts) {
        ASSERT_EQ(ours.encode(text, false), library.encode(text)) << in_quotes(text) << " legacy " << legacy;
        ++compared_;
      }
    }
  }
  void TearDown() override { RecordProperty("texts", std::to_string(compared_)); }

  test::TemporaryDirectory dir_;
  int compared_ = 0;
};

// Pieces joined of pieces, so that merges reach them, of every type that stands in texts.
std::vector<Piece> random_pieces(Random& random, const std::vector<std::string>& alphabet, bool unigram) {
  std::vector<std::string> texts;
  for (const std::string& character : alphabet)
    if (random.chance(80)) texts.push_back(character);
  if (texts.empty()) texts.push_back("a");
  for (std::size_t count = random.below(40); count > 0; --count) {
    std::string text = random.of(texts) + random.of(texts);
    if (random.chance(10)) text += random.of(alphabet);
    if (text.size() < 40) texts.push_back(std::move(text));
  }
  const std::size_t special_percent = random.below(3) * 8;
  const bool ties = random.chance(40);
  std::set<std::string> seen;
  std::vector<Piece> pieces;
  for (const std::string& text : texts) {
    if (!seen.insert(text).second) continue;
    Piece piece{text, ties ? -static_cast<float>(random.below(3))
                           : -static_cast<float>(random.below(1 << 24)) / 1e6f};
    if (random.chance(special_percent)) piece.type = random.chance(50) ? 4 : 5;
    if (unigram && random.chance(3)) piece.score = 2.5f;
    const bool in_trie = unigram || piece.type == 4;
    if (in_trie && text.find('\0') != std::string::npos) continue;
    pieces.push_back(piece);
  }
  return pieces;
}

struct Flags {
  bool prefix, squeeze, mark, fallback, trail, unigram;
};

std::string random_model(Random& random, const std::vector<std::string>& alphabet, const Flags& flags) {
  std::vector<Piece> pieces = random_pieces(random, alphabet, flags.unigram);
  pieces.push_back({"<s>", 0, 3});
  pieces.push_back({random.chance(20) ? "e" : "<unk>", 0, 2});
  if (random.chance(20)) pieces.push_back({"s", 0, 3});  // as short as a character
  if (flags.fallback)
    for (const Piece& piece : test::byte_pieces()) pieces.push_back(piece);
  for (std::size_t i = pieces.size(); i > 1; --i) std::swap(pieces[i - 1], pieces[random.below(i)]);
  std::string model;
  for (const Piece& piece : pieces) model += test::piece_field(piece);
  return model +
         test::bytes_field(2, test::int_field(3, flags.unigram ? 1 : 2) +
                                  test::int_field(35, flags.fallback) + test::int_field(24, flags.trail)) +
         test::bytes_field(3, test::int_field(3, flags.prefix) + test::int_field(4, flags.squeeze) +
                                  test::int_field(5, flags.mark));
}

TEST_F(SentencePieceReference, RandomModelsWithEveryCombinationOfFlags) {
  const std::vector<std::string> all = {"a", "b",      "c",      "ab",         "\u2581", "\u2581a",
                                        " ", "\u00e9", "\u4e2d", "\U0001f600", "\n",     std::string(1, '\0'),
                                        "<", "b "};
  for (unsigned combination = 0; combination < 64; ++combination) {
    const auto flag = [&](unsigned bit) { return (combination >> bit & 1) != 0; };
    const Flags flags{flag(0), flag(1), flag(2), flag(3), flag(4), flag(5)};
    SCOPED_TRACE(combination);
    Random random(100 + combination);
    for (int trial = 0; trial < 30; ++trial) {
      SCOPED_TRACE(trial);
      std::vector<std::string> alphabet;
      for (const std::string& one : all)
        if (random.chance(55)) alphabet.push_back(one);
      if (alphabet.empty()) alphabet = {"a"};
      const std::string model = random_model(random, alphabet, flags);
      std::vector<std::string> words = alphabet;
      for (const char* one : {"<s>", "<unk>", "e", "s", "<0x41>", "\u2581"}) words.emplace_back(one);
      std::vector<std::string> texts;
      for (int i = 0; i < 20; ++i) texts.push_back(random_text(random, random.chance(70) ? alphabet : words));
      compare(model, texts);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_EQ(compared_, 64 * 30 * 20 * 2);
}

std::vector<std::string> tales() {
  std::vector<std::string> all;
  for (int i = 1; i <= 16; ++i)
    all.push_back(read_file(test::repo_path(fmt::format("texts/tales/{:02}.txt", i))));
  return all;
}

std::vector<std::string> hard_texts() {
  std::vector<std::string> texts = {"",
                                    " ",
                                    "   ",
                                    std::string(3000, ' '),
                                    std::string(3000, ' ') + "x ",
                                    std::string(5000, 'a'),
                                    std::string(500, '\0'),
                                    std::string(700, '\t') + std::string(700, '\n'),
                                    "<s>a</s> b<unk>c",
                                    "<0x41> <s",
                                    "\u2581a \u2581 b",
                                    "a   b  \n  c "};
  for (const char* one : {"\u00e9", "\u4e2d", "\U0001f600", "\u2581", "ab", "\u0378"}) {
    std::string run;
    for (int i = 0; i < 1500; ++i) run += one;
    texts.push_back(std::move(run));
  }
  return texts;
}

std::vector<std::string> many_texts(std::uint64_t seed, int count) {
  std::vector<std::string> texts = tales();
  for (std::string& text : hard_texts()) texts.push_back(std::move(text));
  Random random(seed);
  std::vector<std::string> words;
  for (const std::string& tale : tales())
    for (std::size_t at = 0; at + 7 < tale.size(); at += 211)
      if (!invalid_utf8_offset(tale.substr(at, 7))) words.push_back(tale.substr(at, 7));
  for (int i = 0; i < count; ++i) texts.push_back(random_text(random, random.chance(50) ? kScripts : words));
  return texts;
}

TEST_F(SentencePieceReference, PublishedModels) {
  int found = 0;
  for (const char* name :
       {"third-party/tokenizers/llama2-tokenizer.model", "third-party/models/stories260K.tok512.model"}) {
    const auto path = test::shared_data(name);
    if (!path) continue;
    ++found;
    SCOPED_TRACE(name);
    std::vector<std::string> texts = many_texts(11, 2000);
    if (const auto wiki = test::shared_data("third-party/texts/wiki.test.raw")) {
      const std::string all = read_file(*wiki);
      for (std::size_t at = 0, line = 0; at < all.size(); ++line) {
        const std::size_t end = std::min(all.find('\n', at), all.size());
        texts.push_back(all.substr(at, end - at));
        at = end + 1;
      }
    }
    compare(read_file(*path), texts);
  }
  if (found == 0) GTEST_SKIP() << "third-party/tokenizers and third-party/models are not here";
}

class Sentences : public sentencepiece::SentenceIterator {
 public:
  explicit Sentences(const std::vector<std::string>& all) : all_(all) {}
  bool done() const override { return at_ == all_.size(); }
  void Next() override { ++at_; }
  const std::string& value() const override { return all_[at_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const std::vector<std::string>& all_;
  std::size_t at_ = 0;
};

// What the library's own trainer writes.
TEST_F(SentencePieceReference, TrainedModels) {
  std::vector<std::string> sentences;
  for (const std::string& tale : tales())
    for (std::size_t at = 0; at < tale.size();) {
      const std::size_t end = std::min(tale.find('\n', at), tale.size());
      sentences.push_back(tale.substr(at, end - at));
      at = end + 1;
    }
  using Options = std::unordered_map<std::string, std::string>;
  for (const char* type : {"bpe", "unigram"}) {
    for (const Options& more :
         {Options{},
          Options{{"byte_fallback", "true"}, {"split_digits", "true"}, {"remove_extra_whitespaces", "false"}},
          Options{{"treat_whitespace_as_suffix", "true"},
                  {"user_defined_symbols", "the,\u2581and,  ,\u00e9"}},
          Options{{"add_dummy_prefix", "false"},
                  {"split_by_whitespace", "false"},
                  {"character_coverage", "0.98"}}}) {
      Options options = more;
      options.insert({{"model_type", type},
                      {"vocab_size", "700"},
                      {"hard_vocab_limit", "false"},
                      {"normalization_rule_name", "identity"},
                      {"minloglevel", "2"}});
      Sentences iterator(sentences);
      std::string model;
      const auto status = sentencepiece::SentencePieceTrainer::Train(options, &iterator, &model);
      ASSERT_TRUE(status.ok()) << status.ToString();
      SCOPED_TRACE(fmt::format("{} {}", type, more.size()));
      compare(model, many_texts(12, 400));
      if (HasFatalFailure()) return;
    }
  }
}

// The library puts U+FFFD for bytes that are no UTF-8; strata refuses the text, whatever the tokenizer.
TEST_F(SentencePieceReference, InvalidUtf8IsRefused) {
  test::write_text(dir_.path() / "tokenizer.model", test::model_of({{"a", 0}}));
  const Tokenizer ours = Tokenizer::for_model(dir_.path());
  for (const char* text : {"a\xff", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\x80"})
    EXPECT_STRATA_ERROR(ours.encode(text, false), ErrorKind::bad_file, "invalid UTF-8");
}

}  // namespace
}  // namespace strata
