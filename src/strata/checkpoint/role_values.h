// From the rows of a stored tensor to the values of the roles that it holds.
#pragma once

#include <cstddef>
#include <span>

#include "strata/checkpoint/checkpoint.h"
#include "strata/checkpoint/inventory.h"

namespace strata {

/// How the values of a role follow from those stored.
enum class ValueMap {
  same,
  one_more,     ///< norms around zero
  exponential,  ///< A_log
  negated,      ///< -exp(A_log)
};

/// What the maps depend on.
struct StoredForm {
  bool gguf = false;
  bool zero_centred_norms = false;  ///< of the family, in Hugging Face's form
};

[[nodiscard]] ValueMap map_of(Role role, const StoredForm& form);

/// Passes on those rows of the use that `values` holds, (n, columns) row-major, the tensor's rows from
/// `first` on: with their columns in order, and mapped.
void show_rows(const TensorUse& use, ValueMap map, std::size_t columns, std::size_t first,
               std::span<const float> values, const LoadSink& sink);

}  // namespace strata
