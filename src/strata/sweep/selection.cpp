#include "strata/sweep/selection.h"

#include <fmt/format.h>

#include <algorithm>

#include "strata/sweep/backward_sweep.h"

namespace strata {
namespace {

bool named(const std::vector<std::string>& list, std::string_view id) {
  return list.empty() || std::find(list.begin(), list.end(), id) != list.end();
}

bool asked_for(const Signal& signal, const MeasureOptions& options) {
  const auto ids = ids_of(signal);
  return std::any_of(ids.begin(), ids.end(), [&](std::string_view id) { return named(options.signals, id); });
}

}  // namespace

std::vector<const Signal*> selected_signals(const MeasureOptions& options, const ModelConfig& config) {
  std::vector<const Signal*> selected;
  for (const Signal& signal : signals()) {
    if (asked_for(signal, options) && applies(signal, config)) selected.push_back(&signal);
  }
  return selected;
}

std::vector<std::string> missing_signals(const MeasureOptions& options, const ModelConfig& config) {
  std::vector<std::string> missing;
  for (const Signal& signal : signals()) {
    if (options.signals.empty() || !asked_for(signal, options) || applies(signal, config)) continue;
    missing.push_back(
        fmt::format("{}: not measured, no block of the model has what it is of", ids_of(signal)[0]));
  }
  return missing;
}

bool wants_backward_sweep(const MeasureOptions& options) {
  if (options.clean_only) return false;
  const auto series = backward_series();
  return std::any_of(series.begin(), series.end(),
                     [&](const SeriesInfo& info) { return named(options.signals, info.id); });
}

bool wants_frozen_sweep(const MeasureOptions& options, const ModelConfig& config) {
  return options.frozen_routing && config.experts && wants_backward_sweep(options);
}

std::vector<const Intervention*> selected_interventions(const MeasureOptions& options) {
  std::vector<const Intervention*> selected;
  if (options.clean_only) return selected;
  for (const Intervention& intervention : interventions()) {
    const bool by_default = options.interventions.empty() && intervention.by_default;
    const bool all = !options.interventions.empty() && named(options.interventions, kAllInterventions);
    const bool asked = !options.interventions.empty() && named(options.interventions, intervention.id);
    if (by_default || all || asked) selected.push_back(&intervention);
  }
  return selected;
}

}  // namespace strata
