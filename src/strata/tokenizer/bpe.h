// The merge engine: bytes or characters of one word to token ids, lowest merge rank first.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace strata {

/// Two neighbouring ids and what they become; the position in the list is the rank unless ranks are given.
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
  /// Pairs must be distinct; ids non-negative. `ranks` has one number for each merge, or is empty.
  explicit MergeTable(const std::vector<BpeMerge>& merges, const std::vector<std::int32_t>& ranks = {});
  /// The entry of this pair, or null.
  [[nodiscard]] const Entry* find(std::int32_t left, std::int32_t right) const;
  /// Merges in place. Among all neighbouring pairs the one with the lowest rank goes first, the leftmost
  /// one on a tie; O(n log n) in the number of ids.
  void merge(std::vector<std::int32_t>& ids) const;
  /// The pair that was last seen as able to become this id.
  using Origins = std::unordered_map<std::int32_t, std::pair<std::int32_t, std::int32_t>>;
  /// The same, and fills `origins`: every pair counts that was a neighbour pair at some time, merged or not.
  void merge(std::vector<std::int32_t>& ids, Origins& origins) const;

 private:
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  [[nodiscard]] std::size_t slot_of(std::uint64_t pair) const;
  void merge_short(std::vector<std::int32_t>& ids) const;
  template <typename OnPair>
  void merge_long(std::vector<std::int32_t>& ids, OnPair&& on_pair) const;
  std::vector<Entry> slots_ = std::vector<Entry>(1);
};

/// What turns one word into ids, whatever the words around it.
class WordModel {
 public:
  WordModel() = default;
  virtual ~WordModel() = default;
  WordModel(const WordModel&) = delete;
  WordModel& operator=(const WordModel&) = delete;
  /// Appends the ids of one word to `out`.
  virtual void encode_word(std::string_view word, std::vector<std::int32_t>& out) const = 0;
};

/// `byte_ids[b]` is the id of the one-byte token b, -1 where the vocabulary has none.
using ByteIds = std::array<std::int32_t, 256>;

/// Thrown for a byte without a token; Tokenizer::encode makes an Error of it.
struct MissingByte {
  unsigned char byte = 0;
  const char* at =
      nullptr;        ///< the byte in the text; where the text was normalised, the stretch it came from
  bool exact = true;  ///< false: somewhere in the stretch that begins there
};

/// BPE over bytes (GPT-2, Llama 3, Qwen). A word with a byte that has no token throws MissingByte.
class BpeModel : public WordModel {
 public:
  /// `whole_words` maps the bytes of a token to its id; empty unless the file says ignore_merges.
  BpeModel(const ByteIds& byte_ids, const std::vector<BpeMerge>& merges, StringMap<std::int32_t> whole_words);
  void encode_word(std::string_view word, std::vector<std::int32_t>& out) const override;

 private:
  ByteIds byte_ids_{};
  MergeTable merges_;
  StringMap<std::int32_t> whole_words_;
};

/// What stands for a character that is no token.
struct CharacterFallback {
  ByteIds bytes{};            ///< ids of its bytes; every byte of UTF-8 has one
  std::int32_t unknown = -1;  ///< where it is not -1, this id instead
};

/// BPE over characters with byte fallback (SentencePiece, Llama 2).
class CharacterBpeModel : public WordModel {
 public:
  /// `characters` maps a character (UTF-8) to its symbol. Symbols below `vocab_size` are token ids; those
  /// above stand for characters that are no token but merge into one, and fall back when they stay unmerged.
  CharacterBpeModel(const CharacterFallback& fallback, StringMap<std::int32_t> characters,
                    std::int32_t vocab_size, MergeTable merges);
  void encode_word(std::string_view word, std::vector<std::int32_t>& out) const override;

  /// The steps of encode_word: appends the symbols of `text` ...
  void append_symbols(std::string_view text, std::vector<std::int32_t>& symbols) const;
  [[nodiscard]] const MergeTable& merges() const { return merges_; }
  /// ... and the ids of one symbol after merging.
  void append_ids(std::int32_t symbol, std::vector<std::int32_t>& out) const;

 private:
  void fall_back(std::string_view character, std::vector<std::int32_t>& out) const;

  CharacterFallback fallback_;
  StringMap<std::int32_t> characters_;
  std::vector<std::string> unmerged_;  // character of symbol vocab_size + i
  std::int32_t vocab_size_ = 0;
  MergeTable merges_;
};

}  // namespace strata
