// A measurement that is killed, stopped or runs out of disk at any step, and taken up again: the same bits,
// or one clear line.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <stdexcept>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/checkpoint/family.h"
#include "strata/record/run_directory.h"
#include "strata/sweep/measure.h"
#include "strata/sweep/plan.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"
#include "tests/sweep/random_corpus.h"

namespace strata {
namespace {

struct Killed : std::runtime_error {
  Killed() : std::runtime_error("killed") {}
};

// results.json holds every number to the bit but the replicates of CKA and the covariance spectra.
std::string bits(const Trace& trace) {
  std::string all = results_json({.trace = trace, .findings = {}});
  for (const CkaRecord& cka : trace.cka) {
    for (const Matrix& m : cka.replicates) {
      all.append(reinterpret_cast<const char*>(m.data.data()), m.data.size() * sizeof(double));
    }
  }
  for (const SpectrumRecord& spectrum : trace.spectra) {
    for (const Matrix* m : {&spectrum.value, &spectrum.multiplicity}) {
      all.append(reinterpret_cast<const char*>(m->data.data()), m->data.size() * sizeof(double));
    }
  }
  return all;
}

class Resume : public testing::Test {
 protected:
  Resume() {
    test::write_checkpoint(model(), {.family = "qwen2", .tied = true});
    std::filesystem::create_directories(saved());
    options_.snapshot_directory = saved();
    options_.snapshot_key = "this run";
    options_.snapshot_share = 1.0;
    options_.lane_bytes = 20 * lane_ * sizeof(float);  // three passes
    plain_ = options_;
    plain_.snapshot_directory.clear();
  }

  [[nodiscard]] std::filesystem::path model() const { return directory_.path() / "model"; }
  [[nodiscard]] std::filesystem::path saved() const { return directory_.path() / "saved"; }

  // A process of its own would open the checkpoint again, too.
  Trace run(const MeasureOptions& options, const Progress& progress = {}) {
    const Checkpoint checkpoint = Checkpoint::open(model());
    return measure({.checkpoint = checkpoint, .corpus = corpus_}, options, progress);
  }

  // Runs until step `stop` and ends there in one way or the other.
  void stopped_at(std::size_t stop, bool kill) {
    std::size_t seen = 0;
    const auto progress = [&](const ProgressEvent&) {
      if (seen++ < stop) return true;
      if (kill) throw Killed();
      return false;
    };
    if (kill) {
      EXPECT_THROW((void)run(options_, progress), Killed);
    } else {
      EXPECT_STRATA_ERROR(run(options_, progress), ErrorKind::interrupted, "interrupted");
    }
  }

  // Killed every few steps until it comes to its end. A pass of lanes is saved whole: more steps than it has.
  Trace killed_and_taken_up(std::size_t steps) {
    for (std::size_t lives = 0; lives < 100; ++lives) {
      std::size_t seen = 0;
      try {
        Trace trace = run(options_, [&](const ProgressEvent&) {
          if (seen++ > steps) throw Killed();
          return true;
        });
        EXPECT_GT(lives, 3u);
        return trace;
      } catch (const Killed&) {
      }
    }
    ADD_FAILURE() << "100 lives";
    return {};
  }

  std::vector<ProgressEvent> events() {
    std::vector<ProgressEvent> all;
    (void)run(plain_, [&](const ProgressEvent& event) {
      all.push_back(event);
      return true;
    });
    return all;
  }

  static constexpr std::uint64_t lane_ = 4 * 64 * 16;  // floats of a lane: windows, tokens, width
  test::TemporaryDirectory directory_;
  Corpus corpus_ = test::random_corpus({});
  MeasureOptions options_{
      .threads = 2, .positions = 512, .lens_positions = 8, .lane_tokens = 256, .replicates = 20};
  MeasureOptions plain_;
};

TEST_F(Resume, EndsWithTheSameBitsWhereverItWasKilledOrStopped) {
  const std::string expected = bits(run(plain_));
  const auto all = events();
  ASSERT_GT(all.size(), 15u);
  for (const bool kill : {true, false}) {
    for (std::size_t stop = 0; stop < all.size(); ++stop) {
      SCOPED_TRACE(all[stop].phase + " " + std::to_string(all[stop].step) + (kill ? " killed" : " stopped"));
      stopped_at(stop, kill);
      std::size_t steps = 0;
      MeasureOptions other = options_;  // taken up with other threads and less memory
      other.threads = 1;
      other.memory = {.spill_samples = true, .spill_states = true, .prefetch = false, .gather = true};
      other.backward_bytes = 0;
      const Trace trace = run(other, [&](const ProgressEvent&) { return ++steps > 0; });
      EXPECT_TRUE(bits(trace) == expected);
      EXPECT_LE(steps, all.size() - std::min(stop, all.size() / 2) + 4);  // it does not begin again
      EXPECT_TRUE(bits(run(options_)) == expected);                       // a finished record is only read
      std::filesystem::remove_all(saved());
      std::filesystem::create_directories(saved());
    }
  }
}

// However short the run, the clean sweep is on the disk when the signals begin, and until they are done:
// stopped or killed in them, a run reads no block again. A stopped one goes on with the signal it had come
// to.
TEST_F(Resume, OnlyTheSignalsAreRepeatedAfterAStopInThem) {
  options_.clean_only = plain_.clean_only = true;
  options_.snapshot_share = MeasureOptions{}.snapshot_share;  // nothing is due within a run of a second
  const std::string expected = bits(run(plain_));
  const auto all = events();
  std::size_t tried = 0;
  for (std::size_t stop = 0; stop < all.size(); ++stop) {
    if (all[stop].phase != "signals") continue;
    for (const bool kill : {true, false}) {
      SCOPED_TRACE("signals " + std::to_string(all[stop].step) + (kill ? " killed" : " stopped"));
      const bool last = all[stop].step == all[stop].steps;
      stopped_at(stop, kill);
      EXPECT_TRUE(std::filesystem::exists(saved() / (last ? "clean.snapshot" : "sweep.snapshot")));
      const Checkpoint checkpoint = Checkpoint::open(model());
      std::size_t swept = 0, signals = 0;
      const Trace trace =
          measure({.checkpoint = checkpoint, .corpus = corpus_}, options_, [&](const ProgressEvent& event) {
            swept += event.phase == "clean sweep" && event.step < event.steps ? 1 : 0;
            signals += event.phase == "signals" ? 1 : 0;
            return true;
          });
      EXPECT_EQ(swept, 0u);
      const int again = last ? 0 : all[stop].steps + 1 - (kill ? 0 : all[stop].step);
      EXPECT_EQ(signals, static_cast<std::size_t>(again));
      const auto bytes = checkpoint.bytes_read_by_tensor();
      for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (!checkpoint.tensors()[i].per_block) continue;
        EXPECT_EQ(bytes[i], 0u) << checkpoint.tensors()[i].name;
      }
      EXPECT_TRUE(bits(trace) == expected);
      for (const char* gone : {"sweep.snapshot", "signals.snapshot", "clean.snapshot"})
        EXPECT_FALSE(std::filesystem::exists(saved() / gone)) << gone;
      std::filesystem::remove_all(saved());
      std::filesystem::create_directories(saved());
      ++tried;
    }
  }
  EXPECT_GE(tried, 20u);
}

TEST_F(Resume, SurvivesBeingKilledAgainAndAgain) {
  const std::string expected = bits(run(plain_));
  EXPECT_TRUE(bits(killed_and_taken_up(8)) == expected);
}

TEST_F(Resume, SurvivesItWithTheBlocksOfEveryFamily) {
  for (const Family& family : families()) {
    SCOPED_TRACE(family.id);
    std::filesystem::remove_all(model());
    test::write_checkpoint(model(), {.family = std::string(family.id), .layers = 5, .head_dim = 8});
    const std::string expected = bits(run(plain_));
    EXPECT_TRUE(bits(killed_and_taken_up(10)) == expected);
    std::filesystem::remove_all(saved());
    std::filesystem::create_directories(saved());
  }
}

TEST_F(Resume, ADamagedSnapshotIsOneLineAndNoNumber) {
  stopped_at(2, false);
  const auto file = saved() / "sweep.snapshot";
  const std::string good = read_file(file);
  const auto expect = [&](const std::string& content, const std::string& message) {
    test::write_text(file, content);
    EXPECT_STRATA_ERROR(run(options_), ErrorKind::bad_file, file.string() + ": " + message);
  };
  expect(good.substr(0, good.size() / 2), "damaged");
  expect(good.substr(0, 20), "truncated");
  expect("", "truncated");
  expect(good + "x", "damaged");
  std::string other = good;
  other[0] = 'x';
  expect(other, "not a snapshot");
  for (std::size_t at = 20; at < good.size(); at += good.size() / 7) {
    other = good;
    other[at] = static_cast<char>(other[at] ^ 1);
    expect(other, "damaged");
  }
  test::write_text(file, good);
  options_.snapshot_key = "another run";
  EXPECT_STRATA_ERROR(run(options_), ErrorKind::bad_file, "saved by another run");
}

TEST_F(Resume, NoticesOtherWeights) {
  stopped_at(events().size() - 2, false);  // in the backward sweep
  test::write_checkpoint(model(), {.family = "qwen2", .tied = true, .seed = 2});
  EXPECT_STRATA_ERROR(run(options_), ErrorKind::bad_file, "other weights than when the run began");
}

TEST_F(Resume, AFullDiskIsOneLineAndKeepsWhatWasSaved) {
  const std::string expected = bits(run(plain_));
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  stopped_at(1, false);
  const std::string before = read_file(saved() / "sweep.snapshot");
  rlimit tight = old;
  tight.rlim_cur = 4096;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  EXPECT_STRATA_ERROR(run(options_), ErrorKind::run_failed, "cannot write: File too large");
  MeasureOptions spilled = options_;
  spilled.snapshot_directory.clear();
  spilled.memory.spill_states = true;
  spilled.spill_directory = directory_.path();
  EXPECT_STRATA_ERROR(run(spilled), ErrorKind::run_failed, "cannot write temporary data");
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  EXPECT_TRUE(read_file(saved() / "sweep.snapshot") == before);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(saved()), {}), 1);  // no half file
  EXPECT_TRUE(bits(run(options_)) == expected);
}

// What the memory plan gives up changes no number, and the loader reads every byte of the weights once a
// sweep.
TEST_F(Resume, LessMemoryChangesNothingAndReadsEveryByteOnce) {
  const std::string expected = bits(run(plain_));
  for (const MemoryChoice& choice : {MemoryChoice{.spill_samples = true}, MemoryChoice{.spill_states = true},
                                     MemoryChoice{.prefetch = false}, MemoryChoice{.gather = true},
                                     MemoryChoice{.finish_bytes = 1}, MemoryChoice{.repair_bytes = 0}}) {
    MeasureOptions options = plain_;
    options.memory = choice;
    options.spill_directory = directory_.path();
    EXPECT_TRUE(bits(run(options)) == expected);
  }
  for (const bool tight : {false, true}) {
    for (const bool clean_only : {false, true}) {
      const Checkpoint checkpoint = Checkpoint::open(model());
      MeasureOptions options = plain_;
      options.clean_only = clean_only;
      options.lane_bytes = 1 << 30;
      options.memory = {.spill_samples = tight, .spill_states = tight, .prefetch = !tight};
      (void)measure({.checkpoint = checkpoint, .corpus = corpus_}, options, {});
      const auto bytes = checkpoint.bytes_read_by_tensor();
      for (std::size_t i = 0; i < bytes.size(); ++i) {
        const TensorInfo& tensor = checkpoint.tensors()[i];
        // Clean sweep, lanes, up and down; the ends stay in memory.
        const std::uint64_t sweeps = tensor.per_block && !clean_only ? 4 : 1;
        EXPECT_EQ(bytes[i], sweeps * tensor.size_bytes) << tensor.name;
      }
    }
  }
}

}  // namespace
}  // namespace strata
