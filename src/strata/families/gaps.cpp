// Brittleness of one family against another, split into function and scale.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "strata/families/families.h"
#include "strata/stats/quantile.h"

namespace strata {
namespace {

std::vector<double> means(const ModelList& models, std::vector<double> Evidence::*values,
                          std::size_t segment) {
  std::vector<double> out;
  for (const Evidence* e : models) out.push_back(segment_mean(*e, e->*values, segment));
  return out;
}

// 5th to 95th percentile over resamples of documents of the difference between two single models; row r of
// both is the same draw of documents where they have the same text.
Interval document_interval(const Evidence& a, const Evidence& b, Matrix Evidence::*resamples,
                           std::size_t segment) {
  const Matrix &ra = a.*resamples, &rb = b.*resamples;
  std::vector<double> differences;
  for (std::size_t r = 0; r < std::min(ra.rows, rb.rows); ++r) {
    const auto row_a = ra.row(r), row_b = rb.row(r);
    const double d = segment_mean(a, {row_a.begin(), row_a.end()}, segment) -
                     segment_mean(b, {row_b.begin(), row_b.end()}, segment);
    if (std::isfinite(d)) differences.push_back(d);
  }
  if (differences.size() < 20) return kNoInterval;
  return {stats::quantile(differences, 0.05), stats::quantile(differences, 0.95)};
}

// A gap below 1% counts as none: models of equal function differ by what float32 rounds.
constexpr double kNoGap = 0.01;

bool holds_zero(const Interval& i) {
  return i.lo <= kNoGap && i.hi >= -kNoGap;
}

void add_extremes(const std::vector<double>& a, const std::vector<double>& b, SegmentGap& gap) {
  for (const double x : a) {
    for (const double y : b) {
      const double d = x - y;
      if (!std::isfinite(d)) continue;
      if (!(d >= gap.smallest_pair)) gap.smallest_pair = d;
      if (!(d <= gap.largest_pair)) gap.largest_pair = d;
    }
  }
}

void read_gap(SegmentGap& gap) {
  const bool known =
      std::isfinite(gap.ln_kappa_interval_90.lo) && std::isfinite(gap.ln_absolute_interval_90.lo);
  if (!known) return;
  const bool relative = !holds_zero(gap.ln_kappa_interval_90),
             absolute = !holds_zero(gap.ln_absolute_interval_90);
  if (absolute && !relative) gap.reading = "scale artefact";
  if (absolute && relative) {
    gap.reading =
        std::fabs(gap.scale) > std::fabs(gap.ln_kappa) ? "function and, more of it, scale" : "function";
  }
  if (!absolute && relative) gap.reading = "hidden by scale";
  if (!absolute && !relative) gap.reading = "no gap";
}

}  // namespace

SegmentGap segment_gap(const ModelList& family, const ModelList& against, std::size_t segment) {
  SegmentGap gap{.segment = kSegmentNames[segment],
                 .models = static_cast<int>(family.size()),
                 .models_against = static_cast<int>(against.size()),
                 .reading = {},
                 .note = {}};
  if (!family.empty()) gap.family = family.front()->family;
  if (!against.empty()) gap.against = against.front()->family;
  const auto kappa_a = means(family, &Evidence::ln_kappa, segment);
  const auto kappa_b = means(against, &Evidence::ln_kappa, segment);
  const auto absolute_a = means(family, &Evidence::ln_absolute, segment);
  const auto absolute_b = means(against, &Evidence::ln_absolute, segment);
  const MeanContrast kappa = contrast_means(kappa_a, kappa_b),
                     absolute = contrast_means(absolute_a, absolute_b);
  gap.ln_kappa = kappa.difference;
  gap.ln_kappa_interval_90 = kappa.interval_90;
  gap.ln_absolute = absolute.difference;
  gap.ln_absolute_interval_90 = absolute.interval_90;
  gap.note = "interval over models";
  if (family.size() == 1 && against.size() == 1) {
    gap.ln_kappa_interval_90 =
        document_interval(*family.front(), *against.front(), &Evidence::kappa_resamples, segment);
    gap.ln_absolute_interval_90 =
        document_interval(*family.front(), *against.front(), &Evidence::absolute_resamples, segment);
    gap.note = std::isfinite(gap.ln_kappa_interval_90.lo)
                   ? "interval over documents: about these two models, not about their families"
                   : "no interval: one model each, and no resamples of documents";
  }
  gap.scale = gap.ln_absolute - gap.ln_kappa;
  gap.rms_scale = -2.0 * contrast_means(means(family, &Evidence::ln_rms, segment),
                                        means(against, &Evidence::ln_rms, segment))
                             .difference;
  gap.remainder = gap.scale - gap.rms_scale;
  add_extremes(absolute_a, absolute_b, gap);
  if (std::isnan(gap.ln_absolute)) gap.note += "; the records hold no absolute sensitivity, so no split";
  read_gap(gap);
  return gap;
}

}  // namespace strata
