#include "strata/workflow/analysis.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/output_directory.h"
#include "strata/base/resources.h"
#include "strata/base/state_store.h"
#include "strata/record/valid_text.h"
#include "strata/report/report.h"
#include "strata/sweep/catalogue.h"
#include "strata/sweep/selection.h"
#include "strata/theory/bottleneck_grid.h"
#include "strata/theory/boundary_sentences.h"
#include "strata/theory/conclude.h"
#include "strata/theory/summary.h"
#include "strata/workflow/build_info.h"
#include "strata/workflow/effort.h"
#include "strata/workflow/partial_run.h"
#include "strata/workflow/scratch_directory.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

void check_ids(const std::vector<std::string>& asked, const std::vector<std::string>& known,
               const char* field) {
  for (const std::string& id : asked) {
    if (std::find(known.begin(), known.end(), id) != known.end()) continue;
    throw Error(ErrorKind::usage, {.option = field,
                                   .found = fmt::format("'{}'", id),
                                   .expected = fmt::format("some of {}", fmt::join(known, ", "))});
  }
}

void check_request(const Request& request) {
  check_ids(request.signals, signal_ids(), "signals");
  std::vector<std::string> known = intervention_ids();
  known.insert(known.begin(), {"all", "none"});
  check_ids(request.interventions, known, "interventions");
}

void write_outputs(OutputDirectory& output, const Run& run, const std::string& command,
                   const std::string& manifest) {
  const std::string page = model_report_html(run, command);
  output.commit(
      [&] {
        write_run(output.path(), run);
        write_file_atomic(output.path() / "report.html", page);
      },
      manifest);
}

SegmentationOptions tests_of(const Request& request, int threads) {
  return {.seed = request.seed,
          .surrogates = request.surrogates,
          .bootstraps = request.replicates,
          .threads = threads};
}

}  // namespace

MeasureInput Analysis::input() const {
  const LoadedText& text = text_.loaded();
  return {.checkpoint = model_.checkpoint(),
          .corpus = text.corpus,
          .tokenizer = text.tokenizer ? &*text.tokenizer : nullptr};
}

MeasureOptions Analysis::options(const Resources& resources) const {
  MeasureOptions o{.seed = request_.seed,
                   .compute = {request_.dtype, *resources.backend},
                   .threads = resources.threads,
                   .batch = resources.batch};
  if (o.threads == 0) o.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  o.positions = request_.positions;
  o.lane_tokens = request_.lane_tokens;
  o.frozen_routing = request_.frozen_routing;
  o.replicates = request_.replicates;
  o.signals = request_.signals;
  o.layers = request_.layers;
  o.clean_only = request_.clean_only;
  // They will be asked for; what they answer is known later.
  o.find_segments = [](const Trace&) { return std::vector<Segment>{}; };
  if (request_.bottleneck) o.plan_bottlenecks = [](const Trace&) { return std::vector<BottleneckTask>{}; };
  apply_effort(request_, input(), o);
  return o;
}

Analysis::Analysis(Model model, Text text, Request request, const Resources& resources)
    : model_(std::move(model)), text_(std::move(text)), request_(std::move(request)) {
  check_request(request_);
  measure_ = options(resources);
  model_.checkpoint().set_load_threads(measure_.threads);
  manifest_.mem_limit_bytes =
      resources.memory_bytes == 0 ? default_memory_limit_bytes() : resources.memory_bytes;
  manifest_.plan = plan_measure(input(), measure_, manifest_.mem_limit_bytes);
  measure_ = planned(measure_, manifest_.plan);
  nulls_ = plan_nulls(input(), measure_, manifest_.mem_limit_bytes, nulls_of(request_));
}

void Analysis::card(Run& run) const {
  run.trace.run.tool_version = version();
  run.trace.run.surrogates = request_.surrogates;
  run.trace.run.effort = to_string(request_.effort);
}

void Analysis::measure_all(const Place& place, Run& run) {
  // Every phase is timed as it is reported, those of the nulls under one name.
  bool nulls = false;
  const Progress progress = [&](const ProgressEvent& event) {
    clock_.see(nulls ? "nulls" : event.phase);
    return !place.progress || place.progress(event);
  };
  const auto report = [&](const char* phase, int step) {
    if (!progress({phase, step, 1, 0})) {
      throw Error(ErrorKind::interrupted, {.where = phase, .found = "interrupted"});
    }
  };
  const SegmentationOptions tests = tests_of(request_, measure_.threads);
  // What the record holds so far, with these findings.
  const auto so_far = [&](const Trace& trace, const Findings& findings) {
    Run part{.trace = trace, .findings = findings};
    card(part);
    add_brittleness(part.trace, request_.seed, part.findings);
    make_text_valid(part);
    return part;
  };
  bool segmented = false;
  const auto find = [&](const Trace& trace) {
    segmented = true;
    report("boundaries", 0);
    run.findings = find_segments(trace, tests);
    report("boundaries", 1);
    if (place.answer) {
      const Run part = so_far(trace, run.findings);
      place.answer("boundaries", part, boundary_sentences(part.trace, part.findings));
    }
    return run.findings.segments;
  };
  measure_.find_segments = find;
  measure_.swept_back = [&](const Trace& trace) {
    if (!segmented || !place.answer || !wants_backward_sweep(measure_)) return;
    const Run part = so_far(trace, run.findings);
    place.answer("kappa", part, brittleness_sentences(part.trace, part.findings));
  };
  if (request_.bottleneck) {
    measure_.plan_bottlenecks = [&](const Trace& trace) {
      return bottleneck_grid(trace, segmented ? run.findings.segments : find(trace));
    };
  }
  run.trace = measure(input(), measure_, progress);
  card(run);
  if (!segmented) (void)find(run.trace);  // measured before, taken up now
  nulls = true;
  clock_.see("nulls");
  measure_nulls(input(), measure_, tests, nulls_, place.directory, {place.snapshots, place.key}, progress,
                run);
  nulls = false;
  report("brittleness", 0);
  add_brittleness(run.trace, request_.seed, run.findings);
  report("brittleness", 1);
}

Run Analysis::run(const Destination* destination, const Progress& progress, const Answers& answers) {
  Run run;
  const auto tell = [&](const char* part, const std::vector<std::string>& sentences) {
    if (answers) answers({.part = part, .sentences = sentences});
  };
  if (destination == nullptr) {
    const ScratchDirectory scratch;
    measure_.spill_directory = scratch.path();
    Place place{scratch.path(), scratch.path() / "networks", "", progress, {}};
    if (answers) {
      place.answer = [&](const char* part, const Run&, const std::vector<std::string>& sentences) {
        tell(part, sentences);
      };
    }
    measure_all(place, run);
    make_text_valid(run);
    return run;
  }
  OutputDirectory output(destination->directory, OutputKind::analysis);
  const fs::path& directory = output.path();
  // A finished run's manifest stays until the last writes of the next one; so does its page.
  const bool page_is_free = !fs::exists(directory / "manifest.json");
  require_disk(nulls_, directory);
  manifest_.command_line = destination->command;
  manifest_.plan.weight_bytes_read += nulls_.weight_bytes_read();
  const PartialRun partial(output,
                           {.checkpoint = model_.checkpoint(),
                            .text = text_.loaded(),
                            .options = measure_,
                            .surrogates = request_.surrogates,
                            .effort = to_string(request_.effort),
                            .bottleneck = request_.bottleneck,
                            .command_line = destination->command},
                           destination->resume);
  measure_.snapshot_directory = partial.directory();
  measure_.snapshot_key = partial.key();
  measure_.spill_directory = directory;
  const auto answer = [&](const char* part, const Run& so_far, const std::vector<std::string>& sentences) {
    if (page_is_free) {
      const std::string growing =
          fmt::format("This run is not finished: the page holds what it knew when {} stood.",
                      std::string_view(part) == "kappa" ? "kappa" : "the boundaries");
      write_file_atomic(directory / "report.html", model_report_html(so_far, destination->command, growing));
    }
    tell(part, sentences);
  };
  try {
    measure_all({directory, partial.directory(), partial.key(), progress, answer}, run);
  } catch (const Error& error) {
    partial.stop(error, "the same command with --resume goes on");
    throw;
  }
  manifest_.options = measure_;
  manifest_.set_reads(model_.checkpoint());
  manifest_.seconds = clock_.seconds();
  manifest_.spilled = StateStore::traffic();
  manifest_.peak_rss_bytes = peak_rss_bytes();
  make_text_valid(run);
  if (progress) (void)progress({"writing", 0, 1, 0});
  write_outputs(output, run, destination->command, manifest_json(run, manifest_));
  if (progress) (void)progress({"writing", 1, 1, 0});
  return run;
}

Run analyze(const Model& model, const Text& text, const Request& request, const Resources& resources,
            const Progress& progress, const Answers& answers) {
  return Analysis(model, text, request, resources).run(nullptr, progress, answers);
}

Run analyze_into(const Destination& destination, const Model& model, const Text& text, const Request& request,
                 const Resources& resources, const Progress& progress, const Answers& answers) {
  return Analysis(model, text, request, resources).run(&destination, progress, answers);
}

}  // namespace strata
