// The blocks of a checkpoint in order, the next one read while the current one computes.
#pragma once

#include <future>

#include "strata/model/block.h"

namespace strata {

class BlockStream {
 public:
  /// Streams blocks first .. n_layers-1.
  BlockStream(const Checkpoint& checkpoint, int first);
  /// The next block; throws what loading it threw.
  [[nodiscard]] BlockWeights next();

 private:
  void prefetch();
  const Checkpoint& checkpoint_;
  int next_;
  std::future<BlockWeights> pending_;
};

}  // namespace strata
