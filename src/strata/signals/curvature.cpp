#include "strata/signals/curvature.h"

#include <array>
#include <vector>

#include "strata/signals/per_token.h"
#include "strata/signals/token_math.h"

namespace strata {
namespace {

constexpr SeriesInfo kInfo[] = {{"curvature", "pi rad", Axis::state, Group::representation},
                                {"curvature_raw", "pi rad", Axis::state, Group::control}};
constexpr double (*kTurn[])(const float*, const float*, const float*, std::int64_t) = {
    turning_angle_of_directions, turning_angle};

// A token counts as ordinary where its neighbours are, too: a step to or from a sink is no step of the text.
std::vector<TokenClass> classes_of_triples(const FinishContext& context) {
  std::vector<TokenClass> triples(context.classes.begin(), context.classes.end());
  for (std::size_t t = 0; t < triples.size(); ++t) {
    if (context.classes[t] == TokenClass::ordinary) continue;
    // The last token of another window is no part of a triple here, and has no value that could be left out.
    if (t > 0) triples[t - 1] = context.classes[t];
    if (t + 1 < triples.size()) triples[t + 1] = context.classes[t];
  }
  return triples;
}

class Curvature final : public Accumulator {
 public:
  explicit Curvature(const SweepContext& context)
      : context_(context),
        tables_{TokenTable(context.config.n_layers + 1, context),
                TokenTable(context.config.n_layers + 1, context)} {}

  void observe_state(const StateView& view) override {
    if (view.tokens < 3) return;
    const std::int64_t d = context_.config.hidden;
    for (std::size_t i = 0; i < std::size(kInfo); ++i) {
      std::vector<float> angles;
      for (std::int64_t t = 1; t + 1 < view.tokens; ++t) {
        const float* h = view.h + t * d;
        angles.push_back(static_cast<float>(kTurn[i](h - d, h, h + d, d)));
      }
      tables_[i].write(view.state, context_.first_token[view.window] + 1, angles);
    }
  }

  void persist(Archive& archive) override {
    for (TokenTable& table : tables_) table.persist(archive);
  }

  void finish(const FinishContext& context) override {
    const auto triples = classes_of_triples(context);
    const FinishContext of_triples{
        .sweep = context.sweep, .classes = triples, .head = context.head, .trace = context.trace};
    for (std::size_t i = 0; i < std::size(kInfo); ++i) {
      for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
        context.trace.series.push_back(fold_table(tables_[i], of_triples, kInfo[i], set, Fold::mean));
      }
    }
  }

 private:
  const SweepContext& context_;
  std::array<TokenTable, 2> tables_;  // at the middle token of a triple: of directions, raw
};

}  // namespace

Signal curvature_signal() {
  return {.series = kInfo,
          .needs_attention = false,
          .make = [](const SweepContext& context) -> std::unique_ptr<Accumulator> {
            return std::make_unique<Curvature>(context);
          },
          .memory_bytes = [](const SweepContext& context) { return 2 * per_token_bytes(context); }};
}

}  // namespace strata
