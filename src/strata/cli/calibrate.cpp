// strata calibrate: how often the detectors are right, on made-up records.
#include "strata/calibration/calibrate.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>

#include "strata/base/file.h"
#include "strata/base/output_directory.h"
#include "strata/cli/command.h"
#include "strata/cli/installed.h"
#include "strata/cli/number_option.h"
#include "strata/cli/say.h"
#include "strata/workflow/planted_networks.h"
#include "strata/workflow/trained_networks.h"

namespace strata {
namespace {

constexpr int kHalfSamples = 20;  // of the documents of a network of trained blocks

struct CalibrateOptions {
  CalibrationOptions calibration;
  std::filesystem::path output;
  std::vector<std::filesystem::path> models;  // empty = those of the source tree
  bool brief = false, quiet = false;
};

// What --short changes; flags that were given stay.
void shorten(CalibrationOptions& options, const CLI::App& command) {
  if (command.count("--trials") == 0) options.trials = 20;
  if (command.count("--layers") == 0) options.layers = {12, 28};
  if (command.count("--surrogates") == 0) options.surrogates = 39;
  if (command.count("--replicates") == 0) options.bootstraps = 40;
}

bool asks_for(const CalibrationOptions& options, std::initializer_list<std::string_view> kinds) {
  return std::any_of(options.kinds.begin(), options.kinds.end(), [&](const std::string& kind) {
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
  });
}

int run_calibrate(const CalibrateOptions& asked) {
  CalibrateOptions options = asked;
  CalibrationOptions& o = options.calibration;
  std::optional<OutputDirectory> output;
  if (!options.output.empty()) output.emplace(options.output, OutputKind::calibration);
  if (asks_for(o, {"networks", "random"})) o.network = planted_networks(o.bootstraps, o.threads);
  if (asks_for(o, {"trained", "trained_null"})) {
    if (options.models.empty()) options.models = trained_models();
    o.trained = trained_networks(options.models, with_default_text({}).path,
                                 std::min(o.bootstraps, kHalfSamples), o.threads);
  }
  const bool terminal = !options.quiet && isatty(STDERR_FILENO) == 1;
  const auto progress = [&](std::size_t done, std::size_t total, const std::string& cell) {
    if (terminal)
      say_raw(fmt::format("\r\033[K{}", done == total ? "" : fmt::format("{}/{} {}", done, total, cell)));
  };
  const auto rows = calibrate(options.calibration, progress);
  print_lines(calibration_text(rows));
  if (!output) return 0;
  write_file_atomic(options.output / "calibration.csv", calibration_csv(rows));
  for (const auto& [file, svg] : calibration_plots(rows)) write_file_atomic(options.output / file, svg);
  sync_directory(options.output);
  write_file_atomic(options.output / "calibration.json", calibration_json(options.calibration, rows));
  sync_directory(options.output);
  output->finish();
  return 0;
}

}  // namespace

void register_calibrate(CLI::App& app, Program& program) {
  auto* command = app.add_subcommand("calibrate", "How often the detectors are right, on made-up records");
  command->footer(
      "Example:\n  strata calibrate --short\n  strata calibrate --trials 400 -o calibration\n"
      "  strata calibrate --kinds trained,trained_null --layers 24,40 --trials 12");
  auto options = std::make_shared<CalibrateOptions>();
  CalibrationOptions& o = options->calibration;
  o.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  add_number(*command, "--trials", o.trials, 1, 1'000'000, "Trials of each cell");
  add_numbers(*command, "--layers", o.layers, 4, 1024, "Numbers of layers");
  command->add_option("--detectors", o.detectors, "either, signals, states; reproductions: kernel_cka, fused")
      ->delimiter(',')
      ->capture_default_str();
  command
      ->add_option("--kinds", o.kinds,
                   "recovery, null, published, power, coverage; rules; and with the engine trained, "
                   "trained_null, networks, random")
      ->delimiter(',')
      ->capture_default_str();
  command
      ->add_option("--models", options->models,
                   "Trained models whose blocks networks are made of (default: those in models/)")
      ->delimiter(',');
  add_number(*command, "--surrogates", o.surrogates, 1, 100'000, "Surrogates of each test");
  add_number(*command, "--replicates", o.bootstraps, 1, 100'000, "Resamples of each interval");
  add_seed(*command, o.seed, "Seed of every random number");
  add_number(*command, "-t,--threads", o.threads, 1, 4096, "Threads; they never change a number");
  command->add_option("-o,--output", options->output,
                      "Directory for calibration.json, calibration.csv and plots (SVG)");
  command->add_flag("--short", options->brief, "A look in a minute: 20 trials, 12 and 28 layers");
  command->add_flag("--quiet", options->quiet, "No progress on stderr");
  command->callback([&program, options, command] {
    program.run = [options, command] {
      if (options->brief) shorten(options->calibration, *command);
      return run_calibrate(*options);
    };
  });
}

}  // namespace strata
