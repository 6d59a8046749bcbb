#include "strata/record/trace.h"

#include <cmath>
#include <limits>

#include "strata/base/error.h"
#include "strata/record/findings.h"

namespace strata {
namespace {

struct Sums {
  double weight = 0.0;
  double weighted = 0.0;
  int documents = 0;
};

bool counts(double value, double weight) {
  return weight > 0.0 && !std::isnan(value);
}

Sums sum_column(const Matrix& by_doc, const std::vector<double>& weight, std::size_t column) {
  Sums sums;
  for (std::size_t d = 0; d < by_doc.rows; ++d) {
    if (!counts(by_doc(d, column), weight[d])) continue;
    sums.weight += weight[d];
    sums.weighted += weight[d] * by_doc(d, column);
    ++sums.documents;
  }
  return sums;
}

}  // namespace

const Series* find_series(const Trace& trace, std::string_view id, TokenSet tokens) {
  for (const Series& series : trace.series) {
    if (series.id == id && series.tokens == tokens) return &series;
  }
  return nullptr;
}

const CkaRecord* find_cka(const Trace& trace, TokenSet tokens) {
  const CkaRecord* cka = find_cka(trace, tokens, StateScale::token_rms);
  return cka != nullptr ? cka : find_cka(trace, tokens, StateScale::raw);
}

const CkaRecord* find_cka(const Trace& trace, TokenSet tokens, StateScale scale) {
  for (const CkaRecord& cka : trace.cka) {
    if (cka.tokens == tokens && cka.scale == scale) return &cka;
  }
  return nullptr;
}

const SpectrumRecord* find_spectrum(const Trace& trace, TokenSet tokens) {
  for (const SpectrumRecord& spectrum : trace.spectra) {
    if (spectrum.tokens == tokens) return &spectrum;
  }
  return nullptr;
}

std::vector<double> weighted_mean(const Matrix& by_doc, const std::vector<double>& weight) {
  STRATA_CHECK(weight.size() == by_doc.rows);
  std::vector<double> mean(by_doc.cols, kUndefinedValue);
  for (std::size_t i = 0; i < by_doc.cols; ++i) {
    const Sums sums = sum_column(by_doc, weight, i);
    if (sums.documents > 0) mean[i] = sums.weighted / sums.weight;
  }
  return mean;
}

std::vector<double> weighted_standard_error(const Matrix& by_doc, const std::vector<double>& weight) {
  STRATA_CHECK(weight.size() == by_doc.rows);
  std::vector<double> error(by_doc.cols, kUndefinedValue);
  for (std::size_t i = 0; i < by_doc.cols; ++i) {
    const Sums sums = sum_column(by_doc, weight, i);
    if (sums.documents < 2) continue;
    // Linearised variance of the ratio sum(w x) / sum(w), documents drawn independently (Cochran,
    // Sampling Techniques, section 6.4).
    const double mean = sums.weighted / sums.weight;
    double square = 0.0;
    for (std::size_t d = 0; d < by_doc.rows; ++d) {
      if (!counts(by_doc(d, i), weight[d])) continue;
      const double residual = weight[d] * (by_doc(d, i) - mean);
      square += residual * residual;
    }
    const double n = sums.documents;
    error[i] = std::sqrt(n / (n - 1.0) * square) / sums.weight;
  }
  return error;
}

std::vector<double> joint_replicate(const Trace& trace, const Series& series, std::size_t replicate) {
  const CkaRecord* cka = series.id == "cka_shift"       ? find_cka(trace, series.tokens)
                         : series.id == "cka_shift_raw" ? find_cka(trace, series.tokens, StateScale::raw)
                                                        : nullptr;
  if (cka == nullptr || replicate >= cka->replicates.size()) return {};
  const Matrix& matrix = cka->replicates[replicate];
  std::vector<double> shift;
  for (std::size_t l = 0; l + 1 < matrix.rows; ++l) shift.push_back(1.0 - matrix(l, l + 1));
  return shift;
}

std::vector<double> mean_over_documents(const Series& series) {
  return series.joint.empty() ? weighted_mean(series.by_doc, series.weight) : series.joint;
}

std::vector<double> standard_error(const Series& series) {
  return series.joint.empty() ? weighted_standard_error(series.by_doc, series.weight) : series.joint_error;
}

PerByte per_byte(const Trace& trace, const Matrix& nats_per_token) {
  PerByte result{nats_per_token, {}};
  for (std::size_t d = 0; d < trace.documents.size(); ++d) {
    const Document& document = trace.documents[d];
    const auto bytes = static_cast<double>(document.lane_bytes);
    const auto scored = static_cast<double>(document.lane_tokens - 1);
    result.bytes.push_back(bytes);
    for (double& value : result.by_doc.row(d))
      value = bytes > 0.0 && scored > 0.0 ? value * scored / bytes : kUndefinedValue;
  }
  return result;
}

std::vector<double> lane_weights(const Trace& trace) {
  std::vector<double> weight;
  weight.reserve(trace.documents.size());
  for (const Document& document : trace.documents) {
    weight.push_back(static_cast<double>(document.lane_tokens));
  }
  return weight;
}

const char* to_string(Axis axis) {
  switch (axis) {
    case Axis::state:
      return "state";
    case Axis::block:
      return "block";
    case Axis::edge:
      return "edge";
  }
  check_failed("a known axis", __FILE__, __LINE__);
}

const char* to_string(TokenSet tokens) {
  switch (tokens) {
    case TokenSet::ordinary:
      return "ordinary";
    case TokenSet::all:
      return "all";
  }
  check_failed("a known token set", __FILE__, __LINE__);
}

const char* to_string(StateScale scale) {
  switch (scale) {
    case StateScale::raw:
      return "raw";
    case StateScale::token_rms:
      return "token_rms";
  }
  check_failed("a known scale of states", __FILE__, __LINE__);
}

const char* to_string(DetectorRole role) {
  switch (role) {
    case DetectorRole::rule:
      return "rule";
    case DetectorRole::detector:
      return "detector";
    case DetectorRole::reproduction:
      return "reproduction";
  }
  return "";
}

const char* to_string(Group group) {
  switch (group) {
    case Group::attention:
      return "attention";
    case Group::representation:
      return "representation";
    case Group::information:
      return "information";
    case Group::output:
      return "output";
    case Group::control:
      return "control";
  }
  check_failed("a known group", __FILE__, __LINE__);
}

}  // namespace strata
