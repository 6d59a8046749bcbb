#include "strata/theory/dose.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "strata/base/error.h"

namespace strata::dose {

const DoseCurve* find_curve(const Trace& trace, std::string_view intervention, Axis axis, int place,
                            int span) {
  for (const DoseCurve& curve : trace.curves) {
    if (curve.intervention == intervention && curve.axis == axis && curve.place == place &&
        curve.span == span) {
      return &curve;
    }
  }
  return nullptr;
}

bool undefined_everywhere(const DoseCurve& curve, std::size_t strength) {
  const Matrix& damage = damage_of(curve);
  for (std::size_t d = 0; d < damage.rows; ++d) {
    if (std::isfinite(damage(d, strength))) return false;
  }
  return true;
}

std::vector<std::size_t> usable_documents(const Trace& trace, const DoseCurve& curve) {
  const auto fits = [&](const Matrix& m) {
    return m.rows == trace.documents.size() && m.cols == curve.strength.size();
  };
  const Matrix& damage = damage_of(curve);
  // Of a model without a head only the distance counts, as there is no change of NLL.
  const Matrix& change = curve.embedding_distance.rows > 0 ? damage : curve.delta_nll_nats;
  STRATA_CHECK(fits(damage) && fits(change));
  std::vector<std::size_t> documents, defined;
  for (std::size_t s = 0; s < curve.strength.size(); ++s) {
    if (!undefined_everywhere(curve, s)) defined.push_back(s);
  }
  if (defined.empty()) return documents;
  for (std::size_t d = 0; d < trace.documents.size(); ++d) {
    const auto finite = [&](std::span<const double> row) {
      return std::all_of(defined.begin(), defined.end(),
                         [&](std::size_t s) { return std::isfinite(row[s]); });
    };
    if (trace.documents[d].lane_tokens > 0 && finite(damage.row(d)) && finite(change.row(d))) {
      documents.push_back(d);
    }
  }
  return documents;
}

double pooled(const Trace& trace, const Matrix& by_doc, std::span<const std::size_t> documents,
              std::size_t column) {
  double sum = 0.0, weight = 0.0;
  for (const std::size_t d : documents) {
    const auto tokens = static_cast<double>(trace.documents[d].lane_tokens);
    sum += tokens * by_doc(d, column);
    weight += tokens;
  }
  return weight > 0.0 ? sum / weight : std::numeric_limits<double>::quiet_NaN();
}

std::vector<double> kappa_weights(std::span<const double> strengths) {
  STRATA_CHECK(strengths.size() >= 2);
  const auto n = static_cast<double>(strengths.size());
  double mean = 0.0, spread = 0.0;
  for (const double eps : strengths) mean += eps * eps / n;
  for (const double eps : strengths) spread += (eps * eps - mean) * (eps * eps - mean);
  STRATA_CHECK(spread > 0.0);
  std::vector<double> weights;
  for (const double eps : strengths) {
    weights.push_back((1.0 / n - mean * (eps * eps - mean) / spread) * 2.0 / (eps * eps));
  }
  return weights;
}

double document_kappa(const DoseCurve& curve, const Matrix& by_doc, std::span<const double> strengths,
                      std::size_t document) {
  const auto weights = kappa_weights(strengths);
  double kappa = 0.0;
  for (std::size_t i = 0; i < strengths.size(); ++i) {
    const auto at = std::find(curve.strength.begin(), curve.strength.end(), strengths[i]);
    STRATA_CHECK(at != curve.strength.end());
    kappa += weights[i] * by_doc(document, static_cast<std::size_t>(at - curve.strength.begin()));
  }
  return kappa;
}

Mean mean_over_documents(const Trace& trace, std::span<const std::size_t> documents,
                         const std::vector<double>& values) {
  double sum = 0.0, weight = 0.0;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    const auto tokens = static_cast<double>(trace.documents[documents[i]].lane_tokens);
    sum += tokens * values[i];
    weight += tokens;
  }
  Mean mean;
  if (!(weight > 0.0)) return mean;
  mean.value = sum / weight;
  if (documents.size() < 2) return mean;
  double square = 0.0;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    const double share = static_cast<double>(trace.documents[documents[i]].lane_tokens) / weight;
    square += share * share * (values[i] - mean.value) * (values[i] - mean.value);
  }
  const auto n = static_cast<double>(documents.size());
  mean.standard_error = std::sqrt(square * n / (n - 1.0));
  return mean;
}

}  // namespace strata::dose
