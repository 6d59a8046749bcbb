// One engine for every experiment on the network: lanes are copies of the clean residual stream that leave it
// at their own place. A lane costs only the blocks after its place, and all lanes share each block's weights
// while they are loaded. What is edited, and which weights are another model's, is data.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "strata/base/archive.h"
#include "strata/checkpoint/checkpoint.h"
#include "strata/interventions/intervention.h"
#include "strata/model/head.h"
#include "strata/sweep/options.h"

namespace strata {

/// The part of the corpus that lanes run on: the beginning of one window of each document.
struct LaneWindow {
  std::size_t window = 0;   ///< index into Corpus::windows
  std::int64_t tokens = 0;  ///< first tokens of it
};

/// A model with what is held of it throughout.
struct LaneModel {
  const Checkpoint& checkpoint;
  const Embedding& embedding;
  const HeadWeights& head;
};

/// The edit that a lane makes; none without an intervention.
struct LaneEdit {
  const Intervention* intervention = nullptr;
  int place = 0;          ///< first state or block
  int span = 1;           ///< states or blocks from there on
  int head = -1;          ///< attention head, or expert, for an intervention on one of them
  double strength = 0.0;  ///< the intervention's own unit
  double sign = 1.0;      ///< -1 in the second lane of an antithetic pair
  std::uint32_t repeat = 0;
};

/// Parts that a lane takes from the other model.
struct LaneParts {
  bool embedding = false, head = false;
  int begin = 0, end = 0;  ///< blocks
};

/// One experiment.
struct Lane {
  int fork = 0;  ///< state at which it leaves the clean stream, 0..L; L with a borrowed head alone: never
  LaneEdit edit{};
  LaneParts other{};
};

/// Damage of one lane on one window, summed over its scored positions. Without a head the first three stay 0.
struct Damage {
  double kl = 0.0;            ///< KL(clean || lane), nats
  double delta_nll = 0.0;     ///< change of the true next token's NLL, nats
  std::int64_t same_top = 0;  ///< positions whose most probable token (the first of equals) stays so
  double distance = 0.0;      ///< without a head: 1 - cosine of the clean and the lane's embedding

  void persist(Archive& archive) {
    archive(kl);
    archive(delta_nll);
    archive(same_top);
    archive(distance);
  }
};

struct LaneEngineInput {
  const LaneModel& model;
  const LaneModel* other = nullptr;  ///< for lanes that take parts from it
  const SweepContext& context;
  std::span<const TokenClass> classes{};  ///< of every token, for edits; may be empty without them
  const std::vector<LaneWindow>& sample;
  const MeasureOptions& options;
  std::string_view phase = "lanes";  ///< name in the progress, and of the snapshot
};

/// damage[lane][window of the sample]. Lanes beyond options.lane_bytes take another pass over the weights.
/// A lane's numbers depend on that lane alone: not on the others, the passes, threads or batch.
[[nodiscard]] std::vector<std::vector<Damage>> run_lanes(const LaneEngineInput& input,
                                                         std::span<const Lane> lanes,
                                                         const Progress& progress);

/// Bytes that one lane holds.
[[nodiscard]] std::uint64_t lane_bytes(const SweepContext& context, const std::vector<LaneWindow>& sample);

/// Blocks of weights that the lanes hold beside the current and the next one: earlier ones of a span whose
/// order changes, the edited copy, the other model's.
[[nodiscard]] int lane_extra_blocks(std::span<const Lane> lanes);

}  // namespace strata
