// Our matrix products against sums in float64, and that a row's bits depend on nothing but the row.
#include "strata/model/product.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "strata/base/matrix.h"
#include "strata/model/product_kernels.h"
#include "tests/support/float_values.h"

namespace strata {
namespace {

struct Shape {
  std::size_t rows, outputs, inner;
};

// Tiles that are full and not, inner dimensions longer than one pass, odd ones for bfloat16's pairs.
constexpr Shape kShapes[] = {{1, 1, 1},     {12, 32, 256}, {13, 33, 257}, {64, 31, 2},
                             {5, 70, 1031}, {37, 1100, 3}, {24, 65, 512}, {7, 32, 1024}};

FloatMatrix random_matrix(std::size_t rows, std::size_t columns, std::uint64_t seed) {
  FloatMatrix m(rows, columns);
  m.data = test::random_values(static_cast<std::int64_t>(m.data.size()), seed);
  return m;
}

FloatMatrix transposed(const FloatMatrix& m) {
  FloatMatrix t(m.cols, m.rows);
  for (std::size_t i = 0; i < m.rows; ++i) {
    for (std::size_t j = 0; j < m.cols; ++j) t(j, i) = m(i, j);
  }
  return t;
}

FloatMatrix rows_of(const FloatMatrix& m, std::size_t first, std::size_t end) {
  FloatMatrix part(end - first, m.cols);
  std::copy_n(m.row(first).data(), part.data.size(), part.data.data());
  return part;
}

std::int64_t stride_of(const FloatMatrix& m) {
  return static_cast<std::int64_t>(m.cols);
}

ProductOutput to(FloatMatrix& m, bool add = false) {
  return {.data = m.data.data(), .stride = stride_of(m), .add = add};
}

// The nearer of the bfloat16 numbers beside a finite value, in float64; the even one of two as near.
float nearest_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t below = bits & 0xffff0000u, above = below + 0x10000u;  // by size
  const double low = std::bit_cast<float>(below);
  double high = std::bit_cast<float>(above);
  if (std::isinf(high)) high = std::copysign(std::ldexp(1.0, 128), high);  // infinity takes its place
  const double to_low = std::fabs(value - low), to_high = std::fabs(high - value);
  const bool down = to_low < to_high || (to_low == to_high && (below & 0x10000u) == 0);
  return std::bit_cast<float>(down ? below : above);
}

class Product : public testing::TestWithParam<ComputeDType> {
 protected:
  void SetUp() override {
    if (const std::string why = why_not_computed(GetParam()); !why.empty()) GTEST_SKIP() << why;
  }
  // What the product sees of its operands.
  [[nodiscard]] FloatMatrix operand(FloatMatrix m) const {
    if (GetParam() == ComputeDType::bfloat16) {
      for (float& value : m.data) value = nearest_bfloat16(value);
    }
    return m;
  }
  [[nodiscard]] PackedMatrix pack(const FloatMatrix& m) const {
    PackedMatrix packed(GetParam(), static_cast<std::int64_t>(m.rows), stride_of(m));
    packed.put_rows(0, packed.rows(), m.data.data(), stride_of(m));
    return packed;
  }
  [[nodiscard]] PackedRows pack_left(const FloatMatrix& m) const {
    PackedRows packed;
    packed.reset(GetParam(), static_cast<std::int64_t>(m.rows), stride_of(m));
    packed.put(m.data.data(), stride_of(m));
    return packed;
  }
};

// ours = start + times * x w^T, each element within the rounding of float32 sums of terms of its terms'
// sizes.
void expect_product(const FloatMatrix& ours, const FloatMatrix& x, const FloatMatrix& w, double times = 1.0,
                    double start = 0.0) {
  ASSERT_EQ(ours.rows, x.rows);
  ASSERT_EQ(ours.cols, w.rows);
  for (std::size_t i = 0; i < ours.rows; ++i) {
    for (std::size_t j = 0; j < ours.cols; ++j) {
      double sum = start, size = std::fabs(start);
      for (std::size_t k = 0; k < x.cols; ++k) {
        const double term = times * static_cast<double>(x(i, k)) * w(j, k);
        sum += term;
        size += std::fabs(term);
      }
      ASSERT_NEAR(ours(i, j), sum, 2.5e-7 * size) << i << ' ' << j;
    }
  }
}

TEST_P(Product, EqualsTheSums) {
  for (const auto& [rows, outputs, inner] : kShapes) {
    const FloatMatrix x = random_matrix(rows, inner, 1), w = random_matrix(outputs, inner, 2);
    FloatMatrix out(rows, outputs, 7.0f);
    multiply(pack_left(x), pack(w), to(out));
    expect_product(out, operand(x), operand(w));
    multiply(pack_left(x), pack(w), to(out, true));
    expect_product(out, operand(x), operand(w), 2.0);
  }
}

TEST_P(Product, TransposedEqualsTheSums) {
  for (const auto& [rows, outputs, inner] : kShapes) {
    const FloatMatrix x = random_matrix(rows, inner, 3), w = random_matrix(inner, outputs, 4);
    FloatMatrix out(rows, outputs, 7.0f);
    multiply_transposed(pack_left(x), pack(w), to(out));
    expect_product(out, operand(x), transposed(operand(w)));
  }
}

TEST_P(Product, RangesOfColumnsAreThoseOfTheWhole) {
  const FloatMatrix x = random_matrix(17, 90, 5), w = random_matrix(100, 90, 6);
  const PackedRows left = pack_left(x);
  const PackedMatrix right = pack(w);
  FloatMatrix whole(17, 100), part(17, 36);
  multiply(left, right, to(whole));
  multiply(left, right, 64, 100, to(part));
  EXPECT_EQ(transposed(part), rows_of(transposed(whole), 64, 100));
}

TEST_P(Product, BothWaysOfPackingAgree) {
  const FloatMatrix x = random_matrix(45, 71, 7), turned = transposed(x), seen = operand(x);
  PackedMatrix matrix(GetParam(), 45, 71);
  matrix.put_transposed(turned.data.data(), 45);
  EXPECT_EQ(matrix.unpack(), seen.data);
  EXPECT_EQ(pack(x).unpack(), seen.data);
  FloatMatrix eye(71, 71);
  for (std::size_t i = 0; i < 71; ++i) eye(i, i) = 1.0f;
  const PackedMatrix identity = pack(eye);
  PackedRows rows;
  rows.reset(GetParam(), 45, 71);
  rows.put_transposed(turned.data.data(), 45);
  FloatMatrix out(45, 71);
  multiply(rows, identity, to(out));
  EXPECT_EQ(out, seen);
  rows.reset(GetParam(), 45, 71);  // columns in two parts
  rows.put(x.data.data(), 71, 0, 30);
  rows.put(x.data.data() + 30, 71, 30, 41);
  out = FloatMatrix(45, 71);
  multiply(rows, identity, to(out));
  EXPECT_EQ(out, seen);
}

TEST_P(Product, ARowsBitsDoNotDependOnItsNeighbours) {
  const FloatMatrix x = random_matrix(50, 700, 8), w = random_matrix(75, 700, 9);
  const PackedMatrix right = pack(w);
  FloatMatrix whole(50, 75), turned(50, 700);
  multiply(pack_left(x), right, to(whole));
  multiply_transposed(pack_left(whole), right, to(turned));
  for (const std::size_t row : {0, 11, 12, 47, 49}) {
    FloatMatrix one(1, 75), back(1, 700);
    multiply(pack_left(rows_of(x, row, row + 1)), right, to(one));
    EXPECT_EQ(one, rows_of(whole, row, row + 1)) << row;
    multiply_transposed(pack_left(one), right, to(back));
    EXPECT_EQ(back, rows_of(turned, row, row + 1)) << row;
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, Product, testing::Values(ComputeDType::float32, ComputeDType::bfloat16),
                         [](const auto& mode) { return std::string(to_string(mode.param)); });

// Every instruction set that this machine has; those with fused multiply-adds give the same bits.
TEST(ProductKernels, InstructionSetsAgree) {
  const auto sets = all_float32_kernels();
  constexpr std::int64_t kWords = 300;
  for (std::int64_t height = 1; height <= kPanelRows; ++height) {
    const auto rows = static_cast<std::size_t>(height);
    const FloatMatrix a = random_matrix(kWords, rows, 10), b = random_matrix(kWords, kPanelColumns, 11);
    FloatMatrix first;
    for (const ProductKernels& set : sets) {
      FloatMatrix out(rows, kPanelColumns, 1.0f);
      set.tile[height](reinterpret_cast<const std::uint32_t*>(a.data.data()),
                       reinterpret_cast<const std::uint32_t*>(b.data.data()), kWords, out.data.data(),
                       kPanelColumns, true);
      expect_product(out, transposed(a), transposed(b), 1.0, 1.0);
      if (first.data.empty()) first = out;
      if (std::strcmp(set.instruction_set, "scalar") != 0) {
        EXPECT_EQ(out, first) << set.instruction_set;
      }
    }
  }
}

TEST(Bfloat16, RoundsToNearestTiesToEven) {
  const auto expect = [](float value, float rounded) {
    EXPECT_EQ(round_to_bfloat16(value), rounded) << value;
  };
  expect(1.0f, 1.0f);
  expect(1.00390625f, 1.0f);       // half way to 1.0078125: to even
  expect(1.01171875f, 1.015625f);  // half way from 1.0078125: to even
  expect(1.0040f, 1.0078125f);
  expect(-3.3895314e38f, -3.3895314e38f);
  expect(3.4e38f, INFINITY);
  expect(INFINITY, INFINITY);
  EXPECT_TRUE(std::isnan(round_to_bfloat16(std::bit_cast<float>(0x7fffffffu))));
}

// Above every bfloat16 number, both signs and the denormal ones too: half way, and just beside it.
TEST(Bfloat16, IsTheNearestOnBothSidesOfEveryTie) {
  for (std::uint32_t high = 0; high < 0x10000u; ++high) {
    if ((high & 0x7f80u) == 0x7f80u) continue;  // infinite or NaN
    for (const std::uint32_t low : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      const auto value = std::bit_cast<float>(high << 16 | low);
      ASSERT_EQ(std::bit_cast<std::uint32_t>(round_to_bfloat16(value)),
                std::bit_cast<std::uint32_t>(nearest_bfloat16(value)))
          << value;
    }
  }
}

// Rows side by side by each instruction set: whole tiles of its transposition and what is left of them.
TEST(ProductKernelTable, InterleavesTheSameWithEveryInstructionSet) {
  constexpr std::int64_t kLanes = 35, kStride = 77;
  const std::vector<float> values = test::random_values(32 * kStride, 8);
  std::vector<std::uint32_t> rows(values.size());
  std::memcpy(rows.data(), values.data(), rows.size() * sizeof(std::uint32_t));
  const auto kernels = all_float32_kernels();
  for (const std::int64_t count : {1, 7, 8, 12, 16, 19, 32}) {
    for (const std::int64_t words : {1, 8, 15, 16, 33, 64, 77}) {
      for (const ProductKernels& kernel : kernels) {
        std::vector<std::uint32_t> out(static_cast<std::size_t>(words * kLanes), 0xdeadbeefu);
        kernel.interleave(rows.data(), kStride, count, words, out.data(), kLanes);
        for (std::int64_t w = 0; w < words; ++w) {
          for (std::int64_t lane = 0; lane < kLanes; ++lane) {
            const std::uint32_t expected =
                lane < count ? rows[static_cast<std::size_t>(lane * kStride + w)] : 0xdeadbeefu;
            ASSERT_EQ(out[static_cast<std::size_t>(w * kLanes + lane)], expected)
                << kernel.instruction_set << ", " << count << " rows, " << words << " words, at " << w << ", "
                << lane;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace strata
