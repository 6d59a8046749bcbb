#include "strata/sweep/catalogue.h"

#include "strata/interventions/intervention.h"
#include "strata/signals/signal.h"
#include "strata/sweep/backward_sweep.h"

namespace strata {

std::vector<std::string> clean_signal_ids() {
  std::vector<std::string> ids;
  for (const Signal& signal : signals()) {
    for (const std::string_view id : ids_of(signal)) ids.emplace_back(id);
  }
  return ids;
}

std::vector<std::string> detector_signal_ids() {
  std::vector<std::string> ids;
  for (const Signal& signal : signals()) {
    for (const SeriesInfo& info : signal.series) {
      if (info.group != Group::control) ids.emplace_back(info.id);
    }
  }
  return ids;
}

std::vector<std::string> signal_ids() {
  std::vector<std::string> ids = clean_signal_ids();
  for (const SeriesInfo& info : backward_series()) ids.emplace_back(info.id);
  return ids;
}

std::vector<std::string> intervention_ids() {
  std::vector<std::string> ids;
  for (const Intervention& intervention : interventions()) ids.emplace_back(intervention.id);
  return ids;
}

}  // namespace strata
