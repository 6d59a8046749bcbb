#include "strata/families/families.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "strata/stats/labelings.h"
#include "strata/stats/quantile.h"
#include "strata/stats/student.h"
#include "strata/stats/variance_ratio.h"

namespace strata {
namespace {

std::vector<double> depths(const ModelList& models, std::size_t boundary) {
  std::vector<double> out;
  for (const Evidence* e : models) {
    if (e->split.defined()) out.push_back(e->depth(boundary));
  }
  return out;
}

FamilyFigure figure(const std::string& family, const std::string& quantity,
                    const std::vector<double>& values) {
  const Moments m = moments(values);
  FamilyFigure f{.family = family, .quantity = quantity, .models = m.n, .mean = m.mean};
  f.sd = std::sqrt(m.variance);
  if (m.n < 2) return f;
  const auto range = stats::sd_interval_90(f.sd, m.n - 1);
  f.sd_interval_90 = {range.lo, range.hi};
  return f;
}

// Median over surrogates of the SD over models of one boundary on smooth curves.
double smooth_sd(const ModelList& models, std::size_t boundary) {
  std::size_t draws = 0;
  for (const Evidence* e : models) {
    if (e->smooth_depths.rows == 0) return kUndefined;
    draws = draws == 0 ? e->smooth_depths.rows : std::min(draws, e->smooth_depths.rows);
  }
  std::vector<double> sds;
  for (std::size_t i = 0; i < draws; ++i) {
    std::vector<double> at;
    for (const Evidence* e : models) at.push_back(e->smooth_depths(i, boundary));
    const double variance = moments(at).variance;
    if (std::isfinite(variance)) sds.push_back(std::sqrt(variance));
  }
  return sds.empty() ? kUndefined : stats::median(sds);
}

FamilyFigure depth_figure(const std::string& family, const ModelList& models, std::size_t boundary) {
  FamilyFigure f = figure(family, boundary == 0 ? "b1" : "b2", depths(models, boundary));
  if (f.models == 0) return f;
  ModelList used;
  double square = 0.0;
  for (const Evidence* e : models) {
    if (!e->split.defined()) continue;
    used.push_back(e);
    square += std::pow(location_error(e->split, boundary, e->n_layers), 2) / f.models;
  }
  f.cv = f.sd / f.mean;
  f.location_error = std::sqrt(square);
  if (f.models < 2) return f;
  f.sd_without_error = std::sqrt(std::max(0.0, f.sd * f.sd - square));
  f.smooth_sd = smooth_sd(used, boundary);
  return f;
}

std::vector<double> segment_means(const ModelList& models, std::vector<double> Evidence::*values,
                                  std::size_t segment) {
  std::vector<double> out;
  for (const Evidence* e : models) out.push_back(segment_mean(*e, e->*values, segment));
  return out;
}

}  // namespace

double segment_mean(const Evidence& evidence, const std::vector<double>& ln_values, std::size_t segment) {
  if (ln_values.empty()) return kUndefined;
  if (segment == kAllBlocks) return moments(ln_values).mean;
  if (!evidence.split.defined()) return kUndefined;
  const int bounds[] = {0, evidence.split.edges[0], evidence.split.edges[1], evidence.n_layers};
  std::vector<double> inside;
  for (int l = bounds[segment]; l < bounds[segment + 1]; ++l)
    inside.push_back(ln_values[static_cast<std::size_t>(l)]);
  return moments(inside).mean;
}

Moments moments(const std::vector<double>& values) {
  Moments m;
  double sum = 0.0;
  for (const double x : values) {
    if (!std::isfinite(x)) continue;
    sum += x;
    ++m.n;
  }
  if (m.n == 0) return m;
  m.mean = sum / m.n;
  if (m.n < 2) return m;
  m.variance = 0.0;
  for (const double x : values) {
    if (std::isfinite(x)) m.variance += (x - m.mean) * (x - m.mean) / (m.n - 1);
  }
  return m;
}

double pooled_depth_sd(const ModelList& models) {
  return std::sqrt(0.5 * (moments(depths(models, 0)).variance + moments(depths(models, 1)).variance));
}

MeanContrast contrast_means(const std::vector<double>& family, const std::vector<double>& against) {
  const Moments a = moments(family), b = moments(against);
  MeanContrast c;
  if (a.n == 0 || b.n == 0) return c;
  c.difference = a.mean - b.mean;
  const double va = a.n > 1 ? a.variance : b.variance, vb = b.n > 1 ? b.variance : a.variance;
  if (!std::isfinite(va)) return c;  // one model on each side
  const double sa = va / a.n, sb = vb / b.n;
  double freedom = 0.0;
  if (a.n > 1 && b.n > 1) {
    const double below = sa * sa / (a.n - 1) + sb * sb / (b.n - 1);
    // Without any variance, Welch's formula is 0 / 0; the pooled test's freedom is as good.
    freedom = below > 0.0 ? (sa + sb) * (sa + sb) / below : a.n + b.n - 2;
  } else {
    freedom = std::max(a.n, b.n) - 1;
  }
  const double half = stats::student_quantile(0.95, freedom) * std::sqrt(sa + sb);
  c.interval_90 = {c.difference - half, c.difference + half};
  return c;
}

std::vector<FamilyFigure> family_figures(const ModelList& models, const std::vector<std::string>& families) {
  std::vector<FamilyFigure> out;
  for (const std::string& family : families) {
    const ModelList members = of_family(models, family);
    for (const std::size_t boundary : {0u, 1u}) out.push_back(depth_figure(family, members, boundary));
    struct Response {
      const char* name;
      std::vector<double> Evidence::*values;
    };
    for (const Response& r :
         {Response{"ln_kappa_", &Evidence::ln_kappa}, Response{"ln_absolute_", &Evidence::ln_absolute},
          Response{"ln_beta_", &Evidence::ln_beta}}) {
      for (std::size_t s = 0; s <= kAllBlocks; ++s) {
        FamilyFigure f =
            figure(family, std::string(r.name) + (s == kAllBlocks ? "all_blocks" : kSegmentNames[s]),
                   segment_means(members, r.values, s));
        if (f.models > 0) out.push_back(std::move(f));
      }
    }
  }
  return out;
}

int models_for_labels(double p, bool two_sided) {
  int n = kFewestModels;
  while ((two_sided ? 2.0 : 1.0) / static_cast<double>(stats::labelings(static_cast<std::size_t>(2 * n),
                                                                        static_cast<std::size_t>(n))) >=
         p)
    ++n;
  return n;
}

std::vector<std::string> family_names(const ModelList& models) {
  std::vector<std::string> names;
  for (const Evidence* e : models) {
    if (std::find(names.begin(), names.end(), e->family) == names.end()) names.push_back(e->family);
  }
  return names;
}

ModelList of_family(const ModelList& models, const std::string& family) {
  ModelList out;
  std::copy_if(models.begin(), models.end(), std::back_inserter(out),
               [&](const Evidence* e) { return e->family == family; });
  return out;
}

}  // namespace strata
