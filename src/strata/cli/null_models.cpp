#include "strata/cli/null_models.h"

#include <fmt/format.h>

#include <charconv>
#include <mutex>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "strata/synth/synth.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSmallModel = 100'000'000;  // parameters
constexpr int kManyTwins = 19;                     // the fewest with which a rank can reach p = 0.05
constexpr int kMostTwins = 999;
constexpr const char* kPrefix = ".strata-random-weights-";

SynthOptions synth_options(const MeasureInput& input, const MeasureOptions& options, int number) {
  const ModelConfig& config = input.checkpoint.config();
  if (!config.rope_factors.empty() && !config.rope_scaling) {
    throw Error(ErrorKind::usage, {.where = "--null-models",
                                   .found = "rope factors without the formula they come from",
                                   .expected = "an architecture that a config.json can say",
                                   .hint = "leave it out, or analyze the Hugging Face checkpoint"});
  }
  SynthOptions synth{.config = config, .threads = options.threads};
  synth.config.rope_factors.clear();  // they follow from the scaling
  Philox rng({.seed = options.seed, .stream = Stream::null_model, .a = static_cast<std::uint32_t>(number)});
  synth.seed = rng.next_u64();
  return synth;
}

// What the detectors look at, among what was asked for (cka_matrix comes with cka_shift).
MeasureOptions sweep_options(const Engine& engine, const MeasureOptions& options) {
  MeasureOptions clean = options;
  if (clean.signals.empty()) clean.signals = engine.detector_signal_ids();
  clean.clean_only = true;
  clean.replicates = 2;  // intervals are not asked for
  clean.snapshot_directory.clear();
  clean.find_segments = nullptr;
  clean.plan_bottlenecks = nullptr;
  return clean;
}

// What was written is gone when this is.
class Written {
 public:
  explicit Written(fs::path path) : path_(std::move(path)) {}
  ~Written() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
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

}  // namespace

int null_model_count(const std::string& asked, const ModelConfig& config) {
  if (asked == "auto") return count_parameters(config).total <= kSmallModel ? kManyTwins : 1;
  int count = 0;
  const auto [end, error] = std::from_chars(asked.data(), asked.data() + asked.size(), count);
  if (error != std::errc{} || end != asked.data() + asked.size() || count < 0 || count > kMostTwins) {
    throw Error(ErrorKind::usage, {.where = "--null-models",
                                   .found = fmt::format("'{}'", asked),
                                   .expected = fmt::format("auto or a number from 0 to {}", kMostTwins)});
  }
  return count;
}

NullModelPlan plan_null_models(const Engine& engine, const MeasureInput& input, const MeasureOptions& options,
                               std::uint64_t mem_limit_bytes, int count) {
  NullModelPlan plan{.count = count};
  if (count == 0) return plan;
  const MeasurePlan one = engine.plan(input, sweep_options(engine, options), mem_limit_bytes);
  plan.disk_bytes = synthetic_bytes(synth_options(input, options, 0));
  plan.bytes_read = plan.disk_bytes * static_cast<std::uint64_t>(count);
  plan.flops = one.flops * count;
  return plan;
}

std::vector<std::vector<RecordCount>> measure_null_models(const Engine& engine, const MeasureInput& input,
                                                          const MeasureOptions& options,
                                                          const SegmentationOptions& segmentation, int count,
                                                          const fs::path& directory,
                                                          const Progress& progress) {
  std::vector<std::vector<RecordCount>> counts;
  SegmentationOptions tests = segmentation;
  tests.decision_only = true;
  for (int i = 0; i < count; ++i) {
    const std::string phase = fmt::format("random weights {}/{}", i + 1, count);
    const Checkpoint twin = make_twin(synth_options(input, options, i),
                                      directory / fmt::format("{}{}", kPrefix, i), progress, phase);
    const auto relabelled = [&](const ProgressEvent& event) {
      ProgressEvent own = event;
      own.phase = phase + ", " + event.phase;
      return !progress || progress(own);
    };
    const MeasureInput again{.checkpoint = twin, .corpus = input.corpus, .tokenizer = nullptr};
    counts.push_back(count_record(engine.measure(again, sweep_options(engine, options), relabelled), tests));
  }
  return counts;
}

void remove_null_models(const fs::path& directory) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory, ignored)) {
    if (entry.path().filename().string().starts_with(kPrefix)) fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace strata
