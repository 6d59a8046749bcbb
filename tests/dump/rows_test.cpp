#include "strata/dump/rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace strata {
namespace {

// Three documents of 2, 1 and 1 windows; ids count up.
Corpus corpus() {
  Corpus c;
  c.documents = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
  std::int32_t id = 0;
  const auto add = [&](int document, int index, int tokens) {
    Window window{.document = document, .index = index};
    for (int t = 0; t < tokens; ++t) window.ids.push_back(id++);
    c.windows.push_back(window);
  };
  add(0, 0, 5);
  add(0, 1, 4);
  add(1, 0, 3);
  add(2, 0, 6);
  return c;
}

TEST(DumpRows, EveryPositionInOrder) {
  const Corpus c = corpus();
  const DumpRows rows = choose_rows(c, 0, 1);
  EXPECT_EQ(rows.count(), 18u);
  EXPECT_EQ(rows.first, (std::vector<std::uint64_t>{0, 5, 9, 12, 18}));
  const auto table = row_table(c, rows);
  ASSERT_EQ(table.size(), 72u);
  for (std::int32_t r = 0; r < 18; ++r) EXPECT_EQ(table[static_cast<std::size_t>(4 * r + 3)], r);
  EXPECT_EQ(std::vector<std::int32_t>(table.begin() + 4 * 7, table.begin() + 4 * 8),
            (std::vector<std::int32_t>{0, 1, 2, 7}));
}

TEST(DumpRows, ASampleIsSharedByTheDocumentsAndSeeded) {
  const Corpus c = corpus();
  const DumpRows rows = choose_rows(c, 12, 1);  // four each, but the second document has three
  EXPECT_EQ(rows.count(), 11u);
  std::set<std::pair<std::size_t, std::int32_t>> seen;
  for (std::size_t w = 0; w < rows.positions.size(); ++w) {
    EXPECT_TRUE(std::is_sorted(rows.positions[w].begin(), rows.positions[w].end()));
    EXPECT_EQ(rows.first[w + 1] - rows.first[w], rows.positions[w].size());
    for (const std::int32_t p : rows.positions[w]) {
      EXPECT_LT(p, static_cast<std::int32_t>(c.windows[w].ids.size()));
      EXPECT_TRUE(seen.emplace(w, p).second);
    }
  }
  EXPECT_EQ(rows.positions[0].size() + rows.positions[1].size(), 4u);
  EXPECT_EQ(rows.positions[2].size(), 3u);
  EXPECT_EQ(choose_rows(c, 12, 1).positions, rows.positions);
  EXPECT_EQ(choose_rows(c, 1, 1).count(), 3u);  // at least one each
  int different = 0;
  for (std::uint64_t seed = 2; seed < 8; ++seed)
    different += choose_rows(c, 12, seed).positions != rows.positions ? 1 : 0;
  EXPECT_GT(different, 3);
}

TEST(DumpRows, PickedRowsAreTheRows) {
  const std::vector<float> h = {0, 1, 10, 11, 20, 21};
  const std::vector<std::int32_t> positions = {0, 2};
  EXPECT_EQ(pick_rows(std::span<const float>(h), positions, 2), (std::vector<float>{0, 1, 20, 21}));
  EXPECT_TRUE(pick_rows(std::span<const float>(h), {}, 2).empty());
}

TEST(DocumentPool, MeansByHandWhateverTheOrder) {
  const Corpus c = corpus();
  const DumpRows rows = choose_rows(c, 0, 0);
  std::vector<std::vector<float>> h;
  for (const Window& window : c.windows) h.emplace_back(window.ids.begin(), window.ids.end());
  const auto means = [&](Pool pool, std::vector<std::size_t> order) {
    DocumentPool pooled(c, rows, pool, 1);
    for (const std::size_t w : order) pooled.add(w, h[w]);
    return pooled.means();
  };
  EXPECT_EQ(means(Pool::mean, {0, 1, 2, 3}), (std::vector<double>{4.0, 10.0, 14.5}));  // 0..8, 9..11, 12..17
  EXPECT_EQ(means(Pool::mean, {3, 1, 0, 2}), means(Pool::mean, {0, 1, 2, 3}));
  const auto without = means(Pool::mean_without_first, {2, 3, 1, 0});
  EXPECT_DOUBLE_EQ(without[0], (1 + 2 + 3 + 4 + 6 + 7 + 8) / 7.0);
  EXPECT_DOUBLE_EQ(without[1], 10.5);
  // A document whose only row is left out has no mean.
  DumpRows first = rows;
  first.positions = {{0}, {}, {0}, {0}};
  DocumentPool none(c, first, Pool::mean_without_first, 1);
  for (const std::size_t w : {0u, 2u, 3u}) none.add(w, std::span<const float>(h[w]).first(1));
  none.add(1, {});
  for (const double m : none.means()) EXPECT_TRUE(std::isnan(m));
}

}  // namespace
}  // namespace strata
