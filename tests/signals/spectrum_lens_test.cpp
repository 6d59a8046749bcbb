// matrix_entropy against closed forms and singular values; the logit lens against logits by hand.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "strata/base/philox.h"
#include "strata/linalg/decompose.h"
#include "strata/model/head.h"
#include "strata/signals/lens.h"
#include "strata/signals/lens_passage.h"
#include "strata/signals/matrix_entropy.h"
#include "strata/signals/spectrum.h"
#include "tests/signals/world.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"

namespace strata {
namespace {

using test::drive;
using test::series;
using test::World;

using Rows = std::vector<std::vector<double>>;

Matrix gram(const Rows& rows) {
  Matrix g(rows.size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < rows.size(); ++j) {
      for (std::size_t k = 0; k < rows[i].size(); ++k) g(i, j) += rows[i][k] * rows[j][k];
    }
  }
  return g;
}

double entropy_of(const Rows& rows) {
  return matrix_entropy(gram(rows), rows[0].size());
}

Rows normal(std::size_t n, std::size_t d, std::uint64_t seed, double offset = 0.0) {
  Philox rng({.seed = seed, .stream = Stream::test});
  Rows rows(n, std::vector<double>(d));
  for (auto& row : rows) {
    for (double& v : row) v = offset + rng.normal();
  }
  return rows;
}

std::vector<double> axis(std::size_t d, std::size_t i, double value) {
  std::vector<double> row(d, 0.0);
  row[i] = value;
  return row;
}

// From the singular values of the centred, normalised rows themselves.
double entropy_by_singular_values(Rows rows) {
  const std::size_t n = rows.size(), d = rows[0].size();
  Matrix flat(n, d);
  for (std::size_t k = 0; k < d; ++k) {
    double mean = 0.0;
    for (const auto& row : rows) mean += row[k] / static_cast<double>(n);
    for (auto& row : rows) row[k] -= mean;
  }
  for (std::size_t i = 0; i < n; ++i) {
    double square = 0.0;
    for (const double v : rows[i]) square += v * v;
    for (std::size_t k = 0; k < d; ++k) flat(i, k) = rows[i][k] / std::sqrt(square * static_cast<double>(n));
  }
  double entropy = 0.0;
  for (const double s : linalg::singular_values(flat).values) {
    const double lambda = s * s;
    if (lambda > 0.0) entropy -= lambda * std::log(lambda);
  }
  return entropy / std::log(static_cast<double>(std::min(n, d)));
}

TEST(MatrixEntropy, MatchesSingularValues) {
  for (const auto& [n, d] : {std::pair<std::size_t, std::size_t>{40, 12}, {12, 40}, {64, 64}}) {
    Rows rows = normal(n, d, 1, 0.7);
    for (auto& row : rows) {
      for (std::size_t k = 0; k < d; ++k) row[k] *= std::pow(0.9, static_cast<double>(k));
    }
    EXPECT_NEAR(entropy_of(rows), entropy_by_singular_values(rows), 1e-10) << n << " " << d;
  }
}

TEST(MatrixEntropy, IsotropicRowsGiveOne) {
  Rows cross;  // +-e_i: mean 0, all directions equal
  for (std::size_t i = 0; i < 6; ++i) {
    cross.push_back(axis(6, i, 2.0));
    cross.push_back(axis(6, i, -2.0));
  }
  EXPECT_NEAR(entropy_of(cross), 1.0, 1e-12);
  Rows simplex;  // centring takes one of its n directions
  for (std::size_t i = 0; i < 10; ++i) simplex.push_back(axis(30, i, 1.0));
  EXPECT_NEAR(entropy_of(simplex), std::log(9.0) / std::log(10.0), 1e-12);
  EXPECT_NEAR(entropy_of(normal(256, 8, 2)), 1.0, 0.02);
  EXPECT_NEAR(entropy_of(normal(64, 1024, 3)), 1.0, 0.02);
}

TEST(MatrixEntropy, RankOneGivesZeroAndEqualRowsAreUndefined) {
  Rows line;
  for (int i = 0; i < 20; ++i) line.push_back({i % 3 == 0 ? -1.0 : 1.0, i % 3 == 0 ? -2.0 : 2.0, 0.0});
  EXPECT_NEAR(entropy_of(line), 0.0, 1e-9);
  Rows clusters;  // two points: one direction after centring
  for (int i = 0; i < 20; ++i)
    clusters.push_back(i % 2 == 0 ? std::vector{3.0, 1.0, 0.0} : std::vector{0.0, 1.0, 5.0});
  EXPECT_NEAR(entropy_of(clusters), 0.0, 1e-9);
  EXPECT_TRUE(std::isnan(entropy_of(Rows(20, {1.0, 2.0, 3.0}))));
  EXPECT_TRUE(std::isnan(matrix_entropy(Matrix(1, 1, 1.0), 3)));
}

TEST(MatrixEntropy, EqualClustersHaveAClosedForm) {
  Rows pairs;  // +-e_1 and +-e_2, in equal parts: eigenvalues 1/2, 1/2
  for (int i = 0; i < 40; ++i) pairs.push_back(axis(7, i % 4 < 2 ? 0 : 1, i % 2 == 0 ? 1.0 : -1.0));
  EXPECT_NEAR(entropy_of(pairs), std::log(2.0) / std::log(7.0), 1e-9);
  Rows three;  // a triangle: its plane evenly
  for (std::size_t i = 0; i < 30; ++i) three.push_back(axis(50, i % 3, 1.0));
  EXPECT_NEAR(entropy_of(three), std::log(2.0) / std::log(30.0), 1e-9);
}

TEST(MatrixEntropy, RowsThatEqualTheMeanAreLeftOut) {
  Rows rows;
  for (int i = 0; i < 8; ++i) rows.push_back(axis(6, i % 4 < 2 ? 0 : 1, i % 2 == 0 ? 1.0 : -1.0));
  const double without = entropy_of(rows);
  for (int i = 0; i < 5; ++i) rows.push_back(std::vector<double>(6, 0.0));
  EXPECT_NEAR(entropy_of(rows), without, 1e-12);
}

TEST(MatrixEntropy, ACommonOffsetDoesNotMatter) {
  EXPECT_NEAR(entropy_of(normal(30, 20, 4, 0.0)), entropy_of(normal(30, 20, 4, 100.0)), 1e-9);
}

// Every row of a document counts, in draws of 32: three of 96 rows, and of 99 a fourth that shares rows.
TEST(MeanMatrixEntropy, IsTheMeanOverDrawsThatTakeEveryRow) {
  const Rows rows = normal(99, 20, 12);
  const auto part = [&](std::size_t first) {
    return entropy_of(Rows(rows.begin() + static_cast<std::ptrdiff_t>(first),
                           rows.begin() + static_cast<std::ptrdiff_t>(first + kEntropyRows)));
  };
  const Rows some(rows.begin(), rows.begin() + 96);
  EXPECT_NEAR(mean_matrix_entropy(gram(some), 20), (part(0) + part(32) + part(64)) / 3, 1e-12);
  EXPECT_NEAR(mean_matrix_entropy(gram(rows), 20), (part(0) + part(32) + part(64) + part(67)) / 4, 1e-12);
  EXPECT_TRUE(std::isnan(mean_matrix_entropy(gram(Rows(rows.begin(), rows.begin() + 31)), 20)));
}

// The same text as 8, 16, 32 or 64 documents: the share of the sampled positions that each has differs by
// eight, and the entropy of all a document's rows with it.
TEST(MatrixEntropySignal, TheNumberOfDocumentsDoesNotMatter) {
  constexpr int kHidden = 64, kTokens = 8 * 512;
  std::vector<double> value, error, whole;
  for (const int documents : {8, 16, 32, 64}) {
    World world(1, kHidden,
                std::vector<std::vector<int>>(static_cast<std::size_t>(documents), {kTokens / documents}));
    world.fill_normal(13);
    for (std::vector<float>& state : world.states) {
      for (std::size_t i = 0; i < state.size(); ++i)
        state[i] *= std::pow(0.93f, static_cast<float>(i % kHidden));
    }
    SweepContext context = world.context();
    context.positions = 4096;
    const Trace trace = drive(world, context, spectrum_signal());
    const Series& entropy = series(trace, "matrix_entropy", TokenSet::all);
    value.push_back(mean_over_documents(entropy)[0]);
    error.push_back(standard_error(entropy)[0]);
    Rows rows;
    for (std::int64_t t = 0; t < std::min(256, kTokens / documents); ++t) {
      const auto row = world.row(0, t);
      rows.emplace_back(row.begin(), row.end());
    }
    whole.push_back(entropy_of(rows));
  }
  for (std::size_t i = 1; i < value.size(); ++i) {
    fmt::print("{} times the documents: {:.5f} +- {:.5f}; of all rows {:.5f}\n", 1 << i, value[i], error[i],
               whole[i]);
    EXPECT_LT(std::fabs(value[i] - value[0]), 3 * std::hypot(error[i], error[0]));
  }
  EXPECT_GT(std::fabs(whole.back() - whole[0]), 12 * error[0]);  // what all rows of a document would say
}

TEST(MatrixEntropySignal, EqualsTheEntropyOfTheDocumentsRows) {
  World world(1, 12, {{100}, {40, 40}, {31}});
  world.fill_normal(5);
  const SweepContext context = world.context();
  const auto sampled = [&](int document) { return sample_tokens(context, document, 256); };
  const Trace trace = drive(world, context, spectrum_signal());
  for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
    const Series& entropy = series(trace, "matrix_entropy", set);
    for (int document = 0; document < 2; ++document) {
      for (int state = 0; state <= 1; ++state) {
        Rows rows, divided;
        for (const std::int64_t t : sampled(document)) {
          const bool first = t == 0 || t == 100 || t == 140;
          if (set == TokenSet::ordinary && first) continue;
          const auto row = world.row(state, t);
          rows.emplace_back(row.begin(), row.end());
          divided.push_back(rows.back());
          const double square = std::inner_product(row.begin(), row.end(), row.begin(), 0.0);
          for (double& v : divided.back()) v /= std::sqrt(square / 12);
        }
        const auto d = static_cast<std::size_t>(document), s = static_cast<std::size_t>(state);
        EXPECT_NEAR(entropy.by_doc(d, s), mean_matrix_entropy(gram(divided), 12), 1e-9);
        EXPECT_NEAR(series(trace, "matrix_entropy_raw", set).by_doc(d, s),
                    mean_matrix_entropy(gram(rows), 12), 1e-9);
        EXPECT_EQ(entropy.weight[d], static_cast<double>(rows.size()));
      }
    }
    EXPECT_TRUE(std::isnan(entropy.by_doc(2, 0)));  // 31 rows are too few
    EXPECT_EQ(entropy.weight[2], 0.0);
  }
}

// More documents than the positions allow: a seeded sample of them, not the first in name order.
TEST(MatrixEntropySignal, ManyDocumentsAreSampled) {
  World world(1, 4, std::vector<std::vector<int>>(40, {70}));
  world.fill_normal(6);
  std::set<std::vector<double>> samples;
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    SweepContext context = world.context();
    context.positions = 256;
    context.seed = seed;
    const Trace trace = drive(world, context, spectrum_signal());
    const Series& entropy = series(trace, "matrix_entropy", TokenSet::all);
    int defined = 0;
    for (std::size_t d = 0; d < 40; ++d) {
      EXPECT_EQ(std::isnan(entropy.by_doc(d, 0)), entropy.weight[d] == 0.0);
      if (entropy.weight[d] == 0.0) continue;
      EXPECT_EQ(entropy.weight[d], 64.0);
      ++defined;
    }
    EXPECT_EQ(defined, 4);
    samples.insert(entropy.weight);
    // 4 documents of 64 rows: their Gram matrices at 2 states, and the rows of one state.
    EXPECT_EQ(spectrum_signal().memory_bytes(context), 4u * (2u * 64u * 65u / 2u * 8u + 64u * 4u * 4u));
  }
  EXPECT_GT(samples.size(), 1u);
}

TEST(SampleTokens, ALargerSampleExtendsASmallerOne) {
  World world(1, 2, {{64}, {80, 90}});
  SweepContext context = world.context();
  const auto some = sample_tokens(context, 1, 20), more = sample_tokens(context, 1, 1000);
  EXPECT_TRUE(std::equal(some.begin(), some.end(), more.begin()));
  EXPECT_EQ(std::set<std::int64_t>(more.begin(), more.end()).size(), 170u);
  EXPECT_EQ(*std::min_element(more.begin(), more.end()), 64);
  EXPECT_EQ(*std::max_element(more.begin(), more.end()), 64 + 169);
  EXPECT_EQ(window_of(context, 64), 1u);
  EXPECT_EQ(window_of(context, 64 + 80), 2u);
  EXPECT_EQ(window_of(context, 63), 0u);
  context.seed = 1;
  EXPECT_NE(sample_tokens(context, 1, 20), some);
}

class Lens : public testing::Test {
 protected:
  Lens() {
    test::write_checkpoint(dir_.path(), {.layers = 2, .hidden = 16, .vocab = 40});
    const Checkpoint checkpoint = Checkpoint::open(dir_.path());
    head = load_head(checkpoint, load_embedding(checkpoint));
    world.config = checkpoint.config();
    world.fill_normal(7);
    for (Window& window : world.corpus.windows) {
      for (std::int32_t& id : window.ids) id %= 40;
    }
  }

  // ln softmax(W norm(h)) in double, by hand.
  [[nodiscard]] std::vector<double> log_probabilities(std::span<const float> h) const {
    double square = 0.0;
    for (const float v : h) square += static_cast<double>(v) * v;
    const double inverse = 1.0 / std::sqrt(square / static_cast<double>(h.size()) + world.config.norm_eps);
    const float* norm = head.final_norm.data();
    const std::vector<float> w = head.unembedding.unpack();
    std::vector<double> logits(40, 0.0);
    double total = 0.0;
    for (std::size_t v = 0; v < 40; ++v) {
      for (std::size_t i = 0; i < h.size(); ++i) logits[v] += w[v * h.size() + i] * h[i] * inverse * norm[i];
      total += std::exp(logits[v]);
    }
    for (double& x : logits) x -= std::log(total);
    return logits;
  }
  [[nodiscard]] double entropy(int state, std::int64_t token) const {
    double sum = 0.0;
    for (const double q : log_probabilities(world.row(state, token))) sum -= std::exp(q) * q;
    return sum;
  }
  [[nodiscard]] double divergence(int state, std::int64_t token) const {
    const auto p = log_probabilities(world.row(2, token)), q = log_probabilities(world.row(state, token));
    double sum = 0.0;
    for (std::size_t v = 0; v < p.size(); ++v) sum += std::exp(p[v]) * (p[v] - q[v]);
    return sum;
  }

  // Plug-in entropy of the tokens that follow another one of the set in their window.
  [[nodiscard]] double unigram_entropy(TokenSet set) const {
    std::vector<double> seen(40, 0.0);
    double total = 0.0, entropy = 0.0;
    for (const Window& window : world.corpus.windows) {
      for (std::size_t t = set == TokenSet::all ? 0 : 1; t + 1 < window.ids.size(); ++t) {
        seen[static_cast<std::size_t>(window.ids[t + 1])] += 1.0;
        total += 1.0;
      }
    }
    for (const double n : seen) entropy -= n > 0.0 ? n / total * std::log(n / total) : 0.0;
    return entropy;
  }

  test::TemporaryDirectory dir_;
  World world{2, 16, {{70}, {65, 64}}};
  HeadWeights head;
};

TEST_F(Lens, MatchesLogitsByHandAtEveryPosition) {
  SweepContext context = world.context();
  context.lens_positions = 1000;
  const Trace trace = drive(world, context, lens_signal(), head);
  for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
    for (int state = 0; state <= 2; ++state) {
      double h = 0.0, kl = 0.0, count = 0.0;
      for (std::int64_t t = 70; t < 70 + 129; ++t) {
        if (set == TokenSet::ordinary && (t == 70 || t == 135)) continue;
        h += entropy(state, t);
        kl += divergence(state, t);
        count += 1.0;
      }
      const auto s = static_cast<std::size_t>(state);
      EXPECT_NEAR(series(trace, "lens_entropy", set).by_doc(1, s), h / count, 1e-5);
      EXPECT_NEAR(series(trace, "lens_kl", set).by_doc(1, s), kl / count, 1e-5);
      EXPECT_EQ(series(trace, "lens_kl", set).weight[1], count);
    }
    EXPECT_EQ(series(trace, "lens_kl", set).by_doc(0, 2), 0.0);  // exactly: the same logits
    EXPECT_EQ(series(trace, "lens_kl", set).by_doc(1, 2), 0.0);
    EXPECT_GT(series(trace, "lens_kl", set).by_doc(1, 0), 0.1);
  }
}

TEST_F(Lens, APassageHoldsTheMostLikelyTokensByHand) {
  const SweepContext context = world.context();
  const Trace trace = drive(world, context, lens_passage_signal(), head);
  ASSERT_EQ(trace.lens_passages.size(), 1u);
  const LensPassage& passage = trace.lens_passages[0];
  const auto& ids = world.corpus.windows[0].ids;
  ASSERT_EQ(passage.token_id, std::vector<std::int32_t>(ids.begin(), ids.begin() + kPassageTokens));
  ASSERT_EQ(passage.rows.size(), 3u);
  std::set<std::int32_t> seen(passage.token_id.begin(), passage.token_id.end());
  for (int state = 0; state <= 2; ++state) {
    const LensRow& row = passage.rows[static_cast<std::size_t>(state)];
    ASSERT_EQ(row.token_id.size(), static_cast<std::size_t>(kPassageTokens));
    for (std::size_t t = 0; t < row.token_id.size(); ++t) {
      const auto q = log_probabilities(world.row(state, static_cast<std::int64_t>(t)));
      EXPECT_EQ(row.token_id[t], std::max_element(q.begin(), q.end()) - q.begin());
      EXPECT_NEAR(row.probability[t], std::exp(*std::max_element(q.begin(), q.end())), 1e-6);
      seen.insert(row.token_id[t]);
    }
  }
  ASSERT_EQ(passage.vocabulary.size(), seen.size());
  for (const TokenText& token : passage.vocabulary) EXPECT_TRUE(seen.contains(token.id));
}

TEST_F(Lens, APassageOfAShortWindowAndOfEqualLogits) {
  head.unembedding = PackedMatrix(ComputeDType::float32, 40, 16);
  head.unembedding.put_rows(0, 40, std::vector<float>(40 * 16).data(), 16);
  world.corpus.windows[0].ids.resize(5);
  const Trace trace = drive(world, world.context(), lens_passage_signal(), head);
  const LensPassage& passage = trace.lens_passages[0];
  ASSERT_EQ(passage.token_id.size(), 5u);
  EXPECT_EQ(passage.rows[1].token_id, std::vector<std::int32_t>(5, 0));  // the smallest id
  for (const double p : passage.rows[1].probability) EXPECT_NEAR(p, 1.0 / 40.0, 1e-7);
}

TEST_F(Lens, InformationIsTheUnigramEntropyLessTheCrossEntropy) {
  SweepContext context = world.context();
  context.lens_positions = 1000;
  const Trace trace = drive(world, context, lens_signal(), head);
  for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
    const Series& information = series(trace, "lens_information", set);
    for (int state = 0; state <= 2; ++state) {
      double nll = 0.0, count = 0.0;
      for (const std::size_t w : {std::size_t{1}, std::size_t{2}}) {  // document 1
        const auto& ids = world.corpus.windows[w].ids;
        for (std::size_t t = set == TokenSet::all ? 0 : 1; t + 1 < ids.size(); ++t) {
          const auto q =
              log_probabilities(world.row(state, context.first_token[w] + static_cast<std::int64_t>(t)));
          nll -= q[static_cast<std::size_t>(ids[t + 1])];
          count += 1.0;
        }
      }
      EXPECT_NEAR(information.by_doc(1, static_cast<std::size_t>(state)), unigram_entropy(set) - nll / count,
                  1e-5);
      EXPECT_EQ(information.weight[1], count);
    }
    EXPECT_NE(information.note.find("plug-in"), std::string::npos);
    EXPECT_LT(information.by_doc(1, 0), 0.0);  // a random model is worse than the unigram: not clipped
  }
}

TEST_F(Lens, APredictionOfTheUnigramItselfCarriesNoInformation) {
  world.corpus.windows.resize(2);
  world.corpus.windows[1].ids.resize(41);
  world.corpus.windows[0].ids.resize(41);  // each token follows once in each window: H(Y) = ln 40
  for (Window& window : world.corpus.windows) {
    for (std::size_t t = 0; t < 41; ++t) window.ids[t] = static_cast<std::int32_t>((7 * t) % 40);
  }
  head.unembedding.put_rows(0, 40, std::vector<float>(40 * 16).data(), 16);
  SweepContext context = world.context();
  context.lens_positions = 10;
  const Trace trace = drive(world, context, lens_signal(), head);
  for (const double v : series(trace, "lens_information", TokenSet::all).by_doc.data)
    EXPECT_NEAR(v, 0.0, 1e-6);
  EXPECT_NE(series(trace, "lens_information", TokenSet::all).note.find("from 80 tokens of 40 types"),
            std::string::npos);
}

TEST_F(Lens, SampledPositionsAreTheSameAtEveryState) {
  SweepContext context = world.context();
  context.lens_positions = 8;
  const Trace trace = drive(world, context, lens_signal(), head);
  const Series& all = series(trace, "lens_entropy", TokenSet::all);
  EXPECT_EQ(all.weight, (std::vector<double>{8, 8}));
  for (int state = 0; state <= 2; ++state) {
    double sum = 0.0;
    for (const std::int64_t t : sample_tokens(context, 1, 8)) sum += entropy(state, t);
    EXPECT_NEAR(all.by_doc(1, static_cast<std::size_t>(state)), sum / 8, 1e-5);
  }
}

TEST_F(Lens, UniformLogitsGiveTheLogarithmOfTheVocabulary) {
  head.unembedding.put_rows(0, 40, std::vector<float>(40 * 16).data(), 16);
  const SweepContext context = world.context();
  const Trace trace = drive(world, context, lens_signal(), head);
  for (const double h : series(trace, "lens_entropy", TokenSet::all).by_doc.data) {
    EXPECT_NEAR(h, std::log(40.0), 1e-6);
  }
  for (const double kl : series(trace, "lens_kl", TokenSet::all).by_doc.data) EXPECT_EQ(kl, 0.0);
}

}  // namespace
}  // namespace strata
