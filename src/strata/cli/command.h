// A subcommand of the program: how it is registered and run. Adding one: a file with its register
// function, and a row in main.cpp.
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "strata/model/compute.h"

namespace strata {

/// What every subcommand is given.
struct Program {
  std::string command_line;  ///< as typed, quoted for a shell
  std::function<int()> run;  ///< set by the chosen subcommand; returns the exit code
};

/// The words of --device.
inline const std::map<std::string, Device> kDevices = {{"cpu", Device::cpu}, {"cuda", Device::cuda}};

void register_analyze(CLI::App& app, Program& program);
void register_calibrate(CLI::App& app, Program& program);
void register_compare(CLI::App& app, Program& program);
void register_dump(CLI::App& app, Program& program);
void register_inspect(CLI::App& app, Program& program);
void register_report(CLI::App& app, Program& program);
void register_synth(CLI::App& app, Program& program);
void register_verify(CLI::App& app, Program& program);

}  // namespace strata
