// strata analyze: the main job. Measures, concludes, writes the run directory.
#include "strata/cli/analyze.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <functional>
#include <map>
#include <memory>
#include <thread>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/resources.h"
#include "strata/base/state_store.h"
#include "strata/cli/command.h"
#include "strata/cli/installed.h"
#include "strata/cli/numbers.h"
#include "strata/cli/stop_signals.h"
#include "strata/cli/terminal.h"
#include "strata/model/backend.h"
#include "strata/report/report.h"
#include "strata/sweep/catalogue.h"
#include "strata/sweep/measure.h"
#include "strata/sweep/plan.h"
#include "strata/theory/bottleneck_grid.h"
#include "strata/theory/conclude.h"
#include "strata/workflow/build_info.h"
#include "strata/workflow/manifest.h"
#include "strata/workflow/nulls.h"
#include "strata/workflow/partial_run.h"

namespace strata {
namespace {

const std::map<std::string, ComputeDType> kDTypes = {{"float32", ComputeDType::float32},
                                                     {"bfloat16", ComputeDType::bfloat16}};

class Stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double s = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    return s;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

void check_ids(const std::vector<std::string>& asked, const std::vector<std::string>& known,
               const char* flag) {
  for (const std::string& id : asked) {
    if (std::find(known.begin(), known.end(), id) != known.end()) continue;
    throw Error(ErrorKind::usage, {.where = flag,
                                   .found = fmt::format("'{}'", id),
                                   .expected = fmt::format("some of {}", fmt::join(known, ", "))});
  }
}

// Takes an empty directory away again when the run did not fill it.
class EmptyDirectoryGuard {
 public:
  explicit EmptyDirectoryGuard(std::filesystem::path directory) : directory_(std::move(directory)) {}
  ~EmptyDirectoryGuard() {
    std::error_code not_empty;
    std::filesystem::remove(directory_, not_empty);
  }
  EmptyDirectoryGuard(const EmptyDirectoryGuard&) = delete;
  EmptyDirectoryGuard& operator=(const EmptyDirectoryGuard&) = delete;

 private:
  std::filesystem::path directory_;
};

// A run directory is only ever a new one or one that strata wrote: nothing else is overwritten.
void prepare_output(const std::filesystem::path& directory) {
  std::error_code error;
  if (std::filesystem::exists(directory) && !std::filesystem::exists(directory / "results.json") &&
      !std::filesystem::exists(directory / "partial") &&
      !(std::filesystem::is_directory(directory) && std::filesystem::is_empty(directory))) {
    throw Error(ErrorKind::usage, {.where = directory.string(),
                                   .found = "exists and is not a strata run directory",
                                   .hint = "choose another --output"});
  }
  std::filesystem::create_directories(directory, error);
  if (error) {
    throw Error(ErrorKind::run_failed, {.where = directory.string(),
                                        .found = "cannot create: " + error.message(),
                                        .hint = "choose another --output"});
  }
}

std::string choices_text(const MemoryPlan& memory) {
  std::vector<std::string> words;
  const MemoryChoice& choice = memory.choice;
  words.push_back(choice.spill_states ? "residual streams in a file" : "residual streams in memory");
  if (choice.spill_samples) words.push_back("values of the signals in a file");
  words.push_back(choice.prefetch ? "the next block is read ahead" : "one block at a time");
  words.push_back(fmt::format("{} thread{}", memory.threads, memory.threads == 1 ? "" : "s"));
  return fmt::format("{}", fmt::join(words, ", "));
}

std::string plan_text(const MeasurePlan& plan, const NullPlan& nulls, std::uint64_t limit) {
  const MemoryPhase& peak = plan.memory.peak();
  std::string out = fmt::format("memory at the peak, in the {}:\n", peak.name);
  for (const MemoryItem& item : peak.items)
    out += fmt::format("  {:<42} {:>10}\n", item.what, human_bytes(item.bytes));
  out += fmt::format("  {:<42} {:>10}  (limit {})\n", "in all", human_bytes(plan.peak_bytes),
                     human_bytes(limit));
  for (const MemoryPhase& phase : plan.memory.phases) {
    if (&phase == &peak) continue;
    out += fmt::format("  {:<42} {:>10}\n", "in the " + phase.name, human_bytes(phase.bytes()));
  }
  out += choices_text(plan.memory) + "\n";
  if (plan.memory.spilled_bytes > 0)
    out += fmt::format("temporary files: {}\n", human_bytes(plan.memory.spilled_bytes));
  out += fmt::format("lanes: {}, in {} pass{} over the weights after the clean sweep\n", plan.lanes,
                     plan.lane_passes, plan.lane_passes == 1 ? "" : "es");
  if (plan.segment_lanes > 0) {
    out +=
        fmt::format("lanes over whole segments: {} if there are three, in {} pass{} after the boundaries\n",
                    plan.segment_lanes, plan.segment_passes, plan.segment_passes == 1 ? "" : "es");
  }
  out += plan.backward_sweeps > 0 ? "backward sweep: two passes over the weights\n" : "no backward sweep\n";
  out += fmt::format("weights read: {}\n", human_bytes(plan.weight_bytes_read));
  out += fmt::format("matrix products: {:.3g} TFLOP; at the {:.0f} GFLOP/s measured now at least {:.1f} s\n",
                     plan.flops / 1e12, plan.flops_per_second / 1e9, plan.flops / plan.flops_per_second);
  return out + null_plan_text(nulls, plan.flops_per_second);
}

void print_corpus(const Corpus& corpus, const AnalyzeOptions& options) {
  if (options.quiet) return;
  fmt::print(stderr, "text {}: {} documents, {} windows, {} tokens; {}\n", corpus.name,
             corpus.documents.size(), corpus.windows.size(), corpus.token_count(), corpus.bos_policy);
  for (const std::string& note : corpus.notes) fmt::print(stderr, "note: {}\n", note);
}

void write_outputs(const std::filesystem::path& directory, const Run& run, const std::string& command_line,
                   const std::string& manifest) {
  // A directory without it is not finished: the files are of one run or it is not there.
  std::filesystem::remove(directory / "manifest.json");
  write_run(directory, run);
  write_file_atomic(directory / "report.html", model_report_html(run, command_line));
  write_file_atomic(directory / "manifest.json", manifest);
}

// Measures with what is on disk, and says what a person must know when that stops before the end.
void measure_or_save(const PartialRun& partial, ProgressPrinter& printer,
                     const std::function<void(const Progress&)>& measure) {
  const Progress progress = [&](const ProgressEvent& event) {
    printer(event);
    return !stop_asked();
  };
  try {
    measure(progress);
  } catch (const Error& error) {
    const bool saved = partial.saved();
    if (!saved) partial.remove();
    if (error.kind() != ErrorKind::interrupted) throw;
    printer.finish();
    throw Error(ErrorKind::interrupted,
                {.where = error.what(),
                 .found = saved ? "saved in " + partial.directory().string() : "nothing was saved",
                 .hint = saved ? "the same command with --resume goes on" : ""});
  }
}

}  // namespace

int analyze(const AnalyzeOptions& asked, const std::string& command_line) {
  AnalyzeOptions options = asked;
  Stopwatch watch;
  ManifestInput manifest{.command_line = command_line};
  if (!options.quiet) fmt::print(stderr, "strata {}: {}\n", version(), options.model.string());
  Checkpoint checkpoint = Checkpoint::open(options.model);
  checkpoint.set_load_threads(options.measure.threads);
  if (!options.layers.empty()) {
    options.measure.layers = parse_layers(options.layers, checkpoint.config().n_layers, "--layers");
  }
  manifest.mem_limit_bytes =
      options.mem_limit.empty() ? default_memory_limit_bytes() : parse_size(options.mem_limit, "--mem-limit");
  const LoadedText text = load_text(checkpoint, with_default_text(options.text));
  print_corpus(text.corpus, options);

  check_ids(options.measure.signals, signal_ids(), "--signals");
  std::vector<std::string> interventions = intervention_ids();
  interventions.insert(interventions.begin(), {"all", "none"});
  check_ids(options.measure.interventions, interventions, "--interventions");
  const MeasureInput input{.checkpoint = checkpoint,
                           .corpus = text.corpus,
                           .tokenizer = text.tokenizer ? &*text.tokenizer : nullptr};
  options.measure.find_segments = [](const Trace&) { return std::vector<Segment>{}; };  // they will be asked
  if (options.bottleneck)
    options.measure.plan_bottlenecks = [](const Trace&) { return std::vector<BottleneckTask>{}; };
  manifest.plan = plan_measure(input, options.measure, manifest.mem_limit_bytes);
  options.measure = planned(options.measure, manifest.plan);
  const NullPlan nulls = plan_nulls(input, options.measure, manifest.mem_limit_bytes, options.shuffled_text,
                                    options.null_models);
  if (options.dry_run) {
    fmt::print("{}", plan_text(manifest.plan, nulls, manifest.mem_limit_bytes));
    return 0;
  }
  if (options.verbose > 0)
    fmt::print(stderr, "{}", plan_text(manifest.plan, nulls, manifest.mem_limit_bytes));
  manifest.plan.weight_bytes_read += nulls.weight_bytes_read();
  if (!options.quiet && !nulls.models.note.empty())
    fmt::print(stderr, "note: networks with random weights: {}\n", nulls.models.note);
  if (options.output.empty()) options.output = std::filesystem::path("runs") / checkpoint.name();
  remove_null_models(options.output);
  prepare_output(options.output);
  const EmptyDirectoryGuard guard(options.output);
  require_disk(nulls, options.output);
  manifest.seconds.emplace_back("open and plan", watch.lap());

  const PartialRun partial(options.output,
                           {.checkpoint = checkpoint,
                            .text = text,
                            .options = options.measure,
                            .surrogates = options.surrogates,
                            .bottleneck = options.bottleneck,
                            .command_line = command_line},
                           options.resume);
  options.measure.snapshot_directory = partial.directory();
  options.measure.snapshot_key = partial.key();
  options.measure.spill_directory = options.output;

  on_stop(ask_to_stop);
  ProgressPrinter printer(options.quiet);
  Run run;
  const SegmentationOptions segmentation{.seed = options.measure.seed,
                                         .surrogates = options.surrogates,
                                         .bootstraps = options.measure.replicates,
                                         .threads = options.measure.threads};
  bool segmented = false;
  const auto find = [&](const Trace& trace) {
    segmented = true;
    manifest.seconds.emplace_back("measure", watch.lap());
    printer({"boundaries", 0, 1, 0});
    on_stop(stop_now);  // in here are no steps to stop between
    if (stop_asked()) stop_now(0);
    run.findings = find_segments(trace, segmentation);
    on_stop(ask_to_stop);
    printer({"boundaries", 1, 1, 0});
    manifest.seconds.emplace_back("boundaries", watch.lap());
    return run.findings.segments;
  };
  options.measure.find_segments = find;
  if (options.bottleneck) {
    options.measure.plan_bottlenecks = [&](const Trace& trace) {
      return bottleneck_grid(trace, segmented ? run.findings.segments : find(trace));
    };
  }
  measure_or_save(partial, printer,
                  [&](const Progress& progress) { run.trace = measure(input, options.measure, progress); });
  run.trace.run.tool_version = version();
  run.trace.run.surrogates = options.surrogates;
  if (segmented) {
    manifest.seconds.emplace_back("lanes over segments", watch.lap());
  } else {
    (void)find(run.trace);  // no lanes over segments were asked for
  }
  measure_or_save(partial, printer, [&](const Progress& progress) {
    measure_nulls(input, options.measure, segmentation, nulls, options.output,
                  {partial.directory(), partial.key()}, progress, run);
  });
  manifest.seconds.emplace_back("nulls", watch.lap());
  on_stop(stop_now);  // from here to the writing there are no steps to stop between
  if (stop_asked()) stop_now(0);
  add_brittleness(run.trace, options.measure.seed, run.findings);
  printer.finish();
  manifest.seconds.emplace_back("brittleness", watch.lap());
  manifest.options = options.measure;
  manifest.set_reads(checkpoint);
  manifest.spilled = StateStore::traffic();
  manifest.peak_rss_bytes = peak_rss_bytes();
  on_stop(SIG_IGN);  // a run directory is written whole; it takes milliseconds
  write_outputs(options.output, run, command_line, manifest_json(run, manifest));
  partial.remove();
  on_stop(SIG_DFL);
  for (const std::string& warning : run.trace.warnings) fmt::print(stderr, "warning: {}\n", warning);
  if (!options.quiet) fmt::print(stderr, "{}", summary_text(run, (options.output / "report.html").string()));
  if (options.json) fmt::print("{}", results_json(run));
  return 0;
}

void register_analyze(CLI::App& app, Program& program) {
  auto* command = app.add_subcommand("analyze", "Measure a model on a text and find its segments");
  command->footer(
      "Examples:\n"
      "  strata analyze models/llama-nano\n"
      "  strata analyze -m models/qwen3-nano -f texts/tales -o runs/qwen3 --ctx-size 128\n"
      "  strata analyze models/llama-nano --dry-run --mem-limit 1G\n"
      "Blocks are 0-based; ranges are half-open, [start, end), except in --layers, where 10-14 "
      "includes 14.");
  auto o = std::make_shared<AnalyzeOptions>();
  o->measure.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  MeasureOptions& m = o->measure;
  const auto at_least = [](int n) { return CLI::Range(n, 1 << 30); };
  command
      ->add_option("-m,--model,MODEL", o->model,
                   "Directory with config.json, .gguf file, or org/name[@revision]")
      ->required();
  command->add_option(
      "-f,--file", o->text.path,
      "UTF-8 file, directory of files, .jsonl, or .npy token ids (default: the tales that come with strata)");
  command->add_option("-o,--output", o->output, "Run directory (default: runs/<model>)");
  command
      ->add_option("-c,--ctx-size", o->text.context,
                   "Longest window in tokens (default: 512 or the model's limit)")
      ->check(at_least(1));
  command->add_option("-b,--batch-size", m.batch, "Windows in flight at once; changes memory, never a number")
      ->check(at_least(1))
      ->capture_default_str();
  command
      ->add_option_function<std::string>(
          "--dtype", [&m](const std::string& name) { m.compute.dtype = kDTypes.at(name); },
          "float32, or bfloat16: products of bfloat16 numbers, twice as fast; its noise floor is measured")
      ->check(CLI::IsMember(kDTypes))
      ->default_str("float32");
  command
      ->add_option_function<std::string>(
          "--device", [&m](const std::string& name) { m.compute.backend = &backend_named(name); },
          "What computes blocks and logits: cpu, or cuda in a build with LibTorch (strata --version says "
          "what "
          "there is)")
      ->default_str("cpu");
  command->add_option("-t,--threads", m.threads, "Threads; changes speed, never a number")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      ->add_option("--chunks", o->text.chunks, "At most this many windows, taken in turn from the documents")
      ->check(at_least(1));
  command->add_option("--limit", o->text.limit, "At most this many documents")->check(at_least(1));
  command->add_option("--positions", m.positions, "Sampled positions in all, for CKA and spectra")
      ->check(at_least(64))
      ->capture_default_str();
  command
      ->add_option("--lens-positions", m.lens_positions, "Sampled positions per document, for the logit lens")
      ->check(at_least(1))
      ->capture_default_str();
  command->add_option("--lane-tokens", m.lane_tokens, "Tokens in perturbed lanes, in all")
      ->check(at_least(64))
      ->capture_default_str();
  command
      ->add_option("--label-samples", m.label_samples,
                   "Draws of the labels in the backward sweep; more lower its sampling error")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--layers", o->layers, "States or blocks to perturb, like 3,7,10-14 (default: all)");
  command->add_option("--signals", m.signals, "Signals to measure (default: all)")->delimiter(',');
  command
      ->add_option("--interventions", m.interventions,
                   "Interventions to run, all or none (default: relative_noise, joint_noise, block_skip)")
      ->delimiter(',');
  command->add_option("--surrogates", o->surrogates, "Surrogates of each test of the number of boundaries")
      ->check(CLI::Range(19, 100000))
      ->capture_default_str();
  command->add_option("--replicates", m.replicates, "Half-samples of documents and bootstraps of layers")
      ->check(CLI::Range(20, 10000))
      ->capture_default_str();
  command
      ->add_option("--null-models", o->null_models,
                   "Networks with random weights on the same text: a number, or auto (19 up to 100M "
                   "parameters, else 1)")
      ->default_str("1; none above 2B parameters");
  command
      ->add_option("--shuffled-text", o->shuffled_text,
                   "The same text with its tokens shuffled: none, auto (a sample), or a number of documents")
      ->capture_default_str();
  command->add_flag(
      "--bottleneck", o->bottleneck,
      "Train a bottleneck at the first state of each segment: an achieved rate-distortion curve");
  command->add_option("-s,--seed", m.seed, "Seed of every random choice")->capture_default_str();
  command->add_option("--mem-limit", o->mem_limit,
                      "Memory to stay within, like 8G (default: 70% of what is available)");
  command->add_flag("--clean-only", m.clean_only,
                    "The clean sweep alone: every signal but the sensitivities, and no perturbed lanes");
  command->add_flag("--resume", o->resume,
                    "Go on with a run that was interrupted, killed or ran out of disk");
  command->add_flag("--dry-run", o->dry_run, "Print the plan (memory, bytes, time) and stop");
  command->add_flag("--json", o->json, "Print results.json on stdout as well");
  command->add_flag("--quiet", o->quiet, "Print nothing but errors and warnings");
  command->add_flag("-v,--verbose", o->verbose, "Print the plan before the run");
  command->callback(
      [&program, o] { program.run = [&program, o] { return analyze(*o, program.command_line); }; });
}

}  // namespace strata
