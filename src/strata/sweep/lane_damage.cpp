#include "strata/sweep/lane_damage.h"

#include <algorithm>

#include "strata/base/parallel.h"
#include "strata/model/kernels.h"
#include "strata/model/simd.h"
#include "strata/sweep/scratch.h"

namespace strata {
namespace {

struct Chunk {
  std::size_t window = 0;
  std::int64_t begin = 0, rows = 0;
};

struct ChunkScratch {
  LogitScratch logits;
  std::vector<float> clean_logits, lane_logits;
  std::vector<double> probability;     // (kLogitRows, vocab) of the clean lane
  std::vector<std::size_t> clean_top;  // per row
};

STRATA_VECTORISED
float largest(std::span<const float> row) {
  const float* z = row.data();
  return simd::max<float>(static_cast<std::int64_t>(row.size()), [&](std::int64_t i) { return z[i]; });
}

// The first index of the largest value, so that a row of equal values agrees with no more than its own first.
std::size_t top_of(std::span<const float> row) {
  return static_cast<std::size_t>(std::find(row.begin(), row.end(), largest(row)) - row.begin());
}

class Comparison {
 public:
  Comparison(const LaneEngineInput& input, std::span<const std::int64_t> offset,
             std::span<const LaneOutput> outputs)
      : input_(input),
        offset_(offset),
        outputs_(outputs),
        vocab_(static_cast<std::size_t>(input.context.config.vocab)) {
    for (std::size_t w = 0; w < input.sample.size(); ++w) {
      const std::int64_t scored = input.sample[w].tokens - 1;
      for (std::int64_t begin = 0; begin < scored; begin += kLogitRows)
        chunks_.push_back({w, begin, std::min(kLogitRows, scored - begin)});
    }
  }

  std::vector<std::vector<Damage>> run() {
    const std::size_t lanes = outputs_.size() - 1;
    std::vector<std::vector<Damage>> by_chunk(chunks_.size(), std::vector<Damage>(lanes));
    parallel_for(chunks_.size(), input_.options.threads, [&](std::size_t c) {
      auto scratch = pool_.lease();
      prepare(chunks_[c], *scratch);
      for (std::size_t lane = 0; lane < lanes; ++lane)
        by_chunk[c][lane] = damage_of(outputs_[lane + 1], chunks_[c], *scratch);
    });
    std::vector<std::vector<Damage>> damage(lanes, std::vector<Damage>(input_.sample.size()));
    for (std::size_t c = 0; c < chunks_.size(); ++c) {
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        Damage& sum = damage[lane][chunks_[c].window];
        sum.kl += by_chunk[c][lane].kl;
        sum.delta_nll += by_chunk[c][lane].delta_nll;
        sum.same_top += by_chunk[c][lane].same_top;
      }
    }
    return damage;
  }

 private:
  void logits_of(const LaneOutput& output, const Chunk& chunk, float* logits, LogitScratch& scratch) const {
    const float* h = output.state + (offset_[chunk.window] + chunk.begin) * input_.context.config.hidden;
    compute_logits(output.model->head, output.model->checkpoint.config(), h, chunk.rows, logits, scratch);
  }

  void prepare(const Chunk& chunk, ChunkScratch& scratch) const {
    scratch.clean_logits.resize(kLogitRows * vocab_);
    scratch.lane_logits.resize(kLogitRows * vocab_);
    scratch.probability.resize(kLogitRows * vocab_);
    scratch.clean_top.resize(kLogitRows);
    logits_of(outputs_[0], chunk, scratch.clean_logits.data(), scratch.logits);
    for (std::size_t r = 0; r < static_cast<std::size_t>(chunk.rows); ++r) {
      const auto row = std::span<const float>(scratch.clean_logits).subspan(r * vocab_, vocab_);
      softmax_row(row, std::span(scratch.probability).subspan(r * vocab_, vocab_));
      scratch.clean_top[r] = top_of(row);
    }
  }

  Damage damage_of(const LaneOutput& output, const Chunk& chunk, ChunkScratch& scratch) const {
    const auto& ids = input_.context.corpus.windows[input_.sample[chunk.window].window].ids;
    logits_of(output, chunk, scratch.lane_logits.data(), scratch.logits);
    Damage damage;
    for (std::size_t r = 0; r < static_cast<std::size_t>(chunk.rows); ++r) {
      const auto clean = std::span<const float>(scratch.clean_logits).subspan(r * vocab_, vocab_);
      const auto lane = std::span<const float>(scratch.lane_logits).subspan(r * vocab_, vocab_);
      const Divergence divergence = divergence_from_logits(
          std::span<const double>(scratch.probability).subspan(r * vocab_, vocab_), clean, lane);
      const auto next = static_cast<std::size_t>(ids[static_cast<std::size_t>(chunk.begin) + r + 1]);
      damage.kl += divergence.kl_nats;
      damage.delta_nll += divergence.delta_log_normaliser - (static_cast<double>(lane[next]) - clean[next]);
      damage.same_top += top_of(lane) == scratch.clean_top[r] ? 1 : 0;
    }
    return damage;
  }

  const LaneEngineInput& input_;
  std::span<const std::int64_t> offset_;
  std::span<const LaneOutput> outputs_;
  std::size_t vocab_;
  std::vector<Chunk> chunks_;
  ScratchPool<ChunkScratch> pool_{};
};

}  // namespace

std::vector<std::vector<Damage>> compare_lanes(const LaneEngineInput& input,
                                               std::span<const std::int64_t> offset,
                                               std::span<const LaneOutput> outputs) {
  return Comparison(input, offset, outputs).run();
}

}  // namespace strata
