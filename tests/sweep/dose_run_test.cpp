// Lanes on a sample of the documents: the same numbers as on all of them, errors that are those of a sample,
// and further documents where, and only where, the order of the places asks for them.
#include "strata/sweep/dose_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "strata/sweep/cost.h"
#include "strata/sweep/measure.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"
#include "tests/sweep/random_corpus.h"

namespace strata {
namespace {

constexpr int kBlocks = 6, kDocuments = 12;

class SampledLanes : public testing::Test {
 protected:
  SampledLanes() {
    test::write_checkpoint(directory_.path(), {.layers = kBlocks});
    checkpoint_.emplace(Checkpoint::open(directory_.path()));
  }
  [[nodiscard]] MeasureInput input() const { return {.checkpoint = *checkpoint_, .corpus = corpus_}; }
  [[nodiscard]] static MeasureOptions options(std::vector<LaneShare> shares) {
    MeasureOptions options{.threads = 2, .lane_tokens = 64 * kDocuments, .label_samples = 1};
    options.signals = {"residual_rms"};
    options.interventions = {"block_skip", "weight_rounding"};
    options.shares = std::move(shares);
    return options;
  }
  [[nodiscard]] std::vector<DoseCurve> curves(const MeasureOptions& options) const {
    return measure(input(), options, {}).curves;
  }
  // Mean over the first n documents of the order, weighted by tokens (which are equal here), and the error of
  // a sample of n from all.
  struct Mean {
    double value = 0.0, error = 0.0;
  };
  static Mean mean_of(const std::vector<double>& values) {
    Mean mean;
    const auto n = static_cast<double>(values.size());
    for (const double x : values) mean.value += x / n;
    for (const double x : values) mean.error += (x - mean.value) * (x - mean.value) / (n - 1.0);
    mean.error = std::sqrt(mean.error / n * (1.0 - n / kDocuments));
    return mean;
  }
  static std::vector<double> column(const DoseCurve& curve, const std::vector<int>& documents) {
    std::vector<double> values;
    for (const int d : documents) values.push_back(curve.kl_nats(static_cast<std::size_t>(d), 0));
    return values;
  }

  test::TemporaryDirectory directory_;
  std::optional<Checkpoint> checkpoint_;
  Corpus corpus_ = test::random_corpus({.documents = kDocuments, .shortest = 64, .longest = 64});
};

TEST_F(SampledLanes, HaveTheBitsOfAllDocumentsWhereTheyRan) {
  const auto all = curves(options({}));
  const auto some =
      curves(options({{.intervention = "block_skip", .documents = 5},
                      {.intervention = "weight_rounding", .strengths = {1.0 / 7}, .documents = 3}}));
  std::vector<int> skipped;
  for (const DoseCurve& curve : some) {
    const bool skip = curve.intervention == "block_skip";
    ASSERT_EQ(curve.documents.size(), skip ? 5u : 3u);
    ASSERT_TRUE(std::is_sorted(curve.documents.begin(), curve.documents.end()));
    if (skip) skipped = curve.documents;
    const auto same = std::find_if(all.begin(), all.end(), [&](const DoseCurve& other) {
      return other.intervention == curve.intervention && other.place == curve.place;
    });
    ASSERT_NE(same, all.end());
    EXPECT_TRUE(same->documents.empty());
    EXPECT_TRUE(same->sampling_error.empty());
    ASSERT_EQ(curve.strength.size(), 1u);
    const auto s = static_cast<std::size_t>(
        std::find(same->strength.begin(), same->strength.end(), curve.strength[0]) - same->strength.begin());
    for (std::size_t d = 0; d < kDocuments; ++d) {
      const bool ran =
          std::binary_search(curve.documents.begin(), curve.documents.end(), static_cast<int>(d));
      EXPECT_EQ(std::isnan(curve.kl_nats(d, 0)), !ran);
      if (!ran) continue;
      EXPECT_EQ(curve.kl_nats(d, 0), same->kl_nats(d, s));
      EXPECT_EQ(curve.delta_nll_nats(d, 0), same->delta_nll_nats(d, s));
      EXPECT_EQ(curve.top1_agreement(d, 0), same->top1_agreement(d, s));
    }
    ASSERT_EQ(curve.sampling_error.size(), 1u);
    EXPECT_NEAR(curve.sampling_error[0], mean_of(column(curve, curve.documents)).error,
                1e-9 * curve.kl_nats(static_cast<std::size_t>(curve.documents[0]), 0));
  }
  // The fewer are among the more.
  for (const DoseCurve& curve : some) {
    EXPECT_TRUE(
        std::includes(skipped.begin(), skipped.end(), curve.documents.begin(), curve.documents.end()));
  }
}

TEST_F(SampledLanes, GoOnUntilTheOrderIsSettled) {
  const auto settled = curves(options({{.intervention = "block_skip", .documents = 3, .more = 1e18}}));
  std::vector<const DoseCurve*> ranked;
  for (const DoseCurve& curve : settled) {
    if (curve.intervention == "block_skip") ranked.push_back(&curve);
  }
  ASSERT_EQ(ranked.size(), static_cast<std::size_t>(kBlocks));
  std::vector<int> every;
  for (int d = 0; d < kDocuments; ++d) every.push_back(d);
  const auto documents = [&](const DoseCurve& c) { return c.documents.empty() ? every : c.documents; };
  const auto value = [&](const DoseCurve* c) { return mean_of(column(*c, documents(*c))).value; };
  std::sort(ranked.begin(), ranked.end(), [&](const auto* a, const auto* b) { return value(a) < value(b); });
  bool went_on = false, stopped = false;
  for (std::size_t i = 0; i + 1 < ranked.size(); ++i) {
    const auto a = documents(*ranked[i]), b = documents(*ranked[i + 1]);
    const auto& fewer = a.size() < b.size() ? a : b;
    went_on = went_on || fewer.size() > 3;
    stopped = stopped || fewer.size() < static_cast<std::size_t>(kDocuments);
    std::vector<double> apart = column(*ranked[i + 1], fewer);
    const auto below = column(*ranked[i], fewer);
    for (std::size_t d = 0; d < apart.size(); ++d) apart[d] -= below[d];
    const Mean mean = mean_of(apart);
    // Either clear, or both have every document.
    if (fewer.size() < static_cast<std::size_t>(kDocuments)) {
      EXPECT_GE(std::fabs(mean.value), 2.0 * mean.error) << i;
    }
  }
  EXPECT_TRUE(went_on);  // what the test is about must happen in it
  EXPECT_TRUE(stopped);
}

TEST_F(SampledLanes, SpendNoMoreThanTheirShare) {
  SweepContext context = make_context(checkpoint_->config(), corpus_);
  const auto sample = lane_sample(context, 64 * kDocuments);
  const auto tokens = static_cast<double>(tokens_of(sample)) / kDocuments;
  const double more = 5.0 * tokens * lane_token_flops(context, 2);
  const auto some =
      curves(options({{.intervention = "block_skip", .documents = 3, .more = more},
                      {.intervention = "weight_rounding", .strengths = {1.0 / 7}, .documents = 3}}));
  double spent = 0.0;
  for (const DoseCurve& curve : some) {
    if (curve.intervention == "weight_rounding") {
      EXPECT_EQ(curve.documents.size(), 3u);  // its own share has no more
      continue;
    }
    const std::size_t n = curve.documents.empty() ? kDocuments : curve.documents.size();
    spent += static_cast<double>(n - 3) * tokens * lane_token_flops(context, curve.place);
  }
  EXPECT_GT(spent, 0.0);
  EXPECT_LE(spent, more);
}

TEST_F(SampledLanes, DependOnNothingButTheRequest) {
  MeasureOptions o = options({{.intervention = "block_skip", .documents = 3, .more = 1e18},
                              {.intervention = "weight_rounding", .strengths = {1.0 / 7}, .documents = 4}});
  const auto wide = curves(o);
  o.threads = 1;
  o.batch = 1;
  o.lane_bytes = 1;  // a pass for each lane
  const auto narrow = curves(o);
  ASSERT_EQ(wide.size(), narrow.size());
  for (std::size_t i = 0; i < wide.size(); ++i) {
    EXPECT_EQ(wide[i].documents, narrow[i].documents);
    EXPECT_EQ(wide[i].sampling_error, narrow[i].sampling_error);
    for (std::size_t k = 0; k < wide[i].kl_nats.data.size(); ++k) {
      const double a = wide[i].kl_nats.data[k], b = narrow[i].kl_nats.data[k];
      EXPECT_TRUE(a == b || (std::isnan(a) && std::isnan(b)));
    }
  }
}

TEST_F(SampledLanes, TheBackwardSweepOnFewerDocumentsHasTheSameValuesThere) {
  MeasureOptions o = options({});
  o.signals = {"sensitivity"};
  o.interventions = {"none"};
  const Trace whole = measure(input(), o, {});
  o.backward_documents = 5;
  const Trace part = measure(input(), o, {});
  const Series *all = find_series(whole, "sensitivity", TokenSet::ordinary),
               *some = find_series(part, "sensitivity", TokenSet::ordinary);
  ASSERT_NE(all, nullptr);
  ASSERT_NE(some, nullptr);
  int there = 0;
  for (std::size_t d = 0; d < kDocuments; ++d) {
    if (std::isnan(some->by_doc(d, 0))) {
      EXPECT_EQ(some->weight[d], 0.0);
      continue;
    }
    ++there;
    for (std::size_t state = 0; state <= kBlocks; ++state)
      EXPECT_EQ(some->by_doc(d, state), all->by_doc(d, state));
  }
  EXPECT_EQ(there, 5);
}

}  // namespace
}  // namespace strata
