#include <bit>
#include <cstring>

#include "strata/base/error.h"
#include "strata/checkpoint/checkpoint.h"

namespace strata {
namespace {

// Loads go through memcpy: tensors of a safetensors file need not be aligned.
std::uint16_t load_u16(const std::byte* at) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, at, sizeof bits);
  return bits;
}

// Exponent and mantissa are moved into float32's fields and the exponent rebiased by 112. Infinity and
// NaN need 112 more. A subnormal is read as (1 + m/1024) 2^-14 and the 2^-14 is taken off again, which
// is exact and needs no subnormal arithmetic (so it works when the CPU flushes subnormals to zero).
float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t magnitude = static_cast<std::uint32_t>(half & 0x7fffu) << 13;
  const std::uint32_t exponent = magnitude & 0x0f800000u;
  std::uint32_t bits = magnitude + (112u << 23);
  bits += exponent == 0x0f800000u ? (112u << 23) : 0u;
  const float subnormal = std::bit_cast<float>(bits + (1u << 23)) - std::bit_cast<float>(113u << 23);
  // Selected by a mask: with a branch the loop would not become vector code.
  const std::uint32_t is_subnormal = 0u - static_cast<std::uint32_t>(exponent == 0);
  bits = (std::bit_cast<std::uint32_t>(subnormal) & is_subnormal) | (bits & ~is_subnormal);
  return std::bit_cast<float>(bits | sign);
}

}  // namespace

const char* to_string(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "F32";
    case DType::f16:
      return "F16";
    case DType::bf16:
      return "BF16";
  }
  return "?";
}

std::size_t size_bytes(DType dtype) {
  return dtype == DType::f32 ? 4 : 2;
}

void convert_to_float32(DType dtype, std::span<const std::byte> bytes, std::span<float> out) {
  STRATA_CHECK(bytes.size() == out.size() * size_bytes(dtype));
  const std::byte* from = bytes.data();
  float* to = out.data();
  const std::size_t count = out.size();
  if (count == 0) return;
  switch (dtype) {
    case DType::f32:
      std::memcpy(to, from, bytes.size());
      return;
    case DType::f16:
      for (std::size_t i = 0; i < count; ++i) to[i] = half_to_float(load_u16(from + 2 * i));
      return;
    case DType::bf16:
      for (std::size_t i = 0; i < count; ++i) {
        to[i] = std::bit_cast<float>(static_cast<std::uint32_t>(load_u16(from + 2 * i)) << 16);
      }
      return;
  }
}

}  // namespace strata
