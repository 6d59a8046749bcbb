// Groups of short documents (--pack separate): lanes take several windows of a group, and a group's value is
// the mean over the tokens of its documents.
#include <gtest/gtest.h>

#include "strata/sweep/lanes.h"
#include "strata/sweep/measure.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"
#include "tests/sweep/random_corpus.h"

namespace strata {
namespace {

class Groups : public testing::Test {
 protected:
  Groups() {
    test::write_checkpoint(directory_.path(), {});
    checkpoint_.emplace(Checkpoint::open(directory_.path()));
    groups_ = test::random_corpus({.documents = 4, .windows = 3, .shortest = 2, .longest = 20});
    alone_ = groups_;
    alone_.documents.clear();
    for (std::size_t w = 0; w < alone_.windows.size(); ++w) {
      alone_.windows[w].document = static_cast<int>(w);
      alone_.windows[w].index = 0;
      alone_.documents.push_back({.name = std::to_string(w)});
    }
    for (CorpusDocument& document : groups_.documents) document.is_group = true;
  }
  Trace run(const Corpus& corpus) const {
    MeasureOptions options;
    options.threads = 2;
    options.interventions = {"block_skip"};
    options.signals = {"block_influence", "sensitivity"};
    return measure({.checkpoint = *checkpoint_, .corpus = corpus, .tokenizer = nullptr}, options, nullptr);
  }
  test::TemporaryDirectory directory_;
  std::optional<Checkpoint> checkpoint_;
  Corpus groups_, alone_;
};

TEST_F(Groups, LanesTakeWindowsUpToTheShare) {
  const SweepContext context = make_context(checkpoint_->config(), groups_);
  const auto all = lane_sample(context, 2048);
  EXPECT_EQ(all.size(), groups_.windows.size());  // a share of 512 has room for them all
  std::int64_t tokens = 0;
  for (const LaneWindow& lane : all) tokens += lane.tokens;
  EXPECT_EQ(tokens, context.token_count());
  Corpus long_groups = test::random_corpus({.documents = 2, .windows = 9, .shortest = 20, .longest = 30});
  for (CorpusDocument& document : long_groups.documents) document.is_group = true;
  const SweepContext wide = make_context(checkpoint_->config(), long_groups);
  const auto some = lane_sample(wide, 200);  // 100 tokens of each
  std::vector<std::int64_t> taken(2, 0);
  for (const LaneWindow& lane : some)
    taken[static_cast<std::size_t>(long_groups.windows[lane.window].document)] += lane.tokens;
  EXPECT_GE(taken[0], 99);  // one token alone would not be scored
  EXPECT_LE(taken[0], 100);
  EXPECT_LE(taken[1], 100);
}

TEST_F(Groups, AGroupsValueIsTheMeanOverItsTokens) {
  const Trace grouped = run(groups_), alone = run(alone_);
  const auto scored = [&](std::size_t w) { return static_cast<double>(alone_.windows[w].ids.size()) - 1.0; };
  const auto mean = [&](std::size_t document, const auto& value) {
    double sum = 0.0, weight = 0.0;
    for (std::size_t w = 3 * document; w < 3 * document + 3; ++w) {
      sum += scored(w) * value(w);
      weight += scored(w);
    }
    return sum / weight;
  };
  ASSERT_EQ(grouped.curves.size(), alone.curves.size());
  ASSERT_GT(grouped.curves.size(), 0u);
  for (std::size_t c = 0; c < grouped.curves.size(); ++c) {
    for (std::size_t d = 0; d < 4; ++d) {
      const double expected = mean(d, [&](std::size_t w) { return alone.curves[c].kl_nats(w, 0); });
      EXPECT_NEAR(grouped.curves[c].kl_nats(d, 0), expected, 1e-12 + 1e-9 * expected);
    }
  }
  int compared = 0;
  for (std::size_t s = 0; s < grouped.series.size(); ++s) {
    const Series &of_groups = grouped.series[s], &of_windows = alone.series[s];
    if (of_groups.note.find("backward sweep") == std::string::npos) continue;
    ++compared;
    for (std::size_t d = 0; d < 4; ++d) {
      const double expected = mean(d, [&](std::size_t w) { return of_windows.by_doc(w, 1); });
      EXPECT_NEAR(of_groups.by_doc(d, 1), expected, 1e-9 * expected) << of_groups.id;
    }
  }
  EXPECT_GT(compared, 0);
  for (std::size_t d = 0; d < 4; ++d) {
    EXPECT_EQ(grouped.documents[d].windows, 3);
    EXPECT_EQ(grouped.documents[d].lane_tokens, grouped.documents[d].tokens);
  }
}

}  // namespace
}  // namespace strata
