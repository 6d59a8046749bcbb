// Which rows of the registries a measurement asks for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "strata/interventions/intervention.h"
#include "strata/signals/signal.h"
#include "strata/sweep/options.h"

namespace strata {

/// Signals that produce at least one of MeasureOptions::signals, all of them when it is empty; without those
/// that are of no block of the model.
[[nodiscard]] std::vector<const Signal*> selected_signals(const MeasureOptions& options,
                                                          const ModelConfig& config);
/// Whether the intervention has something to act on at that block, or from that state on.
[[nodiscard]] bool has_object(const Intervention& what, const ModelConfig& config, int place);
/// What was asked for by name and is of no block of the model, signals, interventions and the sweep with a
/// frozen routing: one line each, for people.
[[nodiscard]] std::vector<std::string> missing_objects(const MeasureOptions& options,
                                                       const ModelConfig& config);
/// Whether a series of the backward sweep is among MeasureOptions::signals.
[[nodiscard]] bool wants_backward_sweep(const MeasureOptions& options);
/// Whether it runs a second time with the experts' weights held fixed.
[[nodiscard]] bool wants_frozen_sweep(const MeasureOptions& options, const ModelConfig& config);
/// Stands for every intervention in MeasureOptions::interventions.
inline constexpr std::string_view kAllInterventions = "all";
/// Interventions named in MeasureOptions::interventions; those of the default set when it is empty.
[[nodiscard]] std::vector<const Intervention*> selected_interventions(const MeasureOptions& options);

}  // namespace strata
