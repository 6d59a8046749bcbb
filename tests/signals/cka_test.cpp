// Unbiased HSIC against its formula, and CKA through the accumulator on data whose answer is known.
#include "strata/signals/cka.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "strata/base/philox.h"
#include "strata/signals/hsic.h"
#include "tests/signals/world.h"

namespace strata {
namespace {

using test::drive;
using test::series;
using test::World;

Matrix normal_rows(std::size_t n, std::size_t d, std::uint64_t seed, std::uint32_t stream = 0) {
  Philox rng({.seed = seed, .stream = Stream::test, .a = stream});
  Matrix x(n, d);
  for (double& v : x.data) v = rng.normal();
  return x;
}

double inner(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

BatchGrams grams_of(const std::vector<Matrix>& states) {
  BatchGrams grams{.n = states[0].rows, .upper = {}};
  for (const Matrix& x : states) {
    std::vector<double>& upper = grams.upper.emplace_back();
    for (std::size_t i = 0; i < x.rows; ++i) {
      for (std::size_t j = i + 1; j < x.rows; ++j) upper.push_back(inner(x.row(i), x.row(j)));
    }
  }
  return grams;
}

std::vector<std::size_t> every_row(std::size_t n) {
  std::vector<std::size_t> rows(n);
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  return rows;
}

// Song et al. 2012, eq. 5, with K~ and L~ the Gram matrices without their diagonals:
// [tr(K~ L~) + 1'K~1 1'L~1 / ((n-1)(n-2)) - 2 / (n-2) 1'K~L~1] / (n (n-3)).
double direct_hsic(const Matrix& x, const Matrix& y) {
  const std::size_t rows = x.rows;
  const auto n = static_cast<double>(rows);
  Matrix k(rows, rows), l(rows, rows);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < rows; ++j) {
      if (i == j) continue;
      k(i, j) = inner(x.row(i), x.row(j));
      l(i, j) = inner(y.row(i), y.row(j));
    }
  }
  double trace = 0, sum_k = 0, sum_l = 0, product = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < rows; ++j) {
      trace += k(i, j) * l(j, i);
      sum_k += k(i, j);
      sum_l += l(i, j);
      for (std::size_t m = 0; m < rows; ++m) product += k(i, m) * l(m, j);
    }
  }
  return (trace + sum_k * sum_l / ((n - 1) * (n - 2)) - 2 / (n - 2) * product) / (n * (n - 3));
}

TEST(Hsic, MatchesTheFormulaOfSongEtAl) {
  for (const auto& [n, d] : {std::pair<std::size_t, std::size_t>{4, 3}, {7, 40}, {30, 5}, {30, 100}}) {
    const Matrix x = normal_rows(n, d, 1), noise = normal_rows(n, d, 2);
    Matrix y = x;
    for (std::size_t i = 0; i < y.data.size(); ++i) y.data[i] = 2.0 + 0.5 * x.data[i] + noise.data[i];
    Matrix hsic(2, 2);
    EXPECT_EQ(add_unbiased_hsic(grams_of({x, y}), every_row(n), 4, hsic), n);
    const auto rows = static_cast<double>(n);
    const auto expect = [&](double ours, const Matrix& a, const Matrix& b) {
      const double direct = rows * direct_hsic(a, b);
      EXPECT_NEAR(ours, direct, 1e-10 * (1.0 + std::fabs(direct))) << n << " " << d;
    };
    expect(hsic(0, 0), x, x);
    expect(hsic(0, 1), x, y);
    expect(hsic(1, 1), y, y);
    EXPECT_EQ(hsic(0, 1), hsic(1, 0));
  }
}

TEST(Hsic, SelectedRowsEqualRecomputation) {
  const Matrix x = normal_rows(24, 9, 3), y = normal_rows(24, 9, 4);
  const std::vector<std::size_t> rows = {0, 1, 4, 5, 9, 13, 14, 20, 23};
  Matrix some_x(rows.size(), 9), some_y(rows.size(), 9);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::copy_n(x.row(rows[i]).begin(), 9, some_x.row(i).begin());
    std::copy_n(y.row(rows[i]).begin(), 9, some_y.row(i).begin());
  }
  Matrix selected(2, 2), again(2, 2);
  EXPECT_EQ(add_unbiased_hsic(grams_of({x, y}), rows, 4, selected), rows.size());
  EXPECT_EQ(add_unbiased_hsic(grams_of({some_x, some_y}), every_row(rows.size()), 4, again), rows.size());
  EXPECT_EQ(selected, again);
}

TEST(Hsic, SmallBatchesAddNothing) {
  Matrix hsic(1, 1);
  const BatchGrams grams = grams_of({normal_rows(12, 3, 5)});
  EXPECT_EQ(add_unbiased_hsic(grams, every_row(7), 8, hsic), 0u);
  EXPECT_EQ(add_unbiased_hsic(grams, every_row(3), 1, hsic), 0u);
  EXPECT_EQ(hsic(0, 0), 0.0);
}

// The plain estimator is biased by about d / N; this one must be 0 on average, d > N included.
TEST(Hsic, IndependentGaussiansGiveZero) {
  for (const std::size_t d : {std::size_t{6}, std::size_t{120}}) {
    constexpr int kDraws = 200;
    double sum = 0, square = 0;
    for (int draw = 0; draw < kDraws; ++draw) {
      const auto seed = static_cast<std::uint64_t>(draw);
      Matrix hsic(2, 2);
      add_unbiased_hsic(grams_of({normal_rows(32, d, seed, 1), normal_rows(32, d, seed, 2)}), every_row(32),
                        4, hsic);
      const double cka = cka_from_hsic(hsic)(0, 1);
      sum += cka;
      square += cka * cka;
    }
    const double mean = sum / kDraws, error = std::sqrt((square / kDraws - mean * mean) / kDraws);
    EXPECT_LT(std::fabs(mean), 4 * error) << d;
    EXPECT_LT(error, 0.02) << d;
  }
}

TEST(Hsic, RotationShiftAndScaleGiveOne) {
  const std::size_t n = 40, d = 12;
  const Matrix x = normal_rows(n, d, 6), v = normal_rows(1, d, 7);
  Matrix y(n, d);
  for (std::size_t i = 0; i < n; ++i) {  // a Householder reflection, times 3, plus 5
    const double along = 2 * inner(x.row(i), v.row(0)) / inner(v.row(0), v.row(0));
    for (std::size_t j = 0; j < d; ++j) y(i, j) = 5 + 3 * (x(i, j) - along * v(0, j));
  }
  Matrix hsic(2, 2);
  add_unbiased_hsic(grams_of({x, y}), every_row(n), 4, hsic);
  EXPECT_NEAR(cka_from_hsic(hsic)(0, 1), 1.0, 1e-9);
}

TEST(Hsic, SelfTermThatIsNotPositiveIsUndefined) {
  Matrix hsic(2, 2, 1.0);
  hsic(1, 1) = -1e-3;
  const Matrix cka = cka_from_hsic(hsic);
  EXPECT_TRUE(std::isnan(cka(0, 1)));
  EXPECT_TRUE(std::isnan(cka(1, 0)));
}

// Unrelated streams, one per state, each AR(1) along the tokens of a window.
void fill_ar1(World& world, double rho, std::uint64_t seed) {
  const SweepContext context = world.context();
  const double fresh = std::sqrt(1 - rho * rho);
  for (int state = 0; state <= world.config.n_layers; ++state) {
    Philox rng({.seed = seed, .stream = Stream::test, .a = static_cast<std::uint32_t>(state)});
    for (std::size_t w = 0; w < world.corpus.windows.size(); ++w) {
      for (std::int64_t t = context.first_token[w]; t < context.first_token[w + 1]; ++t) {
        for (int i = 0; i < world.config.hidden; ++i) {
          const auto at = static_cast<std::size_t>(i);
          const double before = t == context.first_token[w] ? 0.0 : world.row(state, t - 1)[at];
          const double scale = t == context.first_token[w] ? 1.0 : fresh;
          world.row(state, t)[at] = static_cast<float>(rho * before + scale * rng.normal());
        }
      }
    }
  }
}

// What the design avoids: every position of one window as one batch.
double within_window_cka(const World& world) {
  const SweepContext context = world.context();
  Matrix hsic(2, 2);
  for (std::size_t w = 0; w < world.corpus.windows.size(); ++w) {
    const auto n = static_cast<std::size_t>(context.tokens_in(w));
    std::vector<Matrix> states(2, Matrix(n, static_cast<std::size_t>(world.config.hidden)));
    for (std::size_t s = 0; s < 2; ++s) {
      const auto& from = world.states[s];
      std::copy_n(from.begin() + context.first_token[w] * world.config.hidden, states[s].data.size(),
                  states[s].data.begin());
    }
    add_unbiased_hsic(grams_of(states), every_row(n), 4, hsic);
  }
  return cka_from_hsic(hsic)(0, 1);
}

TEST(Cka, SerialDependenceWithinWindowsIsNotAgreement) {
  constexpr int kWorlds = 6;
  double sum = 0, square = 0, within = 0;
  for (int i = 0; i < kWorlds; ++i) {
    World world(1, 96, std::vector<std::vector<int>>(32, {128}));
    fill_ar1(world, 0.9, static_cast<std::uint64_t>(i));
    const SweepContext context = world.context();
    const Trace trace = drive(world, context, cka_signal());
    const CkaRecord* cka = find_cka(trace, TokenSet::all);
    ASSERT_EQ(cka->n_tokens, 4096);
    ASSERT_EQ(cka->n_batches, 128);
    EXPECT_TRUE(cka->note.empty());
    EXPECT_LT(std::fabs(cka->value(0, 1)), 4 * series(trace, "cka_shift", TokenSet::all).joint_error[0]);
    sum += cka->value(0, 1);
    square += cka->value(0, 1) * cka->value(0, 1);
    if (i == 0) within = within_window_cka(world);
  }
  const double mean = sum / kWorlds;
  const double error = std::sqrt((square / kWorlds - mean * mean) / (kWorlds - 1));
  fmt::print("unrelated AR(1), rho 0.9: across windows {:.4f} +- {:.4f}, within windows {:.3f}\n", mean,
             error, within);
  EXPECT_LT(std::fabs(mean), 4 * error);
  EXPECT_LT(error, 0.02);
  EXPECT_GT(within, 0.8);
}

// Unrelated states in which every document has a mean of its own: rows of one document resemble each other
// in both, although the states have nothing in common.
class DocumentMeans : public testing::Test {
 protected:
  static constexpr int kHidden = 48, kWindows = 5;
  explicit DocumentMeans(std::size_t documents = 24)
      : world(1, kHidden, std::vector<std::vector<int>>(documents, std::vector<int>(kWindows, 64))) {
    world.fill_normal(21);
    const SweepContext context = world.context();
    for (std::size_t s = 0; s < 2; ++s) {
      Philox rng({.seed = 22, .stream = Stream::test, .a = static_cast<std::uint32_t>(s)});
      std::vector<float> mean(kHidden);
      for (std::size_t d = 0; d < documents; ++d) {
        rng.fill_normal(mean);
        for (std::size_t i = d * kWindows * 64 * kHidden; i < (d + 1) * kWindows * 64 * kHidden; ++i) {
          world.states[s][i] += mean[i % kHidden];
        }
      }
    }
  }
  World world;
};

TEST_F(DocumentMeans, DoNotCountAsAgreement) {
  const SweepContext context = world.context();
  const Trace trace = drive(world, context, cka_signal());
  const CkaRecord* cka = find_cka(trace, TokenSet::all);
  double sum = 0.0;
  for (const Matrix& m : cka->replicates) sum += m(0, 1);
  const double error = series(trace, "cka_shift", TokenSet::all).joint_error[0];
  const double mean = sum / static_cast<double>(cka->replicates.size());
  // The same positions with every window in one batch.
  std::vector<Matrix> together(2, Matrix(world.corpus.windows.size(), kHidden));
  for (std::size_t s = 0; s < 2; ++s) {
    for (std::size_t w = 0; w < together[s].rows; ++w) {
      const auto row = world.row(static_cast<int>(s), context.first_token[w] + 7);
      std::copy(row.begin(), row.end(), together[s].row(w).begin());
    }
  }
  Matrix hsic(2, 2);
  add_unbiased_hsic(grams_of(together), every_row(together[0].rows), 4, hsic);
  fmt::print(
      "unrelated document means: {:.4f} +- {:.4f}, half-samples {:.4f}; all windows in a batch {:.3f}\n",
      cka->value(0, 1), error, mean, cka_from_hsic(hsic)(0, 1));
  EXPECT_LT(std::fabs(cka->value(0, 1)), 4 * error);
  EXPECT_LT(error, 0.06);
  EXPECT_NEAR(mean, cka->value(0, 1), 0.5 * error);
  EXPECT_GT(cka_from_hsic(hsic)(0, 1), 0.2);
  EXPECT_EQ(cka->note.find("one document"), std::string::npos);
}

class FewDocumentMeans : public DocumentMeans {
 protected:
  FewDocumentMeans() : DocumentMeans(5) {}
};

TEST_F(FewDocumentMeans, AreSaidToShareBatches) {
  const SweepContext context = world.context();
  const Trace trace = drive(world, context, cka_signal());
  EXPECT_NE(find_cka(trace, TokenSet::all)->note.find("several windows of one document"), std::string::npos);
}

// State 1 = state 0 + noise of the same size; 24 documents of unequal length.
class CkaSample : public testing::Test {
 protected:
  static std::vector<std::vector<int>> windows() {
    std::vector<std::vector<int>> all;
    for (int d = 0; d < 24; ++d) all.push_back(d % 3 == 0 ? std::vector<int>{70, 64} : std::vector<int>{80});
    return all;
  }
  CkaSample() {
    world.fill_normal(9);
    for (std::size_t i = 0; i < world.states[1].size(); ++i) world.states[1][i] += world.states[0][i];
  }
  World world{2, 10, windows()};
};

TEST_F(CkaSample, MatrixIsSymmetricWithUnitDiagonalAndShiftsAreItsSteps) {
  const SweepContext context = world.context();
  const Trace trace = drive(world, context, cka_signal());
  for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
    const CkaRecord* cka = find_cka(trace, set, StateScale::raw);
    ASSERT_EQ(cka->value.rows, 3u);
    for (std::size_t k = 0; k < 3; ++k) {
      EXPECT_EQ(cka->value(k, k), 1.0);
      for (std::size_t l = 0; l < 3; ++l) EXPECT_EQ(cka->value(k, l), cka->value(l, k));
    }
    const Series& shift = series(trace, "cka_shift_raw", set);
    for (std::size_t l = 0; l < 2; ++l) {
      EXPECT_EQ(shift.joint[l], 1.0 - cka->value(l, l + 1));
      EXPECT_EQ(series(trace, "cka_shift", set).joint[l], 1.0 - find_cka(trace, set)->value(l, l + 1));
    }
    // Linear CKA of X and X + noise of the same size: |C_xy|^2 / (|C_xx| |C_yy|) = 1 / 2.
    EXPECT_NEAR(cka->value(0, 1), 0.5, 4 * shift.joint_error[0]);
    EXPECT_LT(shift.joint_error[0], 0.05);
    EXPECT_NEAR(cka->value(0, 2), 0.0, 4 * shift.joint_error[0] + 0.05);
  }
}

TEST_F(CkaSample, MeanOfHalfSamplesIsTheFullValue) {
  const SweepContext context = world.context();
  const Trace trace = drive(world, context, cka_signal());
  const CkaRecord* cka = find_cka(trace, TokenSet::ordinary);
  ASSERT_EQ(cka->replicates.size(), 200u);
  for (const auto& [k, l] : {std::pair<std::size_t, std::size_t>{0, 1}, {1, 2}, {0, 2}}) {
    double sum = 0, square = 0;
    for (const Matrix& m : cka->replicates) {
      sum += m(k, l);
      square += m(k, l) * m(k, l);
    }
    const double mean = sum / 200, spread = std::sqrt(square / 200 - mean * mean);
    fmt::print("CKA({}, {}) = {:.4f}; half-samples {:.4f} +- {:.4f}\n", k, l, cka->value(k, l), mean, spread);
    // 200 half-samples know their mean to spread / 14; a bootstrap with copies would be off by 0.3.
    EXPECT_NEAR(mean, cka->value(k, l), 0.4 * spread);
    EXPECT_GT(spread, 0.0);
  }
}

TEST_F(CkaSample, OrdinaryNeverSeesSinks) {
  const SweepContext context = world.context();
  const Trace before = drive(world, context, cka_signal());
  for (const std::int64_t first : context.first_token) {
    if (first == context.token_count()) continue;
    for (int state = 0; state < 3; ++state) {
      for (float& v : world.row(state, first)) v = 20.0f * static_cast<float>(first % 7 + 1);
    }
  }
  const Trace after = drive(world, context, cka_signal());
  EXPECT_EQ(find_cka(before, TokenSet::ordinary)->value, find_cka(after, TokenSet::ordinary)->value);
  EXPECT_EQ(find_cka(before, TokenSet::ordinary)->replicates,
            find_cka(after, TokenSet::ordinary)->replicates);
  EXPECT_GT(find_cka(after, TokenSet::all, StateScale::raw)->value(0, 2), 0.5);
  EXPECT_EQ(find_cka(before, TokenSet::all)->value == find_cka(after, TokenSet::all)->value, false);
  const auto windows = static_cast<std::int64_t>(world.corpus.windows.size());
  EXPECT_EQ(find_cka(after, TokenSet::all)->n_tokens - find_cka(after, TokenSet::ordinary)->n_tokens,
            windows);
}

double largest_difference(const Matrix& a, const Matrix& b) {
  double largest = 0.0;
  for (std::size_t i = 0; i < a.data.size(); ++i)
    largest = std::max(largest, std::fabs(a.data[i] - b.data[i]));
  return largest;
}

// The rows divided by their RMS beforehand, by the raw estimator; and tokens of other sizes.
TEST_F(CkaSample, IsOfRowsDividedByTheirRms) {
  Philox rng({.seed = 31, .stream = Stream::test});
  for (std::vector<float>& state : world.states) {
    for (std::size_t i = 0; i < state.size(); i += 10) {
      const auto size = static_cast<float>(std::exp(3.0 * rng.uniform() - 1.5));
      for (std::size_t k = i; k < i + 10; ++k) state[k] *= size;
    }
  }
  const SweepContext context = world.context();
  const Trace sized = drive(world, context, cka_signal());
  for (std::vector<float>& state : world.states) {
    for (std::size_t i = 0; i < state.size(); i += 10) {
      const double square = std::inner_product(&state[i], &state[i] + 10, &state[i], 0.0);
      for (std::size_t k = i; k < i + 10; ++k) state[k] /= static_cast<float>(std::sqrt(square / 10));
    }
  }
  const Trace divided = drive(world, context, cka_signal());
  for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
    const CkaRecord& primary = *find_cka(sized, set);
    const CkaRecord& explicitly = *find_cka(divided, set, StateScale::raw);
    EXPECT_EQ(primary.scale, StateScale::token_rms);
    EXPECT_EQ(explicitly.scale, StateScale::raw);
    EXPECT_EQ(primary.n_tokens, explicitly.n_tokens);
    EXPECT_LT(largest_difference(primary.value, explicitly.value), 1e-6);
    EXPECT_LT(largest_difference(primary.value, find_cka(divided, set)->value), 1e-6);
    ASSERT_EQ(primary.replicates.size(), explicitly.replicates.size());
    EXPECT_LT(largest_difference(primary.replicates[7], explicitly.replicates[7]), 1e-6);
    EXPECT_GT(largest_difference(primary.value, find_cka(sized, set, StateScale::raw)->value), 0.05);
    const Series& shift = series(sized, "cka_shift", set);
    EXPECT_EQ(joint_replicate(sized, shift, 7)[1], 1.0 - primary.replicates[7](1, 2));
    EXPECT_EQ(joint_replicate(sized, series(sized, "cka_shift_raw", set), 7)[1],
              1.0 - find_cka(sized, set, StateScale::raw)->replicates[7](1, 2));
  }
}

TEST_F(CkaSample, RowsOfZerosAreLeftOutOfThePrimaryMatrix) {
  const SweepContext context = world.context();
  const auto tokens = [&](StateScale scale) {
    return find_cka(drive(world, context, cka_signal()), TokenSet::all, scale)->n_tokens;
  };
  const std::int64_t before = tokens(StateScale::token_rms);
  EXPECT_EQ(before, tokens(StateScale::raw));
  for (float& v : world.row(1, context.first_token[4])) v = 0.0f;  // every position is sampled
  EXPECT_EQ(tokens(StateScale::token_rms), before - 1);
  EXPECT_EQ(tokens(StateScale::raw), before);
}

// Everything happens in two documents: a half-sample without either of them has nothing to compare.
TEST(Cka, UndefinedHalfSamplesAreCountedInTheNote) {
  World world(1, 4, std::vector<std::vector<int>>(16, {64}));
  for (auto& state : world.states) std::fill(state.begin(), state.end(), 0.0f);
  for (int state = 0; state <= 1; ++state) {
    for (std::int64_t t = 0; t < 2 * 64; ++t) world.set(state, t, {1, 2, 0, 0});
  }
  const SweepContext context = world.context();
  const Trace trace = drive(world, context, cka_signal());
  const CkaRecord* cka = find_cka(trace, TokenSet::all, StateScale::raw);
  EXPECT_NEAR(cka->value(0, 1), 1.0, 1e-9);
  EXPECT_GT(cka->replicates.size(), 20u);
  EXPECT_LT(cka->replicates.size(), 100u);  // both documents in a quarter of the half-samples
  const std::string words = fmt::format("{} of 200 half-samples are undefined", 200 - cka->replicates.size());
  EXPECT_NE(cka->note.find(words), std::string::npos) << cka->note;
}

TEST(Cka, FewWindowsAreUndefinedWithANote) {
  for (const int windows : {15, 16}) {
    World world(1, 8, std::vector<std::vector<int>>(static_cast<std::size_t>(windows), {64}));
    world.fill_normal(1);
    const SweepContext context = world.context();
    const Trace trace = drive(world, context, cka_signal());
    for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
      const bool defined = windows == 16;
      EXPECT_EQ(find_cka(trace, set)->value.rows, defined ? 2u : 0u);
      EXPECT_EQ(find_cka(trace, set)->replicates.empty(), !defined);
      EXPECT_EQ(std::isnan(series(trace, "cka_shift", set).joint[0]), !defined);
      const char* words = defined ? "a small sample" : "15 windows, at least 16";
      EXPECT_NE(find_cka(trace, set)->note.find(words), std::string::npos) << find_cka(trace, set)->note;
      EXPECT_EQ(series(trace, "cka_shift", set).note, find_cka(trace, set)->note);
    }
  }
}

}  // namespace
}  // namespace strata
