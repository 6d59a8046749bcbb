// Shared by the estimators of this module: curves of a record, pooled and per document.
#pragma once

#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "strata/record/trace.h"

namespace strata::dose {

/// The curve of this intervention at this place spanning `span` states or blocks, or nullptr.
[[nodiscard]] const DoseCurve* find_curve(const Trace& trace, std::string_view intervention, Axis axis,
                                          int place, int span = 1);

/// Whether this strength is undefined in every document: below the noise floor of the compute mode, or
/// overflowing everywhere. The estimators go on without it.
[[nodiscard]] bool undefined_everywhere(const DoseCurve& curve, std::size_t strength);

/// Documents with lane tokens and nothing but finite values in this curve, strengths aside that are
/// undefined everywhere.
[[nodiscard]] std::vector<std::size_t> usable_documents(const Trace& trace, const DoseCurve& curve);

/// Mean of column `column` over these documents, weighted by lane tokens; NaN without documents.
[[nodiscard]] double pooled(const Trace& trace, const Matrix& by_doc, std::span<const std::size_t> documents,
                            std::size_t column);

/// Weights a_j with kappa = sum_j a_j KL_j: intercept of the line of 2 KL_j / eps_j^2 on eps_j^2.
/// At least two different strengths.
[[nodiscard]] std::vector<double> kappa_weights(std::span<const double> strengths);

/// The document's own kappa from these strengths of one of the curve's matrices; the pooled kappa is the mean
/// of these.
[[nodiscard]] double document_kappa(const DoseCurve& curve, const Matrix& by_doc,
                                    std::span<const double> strengths, std::size_t document);

struct Mean {
  double value = std::numeric_limits<double>::quiet_NaN();
  double standard_error = std::numeric_limits<double>::quiet_NaN();  ///< ratio estimator; NaN below two
};
/// Mean of one value for each of these documents, weighted by its lane tokens.
[[nodiscard]] Mean mean_over_documents(const Trace& trace, std::span<const std::size_t> documents,
                                       const std::vector<double>& values);

}  // namespace strata::dose
