#include "strata/signals/expert_load.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "strata/base/philox.h"
#include "strata/model/routing.h"
#include "strata/signals/block_fold.h"

namespace strata {
namespace {

constexpr SeriesInfo kInfo[] = {{"expert_load_evenness", "1", Axis::block, Group::control},
                                {"expert_switching", "1", Axis::block, Group::control},
                                {"expert_switching_shuffled", "1", Axis::block, Group::control}};
constexpr int kDraws = 8;
constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

// Experts that the tokens of one document take in one block: `used` of each, out of `experts`.
struct Taken {
  std::span<const float> expert;  // (all tokens of the text, used)
  std::size_t used = 0, experts = 0;

  // Shares of the experts among some tokens.
  [[nodiscard]] std::vector<double> load(std::span<const std::uint32_t> tokens) const {
    std::vector<double> share(experts, 0.0);
    for (const std::uint32_t token : tokens) {
      for (const float e : expert.subspan(token * used, used)) share[static_cast<std::size_t>(e)] += 1.0;
    }
    for (double& count : share) count /= static_cast<double>(tokens.size() * used);
    return share;
  }
};

double evenness(const Taken& taken, std::span<const std::uint32_t> tokens) {
  double entropy = 0.0, seen = 0.0;
  for (const double p : taken.load(tokens)) {
    if (p <= 0.0) continue;
    entropy -= p * std::log(p);
    seen += 1.0;
  }
  const auto k = static_cast<double>(taken.used);
  const double pairs = static_cast<double>(tokens.size()) * k;
  return (entropy + (seen - k) / (2.0 * pairs)) / std::log(static_cast<double>(taken.experts));
}

double half_distance(const Taken& taken, std::span<const std::uint32_t> tokens) {
  const std::size_t half = tokens.size() / 2;
  if (half == 0) return kUndefined;
  const auto first = taken.load(tokens.first(half)), second = taken.load(tokens.subspan(half));
  double distance = 0.0;
  for (std::size_t e = 0; e < first.size(); ++e) distance += std::fabs(first[e] - second[e]) / 2.0;
  return distance;
}

// Draws depend on the document and its tokens alone: the same at every block.
double shuffled_distance(const Taken& taken, std::vector<std::uint32_t> tokens, std::uint64_t seed,
                         std::size_t document) {
  double sum = 0.0;
  for (std::uint32_t draw = 0; draw < kDraws; ++draw) {
    Philox rng({.seed = seed,
                .stream = Stream::permutation,
                .a = 4,
                .b = static_cast<std::uint32_t>(document),
                .c = draw});
    shuffle(tokens, rng);
    sum += half_distance(taken, tokens);
  }
  return sum / kDraws;
}

// Tokens of the set in each document, in order.
std::vector<std::vector<std::uint32_t>> tokens_of(const FinishContext& context, TokenSet set) {
  std::vector<std::vector<std::uint32_t>> tokens(context.sweep.corpus.documents.size());
  for (std::size_t w = 0; w < context.sweep.corpus.windows.size(); ++w) {
    auto& list = tokens[static_cast<std::size_t>(context.sweep.corpus.windows[w].document)];
    for (std::int64_t t = context.sweep.first_token[w]; t < context.sweep.first_token[w + 1]; ++t) {
      if (counts(set, context.classes[static_cast<std::size_t>(t)]))
        list.push_back(static_cast<std::uint32_t>(t));
    }
  }
  return tokens;
}

std::vector<std::int64_t> slots_of(const SweepContext& context) {
  std::vector<std::int64_t> sizes;
  for (int block = 0; block < context.config.n_layers; ++block)
    sizes.push_back(context.token_count() * describe_block(context.config, block).feed_forward.experts_used);
  return sizes;
}

class ExpertLoad final : public Accumulator {
 public:
  explicit ExpertLoad(const SweepContext& context)
      : context_(context), chosen_(slots_of(context), context.place) {
    for (std::size_t block = 0; block < chosen_.slots(); ++block) {
      if (chosen_.size(block) > 0) chosen_.open(block);
    }
  }

  void observe_block(const BlockView& view) override {
    if (view.routing == nullptr) return;
    const std::vector<std::int32_t>& chosen = view.routing->chosen;
    const std::vector<float> values(chosen.begin(), chosen.end());
    const std::int64_t used = static_cast<std::int64_t>(values.size()) / view.tokens;
    chosen_.write(static_cast<std::size_t>(view.block), values, context_.first_token[view.window] * used);
  }

  void finish(const FinishContext& context) override {
    std::vector<Series> found;
    for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
      const auto tokens = tokens_of(context, set);
      Series series[] = {make_series(context_, kInfo[0], set), make_series(context_, kInfo[1], set),
                         make_series(context_, kInfo[2], set)};
      fold(tokens, series);
      for (Series& one : series) {
        for (std::size_t d = 0; d < tokens.size(); ++d) one.weight[d] = static_cast<double>(tokens[d].size());
        one.note = missing_part_note(context_.config, kMixturePart);
        found.push_back(std::move(one));
      }
    }
    std::move(found.begin(), found.end(), std::back_inserter(context.trace.series));
  }

  void persist(Archive& archive) override { archive(chosen_); }

 private:
  void fold(const std::vector<std::vector<std::uint32_t>>& tokens, std::span<Series, 3> series) const {
    std::vector<float> buffer;
    for (std::size_t block = 0; block < chosen_.slots(); ++block) {
      const FeedForwardDescription f = describe_block(context_.config, static_cast<int>(block)).feed_forward;
      if (f.experts == 0) continue;
      const float* const row = chosen_.view(block, buffer);
      const Taken taken{{row, static_cast<std::size_t>(chosen_.size(block))},
                        static_cast<std::size_t>(f.experts_used),
                        static_cast<std::size_t>(f.experts)};
      for (std::size_t d = 0; d < tokens.size(); ++d) {
        if (tokens[d].empty()) continue;
        series[0].by_doc(d, block) = evenness(taken, tokens[d]);
        series[1].by_doc(d, block) = half_distance(taken, tokens[d]);
        series[2].by_doc(d, block) = shuffled_distance(taken, tokens[d], context_.seed, d);
      }
    }
  }

  const SweepContext& context_;
  StateStore chosen_;  // slot = block: (tokens, experts_used), the experts' numbers
};

std::uint64_t load_bytes(const SweepContext& context) {
  if (context.place.spilled) return 0;
  std::uint64_t bytes = 0;
  for (const std::int64_t floats : slots_of(context))
    bytes += static_cast<std::uint64_t>(floats) * sizeof(float);
  return bytes;
}

}  // namespace

Signal expert_load_signal() {
  return {.series = kInfo,
          .needs_attention = false,
          .needs_routing = true,
          .is_of = has_experts,
          .make = [](const SweepContext& context) { return std::make_unique<ExpertLoad>(context); },
          .memory_bytes = load_bytes};
}

}  // namespace strata
