// The merge engine against a naive one that follows the definition literally.
#include "strata/tokenizer/bpe.h"

#include <gtest/gtest.h>

#include <map>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

struct Toy {
  std::array<std::int32_t, 256> byte_ids{};
  std::vector<BpeMerge> merges;
};

// Random merges over a small alphabet; distinct pairs may give the same token, as in real files.
Toy random_toy(Philox& rng, int n_merges) {
  Toy toy;
  for (int b = 0; b < 256; ++b) toy.byte_ids[static_cast<std::size_t>(b)] = b;
  std::vector<std::string> tokens(256);
  std::vector<std::int32_t> usable = {'a', 'b', 'c', 'd'};
  std::map<std::string, std::int32_t> ids;
  for (std::size_t b = 0; b < 256; ++b) tokens[b] = std::string(1, static_cast<char>(b));
  std::map<std::pair<int, int>, bool> seen;
  while (n_merges > 0) {
    const auto left = usable[rng.below(usable.size())], right = usable[rng.below(usable.size())];
    if (seen[{left, right}]) continue;
    seen[{left, right}] = true;
    const std::string whole =
        tokens[static_cast<std::size_t>(left)] + tokens[static_cast<std::size_t>(right)];
    const auto [it, fresh] = ids.emplace(whole, static_cast<std::int32_t>(tokens.size()));
    if (fresh) {
      usable.push_back(it->second);
      tokens.push_back(whole);
    }
    toy.merges.push_back({left, right, it->second});
    --n_merges;
  }
  // Shuffled ranks: a later token may have an earlier merge, which is where shortcuts go wrong.
  std::vector<std::uint32_t> order(toy.merges.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  shuffle(order, rng);
  std::vector<BpeMerge> shuffled;
  for (const auto i : order) shuffled.push_back(toy.merges[i]);
  toy.merges = shuffled;
  return toy;
}

std::vector<std::int32_t> naive(const Toy& toy, const std::string& word) {
  std::vector<std::int32_t> ids;
  for (const char c : word) ids.push_back(toy.byte_ids[static_cast<unsigned char>(c)]);
  while (true) {
    std::size_t best = toy.merges.size(), where = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i)
      for (std::size_t r = 0; r < best; ++r)
        if (toy.merges[r].left == ids[i] && toy.merges[r].right == ids[i + 1]) {
          best = r;
          where = i;
        }
    if (best == toy.merges.size()) return ids;
    ids[where] = toy.merges[best].merged;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(where) + 1);
  }
}

TEST(Bpe, AgreesWithTheDefinitionOnRandomWords) {
  Philox rng({.seed = 3, .stream = Stream::test});
  int merged = 0;
  for (int toy_number = 0; toy_number < 40; ++toy_number) {
    const Toy toy = random_toy(rng, 5 + 3 * toy_number);
    const BpeModel model(toy.byte_ids, toy.merges, {});
    for (int trial = 0; trial < 60; ++trial) {
      std::string word;
      const std::uint64_t length = 1 + rng.below(trial % 2 == 0 ? 48 : 160);  // both algorithms
      for (std::uint64_t i = 0; i < length; ++i) word += static_cast<char>('a' + rng.below(4));
      std::vector<std::int32_t> ids = {-7};  // appended to, not overwritten
      model.encode_word(word, ids);
      ASSERT_EQ(ids[0], -7);
      ids.erase(ids.begin());
      ASSERT_EQ(ids, naive(toy, word)) << word;
      merged += ids.size() < word.size();
    }
  }
  EXPECT_GT(merged, 1000);
}

TEST(Bpe, ALongWordIsNotQuadratic) {
  Toy toy;
  for (int b = 0; b < 256; ++b) toy.byte_ids[static_cast<std::size_t>(b)] = b;
  toy.merges = {{'a', 'a', 256}, {256, 256, 257}, {257, 257, 258}};
  std::vector<std::int32_t> ids;
  // Quadratic work would be 10^12 steps here; the test would not come back.
  BpeModel(toy.byte_ids, toy.merges, {}).encode_word(std::string(1'000'003, 'a'), ids);
  ASSERT_EQ(ids.size(), 125'002u);
  EXPECT_EQ(ids.front(), 258);
  EXPECT_EQ(ids[125'000], 256);
  EXPECT_EQ(ids.back(), 'a');
}

TEST(Bpe, EmptyWordAndEmptyTable) {
  std::vector<std::int32_t> ids;
  BpeModel({}, {}, {}).encode_word("", ids);
  EXPECT_TRUE(ids.empty());
  EXPECT_EQ(MergeTable().find(1, 2), nullptr);
  EXPECT_EQ(MergeTable({{1, 2, 3}}).find(2, 1), nullptr);
  ASSERT_NE(MergeTable({{1, 2, 3}}).find(1, 2), nullptr);
  EXPECT_EQ(MergeTable({{1, 2, 3}}).find(1, 2)->merged, 3);
}

}  // namespace
}  // namespace strata
