#include "strata/sweep/selection.h"

#include <algorithm>

#include "strata/sweep/backward_sweep.h"

namespace strata {
namespace {

bool named(const std::vector<std::string>& list, std::string_view id) {
  return list.empty() || std::find(list.begin(), list.end(), id) != list.end();
}

}  // namespace

std::vector<const Signal*> selected_signals(const MeasureOptions& options) {
  std::vector<const Signal*> selected;
  for (const Signal& signal : signals()) {
    const auto ids = ids_of(signal);
    const bool wanted =
        std::any_of(ids.begin(), ids.end(), [&](std::string_view id) { return named(options.signals, id); });
    if (wanted) selected.push_back(&signal);
  }
  return selected;
}

bool wants_backward_sweep(const MeasureOptions& options) {
  if (options.clean_only) return false;
  const auto series = backward_series();
  return std::any_of(series.begin(), series.end(),
                     [&](const SeriesInfo& info) { return named(options.signals, info.id); });
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
