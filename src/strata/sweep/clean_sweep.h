// The clean sweep: every window through every block, one block's weights at a time, with the signals
// looking on.
#pragma once

#include <memory>
#include <vector>

#include "strata/base/archive.h"
#include "strata/base/state_store.h"
#include "strata/checkpoint/checkpoint.h"
#include "strata/signals/signal.h"
#include "strata/signals/sinks.h"
#include "strata/sweep/options.h"

namespace strata {

struct CleanSweep {
  StateStore states;  ///< slot = window: (tokens, hidden), state L
  std::vector<TokenClass> classes;
};

/// Runs the sweep. `accumulators` observe every state and block, and of blocks what is needed; `tracker`
/// learns the sink tokens. Attention statistics use the final sink mask at every depth: windows in which a
/// massive token was found late are swept again up to there. Every window's residual stream is held, in
/// memory or in a file as MeasureOptions::memory says, so that the weights are read once however long the
/// text is. With MeasureOptions::snapshots it goes on from where another run of the same key stopped. Throws
/// Error(run_failed) naming the block when a state is not finite, and what loading the weights throws.
[[nodiscard]] CleanSweep run_clean_sweep(const Checkpoint& checkpoint, const SweepContext& context,
                                         const Embedding& embedding,
                                         std::vector<std::unique_ptr<Accumulator>>& accumulators,
                                         const BlockNeeds& needs, SinkTracker& tracker,
                                         const MeasureOptions& options, const Progress& progress);

/// Mean next-token NLL (nats; NaN without a head) and number of scored positions of every document.
struct DocumentLoss {
  double nll_nats = 0.0;
  std::int64_t scored = 0;

  void persist(Archive& archive) {
    archive(nll_nats);
    archive(scored);
  }
};
[[nodiscard]] std::vector<DocumentLoss> document_losses(const HeadWeights& head, const SweepContext& context,
                                                        const StateStore& last_states,
                                                        const MeasureOptions& options);

/// Where MeasureOptions::memory keeps residual streams, and what signals keep.
[[nodiscard]] StorePlace state_place(const MeasureOptions& options);
[[nodiscard]] StorePlace sample_place(const MeasureOptions& options);

/// Reports a step; throws Error(interrupted) when the user has stopped the run.
void report_progress(const Progress& progress, const ProgressEvent& event);

}  // namespace strata
