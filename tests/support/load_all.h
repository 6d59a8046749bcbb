// Every tensor of a checkpoint, loaded.
#pragma once

#include <vector>

#include "strata/checkpoint/checkpoint.h"

namespace strata::test {

struct Loaded {
  Role role;
  int layer;
  std::vector<float> values;
  bool operator==(const Loaded&) const = default;
};

/// In the order of the family's table.
inline std::vector<Loaded> load_all(const Checkpoint& checkpoint) {
  std::vector<Loaded> all;
  const ModelConfig& config = checkpoint.config();
  for (const TensorRule& rule : family_of(config).tensors) {
    if (!checkpoint.has(rule.role)) continue;
    for (int layer = 0; layer < places_of(rule, config); ++layer) {
      if (!has_tensor(rule, config, layer)) continue;
      auto& one =
          all.emplace_back(Loaded{rule.role, layer, std::vector<float>(checkpoint.element_count(rule.role))});
      checkpoint.load(rule.role, layer, one.values);
    }
  }
  return all;
}

}  // namespace strata::test
