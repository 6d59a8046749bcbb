// What a measurement is asked to do.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "strata/model/compute.h"
#include "strata/record/findings.h"

namespace strata {

struct MeasureOptions {
  std::uint64_t seed = 0;
  ComputeDType compute = ComputeDType::float32;  ///< of the matrix products
  std::string device = "cpu";
  int threads = 1;
  int batch = 16;                    ///< windows in flight at once; changes memory and speed, never a number
  std::int64_t positions = 4096;     ///< sampled positions in all, for ranks and spectra
  std::int64_t lens_positions = 64;  ///< per document
  std::int64_t lane_tokens = 2048;   ///< tokens in perturbed lanes, in all
  int label_samples = 4;             ///< draws of the labels in the backward sweep
  int replicates = 200;              ///< half-samples of documents
  std::uint64_t lane_bytes = 2ull << 30;      ///< memory for lanes; more lanes than fit take further passes
  std::uint64_t backward_bytes = 2ull << 30;  ///< memory for the states of the backward sweep; likewise
  std::vector<std::string> signals;           ///< ids; empty = all
  std::vector<std::string> interventions;     ///< ids, or "all"; empty = the default set
  std::vector<int> layers;                    ///< places to perturb; empty = all
  bool clean_only = false;  ///< the clean sweep alone: no perturbed lanes, no backward sweep
  /// Asked once, when everything else has been measured: the segments for interventions over whole segments.
  /// Without it those do not run.
  std::function<std::vector<Segment>(const Trace&)> find_segments{};
  /// Asked last: which bottlenecks to train. Without it none are.
  std::function<std::vector<BottleneckTask>(const Trace&)> plan_bottlenecks{};
};

struct ProgressEvent {
  std::string phase;  ///< "clean sweep", "lanes", "boundaries" ...
  int step = 0;       ///< steps done in this phase
  int steps = 0;
  std::int64_t tokens = 0;  ///< tokens pushed through a block by this step
};

/// Called between steps; returns false to interrupt (the run then throws Error(interrupted)).
using Progress = std::function<bool(const ProgressEvent&)>;

}  // namespace strata
