// The names that strata writes in a directory, by kind, and the files that say the directory is strata's.
// For base/output_directory only.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strata/base/output_directory.h"

namespace strata::output_names {

struct Kind {
  OutputKind kind;
  const char* id;       ///< in owner.json
  const char* refusal;  ///< "exists and is not ...": what is said of a directory that is not of this kind
  const char* phrase;   ///< what it holds, in words
  const char* record;   ///< the file that tells the kind beside a manifest, or nullptr
  std::vector<const char*> files;
};
[[nodiscard]] const Kind& of(OutputKind kind);

/// Names in a directory, sorted; none where there is no directory. Throws Error(run_failed) where it cannot
/// be listed: what cannot be seen cannot be called empty.
[[nodiscard]] std::vector<std::string> entries(const std::filesystem::path& directory);

/// The text of partial/owner.json for this kind, one line.
[[nodiscard]] std::string owner_text(OutputKind kind);
/// Whether `partial` holds nothing, or a mark that was not written to its end.
[[nodiscard]] bool is_unborn(const std::filesystem::path& partial);

/// The kind that a directory holds, by a mark that was read; nothing when there is none.
[[nodiscard]] std::optional<OutputKind> marked_kind(const std::filesystem::path& directory);
/// The same by the marks that stay: manifest.json, index.json, calibration.json.
[[nodiscard]] std::optional<OutputKind> finished_kind(const std::filesystem::path& directory);
/// Whether this is a manifest that strata wrote.
[[nodiscard]] bool is_manifest(const std::filesystem::path& file);

/// What a killed run leaves beside its files.
[[nodiscard]] bool is_temporary_file(std::string_view name, OutputKind kind);
/// A network with random weights, ".strata-random-weights-3".
[[nodiscard]] bool is_temporary_network(std::string_view name);
/// A file of a checkpoint that strata writes, or its temporary name.
[[nodiscard]] bool is_checkpoint_file(std::string_view name);

/// Whether a run has saved anything in `partial`.
[[nodiscard]] bool has_snapshot(const std::filesystem::path& partial);
void sweep_partial_temporaries(const std::filesystem::path& partial);
/// Removes run.json, the snapshots, and their folders where nothing else is in them.
void remove_saved(const std::filesystem::path& partial);

}  // namespace strata::output_names
