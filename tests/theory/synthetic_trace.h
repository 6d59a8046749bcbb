// Records with dose curves of known form.
#pragma once

#include <functional>

#include "strata/record/trace.h"

namespace strata::test {

inline const std::vector<double> kGrid{0.003, 0.01, 0.03, 0.1, 0.3, 1.0};

inline Trace trace_with_documents(const std::vector<int>& lane_tokens, int n_layers) {
  Trace trace;
  trace.model.n_layers = n_layers;
  for (const int tokens : lane_tokens) {
    Document& document = trace.documents.emplace_back();
    document.name = std::to_string(trace.documents.size());
    document.lane_tokens = tokens;
    document.tokens = 100;
    trace.n_tokens += 100;
  }
  return trace;
}

/// KL as kl(document, eps), change of NLL as nll(document, eps).
using Law = std::function<double(std::size_t, double)>;

inline void add_noise_curve(Trace& trace, int state, const Law& kl, const Law& nll,
                            const std::vector<double>& grid = kGrid) {
  DoseCurve& curve = trace.curves.emplace_back();
  curve.intervention = "relative_noise";
  curve.site = "state";
  curve.axis = Axis::state;
  curve.place = state;
  curve.strength = grid;
  curve.kl_nats = curve.delta_nll_nats = Matrix(trace.documents.size(), grid.size());
  for (std::size_t d = 0; d < trace.documents.size(); ++d) {
    for (std::size_t j = 0; j < grid.size(); ++j) {
      curve.kl_nats(d, j) = kl(d, grid[j]);
      curve.delta_nll_nats(d, j) = nll(d, grid[j]);
    }
  }
}

inline void add_skip_curve(Trace& trace, int block, const std::vector<double>& kl_by_doc) {
  DoseCurve& curve = trace.curves.emplace_back();
  curve.intervention = "block_skip";
  curve.site = "branch";
  curve.axis = Axis::block;
  curve.place = block;
  curve.strength = {1.0};
  curve.kl_nats = curve.delta_nll_nats = Matrix(trace.documents.size(), 1);
  for (std::size_t d = 0; d < kl_by_doc.size(); ++d) curve.kl_nats(d, 0) = kl_by_doc[d];
}

}  // namespace strata::test
