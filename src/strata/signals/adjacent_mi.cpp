#include "strata/signals/adjacent_mi.h"

#include <fmt/format.h>

#include <algorithm>

#include "strata/base/parallel.h"
#include "strata/base/words.h"
#include "strata/signals/copula_mi.h"
#include "strata/signals/principal_axes.h"
#include "strata/signals/sampled_rows.h"

namespace strata {
namespace {

constexpr SeriesInfo kInfo[] = {{"adjacent_mi", "nats", Axis::block, Group::information},
                                {"adjacent_mi_half", "nats", Axis::block, Group::control},
                                {"pca_share", "share", Axis::state, Group::control}};
constexpr std::size_t kShifts = 4;   // spread evenly over a document's sampled tokens
constexpr std::size_t kMinRows = 8;  // of a document: the shifts must differ
constexpr std::size_t kChain = 4;    // states that one thread takes one after the other

std::size_t components(const SweepContext& context) {
  return static_cast<std::size_t>(std::min<std::int64_t>(kMiComponents, context.config.hidden));
}

// The rows behind one estimate: those of a document together, in the order of the text.
struct Rows {
  std::vector<std::size_t> table;  ///< row of the sample's table
  std::vector<std::size_t> first;  ///< per used document: its first row here; ends with the total
  std::vector<std::size_t> document;

  [[nodiscard]] std::size_t count() const { return table.size(); }
};

// `halved`: of the first half of each document's sample. A token without a direction at some state is left
// out.
Rows collect_rows(const SampledRows& table, std::span<const TokenClass> classes, TokenSet set, bool halved) {
  const DocumentSample& sample = table.sample();
  Rows rows;
  rows.first = {0};
  for (std::size_t document = 0; document < sample.documents.size(); ++document) {
    const auto& tokens = sample.tokens[document];
    auto kept = sample.kept(classes, set, document, halved ? tokens.size() / 2 : tokens.size());
    std::erase_if(kept, [&](std::size_t i) { return !table.has_direction(sample.table_row(document, i)); });
    if (kept.size() < kMinRows) continue;
    std::sort(kept.begin(), kept.end(), [&](std::size_t a, std::size_t b) { return tokens[a] < tokens[b]; });
    for (const std::size_t i : kept) {
      rows.table.push_back(sample.table_row(document, i));
    }
    rows.first.push_back(rows.count());
    rows.document.push_back(sample.documents[document]);
  }
  return rows;
}

// Each row's partner when a document of m rows is shifted by m * shift / (kShifts + 1).
Matrix shifted(const Matrix& y, const Rows& rows, std::size_t shift) {
  Matrix out(y.rows, y.cols);
  for (std::size_t d = 0; d < rows.document.size(); ++d) {
    const std::size_t begin = rows.first[d], m = rows.first[d + 1] - begin;
    const std::size_t by = m * shift / (kShifts + 1);
    for (std::size_t i = 0; i < m; ++i) {
      std::ranges::copy(y.row(begin + (i + by) % m), out.row(begin + i).begin());
    }
  }
  return out;
}

// Per used document: mean pointwise information less its mean over the shifts; empty = infinite.
std::vector<double> information(const Matrix& x, const Matrix& y, const Rows& rows) {
  std::vector<double> result(rows.document.size(), 0.0);
  for (std::size_t shift = 0; shift <= kShifts; ++shift) {
    const auto pointwise = pointwise_information(x, shift == 0 ? y : shifted(y, rows, shift));
    if (pointwise.empty()) return {};
    for (std::size_t d = 0; d < result.size(); ++d) {
      double sum = 0.0;
      for (std::size_t i = rows.first[d]; i < rows.first[d + 1]; ++i) sum += pointwise[i];
      sum /= static_cast<double>(rows.first[d + 1] - rows.first[d]);
      result[d] += shift == 0 ? sum : -sum / static_cast<double>(kShifts);
    }
  }
  return result;
}

std::uint64_t worker_bytes(const SweepContext& context);
std::uint64_t once_bytes(const SweepContext& context);

// Everything happens at the end, on the sampled rows.
class AdjacentMi final : public Accumulator {
 public:
  explicit AdjacentMi(const SweepContext& context) : context_(context) {}

  void persist(Archive&) override {}

  void finish(const FinishContext& context) override {
    std::vector<Part> parts;
    for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
      for (const bool halved : {false, true}) parts.push_back(make_part(context.classes, set, halved));
    }
    find_scores(parts);
    std::vector<Series> share;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (i % 2 == 0) {
        share.push_back(make_series(context_, kInfo[2], parts[i].mi.tokens));
        add_share(parts[i], share.back());
      }
      if (!parts[i].scores.empty()) measure(parts[i]);
    }
    for (const std::size_t i : {0, 2, 1, 3}) context.trace.series.push_back(std::move(parts[i].mi));
    for (Series& series : share) context.trace.series.push_back(std::move(series));
  }

 private:
  // One estimate: the rows behind it, its series, and the scores of every state; none where the rows are too
  // few.
  struct Part {
    Rows rows;
    Series mi;
    std::vector<CopulaScores> scores;
  };

  [[nodiscard]] std::size_t needed_rows() const {
    return static_cast<std::size_t>(kMiRowsPerComponent) * components(context_);
  }

  [[nodiscard]] Part make_part(std::span<const TokenClass> classes, TokenSet set, bool halved) const {
    Part part{.rows = collect_rows(*context_.rows, classes, set, halved),
              .mi = make_series(context_, kInfo[halved ? 1 : 0], set)};
    const std::size_t needed = needed_rows() / (halved ? 2 : 1);
    if (part.rows.count() < needed) {
      part.mi.note = fmt::format("{} sampled tokens, at least {} are needed for {} components",
                                 part.rows.count(), needed, components(context_));
    } else {
      part.scores.resize(static_cast<std::size_t>(context_.config.n_layers + 1));
    }
    return part;
  }

  // Divided by their RMS, as the next block reads them.
  [[nodiscard]] FloatMatrix rows_of(std::size_t state, const Rows& rows) {
    FloatMatrix x(rows.count(), static_cast<std::size_t>(context_.config.hidden));
    for (std::size_t i = 0; i < rows.count(); ++i) context_.rows->read_scaled(state, rows.table[i], x.row(i));
    return x;
  }

  // The parts of a state have most of their rows in common, so each search begins where the last one ended.
  // None begins at another state: what two searches share of their errors would pass for information.
  void find_scores(std::vector<Part>& parts) {
    const auto states = static_cast<std::size_t>(context_.config.n_layers + 1);
    parallel_for(states, context_.finish_threads(worker_bytes(context_), once_bytes(context_)),
                 [&](std::size_t state) {
                   Matrix start;
                   for (const std::size_t i : {0, 2, 1, 3}) {
                     if (parts[i].scores.empty()) continue;
                     // Without sinks in the sample both token sets are the same.
                     if (i >= 2 && parts[i].rows.table == parts[i - 2].rows.table) {
                       parts[i].scores[state] = parts[i - 2].scores[state];
                     } else {
                       parts[i].scores[state] =
                           copula_scores(rows_of(state, parts[i].rows), components(context_), &start);
                     }
                   }
                 });
  }

  // Fills the series of a part, block by block.
  void measure(Part& part) {
    const Rows& rows = part.rows;
    Series& mi = part.mi;
    std::vector<char> infinite(part.scores.size() - 1, 0);
    parallel_for(infinite.size(), context_.threads, [&](std::size_t block) {
      const auto values = information(part.scores[block].white, part.scores[block + 1].white, rows);
      infinite[block] = values.empty() ? 1 : 0;
      for (std::size_t d = 0; d < values.size(); ++d) mi.by_doc(rows.document[d], block) = values[d];
    });
    set_weights(rows, mi);
    mi.note = fmt::format(
        "one Gaussian copula of {} principal components fitted to {} tokens of {}; less the mean "
        "over {} circular shifts",
        components(context_), rows.count(), counted(rows.document.size(), "document"), kShifts);
    const auto lost = std::count(infinite.begin(), infinite.end(), 1);
    if (lost > 0) {
      mi.note += fmt::format("; undefined at {}, where one state determines a direction of the other",
                             counted(static_cast<std::uint64_t>(lost), "block"));
    }
  }

  static void set_weights(const Rows& rows, Series& series) {
    for (std::size_t d = 0; d < rows.document.size(); ++d) {
      series.weight[rows.document[d]] = static_cast<double>(rows.first[d + 1] - rows.first[d]);
    }
  }

  static void add_share(const Part& part, Series& share) {
    if (part.scores.empty()) {
      share.note = part.mi.note;
      return;
    }
    const Rows& rows = part.rows;
    set_weights(rows, share);
    share.note = "of the squared distance of a document's tokens from the mean of all";
    for (std::size_t state = 0; state < part.scores.size(); ++state) {
      for (std::size_t d = 0; d < rows.document.size(); ++d) {
        double total = 0.0, captured = 0.0;
        for (std::size_t i = rows.first[d]; i < rows.first[d + 1]; ++i) {
          total += part.scores[state].variance[i];
          captured += part.scores[state].captured[i];
        }
        if (total > 0.0) share.by_doc(rows.document[d], state) = captured / total;
      }
    }
  }

  const SweepContext& context_;
};

// The scores of both token sets, of all their rows and of half.
std::uint64_t adjacent_mi_bytes(const SweepContext& context) {
  return static_cast<std::uint64_t>(context.config.n_layers + 1) *
         static_cast<std::uint64_t>(SampledRows::table_rows(context)) * 3 * (kMiComponents + 2) *
         sizeof(double);
}

// A state's rows, and the search for the axes.
std::uint64_t worker_bytes(const SweepContext& context) {
  const std::int64_t rows = SampledRows::table_rows(context), d = context.config.hidden;
  return static_cast<std::uint64_t>(rows * d) * sizeof(float) + principal_axes_bytes(rows, d);
}

// A search that is given up.
std::uint64_t once_bytes(const SweepContext& context) {
  return principal_axes_once_bytes(SampledRows::table_rows(context), context.config.hidden);
}

}  // namespace

Signal adjacent_mi_signal() {
  return {.series = kInfo,
          .needs_attention = false,
          .needs_rows = true,
          .make = [](const SweepContext& context) -> std::unique_ptr<Accumulator> {
            return std::make_unique<AdjacentMi>(context);
          },
          .memory_bytes = adjacent_mi_bytes,
          .finish_bytes = worker_bytes,
          .finish_once_bytes = once_bytes};
}

}  // namespace strata
