#include "strata/sweep/selection.h"

#include <fmt/format.h>

#include <algorithm>

#include "strata/checkpoint/config.h"
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

bool has_object(const Intervention& what, const ModelConfig& config, int place) {
  if (what.site == Site::attention) return describe_block(config, place).mixer == Mixer::attention;
  if (what.is_of == nullptr) return true;
  if (what.site != Site::state) return what.is_of(describe_block(config, place));
  const auto blocks = distinct_blocks(config);
  return std::any_of(blocks.begin(), blocks.end(), what.is_of);
}

std::vector<std::string> missing_objects(const MeasureOptions& options, const ModelConfig& config) {
  std::vector<std::string> missing;
  const auto add = [&](std::string_view what) {
    missing.push_back(fmt::format("{}: not measured, no block of the model has what it is of", what));
  };
  for (const Signal& signal : signals()) {
    if (options.signals.empty() || !asked_for(signal, options) || applies(signal, config)) continue;
    add(ids_of(signal)[0]);
  }
  for (const Intervention* what : selected_interventions(options)) {
    if (options.interventions.empty() || !named(options.interventions, what->id)) continue;
    bool found = false;
    for (int place = 0; place < config.n_layers; ++place) found = found || has_object(*what, config, place);
    if (!found) add(what->id);
  }
  if (options.frozen_routing && !config.experts) add("frozen routing");
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
