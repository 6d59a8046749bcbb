#include "strata/workflow/catalogue.h"

#include "strata/interventions/intervention.h"
#include "strata/model/backend.h"
#include "strata/signals/signal.h"
#include "strata/sweep/backward_sweep.h"

namespace strata {

std::vector<Entry> list_signals() {
  std::vector<Entry> entries;
  const auto add = [&](const SeriesInfo& info) {
    entries.push_back({std::string(info.id), std::string(info.unit)});
  };
  for (const Signal& signal : signals()) {
    for (const SeriesInfo& info : signal.series) add(info);
  }
  for (const SeriesInfo& info : backward_series()) add(info);
  return entries;
}

std::vector<Entry> list_interventions() {
  std::vector<Entry> entries;
  for (const Intervention& row : interventions()) {
    entries.push_back({std::string(row.id), std::string(row.strength_unit)});
  }
  return entries;
}

std::vector<BackendEntry> list_backends() {
  std::vector<BackendEntry> entries;
  for (const Backend* backend : backends()) {
    entries.push_back({std::string(backend->name()), backend->why_not(ComputeDType::float32)});
  }
  return entries;
}

}  // namespace strata
