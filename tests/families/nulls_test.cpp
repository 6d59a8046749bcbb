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
    const OutcomeShares shares =
        outcome_shares("T8", kStudies, [&](Philox& rng) { return null_study(c, rng); });
    std::printf("%5.3f %5.3f  %s\n", shares.supported, shares.refuted, name_of(c).c_str());
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
    std::printf("T10 %5.3f %5.3f  %d x %d sd %g\n", shares.supported, shares.refuted, c.models, c.texts,
                c.sd);
    decided += static_cast<int>(std::lround((shares.supported + shares.refuted) * 1000));
    studies += 1000;
    EXPECT_LE(shares.supported + shares.refuted, kMostDecided + 0.014) << c.models << " x " << c.texts;
  }
  EXPECT_LE(decided, (kMostDecided + 0.005) * studies) << "over all cases";
}

TEST(FunctionalBoundaries, PowerScan) {
  for (const std::vector<int>& depth : {std::vector<int>{12}, {16}, {24}, {32}}) {
    for (const int models : {1, 2, 4, 8}) {
      for (const double height : {0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5}) {
        for (const bool away : {false, true}) {
          const OutcomeShares shares = outcome_shares("T8", 100, [&](Philox& rng) {
            std::vector<Evidence> all;
            for (int m = 0; m < models; ++m) {
              const int layers = depth[0];
              auto edges = std::vector<int>{layers / 3, 2 * layers / 3};
              all.push_back(synthetic_model(m, layers, edges[0], edges[1]));
              ProfileSpec spec{.rho = 0.5, .shared = 0.5, .transient = 3.0, .height = height, .jumps = edges};
              if (away) spec.jumps = {edges[0] + 2, edges[1] + 2};
              add_profiles(all.back(), spec, rng);
            }
            return all;
          });
          std::printf("power L %d models %d height %.1f away %d: %.2f %.2f\n", depth[0], models, height, away,
                      shares.supported, shares.refuted);
        }
      }
    }
  }
}

}  // namespace
}  // namespace strata
