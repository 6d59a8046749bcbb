// How much the boundaries of one family spread against those of another.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "strata/families/families.h"
#include "strata/stats/labelings.h"
#include "strata/stats/quantile.h"
#include "strata/stats/variance_ratio.h"

namespace strata {
namespace {

// One model's share in the variance of its family.
struct Deviation {
  double square = 0.0;  // of both depths about the family's means, summed
  double error = 0.0;   // mean squared location error
  double grid = 0.0;    // variance of the grid of edges, 1 / (12 L^2)
};

std::vector<Deviation> deviations(const ModelList& models) {
  std::vector<Deviation> out(models.size());
  for (const std::size_t b : {0u, 1u}) {
    double mean = 0.0;
    for (const Evidence* e : models) mean += e->depth(b) / static_cast<double>(models.size());
    for (std::size_t i = 0; i < models.size(); ++i) {
      const Evidence& e = *models[i];
      out[i].square += std::pow(e.depth(b) - mean, 2);
      out[i].error += 0.5 * std::pow(location_error(e.split, b, e.n_layers), 2);
      out[i].grid = 1.0 / (12.0 * e.n_layers * e.n_layers);
    }
  }
  return out;
}

double variance_of(const std::vector<Deviation>& all, const std::vector<bool>& first, bool wanted) {
  double square = 0.0, error = 0.0, grid = 0.0, n = 0.0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (first[i] != wanted) continue;
    square += all[i].square;
    error += all[i].error;
    grid += all[i].grid;
    n += 1.0;
  }
  return std::max(0.5 * square / (n - 1.0) - error / n, grid / n);
}

// F of a one-way analysis of |depth - the family's median|, both boundaries (Brown and Forsythe 1974, JASA
// 69:364).
void add_brown_forsythe(const ModelList& family, const ModelList& against, SpreadContrast& c) {
  std::vector<double> away[2];
  const ModelList* groups[] = {&family, &against};
  for (std::size_t g = 0; g < 2; ++g) {
    for (const std::size_t b : {0u, 1u}) {
      std::vector<double> depths;
      for (const Evidence* e : *groups[g]) depths.push_back(e->depth(b));
      const double middle = stats::median(depths);
      for (const double x : depths) away[g].push_back(std::fabs(x - middle));
    }
  }
  const Moments a = moments(away[0]), b = moments(away[1]);
  const double n = a.n + b.n;
  const double mean = (a.n * a.mean + b.n * b.mean) / n;
  const double between = a.n * std::pow(a.mean - mean, 2) + b.n * std::pow(b.mean - mean, 2);
  const double within = ((a.n - 1) * a.variance + (b.n - 1) * b.variance) / (n - 2.0);
  if (!(within > 0.0)) return;
  c.brown_forsythe_f = between / within;
  c.brown_forsythe_p = 1.0 - stats::fisher_cdf(c.brown_forsythe_f, 1.0, n - 2.0);
}

}  // namespace

SpreadContrast contrast_spread(const ModelList& family, const ModelList& against, const StudyCard& card) {
  SpreadContrast c{.quantity = "b1 and b2", .note = {}};
  if (!family.empty()) c.family = family.front()->family;
  if (!against.empty()) c.against = against.front()->family;
  if (family.size() < 2 || against.size() < 2) {
    c.note = "an SD needs two models of each family";
    return c;
  }
  std::vector<Deviation> all = deviations(family);
  const auto others = deviations(against);
  all.insert(all.end(), others.begin(), others.end());
  std::vector<bool> observed(all.size(), false);
  std::fill_n(observed.begin(), family.size(), true);
  const auto statistic = [&](const std::vector<bool>& first) {
    return 0.5 * std::log(variance_of(all, first, true) / variance_of(all, first, false));
  };
  c.ln_sd_ratio = statistic(observed);
  const auto range =
      stats::ln_sd_ratio_interval_90(c.ln_sd_ratio, 2.0 * static_cast<double>(family.size() - 1),
                                     2.0 * static_cast<double>(against.size() - 1));
  c.ln_sd_ratio_interval_90 = {range.lo, range.hi};
  Philox rng({.seed = card.seed, .stream = Stream::permutation, .a = 5});
  const auto test = stats::permute_labels(observed, statistic, card.permutations, false, rng);
  c.p_value = test.p_value;
  c.labelings = test.tried;
  c.smallest_p = test.smallest_p;
  c.note = fmt::format("{} and {} models: {} labelings, so p cannot be below {:.2g}", family.size(),
                       against.size(), test.tried, test.smallest_p);
  add_brown_forsythe(family, against, c);
  return c;
}

}  // namespace strata
