#include "strata/workflow/effort.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "strata/base/error.h"
#include "strata/sweep/cost.h"
#include "strata/sweep/selection.h"

namespace strata {
namespace {

// Budgets of a standard run in forward passes over the text. With the clean sweep (1), its signals and the
// nulls (below 2 together) the run stays below 8.
constexpr double kBackward = 1.5;  // kappa of every state
constexpr double kPlaces = 1.3;    // every block skipped and rounded on a few documents ...
constexpr double kFurther = 1.3;   // ... and on further ones where their order is open
constexpr double kCheck = 0.4;     // noise lanes at a few states, which check kappa
constexpr double kSegments = 0.4;  // joint noise over segments
constexpr double kQuickBackward = 1.0;
constexpr double kLens =
    0.15;  // the logit lens at every state, of any effort: boundaries do not depend on it
constexpr std::int64_t kMostLensPositions = 64, kFewestLensPositions = 16;

constexpr int kManyDraws = 4, kFewDraws = 2;  // of the labels
constexpr int kFewestDocuments = 4;           // below that an interval says nothing
constexpr int kCheckedStates = 3;             // at the quarters of the depth
constexpr double kFourBits = 1.0 / 7;  // weight_rounding's strength: step over the group's largest weight

// The states between the quarters of the depth.
std::vector<int> checked_states(int blocks) {
  std::vector<int> states;
  for (int i = 1; i <= kCheckedStates; ++i) {
    const int state = blocks * i / (kCheckedStates + 1);
    if (states.empty() || state > states.back()) states.push_back(state);
  }
  return states;
}

class Budget {
 public:
  Budget(const MeasureInput& input, const MeasureOptions& options)
      : context_(make_context(input.checkpoint.config(), input.corpus)) {
    context_.seed = options.seed;
    sample_ = lane_sample(context_, options.lane_tokens);
    pass_ = forward_flops(context_, context_.token_count());
    documents_ = static_cast<int>(document_order(context_, sample_).size());
  }
  [[nodiscard]] int blocks() const { return context_.config.n_layers; }
  [[nodiscard]] double flops(double passes) const { return passes * pass_; }

  // Documents of the sample whose tokens, at so many passes a token of the whole text, fit into `passes`; at
  // least the fewest. 0 = all.
  [[nodiscard]] int documents(double passes, double flops_per_token) const {
    int fit = 0;
    while (fit < documents_ &&
           static_cast<double>(tokens_of(documents_of(context_, sample_, 0, fit + 1))) * flops_per_token <=
               flops(passes))
      ++fit;
    fit = std::max(fit, kFewestDocuments);
    return fit >= documents_ ? 0 : fit;
  }
  // Of each document.
  [[nodiscard]] std::int64_t lens_positions(double passes) const {
    const double each = static_cast<double>(context_.corpus.documents.size()) *
                        (context_.config.n_layers + 1) * head_flops(context_.config);
    const double fit = each > 0.0 ? std::floor(flops(passes) / each) : kMostLensPositions;
    return std::clamp(static_cast<std::int64_t>(std::min(fit, 1e6)), kFewestLensPositions,
                      kMostLensPositions);
  }
  [[nodiscard]] double backward_token(int draws) const { return backward_flops(context_, 1, draws); }
  // Of lanes that fork at each of these places, `each` at a place.
  [[nodiscard]] double lanes_token(const std::vector<int>& forks, double each) const {
    double sum = 0.0;
    for (const int fork : forks) sum += each * lane_token_flops(context_, fork);
    return sum;
  }

 private:
  SweepContext context_;
  std::vector<LaneWindow> sample_;
  double pass_ = 0.0;
  int documents_ = 0;
};

std::vector<int> every_block(const MeasureOptions& options, int blocks) {
  if (!options.layers.empty()) return options.layers;
  std::vector<int> all;
  for (int block = 0; block < blocks; ++block) all.push_back(block);
  return all;
}

// Draws, and documents for them: all four where they fit, else two.
void sweep_back(const Request& request, const Budget& budget, double passes, MeasureOptions& options) {
  if (request.label_samples == 0 && budget.documents(passes, budget.backward_token(kManyDraws)) != 0)
    options.label_samples = kFewDraws;
  options.backward_documents = budget.documents(passes, budget.backward_token(options.label_samples));
}

void spread_lanes(const Budget& budget, MeasureOptions& options) {
  const std::vector<int> blocks = every_block(options, budget.blocks());
  const int documents = budget.documents(kPlaces, budget.lanes_token(blocks, 2.0));
  const std::vector<int> states =
      options.layers.empty() ? checked_states(budget.blocks()) : std::vector<int>{};
  constexpr double kNoises = 12.0;  // strengths and signs of relative_noise
  const int check =
      budget.documents(kCheck, budget.lanes_token(states.empty() ? options.layers : states, kNoises));
  constexpr double kJoint = 12.0;
  const int joint = budget.documents(
      kSegments, budget.lanes_token({0, budget.blocks() / 3, 2 * budget.blocks() / 3}, kJoint));
  options.shares = {
      {.intervention = "relative_noise", .places = states, .documents = check},
      {.intervention = "joint_noise", .documents = joint},
      {.intervention = "block_skip", .documents = documents, .more = budget.flops(kFurther / 2.0)},
      {.intervention = "weight_rounding",
       .strengths = {kFourBits},
       .documents = documents,
       .more = budget.flops(kFurther / 2.0)}};
}

}  // namespace

void apply_effort(const Request& request, const MeasureInput& input, MeasureOptions& options) {
  const bool chosen = !request.interventions.empty();
  const Budget budget(input, options);
  options.lens_positions = request.lens_positions > 0 ? request.lens_positions : budget.lens_positions(kLens);
  options.label_samples = request.label_samples > 0 ? request.label_samples : kManyDraws;
  options.interventions = request.interventions;
  if (!chosen) options.interventions = {"relative_noise", "joint_noise", "block_skip", "weight_rounding"};
  switch (request.effort) {
    case Effort::quick:
      if (!chosen) options.interventions = {"none"};
      sweep_back(request, budget, kQuickBackward, options);
      break;
    case Effort::standard:
      sweep_back(request, budget, kBackward, options);
      if (!chosen) spread_lanes(budget, options);
      break;
    case Effort::thorough:
      if (!chosen) options.shares = {{.intervention = "weight_rounding", .strengths = {kFourBits}}};
      break;
  }
}

NullChoice nulls_of(const Request& request) {
  NullChoice choice{.null_models = request.null_models, .shuffled_text = request.shuffled_text};
  if (choice.shuffled_text.empty()) choice.shuffled_text = request.effort == Effort::quick ? "none" : "auto";
  if (choice.null_models.empty() && request.effort != Effort::standard)
    choice.null_models = request.effort == Effort::quick ? "0" : "auto";
  choice.sampled = request.effort != Effort::thorough && request.null_models.empty();
  return choice;
}

const char* to_string(Effort effort) {
  switch (effort) {
    case Effort::quick:
      return "quick";
    case Effort::standard:
      return "standard";
    case Effort::thorough:
      return "thorough";
  }
  return "";
}

Effort effort_named(std::string_view name) {
  for (const Effort effort : {Effort::quick, Effort::standard, Effort::thorough}) {
    if (name == to_string(effort)) return effort;
  }
  throw Error(
      ErrorKind::usage,
      {.option = "effort", .found = fmt::format("'{}'", name), .expected = "quick, standard or thorough"});
}

}  // namespace strata
