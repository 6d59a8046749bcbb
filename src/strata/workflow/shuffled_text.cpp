#include "strata/workflow/shuffled_text.h"

#include <fmt/format.h>

#include "strata/base/error.h"
#include "strata/base/numbers.h"
#include "strata/base/words.h"
#include "strata/corpus/shuffle.h"
#include "strata/sweep/catalogue.h"

namespace strata {
namespace {

// As many windows as CKA needs, of different documents where the text has them.
constexpr SampleOptions kAuto{.documents = 16, .tokens = 4096, .window = 256};

constexpr std::uint64_t kMostDocuments = 1 << 30;

SampleOptions sample_options(const std::string& asked) {
  if (asked == "auto") return kAuto;
  const auto documents = parse_whole(asked);
  if (!documents || *documents < 1 || *documents > kMostDocuments) {
    throw Error(ErrorKind::usage, {.option = "shuffled_text",
                                   .found = fmt::format("'{}'", asked),
                                   .expected = "none, auto or a number of documents"});
  }
  return {.documents = static_cast<int>(*documents)};
}

Trace sweep(const MeasureInput& input, const Corpus& corpus, MeasureOptions options,
            const NullSnapshots& saved, const std::string& name, const Progress& progress) {
  options.snapshot_directory = saved.directory / name;
  options.snapshot_key = saved.key + name;
  std::filesystem::create_directories(options.snapshot_directory);
  const MeasureInput again{.checkpoint = input.checkpoint, .corpus = corpus, .tokenizer = nullptr};
  return measure(again, options, [&](const ProgressEvent& event) {
    ProgressEvent own = event;
    own.phase = name + ", " + event.phase;
    return !progress || progress(own);
  });
}

void report(const Progress& progress, int step) {
  const std::string phase = "shuffled text, boundaries";
  if (progress && !progress({phase, step, 1, 0}))
    throw Error(ErrorKind::interrupted, {.where = phase, .found = "interrupted"});
}

NullDetection reduced(const Detection& detection) {
  NullDetection null{.detector = detection.detector,
                     .tokens = detection.tokens,
                     .defined = detection.defined,
                     .note = detection.note,
                     .verdict = detection.verdict,
                     .selected_k = detection.selected_k};
  for (const EdgeEstimate& boundary : detection.boundaries) null.edges.push_back(boundary.edge);
  return null;
}

}  // namespace

MeasureOptions null_sweep_options(const MeasureOptions& options) {
  MeasureOptions clean = options;
  if (clean.signals.empty()) clean.signals = detector_signal_ids();
  clean.clean_only = true;
  clean.replicates = 2;  // intervals are not asked for
  clean.snapshot_directory.clear();
  clean.find_segments = nullptr;
  clean.swept_back = nullptr;
  clean.plan_bottlenecks = nullptr;
  return clean;
}

ShuffledTextPlan plan_shuffled_text(const MeasureInput& input, const MeasureOptions& options,
                                    std::uint64_t mem_limit_bytes, const std::string& asked) {
  ShuffledTextPlan plan;
  if (asked == "none") return plan;
  plan.wanted = true;
  plan.sample = sample_windows(input.corpus, sample_options(asked));
  plan.whole_text = plan.sample.windows.size() == input.corpus.windows.size() &&
                    plan.sample.token_count() == input.corpus.token_count();
  plan.sweeps = plan.whole_text ? 1 : 2;
  const MeasureInput sample{.checkpoint = input.checkpoint, .corpus = plan.sample, .tokenizer = nullptr};
  plan.one = plan_measure(sample, null_sweep_options(options), mem_limit_bytes);
  return plan;
}

ShuffledText measure_shuffled_text(const MeasureInput& input, const MeasureOptions& options,
                                   const SegmentationOptions& segmentation, const ShuffledTextPlan& plan,
                                   const NullSnapshots& saved, const Trace& trace, const Progress& progress) {
  const MeasureOptions clean = planned(null_sweep_options(options), plan.one);
  const Corpus shuffled = shuffle_tokens(plan.sample, options.seed);
  NullInput null{.kind = kShuffledText,
                 .documents = static_cast<int>(plan.sample.documents.size()),
                 .tokens = plan.sample.token_count(),
                 .of_the_record = plan.whole_text};
  const Trace there = sweep(input, shuffled, clean, saved, "shuffled text", progress);
  null.runs.push_back(primary_curves(there));
  null.model = primary_curves(
      plan.whole_text ? trace : sweep(input, plan.sample, clean, saved, "same text in order", progress));
  null.note = fmt::format("{} of {}, {} tokens of {}{}", counted(plan.sample.windows.size(), "window"),
                          counted(static_cast<std::uint64_t>(null.documents), "document"), null.tokens,
                          input.corpus.token_count(),
                          plan.whole_text ? "" : "; the model is compared on the same windows in order");
  SegmentationOptions tests = segmentation;
  tests.bootstraps = 2;  // intervals are not asked for
  tests.reproductions = false;
  report(progress, 0);
  for (const Detection& detection : find_boundaries(there, tests))
    null.detections.push_back(reduced(detection));
  report(progress, 1);
  return {null_profile(null), std::move(null.model)};
}

}  // namespace strata
