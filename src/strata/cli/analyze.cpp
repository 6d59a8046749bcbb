// strata analyze: the main job. Its flags, and what it prints; the work is workflow/analysis.
#include "strata/cli/analyze.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <memory>
#include <thread>

#include "strata/base/resources.h"
#include "strata/cli/command.h"
#include "strata/cli/installed.h"
#include "strata/cli/number_option.h"
#include "strata/cli/numbers.h"
#include "strata/cli/say.h"
#include "strata/cli/stop_signals.h"
#include "strata/cli/terminal.h"
#include "strata/cli/text_flags.h"
#include "strata/model/backend.h"
#include "strata/workflow/analysis.h"
#include "strata/workflow/build_info.h"

namespace strata {
namespace {

const std::map<std::string, ComputeDType> kDTypes = {{"float32", ComputeDType::float32},
                                                     {"bfloat16", ComputeDType::bfloat16}};

const std::map<std::string, Effort> kEfforts = {
    {"quick", Effort::quick}, {"standard", Effort::standard}, {"thorough", Effort::thorough}};

std::string choices_text(const MemoryPlan& memory) {
  std::vector<std::string> words;
  const MemoryChoice& choice = memory.choice;
  words.push_back(choice.spill_states ? "residual streams in a file" : "residual streams in memory");
  if (choice.spill_samples) words.emplace_back("values of the signals in a file");
  words.push_back(choice.prefetch ? "the next block is read ahead" : "one block at a time");
  words.push_back(fmt::format("{} thread{}", memory.threads, memory.threads == 1 ? "" : "s"));
  return fmt::format("{}", fmt::join(words, ", "));
}

// What each phase costs in forward passes over the text, and the time that its matrix products take at least.
std::string price_text(const MeasurePlan& plan, const NullPlan& nulls) {
  std::vector<PhaseCost> phases = plan.phases;
  if (nulls.text.wanted) phases.push_back({"shuffled text", nulls.text.sweeps * nulls.text.one.flops});
  if (nulls.models.count > 0) phases.push_back({"networks with random weights", nulls.models.flops});
  std::string rows;
  double flops = 0.0;
  const auto row = [&](const std::string& name, double of) {
    return fmt::format("  {:<42} {:>10.2f} {:>10.1f}\n", name, of / plan.forward_flops,
                       of / plan.flops_per_second);
  };
  for (const PhaseCost& phase : phases) {
    rows += row(phase.name, phase.flops);
    flops += phase.flops;
  }
  return fmt::format("price of the matrix products{:>27} {:>10}\n", "passes", "seconds") + rows +
         row("in all", flops) +
         fmt::format(
             "a pass is a forward pass over the text, {:.3g} TFLOP; seconds are at least, at the {:.0f} "
             "GFLOP/s measured now\n",
             plan.forward_flops / 1e12, plan.flops_per_second / 1e9);
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
  out += plan.backward_sweeps > 1   ? "two backward sweeps: four passes over the weights\n"
         : plan.backward_sweeps > 0 ? "backward sweep: two passes over the weights\n"
                                    : "no backward sweep\n";
  out += fmt::format("weights read: {}\n", human_bytes(plan.weight_bytes_read));
  return out + null_plan_text(nulls) + price_text(plan, nulls);
}

// What a signal does in each phase: between steps a run is asked to stop; within the boundaries and the
// brittleness there are no steps, and a run directory is written whole.
void choose_handler(const ProgressEvent& event) {
  const bool begins = event.step == 0;
  if (event.phase == "writing") {
    on_stop(begins ? SIG_IGN : SIG_DFL);
  } else if (event.phase == "boundaries" || event.phase == "brittleness") {
    on_stop(begins ? stop_now : ask_to_stop);
    if (stop_asked()) stop_now(0);
  }
}

}  // namespace

int analyze(const AnalyzeOptions& asked, const std::string& command_line) {
  AnalyzeOptions options = asked;
  if (!options.quiet) say("strata {}: {}\n", version(), options.model.string());
  const Model model = Model::open(options.model);
  print_notes(model.checkpoint(), options.quiet);
  if (!options.layers.empty()) {
    options.request.layers = parse_layers(options.layers, model.blocks(), "--layers");
  }
  if (!options.mem_limit.empty())
    options.resources.memory_bytes = parse_size(options.mem_limit, "--mem-limit");
  options.text.memory_bytes =
      options.resources.memory_bytes == 0 ? default_memory_limit_bytes() : options.resources.memory_bytes;
  const Text text = load_text(model, with_default_text(options.text));
  const Corpus& corpus = text.loaded().corpus;
  print_text_remarks(corpus, options.quiet);
  Analysis analysis(model, text, options.request, options.resources);
  const auto plan = [&] {
    return plan_text(analysis.plan(), analysis.nulls(), analysis.memory_limit_bytes());
  };
  if (options.dry_run) {
    print_lines(plan());
    return 0;
  }
  if (options.verbose > 0) say_lines(plan());
  if (const std::string& note = analysis.nulls().models.note; !options.quiet && !note.empty())
    say("note: networks with random weights: {}\n", note);
  if (options.output.empty()) options.output = std::filesystem::path("runs") / model.name();
  const Destination destination{
      .directory = options.output, .command = command_line, .resume = options.resume};

  on_stop(ask_to_stop);
  ProgressPrinter printer(options.quiet);
  const auto progress = [&](const ProgressEvent& event) {
    choose_handler(event);
    if (event.phase != "writing" && event.phase != "brittleness") printer(event);
    return !stop_asked();
  };
  const auto answer = [&](const Answer& early) {
    printer.finish();
    if (!options.quiet) say_raw(answer_text(early.sentences));
  };
  const Run run = analysis.run(&destination, progress, answer);
  on_stop(SIG_DFL);
  printer.finish();
  // Once each: those of the text, and the notes of the files, were said before the run.
  std::vector<std::string> said = corpus.warnings;
  const auto& notes = model.checkpoint().notes();
  if (!options.quiet) said.insert(said.end(), notes.begin(), notes.end());
  for (const std::string& warning : run.trace.warnings) {
    if (std::find(said.begin(), said.end(), warning) == said.end()) say("warning: {}\n", warning);
  }
  if (!options.quiet) say_raw(summary_text(run, (options.output / "report.html").string()));
  if (options.json) print_data(results_json(run));
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
  Request& r = o->request;
  Resources& resources = o->resources;
  resources.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  command
      ->add_option("-m,--model,MODEL", o->model,
                   "Directory with config.json, .gguf file, or org/name[@revision]")
      ->required();
  add_text_flags(*command, o->text);
  command->add_option("-o,--output", o->output, "Run directory (default: runs/<model>)");
  add_number(*command, "-b,--batch-size", resources.batch, 1, kMostOfAnything,
             "Windows in flight at once; changes memory, never a number");
  command
      ->add_option_function<std::string>(
          "--dtype", [&r](const std::string& name) { r.dtype = kDTypes.at(name); },
          "float32, or bfloat16: products of bfloat16 numbers, twice as fast; its noise floor is measured")
      ->check(CLI::IsMember(kDTypes))
      ->default_str("float32");
  command
      ->add_option_function<std::string>(
          "--device", [&resources](const std::string& name) { resources.backend = &backend_named(name); },
          "What computes blocks and logits: cpu, or cuda in a build with LibTorch (strata --version says "
          "what "
          "there is)")
      ->default_str("cpu");
  add_number(*command, "-t,--threads", resources.threads, 1, 1024, "Threads; changes speed, never a number");
  add_number(*command, "--positions", r.positions, 64, kMostOfAnything,
             "Sampled positions in all, for CKA and spectra");
  add_number(*command, "--lens-positions", r.lens_positions, 1, kMostOfAnything,
             "Sampled positions per document, for the logit lens")
      ->default_str("16 to 64, by what it costs");
  add_number(*command, "--lane-tokens", r.lane_tokens, 64, kMostOfAnything,
             "Tokens in perturbed lanes, in all");
  command
      ->add_option_function<std::string>(
          "--effort", [&r](const std::string& name) { r.effort = kEfforts.at(name); },
          "quick (boundaries and kappa), standard (about 8 forward passes over the text) or thorough (every "
          "lane)")
      ->check(CLI::IsMember(kEfforts))
      ->default_str("standard");
  add_number(*command, "--label-samples", r.label_samples, 1, 1024,
             "Draws of the labels in the backward sweep; more lower its sampling error")
      ->default_str("by effort");
  command->add_flag("--frozen-routing", r.frozen_routing,
                    "Of a mixture of experts, a second backward sweep with the experts' weights held fixed");
  command->add_option("--layers", o->layers, "States or blocks to perturb, like 3,7,10-14 (default: all)");
  command->add_option("--signals", r.signals, "Signals to measure (default: all)")->delimiter(',');
  command
      ->add_option("--interventions", r.interventions,
                   "Interventions to run in full, all or none (default: by effort)")
      ->delimiter(',');
  add_number(*command, "--surrogates", r.surrogates, 19, 100'000,
             "Surrogates of each test of the number of boundaries");
  add_number(*command, "--replicates", r.replicates, 20, 10'000,
             "Half-samples of documents and bootstraps of layers");
  command
      ->add_option("--null-models", r.null_models,
                   "Networks with random weights on the same text: a number, or auto (19 up to 100M "
                   "parameters, else 1)")
      ->default_str("by effort");
  command
      ->add_option("--shuffled-text", r.shuffled_text,
                   "The same text with its tokens shuffled: none, auto (a sample), or a number of documents")
      ->default_str("by effort");
  command->add_flag(
      "--bottleneck", r.bottleneck,
      "Train a bottleneck at the first state of each segment: an achieved rate-distortion curve");
  add_seed(*command, r.seed, "Seed of every random choice");
  command->add_option("--mem-limit", o->mem_limit,
                      "Memory to stay within, like 8G (default: 70% of what is available)");
  command->add_flag("--clean-only", r.clean_only,
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
