#include "strata/stats/partition.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "strata/base/file.h"
#include "strata/base/philox.h"
#include "tests/support/paths.h"

namespace strata::stats {
namespace {

Matrix random_profile(std::size_t n, std::size_t cols, std::uint64_t seed) {
  Philox rng({.seed = seed});
  Matrix y(n, cols);
  for (double& x : y.data) x = rng.normal() + (rng.below(4) == 0 ? 2.0 : 0.0);
  return y;
}

// Sum over segments of sum_i G_ii - mean of G over the segment, straight from the definition.
double cost_by_definition(const Matrix& gram, const std::vector<int>& edges) {
  double cost = 0.0;
  std::size_t begin = 0;
  for (std::size_t s = 0; s <= edges.size(); ++s) {
    const std::size_t end = s < edges.size() ? static_cast<std::size_t>(edges[s]) : gram.rows;
    for (std::size_t i = begin; i < end; ++i) {
      cost += gram(i, i);
      for (std::size_t j = begin; j < end; ++j) cost -= gram(i, j) / static_cast<double>(end - begin);
    }
    begin = end;
  }
  return cost;
}

// Every set of edges whose segments are long enough; calls visit(edges).
template <typename Visit>
void every_partition(int n, int min_size, std::vector<int>& edges, const Visit& visit) {
  const int begin = edges.empty() ? 0 : edges.back();
  if (n - begin >= min_size) visit(edges);
  for (int e = begin + min_size; e + min_size <= n; ++e) {
    edges.push_back(e);
    every_partition(n, min_size, edges, visit);
    edges.pop_back();
  }
}

void expect_equal_to_brute_force(const Matrix& gram, int min_size) {
  const int n = static_cast<int>(gram.rows);
  std::vector<double> best(gram.rows, std::numeric_limits<double>::infinity());
  std::vector<std::vector<int>> where(gram.rows);
  std::vector<int> edges;
  every_partition(n, min_size, edges, [&](const std::vector<int>& e) {
    const double cost = cost_by_definition(gram, e);
    if (cost < best[e.size()] - 1e-12) {
      best[e.size()] = cost;
      where[e.size()] = e;
    }
  });
  const auto found = optimal_partitions(SegmentCosts(gram), 20, static_cast<std::size_t>(min_size));
  ASSERT_EQ(found.size(), static_cast<std::size_t>(n / min_size));
  for (std::size_t k = 0; k < found.size(); ++k) {
    EXPECT_NEAR(found[k].cost, best[k], 1e-9) << "n " << n << " k " << k;
    EXPECT_EQ(found[k].edges, where[k]) << "n " << n << " k " << k;
  }
}

TEST(Partition, EqualsBruteForceOnEverySmallSize) {
  for (std::size_t n = 4; n <= 12; ++n) {
    for (int min_size = 1; min_size <= 3; ++min_size) {
      for (std::uint64_t seed = 0; seed < 6; ++seed) {
        const Matrix y = random_profile(n, 1 + seed % 4, 100 * n + seed);
        expect_equal_to_brute_force(gram_matrix(y), min_size);
        Matrix kernel = gram_matrix(y);  // a kernel that is not linear
        for (std::size_t i = 0; i < n; ++i) {
          for (std::size_t j = 0; j < n; ++j) {
            double square = 0.0;
            for (std::size_t c = 0; c < y.cols; ++c) square += (y(i, c) - y(j, c)) * (y(i, c) - y(j, c));
            kernel(i, j) = std::exp(-0.3 * square);
          }
        }
        expect_equal_to_brute_force(kernel, min_size);
      }
    }
  }
}

TEST(Partition, AStepIsTheEdgeThatOpensTheNewSegment) {
  Matrix y(9, 2);
  for (std::size_t t = 4; t < 9; ++t) y(t, 0) = 1.0;
  const auto found = optimal_partitions(SegmentCosts(gram_matrix(y)), 1, 2);
  EXPECT_EQ(found[1].edges, std::vector<int>{4});
  EXPECT_NEAR(found[1].cost, 0.0, 1e-12);
  EXPECT_NEAR(found[0].cost, 20.0 / 9.0, 1e-12);  // 4 * 5 / 9
  const Matrix means = segment_means(y, {4});
  EXPECT_EQ(means(3, 0), 0.0);
  EXPECT_EQ(means(4, 0), 1.0);
}

TEST(Partition, TooShortForAJump) {
  EXPECT_EQ(optimal_partitions(SegmentCosts(Matrix(3, 3)), 4, 2).size(), 1u);
  EXPECT_THROW((void)optimal_partitions(SegmentCosts(Matrix(1, 1)), 0, 2), std::logic_error);
}

Matrix signal_of(const nlohmann::json& rows) {
  Matrix y(rows.size(), rows.at(0).size());
  for (std::size_t t = 0; t < y.rows; ++t) {
    for (std::size_t j = 0; j < y.cols; ++j) y(t, j) = rows.at(t).at(j).get<double>();
  }
  return y;
}

// ruptures' rbf cost: exp(-clip(gamma |x-y|^2, 1e-2, 1e2)) off the diagonal, 1 on it (CostRbf).
Matrix rbf_gram(const Matrix& y, double gamma) {
  Matrix gram(y.rows, y.rows);
  for (std::size_t i = 0; i < y.rows; ++i) {
    for (std::size_t j = 0; j < y.rows; ++j) {
      double square = 0.0;
      for (std::size_t c = 0; c < y.cols; ++c) square += (y(i, c) - y(j, c)) * (y(i, c) - y(j, c));
      gram(i, j) = i == j ? 1.0 : std::exp(-std::min(std::max(gamma * square, 1e-2), 1e2));
    }
  }
  return gram;
}

void expect_equal_to_ruptures(const Matrix& gram, std::size_t min_size, const nlohmann::json& expected,
                              int& compared) {
  const auto found = optimal_partitions(SegmentCosts(gram), 10, min_size);
  for (const auto& [jumps, result] : expected.items()) {
    const auto k = static_cast<std::size_t>(std::stoi(jumps));
    if (k >= found.size()) continue;
    auto edges = result.at("bkps").get<std::vector<int>>();
    if (edges.size() != k + 1) continue;
    const double cost = result.at("cost").get<double>();
    edges.pop_back();  // ruptures lists the length as the last break
    EXPECT_LE(found[k].cost, cost_by_definition(gram, edges) + 1e-9);
    EXPECT_NEAR(found[k].cost, cost, 1e-6 * (1.0 + cost));
    EXPECT_EQ(found[k].edges, edges);
    ++compared;
  }
}

TEST(Partition, EqualsRuptures) {
  const auto golden = nlohmann::json::parse(read_file(test::repo_path("tests/golden/changepoint/dynp.json")));
  int compared = 0;
  for (const auto& item : golden.at("cases")) {
    SCOPED_TRACE(item.at("name").get<std::string>());
    const Matrix y = signal_of(item.at("signal"));
    const auto min_size = item.at("min_size").get<std::size_t>();
    expect_equal_to_ruptures(gram_matrix(y), min_size, item.at("l2"), compared);
    expect_equal_to_ruptures(rbf_gram(y, item.at("rbf_gamma").get<double>()), min_size, item.at("rbf"),
                             compared);
  }
  EXPECT_GT(compared, 200);
}

}  // namespace
}  // namespace strata::stats
