// What the program shows a person on stderr: progress, the summary, the segment bar.
#pragma once

#include <chrono>
#include <string>

#include "strata/record/run_directory.h"
#include "strata/sweep/options.h"

namespace strata {

/// Whether stderr is a terminal on which colours are welcome (NO_COLOR is respected).
[[nodiscard]] bool colours_welcome();

/// Prints progress: one line rewritten in place on a terminal, plain lines every few seconds otherwise.
class ProgressPrinter {
 public:
  explicit ProgressPrinter(bool quiet);
  void operator()(const ProgressEvent& event);
  /// Ends the line in place, if one is open.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  bool quiet_, terminal_;
  bool line_open_ = false;
  std::string phase_;
  Clock::time_point phase_start_, last_print_;
  std::int64_t tokens_ = 0;
};

/// The run in words: headline sentences, segment bar, table of segments, the most brittle layers.
[[nodiscard]] std::string summary_text(const Run& run, const std::string& report_path);

/// Peak resident size of this process so far, in bytes.
[[nodiscard]] std::uint64_t peak_rss_bytes();
/// "1.2 GiB".
[[nodiscard]] std::string human_bytes(std::uint64_t bytes);

}  // namespace strata
