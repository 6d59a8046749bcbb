// Networks put together from the blocks of trained models, with planted boundaries or without any; and what
// a test that is told where to look sees of their edges.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "strata/record/trace.h"

namespace strata {

enum class TrainedKind {
  // planted
  three_blocks,    ///< three blocks, each repeated through a third
  two_blocks,      ///< two blocks, the edge somewhere in the middle third
  near_identity,   ///< middle third writes 0.02 of what it wrote
  identity,        ///< middle third writes nothing
  first_identity,  ///< first third writes 0.02
  sharp,           ///< attention 4 times as sharp in the middle or the last third
  flat,            ///< attention 0.15 times as sharp there
  loud,            ///< one block at a third and one at two thirds write 8 times as much
  // none
  one_block,
  doubled,  ///< every block repeated in order until the depth is full
  random_weights,
  random_order,  ///< of the blocks
  constant,      ///< as doubled, and one word carries a constant through the middle third
};

/// One block of such a network.
struct TrainedBlock {
  int source = 0;      ///< block of the trained model
  double query = 1.0;  ///< factor on q_proj and its bias, or on the weight of q_norm where there is one
  double write = 1.0;  ///< factor on o_proj and down_proj
};

struct TrainedPlan {
  std::size_t model = 0;             ///< which of the trained models
  std::vector<TrainedBlock> blocks;  ///< sources without a meaning where the weights are random
  bool random_weights = false;
  struct Constant {
    double rms = 0.0;                    ///< its size, in units of the RMS of the states before `written_by`
    int written_by = 0, removed_by = 0;  ///< blocks
  };
  std::optional<Constant> constant;
  std::vector<int> edges;
  std::uint64_t seed = 0;  ///< of random weights, and of the choice of text
};

/// The trained models, and how a plan is run. `run` may be called concurrently.
struct TrainedModels {
  std::vector<std::string> names;
  std::vector<int> n_blocks;
  std::function<Trace(const TrainedPlan&)> run;
};

/// Trial i takes model i mod (number of models); `one_block` goes through the blocks of each. Edges lie
/// within one block of the thirds of `n_layers` (two_blocks: in the middle third).
[[nodiscard]] TrainedPlan plan_trained(TrainedKind kind, int n_layers, int trial, std::uint64_t seed,
                                       const std::vector<int>& n_blocks);

/// Whether the edges can be seen at all by a test that is told where they are: for each signal (ordinary
/// tokens, on its own scale) a two-sided t test of up to 6 blocks before the edge against up to 6 behind it,
/// the first 2 behind any edge left out as a transient; 5% over all signals (Bonferroni).
[[nodiscard]] std::vector<bool> edges_that_show(const Trace& trace, const std::vector<int>& edges);

}  // namespace strata
