// adjacent_mi against the closed form of correlated Gaussians, and where a plain estimate fails: few rows,
// rows that resemble their neighbours, documents with means of their own, outliers, ties, equal states.
#include "strata/signals/adjacent_mi.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>

#include "strata/base/philox.h"
#include "strata/record/trace.h"
#include "tests/signals/correlated_rows.h"
#include "tests/signals/world.h"

namespace strata {
namespace {

using test::correlated;
using test::drive;
using test::kSpread;
using test::moved;
using test::Pair;
using test::plug_in;
using test::series;
using test::World;

double truth(std::size_t d, const std::function<double(std::size_t)>& rho) {
  double sum = 0.0;
  for (std::size_t k = 0; k < d; ++k) sum -= 0.5 * std::log(1.0 - rho(k) * rho(k));
  return sum;
}

// The task of the accumulator: states 0 and 1 of 32 documents of 128 tokens, all of them sampled. One more
// column holds a large constant: divided by their RMS the rows are then nearly what they are.
class AdjacentMi : public testing::Test {
 protected:
  void show(const Pair& pair) { show_rows(anchored(pair.x), anchored(pair.y)); }
  static Matrix anchored(const Matrix& m) {
    Matrix out(m.rows, m.cols + 1, 300.0);
    for (std::size_t i = 0; i < m.rows; ++i) std::copy(m.row(i).begin(), m.row(i).end(), out.row(i).begin());
    return out;
  }
  void show_rows(const Matrix& x, const Matrix& y) {
    for (std::size_t i = 0; i < x.rows; ++i) {
      for (std::size_t k = 0; k < x.cols; ++k) {
        world.row(0, static_cast<std::int64_t>(i))[k] = static_cast<float>(x(i, k));
        world.row(1, static_cast<std::int64_t>(i))[k] = static_cast<float>(y(i, k));
      }
    }
  }
  [[nodiscard]] Trace run(std::int64_t positions = 4096, int threads = 1) const {
    SweepContext context = world.context();
    context.positions = positions;
    context.threads = threads;
    return drive(world, context, adjacent_mi_signal());
  }
  static constexpr std::size_t kTokens = 4096, kWidth = 32;
  World world{1, kWidth + 1, std::vector<std::vector<int>>(32, {128})};
};

double value(const Trace& trace, const char* id = "adjacent_mi", TokenSet set = TokenSet::all) {
  return mean_over_documents(series(trace, id, set))[0];
}
double error(const Trace& trace, const char* id = "adjacent_mi", TokenSet set = TokenSet::all) {
  return standard_error(series(trace, id, set))[0];
}

TEST_F(AdjacentMi, CorrelatedGaussiansHaveTheirClosedForm) {
  for (const double strength : {0.3, 0.6, 0.9, 0.99, 0.9999}) {
    const auto rho = [=](std::size_t) { return strength; };
    show(correlated(kTokens, kWidth, rho, 2));
    const Trace trace = run();
    const double closed = truth(kWidth, rho);
    fmt::print("rho {}: {:.4f} +- {:.4f} nats, half the tokens {:.4f}, closed form {:.4f}\n", strength,
               value(trace), error(trace), value(trace, "adjacent_mi_half"), closed);
    EXPECT_NEAR(value(trace), closed, 0.05 * closed) << strength;
    // Near 1 the components of two finite samples differ by more than the noise: 1.5% at 0.9999.
    const double distance = std::fabs(value(trace) - closed);
    EXPECT_LT(distance, strength < 0.999 ? 5 * error(trace) : 0.02 * closed) << strength;
    EXPECT_NEAR(value(trace, "adjacent_mi_half"), closed,
                0.05 * closed + 5 * error(trace, "adjacent_mi_half"));
    EXPECT_NEAR(series(trace, "pca_share", TokenSet::all).by_doc(3, 0), 1.0, 1e-4);
  }
}

TEST_F(AdjacentMi, MixedCorrelationsAreFoundInEveryBasis) {
  const auto rho = [](std::size_t k) { return k % 3 == 0 ? 0.95 : k % 3 == 1 ? 0.4 : 0.0; };
  const Pair pair = correlated(kTokens, kWidth, rho, 3);
  const double closed = truth(kWidth, rho);
  show(pair);
  const Trace plain = run();
  EXPECT_NEAR(value(plain), closed, 0.05 * closed);
  // Another rotation and size of each state: the same directions, so the same ranks.
  show_rows(moved(anchored(pair.x), 40.0, 4, 0.0), moved(anchored(pair.y), 0.03, 5, 0.0));
  EXPECT_NEAR(value(run()), value(plain), 0.01 * closed);
}

TEST_F(AdjacentMi, IndependentStatesGiveZeroWhereThePlugInEstimateDoesNot) {
  for (const std::int64_t positions : {4096, 1024}) {
    const Pair pair = correlated(
        kTokens, kWidth, [](std::size_t) { return 0.0; }, 9);
    show(pair);
    const Trace trace = run(positions);
    Pair part{.x = Matrix(512, kWidth), .y = Matrix(512, kWidth)};
    std::copy_n(pair.x.data.begin(), part.x.data.size(), part.x.data.begin());
    std::copy_n(pair.y.data.begin(), part.y.data.size(), part.y.data.begin());
    fmt::print("independent, N = {}: {:.4f} +- {:.4f}; half {:.4f}; plug-in of 512 {:.3f}\n", positions,
               value(trace), error(trace), value(trace, "adjacent_mi_half"), plug_in(part.x, part.y));
    EXPECT_LT(std::fabs(value(trace)), 4 * error(trace));
    EXPECT_LT(error(trace), 0.1);
    EXPECT_LT(std::fabs(value(trace, "adjacent_mi_half")), 0.2);
    EXPECT_GT(plug_in(part.x, part.y), 0.9);  // p^2 / 2N = 1
  }
}

// Unrelated streams, each AR(1) along the text, and documents with means of their own.
TEST_F(AdjacentMi, WhatNeighboursAndDocumentsShareIsNotInformation) {
  Pair pair = correlated(
      kTokens, kWidth, [](std::size_t) { return 0.0; }, 10);
  Philox rng({.seed = 11, .stream = Stream::test});
  for (Matrix* m : {&pair.x, &pair.y}) {
    for (std::size_t k = 0; k < kWidth; ++k) {
      const double size = std::pow(kSpread, -static_cast<double>(k));
      double mean = 0.0;
      for (std::size_t i = 0; i < kTokens; ++i) {
        if (i % 128 == 0) mean = size * rng.normal();
        if (i % 128 != 0) (*m)(i, k) = 0.9 * (*m)(i - 1, k) + std::sqrt(1 - 0.81) * (*m)(i, k);
      }
      for (std::size_t i = 0; i < kTokens; ++i) {
        if (i % 128 == 0) mean = size * rng.normal();
        (*m)(i, k) += mean;
      }
    }
  }
  show(pair);
  const Trace trace = run();
  fmt::print("unrelated AR(1) streams with document means: {:.4f} +- {:.4f}; plug-in {:.3f}\n", value(trace),
             error(trace), plug_in(pair.x, pair.y));
  EXPECT_LT(std::fabs(value(trace)), 4 * error(trace));
  EXPECT_LT(error(trace), 0.5);
  EXPECT_GT(plug_in(pair.x, pair.y), 3.0);
}

// A token in a thousand is a hundred times larger, in each state another one.
TEST_F(AdjacentMi, OutliersCountNoMoreThanTheirRank) {
  const auto rho = [](std::size_t) { return 0.8; };
  Pair pair = correlated(kTokens, kWidth, rho, 12);
  const double closed = truth(kWidth, rho);
  Philox rng({.seed = 13, .stream = Stream::test});
  for (Matrix* m : {&pair.x, &pair.y}) {
    for (std::size_t i = 0; i < kTokens; ++i) {
      if (rng.below(1000) != 0) continue;
      for (double& v : m->row(i)) v *= 100.0 * rng.normal();
    }
  }
  // What a Gaussian without ranks says of the first pair of columns.
  double xx = 0.0, xy = 0.0, yy = 0.0;
  for (std::size_t i = 0; i < kTokens; ++i) {
    xx += pair.x(i, 0) * pair.x(i, 0);
    xy += pair.x(i, 0) * pair.y(i, 0);
    yy += pair.y(i, 0) * pair.y(i, 0);
  }
  const double plain = -0.5 * std::log(1 - xy * xy / (xx * yy)) * kWidth;
  show(pair);
  const Trace trace = run();
  fmt::print("outliers: {:.3f} +- {:.3f}, closed form {:.3f}, without ranks {:.3f}\n", value(trace),
             error(trace), closed, plain);
  EXPECT_NEAR(value(trace), closed, 0.1 * closed);
  EXPECT_LT(plain, 0.3 * closed);
}

// Sinks are massive in both states at once: with them in the sample the two share a direction.
TEST_F(AdjacentMi, OrdinaryNeverSeesSinks) {
  show(correlated(
      kTokens, kWidth, [](std::size_t) { return 0.0; }, 14));
  const Trace before = run();
  for (std::size_t w = 0; w < 32; ++w) {
    for (int state = 0; state < 2; ++state) {
      for (float& v : world.row(state, static_cast<std::int64_t>(w) * 128))
        v = 500.0f + static_cast<float>(w);
    }
  }
  const Trace after = run();
  for (const char* id : {"adjacent_mi", "adjacent_mi_half", "pca_share"}) {
    EXPECT_EQ(series(before, id, TokenSet::ordinary).by_doc, series(after, id, TokenSet::ordinary).by_doc)
        << id;
    EXPECT_EQ(series(before, id, TokenSet::all).by_doc == series(after, id, TokenSet::all).by_doc, false)
        << id;
  }
  EXPECT_EQ(series(after, "adjacent_mi", TokenSet::ordinary).weight, std::vector<double>(32, 127.0));
}

// What the next block reads: the size of a token does not matter, and rows that are divided by their RMS
// beforehand give the same.
TEST_F(AdjacentMi, IsOfRowsDividedByTheirRms) {
  const auto rho = [](std::size_t k) { return k % 2 == 0 ? 0.8 : 0.2; };
  const Pair pair = correlated(kTokens, kWidth, rho, 21);
  show(pair);
  const Trace before = run();
  Pair divided{.x = anchored(pair.x), .y = anchored(pair.y)};
  Philox rng({.seed = 22, .stream = Stream::test});
  Pair resized = divided;
  for (std::size_t i = 0; i < kTokens; ++i) {
    for (const auto& [from, to] : {std::pair{&divided.x, &resized.x}, {&divided.y, &resized.y}}) {
      const auto row = from->row(i);
      const double rms = std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0) / 33.0);
      const double size = 0.5 + rng.uniform();
      for (double& v : from->row(i)) v /= rms;
      for (double& v : to->row(i)) v *= size;
    }
  }
  show_rows(divided.x, divided.y);
  const Trace explicitly = run();
  show_rows(resized.x, resized.y);
  const Trace other_sizes = run();
  for (const char* id : {"adjacent_mi", "adjacent_mi_half", "pca_share"}) {
    EXPECT_NEAR(value(explicitly, id), value(before, id), 1e-3 * value(before, id)) << id;
    EXPECT_NEAR(value(other_sizes, id), value(before, id), 1e-3 * value(before, id)) << id;
  }
  // The rows themselves would say something else.
  EXPECT_GT(std::fabs(plug_in(resized.x, resized.y) - plug_in(anchored(pair.x), anchored(pair.y))), 0.5);
}

// Without a direction at one state a token has no place in any pair.
TEST_F(AdjacentMi, RowsOfZerosAreLeftOut) {
  show(correlated(
      kTokens, kWidth, [](std::size_t) { return 0.5; }, 23));
  const double before = value(run());
  for (const std::int64_t t : {5, 6, 300}) {
    for (float& v : world.row(1, t)) v = 0.0f;
  }
  const Trace trace = run();
  const auto& weight = series(trace, "adjacent_mi", TokenSet::all).weight;
  EXPECT_EQ(weight[0], 126.0);
  EXPECT_EQ(weight[1], 128.0);
  EXPECT_EQ(weight[2], 127.0);
  EXPECT_NEAR(value(trace), before, 0.02 * before);
}

TEST_F(AdjacentMi, ThreadsDoNotChangeABit) {
  show(correlated(
      kTokens, kWidth, [](std::size_t) { return 0.5; }, 15));
  EXPECT_EQ(series(run(2048, 1), "adjacent_mi", TokenSet::all).by_doc,
            series(run(2048, 3), "adjacent_mi", TokenSet::all).by_doc);
}

TEST_F(AdjacentMi, EqualStatesHaveNoFiniteInformation) {
  Pair pair = correlated(
      kTokens, kWidth, [](std::size_t) { return 0.0; }, 16);
  pair.y = pair.x;
  show(pair);
  const Trace trace = run();
  const Series& mi = series(trace, "adjacent_mi", TokenSet::all);
  EXPECT_TRUE(std::isnan(mi.by_doc(0, 0)));
  EXPECT_NE(mi.note.find("undefined at 1 block,"), std::string::npos) << mi.note;
}

// A state without directions says nothing; one with two is measured along those two.
TEST_F(AdjacentMi, FewDirectionsAreEnough) {
  const auto rho = [](std::size_t k) { return k < 2 ? 0.9 : 0.0; };
  Pair pair = correlated(kTokens, kWidth, rho, 17);
  for (std::size_t i = 0; i < kTokens; ++i) {
    for (std::size_t k = 2; k < kWidth; ++k) pair.x(i, k) = 0.0;
  }
  show(pair);
  EXPECT_NEAR(value(run()), truth(2, rho), 0.05 * truth(2, rho));
  for (double& v : pair.x.data) v = 3.0;
  show(pair);
  const Trace constant = run();
  EXPECT_EQ(value(constant), 0.0);
  EXPECT_TRUE(std::isnan(series(constant, "pca_share", TokenSet::all).by_doc(0, 0)));
  EXPECT_FALSE(std::isnan(series(constant, "pca_share", TokenSet::all).by_doc(0, 1)));
}

// Half is half of what was sampled, also of documents that are shorter than their share of the sample.
TEST_F(AdjacentMi, HalfOfShortDocumentsIsHalf) {
  show(correlated(
      kTokens, kWidth, [](std::size_t) { return 0.5; }, 20));
  const Trace trace = run(100'000);
  EXPECT_EQ(series(trace, "adjacent_mi", TokenSet::all).weight, std::vector<double>(32, 128.0));
  EXPECT_EQ(series(trace, "adjacent_mi_half", TokenSet::all).weight, std::vector<double>(32, 64.0));
}

TEST_F(AdjacentMi, TooFewTokensAreUndefinedWithANote) {
  show(correlated(
      kTokens, kWidth, [](std::size_t) { return 0.5; }, 18));
  World small(1, kWidth, std::vector<std::vector<int>>(7, {73}));  // 511 tokens
  small.fill_normal(1);
  const SweepContext context = small.context();
  const Trace trace = drive(small, context, adjacent_mi_signal());
  for (const char* id : {"adjacent_mi", "pca_share"}) {
    const Series& mi = series(trace, id, TokenSet::all);
    EXPECT_TRUE(std::isnan(mi.by_doc(0, 0)));
    EXPECT_EQ(mi.weight, std::vector<double>(7, 0.0));
    EXPECT_NE(mi.note.find("511 sampled tokens, at least 512"), std::string::npos) << mi.note;
  }
}

// A search that is given up happens on one thread at a time: of room for it and three searches, three
// threads.
TEST(AdjacentMiPlan, ThreadsShareTheRoomForASearchThatIsGivenUp) {
  World world(1, 800, std::vector<std::vector<int>>(8, {128}));
  SweepContext context = world.context();
  context.threads = 16;
  const Signal signal = adjacent_mi_signal();
  const std::uint64_t each = signal.finish_bytes(context), once = signal.finish_once_bytes(context);
  EXPECT_GT(once, (5u * 800u * 800u - 1024u * 800u) * 8u / 2u);
  context.finish_bytes = once + 3 * each;
  EXPECT_EQ(context.finish_threads(each, once), 3);
  context.finish_bytes = once / 2;
  EXPECT_EQ(context.finish_threads(each, once), 1);
}

TEST(AdjacentMiPlan, MemoryCountsRowsAndScores) {
  World world(3, 16, std::vector<std::vector<int>>(8, {128}));
  SweepContext context = world.context();
  context.positions = 512;
  context.threads = 2;
  // 512 rows at 4 states: 16 floats, 32 scores and two sums, all three times (two sets, and their halves); a
  // worker has 512 x 16 in both types and 5 of 16 x 16.
  const Signal signal = adjacent_mi_signal();
  const Signal* const wanted[] = {&signal, &signal};
  // Rows once, and a byte for each that says whether it is zero anywhere.
  EXPECT_EQ(accumulator_bytes(wanted, context), 4u * 512u * (16u * 4u + 2u * 3u * 34u * 8u) + 512u);
  EXPECT_EQ(signal.finish_bytes(context), 512u * 16u * 12u + 5u * 256u * 8u);
  EXPECT_EQ(signal.finish_once_bytes(context), 0u);  // no search
  context.place.spilled = true;
  EXPECT_EQ(accumulator_bytes(wanted, context), 4u * 512u * 2u * 3u * 34u * 8u + 512u);
}

}  // namespace
}  // namespace strata
