#include "strata/checkpoint/role_values.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace strata {
namespace {

// The values with their columns in order and mapped; `values` itself where nothing changes.
std::span<const float> mapped(const TensorUse& use, ValueMap map, std::size_t columns,
                              std::span<const float> values, std::vector<float>& room) {
  if (use.columns.empty() && map == ValueMap::same) return values;
  room.assign(values.begin(), values.end());
  for (std::size_t row = 0; !use.columns.empty() && row < values.size(); row += columns) {
    for (const RowRange& range : use.columns) {
      std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(row) + range.from, range.count,
                  room.begin() + static_cast<std::ptrdiff_t>(row) + range.to);
    }
  }
  for (float& value : room) {
    if (map == ValueMap::one_more) value += 1.0f;
    if (map == ValueMap::exponential) value = std::exp(value);
    if (map == ValueMap::negated) value = -value;
  }
  return room;
}

}  // namespace

ValueMap map_of(Role role, const StoredForm& form) {
  switch (role) {
    case Role::attention_norm:
    case Role::mlp_norm:
    case Role::final_norm:
    case Role::query_norm:
    case Role::key_norm:
      return !form.gguf && form.zero_centred_norms ? ValueMap::one_more : ValueMap::same;
    case Role::delta_decay:
      return form.gguf ? ValueMap::negated : ValueMap::exponential;
    default:
      return ValueMap::same;
  }
}

void show_rows(const TensorUse& use, ValueMap map, std::size_t columns, std::size_t first,
               std::span<const float> values, const LoadSink& sink) {
  std::vector<float> room;
  const auto show = [&](std::size_t row, std::span<const float> part) {
    sink({use.role, use.expert, row, mapped(use, map, columns, part, room)});
  };
  if (use.rows.empty()) return show(first, values);
  const std::size_t end = first + values.size() / columns;
  for (const RowRange& range : use.rows) {
    const auto from = static_cast<std::size_t>(range.from), to = static_cast<std::size_t>(range.to);
    const std::size_t begin = std::max(first, from);
    const std::size_t stop = std::min(end, from + static_cast<std::size_t>(range.count));
    if (begin < stop)
      show(to + begin - from, values.subspan((begin - first) * columns, (stop - begin) * columns));
  }
}

}  // namespace strata
