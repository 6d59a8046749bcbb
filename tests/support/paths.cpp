#include "tests/support/paths.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace strata::test {

std::filesystem::path repo_path(std::string_view relative) {
  return std::filesystem::path(STRATA_SOURCE_DIR) / relative;
}

std::optional<std::filesystem::path> shared_data(std::string_view relative) {
  const char* named = std::getenv("STRATA_SHARED_DATA");
  const auto root = named != nullptr ? std::filesystem::path(named) : repo_path("../shared/data");
  auto path = root / relative;
  if (!std::filesystem::exists(path)) return std::nullopt;
  return path;
}

std::optional<std::filesystem::path> real_model() {
  if (const char* named = std::getenv("STRATA_REAL_MODEL"); named != nullptr && *named != '\0') {
    if (!std::filesystem::exists(named)) throw std::runtime_error(std::string(named) + " is not there");
    return named;
  }
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  std::filesystem::path base;
  if (cache != nullptr && *cache == '/') {
    base = cache;
  } else if (home != nullptr) {
    base = std::filesystem::path(home) / ".cache";
  }
  auto path = base / "strata/SmolLM2-135M-Instruct.Q4_1.gguf";
  if (base.empty() || !std::filesystem::exists(path)) return std::nullopt;
  return path;
}

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "strata-test-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void write_text(const std::filesystem::path& path, std::string_view content) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  if (!out) throw std::runtime_error("cannot write " + path.string());
}

}  // namespace strata::test
