#include "strata/base/output_names.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <nlohmann/json.hpp>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/json_depth.h"

namespace strata::output_names {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::size_t kMaxBytes = std::size_t{1} << 28;  // index.json of a large dump
constexpr int kMaxDepth = 32;
constexpr int kOwnerSchema = 1;
constexpr std::string_view kSnapshotMagic = "strata snapshot1";  // base/archive

const std::array<Kind, 7>& table() {
  static const std::array<Kind, 7> rows = {
      {{OutputKind::analysis,
        "analysis",
        "exists and is not a strata run directory",
        "a run of strata analyze",
        "results.json",
        {"arrays.npz", "states.csv", "blocks.csv", "edges.csv", "brittleness.csv", "rate_distortion.csv",
         "results.json", "report.html", "manifest.json"}},
       {OutputKind::study,
        "study",
        "exists and is not an earlier study",
        "a study of strata compare",
        "study.json",
        {"families.csv", "verdicts.csv", "study.json", "report.html", "manifest.json"}},
       {OutputKind::twins,
        "twins",
        "exists and is not an earlier comparison",
        "a comparison of two checkpoints",
        "divergence.json",
        {"divergence.csv", "divergence.json", "report.html", "manifest.json"}},
       {OutputKind::dump, "dump", "exists and is not a dump", "a dump of strata", nullptr, {"index.json"}},
       {OutputKind::calibration,
        "calibration",
        "exists and is not an earlier calibration",
        "a calibration of strata",
        nullptr,
        {"calibration.csv", "calibration.json"}},
       {OutputKind::checkpoint, "checkpoint", "already there", "a checkpoint of strata synth", nullptr, {}},
       {OutputKind::scratch, "scratch", "already there", "temporary files of strata", nullptr, {}}}};
  return rows;
}

bool digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// "XXXXXX" as mkstemp fills it in.
bool made_by_mkstemp(std::string_view text) {
  return text.size() == 6 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) != 0; });
}

// An object, or null for anything else.
Json read_json(const fs::path& file) {
  std::error_code absent;
  if (!fs::is_regular_file(file, absent)) return {};
  try {
    const std::string text = read_file(file, kMaxBytes);
    if (json_deeper_than(text, kMaxDepth)) return {};
    Json json = Json::parse(text, nullptr, false);
    return json.is_object() ? json : Json();
  } catch (const Error&) {
    return {};
  }
}

bool has(const Json& json, const char* key, const char* value) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() && found->get_ref<const std::string&>() == value;
}

bool made_by_strata(const Json& json) {
  const auto tool = json.find("tool");
  return json.contains("schema_version") && tool != json.end() && tool->is_object() &&
         has(*tool, "name", "strata");
}

// The first line of owner.json; behind it stands the process.
std::optional<OutputKind> owner_kind(const fs::path& partial) {
  std::error_code absent;
  const fs::path file = partial / "owner.json";
  if (!fs::is_regular_file(fs::symlink_status(file, absent))) return std::nullopt;
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  for (const Kind& row : table()) {
    if (line + "\n" == owner_text(row.kind)) return row.kind;
  }
  return std::nullopt;
}

// index.json of a dump. Older ones have no "tool".
bool is_dump_index(const fs::path& file) {
  const Json json = read_json(file);
  return json.is_object() && json.contains("schema_version") && json.contains("arrays") &&
         json["arrays"].is_array() && json.contains("of") && json["of"].is_object() &&
         json.contains("convention") && json["convention"].is_string() &&
         json["convention"].get_ref<const std::string&>().starts_with(
             "state i (0..L) is the input of block i");
}

bool is_regular(const fs::path& file) {
  std::error_code absent;
  return fs::is_regular_file(fs::symlink_status(file, absent));
}

bool is_snapshot(const fs::path& file) {
  if (file.extension() != ".snapshot" || !is_regular(file)) return false;
  std::ifstream in(file, std::ios::binary);
  std::string magic(kSnapshotMagic.size(), '\0');
  return in.read(magic.data(), static_cast<std::streamsize>(magic.size())) && magic == kSnapshotMagic;
}

bool is_folder_of_snapshots(const fs::path& path) {
  const std::string name = path.filename().string();
  std::error_code absent;
  return fs::is_directory(fs::symlink_status(path, absent)) &&
         (name.starts_with("random weights ") || name.starts_with("shuffled text") ||
          name == "same text in order");
}

bool is_temporary_in_partial(std::string_view name) {
  if (is_temporary_name(name, "run.json") || is_temporary_name(name, "writing")) return true;
  const std::size_t end = name.find(".snapshot.tmp");
  return end != std::string_view::npos && end > 0 && digits(name.substr(end + 13));
}

}  // namespace

const Kind& of(OutputKind kind) {
  for (const Kind& row : table()) {
    if (row.kind == kind) return row;
  }
  check_failed("kind is in the table", __FILE__, __LINE__);
}

std::vector<std::string> entries(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator at(directory, error);
  if (error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory) return names;
  for (; !error && at != fs::directory_iterator(); at.increment(error))
    names.push_back(at->path().filename().string());
  if (error) {
    throw Error(ErrorKind::run_failed,
                {.where = directory.string(), .found = "cannot list the directory: " + error.message()});
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string owner_text(OutputKind kind) {
  return fmt::format("{{\"made_by\": \"strata\", \"schema_version\": {}, \"holds\": \"{}\"}}\n", kOwnerSchema,
                     of(kind).id);
}

bool is_unborn(const fs::path& partial) {
  std::error_code error;
  const bool directory = fs::is_directory(partial, error);
  if (error && error != std::errc::no_such_file_or_directory)
    throw Error(ErrorKind::run_failed,
                {.where = partial.string(), .found = "cannot read: " + error.message()});
  if (!directory) return false;
  for (const std::string& name : entries(partial)) {
    if (name != "owner.json" || !is_regular(partial / name)) return false;
    const std::string text = read_file(partial / name, kMaxBytes);
    const auto begins = [&](const Kind& row) { return owner_text(row.kind).starts_with(text); };
    if (std::none_of(table().begin(), table().end(), begins)) return false;
  }
  return true;
}

bool is_manifest(const fs::path& file) {
  const Json json = read_json(file);
  return json.is_object() && made_by_strata(json);
}

std::optional<OutputKind> finished_kind(const fs::path& directory) {
  if (is_manifest(directory / "manifest.json")) {
    for (const Kind& row : table()) {
      if (row.record != nullptr && is_regular(directory / row.record)) return row.kind;
    }
  }
  if (is_dump_index(directory / "index.json")) return OutputKind::dump;
  const Json calibration = read_json(directory / "calibration.json");
  if (calibration.is_object() && made_by_strata(calibration)) return OutputKind::calibration;
  return std::nullopt;
}

std::optional<OutputKind> marked_kind(const fs::path& directory) {
  const fs::path partial = directory / kPartialFolder;
  if (const auto kind = owner_kind(partial)) return kind;
  if (const auto kind = finished_kind(directory)) return kind;
  // Of versions that wrote no owner.json.
  const Json run = read_json(partial / "run.json");
  const auto what = run.is_object() ? run.find("what") : run.end();
  if (run.is_object() && what != run.end() && what->is_string() && run.contains("run") &&
      run["run"].is_object() &&
      what->get_ref<const std::string&>().starts_with("an unfinished run of strata analyze"))
    return OutputKind::analysis;
  return std::nullopt;
}

bool is_temporary_file(std::string_view name, OutputKind kind) {
  const auto& files = of(kind).files;
  if (std::any_of(files.begin(), files.end(),
                  [&](const char* file) { return is_temporary_name(name, file); }))
    return true;
  constexpr std::string_view kSpill = "strata-spill-", kArchive = "arrays.npz.tmp";
  if (name.starts_with(kSpill)) return made_by_mkstemp(name.substr(kSpill.size()));
  if (kind != OutputKind::analysis || !name.starts_with(kArchive)) return false;
  // Names that older versions gave, or their library.
  const std::string_view rest = name.substr(kArchive.size());
  return rest.empty() || (rest.starts_with('.') && made_by_mkstemp(rest.substr(1)));
}

bool is_temporary_network(std::string_view name) {
  constexpr std::string_view kPrefix = ".strata-random-weights-";
  if (!name.starts_with(kPrefix)) return false;
  const std::string_view number = name.substr(kPrefix.size());
  const std::size_t dot = std::min(number.find('.'), number.size());
  return digits(number.substr(0, dot)) &&
         (dot == number.size() || is_temporary_name(number, number.substr(0, dot)));
}

bool is_checkpoint_file(std::string_view name) {
  const std::size_t end = name.rfind(".tmp");
  if (end != std::string_view::npos && digits(name.substr(end + 4))) name = name.substr(0, end);
  for (const std::string_view known :
       {"config.json", "tokenizer.json", "model.safetensors", "model.safetensors.index.json"}) {
    if (name == known) return true;
  }
  // model-00001-of-00002.safetensors
  constexpr std::string_view kPattern = "model-#####-of-#####.safetensors";
  return name.size() == kPattern.size() &&
         std::equal(name.begin(), name.end(), kPattern.begin(), [](char c, char pattern) {
           return pattern == '#' ? std::isdigit(static_cast<unsigned char>(c)) != 0 : c == pattern;
         });
}

bool has_snapshot(const fs::path& partial) {
  const std::vector<std::string> names = entries(partial);
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return is_snapshot(partial / name); });
}

void sweep_partial_temporaries(const fs::path& partial) {
  std::error_code ignored;
  for (const std::string& name : entries(partial)) {
    const fs::path entry = partial / name;
    if (is_temporary_in_partial(name) && is_regular(entry)) fs::remove(entry, ignored);
    if (is_folder_of_snapshots(entry)) sweep_partial_temporaries(entry);
  }
}

void remove_saved(const fs::path& partial) {
  std::error_code ignored;
  sweep_partial_temporaries(partial);
  for (const std::string& name : entries(partial)) {
    const fs::path entry = partial / name;
    if (is_folder_of_snapshots(entry)) {
      remove_saved(entry);
      (void)::rmdir(entry.c_str());  // only where nothing is left in it
    } else if (is_snapshot(entry)) {
      fs::remove(entry, ignored);
    }
  }
  if (is_regular(partial / "run.json")) fs::remove(partial / "run.json", ignored);
}

}  // namespace strata::output_names

namespace strata {

void remove_snapshots(const std::filesystem::path& folder) {
  output_names::remove_saved(folder);
  (void)::rmdir(folder.c_str());
}

void remove_checkpoint_files(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  for (const std::string& name : output_names::entries(path)) {
    if (output_names::is_checkpoint_file(name) &&
        fs::is_regular_file(fs::symlink_status(path / name, ignored)))
      fs::remove(path / name, ignored);
  }
}

bool remove_checkpoint(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (!fs::is_directory(fs::symlink_status(path, ignored))) return false;
  remove_checkpoint_files(path);
  const fs::path partial = path / kPartialFolder;
  if (output_names::is_unborn(partial) || output_names::marked_kind(path))
    fs::remove(partial / "owner.json", ignored);
  (void)::rmdir(partial.c_str());
  return ::rmdir(path.c_str()) == 0;
}

}  // namespace strata
