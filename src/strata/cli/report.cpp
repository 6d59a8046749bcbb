// strata report: the HTML page again, from records alone.
#include "strata/report/report.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/output_directory.h"
#include "strata/cli/command.h"
#include "strata/cli/say.h"
#include "strata/record/run_directory.h"
#include "strata/workflow/manifest.h"
#include "strata/workflow/partial_run.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

// What strata writes, by the file that comes last of its tables.
struct Kind {
  const char* file;
  OutputKind kind;
  std::string (*html)(const fs::path& directory, const std::string& command);
};

constexpr Kind kKinds[] = {
    {"results.json", OutputKind::analysis,
     [](const fs::path& d, const std::string& c) { return model_report_html(read_run(d), c); }},
    {"study.json", OutputKind::study,
     [](const fs::path& d, const std::string& c) { return study_report_html(read_study(d), c); }},
    {"divergence.json", OutputKind::twins,
     [](const fs::path& d, const std::string& c) { return twins_report_html(read_divergence(d), c); }},
};

void make_again(const fs::path& directory) {
  refuse_unfinished(directory);
  std::error_code unreadable;
  if (!fs::exists(directory, unreadable)) {
    throw Error(ErrorKind::usage, {.where = directory.string(),
                                   .found = "no such directory",
                                   .expected = "a directory written by strata analyze or strata compare"});
  }
  for (const Kind& kind : kKinds) {
    if (!fs::exists(directory / kind.file, unreadable)) continue;
    const OutputDirectory taken(directory, kind.kind);
    const auto manifest = directory / "manifest.json";
    const std::string command = command_of_manifest(read_file(manifest), manifest.string());
    write_file_atomic(directory / "report.html", kind.html(directory, command));
    sync_directory(directory);
    say("report: {}\n", (directory / "report.html").string());
    return;
  }
  throw Error(ErrorKind::bad_file, {.where = directory.string(),
                                    .found = "no results.json, study.json or divergence.json",
                                    .expected = "a directory written by strata analyze or strata compare"});
}

}  // namespace

void register_report(CLI::App& app, Program& program) {
  auto* command =
      app.add_subcommand("report", "Make report.html again from the directories of runs and comparisons");
  command->footer("Example:\n  strata report runs/llama-nano");
  auto directories = std::make_shared<std::vector<fs::path>>();
  command->add_option("RUN", *directories, "Directories written by strata analyze or strata compare")
      ->required();
  command->callback([&program, directories] {
    program.run = [directories] {
      for (const fs::path& directory : *directories) make_again(directory);
      return 0;
    };
  });
}

}  // namespace strata
