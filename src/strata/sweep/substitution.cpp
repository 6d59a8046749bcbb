#include "strata/sweep/substitution.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "strata/model/block.h"
#include "strata/model/threads.h"
#include "strata/sweep/block_stream.h"
#include "strata/sweep/clean_sweep.h"
#include "strata/sweep/scratch.h"

namespace strata {
namespace {

struct PartLane {
  Part part = Part::block;
  int block = -1;
  std::size_t result = 0;  // index into the substitutions
};

struct Damage {
  double kl_sum = 0.0, delta_nll_sum = 0.0;
};

struct LaneScratch {
  BlockScratch block;
  LogitScratch logits;
  std::vector<float> clean_logits, lane_logits;
  std::vector<double> probability;  // (kLogitRows, vocab) of the clean lane
};

struct Chunk {
  std::size_t window = 0;
  std::int64_t begin = 0, rows = 0;
};

// One pass over the weights for a group of lanes. Stream 0 is the clean one; the head's lane shares it.
class SubstitutionPass {
 public:
  SubstitutionPass(const Twin& original, const Twin& other, const SweepContext& context,
                   const std::vector<LaneWindow>& sample, const MeasureOptions& options)
      : original_(original), other_(other), context_(context), sample_(sample), options_(options) {
    offset_.push_back(0);
    std::int64_t longest = 0;
    for (const LaneWindow& w : sample) {
      offset_.push_back(offset_.back() + w.tokens);
      longest = std::max(longest, w.tokens);
    }
    rope_ = make_rope_table(context.config, static_cast<int>(longest));
    other_rope_ = make_rope_table(other.checkpoint.config(), static_cast<int>(longest));
  }

  // damage[lane][window].
  std::vector<std::vector<Damage>> run(const std::vector<PartLane>& lanes, const Progress& progress) {
    std::vector<std::vector<float>> streams(lanes.size() + 1);
    streams[0] = embedded(original_.embedding);
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      if (lanes[i].part == Part::everything || lanes[i].part == Part::embedding)
        streams[i + 1] = embedded(other_.embedding);
    }
    BlockStream blocks(original_.checkpoint, 0, options_.compute);
    const int n_layers = context_.config.n_layers;
    for (int block = 0; block < n_layers; ++block) {
      const auto alive =
          std::count_if(streams.begin(), streams.end(), [](const auto& s) { return !s.empty(); });
      report_progress(progress, {"substitution", block, n_layers + 1, alive * offset_.back()});
      const BlockWeights weights = blocks.next();
      std::optional<BlockWeights> others;
      const bool needed = std::any_of(lanes.begin(), lanes.end(), [&](const PartLane& lane) {
        return lane.part == Part::everything || (lane.part == Part::block && lane.block == block);
      });
      if (needed) others = load_block(other_.checkpoint, block, options_.compute);
      step(weights, others, lanes, streams, block);
    }
    report_progress(progress, {"substitution", n_layers, n_layers + 1, 0});
    auto damage = compare(lanes, streams);
    report_progress(progress, {"substitution", n_layers + 1, n_layers + 1, 0});
    return damage;
  }

 private:
  float* at(std::vector<float>& stream, std::size_t window) const {
    return stream.data() + offset_[window] * context_.config.hidden;
  }

  [[nodiscard]] std::vector<float> embedded(const PackedMatrix& table) const {
    std::vector<float> stream(static_cast<std::size_t>(offset_.back() * context_.config.hidden));
    for (std::size_t w = 0; w < sample_.size(); ++w) {
      const auto& ids = context_.corpus.windows[sample_[w].window].ids;
      embed(table, std::span(ids).first(static_cast<std::size_t>(sample_[w].tokens)), at(stream, w));
    }
    return stream;
  }

  // Streams that have forked go through the block that is theirs; a lane that forks here starts from the
  // clean stream's input.
  void step(const BlockWeights& weights, const std::optional<BlockWeights>& others,
            const std::vector<PartLane>& lanes, std::vector<std::vector<float>>& streams, int block) {
    std::vector<std::size_t> alive;
    for (std::size_t i = 0; i < streams.size(); ++i) {
      const bool forks = i > 0 && lanes[i - 1].part == Part::block && lanes[i - 1].block == block;
      if (forks) streams[i] = streams[0];
      if (!streams[i].empty()) alive.push_back(i);
    }
    for_each_window(alive.size() * sample_.size(), options_.threads, [&](std::size_t task) {
      const std::size_t stream = alive[task / sample_.size()], window = task % sample_.size();
      const PartLane* const lane = stream == 0 ? nullptr : &lanes[stream - 1];
      const bool swap = lane != nullptr && (lane->part == Part::everything ||
                                            (lane->part == Part::block && lane->block == block));
      const ModelConfig& config = swap ? other_.checkpoint.config() : context_.config;
      float* const h = at(streams[stream], window);
      auto scratch = pool_.lease();
      forward_block(swap ? *others : weights, config, swap ? other_rope_ : rope_, h, h,
                    sample_[window].tokens, scratch->block, nullptr);
    });
  }

  std::vector<std::vector<Damage>> compare(const std::vector<PartLane>& lanes,
                                           std::vector<std::vector<float>>& streams) {
    std::vector<Chunk> chunks;
    for (std::size_t w = 0; w < sample_.size(); ++w) {
      for (std::int64_t begin = 0; begin < sample_[w].tokens - 1; begin += kLogitRows)
        chunks.push_back({w, begin, std::min(kLogitRows, sample_[w].tokens - 1 - begin)});
    }
    std::vector<std::vector<Damage>> by_chunk(chunks.size(), std::vector<Damage>(lanes.size()));
    for_each_window(chunks.size(), options_.threads, [&](std::size_t c) {
      auto scratch = pool_.lease();
      prepare(streams[0], chunks[c], *scratch);
      for (std::size_t i = 0; i < lanes.size(); ++i) {
        const bool swap = lanes[i].part == Part::everything || lanes[i].part == Part::head;
        std::vector<float>& stream = lanes[i].part == Part::head ? streams[0] : streams[i + 1];
        by_chunk[c][i] = damage_of(swap ? other_ : original_, stream, chunks[c], *scratch);
      }
    });
    std::vector<std::vector<Damage>> damage(lanes.size(), std::vector<Damage>(sample_.size()));
    for (std::size_t c = 0; c < chunks.size(); ++c) {
      for (std::size_t i = 0; i < lanes.size(); ++i) {
        damage[i][chunks[c].window].kl_sum += by_chunk[c][i].kl_sum;
        damage[i][chunks[c].window].delta_nll_sum += by_chunk[c][i].delta_nll_sum;
      }
    }
    return damage;
  }

  void prepare(std::vector<float>& clean, const Chunk& chunk, LaneScratch& scratch) const {
    const auto vocab = static_cast<std::size_t>(context_.config.vocab);
    scratch.clean_logits.resize(kLogitRows * vocab);
    scratch.lane_logits.resize(kLogitRows * vocab);
    scratch.probability.resize(kLogitRows * vocab);
    compute_logits(original_.head, context_.config,
                   at(clean, chunk.window) + chunk.begin * context_.config.hidden, chunk.rows,
                   scratch.clean_logits.data(), scratch.logits);
    for (std::size_t r = 0; r < static_cast<std::size_t>(chunk.rows); ++r) {
      softmax_row(std::span(scratch.clean_logits).subspan(r * vocab, vocab),
                  std::span(scratch.probability).subspan(r * vocab, vocab));
    }
  }

  Damage damage_of(const Twin& head_of, std::vector<float>& stream, const Chunk& chunk,
                   LaneScratch& scratch) const {
    const auto vocab = static_cast<std::size_t>(context_.config.vocab);
    const auto& ids = context_.corpus.windows[sample_[chunk.window].window].ids;
    compute_logits(head_of.head, head_of.checkpoint.config(),
                   at(stream, chunk.window) + chunk.begin * context_.config.hidden, chunk.rows,
                   scratch.lane_logits.data(), scratch.logits);
    Damage damage;
    for (std::size_t r = 0; r < static_cast<std::size_t>(chunk.rows); ++r) {
      const auto clean = std::span<const float>(scratch.clean_logits).subspan(r * vocab, vocab);
      const auto lane = std::span<const float>(scratch.lane_logits).subspan(r * vocab, vocab);
      const Divergence divergence = divergence_from_logits(
          std::span<const double>(scratch.probability).subspan(r * vocab, vocab), clean, lane);
      const auto next = static_cast<std::size_t>(ids[static_cast<std::size_t>(chunk.begin) + r + 1]);
      damage.kl_sum += divergence.kl_nats;
      damage.delta_nll_sum +=
          divergence.delta_log_normaliser - (static_cast<double>(lane[next]) - clean[next]);
    }
    return damage;
  }

  const Twin& original_;
  const Twin& other_;
  const SweepContext& context_;
  const std::vector<LaneWindow>& sample_;
  const MeasureOptions& options_;
  std::vector<std::int64_t> offset_;  // first row of each lane window
  RopeTable rope_, other_rope_;
  ScratchPool<LaneScratch> pool_;
};

std::vector<PartLane> all_lanes(int n_layers) {
  std::vector<PartLane> lanes = {{.part = Part::everything}, {.part = Part::embedding}};
  for (int block = 0; block < n_layers; ++block) lanes.push_back({.part = Part::block, .block = block});
  lanes.push_back({.part = Part::head});
  for (std::size_t i = 0; i < lanes.size(); ++i) lanes[i].result = i;
  return lanes;
}

}  // namespace

std::vector<Substitution> run_substitutions(const Twin& original, const Twin& other,
                                            const SweepContext& context,
                                            const std::vector<LaneWindow>& sample,
                                            const MeasureOptions& options, const Progress& progress) {
  const std::vector<PartLane> lanes = all_lanes(context.config.n_layers);
  const std::vector<double> undefined(context.corpus.documents.size(),
                                      std::numeric_limits<double>::quiet_NaN());
  std::vector<Substitution> results;
  for (const PartLane& lane : lanes)
    results.push_back(
        {.part = lane.part, .block = lane.block, .kl_nats = undefined, .delta_nll_nats = undefined});
  const std::uint64_t each = std::max<std::uint64_t>(1, lane_bytes(context, sample));
  const auto per_pass = static_cast<std::size_t>(std::max<std::uint64_t>(1, options.lane_bytes / each));
  SubstitutionPass pass(original, other, context, sample, options);
  for (std::size_t begin = 0; begin < lanes.size(); begin += per_pass) {
    const std::size_t end = std::min(begin + per_pass, lanes.size());
    const std::vector<PartLane> group(lanes.begin() + static_cast<std::ptrdiff_t>(begin),
                                      lanes.begin() + static_cast<std::ptrdiff_t>(end));
    const auto damage = pass.run(group, progress);
    for (std::size_t i = 0; i < group.size(); ++i) {
      for (std::size_t w = 0; w < sample.size(); ++w) {
        const auto document = static_cast<std::size_t>(context.corpus.windows[sample[w].window].document);
        const auto scored = static_cast<double>(sample[w].tokens - 1);
        results[group[i].result].kl_nats[document] = damage[i][w].kl_sum / scored;
        results[group[i].result].delta_nll_nats[document] = damage[i][w].delta_nll_sum / scored;
      }
    }
  }
  return results;
}

}  // namespace strata
