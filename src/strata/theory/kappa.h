// Local relative sensitivity of a state from its dose-response curve.
//
// kappa_l = lim_{eps -> 0} (2 / eps^2) E KL(clean || noise eps rms(h) xi at state l), in nats. In the record
// of a model without a head everything here is about 1 - cosine of the embedding in the place of KL, without
// unit.
#pragma once

#include <vector>

#include "strata/record/findings.h"
#include "strata/record/trace.h"
#include "strata/theory/dose.h"

namespace strata {

struct KappaOptions {
  double slope_tolerance = 0.15;   ///< of the local log-log slope of KL around 2
  std::size_t most_strengths = 3;  ///< of the quadratic range, the smallest ones, that kappa is read from
};

/// What is read off one curve of a noise: lim (2 / eps^2) of its KL and of its change of NLL.
struct Curvature {
  std::vector<double> strengths;  ///< used, of the quadratic range of KL
  dose::Mean kl, nll;             ///< nats per squared strength unit; documents weighted by lane tokens
  std::vector<std::size_t> documents;
  std::vector<double> by_doc;  ///< of kl, for these documents
  std::string note;
};
/// See estimate_kappa for how. The change of NLL is read from the same strengths with the same weights: its
/// first-order term is cancelled by the antithetic pairs, what is left is the curvature of the text's own
/// loss. It equals that of KL for a model that has learnt the text's distribution.
[[nodiscard]] Curvature estimate_curvature(const Trace& trace, const DoseCurve& curve,
                                           const KappaOptions& options = {});

/// The backward sweep's relative sensitivity of ordinary tokens: of KL, or without a head of the embedding;
/// nullptr where it was not measured.
[[nodiscard]] const Series* backward_series_of(const Trace& trace);

/// Lane documents whose "sensitivity" is finite at this state: those that a mean of the backward sweep is
/// over.
[[nodiscard]] std::vector<std::size_t> backward_documents(const Trace& trace, const Series& series,
                                                          int state);

/// One estimate for each state with a "relative_noise" curve, by state; where the record has the backward
/// sweep, also for each state without a curve (`estimator` "backward": kappa and its error are those of
/// "sensitivity"). Documents are pooled with weight
/// Document::lane_tokens; documents without lane tokens or with a value that is not finite are left out.
///
/// Quadratic range: neighbouring strengths e < f are joined when the pooled KL is positive at both and
/// |ln(KL_f / KL_e) / ln(f / e) - 2| <= slope_tolerance. The range is the longest chain of joined
/// strengths, the one at smaller strengths where two are as long; without any joined pair kappa is NaN
/// and `note` says what the slopes were.
///
/// kappa is the intercept of the least-squares line of k = 2 KL / eps^2 on eps^2 over the smallest
/// `most_strengths` of the range: its upper end may hold 15% of curvature, which a line does not follow (with
/// eps = 1 in the fit, kappa came out up to 0.9% too large on the nano models, and only where the slope let
/// it in). With KL = kappa eps^2/2 + c eps^4 the c is gone exactly, where a mean of k would be off by about
/// 2 c eps_max^2 / n. It costs next to no variance: within the range KL scales as a whole, so each k has
/// the same variance, for which least squares is the best linear unbiased choice if the strengths were
/// drawn independently; and where they share their random numbers (as in the lanes) the common error
/// enters with total weight one whatever the weights. The k's own covariance is not used to weight them:
/// with correlations near one and a dozen documents its inverse is noise.
///
/// A floor f of rounding under the curve adds 2 f / eps^2 to k. The slopes bound it: with a tolerance of
/// 0.15 and strengths a factor 3.3 apart, to a sixth of the smallest strength's k.
///
/// The standard error is that of the weighted mean of the documents' own values (ratio estimator); NaN
/// with fewer than two documents. critical_strength: theory/critical.h.
///
/// Where the record has the series "sensitivity" of the backward sweep, `fisher` is its mean over the same
/// documents, and `difference_z` compares the two document by document. The two estimators share the text and
/// nothing else: one draws noise, the other labels. Where the lanes ran on a sample of the documents, or at
/// fewer than half of the states, kappa is the backward sweep's over its documents, so that the states of a
/// run compare, and the lanes' value is its `check`.
[[nodiscard]] std::vector<KappaEstimate> estimate_kappa(const Trace& trace, const KappaOptions& options = {});

}  // namespace strata
