// strata compare: two versions of one model, or several models. What stands on the command line says which.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <thread>

#include "strata/base/error.h"
#include "strata/cli/command.h"
#include "strata/cli/compare_study.h"
#include "strata/cli/compare_twins.h"
#include "strata/cli/number_option.h"
#include "strata/cli/text_flags.h"
#include "strata/families/study_file.h"

namespace strata {
namespace {

struct CompareOptions {
  std::vector<std::filesystem::path> what;
  TwinOptions twins;
  StudyOptions study;
  std::uint64_t seed = 0;
};

enum class Use { twins, runs, study_file };

bool is_run(const std::filesystem::path& path) {
  std::error_code unreadable;
  return std::filesystem::exists(path / "results.json", unreadable);
}

[[noreturn]] void refuse(const std::string& where, std::string found) {
  throw Error(ErrorKind::usage, {.where = where,
                                 .found = std::move(found),
                                 .expected = "run directories, one study file, or two checkpoints",
                                 .hint = "models that have no record yet go into a study file"});
}

Use use_of(const std::vector<std::filesystem::path>& what) {
  const auto runs = std::count_if(what.begin(), what.end(), is_run);
  if (runs == static_cast<std::ptrdiff_t>(what.size())) return Use::runs;
  if (what.size() == 1 && is_study_file(what[0])) return Use::study_file;
  if (runs > 0) refuse("compare", "run directories beside something else");
  if (what.size() == 1) refuse(what[0].string(), "one checkpoint alone: OTHER is missing");
  if (what.size() > 2) refuse("compare", fmt::format("{} things that are no run directories", what.size()));
  return Use::twins;
}

// Flags that mean nothing to what was given would otherwise be ignored in silence.
void refuse_flags(const CLI::App& command, const std::vector<const char*>& flags, const char* what) {
  for (const char* flag : flags) {
    if (command.count(flag) == 0) continue;
    throw Error(ErrorKind::usage, {.where = flag, .found = fmt::format("a flag that {} do not take", what)});
  }
}

int compare(CompareOptions& o, const CLI::App& command, const std::string& command_line) {
  const Use use = use_of(o.what);
  if (use == Use::twins) {
    refuse_flags(command, {"--main-text", "--skip-missing", "--dry-run"}, "two checkpoints");
    o.twins.original = o.what[0];
    o.twins.other = o.what[1];
    o.twins.measure.seed = o.seed;
    return compare_twins(o.twins, command_line);
  }
  refuse_flags(command, text_flag_names(), "run directories and study files");
  refuse_flags(command, {"--threshold"}, "run directories and study files");
  if (use == Use::runs) {
    refuse_flags(command, {"--lane-tokens", "--mem-limit", "--batch-size", "--skip-missing", "--dry-run"},
                 "run directories");
    o.study.runs = o.what;
  } else {
    o.study.file = o.what[0];
  }
  if (command.count("--seed") > 0) o.study.seed = o.seed;
  if (command.count("--lane-tokens") > 0) o.study.lane_tokens = o.twins.measure.lane_tokens;
  o.study.output = o.twins.output;
  o.study.threads = o.twins.measure.threads;
  o.study.batch = o.twins.measure.batch;
  o.study.mem_limit = o.twins.mem_limit;
  o.study.json = o.twins.json;
  o.study.quiet = o.twins.quiet;
  return compare_study(o.study, command_line);
}

}  // namespace

void register_compare(CLI::App& app, Program& program) {
  auto* command = app.add_subcommand("compare", "Models against each other, or a twin against its original");
  command->footer(
      "Examples:\n"
      "  strata compare runs/llama-nano runs/qwen2-nano runs/qwen3-nano     runs of strata analyze\n"
      "  strata compare studies/nano.toml -o runs/nano                      analyzes what is missing\n"
      "  strata compare models/llama-nano my/llama-nano-rounded             two versions of one model\n"
      "Several models are grouped into families, and the predictions of the theory are put to the test.\n"
      "Twins must have the same depth, width and vocabulary; the text is tokenized with the original's\n"
      "tokenizer.");
  auto o = std::make_shared<CompareOptions>();
  MeasureOptions& m = o->twins.measure;
  m.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  command->add_option("WHAT", o->what, "Run directories, a study file (.toml, .json), or two checkpoints")
      ->required();
  command->add_option("-o,--output", o->twins.output,
                      "Directory (default: runs/comparison, runs/STUDY or runs/compare-ORIGINAL-OTHER)");
  command->add_option("--main-text", o->study.main_text, "Text that T1 to T9 are about (default: the first)");
  command->add_flag("--skip-missing", o->study.skip_missing,
                    "Leave out models of a study that are not there");
  command->add_flag("--dry-run", o->study.dry_run,
                    "Print which runs a study has and which it needs, and stop");
  add_text_flags(*command, o->twins.text, "Twins: ");
  add_number(*command, "--threshold", o->twins.question.threshold, 0.0, 1e6,
             "Twins: relative difference at which damage begins");
  add_number(*command, "--lane-tokens", m.lane_tokens, 64, kMostOfAnything, "Tokens in lanes, in all");
  add_seed(*command, o->seed, "Seed of every random choice of the comparison");
  add_number(*command, "-t,--threads", m.threads, 1, 1024, "Threads; changes speed, never a number");
  add_number(*command, "-b,--batch-size", m.batch, 1, kMostOfAnything,
             "Windows in flight at once; changes memory, never a number");
  command->add_option("--mem-limit", o->twins.mem_limit,
                      "Memory to stay within, like 8G (default: 70% of what is available)");
  command->add_flag("--json", o->twins.json, "Print study.json or divergence.json on stdout as well");
  command->add_flag("--quiet", o->twins.quiet, "Print nothing but errors and warnings");
  command->callback([&program, command, o] {
    program.run = [&program, command, o] { return compare(*o, *command, program.command_line); };
  });
}

}  // namespace strata
