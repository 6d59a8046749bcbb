#include "tests/support/synthetic_study.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace strata::test {
namespace {

std::size_t as_size(int n) {
  return static_cast<std::size_t>(n);
}

StudyMember make_member(const std::string& family, int index) {
  StudyMember m;
  m.model = fmt::format("{}-{}", family, index + 1);
  m.family = family;
  m.text = "tales";
  m.training = index % 2 == 0 ? "base" : "instruct";
  m.hub_id = "invented/" + m.model;
  m.revision = std::string(40, '0');
  m.checkpoint_sha256 = std::string(64, 'c');
  m.corpus_sha256 = std::string(64, 'a');
  m.n_layers = 16 + 8 * index;
  m.hidden = 256 << index;
  m.parameters = 2'000'000LL << (2 * index);
  m.detector = "kernel_cka";
  m.selected_k = index == 3 ? 0 : 2;
  m.verdict = index == 3 ? "smooth" : "2 boundaries";
  m.forced = index == 3;
  const double first = family == "llama" ? 0.25 : 0.12 + 0.09 * index;
  for (const double depth : {first, 0.75}) {
    const int edge = static_cast<int>(std::lround(depth * m.n_layers));
    const double b = static_cast<double>(edge) / m.n_layers;
    m.boundaries.push_back({.edge = edge,
                            .depth = b,
                            .depth_interval_90 = {b - 1.0 / m.n_layers, b + 1.0 / m.n_layers},
                            .location_error = 0.5 / m.n_layers});
  }
  m.forced_boundaries = m.boundaries;
  const int e1 = m.boundaries[0].edge, e2 = m.boundaries[1].edge;
  const double scale = family == "llama" ? 0.0 : 3.1;
  for (const Segment& s :
       {Segment{"Local", 0, e1}, Segment{"Intermediate", e1, e2}, Segment{"Global", e2, m.n_layers}}) {
    const double ln_kappa = 6.0 - 4.0 * (s.begin + s.end) / (2.0 * m.n_layers);
    m.segments.push_back({.segment = s,
                          .ln_kappa = ln_kappa,
                          .ln_kappa_interval_90 = {ln_kappa - 0.1, ln_kappa + 0.1},
                          .ln_absolute = ln_kappa + 2 * scale,
                          .ln_absolute_interval_90 = {ln_kappa + 2 * scale - 0.1, ln_kappa + 2 * scale + 0.1},
                          .ln_rms_eff = -scale,
                          .ln_rms = -scale + 0.05,
                          .ln_skip_kl = -1.0,
                          .ln_beta = kUndefined});
  }
  m.forced_segments = m.segments;
  if (m.forced) {
    m.boundaries.clear();
    m.segments.clear();
  }
  for (int l = 0; l < m.n_layers; ++l) {
    m.ln_kappa.push_back(6.0 - 4.0 * l / m.n_layers);
    m.ln_absolute.push_back(m.ln_kappa[as_size(l)] + 2 * scale);
    m.ln_skip_kl.push_back(l == 0 ? kUndefined : -1.0 - 0.01 * l);
  }
  return m;
}

Verdict make_verdict(int index) {
  static constexpr std::array kOutcome = {Outcome::supported, Outcome::refuted, Outcome::undecided,
                                          Outcome::moot};
  Verdict v;
  v.id = fmt::format("T{}", index);
  v.title = fmt::format("prediction {}", index);
  v.claim = "an invented claim, \"quoted\"";
  v.statistic = "a statistic";
  v.null = "a null";
  v.region = "effect above 0";
  v.refuted_by = "an interval below 0";
  v.set = index == 10                ? TestSet::descriptive
          : index >= 4 && index <= 7 ? TestSet::between_model
                                     : TestSet::within_model;
  v.outcome = kOutcome[as_size(index) % 4];
  v.tag = index == 6 ? "scale artefact" : "";
  v.effect = 0.1 * index - 0.4;
  v.effect_unit = "relative depth";
  v.effect_interval_90 = {v.effect - 0.2, v.effect + 0.2};
  v.claimed_region = {0.0, kUndefined};
  const bool decided = v.outcome == Outcome::supported || v.outcome == Outcome::refuted;
  v.p_value = decided ? 0.004 * index : kUndefined;
  v.p_adjusted = decided ? 0.016 * index : kUndefined;
  v.smallest_p = 1.0 / 70.0;
  v.models = 8;
  v.models_needed = decided ? 0 : 5;
  v.models_tested = 8;
  v.models_selected = v.outcome == Outcome::moot ? 1 : 6;
  v.power = v.outcome == Outcome::moot ? 0.4 : kUndefined;
  if (index == 6) {
    v.claimed_region = {0.1, 10.0};
    v.claimed_outside = true;
  }
  v.reason = "It is invented, and says so.";
  v.quantities = {{.name = "paper", .unit = "1", .value = 493.0, .interval_90 = kNoInterval, .note = "v3"}};
  return v;
}

}  // namespace

Study synthetic_study() {
  Study study;
  study.study = {.tool_version = "0.1.0",
                 .name = "invented",
                 .title = "An invented study",
                 .source = "no paper",
                 .notes = {"nothing here was measured"},
                 .seed = 18446744073709551615u,
                 .alpha = 0.05,
                 .resamples = 999,
                 .permutations = 9999,
                 .main_text = "tales",
                 .stable_family = "llama",
                 .variable_family = "qwen"};
  for (const std::string family : {"llama", "qwen"}) {
    for (int i = 0; i < 4; ++i) study.members.push_back(make_member(family, i));
  }
  StudyMember empty = make_member("qwen", 0);
  empty.text = "documentation";
  empty.detector.clear();
  empty.verdict = "not identified";
  empty.boundaries.clear();
  empty.segments.clear();
  empty.forced_boundaries.clear();
  empty.forced_segments.clear();
  empty.ln_kappa.clear();
  empty.ln_absolute.clear();
  empty.ln_skip_kl.clear();
  empty.note = "no CKA matrix: fewer than 16 windows";
  study.members.push_back(empty);
  study.expected = {{.quantity = "boundary_cv",
                     .family = "llama",
                     .lo = 0.067,
                     .hi = 0.095,
                     .source = "arXiv:2505.18244 v3",
                     .note = "from its abstract",
                     .ours_lo = 0.01,
                     .ours_hi = 0.02,
                     .ours_note = "CV of b1 and of b2"}};
  for (const std::string family : {"llama", "qwen"}) {
    study.families.push_back({.family = family,
                              .quantity = "b1",
                              .models = 4,
                              .mean = 0.25,
                              .sd = 0.1,
                              .sd_interval_90 = {0.06, 0.3},
                              .cv = 0.4,
                              .location_error = 0.02,
                              .sd_without_error = 0.098,
                              .smooth_sd = 0.03});
    study.families.push_back(
        {.family = family, .quantity = "ln_kappa_Local", .models = 4, .mean = 5.5, .sd = 0.2});
    study.dominance.push_back({.family = family,
                               .verdict = family == "llama" ? "strong" : "undetermined",
                               .sd = 0.01,
                               .r2_family = 0.7,
                               .p_value = 0.03,
                               .reason = "invented"});
  }
  study.spreads = {{.family = "qwen",
                    .against = "llama",
                    .quantity = "b1 and b2",
                    .ln_sd_ratio = 1.2,
                    .ln_sd_ratio_interval_90 = {0.3, 2.1},
                    .p_value = 1.0 / 70.0,
                    .labelings = 70,
                    .smallest_p = 1.0 / 70.0,
                    .brown_forsythe_f = 6.0,
                    .brown_forsythe_p = 0.05,
                    .note = "70 labelings"}};
  study.gaps = {{.family = "qwen",
                 .against = "llama",
                 .segment = "Local",
                 .models = 4,
                 .models_against = 4,
                 .ln_kappa = 0.0,
                 .ln_kappa_interval_90 = {-0.2, 0.2},
                 .ln_absolute = 6.2,
                 .ln_absolute_interval_90 = {6.0, 6.4},
                 .scale = 6.2,
                 .rms_scale = 6.3,
                 .remainder = -0.1,
                 .smallest_pair = 6.0,
                 .largest_pair = 6.4,
                 .reading = "scale artefact",
                 .note = "over models"}};
  study.gaps.push_back({.family = "qwen",
                        .against = "llama",
                        .segment = "all blocks",
                        .models = 4,
                        .models_against = 4,
                        .ln_kappa = -0.2165,
                        .ln_kappa_interval_90 = {-0.4, 0.1},
                        .ln_absolute = 1.7075,
                        .ln_absolute_interval_90 = {1.5, 1.9},
                        .scale = 1.924,
                        .rms_scale = 1.9,
                        .remainder = 0.024,
                        .smallest_pair = 1.4,
                        .largest_pair = 2.0,
                        .reading = "scale artefact",
                        .note = "over models"});
  study.forced_splits.families = {study.families[0], study.families[2]};
  study.forced_splits.gaps = {study.gaps[0]};
  study.forced_splits.gaps[0].reading.clear();
  study.forced_splits.distances = {{.name = "llama-4", .unit = "relative depth", .value = 0.2, .note = ""}};
  study.variance = {{.response = "b1",
                     .predictor = "family",
                     .r2_first = 0.6,
                     .p_first = 0.03,
                     .r2_last = 0.4,
                     .p_last = 0.06,
                     .models = 8,
                     .note = ""}};
  for (int i = 1; i <= 10; ++i) study.verdicts.push_back(make_verdict(i));
  study.sentences = {"Three predictions of the invented theory are supported."};
  study.warnings = {"an invented <warning>"};
  return study;
}

}  // namespace strata::test
