// A corpus of random token ids, for tests that need windows and no text.
#pragma once

#include <fmt/format.h>

#include <algorithm>

#include "strata/base/philox.h"
#include "strata/corpus/corpus.h"

namespace strata::test {

struct RandomCorpus {
  int documents = 18;
  int windows = 1;                  ///< per document
  int shortest = 64, longest = 80;  ///< tokens of a window
  int vocab = 40;
  std::uint64_t seed = 7;
};

[[nodiscard]] inline Corpus random_corpus(const RandomCorpus& asked) {
  Corpus corpus;
  corpus.name = "random";
  corpus.bos_policy = "none";
  Philox rng({.seed = asked.seed, .stream = Stream::test});
  for (int d = 0; d < asked.documents; ++d) {
    corpus.documents.push_back({.name = fmt::format("doc {}", d), .bytes = 100});
    for (int i = 0; i < asked.windows; ++i) {
      Window window{.document = d, .index = i};
      const auto spread = static_cast<std::uint64_t>(asked.longest - asked.shortest + 1);
      window.ids.resize(static_cast<std::size_t>(asked.shortest) + rng.below(spread));
      for (std::int32_t& id : window.ids)
        id = static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(asked.vocab)));
      corpus.windows.push_back(std::move(window));
    }
  }
  return corpus;
}

}  // namespace strata::test
