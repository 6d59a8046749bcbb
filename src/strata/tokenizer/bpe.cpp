#include "strata/tokenizer/bpe.h"

#include <bit>
#include <limits>
#include <queue>
#include <tuple>

#include "strata/base/error.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

// Up to this many symbols a scan over the ranks beats a heap (and n^2 is still nothing).
constexpr std::size_t kShortWord = 48;
constexpr std::int32_t kNoMerge = std::numeric_limits<std::int32_t>::max();

std::uint64_t pack(std::int32_t left, std::int32_t right) {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) |
         static_cast<std::uint32_t>(right);
}

// A doubly linked list over the word's bytes, so that a merge is O(1).
struct Symbol {
  std::int32_t id = 0;  // -1 once merged into the symbol on its left
  std::int32_t previous = -1;
  std::int32_t next = -1;
};

// A merge waiting in the heap; stale once either symbol has changed.
struct Candidate {
  std::int32_t rank;
  std::int32_t position;
  std::int32_t right_position;
  std::int32_t left;
  std::int32_t right;
  std::int32_t merged;
  bool operator>(const Candidate& other) const {
    return std::tie(rank, position) > std::tie(other.rank, other.position);
  }
};

}  // namespace

MergeTable::MergeTable(const std::vector<BpeMerge>& merges, const std::vector<std::int32_t>& ranks)
    : slots_(std::bit_ceil(merges.size() * 2 + 1)) {  // at most half full
  STRATA_CHECK(ranks.empty() || ranks.size() == merges.size());
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const BpeMerge& merge = merges[i];
    const std::uint64_t pair = pack(merge.left, merge.right);
    std::size_t slot = slot_of(pair);
    while (slots_[slot].pair != kEmpty) {
      STRATA_CHECK(slots_[slot].pair != pair);
      slot = (slot + 1) & (slots_.size() - 1);
    }
    const std::int32_t rank = ranks.empty() ? static_cast<std::int32_t>(i) : ranks[i];
    slots_[slot] = {.pair = pair, .rank = rank, .merged = merge.merged};
  }
}

std::size_t MergeTable::slot_of(std::uint64_t pair) const {
  // Finaliser of SplitMix64 (Steele, Lea, Flood 2014): every input bit reaches the low bits.
  pair = (pair ^ (pair >> 30)) * 0xbf58476d1ce4e5b9u;
  pair = (pair ^ (pair >> 27)) * 0x94d049bb133111ebu;
  return static_cast<std::size_t>(pair ^ (pair >> 31)) & (slots_.size() - 1);
}

const MergeTable::Entry* MergeTable::find(std::int32_t left, std::int32_t right) const {
  const std::uint64_t pair = pack(left, right);
  for (std::size_t slot = slot_of(pair);; slot = (slot + 1) & (slots_.size() - 1)) {
    if (slots_[slot].pair == pair) return &slots_[slot];
    if (slots_[slot].pair == kEmpty) return nullptr;
  }
}

void MergeTable::merge_short(std::vector<std::int32_t>& ids) const {
  std::array<const MergeTable::Entry*, kShortWord> entry{};  // of the pair (i, i + 1)
  std::size_t n = ids.size();
  for (std::size_t i = 0; i + 1 < n; ++i) entry[i] = find(ids[i], ids[i + 1]);
  while (n > 1) {
    std::int32_t best_rank = kNoMerge;
    std::size_t best = 0;
    for (std::size_t i = 0; i + 1 < n; ++i) {
      if (entry[i] != nullptr && entry[i]->rank < best_rank) {
        best_rank = entry[i]->rank;
        best = i;
      }
    }
    if (best_rank == kNoMerge) break;
    ids[best] = entry[best]->merged;
    for (std::size_t i = best + 1; i + 1 < n; ++i) {
      ids[i] = ids[i + 1];
      entry[i] = entry[i + 1];
    }
    --n;
    if (best > 0) entry[best - 1] = find(ids[best - 1], ids[best]);
    entry[best] = best + 1 < n ? find(ids[best], ids[best + 1]) : nullptr;
  }
  ids.resize(n);
}

template <typename OnPair>
void MergeTable::merge_long(std::vector<std::int32_t>& ids, OnPair&& on_pair) const {
  const auto n = static_cast<std::int32_t>(ids.size());
  std::vector<Symbol> symbols(ids.size());
  for (std::int32_t i = 0; i < n; ++i) {
    const auto at = static_cast<std::size_t>(i);
    symbols[at] = {.id = ids[at], .previous = i - 1, .next = i + 1 < n ? i + 1 : -1};
  }
  const auto symbol = [&](std::int32_t i) -> Symbol& { return symbols[static_cast<std::size_t>(i)]; };
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> heap;
  const auto push = [&](std::int32_t left, std::int32_t right) {
    if (left < 0 || right < 0) return;
    const auto* entry = find(symbol(left).id, symbol(right).id);
    if (entry == nullptr) return;
    on_pair(symbol(left).id, symbol(right).id, entry->merged);
    heap.push({entry->rank, left, right, symbol(left).id, symbol(right).id, entry->merged});
  };
  for (std::int32_t i = 0; i + 1 < n; ++i) push(i, i + 1);
  while (!heap.empty()) {
    const Candidate top = heap.top();
    heap.pop();
    Symbol& left = symbol(top.position);
    // A symbol that was merged away has id -1, one that grew another id: both make the entry stale.
    if (left.id != top.left || left.next != top.right_position || symbol(top.right_position).id != top.right)
      continue;
    left.id = top.merged;
    left.next = symbol(top.right_position).next;
    symbol(top.right_position).id = -1;
    if (left.next >= 0) symbol(left.next).previous = top.position;
    push(left.previous, top.position);
    push(top.position, left.next);
  }
  ids.clear();
  for (std::int32_t i = 0; i >= 0; i = symbol(i).next) ids.push_back(symbol(i).id);
}

void MergeTable::merge(std::vector<std::int32_t>& ids) const {
  STRATA_CHECK(ids.size() < static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()));
  ids.size() <= kShortWord ? merge_short(ids)
                           : merge_long(ids, [](std::int32_t, std::int32_t, std::int32_t) {});
}

void MergeTable::merge(std::vector<std::int32_t>& ids, Origins& origins) const {
  STRATA_CHECK(ids.size() < static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()));
  if (ids.empty()) return;
  merge_long(ids, [&](std::int32_t left, std::int32_t right, std::int32_t merged) {
    origins[merged] = {left, right};
  });
}

BpeModel::BpeModel(const ByteIds& byte_ids, const std::vector<BpeMerge>& merges,
                   StringMap<std::int32_t> whole_words)
    : byte_ids_(byte_ids), merges_(merges), whole_words_(std::move(whole_words)) {}

void BpeModel::encode_word(std::string_view word, std::vector<std::int32_t>& out) const {
  if (!whole_words_.empty()) {
    if (const auto found = whole_words_.find(word); found != whole_words_.end()) {
      out.push_back(found->second);
      return;
    }
  }
  std::vector<std::int32_t> ids(word.size());
  for (std::size_t i = 0; i < word.size(); ++i) {
    ids[i] = byte_ids_[static_cast<unsigned char>(word[i])];
    if (ids[i] < 0) throw MissingByte{.byte = static_cast<unsigned char>(word[i]), .at = &word[i]};
  }
  merges_.merge(ids);
  out.insert(out.end(), ids.begin(), ids.end());
}

CharacterBpeModel::CharacterBpeModel(const CharacterFallback& fallback, StringMap<std::int32_t> characters,
                                     std::int32_t vocab_size, MergeTable merges)
    : fallback_(fallback),
      characters_(std::move(characters)),
      vocab_size_(vocab_size),
      merges_(std::move(merges)) {
  for (const auto& [character, symbol] : characters_) {
    if (symbol < vocab_size_) continue;
    const auto index = static_cast<std::size_t>(symbol - vocab_size_);
    if (unmerged_.size() <= index) unmerged_.resize(index + 1);
    unmerged_[index] = character;
  }
}

void CharacterBpeModel::fall_back(std::string_view character, std::vector<std::int32_t>& out) const {
  if (fallback_.unknown >= 0) return out.push_back(fallback_.unknown);
  for (const char byte : character) {
    const std::int32_t id = fallback_.bytes[static_cast<unsigned char>(byte)];
    STRATA_CHECK(id >= 0);
    out.push_back(id);
  }
}

void CharacterBpeModel::append_symbols(std::string_view text, std::vector<std::int32_t>& symbols) const {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    (void)next_code_point(text, at);
    const std::string_view character = text.substr(begin, at - begin);
    const auto found = characters_.find(character);
    found == characters_.end() ? fall_back(character, symbols) : symbols.push_back(found->second);
  }
}

void CharacterBpeModel::append_ids(std::int32_t symbol, std::vector<std::int32_t>& out) const {
  if (symbol < vocab_size_) return out.push_back(symbol);
  fall_back(unmerged_[static_cast<std::size_t>(symbol - vocab_size_)], out);
}

void CharacterBpeModel::encode_word(std::string_view word, std::vector<std::int32_t>& out) const {
  std::vector<std::int32_t> symbols;
  symbols.reserve(word.size());
  append_symbols(word, symbols);
  merges_.merge(symbols);
  for (const std::int32_t symbol : symbols) append_ids(symbol, out);
}

}  // namespace strata
