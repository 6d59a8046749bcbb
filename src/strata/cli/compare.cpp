// strata compare: two versions of one model on one text. Where do they part, and which part of the network
// does the damage?
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/cli/command.h"
#include "strata/cli/load_text.h"
#include "strata/cli/numbers.h"
#include "strata/cli/terminal.h"
#include "strata/cli/version.h"
#include "strata/engine/engine.h"
#include "strata/report/report.h"
#include "strata/theory/divergence.h"

namespace strata {
namespace {

constexpr double kMemoryShare = 0.7;  // of the available memory, when --mem-limit is not given

struct CompareOptions {
  std::filesystem::path original, other, output;
  TextOptions text;
  MeasureOptions measure;
  DivergenceQuestion question;
  std::string mem_limit;
  bool json = false, quiet = false;
};

void refuse_runs(const std::filesystem::path& path) {
  std::error_code unreadable;
  if (!std::filesystem::exists(path / "results.json", unreadable)) return;
  throw Error(ErrorKind::usage, {.where = path.string(),
                                 .found = "a run directory; comparing runs is not supported",
                                 .expected = "two checkpoints"});
}

// Only a new or empty directory, or one of an earlier comparison, is written to.
void check_output(const std::filesystem::path& directory) {
  std::error_code unreadable;
  if (!std::filesystem::exists(directory, unreadable) ||
      std::filesystem::exists(directory / "divergence.json", unreadable) ||
      (std::filesystem::is_directory(directory, unreadable) &&
       std::filesystem::is_empty(directory, unreadable)))
    return;
  throw Error(ErrorKind::usage, {.where = directory.string(),
                                 .found = "exists and is not an earlier comparison",
                                 .hint = "choose another --output"});
}

std::string with_error(const Estimate& e) {
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
  std::string out = fmt::format("\n{} against {} on {} ({} documents)\n", record.other.name,
                                record.original.name, record.run.corpus_name, record.documents.size());
  for (const std::string& sentence : record.findings.sentences) out += fmt::format("  {}\n", sentence);
  out += "\n" + table_text(record.findings);
  out +=
      "  means over documents (standard error); states without sink tokens; state i + 1 is the output of "
      "block i\n";
  return out + fmt::format("\nwritten: {}\n", output.string());
}

struct ManifestFacts {
  std::uint64_t limit_bytes = 0;
  DivergencePlan plan;
  double seconds = 0.0;
  std::uint64_t bytes_read = 0;
};

std::string manifest_text(const DivergenceRecord& record, const CompareOptions& options,
                          const std::string& command_line, const ManifestFacts& facts) {
  using Json = nlohmann::ordered_json;
  Json memory = Json::object();
  for (const MemoryItem& item : facts.plan.memory) memory[item.what] = item.bytes;
  const Json json = {{"schema_version", kDivergenceSchemaVersion},
                     {"tool",
                      {{"name", "strata"},
                       {"version", version()},
                       {"build", version_text()},
                       {"libtorch", open_engine().libtorch_version()}}},
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
                     {"seconds", {{"measure", facts.seconds}}}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

int compare(const CompareOptions& asked, const std::string& command_line) {
  CompareOptions options = asked;
  for (const auto& path : {options.original, options.other}) refuse_runs(path);
  const Checkpoint original = Checkpoint::open(options.original), other = Checkpoint::open(options.other);
  const auto name = [](const Checkpoint& c) { return c.name(); };
  if (options.output.empty())
    options.output =
        std::filesystem::path("runs") / fmt::format("compare-{}-{}", name(original), name(other));
  check_output(options.output);
  const LoadedText text = load_text(original, options.text);
  if (!options.quiet) {
    fmt::print(stderr, "text {}: {} documents, {} windows, {} tokens; {}\n", text.corpus.name,
               text.corpus.documents.size(), text.corpus.windows.size(), text.corpus.token_count(),
               text.corpus.bos_policy);
    for (const std::string& note : text.corpus.notes) fmt::print(stderr, "note: {}\n", note);
  }
  const Engine& engine = open_engine();
  const DivergenceInput input{.original = original,
                              .other = other,
                              .corpus = text.corpus,
                              .tokenizer = text.tokenizer ? &*text.tokenizer : nullptr};
  ManifestFacts facts;
  facts.limit_bytes =
      options.mem_limit.empty()
          ? static_cast<std::uint64_t>(kMemoryShare * static_cast<double>(available_memory_bytes()))
          : parse_size(options.mem_limit, "--mem-limit");
  facts.plan = engine.plan_divergence(input, options.measure, facts.limit_bytes);
  options.measure.lane_bytes = facts.plan.lane_bytes;

  ProgressPrinter printer(options.quiet);
  const auto start = std::chrono::steady_clock::now();
  DivergenceRecord record =
      engine.measure_divergence(input, options.measure, [&](const ProgressEvent& event) {
        printer(event);
        return true;
      });
  printer.finish();
  facts.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  facts.bytes_read = original.bytes_read() + other.bytes_read();
  record.run.tool_version = version();
  record.findings = conclude_divergence(record, options.question);
  write_divergence(options.output, record);
  write_file_atomic(options.output / "report.html", twins_report_html(record, command_line));
  write_file_atomic(options.output / "manifest.json", manifest_text(record, options, command_line, facts));
  for (const std::string& warning : record.warnings) fmt::print(stderr, "warning: {}\n", warning);
  if (!options.quiet) fmt::print(stderr, "{}", summary(record, options.output));
  if (options.json) fmt::print("{}", divergence_json(record));
  return 0;
}

void add_text_options(CLI::App& command, CompareOptions& o) {
  const auto at_least = [](int n) { return CLI::Range(n, 1 << 30); };
  command.add_option("-f,--file", o.text.path,
                     "UTF-8 file, directory of files, .jsonl, or .npy token ids (default: the tales)");
  command
      .add_option("-c,--ctx-size", o.text.context,
                  "Longest window in tokens (default: 512 or the model's limit)")
      ->check(at_least(1));
  command
      .add_option("--chunks", o.text.chunks, "At most this many windows, taken in turn from the documents")
      ->check(at_least(1));
  command.add_option("--limit", o.text.limit, "At most this many documents")->check(at_least(1));
}

}  // namespace

void register_compare(CLI::App& app, Program& program) {
  auto* command = app.add_subcommand("compare", "Where a quantized or edited model parts from its original");
  command->footer(
      "Examples:\n"
      "  strata compare models/llama-nano my/llama-nano-rounded\n"
      "  strata compare ORIGINAL OTHER -f texts/tales -o runs/rounding --threshold 0.05\n"
      "Both are checkpoints of the same depth, width and vocabulary; the text is tokenized with the "
      "original's\n"
      "tokenizer.");
  auto o = std::make_shared<CompareOptions>();
  MeasureOptions& m = o->measure;
  m.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  command->add_option("ORIGINAL", o->original, "Checkpoint that the other is measured against")->required();
  command->add_option("OTHER", o->other, "Its twin: quantized, rounded, pruned, tuned")->required();
  add_text_options(*command, *o);
  command->add_option("-o,--output", o->output, "Directory (default: runs/compare-ORIGINAL-OTHER)");
  command->add_option("--threshold", o->question.threshold, "Relative difference at which damage begins")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  command->add_option("--lane-tokens", m.lane_tokens, "Tokens in substitution lanes, in all")
      ->check(CLI::Range(64, 1 << 30))
      ->capture_default_str();
  command->add_option("-s,--seed", m.seed, "Seed of the lanes' sample")->capture_default_str();
  command->add_option("-t,--threads", m.threads, "Threads; changes speed, never a number")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("-b,--batch-size", m.batch, "Windows in flight at once; changes memory, never a number")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  command->add_option("--mem-limit", o->mem_limit,
                      "Memory to stay within, like 8G (default: 70% of what is available)");
  command->add_flag("--json", o->json, "Print divergence.json on stdout as well");
  command->add_flag("--quiet", o->quiet, "Print nothing but errors and warnings");
  command->callback(
      [&program, o] { program.run = [&program, o] { return compare(*o, program.command_line); }; });
}

}  // namespace strata
