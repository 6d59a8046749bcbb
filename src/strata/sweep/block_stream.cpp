#include "strata/sweep/block_stream.h"

#include <system_error>

#include "strata/base/error.h"

namespace strata {

BlockStream::BlockStream(const Checkpoint& checkpoint, int first, Compute compute, BlockOrder order,
                         bool prefetch)
    : checkpoint_(checkpoint),
      compute_(compute),
      next_(first),
      step_(order == BlockOrder::ascending ? 1 : -1),
      ahead_(prefetch) {
  if (ahead_) this->prefetch();
}

BlockWeights BlockStream::next() {
  if (!ahead_) {
    STRATA_CHECK(next_ >= 0 && next_ < checkpoint_.config().n_layers);
    const int layer = next_;
    next_ += step_;
    return load_block(checkpoint_, layer, compute_);
  }
  STRATA_CHECK(pending_.valid());
  BlockWeights weights = pending_.get();
  next_ += step_;
  prefetch();
  return weights;
}

void BlockStream::prefetch() {
  if (next_ < 0 || next_ >= checkpoint_.config().n_layers) return;
  const auto load = [this, layer = next_] { return load_block(checkpoint_, layer, compute_); };
  try {
    pending_ = std::async(std::launch::async, load);
  } catch (const std::system_error&) {  // no more threads: it is loaded when it is asked for
    pending_ = std::async(std::launch::deferred, load);
  }
}

}  // namespace strata
