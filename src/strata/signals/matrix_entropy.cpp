#include "strata/signals/matrix_entropy.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_eigvalsh.h>
#include <ATen/ops/mm.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string_view>

#include "strata/base/philox.h"
#include "strata/model/threads.h"

namespace strata {
namespace {

constexpr SeriesInfo kInfo[] = {{"matrix_entropy", "1", Axis::state, Group::information}};
constexpr std::int64_t kMaxRows = 256;  // rows of one document's estimate
constexpr std::int64_t kMinRows = 64;   // fewer say little about a spectrum

// How many documents, and how many rows of each, share the sampled positions.
struct Shares {
  std::int64_t rows = 0, documents = 0;
};

Shares shares(const SweepContext& context) {
  const auto documents = static_cast<std::int64_t>(context.corpus.documents.size());
  const std::int64_t rows = std::clamp(context.positions / documents, kMinRows, kMaxRows);
  return {rows, std::min(documents, std::max<std::int64_t>(1, context.positions / rows))};
}

// A seeded sample, because documents are in name order; ascending.
std::vector<std::uint32_t> choose_documents(const SweepContext& context, std::int64_t count) {
  std::vector<std::uint32_t> chosen(context.corpus.documents.size());
  std::iota(chosen.begin(), chosen.end(), 0u);
  Philox rng({.seed = context.seed, .stream = Stream::positions, .a = 4});
  shuffle(chosen, rng);
  chosen.resize(static_cast<std::size_t>(count));
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

// Gram matrices of sampled rows of some documents, kept per state until the sinks are known.
class MatrixEntropy final : public Accumulator {
 public:
  explicit MatrixEntropy(const SweepContext& context)
      : context_(context),
        share_(shares(context).rows),
        documents_(choose_documents(context, shares(context).documents)),
        slots_(context.corpus.windows.size()) {
    for (const std::uint32_t document : documents_) {
      auto tokens = sample_tokens(context, static_cast<int>(document), share_);
      for (std::size_t i = 0; i < tokens.size(); ++i) {
        const std::size_t w = window_of(context, tokens[i]);
        slots_[w].push_back(
            {rows_.size() * static_cast<std::size_t>(share_) + i, tokens[i] - context.first_token[w]});
      }
      rows_.push_back(std::move(tokens));
    }
    buffer_.resize(rows_.size() * static_cast<std::size_t>(share_ * context.config.hidden));
    grams_.resize(static_cast<std::size_t>(context.config.n_layers + 1) * rows_.size());
  }

  void observe_state(const StateView& view) override {
    const auto d = static_cast<std::size_t>(context_.config.hidden);
    for (const Slot& slot : slots_[view.window]) {
      std::memcpy(buffer_.data() + slot.row * d, view.h + static_cast<std::size_t>(slot.position) * d,
                  d * sizeof(float));
    }
  }

  void end_state(int state) override {
    const std::int64_t d = context_.config.hidden;
    for_each_window(rows_.size(), context_.threads, [&](std::size_t document) {
      const auto n = static_cast<std::int64_t>(rows_[document].size());
      at::Tensor x = at::empty({n, d}, at::kDouble);
      std::copy_n(buffer_.data() + static_cast<std::int64_t>(document) * share_ * d, n * d,
                  x.data_ptr<double>());
      const at::Tensor gram = at::mm(x, x.t());
      const double* g = gram.data_ptr<double>();
      auto& packed = grams_[static_cast<std::size_t>(state) * rows_.size() + document];
      packed.reserve(static_cast<std::size_t>(n * (n + 1) / 2));
      for (std::int64_t i = 0; i < n; ++i) packed.insert(packed.end(), g + i * n, g + i * n + i + 1);
    });
  }

  void finish(const FinishContext& context) override {
    for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
      Series series = make_series(context_, kInfo[0], set);
      const std::size_t states = series.by_doc.cols;
      for_each_window(rows_.size() * states, context_.threads, [&](std::size_t task) {
        const std::size_t document = task / states, state = task % states;
        const auto keep = kept_rows(context, set, document);
        if (static_cast<std::int64_t>(keep.size()) < kMinRows / 2) return;
        series.by_doc(documents_[document], state) =
            matrix_entropy(gram_of(state, document, keep), static_cast<std::size_t>(context_.config.hidden));
      });
      for (std::size_t document = 0; document < rows_.size(); ++document) {
        const std::size_t n = kept_rows(context, set, document).size();
        series.weight[documents_[document]] =
            static_cast<std::int64_t>(n) < kMinRows / 2 ? 0.0 : static_cast<double>(n);
      }
      series.note = fmt::format(
          "from up to {} sampled positions of each of {} documents; the entropy of N rows is at "
          "most ln min(N, d)",
          share_, rows_.size());
      context.trace.series.push_back(std::move(series));
    }
  }

 private:
  struct Slot {
    std::size_t row;
    std::int64_t position;
  };

  [[nodiscard]] std::vector<std::size_t> kept_rows(const FinishContext& context, TokenSet set,
                                                   std::size_t document) const {
    std::vector<std::size_t> keep;
    for (std::size_t i = 0; i < rows_[document].size(); ++i) {
      if (counts(set, context.classes[static_cast<std::size_t>(rows_[document][i])])) keep.push_back(i);
    }
    return keep;
  }

  [[nodiscard]] Matrix gram_of(std::size_t state, std::size_t document,
                               const std::vector<std::size_t>& keep) const {
    const auto& packed = grams_[state * rows_.size() + document];
    Matrix gram(keep.size(), keep.size());
    for (std::size_t a = 0; a < keep.size(); ++a) {
      for (std::size_t b = 0; b <= a; ++b) {
        const std::size_t i = std::max(keep[a], keep[b]), j = std::min(keep[a], keep[b]);
        gram(a, b) = gram(b, a) = packed[i * (i + 1) / 2 + j];
      }
    }
    return gram;
  }

  const SweepContext& context_;
  std::int64_t share_;                           // rows of a document, at most
  std::vector<std::uint32_t> documents_;         // the sampled ones
  std::vector<std::vector<std::int64_t>> rows_;  // per sampled document: its sampled tokens
  std::vector<std::vector<Slot>> slots_;         // per window
  std::vector<float> buffer_;                    // sampled rows of the current state
  std::vector<std::vector<double>> grams_;       // (states, sampled documents): lower triangles
};

std::uint64_t matrix_entropy_bytes(const SweepContext& context) {
  const Shares share = shares(context);
  const auto rows = static_cast<std::uint64_t>(share.rows);
  const std::uint64_t packed = rows * (rows + 1) / 2 * sizeof(double);
  return static_cast<std::uint64_t>(share.documents) *
         (static_cast<std::uint64_t>(context.config.n_layers + 1) * packed +
          rows * static_cast<std::uint64_t>(context.config.hidden) * sizeof(float));
}

}  // namespace

double matrix_entropy(const Matrix& gram, std::size_t width) {
  const std::size_t n = gram.rows;
  if (n < 2) return std::numeric_limits<double>::quiet_NaN();
  std::vector<double> mean(n, 0.0);
  double grand = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) mean[i] += gram(i, j);
    mean[i] /= static_cast<double>(n);
    grand += mean[i];
  }
  grand /= static_cast<double>(n);
  std::vector<double> scale(n, 0.0);  // 1 / norm of the centred row; 0 leaves it out
  std::size_t used = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double square = gram(i, i) - 2.0 * mean[i] + grand;
    if (!(square > 1e-12 * gram(i, i))) continue;
    scale[i] = 1.0 / std::sqrt(square);
    ++used;
  }
  if (used < 2) return std::numeric_limits<double>::quiet_NaN();
  std::vector<double> normalised(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      normalised[i * n + j] =
          (gram(i, j) - mean[i] - mean[j] + grand) * scale[i] * scale[j] / static_cast<double>(used);
    }
  }
  const auto size = static_cast<std::int64_t>(n);
  const at::Tensor eigenvalues =
      at::linalg_eigvalsh(at::from_blob(normalised.data(), {size, size}, at::kDouble), "L");
  double entropy = 0.0;
  for (std::int64_t i = 0; i < size; ++i) {
    const double lambda = eigenvalues.data_ptr<double>()[i];
    if (lambda > 0.0) entropy -= lambda * std::log(lambda);
  }
  return entropy / std::log(static_cast<double>(std::min(used, width)));
}

Signal matrix_entropy_signal() {
  return {.series = kInfo,
          .needs_attention = false,
          .make = [](const SweepContext& context) -> std::unique_ptr<Accumulator> {
            return std::make_unique<MatrixEntropy>(context);
          },
          .memory_bytes = matrix_entropy_bytes};
}

}  // namespace strata
