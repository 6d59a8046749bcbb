// Pieces by their bytes: which of them begin here?
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace strata {

/// A trie over bytes with the children of a node side by side.
class PieceTrie {
 public:
  struct Piece {
    std::string_view text;  ///< not empty; distinct
    std::int32_t id = 0;
  };
  PieceTrie() = default;
  explicit PieceTrie(std::vector<Piece> pieces);

  [[nodiscard]] bool empty() const { return nodes_.empty(); }
  /// Calls `on_piece(length, id)` for each piece that `text` begins with, the shortest first.
  template <typename OnPiece>
  void prefixes(std::string_view text, OnPiece&& on_piece) const {
    if (text.empty() || empty()) return;
    std::uint32_t at = first_[static_cast<unsigned char>(text[0])];
    for (std::size_t length = 1; at != kNone; ++length) {
      if (nodes_[at].id >= 0) on_piece(length, nodes_[at].id);
      if (length == text.size()) return;
      at = child(nodes_[at], static_cast<unsigned char>(text[length]));
    }
  }
  /// Bytes of the longest piece that `text` begins with; 0 = there is none.
  [[nodiscard]] std::size_t longest(std::string_view text) const;

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  struct Node {
    std::uint32_t first_child = 0;
    std::uint16_t children = 0;
    unsigned char label = 0;
    std::int32_t id = -1;  // -1 = no piece ends here
  };
  [[nodiscard]] std::uint32_t child(const Node& node, unsigned char label) const;

  std::vector<Node> nodes_;
  std::array<std::uint32_t, 256> first_{};  // children of the root
};

}  // namespace strata
