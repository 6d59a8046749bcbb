// The cache of the Hugging Face Hub on disk: models--org--name/{blobs,refs,snapshots}, where a snapshot's
// files are links into blobs. Layout and environment variables: https://huggingface.co/docs/huggingface_hub
// ("Manage the cache", "Environment variables"); read-only, no network.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace strata {

/// The variables that decide where the cache is; empty = not set.
struct HubEnvironment {
  std::string hf_hub_cache;           ///< $HF_HUB_CACHE
  std::string huggingface_hub_cache;  ///< $HUGGINGFACE_HUB_CACHE, the older name
  std::string hf_home;                ///< $HF_HOME
  std::string xdg_cache_home;         ///< $XDG_CACHE_HOME
  std::string home;                   ///< $HOME
};
[[nodiscard]] HubEnvironment hub_environment();

/// The first of $HF_HUB_CACHE, $HUGGINGFACE_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub and
/// ~/.cache/huggingface/hub that is set; a leading ~ is the home directory, and $NAME and ${NAME} are the
/// variables of the environment, as huggingface_hub expands them. Empty when none is.
[[nodiscard]] std::filesystem::path hub_cache(const HubEnvironment& environment);

/// What a user asked for: "org/name", "org/name@revision", "models--org--name", or the address of a page or a
/// file, https://huggingface.co/org/name[/(tree|blob|resolve)/revision[/path]].
struct HubName {
  std::string id;         ///< "org/name"
  std::string revision;   ///< branch, tag or commit; empty = main
  std::string path = {};  ///< of a file or folder within the snapshot; empty = the whole
};

/// Nothing when `text` cannot be a Hub id: not exactly two parts of letters, digits, "-", "_" and ".", or
/// anything (in the revision too) that could lead out of the cache.
[[nodiscard]] std::optional<HubName> parse_hub_name(std::string_view text);

struct HubSnapshot {
  std::filesystem::path directory;
  std::string id;
  std::string commit;  ///< 40 hexadecimal digits
};

/// The snapshot of `name` in `cache`: of the ref with that name, else of the commit whose first digits (at
/// least 7, unambiguous) it gives. Throws Error(usage) when the cache has no such model or revision, naming
/// those it has; Error(bad_file) for a ref that is no commit and for a snapshot that is not there, or in
/// which a file that a model is read from is a dangling link, a shard of the index or a download is
/// unfinished.
[[nodiscard]] HubSnapshot find_snapshot(const std::filesystem::path& cache, const HubName& name);

/// The name of a folder of a cache, "models--org--name". Nothing for other names.
[[nodiscard]] std::optional<HubName> hub_name_of_folder(std::string_view folder);

/// The snapshot that `path` is or lies in, told by its path alone.
[[nodiscard]] std::optional<HubSnapshot> snapshot_of_path(const std::filesystem::path& path);

/// The digest of `files` without reading them, where each is a link to a blob that is named by its SHA-256
/// (files of Git LFS; others are named by a Git hash): the blob's name for one file, for several SHA-256
/// over the lines "file blob", sorted by file name. Nothing otherwise.
[[nodiscard]] std::optional<std::string> hub_digest(const std::vector<std::filesystem::path>& files);

}  // namespace strata
