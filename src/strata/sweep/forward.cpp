#include "strata/sweep/forward.h"

#include <fmt/format.h>

#include <algorithm>

#include "strata/base/error.h"
#include "strata/base/parallel.h"
#include "strata/model/block.h"
#include "strata/model/head.h"
#include "strata/model/kernels.h"
#include "strata/sweep/block_stream.h"
#include "strata/sweep/clean_sweep.h"
#include "strata/sweep/groups.h"
#include "strata/sweep/scratch.h"

namespace strata {
namespace {

// The head on one window, kLogitRows rows at a time.
void show_output(const HeadWeights& head, const ModelConfig& config, std::size_t window,
                 const std::vector<float>& h, const ForwardObserver& observer) {
  const std::int64_t d = config.hidden, vocab = config.vocab;
  const auto tokens = static_cast<std::int64_t>(h.size()) / d;
  LogitScratch scratch;
  std::vector<float> logits(static_cast<std::size_t>(kLogitRows * vocab));
  for (std::int64_t first = 0; first < tokens; first += kLogitRows) {
    const std::int64_t rows = std::min(kLogitRows, tokens - first);
    compute_logits(head, config, h.data() + first * d, rows, logits.data(), scratch);
    observer.output(window, first, std::span(scratch.normed).first(static_cast<std::size_t>(rows * d)),
                    std::span(logits).first(static_cast<std::size_t>(rows * vocab)));
  }
}

// Of a model without a head: the last state after the final norm, and no logits.
void show_norm(const std::vector<float>& norm, const ModelConfig& config, std::size_t window,
               const std::vector<float>& h, const ForwardObserver& observer) {
  const std::int64_t d = config.hidden;
  std::vector<float> normed(h.size());
  rms_norm_rows(h.data(), d, normed.data(), d, norm.data(), static_cast<std::int64_t>(h.size()) / d, d,
                config.norm_eps);
  observer.output(window, 0, normed, {});
}

}  // namespace

void forward_windows(const Checkpoint& checkpoint, const std::vector<std::vector<std::int32_t>>& windows,
                     const ForwardOptions& options, const ForwardObserver& observer) {
  const ModelConfig& config = checkpoint.config();
  std::size_t longest = 0, tokens = 0;
  for (const auto& ids : windows) {
    longest = std::max(longest, ids.size());
    tokens += ids.size();
  }
  if (const std::int64_t limit = text_limit(config); limit > 0 && longest > static_cast<std::size_t>(limit)) {
    throw Error(
        ErrorKind::unsupported,
        {.where = checkpoint.path().string(),
         .found = fmt::format("{} tokens, and the model's sliding window of {}", longest, limit),
         .expected = "windows of text that are no longer",
         .hint = "the file does not say which blocks slide, and up to there none makes a difference"});
  }
  const RopeTable rope = make_rope_table(config, static_cast<int>(longest));
  const Embedding embedding = load_embedding(checkpoint, options.compute);
  std::vector<std::vector<float>> h(windows.size());
  parallel_for(windows.size(), options.threads, [&](std::size_t w) {
    h[w].resize(windows[w].size() * static_cast<std::size_t>(config.hidden));
    embed(embedding, windows[w], h[w].data());
    if (observer.state) observer.state(0, w, h[w]);
  });
  ScratchPool<BlockScratch> pool;
  const auto groups = groups_of(windows.size(), windows_together(config, static_cast<std::int64_t>(longest)),
                                options.threads);
  BlockStream stream(checkpoint, 0, options.compute);
  for (int block = 0; block < config.n_layers; ++block) {
    report_progress(options.progress,
                    {"forward pass", block, config.n_layers, static_cast<std::int64_t>(tokens)});
    const BlockWeights weights = stream.next();
    parallel_for(groups.size(), options.threads, [&](std::size_t g) {
      auto scratch = pool.lease();
      std::vector<BlockPass> passes;
      for (std::size_t w = groups[g].begin; w < groups[g].end; ++w)
        passes.push_back({h[w].data(), h[w].data(), static_cast<std::int64_t>(windows[w].size())});
      forward_block(weights, rope, passes, *scratch);
      if (!observer.state) return;
      for (std::size_t w = groups[g].begin; w < groups[g].end; ++w) observer.state(block + 1, w, h[w]);
    });
  }
  report_progress(options.progress, {"forward pass", config.n_layers, config.n_layers, 0});
  if (!observer.output) return;
  if (!config.has_head) {
    const std::vector<float> norm = load_final_norm(checkpoint);
    parallel_for(windows.size(), options.threads,
                 [&](std::size_t w) { show_norm(norm, config, w, h[w], observer); });
    return;
  }
  const HeadWeights head = load_head(checkpoint, embedding);
  parallel_for(windows.size(), options.threads,
               [&](std::size_t w) { show_output(head, config, w, h[w], observer); });
}

}  // namespace strata
