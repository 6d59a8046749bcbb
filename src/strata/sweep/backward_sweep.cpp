#include "strata/sweep/backward_sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "strata/base/error.h"
#include "strata/base/parallel.h"
#include "strata/base/philox.h"
#include "strata/model/backward.h"
#include "strata/signals/token_math.h"
#include "strata/sweep/block_stream.h"
#include "strata/sweep/clean_sweep.h"
#include "strata/sweep/groups.h"
#include "strata/sweep/lane_embedding.h"
#include "strata/sweep/scratch.h"
#include "strata/sweep/snapshots.h"

namespace strata {
namespace {

constexpr std::array<SeriesInfo, 2> kInfo{
    {{"sensitivity", "nats", Axis::state, Group::control},
     {"sensitivity_absolute", "nats per squared residual unit", Axis::state, Group::control}}};
// Without a head. d|u|^2/2 is the distance, u the embedding of length 1.
constexpr std::array<SeriesInfo, 2> kEmbeddingInfo{
    {{"embedding_sensitivity", "1", Axis::state, Group::control},
     {"embedding_sensitivity_absolute", "1 per squared residual unit", Axis::state, Group::control}}};
// With the experts' weights held fixed.
constexpr std::array<SeriesInfo, 2> kFrozenInfo{
    {{"sensitivity_frozen", "nats", Axis::state, Group::control},
     {"sensitivity_absolute_frozen", "nats per squared residual unit", Axis::state, Group::control}}};
constexpr std::array<SeriesInfo, 2> kFrozenEmbeddingInfo{
    {{"embedding_sensitivity_frozen", "1", Axis::state, Group::control},
     {"embedding_sensitivity_absolute_frozen", "1 per squared residual unit", Axis::state, Group::control}}};
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

struct WindowStates {
  std::vector<float> in, out;  // in: where the states are not in memory
};

struct Scratch {
  BlockScratch forward;
  BackwardScratch backward;
  LogitScratch logits;
  std::vector<float> in, out;                 // a window's state
  std::vector<WindowStates> group;            // of the windows that go up together
  std::vector<std::vector<float>> gradients;  // for each draw
  std::vector<float> logit_rows, d_logits;    // (kLogitRows, vocab)
  std::vector<double> probability;
};

// Sums of one window at one state: [info][set].
using WindowSums = std::array<std::array<double, 2>, 2>;

// One forward and one backward sweep. States and gradients lie in stores: in memory where they fit.
class BackwardSweep {
 public:
  BackwardSweep(const Checkpoint& checkpoint, const SweepContext& context,
                std::span<const TokenClass> classes, std::span<const LaneWindow> windows,
                const MeasureOptions& options, bool frozen_routing)
      : checkpoint_(checkpoint),
        context_(context),
        classes_(classes),
        windows_(windows),
        options_(options),
        frozen_routing_(frozen_routing) {
    for (const LaneWindow& w : windows) {
      tokens_ += w.tokens;
      longest_ = std::max(longest_, w.tokens);
    }
    rope_ = make_rope_table(context.config, static_cast<int>(longest_));
    StorePlace place = state_place(options);
    place.spilled = place.spilled || static_cast<std::uint64_t>(tokens_) *
                                             backward_token_bytes(context.config, options.label_samples) >
                                         options.backward_bytes;
    states_ = StateStore(sizes(static_cast<std::size_t>(context.config.n_layers) + 1), place);
    gradients_ = StateStore(sizes(draws()), place);
    sums_.assign(static_cast<std::size_t>(context.config.n_layers + 1),
                 std::vector<WindowSums>(windows.size()));
  }

  void run(const Embedding& embedding, const HeadWeights& head, const Progress& progress) {
    const int n_layers = context_.config.n_layers, steps = 2 * n_layers;
    int step = 0;  // up through the blocks, then down
    const auto save = [&](Archive& archive) {
      archive(step);
      archive(states_);
      archive(gradients_);
      for (auto& windows : sums_) {
        for (WindowSums& sums : windows) archive.raw(&sums, sizeof(sums));
      }
    };
    const char* const phase = frozen_routing_ ? "backward sweep, frozen routing" : "backward sweep";
    const char* const snapshot = frozen_routing_ ? "backward frozen" : "backward";
    const bool resumed = options_.snapshots != nullptr && options_.snapshots->load(snapshot, save);
    STRATA_CHECK(step >= 0 && step <= steps);
    if (!resumed) embed_windows(embedding);
    BlockWeights weights;
    const bool ahead = options_.memory.prefetch;
    std::optional<BlockStream> blocks;
    for (; step < steps; ++step) {
      report_and_save(progress, {phase, step, steps, tokens_}, options_.snapshots, snapshot, save);
      const bool up = step < n_layers;
      weights = {};  // before the next one is read, where there is no room for two
      if (step == n_layers) blocks.reset();
      if (!blocks && up) blocks.emplace(checkpoint_, step, options_.compute, BlockOrder::ascending, ahead);
      if (!blocks)
        blocks.emplace(checkpoint_, steps - 1 - step, options_.compute, BlockOrder::descending, ahead);
      if (step == n_layers) {
        each_window([&](std::size_t w, Scratch& scratch) {
          context_.config.has_head ? label_gradients(head, w, scratch) : probe_gradients(head, w, scratch);
        });
      }
      weights = blocks->next();
      if (up) {
        forward(weights, step);
      } else {
        each_window(
            [&](std::size_t w, Scratch& scratch) { backward(weights, steps - 1 - step, w, scratch); });
      }
    }
    report_and_save(progress, {phase, steps, steps, 0}, options_.snapshots, snapshot, save);
  }

  // Mean over draws and scored positions, at one state of one window; without a head over draws.
  [[nodiscard]] double value(std::size_t at_state, std::size_t w, std::size_t info, std::size_t set) const {
    const std::int64_t positions = context_.config.has_head ? windows_[w].tokens - 1 : 1;
    return sums_[at_state][w][info][set] /
           (static_cast<double>(positions) * static_cast<double>(options_.label_samples));
  }

 private:
  [[nodiscard]] std::size_t draws() const { return static_cast<std::size_t>(options_.label_samples); }
  [[nodiscard]] std::size_t slot(std::size_t of, std::size_t w) const { return of * windows_.size() + w; }
  [[nodiscard]] std::size_t slot(int state, std::size_t w) const {
    return slot(static_cast<std::size_t>(state), w);
  }

  // One slot for each window, `times` over.
  [[nodiscard]] std::vector<std::int64_t> sizes(std::size_t times) const {
    std::vector<std::int64_t> all;
    for (std::size_t i = 0; i < times; ++i) {
      for (const LaneWindow& w : windows_) all.push_back(w.tokens * context_.config.hidden);
    }
    return all;
  }

  void each_window(const std::function<void(std::size_t, Scratch&)>& body) {
    parallel_for(windows_.size(), options_.threads, [&](std::size_t w) {
      auto scratch = pool_.lease();
      body(w, *scratch);
    });
  }

  void embed_windows(const Embedding& embedding) {
    each_window([&](std::size_t w, Scratch& scratch) {
      const auto& ids = context_.corpus.windows[windows_[w].window].ids;
      scratch.out.resize(static_cast<std::size_t>(states_.size(slot(0, w))));
      embed(embedding, std::span(ids).first(static_cast<std::size_t>(windows_[w].tokens)),
            scratch.out.data());
      states_.write(slot(0, w), scratch.out);
    });
  }

  void forward(const BlockWeights& weights, int block) {
    const auto groups =
        groups_of(windows_.size(), windows_together(context_.config, longest_), options_.threads);
    parallel_for(groups.size(), options_.threads, [&](std::size_t g) {
      auto scratch = pool_.lease();
      const auto [begin, end] = groups[g];
      scratch->group.resize(std::max(scratch->group.size(), end - begin));
      std::vector<BlockPass> passes;
      for (std::size_t w = begin; w < end; ++w) {
        auto& [in, out] = scratch->group[w - begin];
        out.resize(static_cast<std::size_t>(states_.size(slot(block, w))));
        passes.push_back({states_.view(slot(block, w), in), out.data(), windows_[w].tokens});
      }
      forward_block(weights, rope_, passes, scratch->forward);
      for (std::size_t w = begin; w < end; ++w)
        states_.write(slot(block + 1, w), scratch->group[w - begin].out);
    });
  }

  void backward(const BlockWeights& weights, int block, std::size_t w, Scratch& scratch) {
    const float* const h = states_.view(slot(block, w), scratch.in);
    scratch.gradients.resize(draws());
    std::vector<float*> gradients;
    for (std::size_t s = 0; s < draws(); ++s) {
      gradients.push_back(gradients_.edit(slot(s, w), scratch.gradients[s]));
    }
    backward_block(weights, rope_, h, gradients, windows_[w].tokens, scratch.backward,
                   {.frozen_routing = frozen_routing_});
    add_squares(block, w, h, gradients);
    for (std::size_t s = 0; s < draws(); ++s) {
      gradients_.commit(slot(s, w), {gradients[s], static_cast<std::size_t>(gradients_.size(slot(s, w)))});
    }
    states_.drop(slot(block + 1, w));
  }

  // d/dh_L sum_t ln p_t(y_t) = J^T (onehot(y_t) - p_t), for every draw of the labels.
  void label_gradients(const HeadWeights& head, std::size_t w, Scratch& scratch) {
    const auto vocab = static_cast<std::size_t>(head.unembedding.rows());
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
    const float* const last = states_.view(slot(context_.config.n_layers, w), scratch.in);
    scratch.gradients.resize(draws());
    // The last position of the lane is not scored; its gradient at state L stays 0.
    for (auto& gradient : scratch.gradients) {
      gradient.assign(static_cast<std::size_t>(windows_[w].tokens * d), 0.0f);
    }
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
                        scratch.gradients[s].data() + begin * d, scratch.logits);
      }
    }
    std::vector<float*> gradients;
    for (auto& gradient : scratch.gradients) gradients.push_back(gradient.data());
    add_squares(context_.config.n_layers, w, last, gradients);
    for (std::size_t s = 0; s < draws(); ++s) gradients_.write(slot(s, w), scratch.gradients[s]);
  }

  // d/dh_L of the embedding's component along a standard normal direction, for every draw of that.
  void probe_gradients(const HeadWeights& output, std::size_t w, Scratch& scratch) {
    const auto d = static_cast<std::size_t>(context_.config.hidden);
    const float* const last = states_.view(slot(context_.config.n_layers, w), scratch.in);
    scratch.gradients.resize(draws());
    std::vector<float*> gradients;
    std::vector<double> probe(d);
    for (std::size_t s = 0; s < draws(); ++s) {
      Philox rng({.seed = context_.seed,
                  .stream = Stream::labels,
                  .a = static_cast<std::uint32_t>(windows_[w].window),
                  .b = static_cast<std::uint32_t>(s)});
      for (double& x : probe) x = rng.normal();
      scratch.gradients[s].resize(static_cast<std::size_t>(windows_[w].tokens) * d);
      gradients.push_back(scratch.gradients[s].data());
      embedding_gradient(output, context_.config, last, windows_[w].tokens, probe, gradients.back());
    }
    add_squares(context_.config.n_layers, w, last, gradients);
    for (std::size_t s = 0; s < draws(); ++s) gradients_.write(slot(s, w), scratch.gradients[s]);
  }

  void add_squares(int at_state, std::size_t w, const float* h, std::span<float* const> gradients) {
    const std::int64_t d = context_.config.hidden;
    WindowSums& sums = sums_[static_cast<std::size_t>(at_state)][w];
    const auto first = static_cast<std::size_t>(context_.first_token[windows_[w].window]);
    for (std::int64_t t = 0; t < windows_[w].tokens; ++t) {
      double square = 0.0;
      for (const float* const gradient : gradients) {
        const float* const g = gradient + t * d;
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
  bool frozen_routing_;
  std::int64_t tokens_ = 0, longest_ = 0;
  RopeTable rope_;
  StateStore states_;                          // slot = (state, window): (tokens, d)
  StateStore gradients_;                       // slot = (draw, window): (tokens, d)
  std::vector<std::vector<WindowSums>> sums_;  // (states, windows)
  ScratchPool<Scratch> pool_{};
};

}  // namespace

std::span<const SeriesInfo> backward_series() {
  return kInfo;
}

std::uint64_t backward_token_bytes(const ModelConfig& config, int label_samples) {
  return static_cast<std::uint64_t>(config.n_layers + 1 + label_samples) *
         static_cast<std::uint64_t>(config.hidden) * sizeof(float);
}

std::vector<Series> run_backward_sweep(const Checkpoint& checkpoint, const SweepContext& context,
                                       std::span<const TokenClass> classes, const Embedding& embedding,
                                       const HeadWeights& head, const std::vector<LaneWindow>& sample,
                                       const MeasureOptions& options, const Progress& progress,
                                       bool frozen_routing) {
  STRATA_CHECK(options.label_samples > 0);
  std::vector<Series> series;
  std::int64_t tokens = 0;
  for (const LaneWindow& w : sample) tokens += w.tokens;
  const bool head_there = context.config.has_head;
  const auto& free = head_there ? kInfo : kEmbeddingInfo;
  for (const SeriesInfo& info : !frozen_routing ? free : head_there ? kFrozenInfo : kFrozenEmbeddingInfo) {
    for (const TokenSet set : kSets) {
      series.push_back(make_series(context, info, set));
      series.back().note =
          fmt::format("backward sweep over {} tokens, {} draw{} of the {}", tokens, options.label_samples,
                      options.label_samples == 1 ? "" : "s", head_there ? "labels" : "direction");
    }
  }
  BackwardSweep sweep(checkpoint, context, classes, sample, options, frozen_routing);
  sweep.run(embedding, head, progress);
  const std::vector<std::int64_t> scored_of = lane_scored(context, sample);
  std::vector<char> begun(scored_of.size(), 0);
  std::vector<double> windows_of(scored_of.size(), 0.0);
  for (const LaneWindow& w : sample)
    ++windows_of[static_cast<std::size_t>(context.corpus.windows[w.window].document)];
  for (std::size_t w = 0; w < sample.size(); ++w) {
    const auto document = static_cast<std::size_t>(context.corpus.windows[sample[w].window].document);
    // 1 where a document has one window: the value keeps its bits.
    const double share =
        head_there ? static_cast<double>(sample[w].tokens - 1) / static_cast<double>(scored_of[document])
                   : 1.0 / windows_of[document];
    const bool first = begun[document] == 0;
    begun[document] = 1;
    for (std::size_t i = 0; i < series.size(); ++i) {
      double& weight = series[i].weight[document];
      weight = (first ? 0.0 : weight) + static_cast<double>(sample[w].tokens);
      for (std::size_t s = 0; s < series[i].by_doc.cols; ++s) {
        double& value = series[i].by_doc(document, s);
        value = (first ? 0.0 : value) + share * sweep.value(s, w, i / kSets.size(), i % kSets.size());
      }
    }
  }
  for (const SeriesInfo& info : kInfo) {
    if (head_there || frozen_routing) break;
    for (const TokenSet set : kSets) {
      series.push_back(make_series(context, info, set));
      series.back().note = kNoHead;
    }
  }
  return series;
}

}  // namespace strata
