#include "strata/checkpoint/hub_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/names_in.h"
#include "strata/base/sha256.h"
#include "strata/base/words.h"
#include "strata/checkpoint/strict_json.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kCommitDigits = 40, kLeastDigits = 7, kSha256Digits = 64;
constexpr std::size_t kMaxIdLength = 96;         // of the Hub
constexpr std::size_t kMaxRevisionLength = 255;  // of a file name
constexpr std::size_t kMaxIndexBytes = 100'000'000;
constexpr std::string_view kFolderPrefix = "models--", kMain = "main";

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_there(const fs::path& path) {
  std::error_code unreadable;
  return fs::exists(path, unreadable);
}

[[noreturn]] void bad(const fs::path& where, std::string found, std::string expected, const std::string& id) {
  throw Error(ErrorKind::bad_file,
              {.where = where.string(),
               .found = std::move(found),
               .expected = std::move(expected),
               .hint = fmt::format("finish it where there is a network: hf download {}", id)});
}

// A part of a path that stays where it is put.
bool is_plain_part(std::string_view part, bool (*allowed)(unsigned char)) {
  return !part.empty() && part != "." && part.find("..") == std::string_view::npos &&
         std::all_of(part.begin(), part.end(),
                     [&](char c) { return allowed(static_cast<unsigned char>(c)); });
}

bool in_id(unsigned char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_' ||
         c == '.';
}
bool in_revision(unsigned char c) {
  return c > 0x20 && c < 0x7f && c != '\\';
}

bool is_id(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos || text.size() > kMaxIdLength) return false;
  // "--" separates the parts of the folder's name, so no id contains it.
  return is_plain_part(text.substr(0, slash), in_id) && is_plain_part(text.substr(slash + 1), in_id) &&
         text.find("--") == std::string_view::npos;
}

bool is_revision(std::string_view text) {
  if (text.empty() || text.size() > kMaxRevisionLength) return false;
  for (std::size_t begin = 0; begin <= text.size();) {  // branches may be called "refs/pr/1"
    const std::size_t end = std::min(text.find('/', begin), text.size());
    if (!is_plain_part(text.substr(begin, end - begin), in_revision)) return false;
    begin = end + 1;
  }
  return true;
}

std::vector<std::string> commits_in(const fs::path& model) {
  auto names = names_in(model / "snapshots");
  std::erase_if(names, [](const std::string& n) { return n.size() != kCommitDigits || !is_hex(n); });
  return names;
}

// The ids of the models in a cache, for "did you mean".
std::vector<std::string> ids_in(const fs::path& cache) {
  std::vector<std::string> ids;
  for (const std::string& folder : names_in(cache)) {
    if (const auto name = hub_name_of_folder(folder)) ids.push_back(name->id);
  }
  return ids;
}

// refs/<name> holds a commit. Nothing when there is no such ref.
std::optional<std::string> read_ref(const fs::path& model, const HubName& name) {
  const fs::path path = model / "refs" / name.revision;
  std::error_code unreadable;
  if (!fs::is_regular_file(path, unreadable)) return std::nullopt;
  std::string commit = read_file(path, 256);
  while (!commit.empty() && (commit.back() == '\n' || commit.back() == '\r' || commit.back() == ' '))
    commit.pop_back();
  if (commit.size() != kCommitDigits || !is_hex(commit))
    bad(path, fmt::format("\"{}\"", printable(commit)), "a commit of 40 hexadecimal digits", name.id);
  return commit;
}

std::string resolve_commit(const fs::path& model, const HubName& name) {
  const auto commits = commits_in(model);
  if (std::find(commits.begin(), commits.end(), name.revision) != commits.end()) return name.revision;
  if (auto commit = read_ref(model, name)) return *commit;
  // A folder that was copied without its refs has one snapshot.
  if (name.revision == kMain && commits.size() == 1 && !is_there(model / "refs")) return commits[0];
  std::vector<std::string> matches;
  if (name.revision.size() >= kLeastDigits && is_hex(name.revision)) {
    for (const std::string& c : commits)
      if (c.starts_with(name.revision)) matches.push_back(c);
  }
  if (matches.size() == 1) return matches[0];
  throw Error(ErrorKind::usage,
              {.where = fmt::format("{}@{}", name.id, name.revision),
               .found = matches.empty() ? fmt::format("no such revision in {}", model.string())
                                        : fmt::format("{} commits begin so: {}", matches.size(),
                                                      fmt::join(matches, ", ")),
               .expected = commits.empty() ? "a downloaded snapshot"
                                           : fmt::format("a ref, or one of {}", fmt::join(commits, ", ")),
               .hint = commits.empty() ? "the model was never downloaded whole"
                                       : fmt::format("{}@{}", name.id, commits[0].substr(0, kLeastDigits))});
}

// Files that a model is read from; whether a README is there is nobody's concern.
bool is_needed(const std::string& file) {
  return file == "config.json" || file == "tokenizer.json" || file == "tokenizer.model" ||
         file.ends_with(".safetensors") || file.ends_with(".safetensors.index.json") ||
         file.ends_with(".gguf");
}

void check_shards(const fs::path& snapshot, const std::string& id) {
  const fs::path index = snapshot / "model.safetensors.index.json";
  if (is_there(snapshot / "model.safetensors") || !is_there(index)) return;
  const auto document = parse_strict_json(read_file(index, kMaxIndexBytes), index.string());
  const auto map = document.find("weight_map");
  if (map == document.end() || !map->is_object()) return;  // open_shards says what is wrong with it
  std::set<std::string> missing;
  for (const auto& shard : *map) {
    if (shard.is_string() && !is_there(snapshot / shard.get_ref<const std::string&>()))
      missing.insert(printable(shard.get_ref<const std::string&>()));
  }
  if (missing.empty()) return;
  bad(snapshot, fmt::format("incomplete snapshot: no {}", fmt::join(missing, ", ")),
      "the shards that model.safetensors.index.json names", id);
}

// In the snapshot or in a folder of it.
bool holds_weights(const fs::path& snapshot) {
  std::error_code unreadable;
  for (const auto& entry : fs::recursive_directory_iterator(snapshot, unreadable)) {
    const std::string ending = entry.path().extension().string();
    if (ending == ".safetensors" || ending == ".gguf" || ending == ".GGUF") return true;
  }
  return false;
}

void check_complete(const fs::path& model, const fs::path& snapshot, const std::string& id) {
  const auto files = names_in(snapshot);
  for (const std::string& file : files) {
    if (is_needed(file) && !is_there(snapshot / file))
      bad(snapshot / file, "incomplete snapshot: a link to a blob that is not there", "the file", id);
  }
  check_shards(snapshot, id);
  if (holds_weights(snapshot)) return;
  for (const std::string& blob : names_in(model / "blobs")) {
    if (blob.ends_with(".incomplete"))
      bad(snapshot, fmt::format("incomplete snapshot: no weights, and blobs/{} is unfinished", blob),
          "the weights", id);
  }
}

bool in_variable(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

// $NAME and ${NAME}; one that is not set stays as it is (os.path.expandvars).
std::string with_variables(const std::string& text, const std::string& home) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const bool braces = text.compare(at, 2, "${") == 0;
    std::size_t end = at + (braces ? 2 : 1);
    while (end < text.size() && in_variable(text[end])) ++end;
    const std::size_t begin = at + (braces ? 2 : 1);
    if (text[at] != '$' || end == begin || (braces && (end == text.size() || text[end] != '}'))) {
      out += text[at++];
      continue;
    }
    const std::string name = text.substr(begin, end - begin);
    if (braces) ++end;
    const char* value = std::getenv(name.c_str());
    const bool is_home = name == "HOME" && !home.empty();
    out += is_home ? home : value != nullptr ? std::string(value) : text.substr(at, end - at);
    at = end;
  }
  return out;
}

// "~" and "~/..." first, then variables, as huggingface_hub expands them.
fs::path expanded(const std::string& path, const std::string& home) {
  const bool tilde = !home.empty() && !path.empty() && path[0] == '~' && (path.size() == 1 || path[1] == '/');
  return with_variables(tilde ? home + path.substr(1) : path, home);
}

// The part of an address after the host, without a query.
std::optional<std::string_view> after_host(std::string_view text) {
  for (const std::string_view scheme : {"https://", "http://", "hf://"}) {
    if (!text.starts_with(scheme)) continue;
    text.remove_prefix(scheme.size());
    text = text.substr(0, text.find_first_of("?#"));
    while (text.ends_with('/')) text.remove_suffix(1);
    if (scheme == "hf://") return text.starts_with("models/") ? text.substr(7) : text;
    for (const std::string_view host : {"huggingface.co/", "www.huggingface.co/", "hf.co/"}) {
      if (text.starts_with(host)) return text.substr(host.size());
    }
    return std::nullopt;
  }
  for (const std::string_view host : {"huggingface.co/", "hf.co/"}) {
    if (text.starts_with(host)) return text.substr(host.size());
  }
  return std::nullopt;
}

// org/name[/(tree|blob|resolve)/revision[/path]]
std::optional<HubName> parse_address(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  if (parts.size() < 2) return std::nullopt;
  HubName name{.id = fmt::format("{}/{}", parts[0], parts[1]), .revision = {}};
  if (!is_id(name.id)) return std::nullopt;
  if (parts.size() == 2) return name;
  if (parts.size() < 4 || (parts[2] != "tree" && parts[2] != "blob" && parts[2] != "resolve"))
    return std::nullopt;
  name.revision = parts[3];
  if (!is_revision(name.revision)) return std::nullopt;
  for (std::size_t i = 4; i < parts.size(); ++i) {
    if (!is_plain_part(parts[i], in_revision)) return std::nullopt;
    name.path += fmt::format("{}{}", i == 4 ? "" : "/", parts[i]);
  }
  return name;
}

}  // namespace

HubEnvironment hub_environment() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value != nullptr ? value : "");
  };
  return {.hf_hub_cache = variable("HF_HUB_CACHE"),
          .huggingface_hub_cache = variable("HUGGINGFACE_HUB_CACHE"),
          .hf_home = variable("HF_HOME"),
          .xdg_cache_home = variable("XDG_CACHE_HOME"),
          .home = variable("HOME")};
}

fs::path hub_cache(const HubEnvironment& e) {
  if (!e.hf_hub_cache.empty()) return expanded(e.hf_hub_cache, e.home);
  if (!e.huggingface_hub_cache.empty()) return expanded(e.huggingface_hub_cache, e.home);
  if (!e.hf_home.empty()) return expanded(e.hf_home, e.home) / "hub";
  if (!e.xdg_cache_home.empty()) return expanded(e.xdg_cache_home, e.home) / "huggingface" / "hub";
  if (!e.home.empty()) return fs::path(e.home) / ".cache" / "huggingface" / "hub";
  return {};
}

std::optional<HubName> hub_name_of_folder(std::string_view folder) {
  if (!folder.starts_with(kFolderPrefix)) return std::nullopt;
  std::string id(folder.substr(kFolderPrefix.size()));
  const auto separator = id.find("--");
  if (separator == std::string::npos) return std::nullopt;
  id.replace(separator, 2, "/");
  if (!is_id(id)) return std::nullopt;
  return HubName{.id = id, .revision = {}};
}

std::optional<HubName> parse_hub_name(std::string_view text) {
  if (const auto address = after_host(text)) return parse_address(*address);
  if (auto folder = hub_name_of_folder(text)) return folder;
  const auto at = text.find('@');
  const auto id = text.substr(0, at);
  if (!is_id(id)) return std::nullopt;
  if (at == std::string_view::npos) return HubName{.id = std::string(id), .revision = {}};
  const auto revision = text.substr(at + 1);
  if (!is_revision(revision)) return std::nullopt;
  return HubName{.id = std::string(id), .revision = std::string(revision)};
}

namespace {

std::string not_here_hint(const std::string& id, const fs::path& cache) {
  const std::string guess = did_you_mean(id, ids_in(cache));
  return fmt::format(
      "{}{}strata never downloads (hf download {} does); $HF_HUB_CACHE or $HF_HOME say where the cache is",
      guess, guess.empty() ? "" : " ", id);
}

}  // namespace

HubSnapshot find_snapshot(const fs::path& cache, const HubName& asked) {
  HubName name = asked;
  if (name.revision.empty()) name.revision = kMain;
  STRATA_CHECK(is_id(name.id) && is_revision(name.revision));
  const auto slash = name.id.find('/');
  const fs::path model =
      cache / fmt::format("{}{}--{}", kFolderPrefix, name.id.substr(0, slash), name.id.substr(slash + 1));
  if (!is_there(model)) {
    throw Error(ErrorKind::usage,
                {.where = name.id,
                 .found = fmt::format("no such path, and no {}", model.string()),
                 .expected = "a directory, a .gguf file, or org/name[@revision] in the Hugging Face cache",
                 .hint = not_here_hint(name.id, cache)});
  }
  const std::string commit = resolve_commit(model, name);
  const fs::path snapshot = model / "snapshots" / commit;
  std::error_code unreadable;
  if (!fs::is_directory(snapshot, unreadable))
    bad(snapshot, "missing", fmt::format("the snapshot that {}@{} names", name.id, name.revision), name.id);
  check_complete(model, snapshot, name.id);
  return {.directory = snapshot, .id = name.id, .commit = commit};
}

std::optional<HubSnapshot> snapshot_of_path(const fs::path& path) {
  const fs::path full = fs::absolute(path).lexically_normal();
  for (fs::path at = full; at.has_relative_path(); at = at.parent_path()) {
    const std::string commit = at.filename().string();
    const std::string folder = at.parent_path().parent_path().filename().string();
    if (commit.size() != kCommitDigits || !is_hex(commit) || at.parent_path().filename() != "snapshots" ||
        !folder.starts_with(kFolderPrefix))
      continue;
    std::string id = folder.substr(kFolderPrefix.size());
    if (const auto separator = id.find("--"); separator != std::string::npos) id.replace(separator, 2, "/");
    if (!is_id(id)) return std::nullopt;
    return HubSnapshot{.directory = at, .id = id, .commit = commit};
  }
  return std::nullopt;
}

std::optional<std::string> hub_digest(const std::vector<fs::path>& files) {
  std::vector<std::pair<std::string, std::string>> blobs;
  for (const fs::path& file : files) {
    std::error_code not_a_link;
    const fs::path target = fs::read_symlink(file, not_a_link);
    const std::string blob = target.filename().string();
    if (not_a_link || target.parent_path().filename() != "blobs" || blob.size() != kSha256Digits ||
        !is_hex(blob))
      return std::nullopt;
    blobs.emplace_back(file.filename().string(), blob);
  }
  if (blobs.empty()) return std::nullopt;
  if (blobs.size() == 1) return blobs[0].second;
  std::sort(blobs.begin(), blobs.end());
  Sha256 all;
  for (const auto& [file, blob] : blobs) all.update(fmt::format("{} {}\n", file, blob));
  return all.hex();
}

}  // namespace strata
