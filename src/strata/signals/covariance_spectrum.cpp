#include "strata/signals/covariance_spectrum.h"

#include <fmt/format.h>

#include <algorithm>

#include "strata/base/parallel.h"
#include "strata/base/words.h"
#include "strata/signals/covariance.h"
#include "strata/signals/sampled_rows.h"

namespace strata {
namespace {

constexpr std::string_view kIds[] = {"covariance_spectrum"};
constexpr std::size_t kMinRows = 64;  // fewer say nothing about a covariance

std::uint64_t worker_bytes(const SweepContext& context);

// Everything happens at the end, on the sampled rows.
class CovarianceSpectra final : public Accumulator {
 public:
  explicit CovarianceSpectra(const SweepContext& context) : context_(context) {}

  void persist(Archive&) override {}

  void finish(const FinishContext& context) override {
    SpectrumRecord record;
    std::vector<std::size_t> rows;
    const DocumentSample& sample = context_.rows->sample();
    for (std::size_t document = 0; document < sample.documents.size(); ++document) {
      for (const std::size_t i : sample.kept(context.classes, record.tokens, document)) {
        rows.push_back(sample.table_row(document, i));
      }
    }
    record.width = context_.config.hidden;
    record.n_tokens = static_cast<std::int64_t>(rows.size());
    if (rows.size() < kMinRows) {
      record.note = fmt::format("{} sampled tokens, at least {} are needed", rows.size(), kMinRows);
    } else {
      measure(rows, record);
    }
    context.trace.spectra.push_back(std::move(record));
  }

 private:
  // h / rms(h) of the rows.
  [[nodiscard]] FloatMatrix scaled_rows(std::size_t state, const std::vector<std::size_t>& rows) {
    FloatMatrix x(rows.size(), static_cast<std::size_t>(context_.config.hidden));
    // A token of zeros has no direction, and no noise relative to its size moves it.
    for (std::size_t i = 0; i < rows.size(); ++i) context_.rows->read_scaled(state, rows[i], x.row(i));
    return x;
  }

  void measure(const std::vector<std::size_t>& rows, SpectrumRecord& record) {
    const auto n = record.n_tokens, d = static_cast<std::int64_t>(record.width);
    const auto states = static_cast<std::size_t>(context_.config.n_layers + 1);
    const auto entries = static_cast<std::size_t>(spectrum_entries(n, d));
    record.probes = spectrum_is_exact(n, d) ? 0 : static_cast<int>(kProbes);
    record.entries = static_cast<std::int64_t>(entries);
    record.value = record.multiplicity = Matrix(states, entries);
    record.shrinkage.resize(states);
    parallel_for(states, context_.finish_threads(worker_bytes(context_)), [&](std::size_t state) {
      const CovarianceSpectrum spectrum = covariance_spectrum(scaled_rows(state, rows), context_.seed);
      std::copy(spectrum.value.begin(), spectrum.value.end(), record.value.row(state).begin());
      std::copy(spectrum.multiplicity.begin(), spectrum.multiplicity.end(),
                record.multiplicity.row(state).begin());
      record.shrinkage[state] = spectrum.shrinkage;
    });
    record.note = fmt::format(
        "{} of the covariance of {} tokens of {}, d = {}",
        record.probes == 0
            ? "eigenvalues"
            : fmt::format("Lanczos quadrature from {} probes of {} steps", kProbes, kLanczosSteps),
        n, counted(context_.rows->sample().documents.size(), "document"), d);
    if (n < kRowsPerDimension * d) {
      record.note += fmt::format(
          "; fewer than {} tokens for each dimension: at most {} directions are measured, small eigenvalues "
          "are those of the sample and of the shrinkage (--positions {} would do)",
          kRowsPerDimension, std::min(n - 1, d), kRowsPerDimension * d);
    }
  }

  const SweepContext& context_;
};

std::uint64_t covariance_spectrum_bytes(const SweepContext& context) {
  const std::int64_t n = SampledRows::table_rows(context);
  return static_cast<std::uint64_t>(context.config.n_layers + 1) *
         static_cast<std::uint64_t>(spectrum_entries(n, context.config.hidden)) * 2 * sizeof(double);
}

// A state's rows and its eigenproblem or Lanczos basis.
std::uint64_t worker_bytes(const SweepContext& context) {
  const std::int64_t n = SampledRows::table_rows(context), d = context.config.hidden;
  const auto rows = static_cast<std::uint64_t>(n), width = static_cast<std::uint64_t>(d);
  const std::uint64_t small = std::min(rows, width);
  const std::uint64_t solver = spectrum_is_exact(n, d)
                                   ? rows * width + 3 * small * small
                                   : static_cast<std::uint64_t>((kLanczosSteps + 2) * kProbes) * width;
  return rows * width * sizeof(float) + solver * sizeof(double);
}

}  // namespace

Signal covariance_spectrum_signal() {
  return {.series = {},
          .matrices = kIds,
          .needs_attention = false,
          .needs_rows = true,
          .make = [](const SweepContext& context) -> std::unique_ptr<Accumulator> {
            return std::make_unique<CovarianceSpectra>(context);
          },
          .memory_bytes = covariance_spectrum_bytes,
          .finish_bytes = worker_bytes};
}

}  // namespace strata
