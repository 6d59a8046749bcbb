// The random numbers of a synthetic checkpoint and their stored forms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "strata/checkpoint/family.h"
#include "strata/synth/synth.h"

namespace strata::synth {

/// Standard normal values from 16 random bits each: the inverse distribution function at the midpoints of
/// 65536 equal probabilities, scaled to variance 1. Nothing lies beyond 4.33; no distance to the normal
/// distribution function exceeds 2^-16.
[[nodiscard]] const std::vector<float>& normal_table();

/// What a tensor's values are: a scale for matrices, a grid around a centre for vectors.
struct Distribution {
  float scale = 1.0f;
  float centre = 0.0f;
  float grid = 0.0f;  ///< 0 = none
};
/// Whether the role's output is added to the residual stream.
[[nodiscard]] bool writes_to_stream(Role role);
[[nodiscard]] Distribution distribution_of(const TensorRule& rule, const ModelConfig& config);

/// One tensor's stream of random bits.
struct TensorKey {
  std::uint64_t seed = 0;
  std::uint32_t rule = 0;  ///< from the rule's name: what the tensor is
  std::uint32_t layer = 0;
};
[[nodiscard]] TensorKey tensor_key(std::uint64_t seed, const TensorRule& rule, int layer);

/// 16 random bits for every column of a row: Philox4x32-10 with the seed as key and
/// (block of 8 columns, row, rule, layer) as counter.
void row_bits(const TensorKey& key, std::uint32_t row, std::span<std::uint16_t> out);

/// A type with its size and encoder, and the number GGUF knows it by.
struct Encoding {
  SynthType type;
  const char* name;  ///< as in safetensors and in ggml
  std::uint32_t ggml_type;
  std::uint32_t ggml_file_type;  ///< general.file_type of a model stored so
  std::size_t block_elements, block_bytes;
};
[[nodiscard]] const Encoding& encoding(SynthType type);
[[nodiscard]] std::uint64_t encoded_bytes(const Encoding& encoding, std::uint64_t elements);

/// Stores whole blocks. Plain types round to nearest, ties to even; Q8_0 and Q4_0 follow ggml's reference
/// (quantize_row_q8_0_ref, quantize_row_q4_0_ref).
void encode(SynthType type, std::span<const float> values, std::byte* out);

/// Rows of one tensor, encoded. Holds what is computed once for each tensor.
class RowWriter {
 public:
  RowWriter(SynthType type, const Distribution& distribution, const TensorKey& key, std::size_t columns);
  [[nodiscard]] std::size_t row_bytes() const { return row_bytes_; }
  /// Writes row `row` to `out` (row_bytes()). `bits` and `values` are scratch of the calling thread.
  void write(std::uint32_t row, std::byte* out, std::vector<std::uint16_t>& bits,
             std::vector<float>& values) const;

 private:
  SynthType type_;
  TensorKey key_;
  std::size_t columns_, row_bytes_;
  std::vector<float> values_;           // value of every 16 bits
  std::vector<std::uint16_t> encoded_;  // the same stored, for the types of 16 bits
};

}  // namespace strata::synth
