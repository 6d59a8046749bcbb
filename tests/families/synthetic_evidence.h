// Studies made up number by number: what each prediction should say about them is known.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "strata/base/philox.h"
#include "strata/families/predictions/prediction.h"

namespace strata::test {

inline StudyCard synthetic_card() {
  return {.name = "invented",
          .seed = 7,
          .alpha = 0.05,
          .resamples = 199,
          .permutations = 999,
          .main_text = "tales",
          .stable_family = "llama",
          .variable_family = "qwen"};
}

/// A split at these edges, resampled to them in 60% and to their neighbours in 20% each.
inline Split synthetic_split(int first, int second, int n_layers) {
  Split split{.edges = {first, second}, .shares = {}};
  for (const int edge : split.edges) {
    std::vector<double> shares(static_cast<std::size_t>(n_layers - 1), 0.0);
    const auto at = static_cast<std::size_t>(edge - 1);
    shares[at] += 0.6;
    shares[at > 0 ? at - 1 : at] += 0.2;
    shares[at + 1 < shares.size() ? at + 1 : at] += 0.2;
    split.shares.push_back(shares);
  }
  return split;
}

/// The edge nearest to a relative depth, within [2, L-2].
inline int edge_at(double depth, int n_layers) {
  const int edge = static_cast<int>(depth * n_layers + 0.5);
  return std::min(std::max(edge, 2), n_layers - 2);
}

/// One model of 32 blocks with two selected boundaries at these depths, seen by everything that can see.
inline Evidence synthetic_evidence(const std::string& family, int index, double b1, double b2) {
  constexpr int kLayers = 32;
  Evidence e;
  e.model = family + "-" + std::to_string(index);
  e.family = family;
  e.text = "tales";
  e.n_layers = kLayers;
  e.hidden = 1024;
  e.ln_parameters = 21.0 + 0.5 * index;
  e.selected_k = 2;
  e.tested = true;
  e.split = synthetic_split(edge_at(b1, kLayers), edge_at(b2, kLayers), kLayers);
  e.with_sinks = e.split;
  e.with_sinks_k = 2;
  e.forced_split = e.split;
  e.forced_by_detector = {e.split, e.split};
  e.detectors = {"kernel_cka", "fused"};
  e.by_detector = {e.split, e.split};
  return e;
}

/// `models` of each of the two families; `make(family, index)` gives each.
inline std::vector<Evidence> synthetic_models(
    int models, const std::function<Evidence(const std::string& family, int index)>& make) {
  std::vector<Evidence> all;
  for (const std::string family : {"llama", "qwen"}) {
    for (int i = 0; i < models; ++i) all.push_back(make(family, i));
  }
  return all;
}

inline StudyView view_of(const std::vector<Evidence>& all, const StudyCard& card) {
  StudyView view{.card = &card};
  for (const Evidence& e : all) {
    view.all.push_back(&e);
    if (e.text == card.main_text) view.main.push_back(&e);
  }
  return view;
}

/// The verdict on one prediction alone: its adjusted p is its raw p.
inline Verdict verdict_on(const std::string& id, const std::vector<Evidence>& all,
                          const StudyCard& card = synthetic_card()) {
  for (const Prediction& prediction : predictions()) {
    if (prediction.id != id) continue;
    return settle_verdicts({&prediction, 1}, {prediction.assess(view_of(all, card))}, card.alpha)[0];
  }
  return {};
}

/// The model as the tests leave it when they select another number of boundaries: only forced splits exist.
inline void select_none(Evidence& e) {
  e.selected_k = e.with_sinks_k = 0;
  e.split = e.with_sinks = {};
  e.by_detector = {{}, {}};
  e.smooth_distance.clear();
}

struct OutcomeShares {
  double supported = 0.0, refuted = 0.0, moot = 0.0;
};

/// How often a prediction is decided on made-up studies.
inline OutcomeShares outcome_shares(const std::string& id, int studies,
                                    const std::function<std::vector<Evidence>(Philox& rng)>& make,
                                    int resamples = 199) {
  OutcomeShares shares;
  for (int s = 0; s < studies; ++s) {
    Philox rng({.seed = 11, .stream = Stream::test, .a = static_cast<std::uint32_t>(s)});
    StudyCard card = synthetic_card();
    card.seed = static_cast<std::uint64_t>(s);
    card.resamples = resamples;
    const Outcome outcome = verdict_on(id, make(rng), card).outcome;
    shares.supported += outcome == Outcome::supported ? 1.0 / studies : 0.0;
    shares.refuted += outcome == Outcome::refuted ? 1.0 / studies : 0.0;
    shares.moot += outcome == Outcome::moot ? 1.0 / studies : 0.0;
  }
  return shares;
}

/// Share of null studies on which the prediction is supported.
inline double supported_share(const std::string& id, int studies,
                              const std::function<std::vector<Evidence>(Philox& rng)>& make) {
  const double share = outcome_shares(id, studies, make).supported;
  // Kept in --gtest_output=json, for whoever wants to see how far below the bar it is.
  ::testing::Test::RecordProperty("supported_" + id, std::to_string(share));
  ::testing::Test::RecordProperty("studies_" + id, studies);
  return share;
}

}  // namespace strata::test
