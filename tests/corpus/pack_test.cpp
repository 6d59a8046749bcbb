// Short documents in packs: who shares one, what the windows hold, and that a pack is a whole number of
// documents.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "strata/corpus/corpus.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

using WindowIds = std::vector<std::int32_t>;
constexpr std::int32_t kVocab = 1 << 20;

// Documents of given lengths; the ids tell which document and position they are of.
std::vector<RawDocument> of_lengths(const std::vector<int>& lengths) {
  std::vector<RawDocument> documents;
  for (std::size_t d = 0; d < lengths.size(); ++d) {
    RawDocument document{.name = "d" + std::to_string(d), .text = {}, .ids = std::vector<std::int64_t>{}};
    for (int i = 0; i < lengths[d]; ++i) document.ids->push_back(static_cast<std::int64_t>(d) * 1000 + i);
    documents.push_back(std::move(document));
  }
  return documents;
}

Corpus corpus_of(std::vector<RawDocument> documents, const CorpusOptions& options) {
  CorpusBuilder builder("n", options, kVocab, []() -> const Tokenizer& {
    throw Error(ErrorKind::bad_file, {.where = "no text here"});
  });
  for (RawDocument& document : documents) builder.add(std::move(document));
  return builder.finish();
}

std::vector<std::pair<int, std::size_t>> windows(const Corpus& corpus) {
  std::vector<std::pair<int, std::size_t>> result;
  for (const Window& window : corpus.windows) result.emplace_back(window.document, window.ids.size());
  return result;
}
using WindowList = std::vector<std::pair<int, std::size_t>>;

TEST(Pack, SeparateDocumentsKeepTheirOwnWindows) {
  const Corpus corpus =
      corpus_of(of_lengths({40, 30, 45, 20}), {.context = 100, .packing = Packing::separate});
  // First fit: 40 + 30 + 20; 45 does not fill half a window and is no pack of its own.
  EXPECT_EQ(windows(corpus), (WindowList{{0, 40}, {0, 30}, {0, 20}}));
  EXPECT_EQ(corpus.windows[2].index, 2);
  EXPECT_EQ(corpus.windows[2].ids[0], 3000);
  ASSERT_EQ(corpus.documents.size(), 1u);
  EXPECT_EQ(corpus.documents[0].name, "3 documents, d0 to d3");
  EXPECT_NE(corpus.notes.at(0).find("3 documents shorter than a window in 1 packs"), std::string::npos);
  EXPECT_NE(corpus.notes.at(1).find("1 document"), std::string::npos);
  EXPECT_NE(corpus.bos_policy.find("packed, separate"), std::string::npos);
}

TEST(Pack, ConcatenatedDocumentsShareAWindow) {
  const Corpus corpus =
      corpus_of(of_lengths({40, 30, 50, 20, 45}), {.context = 100, .packing = Packing::concatenated});
  EXPECT_EQ(windows(corpus), (WindowList{{0, 90}, {1, 95}}));
  EXPECT_EQ(corpus.windows[0].ids[40], 1000);
  EXPECT_EQ(corpus.windows[0].ids[70], 3000);
  EXPECT_EQ(corpus.documents[1].name, "2 documents, d2 to d4");
  EXPECT_NE(corpus.bos_policy.find("packed, concatenated"), std::string::npos);
}

TEST(Pack, LongDocumentsAreCutAsEver) {
  for (const Packing packing : {Packing::separate, Packing::concatenated}) {
    const Corpus corpus = corpus_of(of_lengths({40, 270, 30}), {.context = 100, .packing = packing});
    std::map<int, std::size_t> tokens;
    for (const Window& window : corpus.windows) tokens[window.document] += window.ids.size();
    EXPECT_EQ(tokens, (std::map<int, std::size_t>{{0, 70}, {1, 270}}));
    EXPECT_EQ(corpus.documents[1].name, "d1");
  }
}

TEST(Pack, TheTokenizersBosBeginsEveryDocumentOrEveryWindow) {
  const Tokenizer tokenizer = Tokenizer::from_directory(test::repo_path("models/llama-nano"));
  const std::vector<RawDocument> documents(9, {"s", std::string(9, '7')});
  const Corpus separate =
      make_corpus(documents, "n", tokenizer, {.context = 100, .packing = Packing::separate});
  ASSERT_EQ(separate.windows.size(), 9u);
  for (const Window& window : separate.windows) {
    EXPECT_EQ(window.ids.size(), 10u);
    EXPECT_EQ(window.ids[0], 4095);
  }
  const Corpus joined =
      make_corpus(documents, "n", tokenizer, {.context = 100, .packing = Packing::concatenated});
  ASSERT_EQ(joined.windows.size(), 1u);
  EXPECT_EQ(joined.windows[0].ids.size(), 82u);
  EXPECT_EQ(std::count(joined.windows[0].ids.begin(), joined.windows[0].ids.end(), 4095), 1);
  ASSERT_EQ(joined.warnings.size(), 1u);  // nine times the same text
  EXPECT_NE(joined.warnings[0].find("byte for byte: 9 (such as s = s)"), std::string::npos);
}

TEST(Pack, WithoutGroupsEveryDocumentIsOneOfTheRecord) {
  const Corpus corpus = corpus_of(of_lengths({40, 2, 1, 100, 7}),
                                  {.context = 100, .packing = Packing::separate, .groups = false});
  EXPECT_EQ(windows(corpus), (WindowList{{0, 40}, {1, 2}, {2, 100}, {3, 7}}));
  EXPECT_EQ(corpus.documents[3].name, "d4");
  EXPECT_NE(corpus.notes.at(1).find("d2 (1 tokens)"), std::string::npos) << corpus.notes.at(1);
}

// Any lengths: no document is torn, shared or lost, packs stay within the context, and the same text gives
// the same packs.
TEST(Pack, PacksArePartitionsOfTheDocuments) {
  Philox rng({.seed = 7});
  for (int trial = 0; trial < 40; ++trial) {
    std::vector<int> lengths(1 + rng.below(400));
    for (int& length : lengths) length = 2 + static_cast<int>(rng.below(120));
    for (const Packing packing : {Packing::separate, Packing::concatenated}) {
      const CorpusOptions options{.context = 100, .packing = packing};
      const Corpus corpus = corpus_of(of_lengths(lengths), options);
      EXPECT_EQ(corpus_of(of_lengths(lengths), options).sha256, corpus.sha256);
      std::map<int, int> pack_of, seen;
      std::map<int, std::size_t> tokens;
      for (const Window& window : corpus.windows) {
        EXPECT_LE(window.ids.size(), 100u);
        tokens[window.document] += window.ids.size();
        for (const std::int32_t id : window.ids) {
          const int document = id / 1000;
          EXPECT_EQ(id % 1000, seen[document]++);  // in order, once
          EXPECT_TRUE(pack_of.emplace(document, window.document).first->second == window.document);
        }
      }
      for (const auto& [document, count] : seen) {
        const int length = lengths[static_cast<std::size_t>(document)];
        if (length <= 100) {
          EXPECT_EQ(count, length);
        }
      }
      std::size_t left_out = 0;
      for (std::size_t d = 0; d < lengths.size(); ++d) left_out += seen.contains(static_cast<int>(d)) ? 0 : 1;
      // Of one pack, each of two tokens or more.
      if (corpus.documents.size() > 1) {
        EXPECT_LT(left_out, 25u);
      }
      for (const auto& [document, count] : tokens) {
        if (corpus.documents.size() > 1) {
          EXPECT_GE(count, 50u);
        }
      }
    }
  }
}

TEST(Pack, UnknownModesAreRefused) {
  EXPECT_STRATA_ERROR((void)parse_packing("joined"), ErrorKind::usage, "pack: 'joined'");
  EXPECT_EQ(parse_packing(""), Packing::none);
}

}  // namespace
}  // namespace strata
