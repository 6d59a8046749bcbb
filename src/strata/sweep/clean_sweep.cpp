#include "strata/sweep/clean_sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "strata/base/error.h"
#include "strata/base/parallel.h"
#include "strata/model/block.h"
#include "strata/model/logit_comparison.h"
#include "strata/sweep/block_stream.h"
#include "strata/sweep/groups.h"
#include "strata/sweep/scratch.h"
#include "strata/sweep/snapshots.h"

namespace strata {
namespace {

// Of one window in one block, for the signals.
struct Looks {
  AttentionSums sums;
  AttentionView attention;
  DeltaSums delta;
};

struct WindowScratch {
  std::vector<float> in, out;  // in: of a state that is not in memory
  std::vector<float> keep;
  // Distance and entropy, all and reduced, and the window's edge; or strength, memory and surprise.
  std::vector<double> sums;
  std::vector<float> expert_directions;
  Routing routing;
  Looks looks;
};

// Of one thread, for the windows that go through a block together.
struct GroupScratch {
  BlockScratch block;
  std::vector<WindowScratch> windows;
};

struct Sweep {
  const SweepContext& context;
  const RopeTable rope;
  std::vector<std::unique_ptr<Accumulator>>& accumulators;
  BlockNeeds needs;
  SinkTracker& tracker;
  const MeasureOptions& options;
  std::size_t together = 1;  // windows_together
  ScratchPool<GroupScratch> pool{};
};

// Windows `list` in batches; those of a batch in groups of at most `together`, each on its own thread.
void in_batches(const std::vector<std::size_t>& list, const MeasureOptions& options, std::size_t together,
                const std::function<void(std::span<const std::size_t>)>& body) {
  const auto batch = static_cast<std::size_t>(std::max(1, options.batch));
  for (std::size_t begin = 0; begin < list.size(); begin += batch) {
    const auto part = std::span(list).subspan(begin, std::min(batch, list.size() - begin));
    const auto groups = groups_of(part.size(), together, options.threads);
    parallel_for(groups.size(), options.threads, [&](std::size_t g) {
      body(part.subspan(groups[g].begin, groups[g].end - groups[g].begin));
    });
  }
}

std::span<double> part_of(WindowScratch& scratch, std::size_t i, std::int64_t tokens) {
  const auto n = static_cast<std::size_t>(tokens);
  return std::span<double>(scratch.sums).subspan(i * n, n);
}

// The attention statistics of a window, to be filled; the mask is the one known by now.
AttentionSums attention_sums(const Sweep& sweep, std::size_t window, bool edge, WindowScratch& scratch) {
  const std::int64_t n = sweep.context.tokens_in(window);
  const auto classes = sweep.tracker.classes().subspan(
      static_cast<std::size_t>(sweep.context.first_token[window]), static_cast<std::size_t>(n));
  scratch.keep.resize(classes.size());
  std::transform(classes.begin(), classes.end(), scratch.keep.begin(),
                 [](TokenClass c) { return c == TokenClass::ordinary ? 1.0f : 0.0f; });
  scratch.sums.assign((edge ? 5 : 4) * classes.size(), 0.0);
  AttentionSums sums{.keep = scratch.keep,
                     .distance_all = part_of(scratch, 0, n),
                     .entropy_all = part_of(scratch, 1, n),
                     .distance_reduced = part_of(scratch, 2, n),
                     .entropy_reduced = part_of(scratch, 3, n)};
  if (edge) sums.window_edge = part_of(scratch, 4, n);
  return sums;
}

// Undefined until a backend fills them.
DeltaSums delta_sums(std::int64_t n, WindowScratch& scratch) {
  scratch.sums.assign(static_cast<std::size_t>(3 * n), std::numeric_limits<double>::quiet_NaN());
  return {.strength = part_of(scratch, 0, n),
          .memory = part_of(scratch, 1, n),
          .surprise = part_of(scratch, 2, n)};
}

// What a window asks of a block, with what is needed of the parts that the block has.
BlockPass pass_of(Sweep& sweep, const BlockWeights& weights, const BlockNeeds& needs, WindowScratch& scratch,
                  BlockView& view) {
  const std::int64_t n = view.tokens;
  scratch.out.resize(static_cast<std::size_t>(n * sweep.context.config.hidden));
  view.h_out = scratch.out.data();
  BlockPass pass{view.h_in, scratch.out.data(), n};
  if (needs.attention && weights.block.mixer == Mixer::attention) {
    const bool edge = needs.window_edge && weights.block.attention.window > 0;
    scratch.looks.sums = attention_sums(sweep, view.window, edge, scratch);
    pass.hooks.sums = &scratch.looks.sums;
  }
  if (needs.delta && weights.block.mixer == Mixer::delta_rule) {
    scratch.looks.delta = delta_sums(n, scratch);
    pass.hooks.delta_sums = view.delta = &scratch.looks.delta;
  }
  scratch.routing.probability.clear();
  if (needs.routing && weights.block.feed_forward.experts > 0) pass.hooks.routing = &scratch.routing;
  if (pass.hooks.routing != nullptr && needs.expert_directions) {
    scratch.expert_directions.resize(scratch.out.size());
    pass.hooks.expert_directions = scratch.expert_directions.data();
  }
  return pass;
}

// What the block filled in.
void complete(BlockView& view, const BlockPass& pass, WindowScratch& scratch) {
  if (!scratch.routing.probability.empty()) {
    view.routing = &scratch.routing;
    view.expert_directions = pass.hooks.expert_directions;
  }
  if (pass.hooks.sums == nullptr) return;
  const AttentionSums& sums = scratch.looks.sums;
  scratch.looks.attention = {sums.distance_all, sums.entropy_all, sums.distance_reduced, sums.entropy_reduced,
                             sums.window_edge};
  view.attention = &scratch.looks.attention;
}

// These windows of `states` through a block; `seen` gets each one's view, and its scratch with the output.
template <class Seen>
void step_windows(Sweep& sweep, const BlockWeights& weights, int block, const BlockNeeds& needs,
                  const StateStore& states, std::span<const std::size_t> windows, const Seen& seen) {
  auto scratch = sweep.pool.lease();
  scratch->windows.resize(std::max(scratch->windows.size(), windows.size()));
  std::vector<BlockView> views;
  std::vector<BlockPass> passes;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    WindowScratch& own = scratch->windows[i];
    views.push_back({.block = block,
                     .window = windows[i],
                     .h_in = states.view(windows[i], own.in),
                     .tokens = sweep.context.tokens_in(windows[i])});
    passes.push_back(pass_of(sweep, weights, needs, own, views.back()));
  }
  forward_block(weights, sweep.rope, passes, scratch->block);
  for (std::size_t i = 0; i < windows.size(); ++i) {
    complete(views[i], passes[i], scratch->windows[i]);
    seen(views[i], scratch->windows[i]);
  }
}

void observe_state(Sweep& sweep, int state, std::size_t window, const float* h) {
  const StateView view{.state = state, .window = window, .h = h, .tokens = sweep.context.tokens_in(window)};
  sweep.tracker.observe_state(view);
  for (const auto& accumulator : sweep.accumulators) accumulator->observe_state(view);
}

// Finite weights can still overflow float32; nothing measured after that would mean anything.
void check_finite(const std::vector<float>& h, const Checkpoint& checkpoint, int block) {
  if (std::all_of(h.begin(), h.end(), [](float x) { return std::isfinite(x); })) return;
  throw Error(ErrorKind::run_failed, {.where = checkpoint.path().string(),
                                      .found = fmt::format("block {} puts out NaN or infinity", block),
                                      .expected = "finite activations in float32",
                                      .hint = "the weights may be damaged"});
}

void end_state(Sweep& sweep, int state) {
  sweep.tracker.end_state(state);
  for (const auto& accumulator : sweep.accumulators) accumulator->end_state(state);
}

// A token that turned out massive at state s was not masked in the attention of blocks before s. Those
// blocks are run again for its window alone, so that the mask is the same at every depth.
void repair_attention(Sweep& sweep, const Checkpoint& checkpoint, const Embedding& embedding) {
  const auto onset = sweep.tracker.latest_onset();
  const int last = *std::max_element(onset.begin(), onset.end());
  if (!sweep.needs.attention || last < 1) return;
  const SweepContext& context = sweep.context;
  const auto width = static_cast<std::size_t>(context.config.hidden);
  std::vector<std::size_t> affected;
  std::vector<std::int64_t> sizes(onset.size(), 0);
  std::uint64_t bytes = 0;
  for (std::size_t w = 0; w < onset.size(); ++w) {
    if (onset[w] < 1) continue;
    affected.push_back(w);
    sizes[w] = context.tokens_in(w) * static_cast<std::int64_t>(width);
    bytes += static_cast<std::uint64_t>(sizes[w]) * sizeof(float);
  }
  StorePlace place = state_place(sweep.options);
  place.spilled = place.spilled || bytes > sweep.options.memory.repair_bytes;
  StateStore h(sizes, place);
  std::vector<float> first;
  for (const std::size_t w : affected) {
    first.resize(static_cast<std::size_t>(sizes[w]));
    embed(embedding, context.corpus.windows[w].ids, first.data());
    h.write(w, first);
  }
  BlockStream stream(checkpoint, 0, sweep.options.compute, BlockOrder::ascending,
                     sweep.options.memory.prefetch);
  BlockWeights weights;
  const BlockNeeds again{.attention = true, .window_edge = sweep.needs.window_edge};
  for (int block = 0; block < last; ++block) {
    weights = {};
    weights = stream.next();
    std::erase_if(affected, [&](std::size_t w) { return onset[w] <= block; });
    in_batches(affected, sweep.options, sweep.together, [&](std::span<const std::size_t> windows) {
      step_windows(sweep, weights, block, again, h, windows, [&](const BlockView& view, WindowScratch& own) {
        for (const auto& accumulator : sweep.accumulators) accumulator->observe_block(view);
        h.write(view.window, own.out);
      });
    });
  }
}

// What the sweep has done when every window has gone through `blocks` blocks; `repaired`: repair_attention
// too.
void persist(Archive& archive, Sweep& sweep, StateStore& states, int& blocks, bool& repaired) {
  archive(blocks);
  archive(repaired);
  archive(states);
  archive(sweep.tracker);
  for (const auto& accumulator : sweep.accumulators) archive(*accumulator);
}

// State 0 of every window.
void embed_windows(Sweep& sweep, const Embedding& embedding, const std::vector<std::size_t>& windows,
                   StateStore& states) {
  in_batches(windows, sweep.options, 1, [&](std::span<const std::size_t> one) {
    const std::size_t w = one.front();
    std::vector<float> h(static_cast<std::size_t>(states.size(w)));
    embed(embedding, sweep.context.corpus.windows[w].ids, h.data());
    observe_state(sweep, 0, w, h.data());
    states.write(w, h);
  });
  end_state(sweep, 0);
}

}  // namespace

StorePlace state_place(const MeasureOptions& options) {
  return {.spilled = options.memory.spill_states, .directory = options.spill_directory};
}

StorePlace sample_place(const MeasureOptions& options) {
  return {.spilled = options.memory.spill_samples, .directory = options.spill_directory};
}

void report_progress(const Progress& progress, const ProgressEvent& event) {
  if (progress && !progress(event)) {
    throw Error(ErrorKind::interrupted, {.where = event.phase, .found = "interrupted"});
  }
}

CleanSweep run_clean_sweep(const Checkpoint& checkpoint, const SweepContext& context,
                           const Embedding& embedding,
                           std::vector<std::unique_ptr<Accumulator>>& accumulators, const BlockNeeds& needs,
                           SinkTracker& tracker, const MeasureOptions& options, const Progress& progress) {
  std::int64_t longest = 0;
  std::vector<std::size_t> all(context.corpus.windows.size());
  for (std::size_t w = 0; w < all.size(); ++w) {
    all[w] = w;
    longest = std::max(longest, context.tokens_in(w));
  }
  Sweep sweep{.context = context,
              .rope = make_rope_table(context.config, static_cast<int>(longest)),
              .accumulators = accumulators,
              .needs = needs,
              .tracker = tracker,
              .options = options,
              .together = windows_together(context.config, longest)};
  std::vector<std::int64_t> sizes;
  for (const std::size_t w : all) sizes.push_back(context.tokens_in(w) * context.config.hidden);
  CleanSweep result{.states = StateStore(sizes, state_place(options)), .classes = {}};
  int block = 0;
  bool repaired = false;
  const auto save = [&](Archive& archive) { persist(archive, sweep, result.states, block, repaired); };
  const bool resumed = options.snapshots != nullptr && options.snapshots->load("sweep", save);
  STRATA_CHECK(block >= 0 && block <= context.config.n_layers);
  BlockStream stream(checkpoint, block, options.compute, BlockOrder::ascending, options.memory.prefetch);
  if (!resumed) embed_windows(sweep, embedding, all, result.states);
  BlockWeights weights;
  for (; block < context.config.n_layers; ++block) {
    report_and_save(progress, {"clean sweep", block, context.config.n_layers, context.token_count()},
                    options.snapshots, "sweep", save);
    weights = {};  // before the next one is read, where there is no room for two
    weights = stream.next();
    in_batches(all, options, sweep.together, [&](std::span<const std::size_t> windows) {
      const auto look = [&](const BlockView& view, WindowScratch& own) {
        check_finite(own.out, checkpoint, block);
        for (const auto& accumulator : accumulators) accumulator->observe_block(view);
        observe_state(sweep, block + 1, view.window, own.out.data());
        result.states.write(view.window, own.out);
      };
      step_windows(sweep, weights, block, needs, result.states, windows, look);
    });
    end_state(sweep, block + 1);
  }
  weights = {};
  report_and_save(progress, {"clean sweep", context.config.n_layers, context.config.n_layers, 0},
                  options.snapshots, "sweep", save);
  if (!repaired) {
    repair_attention(sweep, checkpoint, embedding);
    repaired = true;
    // Whatever it costs: the signals come next, and a run that is stopped in them must not sweep again.
    if (options.snapshots != nullptr) options.snapshots->save("sweep", save);
  }
  result.classes.assign(tracker.classes().begin(), tracker.classes().end());
  return result;
}

std::vector<DocumentLoss> document_losses(const HeadWeights& head, const SweepContext& context,
                                          const StateStore& last_states, const MeasureOptions& options) {
  const std::size_t windows = context.corpus.windows.size();
  const bool defined = context.config.has_head;
  std::vector<double> sums(windows, defined ? 0.0 : std::numeric_limits<double>::quiet_NaN());
  parallel_for(defined ? windows : 0, options.threads, [&](std::size_t w) {
    const auto& ids = context.corpus.windows[w].ids;
    LogitScratch scratch;
    std::vector<float> buffer;
    const float* const h = last_states.view(w, buffer);
    const auto scored = static_cast<std::int64_t>(ids.size()) - 1;
    for (std::int64_t begin = 0; begin < scored; begin += kVisitedRows) {
      const std::int64_t rows = std::min(kVisitedRows, scored - begin);
      std::vector<StripStatistics> statistics(static_cast<std::size_t>(rows));
      std::vector<double> next(statistics.size(), 0.0);
      visit_logits(head, context.config, h + begin * context.config.hidden, rows, scratch,
                   [&](std::int64_t first, std::int64_t count, const float* logits, std::int64_t stride) {
                     for (std::size_t r = 0; r < statistics.size(); ++r) {
                       const float* const row = logits + static_cast<std::int64_t>(r) * stride;
                       statistics[r].add({row, static_cast<std::size_t>(count)});
                       const std::int64_t at = ids[static_cast<std::size_t>(begin) + r + 1] - first;
                       if (at >= 0 && at < count) next[r] = row[at];
                     }
                   });
      for (std::size_t r = 0; r < statistics.size(); ++r)
        sums[w] += statistics[r].result().log_normaliser - next[r];
    }
  });
  std::vector<DocumentLoss> losses(context.corpus.documents.size());
  for (std::size_t w = 0; w < windows; ++w) {
    DocumentLoss& loss = losses[static_cast<std::size_t>(context.corpus.windows[w].document)];
    loss.nll_nats += sums[w];
    loss.scored += static_cast<std::int64_t>(context.corpus.windows[w].ids.size()) - 1;
  }
  for (DocumentLoss& loss : losses)
    loss.nll_nats /= static_cast<double>(std::max<std::int64_t>(1, loss.scored));
  return losses;
}

}  // namespace strata
