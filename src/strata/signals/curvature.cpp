#include "strata/signals/curvature.h"

#include <vector>

#include "strata/signals/per_token.h"
#include "strata/signals/token_math.h"

namespace strata {
namespace {

constexpr SeriesInfo kInfo[] = {{"curvature", "pi rad", Axis::state, Group::representation}};

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
      : context_(context), table_(context.config.n_layers + 1, context) {}

  void observe_state(const StateView& view) override {
    if (view.tokens < 3) return;
    const std::int64_t d = context_.config.hidden;
    std::vector<float> angles;
    for (std::int64_t t = 1; t + 1 < view.tokens; ++t) {
      const float* h = view.h + t * d;
      angles.push_back(static_cast<float>(turning_angle(h - d, h, h + d, d)));
    }
    table_.write(view.state, context_.first_token[view.window] + 1, angles);
  }

  void persist(Archive& archive) override { table_.persist(archive); }

  void finish(const FinishContext& context) override {
    const auto triples = classes_of_triples(context);
    for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
      context.trace.series.push_back(fold_table(
          table_, {.sweep = context.sweep, .classes = triples, .head = context.head, .trace = context.trace},
          kInfo[0], set, Fold::mean));
    }
  }

 private:
  const SweepContext& context_;
  TokenTable table_;  // at the middle token of a triple
};

}  // namespace

Signal curvature_signal() {
  return {.series = kInfo,
          .needs_attention = false,
          .make = [](const SweepContext& context) -> std::unique_ptr<Accumulator> {
            return std::make_unique<Curvature>(context);
          },
          .memory_bytes = per_token_bytes};
}

}  // namespace strata
