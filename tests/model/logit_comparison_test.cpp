// The comparison of rows of logits, strip by strip, against KL in long double.
#include "strata/model/logit_comparison.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "strata/base/philox.h"
#include "strata/model/head.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"

namespace strata {
namespace {

struct Exact {
  long double kl = 0.0L, delta = 0.0L;
};

Exact exact(std::span<const float> p, std::span<const float> q) {
  const auto normaliser = [](std::span<const float> z) {
    const long double largest = *std::max_element(z.begin(), z.end());
    long double sum = 0.0L;
    for (const float x : z) sum += std::exp(x - largest);
    return largest + std::log(sum);
  };
  const long double zp = normaliser(p), zq = normaliser(q);
  // sum p (exp(d) - 1 - d) of the normalised d: no cancellation.
  Exact result{.delta = zq - zp};
  for (std::size_t i = 0; i < p.size(); ++i) {
    const long double d = static_cast<long double>(q[i]) - p[i] - result.delta;
    result.kl += std::exp(p[i] - zp) * (std::expm1(d) - d);
  }
  return result;
}

LogitDivergence compare(std::span<const float> p, std::span<const float> q, std::size_t strip) {
  ReferenceRow reference;
  ComparedRow row;
  for (std::size_t begin = 0; begin < p.size(); begin += strip) {
    const std::size_t count = std::min(strip, p.size() - begin);
    reference.add(p.subspan(begin, count));
    row.add(reference, p.subspan(begin, count), q.subspan(begin, count));
  }
  return row.result(reference);
}

struct Rows {
  std::vector<float> p, q;
};

// Logits with a spread like a language model's, and others `distance` away, all moved by `shift`.
Rows random_rows(std::size_t words, double distance, double shift, std::uint64_t seed) {
  Philox rng({.seed = seed, .stream = Stream::test});
  Rows rows;
  for (std::size_t i = 0; i < words; ++i) {
    rows.p.push_back(static_cast<float>(4.0 * rng.normal() - 8.0));
    rows.q.push_back(static_cast<float>(rows.p.back() + distance * rng.normal() + shift));
  }
  return rows;
}

TEST(LogitComparison, StaysWithinItsStatedErrorOfLongDouble) {
  std::uint64_t seed = 0;
  for (const std::size_t words : {5u, 300u, 1024u, 5000u}) {
    for (const double distance : {1e-3, 1e-2, 0.1, 0.5, 1.0, 3.0, 10.0}) {
      for (const double shift : {0.0, -0.3, 5.0, -40.0}) {
        const Rows rows = random_rows(words, distance, shift, ++seed);
        const Exact expected = exact(rows.p, rows.q);
        const auto kl = static_cast<double>(expected.kl);
        for (const std::size_t strip : {std::size_t{1024}, std::size_t{100}}) {
          const LogitDivergence ours = compare(rows.p, rows.q, strip);
          EXPECT_NEAR(ours.kl_nats, kl, 2e-6 * kl + (distance <= 0.1 ? 0.0 : 2e-6))
              << words << " words, distance " << distance << ", shift " << shift;
          EXPECT_NEAR(ours.delta_log_normaliser, static_cast<double>(expected.delta),
                      2e-6 * (1.0 + std::fabs(static_cast<double>(expected.delta))));
        }
      }
    }
  }
}

TEST(LogitComparison, EqualRowsAreAtNoDistanceAtAll) {
  const Rows rows = random_rows(3000, 0.0, 0.0, 7);
  const LogitDivergence same = compare(rows.p, rows.q, 1024);
  EXPECT_EQ(same.kl_nats, 0.0);
  EXPECT_EQ(same.delta_log_normaliser, 0.0);
  EXPECT_TRUE(same.same_top);
}

TEST(LogitComparison, TellsTheFirstOfTheLargestLogits) {
  std::vector<float> p(40, 0.0f), q(40, 0.0f);
  p[11] = p[30] = 2.0f;
  q[30] = 2.0f;
  EXPECT_FALSE(compare(p, q, 8).same_top);
  q[11] = 2.0f;
  EXPECT_TRUE(compare(p, q, 8).same_top);
  const std::vector<float> equal(40, 1.0f);
  EXPECT_FALSE(compare(p, equal, 8).same_top);
}

TEST(LogitComparison, FarRowsHaveALargeAndFiniteDivergence) {
  std::vector<float> p(2000, 0.0f), q(2000, 0.0f);
  p[3] = 1000.0f;
  q[1500] = 1000.0f;
  EXPECT_NEAR(compare(p, q, 1024).kl_nats, 1000.0, 1e-2);
  EXPECT_NEAR(compare(p, q, 1024).delta_log_normaliser, 0.0, 1e-2);
}

TEST(LogitComparison, HasNoDivergenceWhereALogitIsNotFinite) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity}) {
    for (const std::size_t at : {0u, 5u, 1030u}) {
      Rows rows = random_rows(2000, 0.1, 0.0, 3);
      rows.q[at] = bad;
      EXPECT_TRUE(std::isnan(compare(rows.p, rows.q, 1024).kl_nats)) << bad << " at " << at;
      std::swap(rows.p, rows.q);
      EXPECT_TRUE(std::isnan(compare(rows.p, rows.q, 1024).kl_nats)) << bad << " at " << at;
    }
  }
}

TEST(LogitComparison, StripsAreTheLogitsThemselves) {
  const test::TemporaryDirectory dir;
  test::write_checkpoint(dir.path(), {.hidden = 64, .vocab = 2500});
  const Checkpoint checkpoint = Checkpoint::open(dir.path());
  const HeadWeights head = load_head(checkpoint, load_embedding(checkpoint));
  constexpr std::int64_t kRows = kVisitedRows;
  Philox rng({.seed = 2, .stream = Stream::test});
  std::vector<float> h(static_cast<std::size_t>(kRows * 64));
  for (float& x : h) x = static_cast<float>(rng.normal());
  LogitScratch scratch;
  std::vector<float> logits(static_cast<std::size_t>(kRows * 2500));
  compute_logits(head, checkpoint.config(), h.data(), kLogitRows, logits.data(), scratch);
  compute_logits(head, checkpoint.config(), h.data() + kLogitRows * 64, kRows - kLogitRows,
                 logits.data() + kLogitRows * 2500, scratch);
  std::int64_t seen = 0;
  const auto expect_same = [&](std::int64_t first, std::int64_t count, const float* strip,
                               std::int64_t stride) {
    ASSERT_EQ(first, seen);
    seen += count;
    for (std::int64_t r = 0; r < kRows; ++r) {
      for (std::int64_t j = 0; j < count; ++j)
        ASSERT_EQ(strip[r * stride + j], logits[static_cast<std::size_t>(r * 2500 + first + j)]);
    }
  };
  visit_logits(head, checkpoint.config(), h.data(), kRows, scratch, expect_same);
  EXPECT_EQ(seen, 2500);
  seen = 0;  // as a backend that computes all logits at once
  cpu_backend().Backend::visit_logits(head, checkpoint.config(), h.data(), kRows, scratch, expect_same);
  EXPECT_EQ(seen, 2500);
}

}  // namespace
}  // namespace strata
