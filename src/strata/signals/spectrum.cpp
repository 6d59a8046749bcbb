#include "strata/signals/spectrum.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "strata/base/parallel.h"
#include "strata/base/words.h"
#include "strata/linalg/product.h"
#include "strata/signals/document_sample.h"
#include "strata/signals/effective_rank.h"
#include "strata/signals/matrix_entropy.h"
#include "strata/signals/participation_ratio.h"

namespace strata {
namespace {

constexpr std::int64_t kMaxRows = 256;  // rows of one document's estimate
constexpr std::int64_t kMinRows = 64;   // fewer say little about a spectrum

// A number of a document's rows, from their plain Gram matrix and their width.
using Estimate = double (*)(const Matrix& gram, std::size_t width);

// Of rows divided by their RMS, as the next block reads them; then of the rows themselves.
constexpr SeriesInfo kInfo[] = {{"matrix_entropy", "1", Axis::state, Group::information},
                                {"participation_ratio", "1", Axis::state, Group::information},
                                {"effective_rank", "1", Axis::state, Group::information},
                                {"matrix_entropy_raw", "1", Axis::state, Group::control},
                                {"participation_ratio_raw", "1", Axis::state, Group::control},
                                {"effective_rank_raw", "1", Axis::state, Group::control}};
constexpr Estimate kEstimate[] = {mean_matrix_entropy,
                                  [](const Matrix& gram, std::size_t) { return participation_ratio(gram); },
                                  effective_rank};
constexpr const char* kLimit[] = {"mean over draws of 32 rows, the entropy of which is at most ln min(32, d)",
                                  "numerator and denominator without bias, so N may be below d",
                                  "at most N - 1 for N rows, and too small unless N is many times the rank"};
constexpr std::size_t kCount = std::size(kEstimate);
static_assert(std::size(kInfo) == 2 * kCount && std::size(kLimit) == kCount);

// Gram matrices of sampled rows of some documents, kept per state until the sinks are known.
class Spectrum final : public Accumulator {
 public:
  explicit Spectrum(const SweepContext& context)
      : context_(context), sample_(draw_sample(context, sample_size(context, kMinRows, kMaxRows))) {
    buffer_.resize(sample_.table_rows() * static_cast<std::size_t>(context.config.hidden));
    grams_.resize(static_cast<std::size_t>(context.config.n_layers + 1) * sample_.documents.size());
  }

  void observe_state(const StateView& view) override {
    sample_.copy_rows(view, static_cast<std::size_t>(context_.config.hidden), buffer_.data());
  }

  void end_state(int state) override {
    const auto d = static_cast<std::size_t>(context_.config.hidden);
    parallel_for(sample_.documents.size(), context_.threads, [&](std::size_t document) {
      const std::size_t n = sample_.tokens[document].size();
      const Matrix gram = linalg::gram_of_rows(buffer_.data() + sample_.table_row(document, 0) * d, n, d);
      auto& packed = grams_[static_cast<std::size_t>(state) * sample_.documents.size() + document];
      packed.reserve(n * (n + 1) / 2);
      for (std::size_t i = 0; i < n; ++i) {
        const auto row = gram.row(i).first(i + 1);
        packed.insert(packed.end(), row.begin(), row.end());
      }
    });
  }

  void persist(Archive& archive) override { archive.sized(grams_); }

  void finish(const FinishContext& context) override {
    std::vector<Series> series;  // as kInfo, each ordinary and all
    for (const SeriesInfo& info : kInfo) {
      for (const TokenSet set : kSets) series.push_back(empty_series(context, info, set));
    }
    const std::size_t documents = sample_.documents.size(), states = series[0].by_doc.cols;
    parallel_for(documents * states, context_.threads, [&](std::size_t task) {
      const std::size_t document = task / states, state = task % states;
      std::vector<std::size_t> before;
      std::array<double, 2 * kCount> values{};
      for (std::size_t set = 0; set < 2; ++set) {
        const auto keep = sample_.kept(context.classes, kSets[set], document);
        if (!enough(keep.size())) continue;
        // Documents without sinks in the sample have the same rows in both token sets.
        if (keep != before) {
          values = estimate(gram_of(state, document, keep));
          before = keep;
        }
        for (std::size_t i = 0; i < values.size(); ++i) {
          series[2 * i + set].by_doc(sample_.documents[document], state) = values[i];
        }
      }
    });
    for (Series& s : series) context.trace.series.push_back(std::move(s));
  }

 private:
  static constexpr TokenSet kSets[] = {TokenSet::ordinary, TokenSet::all};
  static bool enough(std::size_t rows) { return rows >= kEntropyRows; }

  [[nodiscard]] Series empty_series(const FinishContext& context, const SeriesInfo& info,
                                    TokenSet set) const {
    Series series = make_series(context_, info, set);
    for (std::size_t document = 0; document < sample_.documents.size(); ++document) {
      const std::size_t n = sample_.kept(context.classes, set, document).size();
      series.weight[sample_.documents[document]] = enough(n) ? static_cast<double>(n) : 0.0;
    }
    series.note = fmt::format("from up to {} sampled positions of {}{}; {}", sample_.share,
                              sample_.documents.size() == 1 ? "" : "each of ",
                              counted(sample_.documents.size(), "document"),
                              kLimit[static_cast<std::size_t>(&info - kInfo) % kCount]);
    return series;
  }

  // Each estimate of the rows divided by their RMS, then each of the rows.
  [[nodiscard]] std::array<double, 2 * kCount> estimate(const Matrix& gram) const {
    std::array<double, 2 * kCount> values{};
    const Matrix scaled = directions(gram);
    const auto width = static_cast<std::size_t>(context_.config.hidden);
    for (std::size_t i = 0; i < kCount; ++i) {
      values[i] = enough(scaled.rows) ? kEstimate[i](scaled, width) : std::nan("");
      values[kCount + i] = kEstimate[i](gram, width);
    }
    return values;
  }

  // The Gram matrix of the same rows divided by their RMS; rows of zeros are left out.
  [[nodiscard]] Matrix directions(const Matrix& gram) const {
    std::vector<std::size_t> rows;
    std::vector<double> inverse;
    for (std::size_t i = 0; i < gram.rows; ++i) {
      if (!(gram(i, i) > 0.0)) continue;
      rows.push_back(i);
      inverse.push_back(std::sqrt(static_cast<double>(context_.config.hidden) / gram(i, i)));
    }
    Matrix scaled(rows.size(), rows.size());
    for (std::size_t a = 0; a < rows.size(); ++a) {
      for (std::size_t b = 0; b < rows.size(); ++b) {
        scaled(a, b) = gram(rows[a], rows[b]) * inverse[a] * inverse[b];
      }
    }
    return scaled;
  }

  [[nodiscard]] Matrix gram_of(std::size_t state, std::size_t document,
                               const std::vector<std::size_t>& keep) const {
    const auto& packed = grams_[state * sample_.documents.size() + document];
    Matrix gram(keep.size(), keep.size());
    for (std::size_t a = 0; a < keep.size(); ++a) {
      for (std::size_t b = 0; b <= a; ++b) {
        gram(a, b) = gram(b, a) = packed[keep[a] * (keep[a] + 1) / 2 + keep[b]];
      }
    }
    return gram;
  }

  const SweepContext& context_;
  DocumentSample sample_;
  std::vector<float> buffer_;               // sampled rows of the current state
  std::vector<std::vector<double>> grams_;  // (states, sampled documents): lower triangles
};

std::uint64_t spectrum_bytes(const SweepContext& context) {
  const SampleSize size = sample_size(context, kMinRows, kMaxRows);
  const auto rows = static_cast<std::uint64_t>(table_stride(context, size));
  const std::uint64_t packed = rows * (rows + 1) / 2 * sizeof(double);
  return static_cast<std::uint64_t>(size.documents) *
         (static_cast<std::uint64_t>(context.config.n_layers + 1) * packed +
          rows * static_cast<std::uint64_t>(context.config.hidden) * sizeof(float));
}

}  // namespace

Signal spectrum_signal() {
  return {.series = kInfo,
          .needs_attention = false,
          .make = [](const SweepContext& context) -> std::unique_ptr<Accumulator> {
            return std::make_unique<Spectrum>(context);
          },
          .memory_bytes = spectrum_bytes};
}

}  // namespace strata
