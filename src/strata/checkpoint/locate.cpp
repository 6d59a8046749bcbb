#include "strata/checkpoint/locate.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "strata/base/error.h"
#include "strata/base/foreign_file.h"
#include "strata/base/names_in.h"
#include "strata/base/words.h"
#include "strata/checkpoint/gguf_files.h"
#include "strata/checkpoint/strict_json.h"
#include "strata/checkpoint/weight_files.h"
#include "strata/gguf/gguf.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExpected =
    "a directory with config.json and its weights, a .gguf file, or "
    "org/name[@revision] in the Hugging Face cache";
constexpr int kMaxSplits = 99'999;  // five digits

bool is_there(const fs::path& path) {
  std::error_code unreadable;  // a path that cannot be looked up is as good as absent
  return fs::exists(path, unreadable);
}

// "model-00002-of-00003.gguf" -> "model", 2, 3, ".gguf". Naming of llama.cpp's gguf-split.
struct SplitName {
  std::string stem;
  int number = 0, count = 0;
  std::string ending;
};
std::optional<SplitName> parse_split(const fs::path& file) {
  constexpr std::string_view kPattern = "-00001-of-00001";
  const std::string name = has_gguf_name(file) ? file.stem().string() : file.string();
  if (name.size() <= kPattern.size()) return std::nullopt;
  const std::string_view tail = std::string_view(name).substr(name.size() - kPattern.size());
  if (tail[0] != '-' || tail.substr(6, 4) != "-of-") return std::nullopt;
  const auto number = [&](std::size_t at) {
    int value = 0;
    const auto result = std::from_chars(tail.data() + at, tail.data() + at + 5, value);
    return result.ec == std::errc() && result.ptr == tail.data() + at + 5 ? value : -1;
  };
  const SplitName split{name.substr(0, name.size() - kPattern.size()), number(1), number(10),
                        has_gguf_name(file) ? file.extension().string() : ""};
  if (split.count < 1 || split.count > kMaxSplits || split.number < 1 || split.number > split.count)
    return std::nullopt;
  return split;
}

fs::path split_path(const fs::path& directory, const SplitName& split, int number) {
  return directory / fmt::format("{}-{:05}-of-{:05}{}", split.stem, number, split.count, split.ending);
}

// Every split in order; open_gguf compares them with what the first one says.
std::vector<fs::path> collect_splits(const fs::path& directory, const SplitName& split) {
  std::vector<fs::path> files;
  for (int i = 1; i <= split.count; ++i) {
    files.push_back(split_path(directory, split, i));
    if (is_there(files.back())) continue;
    throw Error(ErrorKind::bad_file,
                {.where = files.back().string(),
                 .found = "missing split",
                 .expected = fmt::format("all {} files of the model side by side", split.count)});
  }
  return files;
}

ModelLocation locate_gguf(const fs::path& path) {
  ModelLocation location{.format = ModelFormat::gguf, .path = path, .files = {path}};
  location.name = gguf_model_name(path);
  const auto split = parse_split(path.filename().string());
  if (!split) return location;
  if (split->number != 1) {
    throw Error(ErrorKind::usage, {.where = path.string(),
                                   .found = fmt::format("split {} of {}", split->number, split->count),
                                   .expected = fmt::format("the first, whose name ends in -00001-of-{:05}{}",
                                                           split->count, split->ending)});
  }
  location.files = collect_splits(path.parent_path(), *split);
  location.name = split->stem;
  return location;
}

// The directory with its own name last: "models/llama/", "." and ".." have none, and the name goes into
// the record and into the default output path.
fs::path named(const fs::path& path) {
  const fs::path last = path.filename();
  if (!last.empty() && last != "." && last != "..") return path;
  const fs::path full = fs::absolute(path).lexically_normal();
  return full.filename().empty() ? full.parent_path() : full;
}

// GGUF files that lie beside models and are none.
bool is_companion(const std::string& file) {
  return file.starts_with("mmproj") || file.find("imatrix") != std::string::npos;
}

// GGUF models of a directory: a set of splits counts once, by its first.
void add_gguf_models(const fs::path& directory, int depth, std::vector<fs::path>& models) {
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(directory, unreadable)) {
    const std::string file = entry.path().filename().string();
    if (entry.is_directory(unreadable)) {
      if (depth > 0 && !file.starts_with('.')) add_gguf_models(entry.path(), depth - 1, models);
      continue;
    }
    if (!has_gguf_name(file) || is_companion(file)) continue;
    const auto split = parse_split(file);
    models.push_back(split ? split_path(directory, *split, 1) : entry.path());
  }
}

constexpr int kFoldersBelow = 2;

// Those at the top, or else those in folders below it (repositories keep each quantization in its own).
std::vector<fs::path> gguf_models(const fs::path& directory) {
  std::vector<fs::path> models;
  add_gguf_models(directory, 0, models);
  if (models.empty()) add_gguf_models(directory, kFoldersBelow, models);
  std::sort(models.begin(), models.end());
  models.erase(std::unique(models.begin(), models.end()), models.end());
  return models;
}

ModelLocation locate_directory(const fs::path& path) {
  if (!has_weights(path)) {
    const auto models = gguf_models(path);
    if (models.size() == 1) return locate_gguf(models[0]);
    if (models.size() > 1) {
      std::vector<std::string> names;
      for (const fs::path& model : models) names.push_back(model.lexically_relative(path).string());
      throw Error(ErrorKind::usage,
                  {.where = path.string(),
                   .found = fmt::format("{} GGUF models: {}", models.size(), fmt::join(names, ", ")),
                   .expected = "the path of one of them"});
    }
  }
  ModelLocation location{.path = named(path)};
  location.name = location.path.filename().string();
  return location;
}

// A file of a Hugging Face directory stands for it.
ModelLocation locate_in_parent(const fs::path& path) {
  const std::string file = path.filename().string();
  ModelLocation location = locate_directory(named(path.parent_path().empty() ? "." : path.parent_path()));
  if (file.ends_with(".safetensors") && !is_usual_weight_name(file)) {
    location = {.path = named(path.parent_path().empty() ? "." : path.parent_path()), .files = {path}};
    location.name = location.path.filename().string();
  }
  return location;
}

bool stands_for_its_directory(const std::string& file) {
  return file == "config.json" || file.ends_with(".safetensors") || file.ends_with(".safetensors.index.json");
}

[[noreturn]] void refuse_file(const fs::path& path) {
  Problem problem{.where = path.string(), .found = "a file", .expected = kExpected};
  const std::string ending = path.extension().string();
  std::error_code unreadable;
  const std::uintmax_t size = fs::file_size(path, unreadable);
  if (has_gguf_name(path)) {
    problem.found = !unreadable && size == 0 ? "an empty file" : "other bytes than GGUF at the beginning";
    problem.expected = "a GGUF file";
  }
  if (const auto foreign = recognise_foreign_file(path)) {
    problem.found = foreign->what;
    problem.hint = foreign->hint;
  } else if (ending == ".bin" || ending == ".pt" || ending == ".pth" || ending == ".ckpt") {
    problem.found = "weights as a Python pickle";
    problem.hint = "a pickle can run code; convert it to safetensors";
  } else if (ending == ".npy") {
    problem.found = "an array";
    problem.hint = "the model comes first (or with -m), token ids with -f";
  } else if (looks_like_text(path)) {
    problem.found = "a text";
    problem.hint = "the model comes first (or with -m), the text with -f";
  }
  throw Error(has_gguf_name(path) ? ErrorKind::bad_file : ErrorKind::unsupported, problem);
}

ModelLocation locate_path(const fs::path& path) {
  std::error_code unreadable;
  if (fs::is_directory(path, unreadable)) return locate_directory(path);
  if (is_gguf_file(path)) return locate_gguf(path);
  if (stands_for_its_directory(path.filename().string())) return locate_in_parent(path);
  refuse_file(path);
}

// What lies where the path should be, for "did you mean".
std::string near_miss(const fs::path& path) {
  if (path.empty()) return {};
  const fs::path full = named(path), parent = full.has_parent_path() ? full.parent_path() : ".";
  const std::string name = nearest_word(full.filename().string(), names_in(parent));
  return name.empty() ? "" : fmt::format("did you mean {}?", (parent / name).lexically_normal().string());
}

void add_snapshot(ModelLocation& location, const HubSnapshot& snapshot) {
  location.hub_id = snapshot.id;
  location.revision = snapshot.commit;
  // The directory is called after the commit; the model has a better name.
  if (location.format == ModelFormat::safetensors)
    location.name = snapshot.id.substr(snapshot.id.find('/') + 1);
}

ModelLocation locate_snapshot(const fs::path& cache, const HubName& name) {
  const HubSnapshot snapshot = find_snapshot(cache, name);
  const fs::path path = name.path.empty() ? snapshot.directory : snapshot.directory / name.path;
  if (!is_there(path)) {
    throw Error(ErrorKind::usage, {.where = path.string(),
                                   .found = "not in the cache",
                                   .expected = "a file of the snapshot",
                                   .hint = fmt::format("hf download {} {}", name.id, name.path)});
  }
  ModelLocation location = locate_path(path);
  add_snapshot(location, snapshot);
  return location;
}

bool is_in_cache(const fs::path& cache, const HubName& name) {
  std::string folder = "models--" + name.id;
  folder.replace(folder.find('/'), 1, "--");
  return is_there(cache / folder);
}

}  // namespace

ModelLocation locate_model(const std::string& model, const HubEnvironment& environment) {
  if (is_there(model)) {
    const fs::path folder = named(model);
    const auto cached = hub_name_of_folder(folder.filename().string());
    if (cached && is_there(folder / "snapshots")) return locate_snapshot(folder.parent_path(), *cached);
    ModelLocation location = locate_path(model);
    if (const auto snapshot = snapshot_of_path(location.path)) add_snapshot(location, *snapshot);
    return location;
  }
  const auto name = parse_hub_name(model);
  const fs::path cache = hub_cache(environment);
  const std::string guess = near_miss(model);
  // A path that is nearly there is likelier meant than a model that is not in the cache.
  const bool elsewhere = name && !guess.empty() && !cache.empty() && !is_in_cache(cache, *name);
  if (name && !cache.empty() && !elsewhere) return locate_snapshot(cache, *name);
  throw Error(ErrorKind::usage,
              {.where = printable(model),
               .found = name && !elsewhere ? "no such file or directory, and neither $HF_HOME nor $HOME "
                                             "says where the Hugging Face cache is"
                        : elsewhere ? "no such file or directory, and no such model in " + cache.string()
                                    : "no such file or directory",
               .expected = kExpected,
               .hint = guess});
}

}  // namespace strata
