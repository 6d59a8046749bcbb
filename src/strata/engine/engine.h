// The door between the program and everything that needs LibTorch. Loading LibTorch takes most of a
// second, so the program opens the engine's shared library only for a subcommand that computes.
#pragma once

#include <string>

#include "strata/base/state_store.h"
#include "strata/record/trace.h"
#include "strata/sweep/divergence.h"
#include "strata/sweep/measure.h"
#include "strata/sweep/plan.h"
#include "strata/sweep/state_stream.h"
#include "strata/sweep/verify.h"

namespace strata {

/// What the engine's shared library offers.
struct Engine {
  Trace (*measure)(const MeasureInput&, const MeasureOptions&, const Progress&);
  MeasurePlan (*plan)(const MeasureInput&, const MeasureOptions&, std::uint64_t mem_limit_bytes);
  DivergencePlan (*plan_divergence)(const DivergenceInput&, const MeasureOptions&,
                                    std::uint64_t mem_limit_bytes);
  DivergenceRecord (*measure_divergence)(const DivergenceInput&, const MeasureOptions&, const Progress&);
  ReferenceCheck (*verify_reference)(const Checkpoint&, const Tokenizer*, const std::filesystem::path&,
                                     const VerifyOptions&);
  std::vector<Check> (*verify_weights)(const Checkpoint&);
  Check (*verify_round_trip)(const Tokenizer&, const std::vector<RawDocument>&);
  std::vector<Check> (*verify_forward)(const Checkpoint&,
                                       const std::vector<std::vector<std::int32_t>>& windows,
                                       const VerifyOptions&);
  StateStreamPlan (*plan_states)(const Checkpoint&, const std::vector<std::vector<std::int32_t>>& windows,
                                 int threads);
  void (*stream_states)(const Checkpoint&, const std::vector<std::vector<std::int32_t>>& windows,
                        const StateStreamOptions&, const StateStreamObserver&);
  std::vector<std::string> (*signal_ids)();
  std::vector<std::string> (*detector_signal_ids)();  ///< those that boundaries are found in
  std::vector<std::string> (*clean_signal_ids)();     ///< those that MeasureOptions::clean_only measures
  std::vector<std::string> (*intervention_ids)();
  std::string (*libtorch_version)();
  StateStore::Traffic (*spill_traffic)();  ///< the library has a count of its own
};

/// Opens the library (once) beside the program, or where it is installed. Throws Error(run_failed)
/// naming the library when it cannot be loaded.
[[nodiscard]] const Engine& open_engine();

}  // namespace strata
