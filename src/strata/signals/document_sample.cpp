#include "strata/signals/document_sample.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "strata/base/philox.h"

namespace strata {
namespace {

std::vector<std::uint32_t> choose_documents(const SweepContext& context, std::int64_t count) {
  std::vector<std::uint32_t> chosen(context.corpus.documents.size());
  std::iota(chosen.begin(), chosen.end(), 0u);
  Philox rng({.seed = context.seed, .stream = Stream::positions, .a = 4});
  shuffle(chosen, rng);
  chosen.resize(static_cast<std::size_t>(count));
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace

SampleSize sample_size(const SweepContext& context, std::int64_t min_rows, std::int64_t max_rows) {
  const auto documents = static_cast<std::int64_t>(context.corpus.documents.size());
  const std::int64_t rows = std::clamp(context.positions / documents, min_rows, max_rows);
  return {rows, std::min(documents, std::max<std::int64_t>(1, context.positions / rows))};
}

std::int64_t table_stride(const SweepContext& context, const SampleSize& size) {
  std::vector<std::int64_t> tokens(context.corpus.documents.size(), 0);
  for (std::size_t w = 0; w < context.corpus.windows.size(); ++w) {
    tokens[static_cast<std::size_t>(context.corpus.windows[w].document)] += context.tokens_in(w);
  }
  return std::min(size.rows, *std::max_element(tokens.begin(), tokens.end()));
}

DocumentSample draw_sample(const SweepContext& context, const SampleSize& size) {
  DocumentSample sample;
  sample.share = size.rows;
  sample.stride = table_stride(context, size);
  sample.documents = choose_documents(context, size.documents);
  sample.slots.resize(context.corpus.windows.size());
  for (const std::uint32_t document : sample.documents) {
    auto tokens = sample_tokens(context, static_cast<int>(document), size.rows);
    const std::size_t first = sample.table_row(sample.tokens.size(), 0);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const std::size_t w = window_of(context, tokens[i]);
      sample.slots[w].push_back({first + i, tokens[i] - context.first_token[w]});
    }
    sample.tokens.push_back(std::move(tokens));
  }
  return sample;
}

void DocumentSample::copy_rows(const StateView& view, std::size_t width, float* table) const {
  for (const Slot& slot : slots[view.window]) {
    std::memcpy(table + slot.row * width, view.h + static_cast<std::size_t>(slot.position) * width,
                width * sizeof(float));
  }
}

void DocumentSample::copy_rows(const StateView& view, std::size_t width, StateStore& store,
                               std::size_t slot) const {
  for (const Slot& at : slots[view.window]) {
    store.write(slot, {view.h + static_cast<std::size_t>(at.position) * width, width},
                static_cast<std::int64_t>(at.row * width));
  }
}

std::vector<std::size_t> DocumentSample::kept(std::span<const TokenClass> classes, TokenSet set,
                                              std::size_t document, std::size_t limit) const {
  std::vector<std::size_t> keep;
  for (std::size_t i = 0; i < std::min(limit, tokens[document].size()); ++i) {
    if (counts(set, classes[static_cast<std::size_t>(tokens[document][i])])) keep.push_back(i);
  }
  return keep;
}

}  // namespace strata
