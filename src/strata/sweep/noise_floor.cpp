#include "strata/sweep/noise_floor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "strata/base/parallel.h"
#include "strata/base/words.h"
#include "strata/model/block.h"
#include "strata/sweep/block_stream.h"
#include "strata/sweep/clean_sweep.h"
#include "strata/sweep/lane_embedding.h"
#include "strata/sweep/scratch.h"

namespace strata {
namespace {

struct Squares {
  double difference = 0.0, reference = 0.0;
};

Squares compare(const std::vector<float>& reference, const std::vector<float>& h) {
  Squares sums;
  for (std::size_t i = 0; i < h.size(); ++i) {
    const double r = reference[i], d = h[i] - r;
    sums.difference += d * d;
    sums.reference += r * r;
  }
  return sums;
}

// Sum of KL(p || q) over the scored positions of one window.
double window_kl(const HeadWeights& p_head, const HeadWeights& q_head, const ModelConfig& config,
                 const std::vector<float>& p_state, const std::vector<float>& q_state) {
  const std::int64_t d = config.hidden, scored = static_cast<std::int64_t>(p_state.size()) / d - 1;
  const auto vocab = static_cast<std::size_t>(config.vocab);
  LogitScratch scratch;
  std::vector<float> p_logits(kLogitRows * vocab), q_logits(kLogitRows * vocab);
  std::vector<double> probability(vocab);
  double sum = 0.0;
  for (std::int64_t begin = 0; begin < scored; begin += kLogitRows) {
    const std::int64_t rows = std::min(kLogitRows, scored - begin);
    compute_logits(p_head, config, p_state.data() + begin * d, rows, p_logits.data(), scratch);
    compute_logits(q_head, config, q_state.data() + begin * d, rows, q_logits.data(), scratch);
    for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) {
      const std::span<const float> p(p_logits.data() + r * vocab, vocab),
          q(q_logits.data() + r * vocab, vocab);
      softmax_row(p, probability);
      sum += divergence_from_logits(probability, p, q).kl_nats;
    }
  }
  return sum;
}

Embedding load_exact(const Checkpoint& checkpoint, const SweepContext& context,
                     const std::vector<LaneWindow>& sample, const MeasureOptions& options) {
  const Compute exact = options.compute.in(ComputeDType::float32);
  if (!options.memory.gather) return load_embedding(checkpoint, exact);
  std::vector<char> used(static_cast<std::size_t>(context.config.vocab), 0);
  for (const LaneWindow& w : sample) {
    for (const std::int32_t id : context.corpus.windows[w.window].ids)
      used.at(static_cast<std::size_t>(id)) = 1;
  }
  return load_embedding_rows(checkpoint, used, exact);
}

}  // namespace

NoiseFloor measure_noise_floor(const Checkpoint& checkpoint, const SweepContext& context,
                               const Embedding& embedding, const HeadWeights& head,
                               const std::vector<LaneWindow>& sample, const MeasureOptions& options,
                               const Progress& progress) {
  const ModelConfig& config = context.config;
  const std::size_t windows = sample.size();
  std::int64_t longest = 0, tokens = 0, scored = 0;
  for (const LaneWindow& w : sample) {
    longest = std::max(longest, w.tokens);
    tokens += w.tokens;
    scored += w.tokens - 1;
  }
  const RopeTable rope = make_rope_table(config, static_cast<int>(longest));
  const Embedding exact_embedding = load_exact(checkpoint, context, sample, options);
  std::vector<std::vector<float>> exact(windows), h(windows);
  std::vector<std::vector<Squares>> squares(static_cast<std::size_t>(config.n_layers) + 1,
                                            std::vector<Squares>(windows));
  parallel_for(windows, options.threads, [&](std::size_t w) {
    const auto ids = std::span(context.corpus.windows[sample[w].window].ids)
                         .first(static_cast<std::size_t>(sample[w].tokens));
    for (auto* state : {&exact[w], &h[w]})
      state->resize(ids.size() * static_cast<std::size_t>(config.hidden));
    embed(exact_embedding, ids, exact[w].data());
    embed(embedding, ids, h[w].data());
    squares[0][w] = compare(exact[w], h[w]);
  });
  const bool ahead = options.memory.prefetch;
  BlockStream exact_blocks(checkpoint, 0, options.compute.in(ComputeDType::float32), BlockOrder::ascending,
                           ahead);
  BlockStream blocks(checkpoint, 0, options.compute, BlockOrder::ascending, ahead);
  ScratchPool<BlockScratch> pool;
  for (int block = 0; block < config.n_layers; ++block) {
    report_progress(progress, {"noise floor", block, config.n_layers, 2 * tokens});
    const BlockWeights exact_weights = exact_blocks.next(), weights = blocks.next();
    parallel_for(windows, options.threads, [&](std::size_t w) {
      auto scratch = pool.lease();
      forward_block(exact_weights, rope, exact[w].data(), exact[w].data(), sample[w].tokens, *scratch,
                    nullptr);
      forward_block(weights, rope, h[w].data(), h[w].data(), sample[w].tokens, *scratch, nullptr);
      squares[static_cast<std::size_t>(block) + 1][w] = compare(exact[w], h[w]);
    });
  }
  const HeadWeights exact_head = load_output(checkpoint, exact_embedding);
  std::vector<double> damage(windows);
  parallel_for(windows, options.threads, [&](std::size_t w) {
    damage[w] = config.has_head
                    ? window_kl(exact_head, head, config, exact[w], h[w])
                    : embedding_distance(embedding_of(exact_head, config, exact[w].data(), sample[w].tokens),
                                         embedding_of(head, config, h[w].data(), sample[w].tokens));
  });
  report_progress(progress, {"noise floor", config.n_layers, config.n_layers, 0});
  NoiseFloor floor;
  double sum = 0.0;
  for (const double of_window : damage) sum += of_window;
  if (config.has_head) {
    floor.rounding_kl_nats = sum / static_cast<double>(std::max<std::int64_t>(1, scored));
    floor.kl_nats = 2.0 * floor.rounding_kl_nats;
  } else {
    floor.rounding_distance = sum / static_cast<double>(std::max<std::size_t>(1, windows));
    floor.distance = 2.0 * floor.rounding_distance;
    floor.rounding_kl_nats = floor.kl_nats = std::numeric_limits<double>::quiet_NaN();
  }
  for (const auto& state : squares) {
    Squares sums;
    for (const Squares& of_window : state) {
      sums.difference += of_window.difference;
      sums.reference += of_window.reference;
    }
    floor.state_error.push_back(std::sqrt(sums.difference / sums.reference));
  }
  return floor;
}

bool wants_noise_floor(const MeasureOptions& options) {
  return options.compute.dtype != ComputeDType::float32 && !options.clean_only;
}

void refuse_below(const NoiseFloor& floor, std::vector<DoseCurve>& curves,
                  std::vector<std::string>& warnings) {
  std::map<std::string, int> refused;
  const bool head = std::isnan(floor.distance);
  const double least = head ? floor.kl_nats : floor.distance;
  for (DoseCurve& curve : curves) {
    for (std::size_t s = 0; s < curve.strength.size(); ++s) {
      double sum = 0.0;
      int documents = 0;
      for (std::size_t d = 0; d < damage_of(curve).rows; ++d) {
        if (!std::isfinite(damage_of(curve)(d, s))) continue;
        sum += damage_of(curve)(d, s);
        ++documents;
      }
      if (documents == 0 || sum / documents >= least) continue;
      ++refused[curve.intervention];
      if (!curve.sampling_error.empty()) curve.sampling_error[s] = std::numeric_limits<double>::quiet_NaN();
      for (Matrix* of :
           {&curve.kl_nats, &curve.delta_nll_nats, &curve.top1_agreement, &curve.embedding_distance}) {
        for (std::size_t d = 0; d < of->rows; ++d) (*of)(d, s) = std::numeric_limits<double>::quiet_NaN();
      }
    }
  }
  for (const auto& [intervention, points] : refused) {
    warnings.push_back(
        fmt::format("{}: {} of its dose curves undefined, {} below the noise floor of {:.3g}{}", intervention,
                    counted(static_cast<std::uint64_t>(points), "point"), head ? "KL" : "the distance", least,
                    head ? " nats" : ""));
  }
}

std::string noise_floor_text(const NoiseFloor& floor, ComputeDType dtype) {
  const auto [least, most] = std::minmax_element(floor.state_error.begin(), floor.state_error.end());
  const auto states = fmt::format("states differ by {:.2g} to {:.2g} of their RMS", *least, *most);
  if (!std::isnan(floor.distance)) {
    return fmt::format(
        "{}: the embedding is {:.3g} (1 - cosine) from that in float32, {}; a distance below the noise floor "
        "of "
        "{:.3g} is not reported",
        to_string(dtype), floor.rounding_distance, states, floor.distance);
  }
  return fmt::format(
      "{}: KL(float32 || {}) is {:.3g} nats, {}; KL below the noise floor of {:.3g} nats is not reported",
      to_string(dtype), to_string(dtype), floor.rounding_kl_nats, states, floor.kl_nats);
}

}  // namespace strata
