// A subcommand of the program: how it is registered and run. Adding one: a file with its register
// function, and a row in main.cpp.
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <string>
#include <vector>

namespace strata {

/// What every subcommand is given.
struct Program {
  std::string command_line;  ///< as typed, quoted for a shell
  std::function<int()> run;  ///< set by the chosen subcommand; returns the exit code
};

void register_analyze(CLI::App& app, Program& program);
void register_calibrate(CLI::App& app, Program& program);
void register_compare(CLI::App& app, Program& program);
void register_dump(CLI::App& app, Program& program);
void register_inspect(CLI::App& app, Program& program);
void register_report(CLI::App& app, Program& program);
void register_synth(CLI::App& app, Program& program);
void register_verify(CLI::App& app, Program& program);

}  // namespace strata
