// A part of the text, and its tokens in another order.
#include "strata/corpus/shuffle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace strata {
namespace {

constexpr std::int32_t kBos = 7;

// `documents` of `windows` windows of `length` tokens; ids are all different but for the prefix.
Corpus text(int documents, int windows, int length, int prefix) {
  Corpus corpus{.name = "text", .prefix_tokens = prefix};
  std::int32_t next = 100;
  for (int d = 0; d < documents; ++d) {
    corpus.documents.push_back({.name = std::to_string(d)});
    for (int w = 0; w < windows; ++w) {
      Window window{.document = d, .index = w, .ids = {}};
      window.ids.assign(static_cast<std::size_t>(prefix), kBos);
      while (static_cast<int>(window.ids.size()) < length) window.ids.push_back(next++);
      corpus.windows.push_back(window);
    }
  }
  return corpus;
}

std::vector<std::int32_t> tokens_of(const Corpus& corpus, int document) {
  std::vector<std::int32_t> all;
  for (const Window& w : corpus.windows) {
    if (w.document == document) all.insert(all.end(), w.ids.begin(), w.ids.end());
  }
  return all;
}

TEST(Shuffle, PermutesWithinDocumentsAndKeepsPositionZero) {
  for (const int prefix : {0, 1, 3}) {
    const Corpus corpus = text(3, 2, 80, prefix);
    const Corpus shuffled = shuffle_tokens(corpus, 1);
    const auto fixed = static_cast<std::size_t>(std::max(1, prefix));
    ASSERT_EQ(shuffled.windows.size(), corpus.windows.size());
    std::size_t moved = 0, over_windows = 0;
    for (std::size_t w = 0; w < corpus.windows.size(); ++w) {
      const auto &before = corpus.windows[w].ids, &after = shuffled.windows[w].ids;
      ASSERT_EQ(after.size(), before.size());
      for (std::size_t t = 0; t < fixed; ++t) EXPECT_EQ(after[t], before[t]);
      for (std::size_t t = fixed; t < after.size(); ++t) {
        moved += after[t] != before[t] ? 1 : 0;
        over_windows += std::find(before.begin(), before.end(), after[t]) == before.end() ? 1 : 0;
      }
    }
    EXPECT_GT(moved, 6 * 70u);
    EXPECT_GT(over_windows, 100u);  // half of them
    for (int d = 0; d < 3; ++d) {
      auto before = tokens_of(corpus, d), after = tokens_of(shuffled, d);
      std::sort(before.begin(), before.end());
      std::sort(after.begin(), after.end());
      EXPECT_EQ(after, before);
    }
  }
}

TEST(Shuffle, TheSeedDecidesAndDocumentsAreIndependent) {
  const Corpus corpus = text(3, 2, 80, 1);
  EXPECT_EQ(tokens_of(shuffle_tokens(corpus, 1), 1), tokens_of(shuffle_tokens(corpus, 1), 1));
  EXPECT_NE(tokens_of(shuffle_tokens(corpus, 1), 1), tokens_of(shuffle_tokens(corpus, 2), 1));
  Corpus fewer = corpus;
  fewer.documents.resize(2);
  fewer.windows.resize(4);
  EXPECT_EQ(tokens_of(shuffle_tokens(fewer, 1), 1), tokens_of(shuffle_tokens(corpus, 1), 1));
  // Two documents with the same tokens do not get the same order.
  Corpus twice = corpus;
  for (std::size_t w = 0; w < 2; ++w) twice.windows[2 + w].ids = twice.windows[w].ids;
  const Corpus shuffled = shuffle_tokens(twice, 1);
  EXPECT_NE(tokens_of(shuffled, 0), tokens_of(shuffled, 1));
}

TEST(Shuffle, EveryPositionIsEquallyLikely) {
  const Corpus corpus = text(1, 1, 65, 0);
  std::map<std::int32_t, int> at_ten;
  constexpr int kTrials = 6400;
  for (int seed = 0; seed < kTrials; ++seed)
    ++at_ten[shuffle_tokens(corpus, static_cast<std::uint64_t>(seed)).windows[0].ids[10]];
  double chi = 0.0;
  for (std::int32_t id = 101; id < 165; ++id) chi += (at_ten[id] - 100.0) * (at_ten[id] - 100.0) / 100.0;
  EXPECT_LT(chi, 63 + 4 * 11.2);  // 63 degrees of freedom, four standard deviations
}

TEST(SampleWindows, TakesWindowsInTurnUpToTheTokens) {
  const Corpus corpus = text(20, 3, 100, 1);
  const Corpus sample = sample_windows(corpus, {.documents = 8, .tokens = 1050});
  ASSERT_EQ(sample.documents.size(), 8u);
  EXPECT_EQ(sample.token_count(), 1000);  // the eleventh window would be too much
  EXPECT_EQ(sample.documents[0].name, "0");
  EXPECT_EQ(sample.documents[1].name, "2");
  EXPECT_EQ(sample.documents[7].name, "17");
  for (int d = 0; d < 8; ++d) EXPECT_EQ(tokens_of(sample, d).size(), d < 2 ? 200u : 100u) << d;
  for (std::size_t w = 1; w < sample.windows.size(); ++w)
    EXPECT_LE(sample.windows[w - 1].document, sample.windows[w].document);
  EXPECT_EQ(sample.windows[1].index, 1);
  EXPECT_EQ(sample.prefix_tokens, 1);
  // Fewer tokens than documents reach: the others are no part of it.
  const Corpus small = sample_windows(corpus, {.documents = 8, .tokens = 250});
  EXPECT_EQ(small.documents.size(), 2u);
  EXPECT_EQ(sample_windows(corpus, {.tokens = 1}).windows.size(), 1u);
  const Corpus whole = sample_windows(corpus, {});
  EXPECT_EQ(whole.token_count(), corpus.token_count());
  EXPECT_EQ(tokens_of(whole, 19), tokens_of(corpus, 19));
}

TEST(SampleWindows, CutsWithTheirPrefix) {
  const Corpus corpus = text(2, 1, 300, 2);
  const Corpus sample = sample_windows(corpus, {.window = 128});
  ASSERT_EQ(sample.windows.size(), 4u);  // 126 + 126 of 298; the last 46 are too short
  for (const Window& w : sample.windows) {
    EXPECT_EQ(w.ids.size(), 128u);
    EXPECT_EQ(w.ids[0], kBos);
    EXPECT_EQ(w.ids[1], kBos);
    EXPECT_NE(w.ids[2], kBos);
  }
  EXPECT_EQ(sample.windows[1].index, 1);
  EXPECT_EQ(sample.windows[1].ids[2], sample.windows[0].ids[127] + 1);
  EXPECT_EQ(sample_windows(text(1, 1, 128, 0), {.window = 128}).windows.size(), 1u);
}

}  // namespace
}  // namespace strata
