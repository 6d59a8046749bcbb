// strata report: the HTML page again, from records alone.
#include "strata/report/report.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "strata/base/file.h"
#include "strata/cli/command.h"
#include "strata/cli/manifest.h"
#include "strata/cli/partial_run.h"
#include "strata/record/run_directory.h"

namespace strata {

void register_report(CLI::App& app, Program& program) {
  auto* command = app.add_subcommand("report", "Make report.html again from run directories");
  command->footer("Example:\n  strata report runs/llama-nano");
  auto runs = std::make_shared<std::vector<std::filesystem::path>>();
  command->add_option("RUN", *runs, "Run directories written by strata analyze")->required();
  command->callback([&program, runs] {
    program.run = [runs] {
      for (const auto& directory : *runs) {
        refuse_unfinished(directory);
        const Run run = read_run(directory);
        const auto manifest = directory / "manifest.json";
        const std::string command_line = command_of_manifest(read_file(manifest), manifest.string());
        write_file_atomic(directory / "report.html", model_report_html(run, command_line));
        fmt::print(stderr, "report: {}\n", (directory / "report.html").string());
      }
      return 0;
    };
  });
}

}  // namespace strata
