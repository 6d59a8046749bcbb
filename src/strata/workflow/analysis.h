// One analysis, planned before it is run: what analyze, analyze_into and the command line are made of.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "strata/sweep/plan.h"
#include "strata/workflow/analyze.h"
#include "strata/workflow/manifest.h"
#include "strata/workflow/nulls.h"
#include "strata/workflow/phase_clock.h"
#include "strata/workflow/text.h"

namespace strata {

class Analysis {
 public:
  /// Checks the request and plans memory, bytes and time. Throws as analyze.
  Analysis(Model model, Text text, Request request, const Resources& resources);

  [[nodiscard]] const MeasurePlan& plan() const { return manifest_.plan; }
  [[nodiscard]] const NullPlan& nulls() const { return nulls_; }
  [[nodiscard]] std::uint64_t memory_limit_bytes() const { return manifest_.mem_limit_bytes; }

  /// Runs it, with snapshots in destination->directory where there is one. Once.
  [[nodiscard]] Run run(const Destination* destination, const Progress& progress,
                        const Answers& answers = {});

 private:
  [[nodiscard]] MeasureInput input() const;
  [[nodiscard]] MeasureOptions options(const Resources& resources) const;
  // Where a run keeps what it does, and who hears of it.
  struct Place {
    std::filesystem::path directory, snapshots;
    std::string key;
    const Progress& progress;
    std::function<void(const char* part, const Run& run, const std::vector<std::string>& sentences)> answer;
  };
  void measure_all(const Place& place, Run& run);
  void card(Run& run) const;

  Model model_;
  Text text_;
  Request request_;
  MeasureOptions measure_;
  ManifestInput manifest_;
  NullPlan nulls_;
  PhaseClock clock_{"open and plan"};
};

}  // namespace strata
