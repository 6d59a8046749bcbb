// The gated delta rule and its gradients against the recurrence written a second time: one token after the
// other, in float64, by plain loops.
#include "strata/model/delta_rule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/float_values.h"

namespace strata {
namespace {

using test::random_values;
using Doubles = std::vector<double>;

// What the plain recurrence leaves out, to see that the comparison notices.
enum class Without {
  nothing,
  convolution,
  earlier_taps,
  silu,
  unit_query,
  unit_key,
  query_scale,
  decay,
  dt_bias,
  strength,
  correction,
  norm,
  norm_weight,
  gate,
  grouping
};

struct Shape {
  DeltaDescription sizes;
  std::int64_t tokens;
};

// A window and a block's vectors. qkv, z, b and a lie in one buffer each, with a gap after each row.
struct DeltaCase {
  DeltaDescription sizes;
  std::int64_t tokens;
  DeltaLayout layout;
  std::vector<float> convolution, decay_rate, dt_bias, norm, qkv, z, b, a;
  double eps = 1e-6;

  DeltaCase(const Shape& shape, std::uint64_t seed)
      : sizes(shape.sizes), tokens(shape.tokens), layout(shape.sizes) {
    convolution = random_values(layout.channels() * layout.kernel, seed);
    decay_rate = random_values(layout.value_heads, seed + 1);
    for (float& rate : decay_rate) rate = std::exp(0.5f * rate);
    dt_bias = random_values(layout.value_heads, seed + 2);
    norm = random_values(layout.value_dim, seed + 3);
    for (float& weight : norm) weight = 1.0f + 0.3f * weight;
    qkv = random_values(tokens * stride(layout.channels()), seed + 4);
    z = random_values(tokens * stride(layout.width()), seed + 5);
    b = random_values(tokens * stride(layout.value_heads), seed + 6);
    a = random_values(tokens * stride(layout.value_heads), seed + 7);
  }
  static std::int64_t stride(std::int64_t width) { return width + 3; }
  [[nodiscard]] DeltaParameters parameters() const {
    return {.sizes = sizes,
            .convolution = convolution.data(),
            .decay_rate = decay_rate.data(),
            .dt_bias = dt_bias.data(),
            .norm = norm.data(),
            .eps = eps};
  }
  [[nodiscard]] DeltaInput input(std::int64_t count) const {
    return {.qkv = {.data = qkv.data(), .stride = stride(layout.channels())},
            .z = {.data = z.data(), .stride = stride(layout.width())},
            .b = {.data = b.data(), .stride = stride(layout.value_heads)},
            .a = {.data = a.data(), .stride = stride(layout.value_heads)},
            .tokens = count};
  }
  [[nodiscard]] std::vector<float> run(std::int64_t count, const DeltaSums* sums = nullptr) const {
    std::vector<float> mixed(static_cast<std::size_t>(count * layout.width()), -1.0f);
    DeltaScratch scratch;
    delta_rule(parameters(), input(count), mixed.data(), scratch, sums);
    return mixed;
  }
  [[nodiscard]] std::vector<float> run() const { return run(tokens); }
  void shift(std::vector<float>& values, float by) const {
    for (float& value : values) value += by;
  }
};

// The four inputs in float64, as `DeltaCase` lays them out.
struct PlainInput {
  Doubles qkv, z, b, a;

  explicit PlainInput(const DeltaCase& c)
      : qkv(c.qkv.begin(), c.qkv.end()),
        z(c.z.begin(), c.z.end()),
        b(c.b.begin(), c.b.end()),
        a(c.a.begin(), c.a.end()) {}
};

// Per token, summed over the value heads.
struct PlainSums {
  Doubles decay, strength, memory, innovation_square, value_square;
};

double plain_silu(double x) {
  return x / (1.0 + std::exp(-x));
}

double plain_softplus(double x) {
  return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x)));
}

// One channel after the convolution and its activation.
double plain_channel(const DeltaCase& c, const PlainInput& in, std::int64_t token, std::int64_t channel,
                     Without without) {
  const std::int64_t stride = DeltaCase::stride(c.layout.channels()), kernel = c.layout.kernel;
  double sum = 0.0;
  for (std::int64_t back = 0; back < kernel && back <= token; ++back) {
    if (without == Without::earlier_taps && back > 0) break;
    sum +=
        static_cast<double>(c.convolution[static_cast<std::size_t>(channel * kernel + kernel - 1 - back)]) *
        in.qkv[static_cast<std::size_t>((token - back) * stride + channel)];
  }
  if (without == Without::convolution) sum = in.qkv[static_cast<std::size_t>(token * stride + channel)];
  return without == Without::silu ? sum : plain_silu(sum);
}

Doubles plain_channels(const DeltaCase& c, const PlainInput& in, std::int64_t token, std::int64_t column,
                       std::int64_t count, Without without) {
  Doubles values(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i)
    values[static_cast<std::size_t>(i)] = plain_channel(c, in, token, column + i, without);
  return values;
}

void plain_unit(Doubles& x) {
  const double square = std::inner_product(x.begin(), x.end(), x.begin(), 0.0);
  for (double& value : x) value /= std::sqrt(square + 1e-6);
}

// S = e^g S; S += k (beta (v - S^T k))^T; returns S^T q. `innovation` gets |v - S^T k|^2.
Doubles plain_step(Doubles& state, const Doubles& q, const Doubles& k, const Doubles& v, double decay,
                   double strength, bool corrects, double& innovation) {
  const std::size_t width = v.size();
  Doubles read(width, 0.0), change(v);
  for (double& value : state) value *= decay;
  innovation = 0.0;
  for (std::size_t j = 0; j < width; ++j) {
    for (std::size_t i = 0; corrects && i < k.size(); ++i) change[j] -= state[i * width + j] * k[i];
    innovation += change[j] * change[j];
    for (std::size_t i = 0; i < k.size(); ++i) state[i * width + j] += k[i] * strength * change[j];
    for (std::size_t i = 0; i < k.size(); ++i) read[j] += state[i * width + j] * q[i];
  }
  return read;
}

void plain_head(const DeltaCase& c, const PlainInput& in, std::int64_t head, Without without, Doubles& mixed,
                PlainSums& sums) {
  const DeltaLayout& l = c.layout;
  const std::int64_t key_head = without == Without::grouping ? head % l.key_heads : head / l.group();
  Doubles state(static_cast<std::size_t>(l.key_dim * l.value_dim), 0.0);
  const auto h = static_cast<std::size_t>(head);
  double memory = 0.0;
  for (std::int64_t t = 0; t < c.tokens; ++t) {
    Doubles q = plain_channels(c, in, t, l.query_column(key_head), l.key_dim, without);
    Doubles k = plain_channels(c, in, t, l.key_column(key_head), l.key_dim, without);
    const Doubles v = plain_channels(c, in, t, l.value_column(head), l.value_dim, without);
    if (without != Without::unit_query) plain_unit(q);
    if (without != Without::unit_key) plain_unit(k);
    const double scale = without == Without::query_scale ? 1.0 : std::sqrt(static_cast<double>(l.key_dim));
    for (double& value : q) value /= scale;
    const auto gate = static_cast<std::size_t>(t * DeltaCase::stride(l.value_heads) + head);
    const double bias = without == Without::dt_bias ? 0.0 : static_cast<double>(c.dt_bias[h]);
    const double decay =
        without == Without::decay
            ? 1.0
            : std::exp(-static_cast<double>(c.decay_rate[h]) * plain_softplus(in.a[gate] + bias));
    const double strength = without == Without::strength ? 1.0 : 1.0 / (1.0 + std::exp(-in.b[gate]));
    double innovation = 0.0;
    const Doubles o = plain_step(state, q, k, v, decay, strength, without != Without::correction, innovation);
    double square = std::inner_product(o.begin(), o.end(), o.begin(), 0.0) / static_cast<double>(o.size());
    const double rms = without == Without::norm ? 1.0 : std::sqrt(square + c.eps);
    for (std::int64_t i = 0; i < l.value_dim; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const double z =
          in.z[static_cast<std::size_t>(t * DeltaCase::stride(l.width()) + head * l.value_dim + i)];
      const double weight = without == Without::norm_weight ? 1.0 : static_cast<double>(c.norm[at]);
      mixed[static_cast<std::size_t>(t * l.width() + head * l.value_dim + i)] =
          weight * o[at] / rms * (without == Without::gate ? 1.0 : plain_silu(z));
    }
    const auto token = static_cast<std::size_t>(t);
    memory = 1.0 + decay * memory;
    sums.decay[token] += decay;
    sums.strength[token] += strength;
    sums.memory[token] += memory;
    sums.innovation_square[token] += innovation;
    sums.value_square[token] += std::inner_product(v.begin(), v.end(), v.begin(), 0.0);
  }
}

Doubles plain_rule(const DeltaCase& c, const PlainInput& in, Without without = Without::nothing,
                   PlainSums* sums = nullptr) {
  Doubles mixed(static_cast<std::size_t>(c.tokens * c.layout.width()));
  const Doubles zero(static_cast<std::size_t>(c.tokens), 0.0);
  PlainSums own{zero, zero, zero, zero, zero};
  for (std::int64_t head = 0; head < c.layout.value_heads; ++head)
    plain_head(c, in, head, without, mixed, own);
  if (sums != nullptr) *sums = own;
  return mixed;
}

// Largest difference over the reference's RMS.
double distance(const std::vector<float>& ours, const Doubles& reference) {
  double largest = 0.0, square = 0.0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const double difference = std::fabs(static_cast<double>(ours[i]) - reference[i]);
    if (!std::isfinite(difference)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, difference);
    square += reference[i] * reference[i];
  }
  return largest / std::sqrt(square / static_cast<double>(ours.size()));
}

double distance(const DeltaCase& c, Without without = Without::nothing) {
  return distance(c.run(), plain_rule(c, PlainInput(c), without));
}

// One head each, two and three value heads a key head, key_dim != value_dim, dimensions that are not
// multiples of a tile's, windows of one token, of fewer than the kernel, of exactly one and two chunks, and
// others.
const Shape kShapes[] = {
    {{.key_heads = 1, .value_heads = 1, .key_dim = 8, .value_dim = 8, .kernel = 4}, 37},
    {{.key_heads = 2, .value_heads = 2, .key_dim = 4, .value_dim = 6, .kernel = 4}, 1},
    {{.key_heads = 2, .value_heads = 4, .key_dim = 8, .value_dim = 5, .kernel = 4}, 2},
    {{.key_heads = 2, .value_heads = 4, .key_dim = 8, .value_dim = 12, .kernel = 4}, 100},
    {{.key_heads = 1, .value_heads = 3, .key_dim = 16, .value_dim = 8, .kernel = 3}, 64},
    {{.key_heads = 1, .value_heads = 2, .key_dim = 6, .value_dim = 35, .kernel = 2}, 128},
    {{.key_heads = 2, .value_heads = 6, .key_dim = 5, .value_dim = 4, .kernel = 1}, 129},
};
const Shape kLarge = {{.key_heads = 2, .value_heads = 4, .key_dim = 64, .value_dim = 96, .kernel = 4}, 200};
const Shape kLong = {{.key_heads = 1, .value_heads = 2, .key_dim = 32, .value_dim = 32, .kernel = 4}, 4096};

TEST(DeltaRule, MatchesThePlainRecurrence) {
  std::uint64_t seed = 10;
  for (const Shape& shape : kShapes) EXPECT_LT(distance(DeltaCase(shape, seed += 10)), 1e-5) << seed;
  EXPECT_LT(distance(DeltaCase(kLarge, 1)), 1e-5);
}

TEST(DeltaRule, ThePlainRecurrenceWithoutAPartDiffers) {
  const DeltaCase c({{.key_heads = 2, .value_heads = 6, .key_dim = 16, .value_dim = 8, .kernel = 4}, 100}, 2);
  ASSERT_LT(distance(c), 1e-5);
  for (const Without without :
       {Without::convolution, Without::earlier_taps, Without::silu, Without::unit_query, Without::unit_key,
        Without::query_scale, Without::decay, Without::dt_bias, Without::strength, Without::correction,
        Without::norm, Without::norm_weight, Without::gate, Without::grouping}) {
    EXPECT_GT(distance(c, without), 1e-3) << static_cast<int>(without);
  }
}

// With the usual eps of 1e-6 the norm multiplies the rounding errors of a small o by up to 1000: at the ends
// of the gates a recurrence in float32, token by token, is then wrong by 1e-5 to 3e-5 of the RMS, and so are
// the chunks. With this eps the sums themselves are what the bound is about.
constexpr double kLargeEps = 1e-3;

// Where beta is near 0, so is o, and nothing normalises it: the largest of a product's values are then dozens
// of times the RMS, and their rounding counts by their own size.
double own_distance(const DeltaCase& c) {
  const std::vector<float> ours = c.run();
  const Doubles reference = plain_rule(c, PlainInput(c));
  const double square = std::inner_product(reference.begin(), reference.end(), reference.begin(), 0.0);
  const double rms = std::sqrt(square / static_cast<double>(ours.size()));
  double largest = 0.0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const double difference = std::fabs(static_cast<double>(ours[i]) - reference[i]);
    if (!std::isfinite(difference)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, difference / std::max(rms, std::fabs(reference[i])));
  }
  return largest;
}

// Decays from e^-1000 to e^-1e-5 a token, and all of them in one window; beta near 0 and 1.
TEST(DeltaRule, MatchesAtTheEndsOfItsGates) {
  for (const float decay : {-12.0f, -3.0f, 3.0f, 30.0f}) {
    for (const float strength : {-14.0f, 0.0f, 14.0f}) {
      DeltaCase c(kLarge, 3);
      c.eps = kLargeEps;
      c.shift(c.a, decay);
      c.shift(c.b, strength);
      EXPECT_LT(own_distance(c), 1e-5) << decay << ' ' << strength;
    }
  }
  DeltaCase mixed(kLarge, 4);
  mixed.eps = kLargeEps;
  for (float& a : mixed.a) a *= 12.0f;
  for (float& b : mixed.b) b *= 8.0f;
  for (float& rate : mixed.decay_rate) rate *= 16.0f;
  EXPECT_LT(distance(mixed), 1e-5);
}

TEST(DeltaRule, LongWindowsStayAccurate) {
  for (const float decay : {-12.0f, 0.0f, 30.0f}) {
    DeltaCase c(kLong, 5);
    c.eps = kLargeEps;
    c.shift(c.a, decay);
    EXPECT_LT(distance(c), 1e-5) << decay;
  }
}

// Every token has the same key, which each write replaces: the triangular system is as far from the identity
// as it can be.
TEST(DeltaRule, RepeatedKeysAreReplaced) {
  DeltaCase c(kLarge, 6);
  const std::int64_t stride = DeltaCase::stride(c.layout.channels()), columns = c.layout.value_column(0);
  for (std::int64_t t = 1; t < c.tokens; ++t) std::copy_n(c.qkv.begin(), columns, c.qkv.begin() + t * stride);
  c.shift(c.a, -12.0f);
  c.shift(c.b, 12.0f);
  EXPECT_LT(distance(c), 1e-5);
}

TEST(DeltaRule, ZeroTokensGiveZeros) {
  DeltaCase c(kLarge, 7);
  const std::int64_t stride = DeltaCase::stride(c.layout.channels());
  std::fill_n(c.qkv.begin() + 70 * stride, 20 * stride, 0.0f);
  EXPECT_LT(distance(c), 1e-5);
  std::ranges::fill(c.qkv, 0.0f);
  for (const float value : c.run()) ASSERT_EQ(value, 0.0f);
}

TEST(DeltaRule, NoTokensWriteNothing) {
  const DeltaCase c(kLarge, 7);
  float untouched = 5.0f;
  DeltaScratch scratch;
  delta_rule(c.parameters(), c.input(0), &untouched, scratch);
  EXPECT_EQ(untouched, 5.0f);
}

TEST(DeltaRule, TheFirstTokensHaveTheSameBitsInEveryWindow) {
  const DeltaCase c(kLarge, 8);
  const std::vector<float> whole = c.run();
  for (const std::int64_t count : {1, 3, 13, 63, 64, 65, 100, 128, 199}) {
    const std::vector<float> part = c.run(count);
    EXPECT_EQ(std::memcmp(part.data(), whole.data(), part.size() * sizeof(float)), 0) << count;
  }
}

TEST(DeltaRule, BitsDoNotDependOnScratchOrThreads) {
  const DeltaCase large(kLarge, 8), small(kShapes[3], 9);
  const std::vector<float> expected = large.run();
  std::vector<float> used(expected.size()), other(expected.size()), between(small.run().size());
  const auto run = [&](std::vector<float>& out, bool after_another) {
    DeltaScratch scratch;
    std::vector<float> ignored(between.size());
    if (after_another) delta_rule(small.parameters(), small.input(small.tokens), ignored.data(), scratch);
    delta_rule(large.parameters(), large.input(large.tokens), out.data(), scratch);
  };
  std::thread thread([&] { run(other, false); });
  run(used, true);
  thread.join();
  EXPECT_EQ(used, expected);
  EXPECT_EQ(other, expected);
}

TEST(DeltaRule, SumsAreThoseOfThePlainRecurrence) {
  DeltaCase c(kLarge, 11);
  const std::int64_t stride = DeltaCase::stride(c.layout.channels());
  std::fill_n(c.qkv.begin(), 2 * stride, 0.0f);
  const auto count = static_cast<std::size_t>(c.tokens);
  Doubles decay(count), strength(count), memory(count), surprise(count);
  const DeltaSums sums{.decay = decay, .strength = strength, .memory = memory, .surprise = surprise};
  EXPECT_EQ(c.run(c.tokens, &sums), c.run());
  PlainSums plain;
  (void)plain_rule(c, PlainInput(c), Without::nothing, &plain);
  const auto heads = static_cast<double>(c.layout.value_heads);
  for (std::size_t t = 0; t < count; ++t) {
    EXPECT_NEAR(decay[t], plain.decay[t] / heads, 1e-12);
    EXPECT_NEAR(strength[t], plain.strength[t] / heads, 1e-12);
    EXPECT_NEAR(memory[t], plain.memory[t] / heads, 1e-11 * memory[t]);
    if (t < 2) {
      EXPECT_TRUE(std::isnan(surprise[t]));
    } else {
      EXPECT_NEAR(surprise[t], std::sqrt(plain.innovation_square[t] / plain.value_square[t]), 1e-5);
    }
  }
  Doubles alone(count);
  const DeltaSums one{.memory = alone};
  (void)c.run(c.tokens, &one);
  EXPECT_EQ(alone, memory);
}

// One of the inputs.
struct Part {
  Doubles PlainInput::*values;
  std::int64_t width;
  const char* name;
};
std::vector<Part> parts(const DeltaLayout& l) {
  return {{&PlainInput::qkv, l.channels(), "qkv"},
          {&PlainInput::z, l.width(), "z"},
          {&PlainInput::b, l.value_heads, "b"},
          {&PlainInput::a, l.value_heads, "a"}};
}

double plain_loss(const DeltaCase& c, const PlainInput& in, const std::vector<float>& d_mixed) {
  const Doubles mixed = plain_rule(c, in);
  return std::inner_product(mixed.begin(), mixed.end(), d_mixed.begin(), 0.0);
}

// The four gradients, each without gaps.
std::vector<std::vector<float>> our_gradients(const DeltaCase& c, const std::vector<float>& d_mixed,
                                              DeltaBackwardScratch& scratch) {
  std::vector<std::vector<float>> d;
  for (const Part& part : parts(c.layout))
    d.emplace_back(static_cast<std::size_t>(c.tokens * part.width), 7.0f);
  const DeltaLayout& l = c.layout;
  delta_rule_backward(c.parameters(), c.input(c.tokens), d_mixed.data(),
                      {.qkv = {.data = d[0].data(), .stride = l.channels()},
                       .z = {.data = d[1].data(), .stride = l.width()},
                       .b = {.data = d[2].data(), .stride = l.value_heads},
                       .a = {.data = d[3].data(), .stride = l.value_heads}},
                      scratch);
  return d;
}

std::vector<std::vector<float>> our_gradients(const DeltaCase& c, const std::vector<float>& d_mixed) {
  DeltaBackwardScratch scratch;
  return our_gradients(c, d_mixed, scratch);
}

// The derivative of the loss with respect to `value`, one of the values of `in`. Differences are taken of
// each output: those that the value does not reach must not add their rounding.
double plain_derivative(const DeltaCase& c, const PlainInput& in, double& value,
                        const std::vector<float>& d_mixed) {
  constexpr double kStep = 2e-4;
  const double before = value;
  const auto at = [&](double steps) {
    value = before + steps * kStep;
    return plain_rule(c, in);
  };
  const Doubles above = at(1.0), below = at(-1.0), far_above = at(2.0), far_below = at(-2.0);
  value = before;
  double sum = 0.0;
  for (std::size_t i = 0; i < d_mixed.size(); ++i) {
    sum += d_mixed[i] * (8.0 * (above[i] - below[i]) - (far_above[i] - far_below[i]));
  }
  return sum / (12.0 * kStep);
}

// Worst of some elements of each gradient over the RMS of all of them.
void expect_gradients(DeltaCase c) {
  constexpr std::int64_t kSamples = 16;
  c.eps = kLargeEps;
  const std::vector<float> d_mixed = random_values(c.tokens * c.layout.width(), 77);
  const auto ours = our_gradients(c, d_mixed);
  PlainInput in(c);
  std::size_t which = 0;
  for (const Part& part : parts(c.layout)) {
    const std::vector<float>& d = ours[which++];
    double square = 0.0, largest = 0.0;
    for (const float value : d) square += static_cast<double>(value) * value;
    const double rms = std::sqrt(square / static_cast<double>(d.size()));
    const std::int64_t count = c.tokens * part.width, step = count <= kSamples ? 1 : count / kSamples | 1;
    for (std::int64_t i = 0; i < count; i += step) {
      double& value = (in.*part.values)[static_cast<std::size_t>(
          i / part.width * DeltaCase::stride(part.width) + i % part.width)];
      const double expected = plain_derivative(c, in, value, d_mixed);
      largest = std::max(largest, std::fabs(expected - static_cast<double>(d[static_cast<std::size_t>(i)])));
    }
    // One token has no state to decay.
    EXPECT_EQ(rms > 0.0, c.tokens > 1 || part.values != &PlainInput::a) << part.name;
    EXPECT_LE(largest, 1e-5 * rms) << part.name;
  }
}

TEST(DeltaRuleBackward, MatchesDifferencesOfThePlainRecurrence) {
  std::uint64_t seed = 10;
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(seed += 10);
    expect_gradients(DeltaCase(shape, seed));
  }
}

TEST(DeltaRuleBackward, MatchesAtTheEndsOfItsGates) {
  for (const float decay : {-12.0f, 3.0f}) {
    for (const float strength : {-5.0f, 9.0f}) {
      SCOPED_TRACE(decay);
      SCOPED_TRACE(strength);
      DeltaCase c(kShapes[3], 12);
      c.shift(c.a, decay);
      c.shift(c.b, strength);
      expect_gradients(c);
    }
  }
  // What one chunk passes through to the chunk after the next.
  DeltaCase three({{.key_heads = 2, .value_heads = 4, .key_dim = 4, .value_dim = 6, .kernel = 4}, 150}, 18);
  three.shift(three.a, -6.0f);
  expect_gradients(three);
  DeltaCase mixed(kShapes[4], 13);
  for (float& a : mixed.a) a *= 6.0f;
  for (float& b : mixed.b) b *= 4.0f;
  expect_gradients(mixed);
}

// All values at once, in windows of several chunks: the derivative along a direction.
TEST(DeltaRuleBackward, MatchesTheDerivativeAlongADirection) {
  DeltaCase c(kLarge, 14);
  const std::vector<float> d_mixed = random_values(c.tokens * c.layout.width(), 77);
  const auto ours = our_gradients(c, d_mixed);
  std::size_t which = 0;
  for (const Part& part : parts(c.layout)) {
    const std::vector<float>& d = ours[which++];
    const std::vector<float> direction = random_values(c.tokens * part.width, 78);
    double expected = 0.0, square = 0.0;
    PlainInput above(c), below(c);
    constexpr double kStep = 1e-6;
    for (std::size_t i = 0; i < d.size(); ++i) {
      expected += static_cast<double>(d[i]) * direction[i];
      square += static_cast<double>(d[i]) * d[i];
      const auto width = static_cast<std::size_t>(part.width);
      const std::size_t at = i / width * static_cast<std::size_t>(DeltaCase::stride(part.width)) + i % width;
      (above.*part.values)[at] += kStep * direction[i];
      (below.*part.values)[at] -= kStep * direction[i];
    }
    const double found = (plain_loss(c, above, d_mixed) - plain_loss(c, below, d_mixed)) / (2.0 * kStep);
    EXPECT_NEAR(found, expected, 1e-5 * std::sqrt(square)) << part.name;
  }
}

TEST(DeltaRuleBackward, BitsDoNotDependOnScratch) {
  const DeltaCase large(kLarge, 17), small(kShapes[3], 18);
  const std::vector<float> d_mixed = random_values(large.tokens * large.layout.width(), 77);
  DeltaBackwardScratch used;
  (void)our_gradients(small, d_mixed, used);
  EXPECT_EQ(our_gradients(large, d_mixed, used), our_gradients(large, d_mixed));
  EXPECT_EQ(our_gradients(small, d_mixed, used), our_gradients(small, d_mixed));
}

TEST(DeltaRuleBackward, LongWindowsWithStrongDecayStayFinite) {
  DeltaCase c(kLong, 15);
  c.shift(c.a, 30.0f);
  for (const auto& gradient : our_gradients(c, random_values(c.tokens * c.layout.width(), 77))) {
    for (const float value : gradient) ASSERT_TRUE(std::isfinite(value));
  }
}

TEST(DeltaRuleBackward, ZeroTokensHaveFiniteGradients) {
  DeltaCase c(kLarge, 16);
  std::ranges::fill(c.qkv, 0.0f);
  for (const auto& gradient : our_gradients(c, random_values(c.tokens * c.layout.width(), 77))) {
    for (const float value : gradient) ASSERT_TRUE(std::isfinite(value));
  }
}

}  // namespace
}  // namespace strata
