// The tables that the rows of families.cpp point at.
#pragma once

#include <span>

#include "strata/checkpoint/family.h"

namespace strata {

/// Attention and a dense MLP in every block.
[[nodiscard]] std::span<const TensorRule> dense_tensors();
/// The same with the products of one input packed (packed_dense).
[[nodiscard]] std::span<const TensorRule> fused_tensors();
/// Dense blocks with Qwen's mixtures of experts and shared experts in some blocks.
[[nodiscard]] std::span<const TensorRule> qwen_mixture_tensors();
[[nodiscard]] std::span<const TensorRule> mixtral_tensors();
/// Gated attention or the gated delta rule; a dense MLP or Qwen's mixture.
[[nodiscard]] std::span<const TensorRule> hybrid_tensors();

/// The same with the products of the delta rule packed, as Qwen3-Next has them.
[[nodiscard]] std::span<const TensorRule> next_tensors();

/// q, k and v in one tensor, gate and up in another.
[[nodiscard]] std::span<const PackedRule> packed_dense();
/// Experts stacked into one tensor.
[[nodiscard]] std::span<const PackedRule> packed_experts();
/// The same, and what gated attention and the gated delta rule have in one tensor.
[[nodiscard]] std::span<const PackedRule> packed_hybrid();

}  // namespace strata
