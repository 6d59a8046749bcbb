#include "strata/sweep/lane_weights.h"

#include "strata/model/threads.h"

namespace strata {

BlockWeights edited_weights(const BlockWeights& weights, const Intervention& intervention, double strength,
                            int threads) {
  BlockWeights copy = weights;
  for (at::Tensor* matrix : {&copy.qkv, &copy.attention_output, &copy.gate_up, &copy.down}) {
    *matrix = matrix->clone();
    float* const values = matrix->data_ptr<float>();
    const std::int64_t rows = matrix->size(0), columns = matrix->size(1);
    for_each_window(static_cast<std::size_t>(rows), threads, [&](std::size_t row) {
      intervention.edit_weights(strength, values + static_cast<std::int64_t>(row) * columns, columns);
    });
  }
  return copy;
}

}  // namespace strata
