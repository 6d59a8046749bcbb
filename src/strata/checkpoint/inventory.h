// The tensors of a model's family, found in its files and checked, whatever format they are in.
#pragma once

#include <filesystem>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "strata/checkpoint/checkpoint.h"
#include "strata/checkpoint/shards.h"

namespace strata {

/// Which of a TensorRule's names the files use.
enum class TensorNames { hugging_face, gguf };

/// Names of the divisors of the rotary frequencies in GGUF files: of Llama 3.1 and later, and of longrope.
inline constexpr std::string_view kRopeFactorsName = "rope_freqs.weight";
inline constexpr std::string_view kShortFactorsName = "rope_factors_short.weight";
inline constexpr std::string_view kLongFactorsName = "rope_factors_long.weight";
[[nodiscard]] bool is_rope_factors(std::string_view name);

/// Rotary frequencies follow from rope theta; old converters stored them and every reader ignores them.
[[nodiscard]] bool is_rotary_buffer(std::string_view name);

struct Inventory {
  std::vector<TensorInfo> tensors;                   ///< sorted by name
  std::map<std::pair<Role, int>, std::size_t> slot;  ///< layer 0 for roles that are not per block
};

/// The family's rule for a role, if this model has it.
[[nodiscard]] const TensorRule* find_rule(const ModelConfig& config, Role role);

/// Throws Error(bad_file) for a tensor that is missing or has another shape than the config says, and
/// Error(unsupported) for one that the family's table does not know, because a weight that is not used
/// means another model than would be computed. Known but not used: rotary buffers of old converters, and
/// the unembedding of a tied model as long as its bytes equal the embedding's. Hugging Face names may lack
/// the "model." in front, as those of a base model do.
[[nodiscard]] Inventory take_inventory(const Shards& shards, const ModelConfig& config, TensorNames names,
                                       const std::filesystem::path& path);

}  // namespace strata
