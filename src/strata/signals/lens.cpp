#include "strata/signals/lens.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "strata/base/error.h"
#include "strata/base/parallel.h"
#include "strata/model/kernels.h"
#include "strata/model/logit_comparison.h"

namespace strata {
namespace {

constexpr SeriesInfo kInfo[] = {{"lens_entropy", "nats", Axis::state, Group::output},
                                {"lens_kl", "nats", Axis::state, Group::output},
                                {"lens_information", "nats", Axis::state, Group::output}};
constexpr std::size_t kEntropy = 0, kDivergence = 1, kInformation = 2, kCount = std::size(kInfo);
constexpr std::int32_t kNone = -1;  // the last position of a window has no next token

// What the logits of a sampled token say at each state: entropy, KL, and the surprise at the next token.
using Values = std::array<std::vector<float>, kCount>;  // each (states, samples)

// Next tokens of all positions of a token set.
struct Unigram {
  double entropy_nats = 0.0;  ///< plug-in: never above the truth on average
  double correction = 0.0;    ///< that Miller and Madow would add: (types - 1) / (2 tokens)
  std::int64_t tokens = 0, types = 0;
};

Unigram next_token_unigram(const FinishContext& context, TokenSet set) {
  std::map<std::int32_t, std::int64_t> seen;
  Unigram unigram;
  for (std::size_t w = 0; w < context.sweep.corpus.windows.size(); ++w) {
    const auto& ids = context.sweep.corpus.windows[w].ids;
    const auto first = static_cast<std::size_t>(context.sweep.first_token[w]);
    for (std::size_t t = 0; t + 1 < ids.size(); ++t) {
      if (!counts(set, context.classes[first + t])) continue;
      ++seen[ids[t + 1]];
      ++unigram.tokens;
    }
  }
  const auto n = static_cast<double>(unigram.tokens);
  for (const auto& [id, count] : seen) {
    const double share = static_cast<double>(count) / n;
    unigram.entropy_nats -= share * std::log(share);
  }
  unigram.types = static_cast<std::int64_t>(seen.size());
  if (unigram.tokens > 0) unigram.correction = static_cast<double>(unigram.types - 1) / (2.0 * n);
  return unigram;
}

// States of a position that share a product; and positions.
constexpr std::size_t kStatesAtOnce = static_cast<std::size_t>(kVisitedRows) - 1;
std::size_t positions_at_once(const ModelConfig& config) {
  return std::max<std::size_t>(
      1, static_cast<std::size_t>(kVisitedRows) / (static_cast<std::size_t>(config.n_layers) + 1));
}

// Of a thread: the rows of a chunk before and after the norm, packed, and a strip of their logits; all logits
// where a backend computes them at once.
std::uint64_t lens_finish_bytes(const SweepContext& context) {
  const auto width = static_cast<std::uint64_t>(context.config.hidden);
  return static_cast<std::uint64_t>(kVisitedRows) *
         (static_cast<std::uint64_t>(context.config.vocab) + kStripWords + 4 * width) * sizeof(float);
}

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
        const auto& ids = context.corpus.windows[w].ids;
        const auto after = static_cast<std::size_t>(token - context.first_token[w]) + 1;
        next_.push_back(after < ids.size() ? ids[after] : kNone);
      }
    }
    rows_ =
        StateStore(std::vector<std::int64_t>(states(), static_cast<std::int64_t>(tokens_.size() * width())),
                   context.place);
    for (std::size_t state = 0; state < states(); ++state) rows_.open(state);
  }

  void observe_state(const StateView& view) override {
    for (const Slot& slot : slots_[view.window]) {
      rows_.write(static_cast<std::size_t>(view.state),
                  {view.h + static_cast<std::size_t>(slot.position) * width(), width()},
                  static_cast<std::int64_t>(slot.row * width()));
    }
  }

  void persist(Archive& archive) override { archive(rows_); }

  void finish(const FinishContext& context) override {
    Values values;
    for (auto& table : values) table.resize(states() * tokens_.size());
    const std::size_t chunk = positions_at_once(context_.config);
    const int threads = context_.finish_threads(lens_finish_bytes(context_));
    parallel_for((tokens_.size() + chunk - 1) / chunk, threads, [&](std::size_t c) {
      measure_chunk(context.head, c * chunk, std::min(tokens_.size(), (c + 1) * chunk), values);
    });
    for (std::size_t i = 0; i < kCount; ++i) {
      for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
        Series series = fold(context, kInfo[i], set, values[i]);
        series.note = fmt::format("at up to {} sampled positions per document, {} in all",
                                  context_.lens_positions, tokens_.size());
        if (i == kInformation) subtract_from_unigram(next_token_unigram(context, set), series);
        context.trace.series.push_back(std::move(series));
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

  // Every state of these positions at once: a position's states are rows, its last the reference of them all.
  void measure_chunk(const HeadWeights& head, std::size_t begin, std::size_t end, Values& values) const {
    const std::size_t positions = end - begin, at_once = std::min(states(), kStatesAtOnce);
    LogitScratch scratch;
    std::vector<float> h(positions * width()), rows;
    // With more states than go together, the last one goes with each of them.
    for (std::size_t first = 0; first < states(); first += at_once) {
      const std::size_t count = std::min(at_once, states() - first);
      const bool has_last = first + count == states();
      const std::size_t each = count + (has_last ? 0 : 1);
      rows.resize(positions * each * width());
      for (std::size_t s = 0; s < each; ++s) {
        rows_.read(s < count ? first + s : states() - 1, h, static_cast<std::int64_t>(begin * width()));
        for (std::size_t p = 0; p < positions; ++p)
          std::copy_n(h.data() + p * width(), width(), rows.data() + (p * each + s) * width());
      }
      std::vector<ReferenceRow> last(positions);
      std::vector<ComparedRow> compared(positions * count);
      std::vector<StripStatistics> statistics(positions * count);
      std::vector<double> next(positions * count, 0.0);
      const auto add = [&](std::int64_t word, std::int64_t words, const float* logits, std::int64_t stride) {
        const auto row = [&](std::size_t p, std::size_t s) {
          return std::span(logits + static_cast<std::int64_t>(p * each + s) * stride,
                           static_cast<std::size_t>(words));
        };
        for (std::size_t p = 0; p < positions; ++p) {
          const std::span<const float> reference = row(p, each - 1);
          last[p].add(reference);
          const std::int64_t at = next_[begin + p] - word;
          for (std::size_t s = 0; s < count; ++s) {
            const std::size_t i = p * count + s;
            compared[i].add(last[p], reference, row(p, s));
            statistics[i].add(row(p, s));
            if (next_[begin + p] != kNone && at >= 0 && at < words)
              next[i] = row(p, s)[static_cast<std::size_t>(at)];
          }
        }
      };
      visit_logits(head, context_.config, rows.data(), static_cast<std::int64_t>(positions * each), scratch,
                   add);
      for (std::size_t p = 0; p < positions; ++p) {
        STRATA_CHECK(next_[begin + p] == kNone || next_[begin + p] < context_.config.vocab);
        for (std::size_t s = 0; s < count; ++s) {
          const std::size_t i = p * count + s, at = (first + s) * tokens_.size() + begin + p;
          const LogitRow row = statistics[i].result();
          values[kEntropy][at] = static_cast<float>(row.entropy_nats);
          values[kDivergence][at] = static_cast<float>(compared[i].result(last[p]).kl_nats);
          values[kInformation][at] = next_[begin + p] == kNone
                                         ? std::numeric_limits<float>::quiet_NaN()
                                         : static_cast<float>(row.log_normaliser - next[i]);
        }
      }
    }
  }

  // Mean over a document's sampled tokens; NaN values are left out.
  [[nodiscard]] Series fold(const FinishContext& context, const SeriesInfo& info, TokenSet set,
                            const std::vector<float>& value) const {
    Series series = make_series(context_, info, set);
    for (std::size_t s = 0; s < states(); ++s) {
      std::vector<double> sum(series.weight.size(), 0.0), count(series.weight.size(), 0.0);
      for (std::size_t i = 0; i < tokens_.size(); ++i) {
        const float v = value[s * tokens_.size() + i];
        if (std::isnan(v) || !counts(set, context.classes[static_cast<std::size_t>(tokens_[i])])) continue;
        sum[document_[i]] += v;
        count[document_[i]] += 1.0;
      }
      for (std::size_t d = 0; d < sum.size(); ++d) {
        if (count[d] > 0.0) series.by_doc(d, s) = sum[d] / count[d];
      }
      series.weight = count;
    }
    return series;
  }

  static void subtract_from_unigram(const Unigram& unigram, Series& series) {
    for (double& v : series.by_doc.data) v = unigram.entropy_nats - v;
    series.note += fmt::format(
        "; unigram entropy of the next token {:.4f} nats, plug-in from {} tokens of {} types (Miller-Madow "
        "would add {:.4f})",
        unigram.entropy_nats, unigram.tokens, unigram.types, unigram.correction);
  }

  const SweepContext& context_;
  std::vector<std::int64_t> tokens_;   // sampled tokens, by document
  std::vector<std::size_t> document_;  // of each sampled token
  std::vector<std::int32_t> next_;     // token that follows it in its window
  std::vector<std::vector<Slot>> slots_;
  StateStore rows_;  // slot = state: (samples, d)
};

std::uint64_t lens_bytes(const SweepContext& context) {
  if (context.place.spilled) return 0;
  return static_cast<std::uint64_t>(context.config.n_layers + 1) *
         static_cast<std::uint64_t>(context.lens_positions) *
         static_cast<std::uint64_t>(context.corpus.documents.size()) *
         static_cast<std::uint64_t>(context.config.hidden) * sizeof(float);
}

}  // namespace

Signal lens_signal() {
  return {.series = kInfo,
          .needs_attention = false,
          .needs_logits = true,
          .make = [](const SweepContext& context) -> std::unique_ptr<Accumulator> {
            return std::make_unique<Lens>(context);
          },
          .memory_bytes = lens_bytes,
          .finish_bytes = lens_finish_bytes};
}

}  // namespace strata
