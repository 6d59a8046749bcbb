// The main job as a call: measure a model on a text, find its segments, say how brittle they are.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "strata/base/progress.h"
#include "strata/model/compute.h"
#include "strata/record/run_directory.h"
#include "strata/workflow/model.h"

namespace strata {

/// How much a run may cost. quick: the clean sweep and kappa by the backward sweep. standard: at most about 8
/// forward passes over the text (more for a text too short for it), with every block skipped and rounded on a
/// sample. thorough: noise lanes at every state, everything on the whole lane sample, up to 19 networks with
/// random weights.
enum class Effort { quick, standard, thorough };

/// What decides the numbers of a run, and nothing else.
struct Request {
  Effort effort = Effort::standard;  ///< decides what is left empty below
  std::uint64_t seed = 0;            ///< of every random choice
  ComputeDType dtype = ComputeDType::float32;
  std::int64_t positions = 4096;           ///< sampled positions in all, for CKA, ranks and spectra
  std::int64_t lens_positions = 0;         ///< per document; 0 = 16 to 64, by what it costs
  std::int64_t lane_tokens = 2048;         ///< tokens in perturbed lanes, in all
  int label_samples = 0;                   ///< draws of the labels in the backward sweep; 0 = by effort
  bool frozen_routing = false;             ///< a second backward sweep with the experts' weights held fixed
  int replicates = 200;                    ///< half-samples of documents, bootstraps of layers
  int surrogates = 999;                    ///< of each test of the number of boundaries
  std::vector<std::string> signals;        ///< ids; empty = all
  std::vector<std::string> interventions;  ///< ids, "all" or "none", in full; empty = by effort
  std::vector<int> layers;                 ///< states or blocks to perturb; empty = all
  bool clean_only = false;                 ///< the clean sweep alone: neither lanes nor backward sweep
  bool bottleneck = false;                 ///< train a bottleneck at the first state of each segment
  /// Networks with random weights on the same text: "auto" or a number. Empty, by effort: none, or 1 on a
  /// sample of the text (none above 2B parameters), or "auto".
  std::string null_models;
  /// The text with its tokens shuffled: "none", "auto" (a sample) or a number of documents. Empty, by effort:
  /// "none" or "auto".
  std::string shuffled_text;
};

/// What a run may take. Of all this only the backend changes a number, by rounding.
struct Resources {
  int threads = 0;                 ///< 0 = as many as the machine has
  int batch = 16;                  ///< windows in flight at once
  std::uint64_t memory_bytes = 0;  ///< to stay within; 0 = seven tenths of what is available
  const Backend* backend = &cpu_backend();
};

/// What a run knows before its end, in the sentences of its summary.
struct Answer {
  std::string part;  ///< "boundaries", after the clean sweep; "kappa", after the backward sweep
  std::vector<std::string> sentences;
};
using Answers = std::function<void(const Answer&)>;

/// Measures and concludes. Calls `progress` between steps, which may stop the run: Error(interrupted). Throws
/// Error(usage) naming the field of the request, Error(out_of_memory) saying what would fit, and what reading
/// the model throws. The same arguments give the same bits, whatever the resources (but the backend).
[[nodiscard]] Run analyze(const Model& model, const Text& text, const Request& request = {},
                          const Resources& resources = {}, const Progress& progress = {},
                          const Answers& answers = {});

struct Destination {
  std::filesystem::path directory;  ///< new, empty, or a run directory of strata
  std::string command = {};         ///< that repeats the run, for the manifest and the page
  bool resume = false;  ///< go on with an interrupted run of the same request; where none is, begin
};

/// The same, kept: a run that is interrupted or killed leaves in `directory` what a later one with `resume`
/// goes on from; a finished one leaves results.json, tables, arrays, report.html and manifest.json.
/// report.html is there from the first answer on, and grows, where no earlier run's would be lost. Throws
/// Error(usage) for a directory that is not strata's.
Run analyze_into(const Destination& destination, const Model& model, const Text& text,
                 const Request& request = {}, const Resources& resources = {}, const Progress& progress = {},
                 const Answers& answers = {});

}  // namespace strata
