#include "strata/dump/rows.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "strata/base/error.h"
#include "strata/base/philox.h"

namespace strata {
namespace {

constexpr std::uint32_t kDumpSample = 9;  // field a of the stream key: not the positions of any signal

void every_position(const Corpus& corpus, DumpRows& rows) {
  for (std::size_t w = 0; w < corpus.windows.size(); ++w) {
    rows.positions[w].resize(corpus.windows[w].ids.size());
    std::iota(rows.positions[w].begin(), rows.positions[w].end(), 0);
  }
}

// `share` tokens of one document, whose windows are [begin, end).
void draw_positions(const Corpus& corpus, std::size_t begin, std::size_t end, std::int64_t share,
                    std::uint64_t seed, DumpRows& rows) {
  std::vector<std::pair<std::size_t, std::int32_t>> tokens;
  for (std::size_t w = begin; w < end; ++w) {
    for (std::size_t p = 0; p < corpus.windows[w].ids.size(); ++p)
      tokens.emplace_back(w, static_cast<std::int32_t>(p));
  }
  std::vector<std::uint32_t> order(tokens.size());
  std::iota(order.begin(), order.end(), 0u);
  Philox rng({.seed = seed,
              .stream = Stream::positions,
              .a = kDumpSample,
              .b = static_cast<std::uint32_t>(corpus.windows[begin].document)});
  shuffle(order, rng);
  order.resize(std::min(order.size(), static_cast<std::size_t>(share)));
  for (const std::uint32_t i : order) rows.positions[tokens[i].first].push_back(tokens[i].second);
  for (std::size_t w = begin; w < end; ++w) std::sort(rows.positions[w].begin(), rows.positions[w].end());
}

}  // namespace

const char* to_string(Pool pool) {
  switch (pool) {
    case Pool::none:
      return "none";
    case Pool::mean:
      return "mean";
    case Pool::mean_without_first:
      return "mean-without-first";
  }
  return "";
}

DumpRows choose_rows(const Corpus& corpus, std::int64_t sample, std::uint64_t seed) {
  DumpRows rows{.positions = {corpus.windows.size(), std::vector<std::int32_t>{}}, .first = {0}};
  if (sample == 0) {
    every_position(corpus, rows);
  } else {
    const auto documents = static_cast<std::int64_t>(corpus.documents.size());
    const std::int64_t share = std::max<std::int64_t>(1, sample / documents);
    for (std::size_t begin = 0; begin < corpus.windows.size();) {
      std::size_t end = begin;
      while (end < corpus.windows.size() && corpus.windows[end].document == corpus.windows[begin].document)
        ++end;
      draw_positions(corpus, begin, end, share, seed, rows);
      begin = end;
    }
  }
  for (const auto& positions : rows.positions) rows.first.push_back(rows.first.back() + positions.size());
  return rows;
}

std::vector<std::int32_t> row_table(const Corpus& corpus, const DumpRows& rows) {
  std::vector<std::int32_t> table;
  table.reserve(static_cast<std::size_t>(4 * rows.count()));
  for (std::size_t w = 0; w < corpus.windows.size(); ++w) {
    const Window& window = corpus.windows[w];
    for (const std::int32_t p : rows.positions[w])
      table.insert(table.end(), {window.document, window.index, p, window.ids[static_cast<std::size_t>(p)]});
  }
  return table;
}

DocumentPool::DocumentPool(const Corpus& corpus, const DumpRows& rows, Pool pool, std::size_t width)
    : corpus_(corpus),
      rows_(rows),
      pool_(pool),
      width_(width),
      sums_(corpus.windows.size() * width, 0.0),
      counted_(corpus.windows.size(), 0) {}

void DocumentPool::add(std::size_t window, std::span<const float> picked) {
  const auto& positions = rows_.positions[window];
  STRATA_CHECK(picked.size() == positions.size() * width_);
  const auto sum = std::span(sums_).subspan(window * width_, width_);
  std::fill(sum.begin(), sum.end(), 0.0);
  counted_[window] = 0;
  for (std::size_t r = 0; r < positions.size(); ++r) {
    if (pool_ == Pool::mean_without_first && positions[r] == 0) continue;
    ++counted_[window];
    for (std::size_t i = 0; i < width_; ++i) sum[i] += picked[r * width_ + i];
  }
}

std::vector<double> DocumentPool::means() const {
  std::vector<double> means(corpus_.documents.size() * width_, 0.0);
  std::vector<std::int64_t> rows(corpus_.documents.size(), 0);
  for (std::size_t w = 0; w < corpus_.windows.size(); ++w) {
    const auto d = static_cast<std::size_t>(corpus_.windows[w].document);
    rows[d] += counted_[w];
    for (std::size_t i = 0; i < width_; ++i) means[d * width_ + i] += sums_[w * width_ + i];
  }
  for (std::size_t d = 0; d < rows.size(); ++d) {
    const double scale =
        rows[d] > 0 ? 1.0 / static_cast<double>(rows[d]) : std::numeric_limits<double>::quiet_NaN();
    for (std::size_t i = 0; i < width_; ++i) means[d * width_ + i] *= scale;
  }
  return means;
}

}  // namespace strata
