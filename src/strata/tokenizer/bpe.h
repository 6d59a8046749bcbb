// The merge engine: bytes of one word to token ids, lowest merge rank first.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace strata {

/// Two neighbouring ids and what they become; the position in the list is the rank.
struct BpeMerge {
  std::int32_t left = 0;
  std::int32_t right = 0;
  std::int32_t merged = 0;
};

/// Hash and equality that let a map of strings be searched by string_view.
struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
template <typename Value>
using StringMap = std::unordered_map<std::string, Value, StringHash, std::equal_to<>>;

/// Merge ranks by (left, right): open addressing, because this lookup is the inner loop.
class MergeTable {
 public:
  struct Entry {
    std::uint64_t pair = kEmpty;
    std::int32_t rank = 0;
    std::int32_t merged = 0;
  };

  MergeTable() = default;
  /// Pairs must be distinct; ids non-negative.
  explicit MergeTable(const std::vector<BpeMerge>& merges);
  /// The entry of this pair, or null.
  [[nodiscard]] const Entry* find(std::int32_t left, std::int32_t right) const;

 private:
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  [[nodiscard]] std::size_t slot_of(std::uint64_t pair) const;
  std::vector<Entry> slots_ = std::vector<Entry>(1);
};

class BpeModel {
 public:
  BpeModel() = default;
  /// `byte_ids[b]` is the id of the one-byte token b, -1 for bytes that valid UTF-8 never has.
  /// `whole_words` maps the bytes of a token to its id; empty unless the file says ignore_merges.
  BpeModel(const std::array<std::int32_t, 256>& byte_ids, const std::vector<BpeMerge>& merges,
           StringMap<std::int32_t> whole_words);

  /// Appends the ids of one word to `out`. Among all neighbouring pairs the one with the lowest rank
  /// merges first, the leftmost one on a tie; O(n log n) in the length of the word.
  void encode_word(std::string_view word, std::vector<std::int32_t>& out) const;

 private:
  void merge_short(std::vector<std::int32_t>& ids) const;
  void merge_long(std::vector<std::int32_t>& ids) const;

  std::array<std::int32_t, 256> byte_ids_{};
  MergeTable merges_;
  StringMap<std::int32_t> whole_words_;
};

}  // namespace strata
