#include "strata/cli/dump_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "strata/base/error.h"
#include "strata/base/sha256.h"
#include "strata/cli/number_option.h"
#include "strata/cli/numbers.h"
#include "strata/cli/text_flags.h"
#include "strata/dump/fingerprint.h"

namespace strata {
namespace {

constexpr std::size_t kAttentionColumnCount = 4;

std::string file_name(const std::string& stem, ArrayFormat format) {
  return stem + (format == ArrayFormat::npy ? ".npy" : ".safetensors");
}

std::string digest_of(const std::vector<Window>& windows) {
  Sha256 digest;
  for (const Window& window : windows) {
    digest.update(fmt::format("{} {} {}\n", window.document, window.index, window.ids.size()));
    digest.update(std::as_bytes(std::span(window.ids)));
  }
  return digest.hex();
}

DumpedArray tokens_array(const DumpRows& rows, ArrayFormat format) {
  return {.file = file_name("tokens", format),
          .content = "tokens",
          .spec = {.name = "tokens",
                   .shape = {static_cast<std::size_t>(rows.count()), 4},
                   .type = ElementType::int32},
          .axes = {"row", "column"},
          .columns = {"document", "window", "position", "token_id"}};
}

DumpedArray state_array(int state, const DumpCommand& command, const Checkpoint& checkpoint,
                        const Corpus& corpus, const DumpRows& rows) {
  const bool pooled = command.pool != Pool::none;
  return {.file = file_name(fmt::format("state-{:03}", state), command.format),
          .content = "state",
          .place = state,
          .spec = {.name = fmt::format("state.{}", state),
                   .shape = {pooled ? corpus.documents.size() : static_cast<std::size_t>(rows.count()),
                             static_cast<std::size_t>(checkpoint.config().hidden)},
                   .type = pooled ? ElementType::float64 : ElementType::float32},
          .axes = {pooled ? "document" : "row", "dimension"}};
}

DumpedArray attention_array(int block, const DumpRows& rows, ArrayFormat format) {
  return {.file = file_name(fmt::format("attention-{:03}", block), format),
          .content = "attention",
          .place = block,
          .spec = {.name = fmt::format("attention.{}", block),
                   .shape = {static_cast<std::size_t>(rows.count()), kAttentionColumnCount},
                   .type = ElementType::float64},
          .axes = {"row", "column"},
          .columns = {"distance", "entropy", "distance_without_first", "entropy_without_first"},
          .note = "means over heads; NaN where fewer than two keys are left"};
}

void add_array(std::vector<std::pair<DumpedArray, std::vector<double>>>& arrays, const std::string& content,
               const std::string& name, ArrayFormat format, std::vector<std::size_t> shape,
               std::vector<double> values) {
  std::string stem = "signal-" + name;
  std::replace(stem.begin(), stem.end(), '.', '-');
  DumpedArray array{.file = file_name(stem, format),
                    .content = content,
                    .spec = {.name = name, .shape = std::move(shape), .type = ElementType::float64}};
  arrays.emplace_back(std::move(array), std::move(values));
}

}  // namespace

bool is_measured(const DumpedArray& array) {
  return array.content == "signal" || array.content == "cka" || array.content == "spectrum";
}

bool DumpCommand::has(std::string_view content) const {
  return std::find(what.begin(), what.end(), content) != what.end();
}

void check_dump_command(const DumpCommand& command, const std::vector<std::string>& signals, int n_layers) {
  const auto refuse = [](const char* where, std::string found, std::string expected) {
    throw Error(ErrorKind::usage,
                {.where = where, .found = std::move(found), .expected = std::move(expected)});
  };
  for (const std::string& content : command.what) {
    if (content != "states" && content != "attention" && content != "signals")
      refuse("--what", fmt::format("'{}'", content), "some of states, attention, signals");
  }
  if (command.has("attention") && command.pool != Pool::none)
    refuse("--pool", fmt::format("'{}' with attention", to_string(command.pool)),
           "none: the signals attention_distance and attention_entropy are the means over documents");
  if (!command.signals.empty() && !command.has("signals"))
    refuse("--signals", "without --what signals", "--what signals");
  for (const std::string& id : command.signals) {
    if (std::find(signals.begin(), signals.end(), id) == signals.end())
      refuse("--signals", fmt::format("'{}'", id), fmt::format("some of {}", fmt::join(signals, ", ")));
  }
  if (!command.layers.empty()) (void)parse_layers(command.layers, n_layers, "--layers");
}

DumpIndex plan_dump(const DumpCommand& command, const Checkpoint& checkpoint, const Corpus& corpus,
                    const DumpRows& rows) {
  const ModelConfig& config = checkpoint.config();
  DumpIndex index{.n_layers = config.n_layers, .hidden = config.hidden};
  index.facts = {{"model", checkpoint.name()},
                 {"model_fingerprint", checkpoint_fingerprint(checkpoint)},
                 {"text", corpus.name},
                 {"text_sha256", corpus.sha256},
                 {"bos", corpus.bos_policy},
                 {"windows_sha256", digest_of(corpus.windows)},
                 {"positions", command.positions == 0 ? "all" : fmt::format("{}", command.positions)},
                 {"pool", to_string(command.pool)},
                 {"format", to_string(command.format)},
                 {"compute_dtype", "float32"},
                 {"seed", fmt::format("{}", command.seed)}};
  for (const CorpusDocument& document : corpus.documents) index.documents.push_back(document.name);
  std::vector<int> layers;
  if (command.layers.empty()) {
    for (int i = 0; i <= config.n_layers; ++i) layers.push_back(i);
  } else {
    layers = parse_layers(command.layers, config.n_layers, "--layers");
  }
  const bool states = command.has("states"), attention = command.has("attention");
  if ((states || attention) && command.pool == Pool::none)
    index.arrays.push_back(tokens_array(rows, command.format));
  for (const int i : layers) {
    if (states) index.arrays.push_back(state_array(i, command, checkpoint, corpus, rows));
  }
  for (const int i : layers) {
    if (attention && i < config.n_layers) index.arrays.push_back(attention_array(i, rows, command.format));
  }
  return index;
}

std::vector<std::pair<DumpedArray, std::vector<double>>> signal_arrays(const Trace& trace,
                                                                       ArrayFormat format) {
  std::vector<std::pair<DumpedArray, std::vector<double>>> arrays;
  for (const Series& series : trace.series) {
    const std::string name = fmt::format("{}.{}", series.id, to_string(series.tokens));
    const std::string place = to_string(series.axis);
    if (series.joint.empty()) {
      add_array(arrays, "signal", name, format, {series.by_doc.rows, series.by_doc.cols}, series.by_doc.data);
      arrays.back().first.axes = {"document", place};
    } else {  // one value of all documents together
      add_array(arrays, "signal", name, format, {series.joint.size()}, series.joint);
      arrays.back().first.axes = {place};
    }
    arrays.back().first.note =
        series.note.empty() ? "unit " + series.unit : "unit " + series.unit + "; " + series.note;
  }
  for (const CkaRecord& cka : trace.cka) {
    if (cka.value.rows == 0) continue;
    const char* id = cka.scale == StateScale::raw ? "cka_matrix_raw" : "cka_matrix";
    add_array(arrays, "cka", fmt::format("{}.{}", id, to_string(cka.tokens)), format,
              {cka.value.rows, cka.value.cols}, cka.value.data);
    arrays.back().first.axes = {"state", "state"};
    arrays.back().first.note = cka.note;
  }
  for (const SpectrumRecord& spectrum : trace.spectra) {
    const std::string tokens = to_string(spectrum.tokens);
    for (const auto& [name, values] : {std::pair{"covariance_spectrum.", &spectrum.value},
                                       std::pair{"covariance_multiplicity.", &spectrum.multiplicity}}) {
      if (values->rows == 0 || values->cols == 0) continue;
      add_array(arrays, "spectrum", name + tokens, format, {values->rows, values->cols}, values->data);
      arrays.back().first.axes = {"state", "entry"};
      arrays.back().first.note = spectrum.note;
    }
  }
  return arrays;
}

bool has_signals(const DumpIndex& index, const std::vector<std::string>& ids) {
  std::set<std::string> there;
  for (const DumpedArray& array : index.arrays) {
    if (!is_measured(array)) continue;
    if (array.sha256.empty()) return false;
    there.insert(array.spec.name.substr(0, array.spec.name.find('.')));
  }
  return std::all_of(ids.begin(), ids.end(), [&](const std::string& id) { return there.contains(id); });
}

void add_dump_flags(CLI::App& app, DumpCommand& o) {
  static const std::map<std::string, Pool> kPools = {
      {"none", Pool::none}, {"mean", Pool::mean}, {"mean-without-first", Pool::mean_without_first}};
  static const std::map<std::string, ArrayFormat> kFormats = {{"npy", ArrayFormat::npy},
                                                              {"safetensors", ArrayFormat::safetensors}};
  app.add_option("-m,--model,MODEL", o.model,
                 "Directory with config.json, .gguf file, or org/name[@revision]")
      ->required();
  add_text_flags(app, o.text);
  app.add_option("-o,--output", o.output, "New directory (default: runs/<model>-dump)");
  app.add_option("--what", o.what, "states, attention, signals")->delimiter(',')->capture_default_str();
  app.add_option("--layers", o.layers, "States, and blocks for attention, like 3,7,10-14 (default: all)");
  app.add_option("--signals", o.signals, "Signals, with --what signals (default: all of the clean sweep)")
      ->delimiter(',');
  add_number(app, "--positions", o.positions, 0, kMostOfAnything,
             "Sampled positions in all, the same at every layer (0: every one)");
  app.add_option("--pool",
                 "One row for each document: none, mean or mean-without-first (position 0 left out)")
      ->check(CLI::IsMember({"none", "mean", "mean-without-first"}))
      ->each([&o](const std::string& name) { o.pool = kPools.at(name); });
  app.add_option("--format", "npy or safetensors")
      ->check(CLI::IsMember({"npy", "safetensors"}))
      ->each([&o](const std::string& name) { o.format = kFormats.at(name); });
  app.add_flag("--resume", o.resume,
               "Go on with an earlier dump: finished arrays are kept, missing ones made");
  add_seed(app, o.seed, "Seed of the sampled positions");
  add_number(app, "-t,--threads", o.threads, 1, 1024, "Threads; they never change a number");
  app.add_option("--mem-limit", o.mem_limit,
                 "Memory to stay within, like 8G (default: 70% of what is available)");
  app.add_flag("--dry-run", o.dry_run, "Print what would be written and stop");
  app.add_flag("--quiet", o.quiet, "Print nothing but errors and warnings");
}

}  // namespace strata
