// Rotary position angles (Su et al. 2021, arXiv:2104.09864) with the scalings of config.h.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "strata/checkpoint/config.h"

namespace strata {

/// cos and sin of position * frequency, times the attention factor: (tokens, head_dim/2), row-major.
struct RopeAngles {
  std::vector<float> cos, sin;
};

class RopeByLength;
/// The angles of texts up to a length. Copies share what is computed later.
struct RopeTable {
  /// Of every text; where the scaling depends on the length, of texts up to the original context.
  std::vector<float> cos, sin;
  std::vector<float> query_scale;           ///< (context) factors of rotated queries; empty = all 1
  std::shared_ptr<RopeByLength> by_length;  ///< null where the length makes no difference
  std::int64_t positions = 0;               ///< rows of cos and sin

  struct View {
    const float* cos;
    const float* sin;
    std::shared_ptr<const RopeAngles> owner;  ///< keeps them; null for the table's own
  };
  /// Of one text of `tokens` tokens, which share them. From several threads at once.
  [[nodiscard]] View of(std::int64_t tokens) const;
};

/// Inverse frequencies (head_dim/2) after the model's scaling, for a text of `tokens` tokens (0 = a short
/// one): dynamic and longrope depend on it. Formulas: modeling_rope_utils.py of transformers 5.
[[nodiscard]] std::vector<double> rope_frequencies(const ModelConfig& config, std::int64_t tokens = 0);
[[nodiscard]] RopeTable make_rope_table(const ModelConfig& config, int context);

}  // namespace strata
