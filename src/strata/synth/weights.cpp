#include "strata/synth/weights.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <numbers>

#include "strata/base/error.h"
#include "strata/base/philox.h"

namespace strata::synth {
namespace {

constexpr std::size_t kTableSize = std::size_t{1} << 16;
constexpr float kVectorSpread = 0.1f;
// Eight significant bits, which bfloat16 has: norms lie within (0.5, 1.5), biases within 0.44.
constexpr float kNormGrid = 1.0f / 128, kBiasGrid = 1.0f / 512;

// Solves upper_tail(z) = p by Newton's method from a guess below the solution.
double upper_quantile(double p, double z) {
  for (int i = 0; i < 50; ++i) {
    const double tail = 0.5 * std::erfc(z / std::numbers::sqrt2);
    const double density = std::exp(-0.5 * z * z) / std::sqrt(2.0 * std::numbers::pi);
    const double step = (tail - p) / density;
    z += step;
    if (std::fabs(step) < 1e-14) break;
  }
  return z;
}

std::vector<float> make_normal_table() {
  const std::size_t half = kTableSize / 2;
  std::vector<double> positive(half);
  double z = 0.0, squares = 0.0;
  for (std::size_t i = 0; i < half; ++i) {
    const double tail = 0.5 - (static_cast<double>(i) + 0.5) / static_cast<double>(kTableSize);
    positive[i] = z = upper_quantile(tail, z);
    squares += z * z;
  }
  const double unit = 1.0 / std::sqrt(squares / static_cast<double>(half));
  std::vector<float> table(kTableSize);
  for (std::size_t i = 0; i < half; ++i) {
    table[half + i] = static_cast<float>(positive[i] * unit);
    table[half - 1 - i] = -table[half + i];
  }
  return table;
}

std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

// Finite values below 65520 only: nothing here is larger.
std::uint16_t to_f16(float value) {
  const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
  const double size = std::fabs(static_cast<double>(value));
  const int exponent = size < std::ldexp(1.0, -14) ? -14 : std::ilogb(size);
  // In units of the last place; a subnormal has no implicit bit, so its exponent field stays 0, and a
  // mantissa that rounds up to the next power carries into the exponent.
  const int units = static_cast<int>(std::nearbyint(std::ldexp(size, 10 - exponent)));
  return static_cast<std::uint16_t>(sign | (((exponent + 14) << 10) + units));
}

// roundf of a value that fits an int: halves away from zero, without a library call.
int round_away(float x) {
  const int whole = static_cast<int>(x);
  const float rest = x - static_cast<float>(whole);
  return whole + (rest >= 0.5f ? 1 : 0) - (rest <= -0.5f ? 1 : 0);
}

constexpr std::size_t kQuantBlock = 32;

void encode_q8_0(const float* x, std::byte* out) {
  float largest = 0.0f;
  for (std::size_t i = 0; i < kQuantBlock; ++i) largest = std::max(largest, std::fabs(x[i]));
  const float d = largest / 127.0f;
  const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
  const std::uint16_t scale = to_f16(d);
  std::memcpy(out, &scale, sizeof scale);
  std::array<std::int8_t, kQuantBlock> q{};
  for (std::size_t i = 0; i < kQuantBlock; ++i) q[i] = static_cast<std::int8_t>(round_away(x[i] * inverse));
  std::memcpy(out + sizeof scale, q.data(), q.size());
}

// The value of the largest magnitude keeps its sign and becomes -8.
void encode_q4_0(const float* x, std::byte* out) {
  float largest = 0.0f, extreme = 0.0f;
  for (std::size_t i = 0; i < kQuantBlock; ++i) {
    if (largest < std::fabs(x[i])) {
      largest = std::fabs(x[i]);
      extreme = x[i];
    }
  }
  const float d = extreme / -8.0f;
  const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
  const std::uint16_t scale = to_f16(d);
  std::memcpy(out, &scale, sizeof scale);
  const auto nibble = [&](float v) { return std::min(15, static_cast<int>(v * inverse + 8.5f)); };
  for (std::size_t i = 0; i < kQuantBlock / 2; ++i)
    out[sizeof scale + i] = static_cast<std::byte>(nibble(x[i]) | nibble(x[i + kQuantBlock / 2]) << 4);
}

constexpr std::array<Encoding, 5> kEncodings{{
    {SynthType::f32, "F32", 0, 0, 1, 4},
    {SynthType::f16, "F16", 1, 1, 1, 2},
    {SynthType::bf16, "BF16", 30, 32, 1, 2},
    {SynthType::q8_0, "Q8_0", 8, 7, kQuantBlock, 2 + kQuantBlock},
    {SynthType::q4_0, "Q4_0", 2, 2, kQuantBlock, 2 + kQuantBlock / 2},
}};

std::uint16_t to_16_bits(SynthType type, float value) {
  return type == SynthType::bf16 ? to_bf16(value) : to_f16(value);
}

bool is_16_bits(SynthType type) {
  return type == SynthType::bf16 || type == SynthType::f16;
}

}  // namespace

const std::vector<float>& normal_table() {
  static const std::vector<float> table = make_normal_table();
  return table;
}

Distribution distribution_of(const TensorRule& rule, const ModelConfig& c) {
  const auto shape = rule.shape(c);
  if (shape.size() == 1) {
    const bool bias = rule.name.ends_with(".bias");
    return {.scale = kVectorSpread, .centre = bias ? 0.0f : 1.0f, .grid = bias ? kBiasGrid : kNormGrid};
  }
  const double columns = static_cast<double>(shape.back());
  const double stream = c.tied_embeddings ? 1.0 / std::sqrt(static_cast<double>(c.hidden)) : 1.0;
  if (rule.role == Role::embedding) return {.scale = static_cast<float>(stream)};
  if (rule.role == Role::attention_output || rule.role == Role::down)
    return {.scale = static_cast<float>(stream / std::sqrt(columns * 2.0 * c.n_layers))};
  return {.scale = static_cast<float>(1.0 / std::sqrt(columns))};
}

TensorKey tensor_key(std::uint64_t seed, const TensorRule& rule, int layer) {
  std::uint32_t hash = 2166136261u;  // FNV-1a of the name, so that the order of the table does not matter
  for (const char c : rule.name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return {.seed = seed, .rule = hash, .layer = static_cast<std::uint32_t>(layer)};
}

void row_bits(const TensorKey& key, std::uint32_t row, std::span<std::uint16_t> out) {
  const std::array<std::uint32_t, 2> words{static_cast<std::uint32_t>(key.seed),
                                           static_cast<std::uint32_t>(key.seed >> 32)};
  std::uint32_t block = 0;
  for (std::size_t at = 0; at < out.size(); at += 8, ++block) {
    const auto bits = philox4x32({block, row, key.rule, key.layer}, words);
    std::memcpy(out.data() + at, bits.data(), std::min<std::size_t>(8, out.size() - at) * 2);
  }
}

const Encoding& encoding(SynthType type) {
  for (const Encoding& e : kEncodings)
    if (e.type == type) return e;
  check_failed("type is in the table of encodings", __FILE__, __LINE__);
}

std::uint64_t encoded_bytes(const Encoding& e, std::uint64_t elements) {
  return elements / e.block_elements * e.block_bytes;
}

void encode(SynthType type, std::span<const float> values, std::byte* out) {
  const Encoding& e = encoding(type);
  STRATA_CHECK(values.size() % e.block_elements == 0);
  for (std::size_t i = 0; i < values.size(); i += e.block_elements, out += e.block_bytes) {
    if (type == SynthType::q8_0) {
      encode_q8_0(&values[i], out);
    } else if (type == SynthType::q4_0) {
      encode_q4_0(&values[i], out);
    } else if (type == SynthType::f32) {
      std::memcpy(out, &values[i], sizeof(float));
    } else {
      const std::uint16_t bits = to_16_bits(type, values[i]);
      std::memcpy(out, &bits, sizeof bits);
    }
  }
}

RowWriter::RowWriter(SynthType type, const Distribution& distribution, const TensorKey& key,
                     std::size_t columns)
    : type_(type),
      key_(key),
      columns_(columns),
      row_bytes_(encoded_bytes(encoding(type), columns)),
      values_(normal_table()) {
  const auto [scale, centre, grid] = distribution;
  for (float& value : values_) {
    value *= scale;
    if (grid != 0.0f) value = std::nearbyint(value / grid) * grid;
    value += centre;
  }
  if (!is_16_bits(type)) return;
  encoded_.resize(values_.size());
  std::transform(values_.begin(), values_.end(), encoded_.begin(),
                 [&](float value) { return to_16_bits(type, value); });
}

void RowWriter::write(std::uint32_t row, std::byte* out, std::vector<std::uint16_t>& bits,
                      std::vector<float>& values) const {
  bits.resize(columns_);
  row_bits(key_, row, bits);
  if (!encoded_.empty()) {
    for (std::uint16_t& b : bits) b = encoded_[b];
    std::memcpy(out, bits.data(), row_bytes_);
    return;
  }
  values.resize(columns_);
  for (std::size_t i = 0; i < columns_; ++i) values[i] = values_[bits[i]];
  encode(type_, values, out);
}

}  // namespace strata::synth
