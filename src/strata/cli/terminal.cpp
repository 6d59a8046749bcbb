#include "strata/cli/terminal.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace strata {
namespace {

constexpr double kPlainInterval = 3.0;      // seconds between progress lines when stderr is a file
constexpr double kTerminalInterval = 0.08;  // and between redraws on a terminal

double seconds(std::chrono::steady_clock::duration d) {
  return std::chrono::duration<double>(d).count();
}

std::string duration_text(double s) {
  if (!(s < 86400.0)) return "--";
  const auto whole = static_cast<int>(std::lround(s));
  return whole < 60 ? fmt::format("{} s", whole) : fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::string number(double value) {
  return std::isnan(value) ? "-" : fmt::format("{:.3g}", value);
}

std::string painted(const std::string& text, const char* colour) {
  return colours_welcome() ? fmt::format("\x1b[{}m{}\x1b[0m", colour, text) : text;
}

// One character per block, the segments apart by letter and colour.
std::string segment_bar(const Run& run) {
  constexpr const char* kColours[] = {"34", "33", "35", "32", "36", "31", "37"};
  std::string bar;
  for (std::size_t s = 0; s < run.findings.segments.size(); ++s) {
    const Segment& segment = run.findings.segments[s];
    const char letter =
        segment.name.starts_with("Segment") ? static_cast<char>('A' + s) : segment.name.front();
    if (!bar.empty()) bar += "|";
    bar += painted(std::string(static_cast<std::size_t>(segment.end - segment.begin), letter),
                   kColours[s % std::size(kColours)]);
  }
  return bar;
}

std::string segment_table(const Run& run) {
  std::string out = fmt::format("  {:<14} {:<10} {:>6}  {:>11}  {:>19}  {:>11}\n", "segment", "blocks",
                                "count", "kappa (geo)", "90% interval", "skip KL");
  for (const SegmentBrittleness& b : run.findings.brittleness) {
    const auto interval =
        fmt::format("{} .. {}", number(b.kappa_interval_90.lo), number(b.kappa_interval_90.hi));
    out +=
        fmt::format("  {:<14} {:<10} {:>6}  {:>11}  {:>19}  {:>11}\n", b.segment.name,
                    fmt::format("[{}, {})", b.segment.begin, b.segment.end), b.segment.end - b.segment.begin,
                    number(b.kappa_geometric), interval, number(b.skip_kl_nats));
  }
  return out;
}

}  // namespace

bool colours_welcome() {
  const char* no_color = std::getenv("NO_COLOR");
  return (no_color == nullptr || *no_color == '\0') && isatty(STDERR_FILENO) == 1;
}

ProgressPrinter::ProgressPrinter(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1) {}

void ProgressPrinter::operator()(const ProgressEvent& event) {
  if (quiet_) return;
  const auto now = Clock::now();
  if (event.phase != phase_) {
    finish();
    phase_ = event.phase;
    phase_start_ = now;
    last_print_ = {};
    tokens_ = 0;
  }
  const double elapsed = seconds(now - phase_start_);
  const bool last = event.step == event.steps;
  const double interval = terminal_ ? kTerminalInterval : kPlainInterval;
  const bool due = last || last_print_ == Clock::time_point{} || seconds(now - last_print_) > interval;
  if (due) {
    last_print_ = now;
    std::string line = fmt::format("{}: {}/{}", phase_, event.step, event.steps);
    if (tokens_ > 0 && elapsed > 0.0)
      line += fmt::format(", {:.0f} block tokens/s", static_cast<double>(tokens_) / elapsed);
    if (event.step > 0 && !last) {
      line += fmt::format(", {} left", duration_text(elapsed / event.step * (event.steps - event.step)));
    }
    if (last) line += fmt::format(", {:.1f} s", elapsed);
    line += ", peak " + human_bytes(peak_rss_bytes());
    if (terminal_) {
      constexpr int kCells = 24;
      const int done = event.steps > 0 ? kCells * event.step / event.steps : kCells;
      fmt::print(stderr, "\r\x1b[2K[{}{}] {}", std::string(static_cast<std::size_t>(done), '#'),
                 std::string(static_cast<std::size_t>(kCells - done), '.'), line);
      std::fflush(stderr);
      line_open_ = true;
    } else {
      fmt::print(stderr, "{}\n", line);
    }
  }
  tokens_ += event.tokens;
  if (last) finish();
}

void ProgressPrinter::finish() {
  if (line_open_) fmt::print(stderr, "\n");
  line_open_ = false;
}

std::string summary_text(const Run& run, const std::string& report_path) {
  std::string out = fmt::format("\n{} ({}, {} blocks) on {}\n", painted(run.trace.model.name, "1"),
                                run.trace.model.family, run.trace.n_layers(), run.trace.run.corpus_name);
  for (const std::string& sentence : run.findings.sentences) out += fmt::format("  {}\n", sentence);
  if (!run.findings.segments.empty()) {
    out += fmt::format(
        "\n  {}{}\n", segment_bar(run),
        run.findings.segments_forced ? "   (forced: the tests did not select these boundaries)" : "");
    out += "  blocks are 0-based, ranges half-open: [start, end)\n\n";
    out += segment_table(run);
  }
  if (!report_path.empty()) out += fmt::format("\nreport: {}\n", report_path);
  return out;
}

std::uint64_t peak_rss_bytes() {
  struct rusage usage {};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024u;
}

std::string human_bytes(std::uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (value >= 1073741824.0) return fmt::format("{:.1f} GiB", value / 1073741824.0);
  if (value >= 1048576.0) return fmt::format("{:.1f} MiB", value / 1048576.0);
  return fmt::format("{:.1f} KiB", value / 1024.0);
}

}  // namespace strata
