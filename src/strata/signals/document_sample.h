// A seeded sample of positions, the same at every depth: some documents, up to the same number of rows from
// each. What signals that need ranks or spectra look at.
#pragma once

#include <cstdint>
#include <vector>

#include "strata/signals/signal.h"

namespace strata {

/// How many documents, and how many rows of each, share the sampled positions.
struct SampleSize {
  std::int64_t rows = 0, documents = 0;
};

/// SweepContext::positions shared by all documents, `min_rows` to `max_rows` from each; fewer documents where
/// there are too many.
[[nodiscard]] SampleSize sample_size(const SweepContext& context, std::int64_t min_rows,
                                     std::int64_t max_rows);

/// Rows that a document's part of a table needs: no document may have as many tokens as size.rows.
[[nodiscard]] std::int64_t table_stride(const SweepContext& context, const SampleSize& size);

struct DocumentSample {
  struct Slot {
    std::size_t row;        ///< in the table of sampled rows
    std::int64_t position;  ///< within the window
  };
  std::int64_t share = 0;                         ///< rows of a document, at most
  std::int64_t stride = 0;                        ///< rows of a table for each document: share, or all it has
  std::vector<std::uint32_t> documents;           ///< the sampled ones, ascending
  std::vector<std::vector<std::int64_t>> tokens;  ///< of each sampled document, in the order of sampling
  std::vector<std::vector<Slot>> slots;           ///< per window

  /// Rows of a table that holds `stride` rows for each sampled document.
  [[nodiscard]] std::size_t table_rows() const { return documents.size() * static_cast<std::size_t>(stride); }
  /// Where row `i` of a document is in it.
  [[nodiscard]] std::size_t table_row(std::size_t document, std::size_t i) const {
    return document * static_cast<std::size_t>(stride) + i;
  }
  /// Copies the sampled rows of one window into such a table, (table_rows(), width).
  void copy_rows(const StateView& view, std::size_t width, float* table) const;
  /// The same into slot `slot` of a store, which must be open.
  void copy_rows(const StateView& view, std::size_t width, StateStore& store, std::size_t slot) const;
  /// Indices into tokens[document] that belong to the token set; only the first `limit` are looked at.
  [[nodiscard]] std::vector<std::size_t> kept(std::span<const TokenClass> classes, TokenSet set,
                                              std::size_t document, std::size_t limit = SIZE_MAX) const;
};

/// The documents are drawn with the seed, because they are in name order.
[[nodiscard]] DocumentSample draw_sample(const SweepContext& context, const SampleSize& size);

}  // namespace strata
