#include "strata/signals/cka.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "strata/base/parallel.h"
#include "strata/base/philox.h"
#include "strata/base/words.h"
#include "strata/linalg/product.h"
#include "strata/signals/hsic.h"
#include "strata/stats/half_sample.h"

namespace strata {
namespace {

constexpr SeriesInfo kInfo[] = {{"cka_shift", "1", Axis::block, Group::representation},
                                {"cka_shift_raw", "1", Axis::block, Group::control}};
constexpr std::string_view kMatrices[] = {"cka_matrix", "cka_matrix_raw"};
constexpr std::size_t kGroupWindows = 64;     // windows of one batch: cost grows with its square
constexpr std::int64_t kEnoughTokens = 4000;  // below this the record says that the sample is small

struct Row {
  std::size_t window;
  std::int64_t position;
};

struct Plan {
  std::vector<std::vector<Row>>
      batches;             ///< one position from each window of a group, the same for every state
  std::size_t shared = 0;  ///< batches that hold several windows of one document
};

// Deals one round's rows, which come document by document, to batches in turn. As long as no document
// has more rows than there are batches, a batch holds one row of a document: windows of one document
// resemble each other in every state, which would count as agreement, and more so in half-samples.
void deal_round(const SweepContext& context, const std::vector<Row>& rows, Plan& plan) {
  if (rows.size() < kMinBatchWindows) return;
  std::vector<std::size_t> of_document(context.corpus.documents.size(), 0);
  std::size_t most = 1;
  for (const Row& row : rows) {
    most =
        std::max(most, ++of_document[static_cast<std::size_t>(context.corpus.windows[row.window].document)]);
  }
  const std::size_t count =
      std::min(std::max(most, rows.size() / kGroupWindows), rows.size() / kMinBatchWindows);
  const std::size_t first = plan.batches.size();
  plan.batches.resize(first + count);
  for (std::size_t i = 0; i < rows.size(); ++i) plan.batches[first + i % count].push_back(rows[i]);
  if (most > count) plan.shared += count;
}

Plan plan_batches(const SweepContext& context) {
  const auto& windows = context.corpus.windows;
  std::vector<std::vector<std::size_t>> by_document(context.corpus.documents.size());
  std::vector<std::vector<std::uint32_t>> positions(windows.size());
  for (std::size_t w = 0; w < windows.size(); ++w) {
    by_document[static_cast<std::size_t>(windows[w].document)].push_back(w);
    positions[w].resize(static_cast<std::size_t>(context.tokens_in(w)));
    std::iota(positions[w].begin(), positions[w].end(), 0u);
    Philox rng(
        {.seed = context.seed, .stream = Stream::positions, .a = 2, .b = static_cast<std::uint32_t>(w)});
    shuffle(positions[w], rng);
  }
  std::vector<std::uint32_t> order(by_document.size());
  std::iota(order.begin(), order.end(), 0u);
  Philox rng({.seed = context.seed, .stream = Stream::positions, .a = 1});
  shuffle(order, rng);
  const auto count = static_cast<std::int64_t>(windows.size());
  const auto rounds = static_cast<std::size_t>((context.positions + count - 1) / count);
  Plan plan;
  for (std::size_t round = 0; round < rounds; ++round) {
    std::vector<Row> rows;
    for (const std::uint32_t document : order) {
      for (const std::size_t w : by_document[document]) {
        if (round < positions[w].size()) rows.push_back({w, positions[w][round]});
      }
    }
    deal_round(context, rows, plan);
  }
  return plan;
}

class Cka final : public Accumulator {
 public:
  Cka(const SweepContext& context, Plan plan)
      : context_(context), batches_(std::move(plan.batches)), shared_(plan.shared) {
    const auto states = static_cast<std::size_t>(context.config.n_layers + 1);
    slots_.resize(context.corpus.windows.size());
    grams_.resize(batches_.size());
    for (std::size_t b = 0; b < batches_.size(); ++b) {
      grams_[b].n = batches_[b].size();
      grams_[b].upper.resize(states);
      grams_[b].inverse_rms.resize(states);
      for (const Row& row : batches_[b]) slots_[row.window].push_back({total_rows_++, row.position});
    }
    rows_.resize(total_rows_ * static_cast<std::size_t>(context.config.hidden));
  }

  void observe_state(const StateView& view) override {
    const auto d = static_cast<std::size_t>(context_.config.hidden);
    for (const Slot& slot : slots_[view.window]) {
      std::memcpy(rows_.data() + slot.row * d, view.h + static_cast<std::size_t>(slot.position) * d,
                  d * sizeof(float));
    }
  }

  void end_state(int state) override {
    std::vector<std::size_t> first(batches_.size() + 1, 0);
    for (std::size_t b = 0; b < batches_.size(); ++b) first[b + 1] = first[b] + batches_[b].size();
    const auto d = static_cast<std::size_t>(context_.config.hidden);
    parallel_for(batches_.size(), context_.threads, [&](std::size_t b) {
      const std::size_t n = grams_[b].n;
      const Matrix gram = linalg::gram_of_rows(rows_.data() + first[b] * d, n, d);
      auto& upper = grams_[b].upper[static_cast<std::size_t>(state)];
      upper.reserve(n * (n - 1) / 2);
      auto& inverse = grams_[b].inverse_rms[static_cast<std::size_t>(state)];
      for (std::size_t i = 0; i < n; ++i) {
        const auto row = gram.row(i);
        upper.insert(upper.end(), row.begin() + static_cast<std::ptrdiff_t>(i) + 1, row.end());
        const double square = gram(i, i);
        inverse.push_back(square > 0.0 ? std::sqrt(static_cast<double>(d) / square) : 0.0);
      }
    });
  }

  void persist(Archive& archive) override {
    for (BatchGrams& grams : grams_) {
      archive.sized(grams.upper);
      archive.sized(grams.inverse_rms);
    }
  }

  void finish(const FinishContext& context) override {
    for (const StateScale scale : {StateScale::token_rms, StateScale::raw}) {
      for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
        CkaRecord record = measure(context, set, scale);
        context.trace.series.push_back(shift_series(context, record));
        context.trace.cka.push_back(std::move(record));
      }
    }
  }

 private:
  struct Slot {
    std::size_t row;
    std::int64_t position;
  };

  // Whether a row of a batch has a direction at every state.
  [[nodiscard]] bool has_direction(std::size_t b, std::size_t i) const {
    const auto& all = grams_[b].inverse_rms;
    return std::all_of(all.begin(), all.end(), [&](const auto& of_state) { return of_state[i] > 0.0; });
  }

  // CKA over the rows of one token set and of the documents with include[d] != 0.
  Matrix cka_of(const FinishContext& context, TokenSet set, StateScale scale,
                const std::vector<char>& include, CkaRecord* counts_of) const {
    const std::size_t states = grams_.empty() ? 0 : grams_[0].upper.size();
    Matrix hsic(states, states);
    std::vector<std::size_t> rows;
    for (std::size_t b = 0; b < batches_.size(); ++b) {
      rows.clear();
      for (std::size_t i = 0; i < batches_[b].size(); ++i) {
        const Row& row = batches_[b][i];
        const auto token = static_cast<std::size_t>(context_.first_token[row.window] + row.position);
        const auto document = static_cast<std::size_t>(context_.corpus.windows[row.window].document);
        if (include[document] == 0 || !counts(set, context.classes[token])) continue;
        if (scale == StateScale::raw || has_direction(b, i)) rows.push_back(i);
      }
      // A half-sample keeps half the rows of a batch; the estimator is unbiased for any number above 3.
      const std::size_t least = counts_of != nullptr ? kMinBatchWindows / 2 : 4;
      const std::size_t used = add_unbiased_hsic(grams_[b], rows, least, hsic, scale);
      if (counts_of != nullptr && used > 0) {
        counts_of->n_tokens += static_cast<std::int64_t>(used);
        ++counts_of->n_batches;
      }
    }
    return cka_from_hsic(hsic);
  }

  CkaRecord measure(const FinishContext& context, TokenSet set, StateScale scale) const {
    CkaRecord record;
    record.tokens = set;
    record.scale = scale;
    if (batches_.empty()) {
      record.note = fmt::format("{}, at least {} are needed for batches of independent rows",
                                counted(context_.corpus.windows.size(), "window"), kMinBatchWindows);
      return record;
    }
    const std::size_t documents = context_.corpus.documents.size();
    const Matrix value = cka_of(context, set, scale, std::vector<char>(documents, 1), &record);
    for (const double v : value.data) {
      if (std::isnan(v)) {
        record.note = "the unbiased HSIC of some state with itself is not positive in this sample";
        return record;
      }
    }
    record.value = value;
    if (record.n_tokens < kEnoughTokens) {
      record.note = fmt::format("a small sample: {} tokens, {} or more are recommended", record.n_tokens,
                                kEnoughTokens);
    }
    if (shared_ > 0) {
      add_note(record.note, fmt::format("{} of {} batches hold several windows of one document, which may "
                                        "overstate agreement; more documents of fewer windows avoid it",
                                        shared_, batches_.size()));
    }
    if (documents < 2) return record;
    record.replicates.resize(static_cast<std::size_t>(context_.replicates));
    parallel_for(record.replicates.size(), context_.threads, [&](std::size_t r) {
      Philox rng({.seed = context_.seed, .stream = Stream::half_sample, .a = static_cast<std::uint32_t>(r)});
      std::vector<char> include(documents, 0);
      for (const std::uint32_t document : stats::half_sample(documents, rng)) include[document] = 1;
      record.replicates[r] = cka_of(context, set, scale, include, nullptr);
    });
    const std::size_t undefined = std::erase_if(record.replicates, [](const Matrix& m) {
      return std::any_of(m.data.begin(), m.data.end(), [](double v) { return std::isnan(v); });
    });
    if (undefined > 0) {
      add_note(record.note, fmt::format("{} of {} half-samples are undefined and left out", undefined,
                                        context_.replicates));
    }
    return record;
  }

  [[nodiscard]] Series shift_series(const FinishContext& context, const CkaRecord& record) const {
    Series series = make_series(context.sweep, kInfo[record.scale == StateScale::raw ? 1 : 0], record.tokens);
    series.note = record.note.empty() ? "a joint quantity of all documents; its error comes from half-samples"
                                      : record.note;
    const std::size_t layers = series.by_doc.cols;
    series.joint.assign(layers, std::nan(""));
    series.joint_error.assign(layers, std::nan(""));
    for (std::size_t l = 0; l < layers && record.value.rows > 0; ++l) {
      series.joint[l] = 1.0 - record.value(l, l + 1);
      if (record.replicates.size() < 2) continue;
      double square = 0.0;
      for (const Matrix& m : record.replicates) {
        const double difference = m(l, l + 1) - record.value(l, l + 1);
        square += difference * difference;
      }
      series.joint_error[l] = std::sqrt(square / static_cast<double>(record.replicates.size()));
    }
    return series;
  }

  const SweepContext& context_;
  std::vector<std::vector<Row>> batches_;
  std::size_t shared_;                    // batches that hold several windows of one document
  std::vector<std::vector<Slot>> slots_;  // per window: where its sampled rows go
  std::size_t total_rows_ = 0;
  std::vector<float> rows_;  // sampled rows of the current state
  std::vector<BatchGrams> grams_;
};

std::uint64_t cka_bytes(const SweepContext& context) {
  const auto windows = static_cast<std::uint64_t>(context.corpus.windows.size());
  const auto rows = static_cast<std::uint64_t>(context.positions) + windows;
  const std::uint64_t batch = std::min<std::uint64_t>(windows, 2 * kGroupWindows);
  // Of each row at each state: its products with the others, and its size.
  return rows * (static_cast<std::uint64_t>(context.config.n_layers + 1) * (batch / 2 + 1) * sizeof(double) +
                 static_cast<std::uint64_t>(context.config.hidden) * sizeof(float));
}

}  // namespace

Signal cka_signal() {
  return {.series = kInfo,
          .matrices = kMatrices,
          .needs_attention = false,
          .make = [](const SweepContext& context) -> std::unique_ptr<Accumulator> {
            return std::make_unique<Cka>(context, plan_batches(context));
          },
          .memory_bytes = cka_bytes};
}

}  // namespace strata
