// Statistics over families of models.
#pragma once

#include <string>
#include <vector>

#include "strata/families/evidence.h"
#include "strata/record/study.h"

namespace strata {

using ModelList = std::vector<const Evidence*>;

/// Fewer models of a family than this: nothing between families is decided.
inline constexpr int kFewestModels = 3;

/// Not a segment: all blocks, which needs no boundaries.
inline constexpr std::size_t kAllBlocks = 3;

/// Mean of ln values over a segment of the run's split (0 Local, 1 Intermediate, 2 Global, or kAllBlocks):
/// over the input states of its blocks, or its blocks. NaN without a finite value and, but for kAllBlocks,
/// without a split.
[[nodiscard]] double segment_mean(const Evidence& evidence, const std::vector<double>& ln_values,
                                  std::size_t segment);

struct Moments {
  int n = 0;
  double mean = kUndefined;
  double variance = kUndefined;  ///< divisor n - 1; NaN below two
};
/// Of the finite values.
[[nodiscard]] Moments moments(const std::vector<double>& values);

/// SD of both relative depths within a family, pooled: sqrt of the mean of the two variances. NaN below two.
[[nodiscard]] double pooled_depth_sd(const ModelList& models);

/// ln SD ratio of the depths of `family` to those of `against`, location error removed, with its label
/// permutation and the Brown-Forsythe test.
///
/// Each family's variance is the mean of squared deviations from the family's own mean over both boundaries
/// (divisor n - 1 each) minus the mean squared location error, and no less than the variance of the grid of
/// edges. Labels are exchanged among these deviations, a model's two together. The interval is F's with
/// 2 (n - 1) degrees of freedom each.
[[nodiscard]] SpreadContrast contrast_spread(const ModelList& family, const ModelList& against,
                                             const StudyCard& card);

/// Difference of means with its 90% interval: Welch's t with two models or more on both sides; with one on a
/// side, t with the other's variance.
struct MeanContrast {
  double difference = kUndefined;
  Interval interval_90 = kNoInterval;
};
[[nodiscard]] MeanContrast contrast_means(const std::vector<double>& family,
                                          const std::vector<double>& against);

/// The gap between two families in one segment (0, 1, 2, kAllBlocks). Over models where a family has more
/// than one, over resamples of documents where each has one. Where both families have models with both kinds
/// of sensitivity the gap is of these, at the states that have both, so that the split is exact.
[[nodiscard]] SegmentGap segment_gap(const ModelList& family, const ModelList& against, std::size_t segment);

/// One row for each predictor of each response: b1, b2, ln kappa of the segments and of all blocks, on
/// family, ln parameters, number of blocks, width, and base or instruct where all models say.
[[nodiscard]] std::vector<VarianceShare> decompose_variance(const ModelList& models, const StudyCard& card);

/// Mean, SD and the rest for every family and quantity; those of boundaries and segments are of the models
/// that have a split.
[[nodiscard]] std::vector<FamilyFigure> family_figures(const ModelList& models,
                                                       const std::vector<std::string>& families);

/// The verdict of each family on the depths.
[[nodiscard]] std::vector<Dominance> judge_dominance(const ModelList& models,
                                                     const std::vector<std::string>& families,
                                                     const StudyCard& card);

/// Smallest number of models in each of two families with which a permutation of labels can reach a p below
/// `p`; at least kFewestModels.
[[nodiscard]] int models_for_labels(double p, bool two_sided);

/// Names of the families, in order of appearance.
[[nodiscard]] std::vector<std::string> family_names(const ModelList& models);
/// Of one family.
[[nodiscard]] ModelList of_family(const ModelList& models, const std::string& family);

inline constexpr const char* kSegmentNames[] = {"Local", "Intermediate", "Global", "all blocks"};

}  // namespace strata
