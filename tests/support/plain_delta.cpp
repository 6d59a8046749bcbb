#include "tests/support/plain_delta.h"

#include <algorithm>
#include <numeric>

namespace strata::test {
namespace {

double plain_silu(double x) {
  return x / (1.0 + std::exp(-x));
}

double plain_softplus(double x) {
  return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x)));
}

// One channel after the convolution and its activation.
double plain_channel(const DeltaCase& c, const PlainDeltaInput& in, std::int64_t token, std::int64_t channel,
                     DeltaWithout without) {
  const std::int64_t stride = DeltaCase::stride(c.layout.channels()), kernel = c.layout.kernel;
  double sum = 0.0;
  for (std::int64_t back = 0; back < kernel && back <= token; ++back) {
    if (without == DeltaWithout::earlier_taps && back > 0) break;
    sum +=
        static_cast<double>(c.convolution[static_cast<std::size_t>(channel * kernel + kernel - 1 - back)]) *
        in.qkv[static_cast<std::size_t>((token - back) * stride + channel)];
  }
  if (without == DeltaWithout::convolution) sum = in.qkv[static_cast<std::size_t>(token * stride + channel)];
  return without == DeltaWithout::silu ? sum : plain_silu(sum);
}

Doubles plain_channels(const DeltaCase& c, const PlainDeltaInput& in, std::int64_t token, std::int64_t column,
                       std::int64_t count, DeltaWithout without) {
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

void plain_head(const DeltaCase& c, const PlainDeltaInput& in, std::int64_t head, DeltaWithout without,
                Doubles& mixed, PlainDeltaSums& sums) {
  const DeltaLayout& l = c.layout;
  const std::int64_t key_head = without == DeltaWithout::grouping ? head % l.key_heads : head / l.group();
  Doubles state(static_cast<std::size_t>(l.key_dim * l.value_dim), 0.0);
  const auto h = static_cast<std::size_t>(head);
  double memory = 0.0;
  for (std::int64_t t = 0; t < c.tokens; ++t) {
    Doubles q = plain_channels(c, in, t, l.query_column(key_head), l.key_dim, without);
    Doubles k = plain_channels(c, in, t, l.key_column(key_head), l.key_dim, without);
    const Doubles v = plain_channels(c, in, t, l.value_column(head), l.value_dim, without);
    if (without != DeltaWithout::unit_query) plain_unit(q);
    if (without != DeltaWithout::unit_key) plain_unit(k);
    const double scale =
        without == DeltaWithout::query_scale ? 1.0 : std::sqrt(static_cast<double>(l.key_dim));
    for (double& value : q) value /= scale;
    const auto gate = static_cast<std::size_t>(t * DeltaCase::stride(l.value_heads) + head);
    const double bias = without == DeltaWithout::dt_bias ? 0.0 : static_cast<double>(c.dt_bias[h]);
    const double decay =
        without == DeltaWithout::decay
            ? 1.0
            : std::exp(-static_cast<double>(c.decay_rate[h]) * plain_softplus(in.a[gate] + bias));
    const double strength = without == DeltaWithout::strength ? 1.0 : 1.0 / (1.0 + std::exp(-in.b[gate]));
    double innovation = 0.0;
    const Doubles o =
        plain_step(state, q, k, v, decay, strength, without != DeltaWithout::correction, innovation);
    double square = std::inner_product(o.begin(), o.end(), o.begin(), 0.0) / static_cast<double>(o.size());
    const double rms = without == DeltaWithout::norm ? 1.0 : std::sqrt(square + c.eps);
    for (std::int64_t i = 0; i < l.value_dim; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const double z =
          in.z[static_cast<std::size_t>(t * DeltaCase::stride(l.width()) + head * l.value_dim + i)];
      const double weight = without == DeltaWithout::norm_weight ? 1.0 : static_cast<double>(c.norm[at]);
      mixed[static_cast<std::size_t>(t * l.width() + head * l.value_dim + i)] =
          weight * o[at] / rms * (without == DeltaWithout::gate ? 1.0 : plain_silu(z));
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

}  // namespace

Doubles plain_delta_rule(const DeltaCase& c, const PlainDeltaInput& in, DeltaWithout without,
                         PlainDeltaSums* sums) {
  Doubles mixed(static_cast<std::size_t>(c.tokens * c.layout.width()));
  const Doubles zero(static_cast<std::size_t>(c.tokens), 0.0);
  PlainDeltaSums own{zero, zero, zero, zero, zero};
  for (std::int64_t head = 0; head < c.layout.value_heads; ++head)
    plain_head(c, in, head, without, mixed, own);
  if (sums != nullptr) *sums = own;
  return mixed;
}

}  // namespace strata::test
