#include "strata/signals/per_token.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "strata/stats/quantile.h"

namespace strata {
namespace {

constexpr float kUndefined = std::numeric_limits<float>::quiet_NaN();

double fold_values(std::vector<double>& values, Fold fold) {
  if (fold == Fold::max) return *std::max_element(values.begin(), values.end());
  if (fold == Fold::median) return stats::median(values);
  double sum = 0.0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

class PerToken final : public Accumulator {
 public:
  PerToken(const SweepContext& context, const SeriesInfo& info, Fold fold, TokenValue value)
      : context_(context),
        info_(info),
        fold_(fold),
        value_(std::move(value)),
        table_(context.config.n_layers + (info.axis == Axis::state ? 1 : 0), context) {}

  void observe_state(const StateView& view) override {
    if (info_.axis != Axis::state) return;
    const std::int64_t d = context_.config.hidden;
    std::vector<float> values;
    for (std::int64_t t = 0; t < view.tokens; ++t) {
      values.push_back(static_cast<float>(value_(view.h + t * d, nullptr, d)));
    }
    table_.write(view.state, context_.first_token[view.window], values);
  }

  void observe_block(const BlockView& view) override {
    if (info_.axis != Axis::block) return;
    const std::int64_t d = context_.config.hidden;
    std::vector<float> values;
    for (std::int64_t t = 0; t < view.tokens; ++t) {
      values.push_back(static_cast<float>(value_(view.h_in + t * d, view.h_out + t * d, d)));
    }
    table_.write(view.block, context_.first_token[view.window], values);
  }

  void finish(const FinishContext& context) override {
    for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
      context.trace.series.push_back(fold_table(table_, context, info_, set, fold_));
    }
  }

  void persist(Archive& archive) override { table_.persist(archive); }

 private:
  const SweepContext& context_;
  SeriesInfo info_;
  Fold fold_;
  TokenValue value_;
  TokenTable table_;
};

}  // namespace

TokenTable::TokenTable(std::int64_t places, const SweepContext& context)
    : store_(std::vector<std::int64_t>(static_cast<std::size_t>(places), context.token_count()),
             context.place) {
  // A slot is made for all its windows beforehand, because they are written together.
  const std::vector<float> undefined(static_cast<std::size_t>(context.token_count()), kUndefined);
  for (std::size_t place = 0; place < store_.slots(); ++place) store_.write(place, undefined);
}

void TokenTable::write(int place, std::int64_t first_token, std::span<const float> values) {
  store_.write(static_cast<std::size_t>(place), values, first_token);
}

std::vector<float> TokenTable::row(int place) const {
  std::vector<float> values(static_cast<std::size_t>(store_.size(static_cast<std::size_t>(place))));
  store_.read(static_cast<std::size_t>(place), values);
  return values;
}

Series fold_table(const TokenTable& table, const FinishContext& context, const SeriesInfo& info,
                  TokenSet tokens, Fold fold) {
  const SweepContext& sweep = context.sweep;
  Series series = make_series(sweep, info, tokens);
  std::vector<double> values;
  for (std::size_t place = 0; place < series.by_doc.cols; ++place) {
    const std::vector<float> row = table.row(static_cast<int>(place));
    for (std::size_t w = 0; w < sweep.corpus.windows.size();) {
      const int document = sweep.corpus.windows[w].document;
      values.clear();
      for (; w < sweep.corpus.windows.size() && sweep.corpus.windows[w].document == document; ++w) {
        for (std::int64_t t = sweep.first_token[w]; t < sweep.first_token[w + 1]; ++t) {
          const auto at = static_cast<std::size_t>(t);
          if (counts(tokens, context.classes[at]) && !std::isnan(row[at])) values.push_back(row[at]);
        }
      }
      if (values.empty()) continue;
      const auto doc = static_cast<std::size_t>(document);
      series.weight[doc] = std::max(series.weight[doc], static_cast<double>(values.size()));
      series.by_doc(doc, place) = fold_values(values, fold);
    }
  }
  return series;
}

std::unique_ptr<Accumulator> per_token_accumulator(const SweepContext& context, const SeriesInfo& info,
                                                   Fold fold, TokenValue value) {
  return std::make_unique<PerToken>(context, info, fold, std::move(value));
}

std::uint64_t per_token_bytes(const SweepContext& context) {
  if (context.place.spilled) return 0;
  return static_cast<std::uint64_t>(context.config.n_layers + 1) *
         static_cast<std::uint64_t>(context.token_count()) * sizeof(float);
}

}  // namespace strata
