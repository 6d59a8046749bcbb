#include "strata/theory/gaussian_rate.h"

#include <cmath>
#include <vector>

#include "strata/base/error.h"

namespace strata {
namespace {

template <class Function>
TraceEstimate trace_of(const SpectrumRecord& spectrum, int state, const Function& f) {
  const auto row = static_cast<std::size_t>(state);
  STRATA_CHECK(row < spectrum.value.rows);
  const std::size_t entries = spectrum.value.cols;
  const std::size_t probes = spectrum.probes == 0 ? 1 : static_cast<std::size_t>(spectrum.probes);
  std::vector<double> sums(probes, 0.0);  // of each probe
  for (std::size_t i = 0; i < entries; ++i) {
    sums[i / (entries / probes)] += spectrum.multiplicity(row, i) * f(spectrum.value(row, i));
  }
  TraceEstimate estimate;
  for (const double sum : sums) estimate.value += sum;
  if (probes < 2) return estimate;
  // Each probe's sum times their number is an estimate of its own; the value is the mean of those.
  double square = 0.0;
  const auto n = static_cast<double>(probes);
  for (const double sum : sums) square += (n * sum - estimate.value) * (n * sum - estimate.value);
  estimate.standard_error = std::sqrt(square / (n * (n - 1.0)));
  return estimate;
}

}  // namespace

TraceEstimate gaussian_rate(const SpectrumRecord& spectrum, int state, double eps) {
  STRATA_CHECK(eps > 0.0);
  return trace_of(spectrum, state, [&](double lambda) { return 0.5 * std::log1p(lambda / (eps * eps)); });
}

TraceEstimate effective_dimension(const SpectrumRecord& spectrum, int state, double eps) {
  STRATA_CHECK(eps > 0.0);
  return trace_of(spectrum, state, [&](double lambda) { return lambda / (lambda + eps * eps); });
}

}  // namespace strata
