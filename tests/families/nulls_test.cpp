// T8 and T10 on what random weights and shuffled text give: boundaries that mean nothing. Neither may be
// supported or refuted in more than 5%, at any depth and wherever the boundaries lie; planted effects are
// found.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/families/synthetic_profiles.h"

namespace strata {
namespace {

using test::add_profiles;
using test::outcome_shares;
using test::OutcomeShares;
using test::ProfileSpec;
using test::random_edges;
using test::synthetic_model;

constexpr int kStudies = 200;
constexpr int kDraws = 99;  // of noise in each; more change no rate
constexpr double kMostDecided = 0.05;

enum class Place { anywhere, near_ends, one_third, early };
constexpr const char* kPlaceNames[] = {"anywhere", "near the ends", "a third", "early"};

std::vector<int> edges_at(Place place, int n_layers, Philox& rng) {
  switch (place) {
    case Place::anywhere:
      return random_edges(n_layers, 2, rng);
    case Place::near_ends:
      return {3, n_layers - 3};
    case Place::one_third:
      return {n_layers / 3, 2 * n_layers / 3};
    case Place::early:
      return {3, 5};
  }
  return {};
}

struct NullCase {
  std::vector<int> depths;  ///< of the models, in turn
  int models;
  Place place;
  ProfileSpec spec;
};

std::string name_of(const NullCase& c) {
  std::string out = "L";
  for (const int depth : c.depths) out += " " + std::to_string(depth);
  return out + ", " + std::to_string(c.models) + " models, " + kPlaceNames[static_cast<int>(c.place)] +
         ", rho " + std::to_string(c.spec.rho) + " shared " + std::to_string(c.spec.shared) + " transient " +
         std::to_string(c.spec.transient) + " tail " + std::to_string(c.spec.tail);
}

std::vector<Evidence> null_study(const NullCase& c, Philox& rng) {
  std::vector<Evidence> models;
  for (int m = 0; m < c.models; ++m) {
    const int layers = c.depths[static_cast<std::size_t>(m) % c.depths.size()];
    const auto edges = edges_at(c.place, layers, rng);
    models.push_back(synthetic_model(m, layers, edges[0], edges[1]));
    add_profiles(models.back(), c.spec, rng);
  }
  return models;
}

std::vector<NullCase> null_cases() {
  std::vector<NullCase> out;
  const ProfileSpec specs[] = {{.rho = 0.0, .document = 0.05},
                               {.rho = 0.5, .shared = 0.7, .document = 0.05, .transient = 3.0},
                               {.rho = 0.9, .shared = 0.9, .transient = 3.0, .tail = 1.0}};
  for (const std::vector<int>& depth : {std::vector<int>{12}, {16}, {24}, {32}}) {
    for (const Place place : {Place::anywhere, Place::near_ends, Place::one_third, Place::early}) {
      for (const ProfileSpec& spec : specs) out.push_back({depth, 4, place, spec});
    }
  }
  for (const ProfileSpec& spec : specs) {
    out.push_back({{12, 16, 24, 32}, 4, Place::anywhere, spec});
    out.push_back({{12, 24, 32}, 12, Place::one_third, spec});
  }
  return out;
}

TEST(FunctionalBoundaries, BoundariesThatMeanNothingDecideNothing) {
  int decided = 0, studies = 0;
  for (const NullCase& c : null_cases()) {
    const OutcomeShares shares = outcome_shares(
        "T8", kStudies, [&](Philox& rng) { return null_study(c, rng); }, kDraws);
    ::testing::Test::RecordProperty(name_of(c),
                                    std::to_string(shares.supported) + " " + std::to_string(shares.refuted));
    decided += static_cast<int>(std::lround((shares.supported + shares.refuted) * kStudies));
    studies += kStudies;
    // 5% and two standard errors of the count.
    EXPECT_LE(shares.supported + shares.refuted, kMostDecided + 0.031) << name_of(c);
  }
  EXPECT_LE(decided, kMostDecided * studies) << "over all cases";
}

struct TextCase {
  std::vector<int> depths;  ///< of the models, in turn
  int models, texts;
  double sd;  ///< of the boundaries about 0.3 and 0.7 of the depth; 0 = any two edges
};

TEST(TextIndependence, ExchangeableRunsDecideNothing) {
  int decided = 0, studies = 0;
  for (const TextCase& c : std::vector<TextCase>{{{12}, 3, 3, 0.0},
                                                 {{12}, 4, 3, 0.05},
                                                 {{24}, 3, 3, 0.1},
                                                 {{24}, 8, 3, 0.0},
                                                 {{32}, 4, 3, 0.05},
                                                 {{32}, 3, 6, 0.0},
                                                 {{12, 16, 24, 32}, 4, 3, 0.0},
                                                 {{12, 32}, 6, 4, 0.03},
                                                 {{12, 24, 32}, 3, 3, 0.2}}) {
    const OutcomeShares shares = outcome_shares("T10", 1000, [&](Philox& rng) {
      std::vector<Evidence> all;
      for (int m = 0; m < c.models; ++m) {
        const int layers = c.depths[static_cast<std::size_t>(m) % c.depths.size()];
        for (int t = 0; t < c.texts; ++t) {
          auto edges = random_edges(layers, 2, rng);
          if (c.sd > 0.0) {
            edges = {test::edge_at(0.3 + c.sd * rng.normal(), layers),
                     test::edge_at(0.7 + c.sd * rng.normal(), layers)};
          }
          all.push_back(synthetic_model(m, layers, edges[0], edges[1]));
          all.back().text = t == 0 ? "tales" : "text " + std::to_string(t);
        }
      }
      return all;
    });
    decided += static_cast<int>(std::lround((shares.supported + shares.refuted) * 1000));
    studies += 1000;
    EXPECT_LE(shares.supported + shares.refuted, kMostDecided + 0.014) << c.models << " x " << c.texts;
  }
  EXPECT_LE(decided, kMostDecided * studies) << "over all cases";
}

struct PlantedCase {
  int n_layers, models;
  double height;  ///< of the step at each boundary, in SDs of the noise from block to block
  int away;       ///< how many edges from the boundaries brittleness jumps instead
  Outcome expected;
};

// What is found in nine of ten studies.
TEST(FunctionalBoundaries, PlantedJumpsAreFound) {
  for (const PlantedCase& c : std::vector<PlantedCase>{{12, 4, 5.0, 0, Outcome::supported},
                                                       {16, 2, 4.0, 0, Outcome::supported},
                                                       {24, 1, 5.0, 0, Outcome::supported},
                                                       {24, 2, 4.0, 0, Outcome::supported},
                                                       {32, 1, 5.0, 0, Outcome::supported},
                                                       {32, 4, 3.0, 0, Outcome::supported},
                                                       {24, 4, 8.0, 2, Outcome::refuted},
                                                       {24, 8, 6.0, 2, Outcome::refuted},
                                                       {32, 4, 8.0, 2, Outcome::refuted}}) {
    const OutcomeShares shares = outcome_shares("T8", 200, [&](Philox& rng) {
      std::vector<Evidence> all;
      for (int m = 0; m < c.models; ++m) {
        const std::vector<int> edges = {c.n_layers / 3, 2 * c.n_layers / 3};
        all.push_back(synthetic_model(m, c.n_layers, edges[0], edges[1]));
        add_profiles(all.back(),
                     {.rho = 0.5,
                      .shared = 0.5,
                      .transient = 3.0,
                      .height = 0.1 * c.height,
                      .jumps = {edges[0] + c.away, edges[1] + c.away}},
                     rng);
      }
      return all;
    });
    EXPECT_GE(c.expected == Outcome::supported ? shares.supported : shares.refuted, 0.9)
        << c.n_layers << " blocks, " << c.models << " models, " << c.height << ", away " << c.away;
    EXPECT_LE(c.expected == Outcome::supported ? shares.refuted : shares.supported, 0.0);
  }
}

// Texts that matter a third of what models do, and three times as much, about the same two places.
TEST(TextIndependence, PlantedSpreadsAreFound) {
  for (const bool model_matters : {true, false}) {
    const OutcomeShares shares = outcome_shares("T10", 200, [&](Philox& rng) {
      constexpr int kModels = 6, kTexts = 4;
      std::vector<Evidence> all;
      double by_model[kModels][2], by_text[kTexts][2];
      for (auto& x : by_model) x[0] = 0.1 * rng.normal(), x[1] = 0.1 * rng.normal();
      for (auto& x : by_text) x[0] = 0.1 * rng.normal(), x[1] = 0.1 * rng.normal();
      for (int m = 0; m < kModels; ++m) {
        for (int t = 0; t < kTexts; ++t) {
          const double* const large = model_matters ? by_model[m] : by_text[t];
          const auto at = [&](double middle, double shift) {
            return test::edge_at(middle + shift + 0.02 * rng.normal(), 32);
          };
          const int first = at(0.3, large[0]), second = at(0.7, large[1]);
          all.push_back(synthetic_model(m, 32, std::min(first, second), std::max(first, second)));
          all.back().text = t == 0 ? "tales" : "text " + std::to_string(t);
        }
      }
      return all;
    });
    EXPECT_GE(model_matters ? shares.supported : shares.refuted, 0.9);
    EXPECT_EQ(model_matters ? shares.refuted : shares.supported, 0.0);
  }
}

}  // namespace
}  // namespace strata
