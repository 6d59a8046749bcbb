#include "strata/signals/lens_passage.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "strata/base/parallel.h"
#include "strata/model/kernels.h"

namespace strata {
namespace {

constexpr std::string_view kIds[] = {"lens_passage"};
static_assert(kPassageTokens <= kLogitRows);

class Passage final : public Accumulator {
 public:
  explicit Passage(const SweepContext& context) : context_(context) {
    if (context.corpus.windows.empty()) return;
    const auto& ids = context.corpus.windows.front().ids;
    ids_.assign(ids.begin(), ids.begin() + std::min(std::ssize(ids), kPassageTokens));
    rows_.resize(states() * ids_.size() * width());
  }

  void observe_state(const StateView& view) override {
    if (view.window != 0) return;
    std::memcpy(row(static_cast<std::size_t>(view.state)), view.h, ids_.size() * width() * sizeof(float));
  }

  void persist(Archive& archive) override { archive.sized(rows_); }

  void finish(const FinishContext& context) override {
    if (ids_.empty()) return;
    LensPassage passage;
    passage.document = context_.corpus.windows.front().document;
    passage.token_id = ids_;
    passage.rows.resize(states());
    parallel_for(states(), context_.threads,
                 [&](std::size_t state) { passage.rows[state] = read(context.head, state); });
    std::set<std::int32_t> seen(ids_.begin(), ids_.end());
    for (const LensRow& row : passage.rows) seen.insert(row.token_id.begin(), row.token_id.end());
    for (const std::int32_t id : seen) passage.vocabulary.push_back({.id = id, .text = ""});
    context.trace.lens_passages.push_back(std::move(passage));
  }

 private:
  [[nodiscard]] std::size_t states() const { return static_cast<std::size_t>(context_.config.n_layers + 1); }
  [[nodiscard]] std::size_t width() const { return static_cast<std::size_t>(context_.config.hidden); }
  float* row(std::size_t state) { return rows_.data() + state * ids_.size() * width(); }

  LensRow read(const HeadWeights& head, std::size_t state) {
    const auto vocab = static_cast<std::size_t>(head.unembedding.rows());
    std::vector<float> logits(static_cast<std::size_t>(kLogitRows) * vocab);
    LogitScratch scratch;
    compute_logits(head, context_.config, row(state), std::ssize(ids_), logits.data(), scratch);
    LensRow out;
    for (std::size_t t = 0; t < ids_.size(); ++t) {
      const std::span<const float> q(logits.data() + t * vocab, vocab);
      const auto top = std::max_element(q.begin(), q.end());
      out.token_id.push_back(static_cast<std::int32_t>(top - q.begin()));
      out.probability.push_back(std::exp(static_cast<double>(*top) - log_sum_exp(q)));
    }
    return out;
  }

  const SweepContext& context_;
  std::vector<std::int32_t> ids_;  // of the passage
  std::vector<float> rows_;        // (states, tokens, d)
};

std::uint64_t passage_bytes(const SweepContext& context) {
  return static_cast<std::uint64_t>(context.config.n_layers + 1) * kPassageTokens *
         static_cast<std::uint64_t>(context.config.hidden) * sizeof(float);
}

}  // namespace

Signal lens_passage_signal() {
  return {.series = {},
          .matrices = kIds,
          .needs_attention = false,
          .needs_logits = true,
          .make = [](const SweepContext& context) -> std::unique_ptr<Accumulator> {
            return std::make_unique<Passage>(context);
          },
          .memory_bytes = passage_bytes};
}

}  // namespace strata
