// What a measurement is asked to do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "strata/base/progress.h"
#include "strata/model/compute.h"
#include "strata/record/findings.h"

namespace strata {

class Snapshots;

/// How a measurement keeps to its memory. plan_measure decides it; nothing of it changes a number.
struct MemoryChoice {
  bool spill_samples = false;  ///< what signals keep per token and per sampled row waits in a file
  bool spill_states = false;   ///< so do the residual streams
  bool prefetch = true;        ///< the next block is read and converted while the current one computes
  bool gather = false;         ///< only the rows of the embedding that the text uses are kept
  std::uint64_t finish_bytes = UINT64_MAX;  ///< room for the work after the clean sweep
  std::uint64_t repair_bytes = UINT64_MAX;  ///< room for windows swept again for late sinks
};

/// How much of the lane sample an intervention runs on; workflow/effort makes them.
struct LaneShare {
  std::string intervention;
  std::vector<double> strengths;  ///< of its grid; empty = all
  std::vector<int> places;        ///< states or blocks; empty = all
  int documents = 0;              ///< of the lane sample, in its seeded order; 0 = all
  /// Multiply-adds times two that further documents may take, while the order of the places is not settled.
  double more = 0.0;
};

struct MeasureOptions {
  std::uint64_t seed = 0;
  Compute compute{};  ///< of the network; --dtype and --device
  int threads = 1;
  int batch = 16;                    ///< windows in flight at once; changes memory and speed, never a number
  std::int64_t positions = 4096;     ///< sampled positions in all, for ranks and spectra
  std::int64_t lens_positions = 64;  ///< per document
  std::int64_t lane_tokens = 2048;   ///< tokens in perturbed lanes, in all
  int label_samples = 4;             ///< draws of the labels in the backward sweep
  int backward_documents = 0;        ///< of the lane sample, in the backward sweep; 0 = all
  std::vector<LaneShare> shares;     ///< of interventions that do not run in full
  bool frozen_routing = false;       ///< of a model with mixtures, a second backward sweep with the experts'
                                     ///< weights held fixed
  int replicates = 200;              ///< half-samples of documents
  std::uint64_t lane_bytes = 2ull << 30;      ///< memory for lanes; more lanes than fit take further passes
  std::uint64_t backward_bytes = 2ull << 30;  ///< memory for the backward sweep's states; more is spilled
  MemoryChoice memory = {};
  std::filesystem::path spill_directory = {};     ///< for temporary files; empty: $TMPDIR, or /tmp
  std::vector<std::string> signals;               ///< ids; empty = all
  std::vector<std::string> interventions;         ///< ids, "all" or "none"; empty = the default set
  std::vector<int> layers;                        ///< places to perturb; empty = all
  bool clean_only = false;                        ///< the clean sweep alone: neither lanes nor backward sweep
  std::filesystem::path snapshot_directory = {};  ///< where a run saves what it has done; empty: nowhere
  std::string snapshot_key = {};                  ///< digest of all that decides the numbers
  double snapshot_share = 0.05;    ///< of the time for saving within a phase; 0: never, 1: at every chance
  Snapshots* snapshots = nullptr;  ///< measure() opens it
  /// Asked once, after the clean sweep: the segments for interventions over whole segments. Without it those
  /// do not run.
  std::function<std::vector<Segment>(const Trace&)> find_segments{};
  /// Told when the backward sweep is done, before the lanes.
  std::function<void(const Trace&)> swept_back{};
  /// Asked last: which bottlenecks to train. Without it none are.
  std::function<std::vector<BottleneckTask>(const Trace&)> plan_bottlenecks{};
};

}  // namespace strata
