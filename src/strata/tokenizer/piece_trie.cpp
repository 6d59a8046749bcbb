#include "strata/tokenizer/piece_trie.h"

#include <algorithm>

namespace strata {

PieceTrie::PieceTrie(std::vector<Piece> pieces) {
  first_.fill(kNone);
  std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.text < b.text; });
  struct Range {  // pieces that share their first `depth` bytes
    std::size_t begin, end, depth;
  };
  std::vector<Range> ranges;  // of each node
  const auto byte_at = [&](std::size_t piece, std::size_t depth) {
    return static_cast<unsigned char>(pieces[piece].text[depth]);
  };
  // Appends the nodes of all bytes that follow; none of the pieces ends before `depth`.
  const auto add_children = [&](std::size_t begin, std::size_t end, std::size_t depth) {
    while (begin < end) {
      std::size_t next = begin;
      while (next < end && byte_at(next, depth) == byte_at(begin, depth)) ++next;
      nodes_.push_back({.label = byte_at(begin, depth)});
      ranges.push_back({begin, next, depth + 1});
      begin = next;
    }
  };
  add_children(0, pieces.size(), 0);
  for (std::size_t at = 0; at < nodes_.size(); ++at)
    first_[nodes_[at].label] = static_cast<std::uint32_t>(at);
  for (std::size_t at = 0; at < nodes_.size(); ++at) {
    Range range = ranges[at];
    if (pieces[range.begin].text.size() == range.depth) nodes_[at].id = pieces[range.begin++].id;
    const std::size_t first = nodes_.size();
    add_children(range.begin, range.end, range.depth);
    nodes_[at].first_child = static_cast<std::uint32_t>(first);
    nodes_[at].children = static_cast<std::uint16_t>(nodes_.size() - first);
  }
}

std::uint32_t PieceTrie::child(const Node& node, unsigned char label) const {
  const auto begin = nodes_.begin() + node.first_child;
  const auto end = begin + node.children;
  const auto found = std::lower_bound(
      begin, end, label, [](const Node& one, unsigned char wanted) { return one.label < wanted; });
  return found == end || found->label != label ? kNone : static_cast<std::uint32_t>(found - nodes_.begin());
}

std::size_t PieceTrie::longest(std::string_view text) const {
  std::size_t longest = 0;
  prefixes(text, [&](std::size_t length, std::int32_t) { longest = length; });
  return longest;
}

}  // namespace strata
