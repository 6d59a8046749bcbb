#include "strata/workflow/null_models.h"

#include <fmt/format.h>

#include <mutex>

#include "strata/base/archive.h"
#include "strata/base/error.h"
#include "strata/base/output_directory.h"
#include "strata/base/philox.h"
#include "strata/record/persist.h"
#include "strata/synth/synth.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = ".strata-random-weights-";

SynthOptions synth_options(const MeasureInput& input, const MeasureOptions& options, int number) {
  const ModelConfig& config = input.checkpoint.config();
  if (!null_model_possible(config)) {
    throw Error(ErrorKind::usage,
                {.option = "null_models",
                 .found = "rope factors without the formula they come from, or another thing that a "
                          "config.json cannot say",
                 .expected = "an architecture that a config.json can say",
                 .hint = "leave it out, or analyze the Hugging Face checkpoint"});
  }
  SynthOptions synth{.config = config, .threads = options.threads};
  synth.config.rope_factors.clear();  // they follow from the scaling
  Philox rng({.seed = options.seed, .stream = Stream::null_model, .a = static_cast<std::uint32_t>(number)});
  synth.seed = rng.next_u64();
  return synth;
}

// What was written is gone when this is.
class Written {
 public:
  explicit Written(fs::path path) : path_(std::move(path)) {}
  ~Written() { (void)remove_checkpoint(path_); }
  Written(const Written&) = delete;
  Written& operator=(const Written&) = delete;

 private:
  fs::path path_;
};

// The weights stay mapped after their files are removed.
Checkpoint make_twin(SynthOptions synth, const fs::path& path, const Progress& progress,
                     const std::string& phase) {
  const Written written(path);
  std::mutex one_at_a_time;  // synth reports from all of its threads
  synth.progress = [&](std::uint64_t) {
    const std::lock_guard lock(one_at_a_time);
    return !progress || progress({phase, 0, 1, 0});
  };
  write_synthetic(synth, path);
  return Checkpoint::open(path);
}

// The record of a network that is done. Its checkpoint is gone and need not be made again for it, as a
// measurement's own snapshots would have it.
fs::path trace_file(const NullSnapshots& saved, const std::string& name) {
  return saved.directory / (name + ".snapshot");
}

bool load_trace(const NullSnapshots& saved, const std::string& name, Trace& trace) {
  if (!fs::exists(trace_file(saved, name))) return false;
  Archive archive(trace_file(saved, name), saved.key + name, Archive::Direction::read);
  persist(archive, trace);
  archive.finish();
  return true;
}

void save_trace(const NullSnapshots& saved, const std::string& name, Trace& trace) {
  Archive archive(trace_file(saved, name), saved.key + name, Archive::Direction::write);
  persist(archive, trace);
  archive.finish();
  remove_snapshots(saved.directory / name);
}

}  // namespace

NullModelPlan plan_null_models(const MeasureInput& input, const MeasureOptions& options,
                               std::uint64_t mem_limit_bytes, const NullModelCount& wanted) {
  const int count = wanted.count;
  NullModelPlan plan{.count = count, .note = wanted.note};
  if (count == 0) return plan;
  const MeasurePlan one = plan_measure(input, null_sweep_options(options), mem_limit_bytes);
  plan.disk_bytes = synthetic_bytes(synth_options(input, options, 0));
  plan.bytes_read = plan.disk_bytes * static_cast<std::uint64_t>(count);
  plan.flops = one.flops * count;
  return plan;
}

std::vector<NullModel> measure_null_models(const MeasureInput& input, const MeasureOptions& options,
                                           const SegmentationOptions& segmentation, int count,
                                           const fs::path& directory, const NullSnapshots& saved,
                                           const Progress& progress) {
  std::vector<NullModel> models;
  SegmentationOptions tests = segmentation;
  tests.reproductions = false;
  for (int i = 0; i < count; ++i) {
    const std::string phase = fmt::format("random weights {}/{}", i + 1, count);
    const std::string name = fmt::format("random weights {}", i);
    Trace trace;
    if (!load_trace(saved, name, trace)) {
      const Checkpoint twin = make_twin(synth_options(input, options, i),
                                        directory / fmt::format("{}{}", kPrefix, i), progress, phase);
      const auto relabelled = [&](const ProgressEvent& event) {
        ProgressEvent own = event;
        own.phase = phase + ", " + event.phase;
        return !progress || progress(own);
      };
      MeasureOptions sweep = null_sweep_options(options);
      sweep.snapshot_directory = saved.directory / name;
      sweep.snapshot_key = saved.key + name;
      fs::create_directories(sweep.snapshot_directory);
      const MeasureInput again{.checkpoint = twin, .corpus = input.corpus, .tokenizer = nullptr};
      trace = measure(again, sweep, relabelled);
      save_trace(saved, name, trace);
    }
    models.push_back({count_record(trace, tests), primary_curves(trace)});
  }
  return models;
}

}  // namespace strata
