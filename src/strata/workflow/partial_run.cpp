#include "strata/workflow/partial_run.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <span>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/json_depth.h"
#include "strata/base/sha256.h"
#include "strata/checkpoint/pooling.h"
#include "strata/model/backend.h"
#include "strata/workflow/build_info.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

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

// Paths and options need not be UTF-8.
std::string text_of(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

Json describe(const PartialRun::TwinIdentity& identity) {
  const MeasureOptions& o = identity.options;
  return {{"build", build_text()},
          {"original", model_digest(identity.original)},
          {"other checkpoint", model_digest(identity.other)},
          {"text", text_digest(identity.text)},
          {"--seed", o.seed},
          {"--lane-tokens", o.lane_tokens}};
}

Json describe(const PartialRun::Identity& identity) {
  const MeasureOptions& o = identity.options;
  std::string model = model_digest(identity.checkpoint);
  if (!identity.checkpoint.config().has_head) model += to_string(read_pooling(identity.checkpoint).pooling);
  return {{"build", build_text()},
          {"model", model},
          {"text", text_digest(identity.text)},
          {"--dtype", to_string(o.compute.dtype)},
          {"--device", std::string(o.compute.backend->name())},
          {"--seed", o.seed},
          {"--positions", o.positions},
          {"--lens-positions", o.lens_positions},
          {"--lane-tokens", o.lane_tokens},
          {"--label-samples", o.label_samples},
          {"--frozen-routing", o.frozen_routing},
          {"--replicates", o.replicates},
          {"--surrogates", identity.surrogates},
          {"--effort", identity.effort},
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
    return fmt::format("{} {}, not {}", key, text_of(*old), text_of(value));
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

}  // namespace

PartialRun::PartialRun(const OutputDirectory& output, const Identity& identity, bool resume)
    : output_(output) {
  begin(describe(identity), identity.command_line,
        "an unfinished run of strata analyze; the same command with --resume goes on", resume);
}

PartialRun::PartialRun(const OutputDirectory& output, const TwinIdentity& identity) : output_(output) {
  begin(describe(identity), identity.command_line,
        "an unfinished comparison of two checkpoints; the same command goes on", std::nullopt);
}

void PartialRun::begin(const Description& asked, const std::string& command_line, const char* what,
                       std::optional<bool> resume) {
  const Json now = Json::parse(text_of(asked));  // as it will be read back
  key_ = sha256_hex(now.dump());
  const fs::path file = directory() / "run.json";
  if (fs::exists(file) && saved()) {
    if (resume && !*resume)
      refuse(output_.path(), "holds an unfinished run",
             "go on with --resume, or remove " + directory().string());
    const std::string other = difference(read_description(file), now);
    if (!other.empty()) {
      refuse(
          output_.path(), "the unfinished run there has " + other,
          resume ? "--resume needs what it began with" : "ask for that, or remove " + directory().string());
    }
  } else if (resume.value_or(false) && is_finished_output(output_.path())) {
    refuse(output_.path(), "holds a finished run", "there is nothing to --resume");
  }
  const Json description = {{"what", what}, {"command_line", command_line}, {"run", now}};
  write_file_atomic(file, text_of(description) + "\n");
  sync_directory(directory());
}

bool PartialRun::saved() const {
  return has_snapshot(directory());
}

void PartialRun::remove() const {
  output_.forget_partial();
}

void PartialRun::stop(const Error& error, const char* how) const {
  const bool kept = saved();
  if (!kept) remove();
  if (error.kind() != ErrorKind::interrupted) return;
  throw Error(ErrorKind::interrupted,
              {.where = error.what(),
               .found = kept ? "saved in " + directory().string() : "nothing was saved",
               .hint = kept ? how : ""});
}

bool is_unfinished(const fs::path& run) {
  std::error_code unreadable;
  return !fs::exists(run / "manifest.json", unreadable) &&
         fs::exists(run / kPartialFolder / "run.json", unreadable);
}

void refuse_unfinished(const fs::path& run) {
  if (!is_unfinished(run)) return;
  throw Error(ErrorKind::bad_file, {.where = run.string(),
                                    .found = "a run that is not finished",
                                    .hint = "strata analyze with --resume goes on with it"});
}

}  // namespace strata
