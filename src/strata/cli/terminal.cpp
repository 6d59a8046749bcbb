#include "strata/cli/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "strata/base/resources.h"
#include "strata/base/words.h"
#include "strata/cli/say.h"

namespace strata {
namespace {

constexpr double kPlainInterval = 3.0;      // seconds between progress lines when stderr is a file
constexpr double kTerminalInterval = 0.08;  // and between redraws on a terminal
constexpr int kUsualColumns = 80;           // where the terminal does not say

double seconds(std::chrono::steady_clock::duration d) {
  return std::chrono::duration<double>(d).count();
}

std::string duration_text(double s) {
  if (!(s < 86400.0)) return "--";
  const auto whole = static_cast<int>(std::lround(s));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

// A terminal on which a line can be rewritten and coloured.
bool capable_terminal() {
  const char* term = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && (term == nullptr || std::string_view(term) != "dumb");
}

int terminal_columns() {
  struct winsize size {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsualColumns;
  return size.ws_col;
}

// Phases whose steps are the blocks of the model; the step that is being done is named.
std::string where(const ProgressState& state) {
  constexpr std::array<std::string_view, 2> kOverBlocks{"clean sweep", "joint sweep"};
  const bool blocks = std::find(kOverBlocks.begin(), kOverBlocks.end(), state.phase) != kOverBlocks.end();
  if (!blocks) return fmt::format("{}/{}", state.step, state.steps);
  return fmt::format("block {}/{}", std::min(state.step + 1, state.steps), state.steps);
}

}  // namespace

bool colours_welcome() {
  const char* no_color = std::getenv("NO_COLOR");
  return (no_color == nullptr || *no_color == '\0') && capable_terminal();
}

std::string painted(const std::string& text, const char* colour) {
  return colours_welcome() ? fmt::format("\x1b[{}m{}\x1b[0m", colour, text) : text;
}

std::string three_digits(double value) {
  return std::isnan(value) ? "-" : fmt::format("{:.3g}", value);
}

std::string progress_text(const ProgressState& state, int columns) {
  const bool last = state.step == state.steps;
  std::string line = fmt::format("{}: {}", state.phase, where(state));
  if (state.tokens > 0 && state.seconds > 0.0)
    line += fmt::format(", {:.0f} block tokens/s", static_cast<double>(state.tokens) / state.seconds);
  if (state.step > 0 && !last) {
    line += fmt::format(", {} left", duration_text(state.seconds / state.step * (state.steps - state.step)));
  }
  if (last) line += fmt::format(", {:.1f} s", state.seconds);
  const std::string now = human_bytes(state.rss_bytes);
  const std::string memory = fmt::format(", memory {} (peak {})", now, human_bytes(state.peak_bytes));
  if (columns <= 0) return line + memory;
  constexpr int kCells = 24, kFewest = 6, kFrame = 3;  // frame: brackets and a space
  // The last column stays empty: a cursor there makes some terminals wrap.
  const int room = columns - 1;
  const bool fits = static_cast<int>(line.size() + memory.size()) + kFrame + kFewest <= room;
  line += fits ? memory : ", " + now;
  const int wanted = static_cast<int>(line.size()) + kFrame;
  const int cells = std::clamp(room - wanted, kFewest, kCells);
  const int done = state.steps > 0 ? cells * state.step / state.steps : cells;
  line = fmt::format("[{}{}] {}", std::string(static_cast<std::size_t>(done), '#'),
                     std::string(static_cast<std::size_t>(cells - done), '.'), line);
  return line.substr(0, static_cast<std::size_t>(std::max(1, room)));
}

std::string waiting_text(const ProgressState& state, double seconds) {
  if (state.step == state.steps) return fmt::format("after {}: {}", state.phase, duration_text(seconds));
  return fmt::format("{}: {}, {} in this step", state.phase, where(state), duration_text(seconds));
}

ProgressPrinter::ProgressPrinter(bool quiet, std::chrono::milliseconds longest_silence)
    : quiet_(quiet), terminal_(capable_terminal()), longest_silence_(longest_silence) {
  if (!quiet_) watcher_ = std::thread([this] { watch(); });
}

ProgressPrinter::~ProgressPrinter() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  wake_.notify_all();
  if (watcher_.joinable()) watcher_.join();
}

void ProgressPrinter::watch() {
  std::unique_lock lock(mutex_);
  while (!ended_) {
    const auto next = waiting_ ? last_print_ + longest_silence_ : Clock::now() + longest_silence_;
    wake_.wait_until(lock, next);
    const auto now = Clock::now();
    if (ended_ || !waiting_ || now - last_print_ < longest_silence_) continue;
    last_print_ = now;
    const std::string text = waiting_text(state_, seconds(now - last_event_));
    print(terminal_ ? text.substr(0, static_cast<std::size_t>(std::max(1, terminal_columns() - 1))) : text);
  }
}

void ProgressPrinter::print(const std::string& line) {
  if (terminal_) {
    say_raw("\r\x1b[2K" + line);
    line_open_ = true;
  } else {
    say("{}\n", line);
  }
}

void ProgressPrinter::operator()(const ProgressEvent& event) {
  if (quiet_) return;
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  if (event.phase != state_.phase) {
    close_line();
    state_ = {.phase = event.phase};
    phase_start_ = now;
    last_print_ = {};
  }
  state_.step = event.step;
  state_.steps = event.steps;
  state_.seconds = seconds(now - phase_start_);
  last_event_ = now;
  waiting_ = true;
  const bool last = event.step == event.steps;
  const double interval = terminal_ ? kTerminalInterval : kPlainInterval;
  if (last || last_print_ == Clock::time_point{} || seconds(now - last_print_) > interval) {
    last_print_ = now;
    state_.rss_bytes = rss_bytes();
    state_.peak_bytes = peak_rss_bytes();
    print(progress_text(state_, terminal_ ? terminal_columns() : 0));
  }
  state_.tokens += event.tokens;
  if (last) close_line();
}

void ProgressPrinter::close_line() {
  if (line_open_) say_raw("\n");
  line_open_ = false;
}

void ProgressPrinter::finish() {
  const std::lock_guard lock(mutex_);
  waiting_ = false;
  close_line();
}

void print_notes(const Checkpoint& checkpoint, bool quiet) {
  if (quiet) return;
  for (const std::string& note : checkpoint.notes()) say("note: {}\n", note);
}

std::string text_line(const std::string& name, std::size_t documents, std::size_t windows,
                      std::int64_t tokens, const std::string& bos_policy) {
  return fmt::format("text {}: {}, {}, {}; {}", name, counted(documents, "document"),
                     counted(windows, "window"), counted(static_cast<std::uint64_t>(tokens), "token"),
                     bos_policy);
}

}  // namespace strata
