// Several models: what strata compare does with run directories or a study file.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace strata {

struct StudyOptions {
  std::vector<std::filesystem::path> runs;  ///< run directories; or
  std::filesystem::path file;               ///< a study file
  std::filesystem::path output;
  std::string main_text;                    ///< empty = the study's, else the first run's
  std::optional<std::int64_t> lane_tokens;  ///< instead of the study file's
  std::optional<std::uint64_t> seed;
  int threads = 1;
  int batch = 16;
  std::string mem_limit;
  bool skip_missing = false;  ///< leave out models of a study file that are not there
  bool dry_run = false, json = false, quiet = false;
};

/// Analyzes what is missing, writes the directory `output` (runs/<study>, or runs/comparison, when empty);
/// returns the exit code.
[[nodiscard]] int compare_study(const StudyOptions& asked, const std::string& command_line);

}  // namespace strata
