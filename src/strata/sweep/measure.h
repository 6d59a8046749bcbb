// Everything that is measured on one model and one text, as a record.
#pragma once

#include "strata/checkpoint/checkpoint.h"
#include "strata/corpus/corpus.h"
#include "strata/record/trace.h"
#include "strata/sweep/options.h"

namespace strata {

/// What does not come from the checkpoint or the text.
struct MeasureInput {
  const Checkpoint& checkpoint;
  const Corpus& corpus;
  const Tokenizer* tokenizer = nullptr;  ///< for the text of sink tokens; null when ids were given
};

/// Runs the clean sweep with every wanted signal, then the lanes, and returns the record. Same input and
/// options (threads, batch and memory aside) give the same bits. With a snapshot directory it goes on from
/// what a run of the same key saved there, and ends with the same bits again; what is no longer needed is
/// removed, the finished record stays.
[[nodiscard]] Trace measure(const MeasureInput& input, const MeasureOptions& options,
                            const Progress& progress);

/// The architecture card of a checkpoint; its digest is there once every tensor has been loaded.
[[nodiscard]] ModelCard model_card(const Checkpoint& checkpoint);

}  // namespace strata
