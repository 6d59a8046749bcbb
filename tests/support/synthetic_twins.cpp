#include "tests/support/synthetic_twins.h"

#include <fmt/format.h>

#include <limits>

namespace strata::test {
namespace {

constexpr int kLayers = 8;

Estimate around(double mean) {
  return {.mean = mean, .standard_error = 0.1 * mean, .interval_90 = {0.8 * mean, 1.2 * mean}};
}

PartDamage damage(Part part, int block, double kl, int rank) {
  return {.part = part,
          .block = block,
          .kl_nats = around(kl),
          .delta_nll_nats = around(0.5 * kl),
          .share = kl > 0.0 ? kl / 0.2 : kUndefinedValue,
          .rank = rank};
}

ModelCard card(const std::string& name) {
  ModelCard model;
  model.name = name;
  model.family = "llama";
  model.architecture = "LlamaForCausalLM";
  model.n_layers = kLayers;
  model.hidden = 64;
  return model;
}

}  // namespace

DivergenceRecord synthetic_twins(bool identical) {
  const double size = identical ? 0.0 : 1.0;
  DivergenceRecord record;
  record.run = {.tool_version = "0.1.0", .seed = 18446744073709551615u, .corpus_name = "tales <b>"};
  record.original = card("invented");
  record.other = card("invented-rounded");
  for (int d = 0; d < 3; ++d) {
    record.documents.push_back({.name = fmt::format("document {}", d),
                                .tokens = 100,
                                .ordinary = 99,
                                .scored = 99,
                                .windows = 1,
                                .nll_original_nats = 3.0,
                                .nll_other_nats = 3.0 + 0.1 * size,
                                .kl_nats = 0.1 * size,
                                .same_top = 1.0 - 0.1 * size,
                                .lane_scored = 50});
  }
  DivergenceFindings& f = record.findings;
  f.identical = identical;
  f.threshold = 0.01;
  f.begins_at_state = identical ? -1 : 4;
  f.first_difference = identical ? -1 : 4;
  f.kl_nats = around(0.1 * size);
  f.delta_nll_nats = around(0.1 * size);
  f.same_top = around(identical ? 1.0 : 0.9);
  f.perplexity_original = 20.0;
  f.perplexity_other = identical ? 20.0 : 22.2;
  for (int state = 0; state <= kLayers; ++state) {
    const double x = state < 4 ? 0.0 : size * 0.02 * state;
    f.relative_difference.push_back(around(x));
    f.relative_difference_all.push_back(around(1.1 * x));
    f.cosine_distance.push_back(around(0.1 * x));
    f.cosine_distance_all.push_back(around(0.1 * x));
    record.differing_tokens.push_back(x > 0.0 ? 300 : 0);
  }
  f.parts.push_back(damage(Part::embedding, -1, 0.0, 3));
  for (int block = 0; block < kLayers; ++block) {
    f.local_error.push_back(around(block == 3 ? 0.2 * size : 0.01 * size));
    f.local_error_all.push_back(around(0.01 * size));
    f.parts.push_back(damage(Part::block, block, block == 3 ? 0.15 * size : 0.005 * size,
                             block == 3  ? 1
                             : block < 3 ? block + 4
                                         : block + 3));
  }
  f.parts.push_back(damage(Part::head, -1, 0.02 * size, 2));
  f.lane_kl_nats = around(0.19 * size);
  f.sum_of_parts_nats = 0.2 * size;
  f.additivity = identical ? Estimate{kUndefinedValue, kUndefinedValue, {kUndefinedValue, kUndefinedValue}}
                           : around(1.05);
  f.sentences = {identical ? "The two models are identical on this text."
                           : "Damage begins at state 4 <invented>."};
  record.series = {{.id = "relative_difference",
                    .unit = "1",
                    .axis = Axis::state,
                    .by_doc = Matrix(3, kLayers + 1, 0.1),
                    .weight = {1, 1, 1},
                    .note = ""}};
  record.substitutions = {
      {.part = Part::block, .block = 3, .kl_nats = {0.1, 0.1, 0.1}, .delta_nll_nats = {0, 0, 0}}};
  record.warnings = {"an invented <warning>"};
  return record;
}

}  // namespace strata::test
