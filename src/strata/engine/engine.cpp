#include "strata/engine/engine.h"

#include <torch/version.h>

#include "strata/interventions/intervention.h"
#include "strata/signals/signal.h"
#include "strata/sweep/backward_sweep.h"

namespace strata {
namespace {

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

const Engine kEngine{.measure = measure,
                     .plan = plan_measure,
                     .plan_divergence = plan_divergence,
                     .measure_divergence = measure_divergence,
                     .verify_reference = verify_reference,
                     .verify_weights = verify_weights,
                     .verify_round_trip = verify_round_trip,
                     .verify_forward = verify_forward,
                     .plan_states = plan_state_stream,
                     .stream_states = stream_states,
                     .signal_ids = signal_ids,
                     .detector_signal_ids = detector_signal_ids,
                     .clean_signal_ids = clean_signal_ids,
                     .intervention_ids = intervention_ids,
                     .libtorch_version = [] { return std::string(TORCH_VERSION); },
                     .spill_traffic = StateStore::traffic};

}  // namespace
}  // namespace strata

extern "C" [[gnu::visibility("default")]] const strata::Engine* strata_engine() {
  return &strata::kEngine;
}
