#include "strata/workflow/partial_run.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <span>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/json_depth.h"
#include "strata/base/sha256.h"
#include "strata/model/backend.h"
#include "strata/workflow/build_info.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kFolder = "partial";
constexpr std::size_t kMaxBytes = std::size_t{1} << 24;
constexpr int kMaxDepth = 16;

// Name, size and time of change: weights are not read only to see that they are the same. Each tensor's
// digest is compared when it is loaded again.
std::string stamp(const fs::path& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) return file.string() + " missing";
  return fmt::format("{} {} {}.{:09}", file.filename().string(), info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec);
}

std::string model_digest(const Checkpoint& checkpoint) {
  Sha256 sha;
  for (const fs::path& file : checkpoint.files()) sha.update(stamp(file) + "\n");
  const fs::path config = checkpoint.path() / "config.json";
  std::error_code absent;
  if (fs::exists(config, absent)) sha.update(read_file(config, kMaxBytes));
  return sha.hex();
}

std::string text_digest(const LoadedText& text) {
  Sha256 sha;
  sha.update(text.corpus.name + "\n" + text.corpus.sha256 + "\n" + text.corpus.bos_policy + "\n");
  if (text.tokenizer) sha.update(text.tokenizer->sha256() + "\n");
  for (const CorpusDocument& document : text.corpus.documents) {
    sha.update(fmt::format("{} {} {}\n", document.name, document.bytes, document.dropped_tokens));
  }
  for (const Window& window : text.corpus.windows) {
    sha.update(fmt::format("{} {} {}\n", window.document, window.index, window.ids.size()));
    sha.update(std::as_bytes(std::span(window.ids)));
  }
  return sha.hex();
}

Json describe(const PartialRun::Identity& identity) {
  const MeasureOptions& o = identity.options;
  return {{"build", build_text()},
          {"model", model_digest(identity.checkpoint)},
          {"text", text_digest(identity.text)},
          {"--dtype", to_string(o.compute.dtype)},
          {"--device", std::string(o.compute.backend->name())},
          {"--seed", o.seed},
          {"--positions", o.positions},
          {"--lens-positions", o.lens_positions},
          {"--lane-tokens", o.lane_tokens},
          {"--label-samples", o.label_samples},
          {"--replicates", o.replicates},
          {"--surrogates", identity.surrogates},
          {"--signals", o.signals},
          {"--interventions", o.interventions},
          {"--layers", o.layers},
          {"--clean-only", o.clean_only},
          {"--bottleneck", identity.bottleneck}};
}

[[noreturn]] void refuse(const fs::path& directory, std::string found, std::string hint) {
  throw Error(ErrorKind::usage,
              {.where = directory.string(), .found = std::move(found), .hint = std::move(hint)});
}

// The first thing that is not as it was, in words.
std::string difference(const Json& before, const Json& now) {
  for (const auto& [key, value] : now.items()) {
    const auto old = before.find(key);
    if (old == before.end()) return "no " + key;
    if (*old == value) continue;
    if (!key.starts_with("--")) return "another " + key;
    return fmt::format("{} {}, not {}", key, old->dump(), value.dump());
  }
  return {};
}

Json read_description(const fs::path& file) {
  const std::string text = read_file(file, kMaxBytes);
  Json json = json_deeper_than(text, kMaxDepth) ? Json() : Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("run") || !json["run"].is_object()) {
    throw Error(ErrorKind::bad_file, {.where = file.string(),
                                      .found = "not the description of a run",
                                      .hint = "remove its directory to start again"});
  }
  return json["run"];
}

bool has_snapshot(const fs::path& directory) {
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(directory, absent)) {
    if (entry.path().extension() == ".snapshot") return true;
  }
  return false;
}

// What a run that was killed while it wrote has left.
void remove_temporary_files(const fs::path& directory) {
  std::error_code absent;
  std::vector<fs::path> left;
  for (const auto& entry : fs::directory_iterator(directory, absent)) {
    if (entry.path().extension().string().starts_with(".tmp")) left.push_back(entry.path());
  }
  for (const fs::path& file : left) fs::remove(file, absent);
}

}  // namespace

PartialRun::PartialRun(const fs::path& output, const Identity& identity, bool resume)
    : directory_(output / kFolder) {
  const Json now = describe(identity);
  key_ = sha256_hex(now.dump());
  const fs::path file = directory_ / "run.json";
  if (fs::exists(file) && has_snapshot(directory_)) {
    if (!resume)
      refuse(output, "holds an unfinished run", "go on with --resume, or remove " + directory_.string());
    const std::string other = difference(read_description(file), now);
    if (!other.empty())
      refuse(output, "the unfinished run there has " + other, "--resume needs what it began with");
  } else if (resume && fs::exists(output / "manifest.json")) {
    refuse(output, "holds a finished run", "there is nothing to --resume");
  }
  std::error_code error;
  fs::create_directories(directory_, error);
  if (error) {
    throw Error(ErrorKind::run_failed,
                {.where = directory_.string(), .found = "cannot create: " + error.message()});
  }
  remove_temporary_files(directory_);
  remove_temporary_files(output);
  const Json description = {
      {"what", "an unfinished run of strata analyze; the same command with --resume goes on"},
      {"command_line", identity.command_line},
      {"run", now}};
  write_file_atomic(file, description.dump(2) + "\n");
}

bool PartialRun::saved() const {
  return has_snapshot(directory_);
}

void PartialRun::remove() const {
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

void refuse_unfinished(const fs::path& run) {
  std::error_code unreadable;
  if (fs::exists(run / "manifest.json", unreadable) || !fs::exists(run / kFolder / "run.json", unreadable)) {
    return;
  }
  throw Error(ErrorKind::bad_file, {.where = run.string(),
                                    .found = "a run that is not finished",
                                    .hint = "strata analyze with --resume goes on with it"});
}

}  // namespace strata
