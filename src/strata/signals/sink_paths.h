// How large sink tokens are at every state: position 0 of the windows, and words with massive occurrences.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "strata/record/trace.h"

namespace strata {

/// One token's way through the states.
struct TokenPath {
  std::vector<float> length;          ///< per state: |h|
  std::vector<float> ratio;           ///< per state: RMS over the document's median token RMS
  std::vector<std::int32_t> largest;  ///< per state: dimension of the largest component
};

/// Collects tokens that are massive at some state, group by group.
class SinkPaths {
 public:
  /// A token of the text that stands at position 0, or elsewhere; massive or not.
  void count(bool first, std::int32_t token_id);
  /// The same token, where it is massive. Of each group the first kFollowed are followed.
  void follow(bool first, std::int32_t token_id, TokenPath path);
  /// Position 0 before the words, which come by falling number of massive tokens, at most kWordPaths.
  [[nodiscard]] std::vector<SinkPath> finish(double massive_ratio) const;

  static constexpr std::size_t kFollowed = 1000;
  static constexpr std::size_t kWordPaths = 20;

 private:
  struct Group {
    std::int64_t of = 0, massive = 0;
    std::map<std::int32_t, std::int64_t> words;
    std::vector<TokenPath> followed;
  };
  [[nodiscard]] static SinkPath path_of(const Group& group, double massive_ratio);
  Group first_;
  std::map<std::int32_t, Group> words_;
};

}  // namespace strata
