// The blocks of a checkpoint one after the other, up or down, the next one read while the current one
// computes.
#pragma once

#include <future>

#include "strata/model/block.h"
#include "strata/model/words.h"

namespace strata {

enum class BlockOrder { ascending, descending };

class BlockStream {
 public:
  /// Streams blocks first .. n_layers-1, or first .. 0, to where they are computed.
  /// With `prefetch`, two blocks are in memory at a time; else the caller must have dropped the block before
  /// for there to be one.
  BlockStream(const Checkpoint& checkpoint, int first, Compute compute,
              BlockOrder order = BlockOrder::ascending, bool prefetch = true);
  /// The next block; throws what loading it threw.
  [[nodiscard]] BlockWeights next();

 private:
  void prefetch();
  RecycledWords recycled_;
  const Checkpoint& checkpoint_;
  Compute compute_;
  int next_;
  int step_;
  bool ahead_;
  std::future<BlockWeights> pending_;
};

}  // namespace strata
