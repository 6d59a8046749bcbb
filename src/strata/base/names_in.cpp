#include "strata/base/names_in.h"

#include <algorithm>

namespace strata {

std::vector<std::string> names_in(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  std::error_code unreadable;
  std::filesystem::directory_iterator at(directory, unreadable);
  for (; !unreadable && at != std::filesystem::directory_iterator(); at.increment(unreadable))
    names.push_back(at->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace strata
