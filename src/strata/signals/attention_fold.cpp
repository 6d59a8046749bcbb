#include "strata/signals/attention_fold.h"

#include <cmath>

#include "strata/signals/per_token.h"

namespace strata {
namespace {

// Why a value is missing: (documents, blocks) without weight.
std::string note_of(const Series& series, const ModelConfig& config) {
  bool without = false, missing = false;
  const auto blocks = static_cast<std::size_t>(config.n_layers);
  for (std::size_t i = 0; i < series.weight.size(); ++i) {
    const bool attends = describe_block(config, static_cast<int>(i % blocks)).mixer == Mixer::attention;
    without = without || !attends;
    missing = missing || (attends && series.weight[i] == 0.0);
  }
  std::string note;
  if (without) note = "undefined in blocks that have the gated delta rule in place of attention";
  if (missing) {
    note += note.empty() ? "" : "; ";
    note += "undefined for documents whose windows have no query at position 64 or later";
  }
  return note;
}

class AttentionFold final : public Accumulator {
 public:
  AttentionFold(const SweepContext& context, const SeriesInfo& info, const AttentionSource& source)
      : context_(context),
        info_(info),
        source_(source),
        all_(context.config.n_layers, context),
        reduced_(context.config.n_layers, context) {}

  void observe_block(const BlockView& view) override {
    if (view.attention == nullptr || view.tokens <= kFirstQuery) return;
    write(view, view.attention->*source_.all, all_);
    write(view, view.attention->*source_.reduced, reduced_);
  }

  void finish(const FinishContext& context) override {
    for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
      Series series = fold_table(set == TokenSet::all ? all_ : reduced_, context, info_, set, Fold::mean);
      series.note = note_of(series, context.sweep.config);
      context.trace.series.push_back(std::move(series));
    }
  }

  void persist(Archive& archive) override {
    all_.persist(archive);
    reduced_.persist(archive);
  }

 private:
  void write(const BlockView& view, std::span<const double> sums, TokenTable& table) const {
    std::vector<float> means;
    for (std::int64_t t = kFirstQuery; t < view.tokens; ++t) {
      means.push_back(static_cast<float>(sums[static_cast<std::size_t>(t)] / context_.config.heads));
    }
    table.write(view.block, context_.first_token[view.window] + kFirstQuery, means);
  }

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
