// The program: parses the command line, runs one subcommand, maps errors to exit codes. Only this
// folder prints.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#include "strata/base/error.h"
#include "strata/base/words.h"
#include "strata/cli/allocator.h"
#include "strata/cli/bus_error.h"
#include "strata/cli/command.h"
#include "strata/cli/say.h"
#include "strata/cli/version.h"

namespace strata {
namespace {

constexpr void (*kCommands[])(CLI::App&, Program&) = {register_analyze, register_calibrate, register_compare,
                                                      register_dump,    register_inspect,   register_report,
                                                      register_synth,   register_verify};

// --lane_tokens and --lane-tokens are the same flag.
std::string with_dashes(std::string argument) {
  if (argument.starts_with("--")) {
    const auto end =
        argument.begin() + static_cast<std::ptrdiff_t>(std::min(argument.find('='), argument.size()));
    std::replace(argument.begin(), end, '_', '-');
  }
  return argument;
}

std::string quoted(const std::string& argument) {
  const bool plain = !argument.empty() && std::all_of(argument.begin(), argument.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("-_./=:,@%+").find(static_cast<char>(c)) != std::string_view::npos;
  });
  if (plain) return argument;
  std::string out = "'";
  for (const char c : argument) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// The field of a request by its flag.
std::string with_flag(const Error& error) {
  const std::string& option = error.problem().option;
  if (option.empty()) return error.what();
  std::string flag = option == "context" ? "--ctx-size" : "--" + option;
  std::replace(flag.begin(),
               flag.begin() + static_cast<std::ptrdiff_t>(std::min(flag.find(' '), flag.size())), '_', '-');
  return flag + std::string(error.what()).substr(option.size());
}

// What a word that was not expected may have meant: an option of the subcommand, or a text without its flag.
std::string unexpected_hint(const CLI::App& app, const std::vector<std::string>& typed) {
  const auto chosen = app.get_subcommands();
  const CLI::App& command = chosen.empty() ? app : *chosen[0];
  std::vector<std::string> known;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  for (const std::string& word : typed) {
    const std::string name = word.substr(0, word.find('='));
    if (name == "--") break;
    if (name.starts_with("--") && std::find(known.begin(), known.end(), name) == known.end()) {
      const std::string guess = did_you_mean(name, known);
      if (!guess.empty()) return "; " + guess;
    }
  }
  std::error_code unreadable;
  for (const std::string& word : command.remaining()) {
    if (word.starts_with('-') || !std::filesystem::exists(word, unreadable)) continue;
    if (command.get_option_no_throw("--file") != nullptr) return "; a text is given with -f";
  }
  return {};
}

std::string unknown_subcommand(const CLI::App& app, const std::string& word) {
  std::vector<std::string> known;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    known.push_back(command->get_name());
  std::error_code unreadable;
  const std::string guess = did_you_mean(word, known);
  if (!guess.empty()) return fmt::format("no subcommand '{}'; {}", word, guess);
  if (std::filesystem::exists(word, unreadable))
    return fmt::format("no subcommand '{}'; a path comes after one: strata analyze {}", word, quoted(word));
  return fmt::format("no subcommand '{}'", word);
}

int run(int argc, char** argv) {
  CLI::App app(
      "strata shows how a large language model is layered: signals at every layer, the boundaries\n"
      "between its segments and how sure they are, and how brittle each layer is.",
      "strata");
  app.set_version_flag("--version", [] { return version_text(); });
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 success, 1 run failed, 2 usage, 3 unsupported model or bad file,\n"
      "4 does not fit in --mem-limit, 5 verification failed, 130 interrupted.");
  Program program;
  program.command_line = "strata";
  std::vector<std::string> arguments;
  bool flags = true;  // until "--"; what follows is a path, whatever it looks like
  for (int i = 1; i < argc; ++i) {
    program.command_line += ' ' + quoted(argv[i]);
    flags = flags && std::string_view(argv[i]) != "--";
    arguments.push_back(flags ? with_dashes(argv[i]) : argv[i]);
  }
  for (const auto& add : kCommands) add(app, program);
  if (!arguments.empty() && !arguments[0].starts_with('-') &&
      app.get_subcommands([&](const CLI::App* command) { return command->check_name(arguments[0]); })
          .empty()) {
    say("strata: {} (see strata --help)\n", unknown_subcommand(app, arguments[0]));
    return exit_code(ErrorKind::usage);
  }
  const std::vector<std::string> typed = arguments;
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  try {
    app.parse(arguments);
  } catch (const CLI::Success& success) {
    std::ostringstream out, err;
    const int code = app.exit(success, out, err);
    print_lines(out.str());
    say_lines(err.str());
    return code;
  } catch (const CLI::ExtrasError& error) {
    say("strata: {}{} (see strata --help)\n", error.what(), unexpected_hint(app, typed));
    return exit_code(ErrorKind::usage);
  } catch (const CLI::ParseError& error) {
    say("strata: {} (see strata --help)\n", error.what());
    return exit_code(ErrorKind::usage);
  }
  return program.run();
}

}  // namespace
}  // namespace strata

namespace {

int guarded(int argc, char** argv) {
  using strata::say;
  try {
    strata::report_bus_errors();
    strata::add_optional_backends();
    std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of the write, which can be told
    return strata::run(argc, argv);
  } catch (const strata::Error& error) {
    say("strata: {}\n", strata::with_flag(error));
    return strata::exit_code(error.kind());
  } catch (const std::bad_alloc&) {
    say("strata: out of memory; lower --mem-limit, --chunks or --batch-size\n");
    return strata::exit_code(strata::ErrorKind::out_of_memory);
  } catch (const std::filesystem::filesystem_error& error) {
    say("strata: {}: {}\n", error.path1().string(), error.code().message());
    return strata::exit_code(strata::ErrorKind::run_failed);
  } catch (const std::exception& error) {
    say("strata: {}\n", error.what());
    return strata::exit_code(strata::ErrorKind::run_failed);
  }
}

}  // namespace

int main(int argc, char** argv) {
  strata::settle_allocator();
  strata::prepare_streams();
  return strata::finish_streams(guarded(argc, argv));
}
