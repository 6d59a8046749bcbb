// What the program shows a person on stderr: progress, the summary, the segment bar.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "strata/checkpoint/checkpoint.h"
#include "strata/record/run_directory.h"
#include "strata/sweep/options.h"

namespace strata {

/// Whether stderr is a terminal on which colours are welcome (NO_COLOR and TERM=dumb are respected).
[[nodiscard]] bool colours_welcome();

/// `text` in an SGR colour ("1", "33") where colours are welcome.
[[nodiscard]] std::string painted(const std::string& text, const char* colour);

/// Three significant digits, or "-" where the value is undefined.
[[nodiscard]] std::string three_digits(double value);

/// How far a phase is.
struct ProgressState {
  std::string phase;
  int step = 0;  ///< steps done
  int steps = 0;
  std::int64_t tokens = 0;  ///< pushed through a block so far
  double seconds = 0.0;     ///< since the phase began
  std::uint64_t rss_bytes = 0, peak_bytes = 0;
};

/// "clean sweep: block 4/12, 52300 block tokens/s, 8 s left, memory 212.0 MiB (peak 230.1 MiB)". With
/// `columns` above 0 a bar stands before it, and the whole is never wider than that.
[[nodiscard]] std::string progress_text(const ProgressState& state, int columns);

/// "signals: 8/14, 12 s in this step", "after the clean sweep: 7 s": what is printed where no step comes for
/// a while.
[[nodiscard]] std::string waiting_text(const ProgressState& state, double seconds);

/// Prints progress: one line rewritten in place on a terminal, plain lines every few seconds otherwise. From
/// the first event on it is never silent for longer than `longest_silence`: a thread of its own says what is
/// waited for.
class ProgressPrinter {
 public:
  explicit ProgressPrinter(bool quiet, std::chrono::milliseconds longest_silence = std::chrono::seconds(4));
  ~ProgressPrinter();
  ProgressPrinter(const ProgressPrinter&) = delete;
  ProgressPrinter& operator=(const ProgressPrinter&) = delete;
  void operator()(const ProgressEvent& event);
  /// Ends the line in place, if one is open; silent until the next event.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  void watch();
  void print(const std::string& line);
  void close_line();
  bool quiet_, terminal_;
  std::chrono::milliseconds longest_silence_;
  std::mutex mutex_;  // of everything below
  std::condition_variable wake_;
  bool line_open_ = false, waiting_ = false, ended_ = false;
  ProgressState state_;
  Clock::time_point phase_start_, last_event_, last_print_;
  std::thread watcher_;
};

/// What a person should know of the files of a checkpoint, one line a note; nothing where quiet.
void print_notes(const Checkpoint& checkpoint, bool quiet);

/// "text tales: 3 documents, 40 windows, 20480 tokens; no BOS"
[[nodiscard]] std::string text_line(const std::string& name, std::size_t documents, std::size_t windows,
                                    std::int64_t tokens, const std::string& bos_policy);

/// The first of an Answer's sentences, wrapped.
[[nodiscard]] std::string answer_text(const std::vector<std::string>& sentences);

/// The run in words: headline sentences, segment bar, table of segments, the most brittle layers.
[[nodiscard]] std::string summary_text(const Run& run, const std::string& report_path);

}  // namespace strata
