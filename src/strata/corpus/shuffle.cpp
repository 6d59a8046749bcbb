#include "strata/corpus/shuffle.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "strata/base/philox.h"

namespace strata {
namespace {

// The window in pieces of at most `most` tokens, each with the prefix at its head.
std::vector<Window> cut(const Window& window, std::size_t prefix, std::size_t most) {
  if (most == 0 || window.ids.size() <= most) return {window};
  std::vector<Window> pieces;
  const std::size_t step = most - prefix;
  for (std::size_t at = prefix; at < window.ids.size(); at += step) {
    const std::size_t count = std::min(step, window.ids.size() - at);
    if (prefix + count < kMinWindowTokens) break;
    Window piece{.document = window.document, .index = window.index, .ids = {}};
    const auto begin = window.ids.begin();
    piece.ids.assign(begin, begin + static_cast<std::ptrdiff_t>(prefix));
    piece.ids.insert(piece.ids.end(), begin + static_cast<std::ptrdiff_t>(at),
                     begin + static_cast<std::ptrdiff_t>(at + count));
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

// Documents of the sample, spread evenly.
std::vector<std::size_t> chosen_documents(std::size_t documents, int asked) {
  const std::size_t count = asked <= 0 ? documents : std::min(documents, static_cast<std::size_t>(asked));
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < count; ++i) chosen.push_back(i * documents / count);
  return chosen;
}

}  // namespace

Corpus sample_windows(const Corpus& corpus, const SampleOptions& options) {
  const auto prefix = static_cast<std::size_t>(corpus.prefix_tokens);
  // Room for a prefix and as much text as a window has at least.
  const std::size_t most =
      options.window == 0 ? 0 : std::max(static_cast<std::size_t>(options.window), prefix + kMinWindowTokens);
  Corpus sample{.name = corpus.name,
                .sha256 = corpus.sha256,
                .bos_policy = corpus.bos_policy,
                .prefix_tokens = corpus.prefix_tokens};
  std::vector<int> number(corpus.documents.size(), -1);
  for (const std::size_t d : chosen_documents(corpus.documents.size(), options.documents)) {
    number[d] = static_cast<int>(sample.documents.size());
    sample.documents.push_back(corpus.documents[d]);
  }
  std::vector<int> pieces(sample.documents.size(), 0);
  for (const Window& window : corpus.windows) {
    const int document = number[static_cast<std::size_t>(window.document)];
    if (document < 0) continue;
    for (Window& piece : cut(window, prefix, most)) {
      piece.document = document;
      piece.index = pieces[static_cast<std::size_t>(document)]++;
      sample.windows.push_back(std::move(piece));
    }
  }
  const auto turn = [](const Window& a, const Window& b) {
    return std::tie(a.index, a.document) < std::tie(b.index, b.document);
  };
  const auto order = [](const Window& a, const Window& b) {
    return std::tie(a.document, a.index) < std::tie(b.document, b.index);
  };
  if (options.tokens > 0) {
    std::sort(sample.windows.begin(), sample.windows.end(), turn);
    std::int64_t tokens = 0;
    std::size_t kept = 0;
    for (; kept < sample.windows.size(); ++kept) {
      tokens += static_cast<std::int64_t>(sample.windows[kept].ids.size());
      if (kept > 0 && tokens > options.tokens) break;
    }
    sample.windows.resize(kept);
    std::sort(sample.windows.begin(), sample.windows.end(), order);
  }
  // Documents that the tokens did not reach are no part of the sample.
  std::vector<CorpusDocument> used;
  std::vector<int> renumbered(sample.documents.size(), -1);
  for (Window& window : sample.windows) {
    int& at = renumbered[static_cast<std::size_t>(window.document)];
    if (at < 0) {
      at = static_cast<int>(used.size());
      used.push_back(sample.documents[static_cast<std::size_t>(window.document)]);
    }
    window.document = at;
  }
  sample.documents = std::move(used);
  return sample;
}

Corpus shuffle_tokens(const Corpus& corpus, std::uint64_t seed) {
  Corpus shuffled = corpus;
  const auto fixed = static_cast<std::size_t>(std::max(1, corpus.prefix_tokens));
  auto& windows = shuffled.windows;
  for (std::size_t begin = 0, end = 0; begin < windows.size(); begin = end) {
    std::vector<std::int32_t> tokens;
    for (end = begin; end < windows.size() && windows[end].document == windows[begin].document; ++end)
      for (std::size_t t = fixed; t < windows[end].ids.size(); ++t) tokens.push_back(windows[end].ids[t]);
    std::vector<std::uint32_t> order(tokens.size());
    std::iota(order.begin(), order.end(), 0u);
    Philox rng({.seed = seed,
                .stream = Stream::shuffled_text,
                .a = static_cast<std::uint32_t>(windows[begin].document)});
    shuffle(order, rng);
    std::size_t next = 0;
    for (std::size_t w = begin; w < end; ++w)
      for (std::size_t t = fixed; t < windows[w].ids.size(); ++t) windows[w].ids[t] = tokens[order[next++]];
  }
  return shuffled;
}

}  // namespace strata
