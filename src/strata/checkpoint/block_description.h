// What one block of a model computes. The engine knows blocks by these alone, never by a model's name.
#pragma once

#include <cstdint>

namespace strata {

/// Grouped-query attention with rotary positions.
struct AttentionDescription {
  int heads = 0, kv_heads = 0, head_dim = 0;
  int rotary_dim = 0;  ///< dimensions of a head that are rotated, the first ones
  bool qkv_bias = false, output_bias = false;
  bool qk_norm = false;      ///< RMSNorm of each head of q and k before the rotation
  bool rope = true;          ///< false: no positions enter
  bool output_gate = false;  ///< each head's output is multiplied by the sigmoid of a gate of its size
  std::int64_t window = 0;   ///< a query sees so many keys, its own included; 0 = all before it
  bool operator==(const AttentionDescription&) const = default;
};

/// The gated delta rule (Yang, Kautz and Hatamizadeh 2024, arXiv:2412.06464) behind a short causal
/// convolution.
struct DeltaDescription {
  int key_heads = 0, value_heads = 0;  ///< each key head serves value_heads / key_heads neighbours
  int key_dim = 0, value_dim = 0;      ///< of a head
  int kernel = 0;                      ///< taps of the convolution
  bool operator==(const DeltaDescription&) const = default;
};

/// A gated MLP with silu, or a mixture of such experts: softmax over the router's logits of all experts, the
/// `experts_used` largest taken.
struct FeedForwardDescription {
  int width = 0;           ///< of the MLP, or of each expert
  bool bias = false;       ///< of gate, up and down; never with experts
  int experts = 0;         ///< 0: one dense MLP
  int experts_used = 0;    ///< by each token
  bool normalise = false;  ///< the weights of the experts taken are made to sum to 1
  int shared_width = 0;    ///< of an expert that every token uses, times the sigmoid of a gate; 0 = none
  bool operator==(const FeedForwardDescription&) const = default;
};

/// What carries information between positions.
enum class Mixer { attention, delta_rule };

/// One block: x + mixer(norm(x)), then x + feed_forward(norm(x)), with RMSNorm. The description of the
/// mixer that a block does not have is empty.
struct BlockDescription {
  int hidden = 0;
  double norm_eps = 0.0;
  Mixer mixer = Mixer::attention;
  AttentionDescription attention;
  DeltaDescription delta;
  FeedForwardDescription feed_forward;
  bool operator==(const BlockDescription&) const = default;
};

}  // namespace strata
