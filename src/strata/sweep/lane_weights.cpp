#include "strata/sweep/lane_weights.h"

#include <vector>

#include "strata/base/parallel.h"

namespace strata {

BlockWeights edited_weights(const BlockWeights& weights, const Intervention& intervention, double strength,
                            int threads) {
  BlockWeights copy = weights;
  for (Weight* matrix : matrices_of(copy)) {
    const Weight original = *matrix;
    const std::int64_t rows = original.rows(), columns = original.columns();
    *matrix = Weight(original.compute(), rows, columns);
    parallel_for(static_cast<std::size_t>(rows), threads, [&](std::size_t index) {
      const auto row = static_cast<std::int64_t>(index);
      std::vector<float> values(static_cast<std::size_t>(columns));
      original.read_row(row, values.data());
      intervention.edit_weights(strength, values.data(), columns);
      matrix->put_rows(row, 1, values.data(), columns);
    });
  }
  return copy;
}

}  // namespace strata
