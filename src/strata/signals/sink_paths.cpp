#include "strata/signals/sink_paths.h"

#include <algorithm>
#include <utility>

#include "strata/stats/quantile.h"

namespace strata {

void SinkPaths::count(bool first, std::int32_t token_id) {
  if (first) {
    ++first_.of;
    return;
  }
  ++words_[token_id].of;
}

void SinkPaths::follow(bool first, std::int32_t token_id, TokenPath path) {
  Group& group = first ? first_ : words_[token_id];
  ++group.massive;
  ++group.words[token_id];
  if (group.followed.size() < kFollowed) group.followed.push_back(std::move(path));
}

SinkPath SinkPaths::path_of(const Group& group, double massive_ratio) {
  SinkPath path;
  path.tokens = group.massive;
  path.of = group.of;
  path.token_id = group.words.size() == 1 ? group.words.begin()->first : -1;
  const auto followed = static_cast<double>(group.followed.size());
  for (std::size_t state = 0; state < group.followed[0].length.size(); ++state) {
    std::vector<double> length, ratio;
    std::map<std::int32_t, int> dimensions;
    double massive = 0.0;
    for (const TokenPath& token : group.followed) {
      length.push_back(token.length[state]);
      ratio.push_back(token.ratio[state]);
      ++dimensions[token.largest[state]];
      massive += token.ratio[state] > massive_ratio ? 1.0 : 0.0;
    }
    path.length.push_back(stats::median(length));
    path.ratio.push_back(stats::median(ratio));
    path.massive.push_back(massive / followed);
    path.dimension.push_back(
        std::max_element(dimensions.begin(), dimensions.end(), [](const auto& a, const auto& b) {
          return a.second < b.second;
        })->first);
  }
  return path;
}

std::vector<SinkPath> SinkPaths::finish(double massive_ratio) const {
  std::vector<SinkPath> paths;
  if (first_.massive > 0) {
    paths.push_back(path_of(first_, massive_ratio));
    paths.back().first_position = true;
  }
  std::vector<const Group*> words;
  for (const auto& [id, group] : words_) {
    if (group.massive > 0) words.push_back(&group);
  }
  std::stable_sort(words.begin(), words.end(),
                   [](const auto* a, const auto* b) { return a->massive > b->massive; });
  for (std::size_t i = 0; i < std::min(words.size(), kWordPaths); ++i)
    paths.push_back(path_of(*words[i], massive_ratio));
  return paths;
}

}  // namespace strata
