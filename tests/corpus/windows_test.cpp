// Documents to windows: sizes, prefixes, what is dropped, and the choice of a part.
#include <gtest/gtest.h>

#include <numeric>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/npy.h"
#include "strata/corpus/corpus.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

// The trained tokenizers split digits one by one, so "777" is three tokens: exact sizes by hand.
std::string digits(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += static_cast<char>('0' + i % 10);
  return text;
}

class Windows : public testing::Test {
 protected:
  Tokenizer with_bos_ = Tokenizer::from_directory(test::repo_path("models/llama-nano"));
  Tokenizer plain_ = Tokenizer::from_directory(test::repo_path("models/qwen2-nano"));
};

std::vector<std::size_t> sizes(const Corpus& corpus) {
  std::vector<std::size_t> result;
  for (const auto& window : corpus.windows) result.push_back(window.ids.size());
  return result;
}

using Sizes = std::vector<std::size_t>;
using Places = std::vector<std::pair<int, int>>;

Places places(const Corpus& corpus) {
  Places result;
  for (const auto& window : corpus.windows) result.emplace_back(window.document, window.index);
  return result;
}

TEST_F(Windows, CutsWithoutBos) {
  const Corpus corpus = make_corpus({{"a", digits(100 + 100 + 64)}}, "n", plain_, {.context = 100});
  EXPECT_EQ(sizes(corpus), (Sizes{100, 100, 64}));
  EXPECT_EQ(places(corpus), (Places{{0, 0}, {0, 1}, {0, 2}}));
  EXPECT_EQ(corpus.token_count(), 264);
  EXPECT_EQ(corpus.documents[0].dropped_tokens, 0);
  EXPECT_EQ(corpus.documents[0].bytes, 264);
  EXPECT_EQ(corpus.name, "n");
  EXPECT_TRUE(corpus.notes.empty());
  EXPECT_NE(corpus.bos_policy.find("no BOS"), std::string::npos);
  std::vector<std::int32_t> joined;
  for (const auto& window : corpus.windows) joined.insert(joined.end(), window.ids.begin(), window.ids.end());
  EXPECT_EQ(joined, plain_.encode(digits(264), false));
}

TEST_F(Windows, EveryWindowBeginsWithThePrefix) {
  const Corpus corpus = make_corpus({{"a", digits(99 + 99 + 63)}}, "n", with_bos_, {.context = 100});
  EXPECT_EQ(sizes(corpus), (Sizes{100, 100, 64}));
  std::vector<std::int32_t> joined;
  for (const auto& window : corpus.windows) {
    EXPECT_EQ(window.ids[0], 4095);
    joined.insert(joined.end(), window.ids.begin() + 1, window.ids.end());
  }
  EXPECT_EQ(joined, with_bos_.encode(digits(261), false));
  EXPECT_EQ(corpus.bos_policy, "each window begins with <|endoftext|> (4095); EOS is never added");
}

TEST_F(Windows, AShortTailIsDroppedAndCounted) {
  EXPECT_EQ(sizes(make_corpus({{"a", digits(163)}}, "n", plain_, {.context = 100})), (Sizes{100}));
  EXPECT_EQ(make_corpus({{"a", digits(163)}}, "n", plain_, {.context = 100}).documents[0].dropped_tokens, 63);
  const Corpus bos = make_corpus({{"a", digits(99 + 62)}}, "n", with_bos_, {.context = 100});
  EXPECT_EQ(sizes(bos), (Sizes{100}));
  EXPECT_EQ(bos.documents[0].dropped_tokens, 62);  // the text's own tokens, no BOS
}

TEST_F(Windows, ShortDocumentsAreLeftOutWithANote) {
  const Corpus corpus = make_corpus(
      {{"s", digits(63)}, {"long", digits(64)}, {"t", "hi"}, {"last", digits(70)}}, "n", plain_, {});
  EXPECT_EQ(places(corpus), (Places{{0, 0}, {1, 0}}));
  EXPECT_EQ(corpus.documents[0].name, "long");
  EXPECT_EQ(corpus.documents[1].name, "last");
  ASSERT_EQ(corpus.notes.size(), 1u);
  EXPECT_NE(corpus.notes[0].find("s (63 tokens), t ("), std::string::npos) << corpus.notes[0];
  // With BOS the same 63 tokens make a window of 64.
  EXPECT_EQ(sizes(make_corpus({{"s", digits(63)}}, "n", with_bos_, {})), (Sizes{64}));
}

TEST_F(Windows, TextsBelowTheShortestWindowAreMeasuredWithANote) {
  const Corpus one = make_corpus({{"s", digits(63)}}, "t.txt", plain_, {});
  EXPECT_EQ(sizes(one), (Sizes{63}));
  ASSERT_EQ(one.notes.size(), 1u);
  EXPECT_NE(one.notes[0].find("the text has only 63 tokens"), std::string::npos) << one.notes[0];
  EXPECT_EQ(one.documents[0].dropped_tokens, 0);
  const Corpus two = make_corpus({{"s", digits(20)}, {"t", digits(40)}, {"u", "1"}}, "t.txt", plain_, {});
  EXPECT_EQ(sizes(two), (Sizes{20, 40}));
  EXPECT_NE(two.notes.at(0).find("the longest of 2 has 40"), std::string::npos) << two.notes[0];
  EXPECT_NE(two.notes[0].find("--pack"), std::string::npos);
  EXPECT_EQ(sizes(make_corpus({{"s", "1"}}, "t.txt", with_bos_, {})), (Sizes{2}));
  // A long document that comes later sends the short ones away again.
  EXPECT_EQ(sizes(make_corpus({{"s", digits(63)}, {"long", digits(64)}}, "n", plain_, {})), (Sizes{64}));
}

TEST_F(Windows, NothingLeftSaysHowMuchThereWas) {
  EXPECT_STRATA_ERROR(make_corpus({{"s", "1"}}, "t.txt", plain_, {}), ErrorKind::bad_file,
                      "t.txt: 1 token; expected at least 2");
  EXPECT_STRATA_ERROR(make_corpus({{"s", "1"}, {"t", "2"}}, "t.txt", plain_, {}), ErrorKind::bad_file,
                      "1 token in the longest of 2 documents; expected at least 2");
  EXPECT_STRATA_ERROR(make_corpus({}, "t.txt", plain_, {}), ErrorKind::bad_file, "0 tokens");
}

TEST_F(Windows, AShortContextHasShorterWindows) {
  EXPECT_EQ(sizes(make_corpus({{"a", digits(80)}}, "n", plain_, {.context = 32})), (Sizes{32, 32}));
  EXPECT_EQ(sizes(make_corpus({{"a", digits(5)}}, "n", plain_, {.context = 2})), (Sizes{2, 2}));
}

TEST_F(Windows, ATextThatDoesNotFitInMemoryIsRefusedBeforeItIsEncoded) {
  const std::string megabyte = digits(1 << 20);
  EXPECT_STRATA_ERROR(make_corpus({{"a", megabyte}}, "n", plain_, {.memory_bytes = 1 << 21}),
                      ErrorKind::out_of_memory, "mem_limit: text and token ids need more than");
  EXPECT_EQ(make_corpus({{"a", megabyte}}, "n", plain_, {.memory_bytes = 1 << 24}).token_count(), 1 << 20);
  // Windows that --chunks will not keep are forgotten on the way.
  const std::vector<RawDocument> many(64, {"a", digits(1 << 16)});
  const CorpusOptions few{.context = 64, .chunks = 8, .memory_bytes = 3 << 20};
  const Corpus corpus = make_corpus(many, "n", plain_, few);
  EXPECT_EQ(corpus.windows.size(), 8u);
  EXPECT_EQ(corpus.notes.at(0), "8 of 65536 windows used");
  EXPECT_EQ(corpus.windows[7].document, 7);
  EXPECT_STRATA_ERROR(make_corpus(many, "n", plain_, {.context = 64, .memory_bytes = 3 << 20}),
                      ErrorKind::out_of_memory, "mem_limit");
}

TEST_F(Windows, ManyLeftOutDocumentsAreCountedNotListed) {
  std::vector<RawDocument> documents(20, {"s", "hi"});
  documents.push_back({"long", digits(64)});
  const Corpus corpus = make_corpus(documents, "n", plain_, {});
  EXPECT_NE(corpus.notes.at(0).find("and 12 more"), std::string::npos) << corpus.notes[0];
}

TEST_F(Windows, ChunksGoRoundTheDocuments) {
  const std::vector<RawDocument> documents = {{"a", digits(256)}, {"b", digits(128)}, {"c", digits(192)}};
  const auto chosen = [&](int chunks) {
    return places(make_corpus(documents, "n", plain_, {.context = 64, .chunks = chunks}));
  };
  EXPECT_EQ(chosen(0), (Places{{0, 0}, {0, 1}, {0, 2}, {0, 3}, {1, 0}, {1, 1}, {2, 0}, {2, 1}, {2, 2}}));
  EXPECT_EQ(chosen(100), chosen(0));
  EXPECT_EQ(chosen(4), (Places{{0, 0}, {0, 1}, {1, 0}, {2, 0}}));
  EXPECT_EQ(chosen(7), (Places{{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {2, 0}, {2, 1}}));
  const Corpus two = make_corpus(documents, "n", plain_, {.context = 64, .chunks = 2});
  EXPECT_EQ(places(two), (Places{{0, 0}, {1, 0}}));
  EXPECT_EQ(two.documents.size(), 2u);  // c has no window left
  ASSERT_EQ(two.notes.size(), 2u);
  EXPECT_EQ(two.notes[0], "2 of 9 windows used");
}

TEST_F(Windows, LimitTakesTheFirstDocuments) {
  const std::vector<RawDocument> documents = {{"a", digits(64)}, {"b", digits(64)}, {"c", digits(64)}};
  const Corpus corpus = make_corpus(documents, "n", plain_, {.limit = 2});
  EXPECT_EQ(corpus.documents.size(), 2u);
  EXPECT_EQ(corpus.notes.at(0), "the first 2 of 3 documents used");
  EXPECT_EQ(make_corpus(documents, "n", plain_, {.limit = 9}).documents.size(), 3u);
  EXPECT_TRUE(make_corpus(documents, "n", plain_, {.limit = 3}).notes.empty());
}

TEST_F(Windows, EqualDocumentsAreNamed) {
  const auto warning = [&](const std::vector<RawDocument>& documents, const CorpusOptions& options) {
    return equal_documents_warning(make_corpus(documents, "n", plain_, options));
  };
  const std::string a = digits(70), b = digits(80), c = digits(90);
  EXPECT_EQ(warning({{"a", a}, {"b", b}, {"c", c}}, {}), "");
  EXPECT_NE(warning({{"a", a}, {"b", b}, {"copy", a}, {"c", c}, {"d", b}, {"e", b}}, {})
                .find("byte for byte: 5 of 6 (a = copy; b = d = e); they are resampled"),
            std::string::npos);
  // Only documents that are used: one that is too short, or beyond the limit, is no copy.
  EXPECT_EQ(warning({{"a", a}, {"s", "hi"}, {"t", "hi"}}, {}), "");
  EXPECT_EQ(warning({{"a", a}, {"b", b}, {"copy", a}}, {.limit = 2}), "");
  EXPECT_NE(warning({{"a", a}, {"copy", a}}, {.context = 64, .chunks = 2}).find("2 of 2 (a = copy)"),
            std::string::npos);
  std::vector<RawDocument> many(40, {"x", a});
  EXPECT_NE(warning(many, {}).find("40 of 40 (x = x = "), std::string::npos);
  EXPECT_NE(warning(many, {}).find(" = 24 more);"), std::string::npos) << warning(many, {});
}

TEST_F(Windows, OptionsAreChecked) {
  const std::vector<RawDocument> documents = {{"a", digits(64)}};
  EXPECT_STRATA_ERROR(make_corpus(documents, "n", plain_, {.context = 1}), ErrorKind::usage, "context: 1");
  EXPECT_STRATA_ERROR(make_corpus(documents, "n", plain_, {.context = -1}), ErrorKind::usage, "at least 2");
  EXPECT_STRATA_ERROR(make_corpus(documents, "n", plain_, {.chunks = -1}), ErrorKind::usage, "chunks");
  EXPECT_STRATA_ERROR(make_corpus(documents, "n", plain_, {.limit = -1}), ErrorKind::usage, "limit");
  EXPECT_STRATA_ERROR(make_corpus({{"a.txt", "ab\xff"}}, "n", plain_, {}), ErrorKind::bad_file,
                      "a.txt: invalid UTF-8 at byte 2");
}

TEST_F(Windows, DigestSeesNamesContentsAndTheirBorders) {
  const auto digest = [&](const std::vector<RawDocument>& documents) {
    return make_corpus(documents, "n", plain_, {}).sha256;
  };
  const std::string text = digits(70);
  EXPECT_EQ(digest({{"a", text}}), digest({{"a", text}}));
  EXPECT_NE(digest({{"a", text}}), digest({{"b", text}}));
  EXPECT_NE(digest({{"a", text}}), digest({{"a", text + "1"}}));
  EXPECT_NE(digest({{"a0", text}}), digest({{"a", "0" + text}}));
  EXPECT_NE(digest({{"a", text}, {"b", text}}), digest({{"b", text}, {"a", text}}));
}

class Ids : public testing::Test {
 protected:
  std::filesystem::path put(const NpyArray& array) {
    write_file_atomic(dir_.path() / "ids.npy", format_npy(array));
    return dir_.path() / "ids.npy";
  }
  static std::vector<std::int32_t> counting(int count) {
    std::vector<std::int32_t> ids(static_cast<std::size_t>(count));
    std::iota(ids.begin(), ids.end(), 0);
    return ids;
  }
  test::TemporaryDirectory dir_;
};

TEST_F(Ids, UsedAsTheyAre) {
  const auto path = put({{300}, counting(300)});
  const Corpus corpus = corpus_from_ids(path, 300, {.context = 100});
  EXPECT_EQ(sizes(corpus), (Sizes{100, 100, 100}));
  EXPECT_EQ(corpus.windows[1].ids[0], 100);
  EXPECT_EQ(corpus.windows[2].ids[99], 299);
  EXPECT_EQ(corpus.documents.at(0).name, "ids.npy");
  EXPECT_EQ(sizes(corpus_from_ids(path, 300, {.context = 256})), (Sizes{256}));
  EXPECT_EQ(corpus_from_ids(path, 300, {.context = 256}).documents[0].dropped_tokens, 44);
  EXPECT_EQ(sizes(corpus_from_ids(path, 300, {.context = 100, .chunks = 2})), (Sizes{100, 100}));
}

TEST_F(Ids, BothWidthsAreTheSameCorpus) {
  const Corpus narrow = corpus_from_ids(put({{64}, counting(64)}), 300, {});
  std::vector<std::int64_t> wide(64);
  std::iota(wide.begin(), wide.end(), 0);
  const Corpus other = corpus_from_ids(put({{64}, wide}), 300, {});
  EXPECT_EQ(narrow.windows[0].ids, other.windows[0].ids);
  EXPECT_EQ(narrow.sha256, other.sha256);
  wide[1] = 7;
  EXPECT_NE(corpus_from_ids(put({{64}, wide}), 300, {}).sha256, other.sha256);
}

TEST_F(Ids, EachErrorIsNamed) {
  const auto bad = [&](const NpyArray& array, const char* message) {
    EXPECT_STRATA_ERROR(corpus_from_ids(put(array), 100, {}), ErrorKind::bad_file, message);
    EXPECT_STRATA_ERROR(corpus_from_ids(put(array), 100, {}), ErrorKind::bad_file, "ids.npy: ");
  };
  bad({{101}, counting(101)}, "id 100 at position 100; expected ids in [0, 100)");
  auto negative = counting(80);
  negative[3] = -1;
  bad({{80}, negative}, "id -1 at position 3");
  bad({{1}, std::vector<std::int64_t>{1ll << 32}}, "id 4294967296 at position 0");
  bad({{80}, std::vector<float>(80)}, "floating-point");
  bad({{80}, std::vector<double>(80)}, "floating-point");
  bad({{2, 4, 10}, counting(80)}, "3 dimensions");
  bad({{}, counting(1)}, "0 dimensions");
  bad({{1}, counting(1)}, "1 token; expected at least 2");
  bad({{0}, counting(0)}, "0 tokens");
  bad({{0, 5}, counting(0)}, "empty text");
  EXPECT_STRATA_ERROR(corpus_from_ids(dir_.path() / "no.npy", 100, {}), ErrorKind::usage, "no.npy");
  EXPECT_STRATA_ERROR(corpus_from_ids(put({{64}, counting(64)}), 100, {.context = 1}), ErrorKind::usage,
                      "context");
}

TEST_F(Windows, TheTalesGiveEveryDocument) {
  const auto documents = read_documents(test::repo_path("texts/tales"), "");
  const Corpus corpus = make_corpus(documents, "tales", with_bos_, {.context = 256});
  EXPECT_EQ(corpus.documents.size(), 16u);
  std::int64_t content = 0, expected = 0, dropped = 0;
  for (const auto& window : corpus.windows) content += static_cast<std::int64_t>(window.ids.size()) - 1;
  for (const auto& document : documents)
    expected += static_cast<std::int64_t>(with_bos_.encode(document.text, false).size());
  for (const auto& document : corpus.documents) dropped += document.dropped_tokens;
  EXPECT_EQ(content + dropped, expected);
}

}  // namespace
}  // namespace strata
