// The network behind a state as a frozen, differentiable decoder: what a bottleneck at that state is trained
// against.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "strata/bottleneck/train.h"
#include "strata/checkpoint/checkpoint.h"
#include "strata/model/block.h"
#include "strata/model/head.h"
#include "strata/signals/signal.h"
#include "strata/sweep/lane_engine.h"

namespace strata {

/// All blocks of a model in memory, with its two ends; float32.
struct ResidentModel {
  const ModelConfig& config;
  Embedding embedding;
  HeadWeights head;
  std::vector<BlockWeights> blocks;
};

/// Clean states of the windows at one place, and the clean predictions they lead to. Which rows go through
/// the channel: ordinary tokens; sinks keep their clean state.
class FrozenNetwork {
 public:
  FrozenNetwork(const ResidentModel& model, const SweepContext& context, std::span<const TokenClass> classes,
                const std::vector<LaneWindow>& windows, int state);

  /// Distortion: mean KL(clean || replaced) per scored position of the window. The decoder refers to this.
  [[nodiscard]] FrozenDecoder decoder() const;

 private:
  struct Window {
    std::vector<float> state, last;      // (tokens, d): at the place, and state L
    std::vector<std::int64_t> ordinary;  // tokens that go through the channel
    std::vector<double> rms;             // of those
    std::int64_t tokens = 0;
  };
  [[nodiscard]] Matrix rows(const Window& window) const;
  [[nodiscard]] double distortion(const Window& window, const Matrix& u, Matrix* gradient) const;
  [[nodiscard]] double compare_heads(const Window& window, const std::vector<float>& last,
                                     std::vector<float>* gradient) const;

  const ResidentModel& model_;
  int state_;
  RopeTable rope_;
  std::vector<Window> windows_;
};

}  // namespace strata
