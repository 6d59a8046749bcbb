// How far rows of logits are from a reference row, strip by strip of the vocabulary: neither is ever held
// whole.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "strata/model/kernels.h"

namespace strata {

/// logit_statistics of a row that comes strip by strip, in double.
class StripStatistics {
 public:
  void add(std::span<const float> logits);
  [[nodiscard]] LogitRow result() const;

 private:
  double largest_ = -std::numeric_limits<double>::infinity();
  double total_ = 0.0, weighted_ = 0.0;  // sums of exp(logit - largest_), and of that times logit - largest_
};

/// The row that others are compared with: p = softmax of it. Sums are in units of exp(largest).
class ReferenceRow {
 public:
  /// The next strip of its logits.
  void add(std::span<const float> logits);

  [[nodiscard]] std::int64_t top() const { return top_; }  ///< the first index of the largest logit
  [[nodiscard]] float largest() const { return largest_; }
  [[nodiscard]] double total() const { return total_; }  ///< sum exp(logit - largest())
  /// exp(logit - largest()) of the last strip.
  [[nodiscard]] std::span<const float> weights() const { return weights_; }
  /// What sums of earlier strips are to be multiplied by: the last strip may have raised largest().
  [[nodiscard]] double rescale() const { return rescale_; }
  [[nodiscard]] double before() const { return before_; }  ///< of total(), the share of the earlier strips

 private:
  float largest_ = -std::numeric_limits<float>::infinity();
  double total_ = 0.0, before_ = 0.0, rescale_ = 1.0;
  std::int64_t top_ = 0, seen_ = 0;
  std::vector<float> weights_;
};

/// What a row of logits is to its reference, when every strip has been added.
struct LogitDivergence {
  double kl_nats = 0.0;               ///< KL(p || q), never negative; NaN where logits are not finite
  double delta_log_normaliser = 0.0;  ///< ln sum exp(q_logits) - ln sum exp(p_logits)
  bool same_top = false;              ///< the first of the largest logits is the same
};

/// Another row, q = softmax of it. Exponentials and the terms of each strip are single precision, sums over
/// strips double. With d = q_logits - p_logits, less its value at the largest of p_logits,
///   KL = ln(1 + s) - s + sum p (exp(d) - 1 - d),  s = sum p (exp(d) - 1),
/// in which small differences keep their digits. The error is below 2e-6 KL where the terms of exp(d) - 1 - d
/// sum to less than 1/2, and below 2e-6 (1 + KL) nats elsewhere, where KL is the difference of two
/// log-normalisers less sum p d.
class ComparedRow {
 public:
  /// The same strip as the last one of `reference`, after reference.add().
  void add(const ReferenceRow& reference, std::span<const float> reference_logits,
           std::span<const float> logits);
  [[nodiscard]] LogitDivergence result(const ReferenceRow& reference) const;

 private:
  void move_centre(float centre, double weight);
  float largest_ = -std::numeric_limits<float>::infinity();
  double total_ = 0.0;                 // sum exp(q_logit - largest_)
  double shift_ = 0.0, excess_ = 0.0;  // sums of weight * d and of weight * (exp(d) - 1 - d)
  float centre_ = 0.0f;                // what d is less by: the difference of the logits at centre_at_
  std::int64_t centre_at_ = -1, top_ = 0, seen_ = 0;
};

}  // namespace strata
