// The network as a frozen decoder, and bottlenecks trained on it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "strata/base/error.h"
#include "tests/sweep/bottleneck_fixture.h"

namespace strata {
namespace {

constexpr std::int64_t kTokens = test::kBottleneckTokens;

class BottleneckSweep : public test::BottleneckFixture {
 protected:
  [[nodiscard]] std::vector<BottleneckCurve> run(int threads) const {
    const std::vector<BottleneckTask> tasks{{.state = 0, .grid = {{0.01, 0.3}, {0.1, 1.0}}},
                                            {.state = 1, .grid = {{0.02, 0.5}}}};
    const LaneModel model{*checkpoint_, embedding_, head_};
    const MeasureOptions options{.threads = threads};
    return run_bottlenecks(
        {.model = model, .context = *context_, .classes = classes_, .sample = sample_, .options = options},
        tasks, nullptr);
  }
};

double squares(const Matrix& m) {
  double sum = 0.0;
  for (const double x : m.data) sum += x * x;
  return sum;
}

// Along its gradient the distortion rises by the gradient's square; the network computes in float32.
TEST_F(BottleneckSweep, DistortionIsZeroAtTheCleanRowsAndFollowsItsGradient) {
  const ResidentModel model = resident();
  for (int state = 0; state <= 2; ++state) {
    SCOPED_TRACE(state);
    const FrozenNetwork network(model, *context_, classes_, sample_, state);
    const FrozenDecoder decoder = network.decoder();
    Matrix u = decoder.rows(0);
    ASSERT_EQ(u.rows, kTokens - 2u);  // without the first and the massive token
    EXPECT_NEAR(squares(u) / static_cast<double>(u.data.size()), 1.0, 1e-6);
    EXPECT_LT(decoder.distortion(0, u, nullptr), 1e-9);

    for (std::size_t i = 0; i < u.data.size(); ++i) u.data[i] += 0.3 * std::sin(static_cast<double>(i));
    Matrix gradient;
    (void)decoder.distortion(0, u, &gradient);
    const double size = std::sqrt(squares(gradient)), step = 0.05;
    ASSERT_GT(size, 1e-4);
    const auto moved = [&](double by) {
      Matrix there = u;
      for (std::size_t i = 0; i < u.data.size(); ++i) there.data[i] += by / size * gradient.data[i];
      return decoder.distortion(0, there, nullptr);
    };
    EXPECT_NEAR((moved(step) - moved(-step)) / (2.0 * step), size, 0.01 * size);
  }
}

TEST_F(BottleneckSweep, TrainedChannelsAreBetterThanTheirStartAndTheSameOnAnyThreads) {
  const auto curves = run(2);
  ASSERT_EQ(curves.size(), 2u);
  EXPECT_EQ(curves[0].train_tokens, 8 * kTokens);
  EXPECT_EQ(curves[0].held_out_tokens, 8 * kTokens);
  for (const BottleneckCurve& curve : curves) {
    for (const BottleneckPoint& p : curve.points) {
      EXPECT_GT(p.rate_nats, 0.0);
      EXPECT_GT(p.distortion_nats, 0.0);
      EXPECT_LT(p.distortion_nats + p.beta * p.rate_nats,
                p.start_distortion_nats + p.beta * p.start_rate_nats);
    }
  }
  EXPECT_LT(curves[0].points[1].rate_nats,
            curves[0].points[0].rate_nats);  // the dearer one lets less through
  const auto again = run(1);
  for (std::size_t i = 0; i < 2; ++i) {
    for (std::size_t j = 0; j < curves[i].points.size(); ++j) {
      EXPECT_EQ(curves[i].points[j].rate_nats, again[i].points[j].rate_nats);
      EXPECT_EQ(curves[i].points[j].distortion_nats, again[i].points[j].distortion_nats);
    }
  }
}

// Rounded ends and a rounded clean sweep change nothing: the network that trains is float32.
TEST_F(BottleneckSweep, IsFloat32InEveryComputeMode) {
  if (const std::string why = why_not_computed(ComputeDType::bfloat16); !why.empty()) GTEST_SKIP() << why;
  const std::vector<BottleneckTask> tasks{{.state = 1, .grid = {{0.02, 0.5}}}};
  const auto run_in = [&](ComputeDType dtype) {
    const Embedding embedding = load_embedding(*checkpoint_, dtype);
    const HeadWeights head = load_head(*checkpoint_, embedding);
    const LaneModel model{*checkpoint_, embedding, head};
    const MeasureOptions options{.compute = dtype};
    return run_bottlenecks({.model = model,
                            .context = *context_,
                            .classes = classes_,
                            .sample = sample_,
                            .options = options},
                           tasks, nullptr)[0]
        .points[0];
  };
  const BottleneckPoint exact = run_in(ComputeDType::float32), rounded = run_in(ComputeDType::bfloat16);
  EXPECT_EQ(exact.rate_nats, rounded.rate_nats);
  EXPECT_EQ(exact.distortion_nats, rounded.distortion_nats);
}

TEST_F(BottleneckSweep, WhatItCannotDoIsSaid) {
  sample_.resize(3);
  EXPECT_STRATA_ERROR(run(1), ErrorKind::usage, "3 documents in the lanes; expected at least 4");
}

}  // namespace
}  // namespace strata
