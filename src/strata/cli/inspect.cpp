// strata inspect: what a checkpoint is, from its headers alone.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "strata/cli/command.h"
#include "strata/cli/say.h"
#include "strata/workflow/card.h"

namespace strata {
namespace {

struct InspectOptions {
  std::string model;
  bool json = false;
  bool tensors = false;
};

}  // namespace

void register_inspect(CLI::App& app, Program& program) {
  auto* command = app.add_subcommand("inspect", "Show what a checkpoint is, without computing anything");
  command->footer(
      "Examples:\n"
      "  strata inspect models/llama-nano\n"
      "  strata inspect Qwen/Qwen3-0.6B --json\n"
      "A directory with config.json alone is enough; strata then says that the weights are not here.");
  auto options = std::make_shared<InspectOptions>();
  command->add_option("-m,--model,MODEL", options->model, "Directory, .gguf file, or org/name[@revision]")
      ->required();
  command->add_flag("--json", options->json, "Print JSON");
  command->add_flag("--tensors", options->tensors, "List every tensor");
  command->callback([&program, options] {
    program.run = [options] {
      const Card card = make_card(options->model);
      if (options->json) {
        print_data(card_json(card, options->tensors) + "\n");
      } else {
        print_lines(card_text(card, options->tensors));
      }
      return 0;
    };
  });
}

}  // namespace strata
