// Progress and the summary: as plain text, and on a pseudo-terminal.
#include "strata/cli/terminal.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <thread>

#include "strata/cli/study_text.h"
#include "tests/support/synthetic_run.h"
#include "tests/support/synthetic_study.h"

namespace strata {
namespace {

ProgressState state() {
  return {.phase = "clean sweep",
          .step = 3,
          .steps = 12,
          .tokens = 30'000,
          .seconds = 2.0,
          .rss_bytes = 200u << 20,
          .peak_bytes = 3u << 30};
}

TEST(Progress, SaysBlockSpeedTimeLeftAndMemory) {
  EXPECT_EQ(progress_text(state(), 0),
            "clean sweep: block 4/12, 15000 block tokens/s, 6 s left, memory 200.0 MiB (peak 3.0 GiB)");
  ProgressState done = state();
  done.step = 12;
  EXPECT_EQ(progress_text(done, 0),
            "clean sweep: block 12/12, 15000 block tokens/s, 2.0 s, memory 200.0 MiB (peak 3.0 GiB)");
  ProgressState long_one = state();
  long_one.phase = "lanes";
  long_one.seconds = 4000.0;
  EXPECT_NE(progress_text(long_one, 0).find("lanes: 3/12, 8 block tokens/s, 3:20:00 left"),
            std::string::npos);
}

// Where no step comes, it says so; and stops when it is told.
TEST(Progress, IsNeverSilentForLong) {
  using std::chrono::milliseconds;
  testing::internal::CaptureStderr();
  {
    ProgressPrinter printer(false, milliseconds(30));
    std::this_thread::sleep_for(milliseconds(100));  // nothing has begun
    printer({"signals", 8, 14, 0});
    std::this_thread::sleep_for(milliseconds(600));
    printer({"signals", 14, 14, 0});
    std::this_thread::sleep_for(milliseconds(600));
    printer.finish();
    std::this_thread::sleep_for(milliseconds(100));
  }
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(said.find("signals: 8/14"), 0u) << said;
  const auto times = [&](const std::string& what) {
    int count = 0;
    for (std::size_t at = said.find(what); at != std::string::npos; at = said.find(what, at + 1)) ++count;
    return count;
  };
  EXPECT_GE(times("signals: 8/14, 0 s in this step"), 2) << said;
  EXPECT_GE(times("after signals: 0 s"), 2) << said;
  testing::internal::CaptureStderr();
  {
    ProgressPrinter printer(true, milliseconds(10));
    printer({"signals", 8, 14, 0});
    std::this_thread::sleep_for(milliseconds(50));
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Progress, TheBarIsNeverWiderThanTheTerminal) {
  EXPECT_EQ(progress_text(state(), 200).substr(0, 27), "[######..................] ");
  for (const int columns : {1, 2, 20, 80, 120}) {
    EXPECT_LE(progress_text(state(), columns).size(), static_cast<std::size_t>(std::max(1, columns - 1)));
  }
  // The usual 80 columns hold everything but the peak.
  EXPECT_EQ(progress_text(state(), 80),
            "[##........] clean sweep: block 4/12, 15000 block tokens/s, 6 s left, 200.0 MiB");
  ProgressState nothing{.phase = "boundaries"};
  EXPECT_NE(progress_text(nothing, 100).find("boundaries: 0/0"), std::string::npos);
}

// What `body` writes to stderr when that is a terminal of 60 columns.
template <class Body>
std::string on_a_terminal(const Body& body) {
  int master = -1, slave = -1;
  struct winsize size {};
  size.ws_col = 60;
  size.ws_row = 24;
  if (openpty(&master, &slave, nullptr, nullptr, &size) != 0) throw std::runtime_error("no pseudo-terminal");
  std::fflush(stderr);
  const int saved = dup(STDERR_FILENO);
  dup2(slave, STDERR_FILENO);
  body();
  std::fflush(stderr);
  dup2(saved, STDERR_FILENO);
  close(saved);
  // What was written comes through in its own time; the end is marked, so that nothing is waited for in vain.
  constexpr std::string_view kEnd = "<end>";
  if (write(slave, kEnd.data(), kEnd.size()) < 0) throw std::runtime_error("cannot write to the terminal");
  std::string out;
  char piece[512];
  while (!out.ends_with(kEnd)) {
    const ssize_t n = read(master, piece, sizeof piece);
    if (n <= 0) throw std::runtime_error("the terminal went away");
    out.append(piece, static_cast<std::size_t>(n));
  }
  close(slave);
  close(master);
  out.resize(out.size() - kEnd.size());
  return out;
}

TEST(Progress, OneLineInPlaceOnATerminal) {
  setenv("TERM", "xterm", 1);
  const auto print = [] {
    ProgressPrinter printer(false);
    printer({"clean sweep", 0, 2, 100});
    printer({"clean sweep", 2, 2, 100});
  };
  const std::string text = on_a_terminal(print);
  EXPECT_NE(text.find("\r\x1b[2K["), std::string::npos);
  EXPECT_NE(text.find("block 2/2"), std::string::npos);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  setenv("TERM", "dumb", 1);
  EXPECT_EQ(on_a_terminal(print).find('\x1b'), std::string::npos);
  EXPECT_EQ(on_a_terminal([] { ProgressPrinter(true)({"clean sweep", 0, 2, 100}); }), "");
}

TEST(Summary, ColoursOnlyOnATerminalAndNotWithNoColor) {
  const strata::Run run = test::synthetic_run(12);
  setenv("TERM", "xterm", 1);
  unsetenv("NO_COLOR");
  std::string text;
  (void)on_a_terminal([&] { text = summary_text(run, "r.html"); });
  EXPECT_NE(text.find("\x1b[34mLL\x1b[0m|"), std::string::npos);
  setenv("NO_COLOR", "1", 1);
  (void)on_a_terminal([&] { text = summary_text(run, "r.html"); });
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  unsetenv("NO_COLOR");
}

TEST(StudyText, NamesMootVerdictsAndSetsForcedSplitsApart) {
  Study study = test::synthetic_study();
  const std::string text = study_text(study);
  EXPECT_NE(text.find("  T3   moot       prediction 3\n"), std::string::npos) << text;
  EXPECT_NE(text.find("claimed <= 0.1 or >= 10"), std::string::npos) << text;
  const std::size_t forced =
      text.find("Forced splits (b1 b2). They exist in any model; no verdict rests on them.");
  ASSERT_NE(forced, std::string::npos) << text;
  // In the table of models a run without selected boundaries has none; its forced split stands below.
  EXPECT_NE(text.find("llama-4"), std::string::npos);
  EXPECT_LT(text.find("smooth         -  "), forced) << text;
  EXPECT_NE(text.find("llama-4                      tales          0.25 0.75", forced), std::string::npos)
      << text;
  for (StudyMember& m : study.members) m.forced = false;
  EXPECT_EQ(study_text(study).find("Forced splits"), std::string::npos);
}

TEST(Summary, BarTableAndWrappedWords) {
  strata::Run run = test::synthetic_run(12);
  run.findings.sentences = {"A sentence of many words that is so long that it " + std::string(60, 'x') +
                            " has to go on in a second line of the summary."};
  setenv("NO_COLOR", "1", 1);
  std::string text = summary_text(run, "runs/x/report.html");
  EXPECT_NE(text.find("  blocks  LL|IIIIII|GG\n          1  3      9\n"), std::string::npos) << text;
  EXPECT_NE(text.find("  kappa   8"), std::string::npos) << text;
  EXPECT_NE(text.find("[3, 9)"), std::string::npos);
  EXPECT_NE(text.find("report: runs/x/report.html"), std::string::npos);
  EXPECT_EQ(text.find("forced"), std::string::npos);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
  run.findings.segments_forced = true;
  EXPECT_NE(summary_text(run, "").find("forced: the tests did not select"), std::string::npos);
  text = summary_text(test::undefined_run(12), "");
  EXPECT_EQ(text.find("blocks  "), std::string::npos);
  EXPECT_EQ(text.find("nan"), std::string::npos);
  unsetenv("NO_COLOR");
}

}  // namespace
}  // namespace strata
