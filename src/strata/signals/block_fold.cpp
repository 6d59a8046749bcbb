#include "strata/signals/block_fold.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace strata {
namespace {

class PartFold final : public Accumulator {
 public:
  PartFold(const SweepContext& context, const BlockPart& part, std::span<const PartSeries> series)
      : context_(context), part_(part), series_(series) {
    for (std::size_t i = 0; i < series.size(); ++i) tables_.emplace_back(context.config.n_layers, context);
  }

  void observe_block(const BlockView& view) override {
    for (std::size_t i = 0; i < series_.size(); ++i) {
      const std::vector<float> values = series_[i].values(context_, view);
      if (!values.empty()) tables_[i].write(view.block, context_.first_token[view.window], values);
    }
  }

  void finish(const FinishContext& context) override {
    for (std::size_t i = 0; i < series_.size(); ++i) {
      for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
        Series series = fold_table(tables_[i], context, series_[i].info, set, Fold::mean);
        series.note = note_of(series);
        context.trace.series.push_back(std::move(series));
      }
    }
  }

  void persist(Archive& archive) override {
    for (TokenTable& table : tables_) table.persist(archive);
  }

 private:
  [[nodiscard]] std::string note_of(const Series& series) const {
    std::string note = missing_part_note(context_.config, part_);
    const bool missing = std::ranges::count(series.weight, 0.0) > 0;
    if (part_.no_token.empty() || !missing) return note;
    return note + (note.empty() ? "" : "; ") + fmt::format("undefined for {}", part_.no_token);
  }

  const SweepContext& context_;
  BlockPart part_;
  std::span<const PartSeries> series_;
  std::vector<TokenTable> tables_;
};

}  // namespace

std::unique_ptr<Accumulator> part_accumulator(const SweepContext& context, const BlockPart& part,
                                              std::span<const PartSeries> series) {
  return std::make_unique<PartFold>(context, part, series);
}

std::string missing_part_note(const ModelConfig& config, const BlockPart& part) {
  const auto blocks = distinct_blocks(config);
  if (std::all_of(blocks.begin(), blocks.end(), part.is_in)) return {};
  return fmt::format("undefined in blocks without {}", part.name);
}

bool has_experts(const BlockDescription& block) {
  return block.feed_forward.experts > 0;
}

}  // namespace strata
