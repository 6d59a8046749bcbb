// Which tokens are the rows of a dump, and in what order: every token of every window, or a seeded sample of
// them; or, pooled, one row for each document.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "strata/corpus/corpus.h"

namespace strata {

/// How the rows of a document become one.
enum class Pool {
  none,
  mean,                ///< mean over its rows
  mean_without_first,  ///< the same without position 0 of each window, where attention sinks live
};
[[nodiscard]] const char* to_string(Pool pool);

struct DumpRows {
  std::vector<std::vector<std::int32_t>> positions;  ///< per window, ascending
  std::vector<std::uint64_t> first;                  ///< first row of each window; ends with the total

  [[nodiscard]] std::uint64_t count() const { return first.back(); }
};

/// `sample` positions in all, shared evenly by the documents (at least one each), drawn without replacement;
/// 0 = every position. Rows are in the order of the windows, then of the positions.
[[nodiscard]] DumpRows choose_rows(const Corpus& corpus, std::int64_t sample, std::uint64_t seed);

/// (rows, 4): document, window within it, position within that, token id.
[[nodiscard]] std::vector<std::int32_t> row_table(const Corpus& corpus, const DumpRows& rows);

/// The chosen rows of one window's values (tokens, width), one after the other.
template <class T>
[[nodiscard]] std::vector<T> pick_rows(std::span<const T> values, std::span<const std::int32_t> positions,
                                       std::size_t width) {
  std::vector<T> rows(positions.size() * width);
  for (std::size_t r = 0; r < positions.size(); ++r) {
    const auto from = values.subspan(static_cast<std::size_t>(positions[r]) * width, width);
    std::copy(from.begin(), from.end(), rows.begin() + static_cast<std::ptrdiff_t>(r * width));
  }
  return rows;
}

/// Means over documents, built from windows that come in any order; the same bits whatever the order.
class DocumentPool {
 public:
  /// `width` values in a row. Holds width * 8 bytes for each window.
  DocumentPool(const Corpus& corpus, const DumpRows& rows, Pool pool, std::size_t width);
  /// A window's picked rows; may be called for different windows at once.
  void add(std::size_t window, std::span<const float> picked);
  /// (documents, width); NaN for a document without a row.
  [[nodiscard]] std::vector<double> means() const;

 private:
  const Corpus& corpus_;
  const DumpRows& rows_;
  Pool pool_;
  std::size_t width_;
  std::vector<double> sums_;           // per window
  std::vector<std::int64_t> counted_;  // rows of each window
};

}  // namespace strata
