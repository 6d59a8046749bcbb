#include "strata/signals/attention_fold.h"

#include <cmath>

#include "strata/signals/per_token.h"

namespace strata {
namespace {

class AttentionFold final : public Accumulator {
 public:
  AttentionFold(const SweepContext& context, const SeriesInfo& info, const AttentionSource& source)
      : context_(context),
        info_(info),
        source_(source),
        all_(context.config.n_layers, context.token_count()),
        reduced_(context.config.n_layers, context.token_count()) {}

  void observe_block(const BlockView& view) override {
    if (view.attention == nullptr) return;
    const std::int64_t first = context_.first_token[view.window];
    const auto& all = view.attention->*source_.all;
    const auto& reduced = view.attention->*source_.reduced;
    for (std::int64_t t = kFirstQuery; t < view.tokens; ++t) {
      const auto at = static_cast<std::size_t>(t);
      all_.at(view.block, first + t) = static_cast<float>(all[at] / context_.config.heads);
      reduced_.at(view.block, first + t) = static_cast<float>(reduced[at] / context_.config.heads);
    }
  }

  void finish(const FinishContext& context) override {
    for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
      Series series = fold_table(set == TokenSet::all ? all_ : reduced_, context, info_, set, Fold::mean);
      bool missing = false;
      for (const double weight : series.weight) missing = missing || weight == 0.0;
      if (missing) {
        series.note = "undefined for documents whose windows have no query at position 64 or later";
      }
      context.trace.series.push_back(std::move(series));
    }
  }

 private:
  const SweepContext& context_;
  SeriesInfo info_;
  AttentionSource source_;
  TokenTable all_, reduced_;
};

}  // namespace

std::unique_ptr<Accumulator> attention_accumulator(const SweepContext& context, const SeriesInfo& info,
                                                   const AttentionSource& source) {
  return std::make_unique<AttentionFold>(context, info, source);
}

std::uint64_t attention_bytes(const SweepContext& context) {
  return 2 * per_token_bytes(context);
}

}  // namespace strata
