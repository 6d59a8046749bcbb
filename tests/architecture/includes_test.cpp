// Which module may include which: the arrows of ARCHITECTURE.md. A new module or arrow is a row here, and a
// sentence there.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "tests/support/paths.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;

constexpr std::string_view kInclude = "#include \"strata/";

const std::map<std::string, Names> kMayInclude = {
    {"base", {}},  // fmt/ holds no header of ours
    {"fmt", {}},
    {"linalg", {"base"}},
    {"stats", {"base", "linalg"}},
    {"record", {"base"}},
    {"segmentation", {"base", "linalg", "stats", "record"}},
    {"calibration", {"base", "stats", "record", "segmentation"}},
    {"theory", {"base", "stats", "record", "segmentation"}},
    {"families", {"base", "stats", "record", "segmentation"}},
    {"report", {"base", "record"}},
    {"gguf", {"base"}},
    {"checkpoint", {"base", "gguf"}},
    {"synth", {"base", "gguf", "checkpoint"}},
    {"tokenizer", {"base", "gguf"}},
    {"corpus", {"base", "tokenizer"}},
    {"dump", {"base", "checkpoint", "corpus"}},
    {"model", {"base", "checkpoint"}},
    {"backends", {"base", "model"}},
    {"signals", {"base", "linalg", "stats", "record", "corpus", "model"}},
    {"interventions", {"base", "model", "signals"}},
    {"bottleneck", {"base", "linalg"}},
    {"sweep",
     {"base", "record", "checkpoint", "tokenizer", "corpus", "model", "signals", "interventions",
      "bottleneck"}},
    {"workflow",
     {"base", "record", "segmentation", "calibration", "theory", "report", "gguf", "checkpoint", "synth",
      "tokenizer", "corpus", "model", "signals", "sweep", "interventions"}},
    {"cli",
     {"base", "record", "calibration", "theory", "families", "report", "checkpoint", "synth", "dump", "model",
      "backends", "sweep", "workflow"}},
};

// The modules that the files of one include, its own left out.
Names included_by(const fs::path& folder, const std::string& module) {
  Names names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".h" && entry.path().extension() != ".cpp") continue;
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      if (!line.starts_with(kInclude)) continue;
      const std::string other =
          line.substr(kInclude.size(), line.find('/', kInclude.size()) - kInclude.size());
      const bool file_of_the_root = other.find('.') != std::string::npos;  // strata/version.h
      if (other != module && !file_of_the_root) names.insert(other);
    }
  }
  return names;
}

TEST(Architecture, EveryIncludeFollowsAnArrow) {
  int modules = 0;
  for (const auto& entry : fs::directory_iterator(test::repo_path("src/strata"))) {
    if (!entry.is_directory()) continue;
    const std::string module = entry.path().filename().string();
    ASSERT_TRUE(kMayInclude.contains(module)) << module << " is not in the list of modules";
    ++modules;
    for (const std::string& other : included_by(entry.path(), module)) {
      EXPECT_TRUE(kMayInclude.at(module).contains(other)) << module << " includes " << other;
    }
  }
  EXPECT_EQ(modules, static_cast<int>(kMayInclude.size()));
}

// No arrow of the list closes a circle.
TEST(Architecture, TheArrowsHaveAnOrder) {
  std::map<std::string, Names> left = kMayInclude;
  while (!left.empty()) {
    Names free;
    for (const auto& [module, needs] : left) {
      if (needs.empty()) free.insert(module);
    }
    ASSERT_FALSE(free.empty()) << "a circle among " << left.size() << " modules";
    for (const std::string& module : free) left.erase(module);
    for (auto& [module, needs] : left) {
      for (const std::string& done : free) needs.erase(done);
    }
  }
}

// Only cli prints.
TEST(Architecture, NothingButTheProgramPrints) {
  for (const auto& entry : fs::recursive_directory_iterator(test::repo_path("src/strata"))) {
    const std::string path = entry.path().string();
    if (entry.path().extension() != ".cpp" || path.find("/cli/") != std::string::npos) continue;
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      const std::string code = line.substr(0, line.find("//"));
      for (const char* call :
           {"fmt::print(", " printf(", "fprintf(", "std::cout", "std::cerr", " puts(", "fputs("}) {
        EXPECT_EQ(code.find(call), std::string::npos) << path << ": " << line;
      }
    }
  }
}

// And in cli, one file: it knows what a terminal would obey, and what a stream does that is closed or full.
TEST(Architecture, OneFileOfTheProgramPrints) {
  for (const auto& entry : fs::directory_iterator(test::repo_path("src/strata/cli"))) {
    if (entry.path().stem() == "say") continue;
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      const std::string code = line.substr(0, line.find("//"));
      for (const char* call :
           {"fmt::print(", " printf(", "fprintf(", "std::cout", "std::cerr", " puts(", "fputs("})
        EXPECT_EQ(code.find(call), std::string::npos) << entry.path() << ": " << line << " (use cli/say.h)";
    }
  }
}

}  // namespace
}  // namespace strata
