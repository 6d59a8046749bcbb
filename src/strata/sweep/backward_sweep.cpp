#include "strata/sweep/backward_sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "strata/model/backward.h"
#include "strata/model/threads.h"
#include "strata/signals/token_math.h"
#include "strata/sweep/block_stream.h"
#include "strata/sweep/clean_sweep.h"
#include "strata/sweep/scratch.h"

namespace strata {
namespace {

constexpr std::array<SeriesInfo, 2> kInfo{
    {{"sensitivity", "nats", Axis::state, Group::control},
     {"sensitivity_absolute", "nats per squared residual unit", Axis::state, Group::control}}};
constexpr std::array kSets{TokenSet::ordinary, TokenSet::all};

// The index whose share of the cumulated exponentials holds `u`.
std::size_t draw(std::span<const double> probability, double u) {
  double reached = 0.0;
  std::size_t last = 0;
  for (std::size_t i = 0; i < probability.size(); ++i) {
    if (!(probability[i] > 0.0)) continue;
    reached += probability[i];
    last = i;
    if (u < reached) return i;
  }
  return last;  // rounding left the sum a little below u
}

struct Scratch {
  BlockScratch forward;
  BackwardScratch backward;
  LogitScratch logits;
  std::vector<float> logit_rows, d_logits;  // (kLogitRows, vocab)
  std::vector<double> probability;
};

// Sums of one window at one state: [info][set].
using WindowSums = std::array<std::array<double, 2>, 2>;

// A group of windows whose states are in memory together.
class Wave {
 public:
  Wave(const Checkpoint& checkpoint, const SweepContext& context, std::span<const TokenClass> classes,
       std::span<const LaneWindow> windows, const MeasureOptions& options)
      : checkpoint_(checkpoint), context_(context), classes_(classes), windows_(windows), options_(options) {
    std::int64_t longest = 0;
    for (const LaneWindow& w : windows) {
      offset_.push_back(tokens_ * context.config.hidden);
      tokens_ += w.tokens;
      longest = std::max(longest, w.tokens);
    }
    rope_ = make_rope_table(context.config, static_cast<int>(longest));
    states_.resize(static_cast<std::size_t>(context.config.n_layers + 1));
    gradients_.assign(static_cast<std::size_t>(options.label_samples), buffer());
    sums_.assign(states_.size(), std::vector<WindowSums>(windows.size()));
  }

  void forward(const PackedMatrix& embedding, const Progress& progress) {
    const int n_layers = context_.config.n_layers;
    states_[0] = buffer();
    for (std::size_t w = 0; w < windows_.size(); ++w) {
      const auto& ids = context_.corpus.windows[windows_[w].window].ids;
      embed(embedding, std::span(ids).first(static_cast<std::size_t>(windows_[w].tokens)), state(0, w));
    }
    BlockStream blocks(checkpoint_, 0, options_.compute);
    for (int block = 0; block < n_layers; ++block) {
      report_progress(progress, {"backward sweep", block, 2 * n_layers, tokens_});
      const BlockWeights weights = blocks.next();
      states_[static_cast<std::size_t>(block) + 1] = buffer();
      each_window([&](std::size_t w, Scratch& scratch) {
        forward_block(weights, context_.config, rope_, state(block, w), state(block + 1, w),
                      windows_[w].tokens, scratch.forward, nullptr);
      });
    }
  }

  void backward(const HeadWeights& head, const Progress& progress) {
    const int n_layers = context_.config.n_layers;
    each_window([&](std::size_t w, Scratch& scratch) { label_gradients(head, w, scratch); });
    each_window([&](std::size_t w, Scratch&) { add_squares(n_layers, w); });
    BlockStream blocks(checkpoint_, n_layers - 1, options_.compute, BlockOrder::descending);
    for (int block = n_layers - 1; block >= 0; --block) {
      report_progress(progress, {"backward sweep", 2 * n_layers - 1 - block, 2 * n_layers, tokens_});
      const BlockWeights weights = blocks.next();
      each_window([&](std::size_t w, Scratch& scratch) {
        std::vector<float*> gradients;
        for (auto& gradient : gradients_) gradients.push_back(gradient.data() + offset_[w]);
        backward_block(weights, context_.config, rope_, state(block, w), gradients, windows_[w].tokens,
                       scratch.backward);
        add_squares(block, w);
      });
      std::vector<float>().swap(states_[static_cast<std::size_t>(block) + 1]);
    }
    report_progress(progress, {"backward sweep", 2 * n_layers, 2 * n_layers, 0});
  }

  // Mean over draws and scored positions, at one state of one window.
  [[nodiscard]] double value(std::size_t at_state, std::size_t w, std::size_t info, std::size_t set) const {
    return sums_[at_state][w][info][set] /
           (static_cast<double>(windows_[w].tokens - 1) * static_cast<double>(options_.label_samples));
  }

 private:
  [[nodiscard]] std::vector<float> buffer() const {
    return std::vector<float>(static_cast<std::size_t>(tokens_ * context_.config.hidden));
  }
  float* state(int i, std::size_t w) { return states_[static_cast<std::size_t>(i)].data() + offset_[w]; }

  void each_window(const std::function<void(std::size_t, Scratch&)>& body) {
    for_each_window(windows_.size(), options_.threads, [&](std::size_t w) {
      auto scratch = pool_.lease();
      body(w, *scratch);
    });
  }

  // d/dh_L sum_t ln p_t(y_t) = J^T (onehot(y_t) - p_t), for every draw of the labels.
  void label_gradients(const HeadWeights& head, std::size_t w, Scratch& scratch) {
    const auto vocab = static_cast<std::size_t>(head.unembedding.size(0));
    const std::int64_t d = context_.config.hidden, scored = windows_[w].tokens - 1;
    scratch.logit_rows.resize(kLogitRows * vocab);
    scratch.probability.resize(vocab);
    std::vector<Philox> rngs;
    for (int s = 0; s < options_.label_samples; ++s) {
      rngs.emplace_back(StreamKey{.seed = context_.seed,
                                  .stream = Stream::labels,
                                  .a = static_cast<std::uint32_t>(windows_[w].window),
                                  .b = static_cast<std::uint32_t>(s)});
    }
    const float* last = state(context_.config.n_layers, w);
    for (std::int64_t begin = 0; begin < scored; begin += kLogitRows) {
      const std::int64_t rows = std::min(kLogitRows, scored - begin);
      compute_logits(head, context_.config, last + begin * d, rows, scratch.logit_rows.data(),
                     scratch.logits);
      std::vector<std::vector<std::size_t>> labels(rngs.size());
      for (std::int64_t r = 0; r < rows; ++r) {
        const std::span<float> row(scratch.logit_rows.data() + static_cast<std::size_t>(r) * vocab, vocab);
        softmax_row(row, scratch.probability);
        for (std::size_t s = 0; s < rngs.size(); ++s) {
          labels[s].push_back(draw(scratch.probability, rngs[s].uniform()));
        }
        std::transform(scratch.probability.begin(), scratch.probability.end(), row.begin(),
                       [](double p) { return static_cast<float>(-p); });
      }
      std::fill(
          scratch.logit_rows.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(rows) * vocab),
          scratch.logit_rows.end(), 0.0f);
      for (std::size_t s = 0; s < rngs.size(); ++s) {
        scratch.d_logits = scratch.logit_rows;
        for (std::size_t r = 0; r < labels[s].size(); ++r) scratch.d_logits[r * vocab + labels[s][r]] += 1.0f;
        backward_logits(head, context_.config, last + begin * d, rows, scratch.d_logits.data(),
                        gradients_[s].data() + offset_[w] + begin * d, scratch.logits);
      }
    }
    // The last position of the lane is not scored; its gradient at state L stays 0.
  }

  void add_squares(int at_state, std::size_t w) {
    const std::int64_t d = context_.config.hidden;
    const float* h = state(at_state, w);
    WindowSums& sums = sums_[static_cast<std::size_t>(at_state)][w];
    const auto first = static_cast<std::size_t>(context_.first_token[windows_[w].window]);
    for (std::int64_t t = 0; t < windows_[w].tokens; ++t) {
      double square = 0.0;
      for (const auto& gradient : gradients_) {
        const float* g = gradient.data() + offset_[w] + t * d;
        square += dot(g, g, d);
      }
      const double mean_square = dot(h + t * d, h + t * d, d) / static_cast<double>(d);
      for (std::size_t set = 0; set < kSets.size(); ++set) {
        if (!counts(kSets[set], classes_[first + static_cast<std::size_t>(t)])) continue;
        sums[0][set] += mean_square * square;
        sums[1][set] += square;
      }
    }
  }

  const Checkpoint& checkpoint_;
  const SweepContext& context_;
  std::span<const TokenClass> classes_;
  std::span<const LaneWindow> windows_;
  const MeasureOptions& options_;
  std::int64_t tokens_ = 0;
  std::vector<std::int64_t> offset_;  // of each window in the buffers, in elements
  RopeTable rope_;
  std::vector<std::vector<float>> states_;     // (tokens, d) each
  std::vector<std::vector<float>> gradients_;  // (tokens, d) for each draw
  std::vector<std::vector<WindowSums>> sums_;  // (states, windows)
  ScratchPool<Scratch> pool_{};
};

}  // namespace

std::span<const SeriesInfo> backward_series() {
  return kInfo;
}

std::vector<std::vector<LaneWindow>> backward_waves(const ModelConfig& config,
                                                    const std::vector<LaneWindow>& sample,
                                                    const MeasureOptions& options) {
  const auto room =
      static_cast<std::int64_t>(options.backward_bytes / backward_token_bytes(config, options.label_samples));
  std::vector<std::vector<LaneWindow>> waves;
  std::int64_t held = 0;
  for (const LaneWindow& window : sample) {
    if (waves.empty() || held + window.tokens > room) {
      waves.emplace_back();
      held = 0;
    }
    waves.back().push_back(window);
    held += window.tokens;
  }
  return waves;
}

std::uint64_t backward_token_bytes(const ModelConfig& config, int label_samples) {
  return static_cast<std::uint64_t>(config.n_layers + 1 + label_samples) *
         static_cast<std::uint64_t>(config.hidden) * sizeof(float);
}

std::vector<Series> run_backward_sweep(const Checkpoint& checkpoint, const SweepContext& context,
                                       std::span<const TokenClass> classes, const PackedMatrix& embedding,
                                       const HeadWeights& head, const std::vector<LaneWindow>& sample,
                                       const MeasureOptions& options, const Progress& progress) {
  STRATA_CHECK(options.label_samples > 0);
  std::vector<Series> series;
  std::int64_t tokens = 0;
  for (const LaneWindow& w : sample) tokens += w.tokens;
  for (const SeriesInfo& info : kInfo) {
    for (const TokenSet set : kSets) {
      series.push_back(make_series(context, info, set));
      series.back().note = fmt::format("backward sweep over {} tokens, {} draw{} of the labels", tokens,
                                       options.label_samples, options.label_samples == 1 ? "" : "s");
    }
  }
  for (const auto& windows : backward_waves(context.config, sample, options)) {
    Wave wave(checkpoint, context, classes, windows, options);
    wave.forward(embedding, progress);
    wave.backward(head, progress);
    for (std::size_t w = 0; w < windows.size(); ++w) {
      const auto document = static_cast<std::size_t>(context.corpus.windows[windows[w].window].document);
      for (std::size_t i = 0; i < series.size(); ++i) {
        series[i].weight[document] = static_cast<double>(windows[w].tokens);
        for (std::size_t s = 0; s < series[i].by_doc.cols; ++s) {
          series[i].by_doc(document, s) = wave.value(s, w, i / kSets.size(), i % kSets.size());
        }
      }
    }
  }
  return series;
}

}  // namespace strata
