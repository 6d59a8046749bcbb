#include "strata/sweep/lanes.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "strata/model/block.h"
#include "strata/model/threads.h"
#include "strata/record/persist.h"
#include "strata/sweep/block_stream.h"
#include "strata/sweep/clean_sweep.h"
#include "strata/sweep/scratch.h"
#include "strata/sweep/selection.h"
#include "strata/sweep/snapshots.h"

namespace strata {
namespace {

struct Plan {
  std::vector<DoseCurve> curves;
  std::vector<Lane> lanes;  // by place
};

Plan plan_lanes(const SweepContext& context, const MeasureOptions& options) {
  Plan plan;
  for (const Intervention* selected : selected_interventions(options)) {
    const Intervention& intervention = *selected;
    const bool at_state = intervention.site == Site::state;
    const int places = context.config.n_layers + (at_state ? 1 : 1 - intervention.span);
    for (int place = 0; place < places; ++place) {
      if (!options.layers.empty() &&
          std::find(options.layers.begin(), options.layers.end(), place) == options.layers.end()) {
        continue;
      }
      DoseCurve curve;
      curve.intervention = intervention.id;
      curve.site = at_state ? "state" : "branch";
      curve.strength_unit = intervention.strength_unit;
      curve.axis = at_state ? Axis::state : Axis::block;
      curve.place = place;
      curve.span = intervention.span;
      curve.strength.assign(intervention.strengths.begin(), intervention.strengths.end());
      for (std::size_t s = 0; s < curve.strength.size(); ++s) {
        for (const double sign : {1.0, -1.0}) {
          if (sign < 0.0 && !intervention.antithetic) continue;
          plan.lanes.push_back({.intervention = &intervention,
                                .place = place,
                                .strength = s,
                                .value = curve.strength[s],
                                .sign = sign,
                                .curve = plan.curves.size()});
        }
      }
      plan.curves.push_back(std::move(curve));
    }
  }
  std::stable_sort(plan.lanes.begin(), plan.lanes.end(),
                   [](const Lane& a, const Lane& b) { return a.place < b.place; });
  return plan;
}

// Windows of a document with at least `tokens` tokens; all of its windows if none is that long.
std::vector<std::size_t> candidates(const SweepContext& context, int document, std::int64_t tokens) {
  std::vector<std::size_t> all, long_enough;
  for (std::size_t w = 0; w < context.corpus.windows.size(); ++w) {
    if (context.corpus.windows[w].document != document) continue;
    all.push_back(w);
    if (context.tokens_in(w) >= tokens) long_enough.push_back(w);
  }
  return long_enough.empty() ? all : long_enough;
}

// Damage of one lane on one window.
struct Damage {
  double kl_sum = 0.0;
  double delta_nll_sum = 0.0;
};

struct LaneScratch {
  BlockScratch block;
  std::vector<float> out;
  LogitScratch logits;
  std::vector<float> clean_logits, lane_logits;
  std::vector<double> probability;  // (kLogitRows, vocab) of the clean lane
};

// One pass over the weights for a group of lanes. Stream 0 is the clean lane.
class LanePass {
 public:
  LanePass(const Checkpoint& checkpoint, const SweepContext& context, std::span<const TokenClass> classes,
           const std::vector<LaneWindow>& sample, const MeasureOptions& options)
      : checkpoint_(checkpoint), context_(context), classes_(classes), sample_(sample), options_(options) {
    offset_.push_back(0);
    std::int64_t longest = 0;
    for (const LaneWindow& w : sample) {
      offset_.push_back(offset_.back() + w.tokens);
      longest = std::max(longest, w.tokens);
    }
    rope_ = make_rope_table(context.config, static_cast<int>(longest));
  }

  // damage[lane][window] of the lanes in [begin, end).
  std::vector<std::vector<Damage>> run(std::span<const Lane> lanes, const at::Tensor& embedding,
                                       const HeadWeights& head, const Progress& progress) {
    const auto size = static_cast<std::size_t>(offset_.back() * context_.config.hidden);
    std::vector<std::vector<float>> streams(lanes.size() + 1);
    streams[0].resize(size);
    for (std::size_t w = 0; w < sample_.size(); ++w) {
      const auto& ids = context_.corpus.windows[sample_[w].window].ids;
      embed(embedding, std::span(ids).first(static_cast<std::size_t>(sample_[w].tokens)), at(streams[0], w));
    }
    std::size_t alive = 0;  // lanes forked so far; they are sorted by place
    BlockStream blocks(checkpoint_, 0, BlockOrder::ascending, options_.memory.prefetch);
    const int n_layers = context_.config.n_layers;
    for (int place = 0; place <= n_layers; ++place) {
      report_progress(progress,
                      {"lanes", place, n_layers + 1, static_cast<std::int64_t>(alive + 1) * offset_.back()});
      const std::size_t before = alive;
      while (alive < lanes.size() && lanes[alive].place == place) streams[++alive] = streams[0];
      fork(lanes, streams, before, alive);
      if (place == n_layers) break;
      const BlockWeights weights = blocks.next();
      step(weights, lanes, streams, place, alive);
    }
    auto damage = compare(lanes, streams, head);
    report_progress(progress, {"lanes", n_layers + 1, n_layers + 1, 0});
    return damage;
  }

 private:
  float* at(std::vector<float>& stream, std::size_t window) const {
    return stream.data() + offset_[window] * context_.config.hidden;
  }

  [[nodiscard]] EditContext edit_of(const Lane& lane, std::size_t window) const {
    const Window& w = context_.corpus.windows[sample_[window].window];
    return {
        .place = lane.place,
        .document = w.document,
        .window = w.index,
        .seed = context_.seed,
        .repeat = lane.repeat,
        .sign = lane.sign,
        .strength = lane.value,
        .tokens = sample_[window].tokens,
        .width = context_.config.hidden,
        .classes = classes_.subspan(static_cast<std::size_t>(context_.first_token[sample_[window].window]),
                                    static_cast<std::size_t>(sample_[window].tokens))};
  }

  void fork(std::span<const Lane> lanes, std::vector<std::vector<float>>& streams, std::size_t begin,
            std::size_t end) const {
    for_each_window((end - begin) * sample_.size(), options_.threads, [&](std::size_t task) {
      const std::size_t lane = begin + task / sample_.size(), window = task % sample_.size();
      const Intervention& what = *lanes[lane].intervention;
      if (what.edit_state != nullptr)
        what.edit_state(edit_of(lanes[lane], window), at(streams[lane + 1], window));
    });
  }

  void step(const BlockWeights& weights, std::span<const Lane> lanes,
            std::vector<std::vector<float>>& streams, int block, std::size_t alive) {
    for_each_window((alive + 1) * sample_.size(), options_.threads, [&](std::size_t task) {
      const std::size_t stream = task / sample_.size(), window = task % sample_.size();
      const std::int64_t n = sample_[window].tokens;
      float* h = at(streams[stream], window);
      const Lane* lane = stream == 0 ? nullptr : &lanes[stream - 1];
      auto scratch = pool_.lease();
      const bool edits =
          lane != nullptr && lane->place == block && lane->intervention->edit_branch != nullptr;
      if (!edits) {
        forward_block(weights, context_.config, rope_, h, h, n, scratch->block, nullptr);
        return;
      }
      const std::int64_t count = n * context_.config.hidden;
      scratch->out.resize(static_cast<std::size_t>(count));
      forward_block(weights, context_.config, rope_, h, scratch->out.data(), n, scratch->block, nullptr);
      lane->intervention->edit_branch(edit_of(*lane, window), h, scratch->out.data());
      std::copy_n(scratch->out.data(), count, h);
    });
  }

  // Clean logits of a chunk of rows once, then every lane's against them; no logits are kept.
  std::vector<std::vector<Damage>> compare(std::span<const Lane> lanes,
                                           std::vector<std::vector<float>>& streams,
                                           const HeadWeights& head) {
    struct Chunk {
      std::size_t window;
      std::int64_t begin, rows;
    };
    std::vector<Chunk> chunks;
    for (std::size_t w = 0; w < sample_.size(); ++w) {
      for (std::int64_t begin = 0; begin < sample_[w].tokens - 1; begin += kLogitRows) {
        chunks.push_back({w, begin, std::min(kLogitRows, sample_[w].tokens - 1 - begin)});
      }
    }
    std::vector<std::vector<Damage>> by_chunk(chunks.size());
    for_each_window(chunks.size(), options_.threads, [&](std::size_t c) {
      const Chunk& chunk = chunks[c];
      auto scratch = pool_.lease();
      prepare(head, streams[0], chunk.window, chunk.begin, chunk.rows, *scratch);
      by_chunk[c].resize(lanes.size());
      for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
        by_chunk[c][lane] =
            damage_of(head, streams[lane + 1], chunk.window, chunk.begin, chunk.rows, *scratch);
      }
    });
    std::vector<std::vector<Damage>> damage(lanes.size(), std::vector<Damage>(sample_.size()));
    for (std::size_t c = 0; c < chunks.size(); ++c) {
      for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
        damage[lane][chunks[c].window].kl_sum += by_chunk[c][lane].kl_sum;
        damage[lane][chunks[c].window].delta_nll_sum += by_chunk[c][lane].delta_nll_sum;
      }
    }
    return damage;
  }

  [[nodiscard]] std::int32_t next_id(std::size_t window, std::int64_t position) const {
    return context_.corpus.windows[sample_[window].window].ids[static_cast<std::size_t>(position) + 1];
  }

  void prepare(const HeadWeights& head, std::vector<float>& clean, std::size_t window, std::int64_t begin,
               std::int64_t rows, LaneScratch& scratch) const {
    const auto vocab = static_cast<std::size_t>(head.unembedding.size(0));
    scratch.clean_logits.resize(kLogitRows * vocab);
    scratch.lane_logits.resize(kLogitRows * vocab);
    scratch.probability.resize(kLogitRows * vocab);
    compute_logits(head, context_.config, at(clean, window) + begin * context_.config.hidden, rows,
                   scratch.clean_logits.data(), scratch.logits);
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto from = static_cast<std::size_t>(r) * vocab;
      const std::span<const float> row(scratch.clean_logits.data() + from, vocab);
      softmax_row(row, {scratch.probability.data() + from, vocab});
    }
  }

  Damage damage_of(const HeadWeights& head, std::vector<float>& stream, std::size_t window,
                   std::int64_t begin, std::int64_t rows, LaneScratch& scratch) const {
    const auto vocab = static_cast<std::size_t>(head.unembedding.size(0));
    compute_logits(head, context_.config, at(stream, window) + begin * context_.config.hidden, rows,
                   scratch.lane_logits.data(), scratch.logits);
    Damage damage;
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto from = static_cast<std::size_t>(r) * vocab;
      const std::span<const float> clean(scratch.clean_logits.data() + from, vocab);
      const std::span<const float> lane(scratch.lane_logits.data() + from, vocab);
      const Divergence divergence =
          divergence_from_logits({scratch.probability.data() + from, vocab}, clean, lane);
      const auto next = static_cast<std::size_t>(next_id(window, begin + r));
      damage.kl_sum += divergence.kl_nats;
      damage.delta_nll_sum +=
          divergence.delta_log_normaliser - (static_cast<double>(lane[next]) - clean[next]);
    }
    return damage;
  }

  const Checkpoint& checkpoint_;
  const SweepContext& context_;
  std::span<const TokenClass> classes_;
  const std::vector<LaneWindow>& sample_;
  const MeasureOptions& options_;
  std::vector<std::int64_t> offset_;  // first row of each lane window
  RopeTable rope_;
  ScratchPool<LaneScratch> pool_;
};

}  // namespace

std::vector<LaneWindow> lane_sample(const SweepContext& context, std::int64_t lane_tokens) {
  const std::size_t documents = context.corpus.documents.size();
  const std::int64_t room = std::max<std::int64_t>(1, lane_tokens / kMinWindowTokens);
  std::vector<std::uint32_t> order(documents);
  std::iota(order.begin(), order.end(), 0u);
  if (room < static_cast<std::int64_t>(documents)) {
    Philox rng({.seed = context.seed, .stream = Stream::documents});
    shuffle(order, rng);
    order.resize(static_cast<std::size_t>(room));
    std::sort(order.begin(), order.end());
  }
  const std::int64_t share =
      std::max<std::int64_t>(kMinWindowTokens, lane_tokens / static_cast<std::int64_t>(order.size()));
  std::vector<LaneWindow> sample;
  for (const std::uint32_t document : order) {
    const std::vector<std::size_t> windows = candidates(context, static_cast<int>(document), share);
    Philox rng({.seed = context.seed, .stream = Stream::documents, .a = 1, .b = document});
    const std::size_t chosen = windows[rng.below(windows.size())];
    sample.push_back({chosen, std::min(share, context.tokens_in(chosen))});
  }
  return sample;
}

std::int64_t lane_count(const SweepContext& context, const MeasureOptions& options) {
  return static_cast<std::int64_t>(plan_lanes(context, options).lanes.size());
}

std::uint64_t lane_bytes(const SweepContext& context, const std::vector<LaneWindow>& sample) {
  std::int64_t tokens = 0;
  for (const LaneWindow& w : sample) tokens += w.tokens;
  return static_cast<std::uint64_t>(tokens * context.config.hidden) * sizeof(float);
}

std::vector<DoseCurve> run_lanes(const Checkpoint& checkpoint, const SweepContext& context,
                                 std::span<const TokenClass> classes, const at::Tensor& embedding,
                                 const HeadWeights& head, const std::vector<LaneWindow>& sample,
                                 const MeasureOptions& options, const Progress& progress) {
  Plan plan = plan_lanes(context, options);
  const std::size_t documents = context.corpus.documents.size();
  for (DoseCurve& curve : plan.curves) {
    curve.kl_nats = Matrix(documents, curve.strength.size(), std::numeric_limits<double>::quiet_NaN());
    curve.delta_nll_nats = curve.kl_nats;
    for (const LaneWindow& w : sample) {
      const auto d = static_cast<std::size_t>(context.corpus.windows[w.window].document);
      for (std::size_t s = 0; s < curve.strength.size(); ++s)
        curve.kl_nats(d, s) = curve.delta_nll_nats(d, s) = 0.0;
    }
  }
  const std::uint64_t each = std::max<std::uint64_t>(1, lane_bytes(context, sample));
  const auto per_pass = static_cast<std::size_t>(std::max<std::uint64_t>(1, options.lane_bytes / each));
  LanePass pass(checkpoint, context, classes, sample, options);
  std::size_t begin = 0;  // lanes that are done
  const auto save = [&](Archive& archive) {
    archive(begin);
    persist(archive, plan.curves);
  };
  if (options.snapshots != nullptr) (void)options.snapshots->load("lanes", save);
  while (begin < plan.lanes.size()) {
    const auto group =
        std::span<const Lane>(plan.lanes).subspan(begin, std::min(per_pass, plan.lanes.size() - begin));
    const auto damage = pass.run(group, embedding, head, progress);
    for (std::size_t i = 0; i < group.size(); ++i) {
      DoseCurve& curve = plan.curves[group[i].curve];
      const double signs = group[i].intervention->antithetic ? 2.0 : 1.0;
      for (std::size_t w = 0; w < sample.size(); ++w) {
        const auto d = static_cast<std::size_t>(context.corpus.windows[sample[w].window].document);
        const double scored = static_cast<double>(sample[w].tokens - 1) * signs;
        curve.kl_nats(d, group[i].strength) += damage[i][w].kl_sum / scored;
        curve.delta_nll_nats(d, group[i].strength) += damage[i][w].delta_nll_sum / scored;
      }
    }
    begin += group.size();
    if (options.snapshots != nullptr) options.snapshots->save("lanes", save);
  }
  return std::move(plan.curves);
}

}  // namespace strata
