// Brittleness of one family against another, split into function and scale.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "strata/base/words.h"
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

// A segment's means of both sensitivities over the states that have both.
struct Both {
  double kappa = kUndefined, absolute = kUndefined;
  [[nodiscard]] bool defined() const { return std::isfinite(kappa) && std::isfinite(absolute); }
};

Both both_means(const Evidence& e, std::size_t segment) {
  if (e.ln_kappa.size() != e.ln_absolute.size()) return {};
  std::vector<double> kappa = e.ln_kappa, absolute = e.ln_absolute;
  for (std::size_t i = 0; i < kappa.size(); ++i) {
    if (!std::isfinite(kappa[i])) absolute[i] = kUndefined;
    if (!std::isfinite(absolute[i])) kappa[i] = kUndefined;
  }
  return {segment_mean(e, kappa, segment), segment_mean(e, absolute, segment)};
}

// The models with both sensitivities, where both families have such; else all of them.
struct Compared {
  ModelList models;
  std::vector<double> kappa, absolute;
};

Compared compared(const ModelList& models, std::size_t segment, bool with_both) {
  Compared out;
  for (const Evidence* e : models) {
    const Both both = both_means(*e, segment);
    if (with_both && !both.defined()) continue;
    out.models.push_back(e);
    out.kappa.push_back(with_both ? both.kappa : segment_mean(*e, e->ln_kappa, segment));
    out.absolute.push_back(with_both ? both.absolute : kUndefined);
  }
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

SegmentGap segment_gap(const ModelList& all_family, const ModelList& all_against, std::size_t segment) {
  const auto has_both = [&](const Evidence* e) { return both_means(*e, segment).defined(); };
  const bool with_both = std::any_of(all_family.begin(), all_family.end(), has_both) &&
                         std::any_of(all_against.begin(), all_against.end(), has_both);
  const Compared a = compared(all_family, segment, with_both), b = compared(all_against, segment, with_both);
  const ModelList &family = a.models, &against = b.models;
  SegmentGap gap{.segment = kSegmentNames[segment],
                 .models = static_cast<int>(family.size()),
                 .models_against = static_cast<int>(against.size()),
                 .reading = {},
                 .note = {}};
  if (!family.empty()) gap.family = family.front()->family;
  if (!against.empty()) gap.against = against.front()->family;
  const MeanContrast kappa = contrast_means(a.kappa, b.kappa),
                     absolute = contrast_means(a.absolute, b.absolute);
  gap.ln_kappa = kappa.difference;
  gap.ln_kappa_interval_90 = kappa.interval_90;
  gap.ln_absolute = absolute.difference;
  gap.ln_absolute_interval_90 = absolute.interval_90;
  gap.note = "interval over models";
  const std::size_t left_out = all_family.size() + all_against.size() - family.size() - against.size();
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
  add_extremes(a.absolute, b.absolute, gap);
  if (std::isnan(gap.ln_absolute)) gap.note += "; the records hold no absolute sensitivity, so no split";
  if (left_out > 0)
    gap.note += fmt::format("; {} without absolute sensitivity left out", counted(left_out, "model"));
  read_gap(gap);
  return gap;
}

}  // namespace strata
