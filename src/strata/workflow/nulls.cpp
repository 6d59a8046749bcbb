#include "strata/workflow/nulls.h"

#include <fmt/format.h>

#include <algorithm>

#include "strata/base/error.h"
#include "strata/base/resources.h"
#include "strata/base/words.h"

namespace strata {

namespace {

// On a sample the logit lens needs no more positions than tell a profile's shape.
MeasureOptions null_options(MeasureOptions options, const NullChoice& choice) {
  constexpr std::int64_t kLensPositions = 16;
  if (choice.sampled) options.lens_positions = std::min(options.lens_positions, kLensPositions);
  return options;
}

}  // namespace

NullPlan plan_nulls(const MeasureInput& input, const MeasureOptions& options, std::uint64_t mem_limit_bytes,
                    const NullChoice& choice) {
  const MeasureOptions sweep = null_options(options, choice);
  NullPlan plan{.text = plan_shuffled_text(input, sweep, mem_limit_bytes, choice.shuffled_text),
                .models = {},
                .choice = choice};
  plan.models_sampled = choice.sampled && plan.text.wanted && !plan.text.whole_text;
  plan.models = plan_null_models(plan.models_input(input), sweep, mem_limit_bytes,
                                 null_model_count(choice.null_models, input.checkpoint.config()));
  return plan;
}

MeasureInput NullPlan::models_input(const MeasureInput& input) const {
  return {.checkpoint = input.checkpoint,
          .corpus = models_sampled ? text.sample : input.corpus,
          .tokenizer = input.tokenizer};
}

std::string null_plan_text(const NullPlan& plan) {
  std::string out;
  const ShuffledTextPlan& text = plan.text;
  if (text.wanted) {
    out +=
        fmt::format("shuffled text: {}, {}, {} clean sweep{} ({}); {} at the peak; weights read: {} more\n",
                    counted(text.sample.documents.size(), "document"),
                    counted(static_cast<std::uint64_t>(text.sample.token_count()), "token"), text.sweeps,
                    text.sweeps == 1 ? "" : "s",
                    text.whole_text ? "the text shuffled" : "a sample shuffled, and in order",
                    human_bytes(text.one.peak_bytes), human_bytes(plan.weight_bytes_read()));
  }
  const NullModelPlan& models = plan.models;
  if (models.count > 0) {
    out += fmt::format(
        "networks with random weights: {}, one clean sweep of {} each; {} on the disk at a time\n",
        models.count, plan.models_sampled ? "that sample" : "the text", human_bytes(models.disk_bytes));
  } else if (!models.note.empty()) {
    out += fmt::format("networks with random weights: {}\n", models.note);
  }
  return out;
}

void require_disk(const NullPlan& plan, const std::filesystem::path& directory) {
  std::error_code unknown;
  const auto space = std::filesystem::space(directory, unknown);
  if (unknown || plan.models.disk_bytes <= space.available) return;
  throw Error(
      ErrorKind::run_failed,
      {.where = directory.string(),
       .found = fmt::format("{} of room on the disk", human_bytes(space.available)),
       .expected = fmt::format("{} for a network with random weights", human_bytes(plan.models.disk_bytes)),
       .hint = "--null-models 0 makes none"});
}

void measure_nulls(const MeasureInput& input, const MeasureOptions& asked,
                   const SegmentationOptions& segmentation, const NullPlan& plan,
                   const std::filesystem::path& directory, const NullSnapshots& saved,
                   const Progress& progress, Run& run) {
  const MeasureOptions options = null_options(asked, plan.choice);
  std::vector<PrimaryCurve> in_order;
  if (plan.text.wanted) {
    // Another sample is another measurement.
    const NullSnapshots own{saved.directory / ("shuffled text " + plan.choice.shuffled_text),
                            saved.key + plan.choice.shuffled_text};
    ShuffledText shuffled =
        measure_shuffled_text(input, options, segmentation, plan.text, own, run.trace, progress);
    run.findings.null_profiles.push_back(std::move(shuffled.profile));
    in_order = std::move(shuffled.in_order);
  }
  const MeasureInput of_models = plan.models_input(input);
  const std::vector<NullModel> models =
      measure_null_models(of_models, options, segmentation, plan.models.count, directory, saved, progress);
  if (models.empty() && plan.models.note.empty()) return;
  NullInput null{.kind = kRandomWeights,
                 .note = plan.models.note,
                 .documents = static_cast<int>(of_models.corpus.documents.size()),
                 .tokens = of_models.corpus.token_count(),
                 .model = plan.models_sampled ? std::move(in_order) : primary_curves(run.trace),
                 .of_the_record = !plan.models_sampled,
                 .runs = {}};
  if (plan.models_sampled && null.note.empty())
    null.note = fmt::format("on {} of the {} tokens; the model is compared on the same windows", null.tokens,
                            input.corpus.token_count());
  std::vector<std::vector<RecordCount>> counts;
  for (const NullModel& model : models) {
    counts.push_back(model.counts);
    null.runs.push_back(model.curves);
  }
  run.findings.random_twins = rank_among_twins(run.findings.detections, counts);
  run.findings.null_profiles.push_back(null_profile(null));
}

}  // namespace strata
