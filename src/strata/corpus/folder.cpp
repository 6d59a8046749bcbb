#include "strata/corpus/folder.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <numeric>
#include <string_view>

#include "strata/base/error.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

bool hidden(const fs::path& path) {
  return path.filename().string().starts_with('.');
}

// Adds what lies in `folder`, whose path from the top is `prefix`.
void walk(const fs::path& folder, const std::string& prefix, bool recursive, FolderFiles& found) {
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  if (error) {
    throw Error(ErrorKind::bad_file, {.where = folder.string(),
                                      .found = "cannot list: " + error.message(),
                                      .expected = "a readable directory"});
  }
  for (const auto& entry : entries) {
    if (hidden(entry.path())) continue;
    const std::string name = prefix + entry.path().filename().string();
    if (entry.is_regular_file(error)) {
      found.files.push_back(entry.path());
      found.names.push_back(name);
    } else if (!entry.is_directory(error)) {
      found.skipped.push_back(name);
    } else if (recursive && !entry.is_symlink(error)) {
      walk(entry.path(), name + "/", recursive, found);
    } else {
      ++found.folders;
    }
  }
}

}  // namespace

FolderFiles files_of_folder(const fs::path& folder, bool recursive) {
  FolderFiles found;
  walk(folder, "", recursive, found);
  std::vector<std::size_t> order(found.files.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return found.names[a] < found.names[b]; });
  FolderFiles sorted{.files = {}, .names = {}, .folders = found.folders, .skipped = std::move(found.skipped)};
  for (const std::size_t i : order) {
    sorted.files.push_back(std::move(found.files[i]));
    sorted.names.push_back(std::move(found.names[i]));
  }
  std::sort(sorted.skipped.begin(), sorted.skipped.end());
  return sorted;
}

bool is_about_texts(const fs::path& file) {
  constexpr std::array<std::string_view, 16> kNames = {
      "license",      "licence",   "copying",  "copyright",  "readme",  "notice", "authors",  "contributors",
      "contributing", "changelog", "citation", "sha256sums", "md5sums", "meta",   "metadata", "manifest"};
  std::string stem = file.filename().string();
  stem.resize(std::min(stem.find('.'), stem.size()));
  stem.resize(std::min(stem.find('-'), stem.size()));  // LICENSE-MIT
  std::transform(stem.begin(), stem.end(), stem.begin(), [](unsigned char c) { return std::tolower(c); });
  return std::find(kNames.begin(), kNames.end(), stem) != kNames.end();
}

}  // namespace strata
