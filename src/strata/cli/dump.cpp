// strata dump: hidden states, attention summaries and signals as arrays for other programs.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <memory>
#include <optional>
#include <thread>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/output_directory.h"
#include "strata/base/resources.h"
#include "strata/base/sha256.h"
#include "strata/cli/command.h"
#include "strata/cli/dump_plan.h"
#include "strata/cli/installed.h"
#include "strata/cli/numbers.h"
#include "strata/cli/say.h"
#include "strata/cli/terminal.h"
#include "strata/cli/text_flags.h"
#include "strata/dump/fingerprint.h"
#include "strata/model/backend.h"
#include "strata/sweep/catalogue.h"
#include "strata/sweep/measure.h"
#include "strata/sweep/model_warnings.h"
#include "strata/sweep/plan.h"
#include "strata/sweep/state_stream.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kIndexBytes = 1ull << 28;

std::atomic<bool> dump_interrupted{false};

void stop_dump(int) {
  dump_interrupted = true;
}

// Everything that one dump works with.
struct Job {
  const DumpCommand& command;
  const Checkpoint& checkpoint;
  const LoadedText& text;
  DumpRows rows;
  DumpIndex index;
  std::vector<std::vector<std::int32_t>> windows;

  [[nodiscard]] fs::path path_of(const DumpedArray& array) const { return command.output / array.file; }
  // The index never names a file that a power cut could take.
  void save_index() const {
    sync_directory(command.output);
    write_file_atomic(command.output / kDumpIndexFile, dump_index_json(index));
    sync_directory(command.output);
  }
  // The array of this content and place if it still has to be written, or nullptr.
  [[nodiscard]] DumpedArray* missing(const std::string& content, int place) {
    for (DumpedArray& array : index.arrays) {
      if (array.content == content && array.place == place && array.sha256.empty()) return &array;
    }
    return nullptr;
  }
};

// A directory is a new or empty one, or, with --resume, an earlier dump: its index.
std::optional<DumpIndex> earlier_dump(const DumpCommand& command) {
  const fs::path& directory = command.output;
  check_output_directory(directory, OutputKind::dump);
  const fs::path index = directory / kDumpIndexFile;
  if (!fs::exists(index)) return std::nullopt;
  if (!command.resume) {
    throw Error(ErrorKind::usage, {.where = directory.string(),
                                   .found = "holds a dump already",
                                   .hint = "--resume goes on with it, or name another --output"});
  }
  return parse_dump_index(read_file(index, kIndexBytes), index.string());
}

// The earlier dump has to be of the same; what it has finished is kept.
void look_at_directory(Job& job) {
  const auto there = earlier_dump(job.command);
  if (!there) return;
  const fs::path& directory = job.command.output;
  check_same_dump(*there, job.index, directory);
  for (const std::string& file : keep_finished(*there, job.index, job.command.format, directory))
    say("warning: {} is not what was written; it is made again if asked for\n", file);
}

// What a killed process had begun of the arrays that the index names.
void remove_parts(const Job& job) {
  std::error_code absent;
  for (const DumpedArray& array : job.index.arrays) fs::remove(part_of(job.path_of(array)), absent);
}

std::uint64_t missing_bytes(const Job& job) {
  std::uint64_t bytes = 0;
  for (const DumpedArray& array : job.index.arrays) {
    if (array.sha256.empty()) bytes += array_file_bytes(job.command.format, array.spec);
  }
  return bytes;
}

void check_room(const Job& job, std::uint64_t scratch_bytes) {
  const std::uint64_t needed = missing_bytes(job) + scratch_bytes, room = free_disk_bytes(job.command.output);
  if (needed <= room) return;
  throw Error(ErrorKind::run_failed, {.where = job.command.output.string(),
                                      .found = human_bytes(room) + " free",
                                      .expected = human_bytes(needed),
                                      .hint = "fewer --layers, --positions or --pool need less"});
}

template <class T>
void write_whole(const Job& job, DumpedArray& array, const std::vector<T>& values) {
  ArrayWriter writer(job.path_of(array), job.command.format, array.spec);
  writer.write(0, std::span<const T>(values));
  array.sha256 = writer.finish();
}

// Writes what passes of states and attention into the files that are missing.
class StateSink {
 public:
  explicit StateSink(Job& job) : job_(job) {}

  void begin(int state) {
    state_ = job_.missing("state", state);
    attention_ = job_.missing("attention", state - 1);
    const auto hidden = static_cast<std::size_t>(job_.index.hidden);
    if (state_ != nullptr && job_.command.pool != Pool::none)
      pool_ = std::make_unique<DocumentPool>(job_.text.corpus, job_.rows, job_.command.pool, hidden);
    if (state_ != nullptr && !pool_)
      state_file_ = std::make_unique<ArrayWriter>(job_.path_of(*state_), job_.command.format, state_->spec);
    if (attention_ != nullptr)
      attention_file_ =
          std::make_unique<ArrayWriter>(job_.path_of(*attention_), job_.command.format, attention_->spec);
  }

  void state(std::size_t window, std::span<const float> h) {
    if (state_ == nullptr) return;
    const auto picked =
        pick_rows(h, job_.rows.positions[window], static_cast<std::size_t>(job_.index.hidden));
    if (pool_) {
      pool_->add(window, picked);
    } else {
      state_file_->write(job_.rows.first[window], std::span<const float>(picked));
    }
  }

  void attention(std::size_t window, std::span<const double> summary) {
    if (attention_ == nullptr) return;
    const auto picked = pick_rows(summary, job_.rows.positions[window], kAttentionColumns);
    attention_file_->write(job_.rows.first[window], std::span<const double>(picked));
  }

  void end() {
    if (pool_) {
      write_whole(job_, *state_, pool_->means());
    } else if (state_ != nullptr) {
      state_->sha256 = state_file_->finish();
    }
    if (attention_ != nullptr) attention_->sha256 = attention_file_->finish();
    if (state_ != nullptr || attention_ != nullptr) job_.save_index();
    pool_.reset();
    state_file_.reset();
    attention_file_.reset();
  }

 private:
  Job& job_;
  DumpedArray *state_ = nullptr, *attention_ = nullptr;
  std::unique_ptr<DocumentPool> pool_;
  std::unique_ptr<ArrayWriter> state_file_, attention_file_;
};

// Where the forward pass has to begin and end. A finished state with every position is as good as having
// computed it again.
StateStreamOptions range_of(Job& job) {
  const int n = job.index.n_layers;
  int first = n + 1, last = -1;
  StateStreamOptions options;
  for (const DumpedArray& array : job.index.arrays) {
    if (!array.sha256.empty() || array.place < 0) continue;
    const bool attention = array.content == "attention";
    first = std::min(first, array.place);
    last = std::max(last, array.place + (attention ? 1 : 0));
    if (attention) options.attention_blocks.push_back(array.place);
  }
  options.last_state = last;
  std::sort(options.attention_blocks.begin(), options.attention_blocks.end());
  if (job.command.pool != Pool::none || job.command.positions > 0) return options;
  const DumpedArray* from = nullptr;
  for (const DumpedArray& array : job.index.arrays) {
    const bool usable = array.content == "state" && !array.sha256.empty() && array.place <= first;
    if (usable && (from == nullptr || array.place > from->place)) from = &array;
  }
  if (from == nullptr || from->place == 0) return options;
  options.first_state = from->place;
  options.load = [&job, array = *from](std::size_t window, std::span<float> h) {
    read_rows(job.path_of(array), job.command.format, array.spec, job.rows.first[window],
              std::as_writable_bytes(h));
  };
  return options;
}

void dump_states(Job& job, const Progress& progress) {
  StateStreamOptions options = range_of(job);
  if (options.last_state < 0) return;  // nothing is missing
  options.scratch = job.command.output;
  options.threads = job.command.threads;
  options.progress = progress;
  StateSink sink(job);
  StateStreamObserver observer;
  observer.begin_state = [&](int state) { sink.begin(state); };
  observer.state = [&](int, std::size_t window, std::span<const float> h) { sink.state(window, h); };
  observer.attention = [&](int, std::size_t window, std::span<const double> s) { sink.attention(window, s); };
  observer.end_state = [&](int) { sink.end(); };
  stream_states(job.checkpoint, job.windows, options, observer);
}

MeasureOptions signal_options(const DumpCommand& command) {
  MeasureOptions options;
  options.seed = command.seed;
  options.threads = command.threads;
  options.signals = command.signals;
  options.clean_only = true;
  return options;
}

void dump_signals(Job& job, const Progress& progress) {
  const auto& ids = job.command.signals.empty() ? clean_signal_ids() : job.command.signals;
  if (has_signals(job.index, ids)) return;
  const MeasureInput input{.checkpoint = job.checkpoint,
                           .corpus = job.text.corpus,
                           .tokenizer = job.text.tokenizer ? &*job.text.tokenizer : nullptr};
  const Trace trace = measure(input, signal_options(job.command), progress);
  auto arrays = signal_arrays(trace, job.command.format);
  std::erase_if(job.index.arrays, is_measured);
  const std::size_t first = job.index.arrays.size();
  for (const auto& [array, values] : arrays) job.index.arrays.push_back(array);
  job.save_index();
  for (std::size_t i = 0; i < arrays.size(); ++i)
    write_whole(job, job.index.arrays[first + i], arrays[i].second);
}

std::uint64_t memory_limit(const DumpCommand& command) {
  return command.mem_limit.empty() ? default_memory_limit_bytes()
                                   : parse_size(command.mem_limit, "--mem-limit");
}

// The windows are there twice, in the corpus and as plain ids.
std::uint64_t memory_needed(const Job& job, const StateStreamPlan& plan) {
  return plan.memory_bytes + program_bytes() + 2 * job.text.corpus.memory_bytes();
}

void check_memory(const Job& job, const StateStreamPlan& plan) {
  const DumpCommand& command = job.command;
  const std::uint64_t limit = memory_limit(command);
  if (memory_needed(job, plan) > limit) {
    throw Error(ErrorKind::out_of_memory, {.where = "--mem-limit",
                                           .found = "the dump needs " + human_bytes(memory_needed(job, plan)),
                                           .expected = "at most " + human_bytes(limit),
                                           .hint = "a shorter --ctx-size or fewer --threads need less"});
  }
  if (!command.has("signals")) return;
  const MeasureInput input{.checkpoint = job.checkpoint, .corpus = job.text.corpus, .tokenizer = nullptr};
  (void)plan_measure(input, signal_options(command), limit);
}

void print_plan(const Job& job, const StateStreamPlan& plan) {
  std::size_t missing = 0;
  for (const DumpedArray& array : job.index.arrays) missing += array.sha256.empty() ? 1 : 0;
  show("{} arrays, {} to be written: {}\n", job.index.arrays.size(), missing,
       human_bytes(missing_bytes(job)));
  show("rows {}; temporary file {}; memory {}\n", job.rows.count(), human_bytes(plan.scratch_bytes),
       human_bytes(memory_needed(job, plan)));
  for (const DumpedArray& array : job.index.arrays)
    show("  {:<40} {:<8} {}{}\n", array.file, to_string(array.spec.type), fmt::join(array.spec.shape, " x "),
         array.sha256.empty() ? "" : "  (there)");
  if (job.command.has("signals")) show("  and the signals: one more pass, their arrays are small\n");
}

// "interrupted" with what that means here.
[[noreturn]] void say_what_is_kept(const Error& error, const fs::path& output) {
  if (error.kind() != ErrorKind::interrupted) throw error;
  throw Error(ErrorKind::interrupted, {.where = output.string(),
                                       .found = "interrupted",
                                       .hint = "finished arrays are kept; --resume goes on"});
}

int dump(const DumpCommand& asked) {
  DumpCommand command = asked;
  const Checkpoint checkpoint = Checkpoint::open(command.model);
  print_notes(checkpoint, command.quiet);
  if (command.output.empty()) command.output = fs::path("runs") / (checkpoint.name() + "-dump");
  check_dump_command(command, clean_signal_ids(), checkpoint.config().n_layers);
  command.text.memory_bytes = memory_limit(command);
  (void)earlier_dump(command);  // refused before the text is read, which may be long
  command.text.groups = false;  // arrays have a row for each document: none is resampled here
  const LoadedText text = load_text(checkpoint, with_default_text(command.text));
  Job job{.command = command,
          .checkpoint = checkpoint,
          .text = text,
          .rows = choose_rows(text.corpus, command.positions, command.seed),
          .index = {},
          .windows = {}};
  for (const Window& window : text.corpus.windows) job.windows.push_back(window.ids);
  job.index = plan_dump(command, checkpoint, text.corpus, job.rows);
  make_text_valid(job.index);
  const StateStreamPlan plan = plan_state_stream(checkpoint, job.windows, command.threads);
  if (command.dry_run) {
    look_at_directory(job);
    print_text_remarks(text.corpus, command.quiet);
    print_plan(job, plan);
    return 0;
  }
  OutputDirectory output(command.output, OutputKind::dump);
  look_at_directory(job);
  check_memory(job, plan);
  print_text_remarks(text.corpus, command.quiet);
  remove_parts(job);
  check_room(job, plan.scratch_bytes);
  job.save_index();
  std::signal(SIGINT, stop_dump);
  std::signal(SIGTERM, stop_dump);
  ProgressPrinter printer(command.quiet);
  const Progress progress = [&](const ProgressEvent& event) {
    printer(event);
    return !dump_interrupted;
  };
  try {
    if (DumpedArray* tokens = job.missing("tokens", -1))
      write_whole(job, *tokens, row_table(text.corpus, job.rows));
    dump_states(job, progress);
    if (command.has("signals")) dump_signals(job, progress);
  } catch (const Error& error) {
    printer.finish();
    say_what_is_kept(error, command.output);
  }
  printer.finish();
  job.save_index();
  for (const std::string& warning : weight_warnings(checkpoint)) say("warning: {}\n", warning);
  output.finish();
  if (!command.quiet) {
    const bool pooled = command.pool != Pool::none;
    say("{}: {} arrays, {} {}\n", command.output.string(), job.index.arrays.size(), job.rows.count(),
        pooled ? fmt::format("tokens, pooled into one row for each of {} documents",
                             text.corpus.documents.size())
               : "rows");
  }
  return 0;
}

}  // namespace

void register_dump(CLI::App& app, Program& program) {
  auto* command = app.add_subcommand("dump", "Write hidden states, attention and signals as arrays");
  command->footer(
      "Examples:\n"
      "  strata dump models/llama-nano -o /tmp/states\n"
      "  strata dump models/llama-nano --layers 3,7,10-12 --positions 4096 --what states,attention\n"
      "  strata dump models/llama-nano --pool mean --what states,signals --format safetensors --resume\n"
      "State i is the input of block i; state L is the output of the last block, before the final norm.");
  auto o = std::make_shared<DumpCommand>();
  o->threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  add_dump_flags(*command, *o);
  command->callback([&program, o] { program.run = [o] { return dump(*o); }; });
}

}  // namespace strata
