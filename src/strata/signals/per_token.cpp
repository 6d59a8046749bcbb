#include "strata/signals/per_token.h"

#include <algorithm>
#include <cmath>
#include <limits>

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
        value_(value),
        table_(context.config.n_layers + (info.axis == Axis::state ? 1 : 0), context.token_count()) {}

  void observe_state(const StateView& view) override {
    if (info_.axis != Axis::state) return;
    const std::int64_t d = context_.config.hidden, first = context_.first_token[view.window];
    for (std::int64_t t = 0; t < view.tokens; ++t) {
      table_.at(view.state, first + t) = static_cast<float>(value_(view.h + t * d, nullptr, d));
    }
  }

  void observe_block(const BlockView& view) override {
    if (info_.axis != Axis::block) return;
    const std::int64_t d = context_.config.hidden, first = context_.first_token[view.window];
    for (std::int64_t t = 0; t < view.tokens; ++t) {
      table_.at(view.block, first + t) = static_cast<float>(value_(view.h_in + t * d, view.h_out + t * d, d));
    }
  }

  void finish(const FinishContext& context) override {
    for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
      context.trace.series.push_back(fold_table(table_, context, info_, set, fold_));
    }
  }

 private:
  const SweepContext& context_;
  SeriesInfo info_;
  Fold fold_;
  TokenValue value_;
  TokenTable table_;
};

}  // namespace

TokenTable::TokenTable(std::int64_t places, std::int64_t n)
    : tokens(n), value(static_cast<std::size_t>(places * n), kUndefined) {}

Series fold_table(const TokenTable& table, const FinishContext& context, const SeriesInfo& info,
                  TokenSet tokens, Fold fold) {
  const SweepContext& sweep = context.sweep;
  Series series = make_series(sweep, info, tokens);
  std::vector<double> values;
  for (std::size_t place = 0; place < series.by_doc.cols; ++place) {
    const float* row = table.row(static_cast<int>(place));
    for (std::size_t w = 0; w < sweep.corpus.windows.size();) {
      const int document = sweep.corpus.windows[w].document;
      values.clear();
      for (; w < sweep.corpus.windows.size() && sweep.corpus.windows[w].document == document; ++w) {
        for (std::int64_t t = sweep.first_token[w]; t < sweep.first_token[w + 1]; ++t) {
          if (counts(tokens, context.classes[static_cast<std::size_t>(t)]) && !std::isnan(row[t])) {
            values.push_back(row[t]);
          }
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
  return std::make_unique<PerToken>(context, info, fold, value);
}

std::uint64_t per_token_bytes(const SweepContext& context) {
  return static_cast<std::uint64_t>(context.config.n_layers + 1) *
         static_cast<std::uint64_t>(context.token_count()) * sizeof(float);
}

}  // namespace strata
