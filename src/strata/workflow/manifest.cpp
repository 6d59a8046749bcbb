#include "strata/workflow/manifest.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "strata/base/error.h"
#include "strata/base/json_depth.h"
#include "strata/workflow/build_info.h"

namespace strata {

namespace {

using Json = nlohmann::ordered_json;

Json memory_json(const ManifestInput& input) {
  Json phases = Json::object();
  for (const MemoryPhase& phase : input.plan.memory.phases) {
    for (const MemoryItem& item : phase.items) phases[phase.name][item.what] = item.bytes;
  }
  const MemoryChoice& choice = input.plan.memory.choice;
  return {{"limit_bytes", input.mem_limit_bytes},
          {"predicted_peak_bytes", input.plan.peak_bytes},
          {"measured_peak_bytes", input.peak_rss_bytes},
          {"peak_phase", input.plan.memory.peak().name},
          {"predicted", phases},
          {"residual_streams", choice.spill_states ? "file" : "memory"},
          {"signal_values", choice.spill_samples ? "file" : "memory"},
          {"next_block_read_ahead", choice.prefetch},
          {"temporary_bytes_written", input.spilled.written},
          {"temporary_bytes_read", input.spilled.read}};
}

// What this process made the disk read; less than what it read where the kernel had it in memory.
std::uint64_t bytes_from_disk() {
  std::ifstream io("/proc/self/io");
  std::string key;
  for (std::uint64_t value = 0; io >> key >> value;) {
    if (key == "read_bytes:") return value;
  }
  return 0;
}

}  // namespace

void ManifestInput::set_reads(const Checkpoint& checkpoint) {
  bytes_read = checkpoint.bytes_read();
  const auto bytes = checkpoint.bytes_read_by_tensor();
  bool first = true;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::uint64_t size = checkpoint.tensors()[i].size_bytes;
    if (size == 0) continue;
    const std::uint64_t reads = bytes[i] / size;
    least_reads = first ? reads : std::min(least_reads, reads);
    most_reads = std::max(most_reads, reads);
    first = false;
  }
}

std::string manifest_json(const Run& run, const ManifestInput& input) {
  const RunCard& card = run.trace.run;
  Json json;
  json["schema_version"] = kSchemaVersion;
  json["tool"] = {{"name", "strata"}, {"version", version()}, {"build", build_text()}};
  json["command_line"] = input.command_line;
  json["seed"] = card.seed;
  json["compute_dtype"] = card.compute_dtype;
  json["device"] = card.device;
  json["noise_floor_nats"] = std::isnan(card.noise_floor_nats) ? Json(nullptr) : Json(card.noise_floor_nats);
  json["model"] = {{"name", run.trace.model.name},
                   {"hub_id", run.trace.model.hub_id},
                   {"revision", run.trace.model.revision}};
  json["digests"] = {{"checkpoint_sha256", run.trace.model.checkpoint_sha256},
                     {"checkpoint_digest_kind", run.trace.model.checkpoint_digest_kind},
                     {"corpus_sha256", card.corpus_sha256},
                     {"tokenizer_sha256", card.tokenizer_sha256}};
  json["protocol"] = {
      {"context", card.context},
      {"bos_policy", card.bos_policy},
      {"scored", "every position whose next token is in the same window (full-window perplexity)"},
      {"positions", card.positions},
      {"lens_positions", card.lens_positions},
      {"lane_tokens", card.lane_tokens}};
  json["threads"] = input.options.threads;
  json["batch_size"] = input.options.batch;
  json["memory"] = memory_json(input);
  json["weights"] = {{"predicted_bytes_read", input.plan.weight_bytes_read},
                     {"bytes_read", input.bytes_read},
                     {"reads_of_a_byte", {{"least", input.least_reads}, {"most", input.most_reads}}},
                     {"bytes_from_disk", bytes_from_disk()},
                     {"lanes", input.plan.lanes},
                     {"segment_lanes", input.plan.segment_lanes},
                     {"lane_passes", input.plan.lane_passes},
                     {"backward_sweeps", input.plan.backward_sweeps}};
  Json seconds = Json::object();
  for (const auto& [phase, value] : input.seconds) seconds[phase] = value;
  json["seconds"] = seconds;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string command_of_manifest(const std::string& text, const std::string& where) {
  constexpr int kMaxDepth = 32;
  const auto json =
      json_deeper_than(text, kMaxDepth) ? nlohmann::json() : nlohmann::json::parse(text, nullptr, false);
  const auto command = json.is_object() ? json.find("command_line") : json.end();
  if (!json.is_object() || command == json.end() || !command->is_string()) {
    throw Error(
        ErrorKind::bad_file,
        {.where = where, .found = "no command_line", .expected = "the manifest.json of a strata run"});
  }
  return command->get<std::string>();
}

}  // namespace strata
