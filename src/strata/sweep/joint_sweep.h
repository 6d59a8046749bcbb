// Two twins on one text side by side, and what lies between their states; for sweep/divergence.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "strata/base/archive.h"
#include "strata/model/block.h"
#include "strata/model/head.h"
#include "strata/record/divergence.h"
#include "strata/signals/per_token.h"
#include "strata/signals/sinks.h"
#include "strata/sweep/divergence.h"
#include "strata/sweep/scratch.h"
#include "strata/sweep/snapshots.h"

namespace strata {

/// Sums of one window at the output.
struct OutputSums {
  double kl = 0.0, nll_original = 0.0, nll_other = 0.0;
  std::int64_t same_top = 0, differing = 0, scored = 0;
};

/// Both models, block by block. Everything per token is kept until the end, when the sink tokens are known.
class JointSweep {
 public:
  /// What is given must live as long.
  JointSweep(const DivergenceInput& input, const SweepContext& context, const MeasureOptions& options);

  /// Through all blocks, or those that are left. With options.snapshots it is saved between blocks where that
  /// is due and where it is interrupted, and goes on from there.
  void run(const Embedding& embedding, const Embedding& other_embedding, const Progress& progress);

  /// The output of both heads, window by window.
  [[nodiscard]] std::vector<OutputSums> compare_outputs(const HeadWeights& head,
                                                        const HeadWeights& other_head) const;
  void add_series(const HeadWeights& head, DivergenceRecord& record) const;
  [[nodiscard]] std::span<const TokenClass> classes() const { return tracker_.classes(); }

 private:
  struct WindowScratch {
    BlockScratch block;
    std::vector<float> out, crossed;
  };

  [[nodiscard]] std::size_t windows() const { return context_.corpus.windows.size(); }
  [[nodiscard]] std::size_t offset(std::size_t window) const;
  void each_window(const std::function<void(std::size_t)>& body) const;
  void persist(Archive& archive);
  void begin(const Embedding& embedding, const Embedding& other_embedding);
  void step(const BlockWeights& weights, const BlockWeights& others, std::size_t w);
  void observe(int place, std::size_t w);
  [[nodiscard]] OutputSums output_of(const HeadWeights& head, const HeadWeights& other_head,
                                     std::size_t w) const;

  const DivergenceInput& input_;
  const SweepContext& context_;
  const MeasureOptions& options_;
  TokenTable relative_, cosine_, local_;
  SinkTracker tracker_;
  RopeTable rope_, other_rope_;
  std::vector<float> h_, other_h_;  // (tokens, hidden) of the current state
  int block_ = 0;                   // the next one
  ScratchPool<WindowScratch> pool_;
};

/// The digests of `other`'s weights into or out of an archive: those of the original go with every snapshot.
void persist_digests(Archive& archive, const Checkpoint& other);

inline constexpr const char* kJointBlocks = "joint blocks";  ///< the snapshot between two blocks

}  // namespace strata
