// The channel's eigenbasis, and its gradient against finite differences.
#include "strata/bottleneck/channel.h"

#include <gtest/gtest.h>

#include <cmath>

#include "strata/linalg/product.h"
#include "tests/bottleneck/random_channel.h"

namespace strata {
namespace {

TEST(Channel, CoordinatesAreUncorrelatedAndLeadBack) {
  Philox rng({.seed = 3, .stream = Stream::test});
  Matrix u = test::random_matrix(50, 4, rng);
  for (std::size_t i = 0; i < u.rows; ++i) u(i, 2) += 2.0 * u(i, 0) + 1.0;
  const ChannelBasis basis = channel_basis(u);
  const Matrix y = to_basis(basis, u);
  const Matrix square = linalg::transposed_multiply(y, y);
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < 4; ++j) {
      EXPECT_NEAR(square(i, j) / 50.0, i == j ? basis.lambda[i] : 0.0, 1e-12);
    }
  }
  const Matrix back = from_basis(basis, y);
  for (std::size_t i = 0; i < u.data.size(); ++i) EXPECT_NEAR(back.data[i], u.data[i], 1e-12);
}

// A coordinate that is constant has an eigenvalue above 0: a millionth of the mean of the others.
TEST(Channel, DirectionsThatNoRowHasDoNotDivideByZero) {
  Philox rng({.seed = 3, .stream = Stream::test});
  Matrix u = test::random_matrix(50, 2, rng);
  for (std::size_t i = 0; i < u.rows; ++i) u(i, 1) = 7.0;
  const ChannelBasis basis = channel_basis(u);
  EXPECT_GT(basis.lambda[1], 0.1);
  EXPECT_NEAR(basis.lambda[0], 0.5e-6 * basis.lambda[1], 1e-18);
}

double loss(const test::RandomChannel& at, const Channel& channel) {
  const Encoded encoded = encode(channel, at.basis, at.y);
  const Matrix z = draw(encoded, at.xi);
  double sum = at.beta * encoded.mean_rate();
  for (std::size_t i = 0; i < z.data.size(); ++i) sum += at.slope.data[i] * z.data[i];
  return sum;
}

TEST(Channel, GradientAgreesWithFiniteDifferences) {
  const test::RandomChannel at;
  ChannelGradient gradient = at.gradient();
  Channel moved = at.channel;
  const auto computed = gradient.parameters(), parameters = moved.parameters();
  constexpr double kStep = 1e-5;
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    ASSERT_EQ(computed[p].values.size(), parameters[p].values.size());
    for (std::size_t i = 0; i < parameters[p].values.size(); ++i) {
      double& value = parameters[p].values[i];
      const double here = value;
      value = here + kStep;
      const double above = loss(at, moved);
      value = here - kStep;
      const double below = loss(at, moved);
      value = here;
      const double expected = (above - below) / (2.0 * kStep);
      EXPECT_NEAR(computed[p].values[i], expected, 1e-7 * (1.0 + std::abs(expected)))
          << "parameter " << p << ", element " << i;
    }
  }
}

}  // namespace
}  // namespace strata
