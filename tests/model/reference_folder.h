// What the data folder's reference/architectures hold, and what strata computes of them.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "strata/base/npy.h"
#include "strata/checkpoint/checkpoint.h"
#include "strata/model/block.h"
#include "strata/model/head.h"
#include "tests/support/paths.h"

namespace strata::test {

struct Computed {
  std::vector<float> states;             // (blocks + 1, tokens, d)
  std::vector<float> logits;             // (tokens, vocab); empty without a head
  std::vector<float> router;             // (blocks with a mixture, tokens, experts)
  std::vector<std::int32_t> router_top;  // (blocks with a mixture, tokens, experts taken)
};

inline Computed run_through(const Checkpoint& checkpoint, const std::vector<std::int32_t>& ids) {
  const ModelConfig& config = checkpoint.config();
  const auto n = static_cast<std::int64_t>(ids.size());
  const RopeTable rope = make_rope_table(config, 150);
  const Embedding embedding = load_embedding(checkpoint);
  std::vector<float> h(static_cast<std::size_t>(n * config.hidden));
  embed(embedding, ids, h.data());
  Computed result{.states = h};
  BlockScratch scratch;
  for (int layer = 0; layer < config.n_layers; ++layer) {
    Routing routing;
    BlockHooks hooks;
    hooks.routing = &routing;
    forward_block(load_block(checkpoint, layer), rope, h.data(), h.data(), n, scratch, hooks);
    result.router.insert(result.router.end(), routing.probability.begin(), routing.probability.end());
    result.router_top.insert(result.router_top.end(), routing.chosen.begin(), routing.chosen.end());
    result.states.insert(result.states.end(), h.begin(), h.end());
  }
  if (!config.has_head) return result;
  const HeadWeights head = load_head(checkpoint, embedding);
  LogitScratch logit_scratch;
  std::vector<float> chunk(static_cast<std::size_t>(kLogitRows * config.vocab));
  for (std::int64_t begin = 0; begin < n; begin += kLogitRows) {
    const std::int64_t rows = std::min(kLogitRows, n - begin);
    compute_logits(head, config, h.data() + begin * config.hidden, rows, chunk.data(), logit_scratch);
    result.logits.insert(result.logits.end(), chunk.begin(), chunk.begin() + rows * config.vocab);
  }
  return result;
}

template <class T>
std::vector<T> npy_values(const std::filesystem::path& path) {
  return std::get<std::vector<T>>(read_npy(path).data);
}

// Of the data folder, else one of the few that the repository has the short document of.
inline std::optional<std::filesystem::path> folder_of(const std::string& name) {
  if (auto shared = shared_data("reference/architectures/" + name)) return shared;
  auto copy = repo_path("tests/golden/architectures/" + name);
  return std::filesystem::exists(copy) ? std::optional(copy) : std::nullopt;
}
inline std::vector<std::string> lengths_of(const std::filesystem::path& folder) {
  std::vector<std::string> lengths;
  for (const char* length : {"short", "long"}) {
    if (std::filesystem::exists(folder / fmt::format("ids_{}.npy", length))) lengths.emplace_back(length);
  }
  return lengths;
}

}  // namespace strata::test

#define FOLDER_OR_SKIP(folder, name)                   \
  const auto folder = ::strata::test::folder_of(name); \
  if (!folder)                                         \
  GTEST_SKIP() << "needs reference/architectures/" << name << " of the data folder (STRATA_SHARED_DATA)"
