#include "strata/cli/installed.h"

#include "strata/base/error.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNames[] = {"llama-nano", "qwen2-nano", "qwen3-nano"};

// texts/tales beside the installed program, or of the source tree that it was built in.
std::filesystem::path installed_tales() {
  const auto program = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  for (const char* relative : {"../share/strata/texts/tales", "../../../texts/tales"}) {
    const auto path = (program / relative).lexically_normal();
    if (std::filesystem::is_directory(path)) return path;
  }
  throw Error(ErrorKind::usage,
              {.where = "--file",
               .found = "no text given, and the text that comes with strata is not installed",
               .hint = "name a UTF-8 file, a directory of files, JSONL or .npy ids with -f"});
}

}  // namespace

TextOptions with_default_text(TextOptions options) {
  if (options.path.empty()) options.path = installed_tales();
  return options;
}

std::vector<fs::path> trained_models() {
  const auto directory =
      (fs::read_symlink("/proc/self/exe").parent_path() / "../../../models").lexically_normal();
  std::vector<fs::path> models;
  for (const char* name : kNames) {
    models.push_back(directory / name);
    if (fs::is_directory(models.back())) continue;
    throw Error(ErrorKind::usage, {.where = "--models",
                                   .found = "nothing, and no " + models.back().string(),
                                   .expected = "directories of trained models",
                                   .hint = "name them with --models"});
  }
  return models;
}

}  // namespace strata
