// analyze as a call: progress that stops it, fields in errors, nothing written but where it is asked for.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "strata/base/error.h"
#include "strata/signals/token_signal.h"
#include "strata/workflow/analyze.h"
#include "strata/workflow/catalogue.h"
#include "strata/workflow/states.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

class Workflow : public testing::Test {
 protected:
  Workflow()
      : model_(Model::open(test::repo_path("models/llama-nano"))),
        text_(load_text(model_, {.path = test::repo_path("texts/tales"), .context = 64, .limit = 4})) {
    request_.clean_only = true;
    request_.signals = {"residual_rms", "angular_step"};
    request_.null_models = "0";
    request_.shuffled_text = "none";
    request_.surrogates = 19;
    request_.replicates = 20;
  }

  test::TemporaryDirectory directory_;
  Model model_;
  Text text_;
  Request request_;
  Resources resources_{.threads = 1};
};

TEST_F(Workflow, TheSameBytesInMemoryAndInADirectoryOnAnyThreads) {
  const std::string in_memory = results_json(analyze(model_, text_, request_, resources_));
  const fs::path output = directory_.path() / "run";
  resources_.threads = 2;
  resources_.batch = 1;
  const strata::Run kept = analyze_into({.directory = output}, model_, text_, request_, resources_);
  EXPECT_EQ(results_json(kept), in_memory);
  EXPECT_EQ(results_json(read_run(output)), in_memory);
  EXPECT_TRUE(fs::exists(output / "report.html"));
  EXPECT_FALSE(fs::exists(output / "partial"));
}

TEST_F(Workflow, ProgressStopsAndResumeGoesOn) {
  const fs::path output = directory_.path() / "run";
  std::set<std::string> phases;
  const auto stop_within = [&](const ProgressEvent& event) {
    phases.insert(event.phase);
    return event.phase != "boundaries";
  };
  EXPECT_STRATA_ERROR(analyze_into({.directory = output}, model_, text_, request_, resources_, stop_within),
                      ErrorKind::interrupted, "saved in");
  EXPECT_TRUE(phases.contains("clean sweep"));
  EXPECT_FALSE(fs::exists(output / "results.json"));
  phases.clear();
  const strata::Run resumed = analyze_into({.directory = output, .resume = true}, model_, text_, request_,
                                           resources_, [&](const ProgressEvent& event) {
                                             phases.insert(event.phase);
                                             return true;
                                           });
  EXPECT_FALSE(phases.contains("clean sweep"));  // it was saved
  EXPECT_EQ(results_json(resumed), results_json(analyze(model_, text_, request_, resources_)));
}

TEST_F(Workflow, ErrorsNameTheField) {
  const auto option_of = [&](const Request& request, const Resources& resources) -> std::string {
    try {
      (void)analyze(model_, text_, request, resources);
    } catch (const Error& error) {
      return error.problem().option;
    }
    return "no error";
  };
  Request bad = request_;
  bad.signals = {"no_such_signal"};
  EXPECT_EQ(option_of(bad, resources_), "signals");
  bad = request_;
  bad.interventions = {"no_such"};
  EXPECT_EQ(option_of(bad, resources_), "interventions");
  bad = request_;
  bad.null_models = "many";
  EXPECT_EQ(option_of(bad, resources_), "null_models");
  bad = request_;
  bad.shuffled_text = "-1";
  EXPECT_EQ(option_of(bad, resources_), "shuffled_text");
  EXPECT_EQ(option_of(request_, {.threads = 1, .memory_bytes = 1 << 20}), "mem_limit");
  EXPECT_STRATA_ERROR(load_text(model_, {.path = test::repo_path("texts/tales"), .context = 1}),
                      ErrorKind::usage, "context: 1; expected at least 2 tokens");
}

TEST_F(Workflow, ADirectoryOfSomeoneElseIsLeftAlone) {
  const fs::path output = directory_.path() / "thesis";
  fs::create_directories(output);
  test::write_text(output / "chapter.txt", "all of it");
  EXPECT_STRATA_ERROR(analyze_into({.directory = output}, model_, text_, request_, resources_),
                      ErrorKind::usage, "not a strata run directory");
  EXPECT_EQ(std::distance(fs::directory_iterator(output), fs::directory_iterator()), 1);
}

TEST_F(Workflow, ASignalFromOutsideIsMeasuredAndListed) {
  add_token_signal({.id = "first_coordinate",
                    .value = [](std::span<const float> h, std::span<const float>) { return h[0]; }});
  add_token_signal(
      {.id = "block_moves_first",
       .of_blocks = true,
       .value = [](std::span<const float> h, std::span<const float> out) { return out[0] - h[0]; }});
  EXPECT_STRATA_ERROR(add_token_signal({.id = "cka_shift", .value = [](auto, auto) { return 0.0; }}),
                      ErrorKind::usage, "there already");
  EXPECT_STRATA_ERROR(add_token_signal({.id = "Bad Id", .value = [](auto, auto) { return 0.0; }}),
                      ErrorKind::usage, "lower case");
  const auto listed = list_signals();
  EXPECT_EQ(
      std::count_if(listed.begin(), listed.end(), [](const Entry& e) { return e.id == "first_coordinate"; }),
      1);
  request_.signals = {"first_coordinate", "block_moves_first"};
  const strata::Run run = analyze(model_, text_, request_, resources_);
  // Against the states themselves: the mean over all tokens of each document.
  std::vector<std::vector<double>> sum(2, std::vector<double>(text_.windows(), 0.0));
  const auto width = static_cast<std::size_t>(model_.hidden());
  for_each_state(
      model_, text_, {3, 4},
      [&](int state, std::size_t window, std::span<const float> h) {
        for (std::size_t at = 0; at < h.size(); at += width)
          sum[static_cast<std::size_t>(state - 3)][window] += h[at];
      },
      resources_);
  double total[2] = {0.0, 0.0}, measured[2] = {0.0, 0.0}, tokens = 0.0;
  for (std::size_t window = 0; window < text_.windows(); ++window) {
    for (int i = 0; i < 2; ++i) total[i] += sum[static_cast<std::size_t>(i)][window];
  }
  for (const Series& series : run.trace.series) {
    if (series.tokens != TokenSet::all) continue;
    const auto mean = weighted_mean(series.by_doc, series.weight);
    if (series.id == "first_coordinate") measured[0] = mean.at(3);
    if (series.id == "block_moves_first") measured[1] = mean.at(3);
  }
  tokens = static_cast<double>(text_.tokens());
  EXPECT_NEAR(measured[0], total[0] / tokens, 1e-6 * std::abs(total[0] / tokens));
  EXPECT_NEAR(measured[1], (total[1] - total[0]) / tokens, 1e-5 * std::abs(total[1] / tokens));
  EXPECT_STRATA_ERROR(for_each_state(model_, text_, {13}, [](int, std::size_t, std::span<const float>) {}),
                      ErrorKind::usage, "state 13; expected 0 to 12");
}

TEST_F(Workflow, BackendsAreListed) {
  const auto backends = list_backends();
  ASSERT_FALSE(backends.empty());
  EXPECT_EQ(backends[0].name, "cpu");
  EXPECT_TRUE(backends[0].why_not.empty());
}

}  // namespace
}  // namespace strata
