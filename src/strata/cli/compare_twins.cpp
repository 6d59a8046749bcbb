// strata compare ORIGINAL OTHER: two versions of one model on one text. Where do they part, and which part of
// the network does the damage?
#include "strata/cli/compare_twins.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/output_directory.h"
#include "strata/base/resources.h"
#include "strata/base/words.h"
#include "strata/cli/installed.h"
#include "strata/cli/numbers.h"
#include "strata/cli/say.h"
#include "strata/cli/stop_signals.h"
#include "strata/cli/terminal.h"
#include "strata/cli/text_flags.h"
#include "strata/record/valid_text.h"
#include "strata/report/report.h"
#include "strata/sweep/divergence.h"
#include "strata/theory/divergence.h"
#include "strata/workflow/build_info.h"
#include "strata/workflow/partial_run.h"
#include "strata/workflow/phase_clock.h"

namespace strata {
namespace {

std::string with_error(const Estimate& e) {
  if (std::isnan(e.mean)) return "undefined";
  if (std::isnan(e.standard_error)) return fmt::format("{:.3g}", e.mean);
  return fmt::format("{:.3g} ({:.1g})", e.mean, e.standard_error);
}

std::string part_label(const PartDamage& part) {
  return part.part == Part::block ? fmt::format("block {}", part.block) : to_string(part.part);
}

// One line for each part of the network and the state that it puts out.
std::string table_text(const DivergenceFindings& f) {
  std::string out =
      fmt::format("  {:<10} {:>16} {:>16} {:>6} {:>5}   {:>5} {:>18} {:>16}\n", "part", "local error",
                  "KL alone, nats", "share", "rank", "state", "relative diff", "1 - cos");
  for (const PartDamage& part : f.parts) {
    out += fmt::format(
        "  {:<10} {:>16} {:>16} {:>6} {:>5}", part_label(part),
        part.part == Part::block ? with_error(f.local_error[static_cast<std::size_t>(part.block)]) : "",
        with_error(part.kl_nats), std::isnan(part.share) ? "" : fmt::format("{:.1f}%", 100.0 * part.share),
        part.rank);
    if (part.part != Part::head) {
      const auto state = static_cast<std::size_t>(part.part == Part::embedding ? 0 : part.block + 1);
      out += fmt::format("   {:>5} {:>18} {:>16}{}", state, with_error(f.relative_difference[state]),
                         with_error(f.cosine_distance[state]),
                         static_cast<int>(state) == f.begins_at_state ? "  <- begins" : "");
    }
    out += '\n';
  }
  return out;
}

std::string summary(const DivergenceRecord& record, const std::filesystem::path& output) {
  std::string out = fmt::format("\n{} against {} on {} ({})\n", record.other.name, record.original.name,
                                record.run.corpus_name, counted(record.documents.size(), "document"));
  for (const std::string& sentence : record.findings.sentences) out += fmt::format("  {}\n", sentence);
  out += "\n" + table_text(record.findings);
  out +=
      "  means over documents (standard error); states without sink tokens; state i + 1 is the output of "
      "block i\n";
  return out + fmt::format("\nwritten: {}\n", output.string());
}

struct TwinFacts {
  std::uint64_t limit_bytes = 0;
  DivergencePlan plan;
  std::vector<std::pair<std::string, double>> seconds;  // per phase
  std::uint64_t bytes_read = 0;
};

std::string manifest_text(const DivergenceRecord& record, const TwinOptions& options,
                          const std::string& command_line, const TwinFacts& facts) {
  using Json = nlohmann::ordered_json;
  Json memory = Json::object();
  for (const MemoryItem& item : facts.plan.memory) memory[item.what] = item.bytes;
  Json seconds = Json::object();
  for (const auto& [phase, value] : facts.seconds) seconds[phase] = value;
  const Json json = {{"schema_version", kDivergenceSchemaVersion},
                     {"tool", {{"name", "strata"}, {"version", version()}, {"build", build_text()}}},
                     {"command_line", command_line},
                     {"seed", record.run.seed},
                     {"compute_dtype", record.run.compute_dtype},
                     {"digests",
                      {{"original_sha256", record.original.checkpoint_sha256},
                       {"other_sha256", record.other.checkpoint_sha256},
                       {"corpus_sha256", record.run.corpus_sha256},
                       {"tokenizer_sha256", record.run.tokenizer_sha256}}},
                     {"protocol",
                      {{"context", record.run.context},
                       {"bos_policy", record.run.bos_policy},
                       {"scored", "every position whose next token is in the same window"},
                       {"lane_tokens", record.run.lane_tokens}}},
                     {"threads", options.measure.threads},
                     {"batch_size", options.measure.batch},
                     {"memory",
                      {{"limit_bytes", facts.limit_bytes},
                       {"predicted_peak_bytes", facts.plan.peak_bytes},
                       {"measured_peak_bytes", peak_rss_bytes()},
                       {"predicted", memory}}},
                     {"weights", {{"bytes_read", facts.bytes_read}}},
                     {"seconds", seconds}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

int compare_twins(const TwinOptions& asked, const std::string& command_line) {
  TwinOptions options = asked;
  const Checkpoint original = Checkpoint::open(options.original), other = Checkpoint::open(options.other);
  for (const Checkpoint* checkpoint : {&original, &other}) print_notes(*checkpoint, options.quiet);
  const auto name = [](const Checkpoint& c) { return c.name(); };
  if (options.output.empty())
    options.output =
        std::filesystem::path("runs") / fmt::format("compare-{}-{}", name(original), name(other));
  OutputDirectory output(options.output, OutputKind::twins);
  TwinFacts facts;
  facts.limit_bytes =
      options.mem_limit.empty() ? default_memory_limit_bytes() : parse_size(options.mem_limit, "--mem-limit");
  options.text.memory_bytes = facts.limit_bytes;
  const LoadedText text = load_text(original, with_default_text(options.text));
  print_text_remarks(text.corpus, options.quiet);
  const DivergenceInput input{.original = original,
                              .other = other,
                              .corpus = text.corpus,
                              .tokenizer = text.tokenizer ? &*text.tokenizer : nullptr};
  facts.plan = plan_divergence(input, options.measure, facts.limit_bytes);
  options.measure.lane_bytes = facts.plan.lane_bytes;

  const PartialRun partial(output, {.original = original,
                                    .other = other,
                                    .text = text,
                                    .options = options.measure,
                                    .command_line = command_line});
  options.measure.snapshot_directory = partial.directory();
  options.measure.snapshot_key = partial.key();
  on_stop(ask_to_stop);
  ProgressPrinter printer(options.quiet);
  PhaseClock clock("weights");
  DivergenceRecord record;
  try {
    record = measure_divergence(input, options.measure, [&](const ProgressEvent& event) {
      clock.see(event.phase);
      printer(event);
      return !stop_asked();
    });
  } catch (const Error& error) {
    printer.finish();
    partial.stop(error, "the same command goes on");
    throw;
  }
  on_stop(SIG_IGN);
  printer.finish();
  facts.seconds = clock.seconds();
  facts.bytes_read = original.bytes_read() + other.bytes_read();
  record.run.tool_version = version();
  record.findings = conclude_divergence(record, options.question);
  make_text_valid(record);
  const std::string page = twins_report_html(record, command_line);
  output.commit(
      [&] {
        write_divergence(output.path(), record);
        write_file_atomic(output.path() / "report.html", page);
      },
      manifest_text(record, options, command_line, facts));
  on_stop(SIG_DFL);
  for (const std::string& warning : record.warnings) {
    const auto& said = text.corpus.warnings;
    if (std::find(said.begin(), said.end(), warning) == said.end()) say("warning: {}\n", warning);
  }
  if (!options.quiet) say_lines(summary(record, options.output));
  if (options.json) print_data(divergence_json(record));
  return 0;
}

}  // namespace strata
