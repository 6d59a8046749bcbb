#include "strata/signals/lens.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "strata/model/kernels.h"
#include "strata/model/threads.h"

namespace strata {
namespace {

constexpr SeriesInfo kInfo[] = {{"lens_entropy", "nats", Axis::state, Group::output},
                                {"lens_kl", "nats", Axis::state, Group::output}};

// Keeps the sampled rows of every state: the final distribution is known only at the end.
class Lens final : public Accumulator {
 public:
  explicit Lens(const SweepContext& context) : context_(context), slots_(context.corpus.windows.size()) {
    for (std::size_t document = 0; document < context.corpus.documents.size(); ++document) {
      auto tokens = sample_tokens(context, static_cast<int>(document), context.lens_positions);
      std::sort(tokens.begin(), tokens.end());
      for (const std::int64_t token : tokens) {
        const std::size_t w = window_of(context, token);
        slots_[w].push_back({tokens_.size(), token - context.first_token[w]});
        tokens_.push_back(token);
        document_.push_back(document);
      }
    }
    rows_.resize(states() * tokens_.size() * width());
  }

  void observe_state(const StateView& view) override {
    for (const Slot& slot : slots_[view.window]) {
      std::memcpy(row(static_cast<std::size_t>(view.state), slot.row),
                  view.h + static_cast<std::size_t>(slot.position) * width(), width() * sizeof(float));
    }
  }

  void finish(const FinishContext& context) override {
    std::vector<float> entropy(states() * tokens_.size()), divergence(entropy.size());
    const std::size_t chunk = kLogitRows;
    for_each_window((tokens_.size() + chunk - 1) / chunk, context_.threads, [&](std::size_t c) {
      measure_chunk(context.head, c * chunk, std::min(tokens_.size(), (c + 1) * chunk), entropy, divergence);
    });
    for (std::size_t i = 0; i < std::size(kInfo); ++i) {
      for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
        context.trace.series.push_back(fold(context, kInfo[i], set, i == 0 ? entropy : divergence));
      }
    }
  }

 private:
  struct Slot {
    std::size_t row;
    std::int64_t position;
  };
  [[nodiscard]] std::size_t states() const { return static_cast<std::size_t>(context_.config.n_layers + 1); }
  [[nodiscard]] std::size_t width() const { return static_cast<std::size_t>(context_.config.hidden); }
  float* row(std::size_t state, std::size_t sample) {
    return rows_.data() + (state * tokens_.size() + sample) * width();
  }

  void measure_chunk(const HeadWeights& head, std::size_t begin, std::size_t end, std::vector<float>& entropy,
                     std::vector<float>& divergence) {
    const auto vocab = static_cast<std::size_t>(head.unembedding.size(0));
    const auto rows = static_cast<std::int64_t>(end - begin);
    LogitScratch scratch;
    std::vector<float> final_logits(kLogitRows * vocab), logits(kLogitRows * vocab);
    std::vector<double> probability(vocab);
    compute_logits(head, context_.config, row(states() - 1, begin), rows, final_logits.data(), scratch);
    for (std::size_t s = 0; s < states(); ++s) {
      compute_logits(head, context_.config, row(s, begin), rows, logits.data(), scratch);
      for (std::size_t i = begin; i < end; ++i) {
        const std::span<const float> p(final_logits.data() + (i - begin) * vocab, vocab);
        const std::span<const float> q(logits.data() + (i - begin) * vocab, vocab);
        softmax_row(p, probability);
        entropy[s * tokens_.size() + i] = static_cast<float>(logit_statistics(q).entropy_nats);
        divergence[s * tokens_.size() + i] =
            static_cast<float>(divergence_from_logits(probability, p, q).kl_nats);
      }
    }
  }

  [[nodiscard]] Series fold(const FinishContext& context, const SeriesInfo& info, TokenSet set,
                            const std::vector<float>& value) const {
    Series series = make_series(context_, info, set);
    for (std::size_t s = 0; s < states(); ++s) {
      std::vector<double> sum(series.weight.size(), 0.0), count(series.weight.size(), 0.0);
      for (std::size_t i = 0; i < tokens_.size(); ++i) {
        if (!counts(set, context.classes[static_cast<std::size_t>(tokens_[i])])) continue;
        sum[document_[i]] += value[s * tokens_.size() + i];
        count[document_[i]] += 1.0;
      }
      for (std::size_t d = 0; d < sum.size(); ++d) {
        if (count[d] > 0.0) series.by_doc(d, s) = sum[d] / count[d];
      }
      series.weight = count;
    }
    series.note = fmt::format("at up to {} sampled positions per document, {} in all",
                              context_.lens_positions, tokens_.size());
    return series;
  }

  const SweepContext& context_;
  std::vector<std::int64_t> tokens_;   // sampled tokens, by document
  std::vector<std::size_t> document_;  // of each sampled token
  std::vector<std::vector<Slot>> slots_;
  std::vector<float> rows_;  // (states, samples, d)
};

std::uint64_t lens_bytes(const SweepContext& context) {
  return static_cast<std::uint64_t>(context.config.n_layers + 1) *
         static_cast<std::uint64_t>(context.lens_positions) *
         static_cast<std::uint64_t>(context.corpus.documents.size()) *
         static_cast<std::uint64_t>(context.config.hidden) * sizeof(float);
}

}  // namespace

Signal lens_signal() {
  return {.series = kInfo,
          .needs_attention = false,
          .make = [](const SweepContext& context) -> std::unique_ptr<Accumulator> {
            return std::make_unique<Lens>(context);
          },
          .memory_bytes = lens_bytes};
}

}  // namespace strata
