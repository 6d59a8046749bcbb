#include "strata/cli/compare_study.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/output_directory.h"
#include "strata/base/resources.h"
#include "strata/checkpoint/locate.h"
#include "strata/cli/analyze.h"
#include "strata/cli/say.h"
#include "strata/cli/study_text.h"
#include "strata/cli/terminal.h"
#include "strata/families/study.h"
#include "strata/families/study_file.h"
#include "strata/record/valid_text.h"
#include "strata/report/report.h"
#include "strata/workflow/build_info.h"
#include "strata/workflow/effort.h"
#include "strata/workflow/partial_run.h"

namespace strata {
namespace {

constexpr const char* kAnalyzeAgain = "remove the directory to analyze again, or choose another --output";

// One run of a study: where its record is or will be, and how it is made.
struct Step {
  StudyRun about;  // without the run itself
  std::filesystem::path directory;
  std::filesystem::path model;  // empty = the record has to be there
  const StudyText* text = nullptr;
  bool there = false;
};

// A run that stopped in its last writes is not a record yet; analyze goes on with it.
bool is_record(const std::filesystem::path& directory) {
  std::error_code unreadable;
  return std::filesystem::exists(directory / "results.json", unreadable) && !is_unfinished(directory);
}

// A run whose process was killed after its last write is finished but for what it would have removed.
void tidy(const std::filesystem::path& directory) {
  std::error_code unreadable;
  if (std::filesystem::exists(directory / kPartialFolder, unreadable))
    const OutputDirectory taken(directory, OutputKind::analysis);
}

std::vector<Step> steps_of(const StudyFile& file, const std::filesystem::path& output) {
  std::vector<Step> steps;
  for (const StudyModel& m : file.models) {
    for (const StudyText& text : file.texts) {
      if (!m.text.empty() && m.text != text.name) continue;
      Step step{.about = {.model = m.name,
                          .family = m.family,
                          .text = text.name,
                          .training = m.training,
                          .run = {}},
                .directory = m.run.empty() ? output / "runs" / fmt::format("{}-on-{}", m.name, text.name)
                                           : resolve(file, m.run),
                .model = m.model.empty() ? std::filesystem::path() : resolve(file, m.model),
                .text = &text};
      step.there = is_record(step.directory);
      steps.push_back(std::move(step));
    }
  }
  return steps;
}

// Whether the record is there, or what it is made from.
bool can_be_had(const Step& step) {
  if (step.there) return true;
  if (step.model.empty()) return false;
  try {
    (void)locate_model(step.model.string());
    return true;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage) throw;
    return false;
  }
}

// What is not there is named all at once, before hours are spent on the rest.
void leave_out_missing(std::vector<Step>& steps, bool skip) {
  std::vector<std::string> missing;
  std::erase_if(steps, [&](const Step& step) {
    if (can_be_had(step)) return false;
    const auto& what = step.model.empty() ? step.directory : step.model;
    if (std::find(missing.begin(), missing.end(), what.string()) == missing.end())
      missing.push_back(what.string());
    return true;
  });
  if (missing.empty()) return;
  if (!skip || steps.empty()) {
    throw Error(ErrorKind::usage, {.where = "study",
                                   .found = fmt::format("not on this machine: {}", fmt::join(missing, ", ")),
                                   .expected = "paths, or models of the Hugging Face cache",
                                   .hint = steps.empty() ? "" : "--skip-missing leaves them out"});
  }
  for (const std::string& model : missing) say("warning: {} is not on this machine; left out\n", model);
}

AnalyzeOptions analysis_of(const Step& step, const StudyFile& file, const StudyOptions& options) {
  AnalyzeOptions a;
  a.resume = true;              // a study that was interrupted goes on where it was
  a.request.null_models = "0";  // its models are each other's measure
  a.request.shuffled_text = "none";
  a.model = step.model;
  a.output = step.directory;
  a.quiet = options.quiet;
  a.mem_limit = options.mem_limit;
  a.resources.threads = options.threads;
  a.resources.batch = options.batch;
  if (!step.text->path.empty()) a.text.path = resolve(file, step.text->path);
  const StudyAnalysis& asked = file.analysis;
  const auto set = [](auto& member, const std::optional<std::int64_t>& value) {
    if (value) member = static_cast<std::remove_reference_t<decltype(member)>>(*value);
  };
  set(a.text.context, asked.ctx_size);
  set(a.text.chunks, asked.chunks);
  set(a.text.limit, asked.limit);
  set(a.request.positions, asked.positions);
  set(a.request.lens_positions, asked.lens_positions);
  set(a.request.lane_tokens, asked.lane_tokens);
  set(a.request.lane_tokens, options.lane_tokens);
  set(a.request.label_samples, asked.label_samples);
  set(a.request.replicates, asked.replicates);
  set(a.request.seed, asked.seed);
  set(a.request.surrogates, asked.surrogates);
  a.request.effort = effort_named(asked.effort);
  a.request.signals = asked.signals;
  a.request.interventions = asked.interventions;
  if (step.text->boundaries_only) {  // the least that the lanes can be asked for
    a.request.interventions = {"block_skip"};
    a.layers = "0";
    a.request.label_samples = 1;
  }
  return a;
}

// A record that was made with other settings is not what the study asks for.
void check_record(const Run& run, const AnalyzeOptions& a) {
  const RunCard& card = run.trace.run;
  struct Setting {
    const char* name;
    std::int64_t made, asked;
  };
  if (!card.effort.empty() && effort_named(card.effort) < a.request.effort) {
    throw Error(ErrorKind::usage,
                {.where = a.output.string(),
                 .found = fmt::format("a record of effort {}", card.effort),
                 .expected = fmt::format("{}, as the study says", to_string(a.request.effort)),
                 .hint = kAnalyzeAgain});
  }
  for (const Setting& s :
       {Setting{"lane_tokens", card.lane_tokens, a.request.lane_tokens},
        Setting{"positions", card.positions, a.request.positions},
        Setting{"lens_positions", card.lens_positions, a.request.lens_positions},
        Setting{"surrogates", card.surrogates, a.request.surrogates},
        Setting{"replicates", card.replicates, a.request.replicates},
        Setting{"seed", static_cast<std::int64_t>(card.seed), static_cast<std::int64_t>(a.request.seed)}}) {
    if (s.made == s.asked || s.asked == 0) continue;  // 0: by effort
    throw Error(ErrorKind::usage, {.where = a.output.string(),
                                   .found = fmt::format("a record with {} {}", s.name, s.made),
                                   .expected = fmt::format("{}, as the study says", s.asked),
                                   .hint = kAnalyzeAgain});
  }
  for (const std::string& id : a.request.interventions) {
    if (id == "all" || id == "none") continue;  // which they are is known where they are run
    const auto made = [&](const DoseCurve& curve) { return curve.intervention == id; };
    if (std::any_of(run.trace.curves.begin(), run.trace.curves.end(), made)) continue;
    throw Error(ErrorKind::usage, {.where = a.output.string(),
                                   .found = fmt::format("a record without {}", id),
                                   .expected = fmt::format("{}, as the study says", id),
                                   .hint = kAnalyzeAgain});
  }
}

// Rounding moves kappa: a difference between models must not be one between compute modes.
void check_dtype(const Run& run, const std::filesystem::path& directory, std::string& first) {
  const std::string& dtype = run.trace.run.compute_dtype;
  if (first.empty()) first = dtype;
  if (dtype == first) return;
  throw Error(ErrorKind::usage, {.where = directory.string(),
                                 .found = fmt::format("a record computed in {}", dtype),
                                 .expected = fmt::format("{}, as the first one", first),
                                 .hint = "analyze one of them again with the same --dtype"});
}

void complete(StudyRun& about) {
  const Trace& trace = about.run.trace;
  if (about.model.empty()) about.model = trace.model.name;
  if (about.family.empty()) about.family = family_of_card(trace.model);
  if (about.text.empty()) about.text = trace.run.corpus_name;
}

struct StudyFacts {
  std::vector<std::string> analyzed;
  double seconds_analyze = 0.0, seconds_compare = 0.0;
};

std::string manifest_text(const Study& study, const std::string& command_line, const StudyFacts& facts) {
  using Json = nlohmann::ordered_json;
  Json runs = Json::array();
  for (const StudyMember& m : study.members) {
    runs.push_back({{"model", m.model},
                    {"text", m.text},
                    {"checkpoint_sha256", m.checkpoint_sha256},
                    {"corpus_sha256", m.corpus_sha256}});
  }
  const Json json = {{"schema_version", kStudySchemaVersion},
                     {"tool", {{"name", "strata"}, {"version", version()}, {"build", build_text()}}},
                     {"command_line", command_line},
                     {"seed", study.study.seed},
                     {"runs", runs},
                     {"analyzed", facts.analyzed},
                     {"memory", {{"measured_peak_bytes", peak_rss_bytes()}}},
                     {"seconds", {{"analyze", facts.seconds_analyze}, {"compare", facts.seconds_compare}}}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<Step> steps_of_runs(const std::vector<std::filesystem::path>& runs) {
  std::vector<Step> steps;
  for (const auto& directory : runs)
    steps.push_back(
        {.about = {.run = {}}, .directory = directory, .model = {}, .text = nullptr, .there = true});
  return steps;
}

// Analyzes what is missing; nothing is compared before everything is there.
void analyze_missing(std::vector<Step>& steps, const StudyFile& file, const StudyOptions& options,
                     const std::string& command_line, StudyFacts& facts) {
  const auto start = std::chrono::steady_clock::now();
  const auto missing = std::count_if(steps.begin(), steps.end(), [](const Step& s) { return !s.there; });
  std::ptrdiff_t done = 0;
  for (Step& step : steps) {
    if (step.there && !step.model.empty()) tidy(step.directory);
    if (step.there) continue;
    if (!options.quiet) say("\nrun {} of {}: {} on {}\n", ++done, missing, step.about.model, step.about.text);
    (void)analyze(analysis_of(step, file, options), command_line);
    facts.analyzed.push_back(fmt::format("{} on {}", step.about.model, step.about.text));
  }
  facts.seconds_analyze = seconds_since(start);
}

void print_plan(const std::vector<Step>& steps) {
  for (const Step& step : steps) {
    const char* state = step.there ? "record" : can_be_had(step) ? "analyze" : "missing";
    const auto& from = step.there || step.model.empty() ? step.directory : step.model;
    show("{:<8} {} on {} ({})\n", state, step.about.model, step.about.text, from.string());
  }
}

}  // namespace

int compare_study(const StudyOptions& asked, const std::string& command_line) {
  StudyOptions options = asked;
  StudyFile file;
  if (!options.file.empty()) file = read_study_file(options.file);
  if (options.file.empty()) file.card.name = "runs";
  StudyCard& card = file.card;
  card.tool_version = version();
  card.resamples = 999;
  card.permutations = 9999;
  if (card.stable_family.empty()) card.stable_family = "llama";
  if (card.variable_family.empty()) card.variable_family = "qwen";
  if (options.seed) card.seed = *options.seed;
  if (!options.main_text.empty()) card.main_text = options.main_text;
  if (options.output.empty())
    options.output = std::filesystem::path("runs") / (options.file.empty() ? "comparison" : card.name);
  check_output_directory(options.output, OutputKind::study);

  std::vector<Step> steps =
      options.file.empty() ? steps_of_runs(options.runs) : steps_of(file, options.output);
  if (options.dry_run) {
    print_plan(steps);
    return 0;
  }
  leave_out_missing(steps, options.skip_missing);
  OutputDirectory output(options.output, OutputKind::study);
  StudyFacts facts;
  analyze_missing(steps, file, options, command_line, facts);

  const auto start = std::chrono::steady_clock::now();
  std::vector<StudyEntry> entries;
  std::string dtype;
  for (Step& step : steps) {
    refuse_unfinished(step.directory);
    step.about.run = read_run(step.directory);
    check_dtype(step.about.run, step.directory, dtype);
    if (!step.model.empty()) check_record(step.about.run, analysis_of(step, file, options));
    complete(step.about);
    entries.push_back(make_entry(step.about, card, options.threads));
    step.about.run = {};  // what is needed of it is in the entry
  }
  Study study = make_study(card, entries, file.expected);
  make_text_valid(study);
  facts.seconds_compare = seconds_since(start);
  const std::string page = study_report_html(study, command_line);
  output.commit(
      [&] {
        write_study(output.path(), study);
        write_file_atomic(output.path() / "report.html", page);
      },
      manifest_text(study, command_line, facts));
  for (const std::string& warning : study.warnings) say("warning: {}\n", warning);
  if (!options.quiet) say_lines(fmt::format("{}\nwritten: {}\n", study_text(study), options.output.string()));
  if (options.json) print_data(study_json(study));
  return 0;
}

}  // namespace strata
