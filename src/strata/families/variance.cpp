// What explains where the boundaries are and how brittle segments are: family, size, depth, width, training.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "strata/base/philox.h"
#include "strata/families/families.h"
#include "strata/stats/least_squares.h"

namespace strata {
namespace {

struct Predictor {
  std::string name;
  std::vector<stats::Column> columns;  // one, or one for each family but the first
};

struct Response {
  std::string name;
  std::vector<double> values;
};

std::vector<Response> responses(const ModelList& models) {
  std::vector<Response> out{{"b1", {}}, {"b2", {}}};
  for (const Evidence* e : models) {
    for (std::size_t b = 0; b < 2; ++b)
      out[b].values.push_back(e->split.defined() ? e->depth(b) : kUndefined);
  }
  for (std::size_t s = 0; s <= kAllBlocks; ++s) {
    Response r{std::string("ln_kappa_") + (s == kAllBlocks ? "all_blocks" : kSegmentNames[s]), {}};
    for (const Evidence* e : models) r.values.push_back(segment_mean(*e, e->ln_kappa, s));
    out.push_back(std::move(r));
  }
  return out;
}

std::vector<Predictor> predictors(const ModelList& models) {
  std::vector<Predictor> out;
  Predictor family{"family", {}};
  const auto names = family_names(models);
  for (std::size_t f = 1; f < names.size(); ++f) {
    stats::Column column;
    for (const Evidence* e : models) column.push_back(e->family == names[f] ? 1.0 : 0.0);
    family.columns.push_back(std::move(column));
  }
  out.push_back(std::move(family));
  const auto add = [&](const char* name, auto value) {
    stats::Column column;
    for (const Evidence* e : models) column.push_back(value(*e));
    out.push_back({name, {std::move(column)}});
  };
  add("ln_parameters", [](const Evidence& e) { return e.ln_parameters; });
  add("n_layers", [](const Evidence& e) { return static_cast<double>(e.n_layers); });
  add("hidden", [](const Evidence& e) { return static_cast<double>(e.hidden); });
  const bool said =
      std::none_of(models.begin(), models.end(), [](const Evidence* e) { return e->training.empty(); });
  if (said) add("training", [](const Evidence& e) { return e.training == "instruct" ? 1.0 : 0.0; });
  return out;
}

// Share of the variance of y that `columns` explain beyond `given`; NaN where nothing is left to explain, or
// no degree of freedom is left over.
double share(const std::vector<double>& y, const std::vector<stats::Column>& columns,
             const std::vector<stats::Column>& given) {
  std::vector<stats::Column> both = given;
  both.insert(both.end(), columns.begin(), columns.end());
  const double total = stats::regress(y, {}).sse;
  const auto before = stats::regress(y, given), after = stats::regress(y, both);
  if (!(total > 0.0) || after.rank >= static_cast<int>(y.size()) || after.rank == before.rank)
    return kUndefined;
  return (before.sse - after.sse) / total;
}

// p of the share when the rows of `columns` are exchanged between models.
double permutation_p(const std::vector<double>& y, const std::vector<stats::Column>& columns,
                     const std::vector<stats::Column>& given, int permutations, Philox& rng) {
  const double seen = share(y, columns, given);
  if (std::isnan(seen)) return kUndefined;
  std::vector<std::uint32_t> order(y.size());
  std::iota(order.begin(), order.end(), 0u);
  int extreme = 1;
  for (int i = 1; i < permutations; ++i) {
    shuffle(order, rng);
    std::vector<stats::Column> exchanged = columns;
    for (std::size_t c = 0; c < columns.size(); ++c) {
      for (std::size_t m = 0; m < order.size(); ++m) exchanged[c][m] = columns[c][order[m]];
    }
    if (!(share(y, exchanged, given) < seen - 1e-9)) ++extreme;
  }
  return static_cast<double>(extreme) / permutations;
}

// The columns of all other predictors, as far as they leave two degrees of freedom.
std::vector<stats::Column> others(const std::vector<Predictor>& all, std::size_t but, std::size_t models) {
  std::vector<stats::Column> out;
  for (std::size_t p = 0; p < all.size(); ++p) {
    if (p == but) continue;
    for (const stats::Column& column : all[p].columns) {
      if (out.size() + all[but].columns.size() + 3 <= models) out.push_back(column);
    }
  }
  return out;
}

}  // namespace

std::vector<VarianceShare> decompose_variance(const ModelList& models, const StudyCard& card) {
  constexpr int kPermutations = 999;
  std::vector<VarianceShare> out;
  std::uint32_t stream = 0;
  for (const Response& response : responses(models)) {
    ModelList used;
    std::vector<double> y;
    for (std::size_t m = 0; m < models.size(); ++m) {
      if (!std::isfinite(response.values[m]) || !std::isfinite(models[m]->ln_parameters)) continue;
      used.push_back(models[m]);
      y.push_back(response.values[m]);
    }
    const auto all = predictors(used);
    for (std::size_t p = 0; p < all.size(); ++p) {
      VarianceShare row{.response = response.name,
                        .predictor = all[p].name,
                        .models = static_cast<int>(y.size()),
                        .note = {}};
      Philox rng({.seed = card.seed, .stream = Stream::permutation, .a = 7, .b = stream++});
      const auto given = others(all, p, y.size());
      const int permutations = std::min(kPermutations, card.permutations);
      if (y.size() >= 3) {
        row.r2_first = share(y, all[p].columns, {});
        row.p_first = permutation_p(y, all[p].columns, {}, permutations, rng);
        row.r2_last = share(y, all[p].columns, given);
        row.p_last = permutation_p(y, all[p].columns, given, permutations, rng);
      }
      if (y.size() < 3)
        row.note = "fewer than three models";
      else if (std::isnan(row.r2_first))
        row.note = "the same in all models, or too few models";
      else if (std::isnan(row.r2_last))
        row.note = "a combination of the others, or too few models";
      out.push_back(std::move(row));
    }
  }
  return out;
}

std::vector<Dominance> judge_dominance(const ModelList& models, const std::vector<std::string>& families,
                                       const StudyCard& card) {
  constexpr double kStrongSd = 0.05, kWeakSd = 0.15, kStrongShare = 0.5;
  ModelList used;
  std::copy_if(models.begin(), models.end(), std::back_inserter(used),
               [](const Evidence* e) { return e->split.defined(); });
  // Both depths together, each in units of its SD over all models.
  double r2 = kUndefined, p = kUndefined;
  if (used.size() >= 3 && family_names(used).size() >= 2) {
    const auto all = predictors(used);
    double sum = 0.0, worst = 0.0;
    for (const std::uint32_t b : {0u, 1u}) {
      std::vector<double> y;
      for (const Evidence* e : used) y.push_back(e->depth(b));
      Philox rng({.seed = card.seed, .stream = Stream::permutation, .a = 8, .b = b});
      sum += 0.5 * share(y, all[0].columns, {});
      const double one = permutation_p(y, all[0].columns, {}, std::min(999, card.permutations), rng);
      worst = std::isnan(one) || std::isnan(worst) ? kUndefined : std::max(worst, one);
    }
    r2 = sum;
    p = worst;
  }
  std::vector<Dominance> out;
  for (const std::string& family : families) {
    const ModelList members = of_family(used, family);
    Dominance d{.family = family,
                .verdict = "undetermined",
                .sd = pooled_depth_sd(members),
                .r2_family = r2,
                .p_value = p,
                .reason = {}};
    if (members.size() < static_cast<std::size_t>(kFewestModels)) {
      d.reason = fmt::format("{} of the {} models that a family needs", members.size(), kFewestModels);
    } else if (d.sd >= kWeakSd) {
      d.verdict = "weak";
      d.reason = fmt::format("SD of relative depth {:.3f}, at least {}", d.sd, kWeakSd);
    } else if (d.sd <= kStrongSd && r2 >= kStrongShare && p < card.alpha) {
      d.verdict = "strong";
      d.reason =
          fmt::format("SD of relative depth {:.3f}, at most {}, and family explains {:.0f}% (p = {:.2g})",
                      d.sd, kStrongSd, 100.0 * r2, p);
    } else {
      d.reason = std::isnan(r2)
                     ? fmt::format("SD of relative depth {:.3f}; one family alone cannot explain", d.sd)
                     : fmt::format("SD of relative depth {:.3f}; family explains {:.0f}% (p = {:.2g})", d.sd,
                                   100.0 * r2, p);
    }
    out.push_back(std::move(d));
  }
  return out;
}

}  // namespace strata
