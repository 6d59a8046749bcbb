// The clean sweep: every window through every block, one block's weights at a time, with the signals
// looking on.
#pragma once

#include <memory>
#include <vector>

#include "strata/checkpoint/checkpoint.h"
#include "strata/signals/signal.h"
#include "strata/signals/sinks.h"
#include "strata/sweep/options.h"

namespace strata {

struct CleanSweep {
  std::vector<float> last_state;  ///< (tokens, hidden): state L of every window
  std::vector<TokenClass> classes;
};

/// Runs the sweep. `accumulators` observe every state and block; `tracker` learns the sink tokens.
/// Attention statistics use the final sink mask at every depth: windows in which a massive token was
/// found late are swept again up to there. Throws Error(run_failed) naming the block when a state is not
/// finite, and what loading the weights throws.
[[nodiscard]] CleanSweep run_clean_sweep(const Checkpoint& checkpoint, const SweepContext& context,
                                         const PackedMatrix& embedding,
                                         std::vector<std::unique_ptr<Accumulator>>& accumulators,
                                         bool needs_attention, SinkTracker& tracker,
                                         const MeasureOptions& options, const Progress& progress);

/// Mean next-token NLL (nats) and number of scored positions of every document.
struct DocumentLoss {
  double nll_nats = 0.0;
  std::int64_t scored = 0;
};
[[nodiscard]] std::vector<DocumentLoss> document_losses(const HeadWeights& head, const SweepContext& context,
                                                        const std::vector<float>& last_state,
                                                        const MeasureOptions& options);

/// Reports a step; throws Error(interrupted) when the user has stopped the run.
void report_progress(const Progress& progress, const ProgressEvent& event);

}  // namespace strata
