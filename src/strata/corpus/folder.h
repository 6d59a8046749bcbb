// The files of a folder of texts.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace strata {

struct FolderFiles {
  std::vector<std::filesystem::path> files;
  std::vector<std::string> names;    ///< of each, relative to the folder
  std::size_t folders = 0;           ///< inside, not read
  std::vector<std::string> skipped;  ///< names of what is no file: dangling links, pipes
};

/// In the order of the names' bytes, so that it is the same on every machine; hidden ones are left out. With
/// `recursive` those of the folders inside, too; links to folders are not followed.
[[nodiscard]] FolderFiles files_of_folder(const std::filesystem::path& folder, bool recursive);

/// Whether a file's name says that it is about the texts beside it: LICENSE, README, CITATION.
[[nodiscard]] bool is_about_texts(const std::filesystem::path& file);

}  // namespace strata
