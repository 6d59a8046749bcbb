// Our matrix products against LibTorch's in float64, and that a row's bits depend on nothing but the row.
#include "strata/model/product.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "strata/base/philox.h"
#include "strata/model/product_kernels.h"

namespace strata {
namespace {

struct Shape {
  std::int64_t rows, outputs, inner;
};

// Tiles that are full and not, inner dimensions longer than one pass, odd ones for bfloat16's pairs.
constexpr Shape kShapes[] = {{1, 1, 1},     {12, 32, 256}, {13, 33, 257}, {64, 31, 2},
                             {5, 70, 1031}, {37, 1100, 3}, {24, 65, 512}, {7, 32, 1024}};

at::Tensor random_matrix(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  Philox rng({.seed = seed, .stream = Stream::test});
  at::Tensor t = at::empty({rows, columns}, at::kFloat);
  for (std::int64_t i = 0; i < t.numel(); ++i) t.data_ptr<float>()[i] = static_cast<float>(rng.normal());
  return t;
}

class Product : public testing::TestWithParam<ComputeDType> {
 protected:
  void SetUp() override {
    if (const std::string why = why_not_computed(GetParam()); !why.empty()) GTEST_SKIP() << why;
  }
  // What the product sees of its operands, in float64.
  [[nodiscard]] at::Tensor operand(const at::Tensor& t) const {
    const at::Tensor seen = GetParam() == ComputeDType::bfloat16 ? t.to(at::kBFloat16) : t;
    return seen.to(at::kDouble);
  }
  [[nodiscard]] PackedMatrix pack(const at::Tensor& t) const {
    PackedMatrix packed(GetParam(), t.size(0), t.size(1));
    packed.put_rows(0, t.size(0), t.data_ptr<float>(), t.size(1));
    return packed;
  }
  [[nodiscard]] PackedRows pack_left(const at::Tensor& t) const {
    PackedRows packed;
    packed.reset(GetParam(), t.size(0), t.size(1));
    packed.put(t.data_ptr<float>(), t.size(1));
    return packed;
  }
};

// The rounding of a sum of `inner` float32 products of numbers of size 1.
void expect_near(const at::Tensor& ours, const at::Tensor& exact, std::int64_t inner) {
  const double tolerance = 4e-7 * static_cast<double>(inner) + 1e-6;
  EXPECT_LT((ours.to(at::kDouble) - exact).abs().max().item<double>(), tolerance);
}

TEST_P(Product, EqualsLibTorch) {
  for (const auto& [rows, outputs, inner] : kShapes) {
    const at::Tensor x = random_matrix(rows, inner, 1), w = random_matrix(outputs, inner, 2);
    at::Tensor out = at::full({rows, outputs}, 7.0f, at::kFloat);
    multiply(pack_left(x), pack(w), {.data = out.data_ptr<float>(), .stride = outputs});
    const at::Tensor exact = operand(x).mm(operand(w).t());
    expect_near(out, exact, inner);
    multiply(pack_left(x), pack(w), {.data = out.data_ptr<float>(), .stride = outputs, .add = true});
    expect_near(out, 2.0 * exact, 2 * inner);
  }
}

TEST_P(Product, TransposedEqualsLibTorch) {
  for (const auto& [rows, outputs, inner] : kShapes) {
    const at::Tensor x = random_matrix(rows, inner, 3), w = random_matrix(inner, outputs, 4);
    at::Tensor out = at::full({rows, outputs}, 7.0f, at::kFloat);
    multiply_transposed(pack_left(x), pack(w), {.data = out.data_ptr<float>(), .stride = outputs});
    expect_near(out, operand(x).mm(operand(w)), inner);
  }
}

TEST_P(Product, RangesOfColumnsAreThoseOfTheWhole) {
  const at::Tensor x = random_matrix(17, 90, 5), w = random_matrix(100, 90, 6);
  const PackedRows left = pack_left(x);
  const PackedMatrix right = pack(w);
  at::Tensor whole = at::empty({17, 100}, at::kFloat), part = at::empty({17, 36}, at::kFloat);
  multiply(left, right, {.data = whole.data_ptr<float>(), .stride = 100});
  multiply(left, right, 64, 100, {.data = part.data_ptr<float>(), .stride = 36});
  EXPECT_TRUE(part.equal(whole.slice(1, 64)));
}

TEST_P(Product, BothWaysOfPackingAgree) {
  const at::Tensor x = random_matrix(45, 71, 7), turned = x.t().contiguous();
  PackedMatrix matrix(GetParam(), 45, 71);
  matrix.put_transposed(turned.data_ptr<float>(), 45);
  EXPECT_EQ(matrix.unpack(), pack(x).unpack());
  const at::Tensor seen = operand(x).to(at::kFloat).contiguous();
  EXPECT_EQ(std::memcmp(matrix.unpack().data(), seen.data_ptr<float>(), 45 * 71 * sizeof(float)), 0);
  const PackedMatrix identity = pack(at::eye(71));
  PackedRows rows;
  rows.reset(GetParam(), 45, 71);
  rows.put_transposed(turned.data_ptr<float>(), 45);
  at::Tensor out = at::empty({45, 71}, at::kFloat);
  multiply(rows, identity, {.data = out.data_ptr<float>(), .stride = 71});
  EXPECT_TRUE(out.equal(seen));
  rows.reset(GetParam(), 45, 71);  // columns in two parts
  rows.put(x.data_ptr<float>(), 71, 0, 30);
  rows.put(x.data_ptr<float>() + 30, 71, 30, 41);
  multiply(rows, identity, {.data = out.data_ptr<float>(), .stride = 71});
  EXPECT_TRUE(out.equal(seen));
}

TEST_P(Product, ARowsBitsDoNotDependOnItsNeighbours) {
  const at::Tensor x = random_matrix(50, 700, 8), w = random_matrix(75, 700, 9);
  const PackedMatrix right = pack(w);
  at::Tensor whole = at::empty({50, 75}, at::kFloat), turned = at::empty({50, 700}, at::kFloat);
  multiply(pack_left(x), right, {.data = whole.data_ptr<float>(), .stride = 75});
  multiply_transposed(pack_left(whole), right, {.data = turned.data_ptr<float>(), .stride = 700});
  for (const std::int64_t row : {0, 11, 12, 47, 49}) {
    at::Tensor one = at::empty({1, 75}, at::kFloat), back = at::empty({1, 700}, at::kFloat);
    multiply(pack_left(x.slice(0, row, row + 1)), right, {.data = one.data_ptr<float>(), .stride = 75});
    EXPECT_TRUE(one.equal(whole.slice(0, row, row + 1))) << row;
    multiply_transposed(pack_left(one), right, {.data = back.data_ptr<float>(), .stride = 700});
    EXPECT_TRUE(back.equal(turned.slice(0, row, row + 1))) << row;
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, Product, testing::Values(ComputeDType::float32, ComputeDType::bfloat16),
                         [](const auto& mode) { return std::string(to_string(mode.param)); });

// Every instruction set that this machine has; those with fused multiply-adds give the same bits.
TEST(ProductKernels, InstructionSetsAgree) {
  const auto sets = all_float32_kernels();
  constexpr std::int64_t kWords = 300;
  for (std::int64_t height = 1; height <= kPanelRows; ++height) {
    const at::Tensor a = random_matrix(kWords, height, 10), b = random_matrix(kWords, kPanelColumns, 11);
    const at::Tensor exact = a.to(at::kDouble).t().mm(b.to(at::kDouble));
    at::Tensor first;
    for (const ProductKernels& set : sets) {
      at::Tensor out = at::ones({height, kPanelColumns}, at::kFloat);
      set.tile[height](reinterpret_cast<const std::uint32_t*>(a.data_ptr<float>()),
                       reinterpret_cast<const std::uint32_t*>(b.data_ptr<float>()), kWords,
                       out.data_ptr<float>(), kPanelColumns, true);
      expect_near(out, exact + 1.0, kWords);
      if (!first.defined()) first = out;
      if (std::strcmp(set.instruction_set, "scalar") != 0) {
        EXPECT_TRUE(out.equal(first)) << set.instruction_set;
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
  const at::Tensor x = random_matrix(1, 10000, 12), theirs = x.to(at::kBFloat16).to(at::kFloat);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    ASSERT_EQ(round_to_bfloat16(x.data_ptr<float>()[i]), theirs.data_ptr<float>()[i]);
  }
}

}  // namespace
}  // namespace strata
