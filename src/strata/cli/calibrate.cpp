// strata calibrate: how often the detectors are right, on made-up records.
#include "strata/calibration/calibrate.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <thread>

#include "strata/base/file.h"
#include "strata/cli/command.h"
#include "strata/cli/planted_networks.h"

namespace strata {
namespace {

struct CalibrateOptions {
  CalibrationOptions calibration;
  std::filesystem::path output;
  bool brief = false, quiet = false;
};

// What --short changes; flags that were given stay.
void shorten(CalibrationOptions& options, const CLI::App& command) {
  if (command.count("--trials") == 0) options.trials = 20;
  if (command.count("--layers") == 0) options.layers = {8, 16};
  if (command.count("--surrogates") == 0) options.surrogates = 39;
  if (command.count("--replicates") == 0) options.bootstraps = 40;
}

bool asks_for_networks(const CalibrationOptions& options) {
  return std::any_of(options.kinds.begin(), options.kinds.end(),
                     [](const std::string& kind) { return kind == "networks" || kind == "random"; });
}

int run_calibrate(const CalibrateOptions& asked) {
  CalibrateOptions options = asked;
  if (asks_for_networks(options.calibration)) {
    options.calibration.network =
        planted_networks(options.calibration.bootstraps, options.calibration.threads);
  }
  const bool terminal = !options.quiet && isatty(STDERR_FILENO) == 1;
  const auto progress = [&](std::size_t done, std::size_t total, const std::string& cell) {
    if (terminal)
      fmt::print(stderr, "\r\033[K{}", done == total ? "" : fmt::format("{}/{} {}", done, total, cell));
  };
  if (!options.output.empty()) std::filesystem::create_directories(options.output);
  const auto rows = calibrate(options.calibration, progress);
  fmt::print("{}", calibration_text(rows));
  if (options.output.empty()) return 0;
  write_file_atomic(options.output / "calibration.csv", calibration_csv(rows));
  for (const auto& [file, svg] : calibration_plots(rows)) write_file_atomic(options.output / file, svg);
  write_file_atomic(options.output / "calibration.json", calibration_json(options.calibration, rows));
  return 0;
}

}  // namespace

void register_calibrate(CLI::App& app, Program& program) {
  auto* command = app.add_subcommand("calibrate", "How often the detectors are right, on made-up records");
  command->footer("Example:\n  strata calibrate --short\n  strata calibrate --trials 400 -o calibration");
  auto options = std::make_shared<CalibrateOptions>();
  CalibrationOptions& o = options->calibration;
  o.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  command->add_option("--trials", o.trials, "Trials of each cell")->capture_default_str();
  command->add_option("--layers", o.layers, "Numbers of layers")->delimiter(',')->capture_default_str();
  command->add_option("--detectors", o.detectors, "kernel_cka, fused")->delimiter(',')->capture_default_str();
  command
      ->add_option("--kinds", o.kinds,
                   "recovery, null, power, coverage, rules; and networks, random, which need the engine")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--surrogates", o.surrogates, "Surrogates of each test")->capture_default_str();
  command->add_option("--replicates", o.bootstraps, "Resamples of each interval")->capture_default_str();
  command->add_option("-s,--seed", o.seed, "Seed of every random number")->capture_default_str();
  command->add_option("-t,--threads", o.threads, "Threads; they never change a number")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command->add_option("-o,--output", options->output,
                      "Directory for calibration.json, calibration.csv and plots (SVG)");
  command->add_flag("--short", options->brief, "A look in a minute: 20 trials, 8 and 16 layers");
  command->add_flag("--quiet", options->quiet, "No progress on stderr");
  command->callback([&program, options, command] {
    program.run = [options, command] {
      if (options->brief) shorten(options->calibration, *command);
      return run_calibrate(*options);
    };
  });
}

}  // namespace strata
