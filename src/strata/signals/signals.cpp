#include <algorithm>
#include <limits>
#include <numeric>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "strata/signals/adjacent_mi.h"
#include "strata/signals/angular_step.h"
#include "strata/signals/attention_distance.h"
#include "strata/signals/attention_entropy.h"
#include "strata/signals/block_influence.h"
#include "strata/signals/carriers.h"
#include "strata/signals/cka.h"
#include "strata/signals/covariance_spectrum.h"
#include "strata/signals/curvature.h"
#include "strata/signals/delta_states.h"
#include "strata/signals/expert_load.h"
#include "strata/signals/expert_overlap.h"
#include "strata/signals/lens.h"
#include "strata/signals/lens_passage.h"
#include "strata/signals/residual_rms.h"
#include "strata/signals/router_entropy.h"
#include "strata/signals/sampled_rows.h"
#include "strata/signals/signal.h"
#include "strata/signals/spectrum.h"
#include "strata/signals/update_ratio.h"
#include "strata/signals/window_edge.h"

namespace strata {

namespace {

// The series of a signal that needs the head that the model has not.
class UndefinedSeries final : public Accumulator {
 public:
  explicit UndefinedSeries(const Signal& signal) : signal_(signal) {}
  void finish(const FinishContext& context) override {
    for (const SeriesInfo& info : signal_.series) {
      for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
        context.trace.series.push_back(make_series(context.sweep, info, set));
        context.trace.series.back().note = kNoHead;
      }
    }
  }
  void persist(Archive& /*archive*/) override {}

 private:
  const Signal& signal_;
};

std::vector<Signal>& registry() {
  static std::vector<Signal> all = {
      attention_distance_signal(),
      attention_entropy_signal(),
      cka_signal(),
      angular_step_signal(),
      block_influence_signal(),
      update_ratio_signal(),
      curvature_signal(),
      adjacent_mi_signal(),
      spectrum_signal(),
      covariance_spectrum_signal(),
      lens_signal(),
      lens_passage_signal(),
      residual_rms_signal(),
      carriers_signal(),
      router_entropy_signal(),
      expert_load_signal(),
      expert_overlap_signal(),
      delta_states_signal(),
      window_edge_signal(),
  };
  return all;
}

}  // namespace

bool applies(const Signal& signal, const ModelConfig& config) {
  const auto blocks = distinct_blocks(config);
  return signal.is_of == nullptr || std::any_of(blocks.begin(), blocks.end(), signal.is_of);
}

BlockNeeds needs_of(std::span<const Signal* const> signals) {
  BlockNeeds needs;
  for (const Signal* signal : signals) {
    needs.attention = needs.attention || signal->needs_attention;
    needs.routing = needs.routing || signal->needs_routing;
    needs.delta = needs.delta || signal->needs_delta;
    needs.expert_directions = needs.expert_directions || signal->needs_expert_directions;
    needs.window_edge = needs.window_edge || signal->needs_window_edge;
  }
  return needs;
}

std::span<const Signal> signals() {
  return registry();
}

void add_signal(const Signal& signal) {
  for (const std::string_view id : ids_of(signal)) {
    for (const Signal& known : registry()) {
      const auto ids = ids_of(known);
      if (std::find(ids.begin(), ids.end(), id) == ids.end()) continue;
      throw Error(ErrorKind::usage, {.where = "signal " + std::string(id),
                                     .found = "an id that is there already",
                                     .expected = "an id of its own"});
    }
  }
  registry().push_back(signal);
}

std::vector<std::unique_ptr<Accumulator>> make_accumulators(std::span<const Signal* const> signals,
                                                            SweepContext& context) {
  std::unique_ptr<SampledRows> rows;
  if (std::any_of(signals.begin(), signals.end(), [](const Signal* s) { return s->needs_rows; })) {
    rows = std::make_unique<SampledRows>(context);
    context.rows = rows.get();
  }
  std::vector<std::unique_ptr<Accumulator>> accumulators;
  for (const Signal* signal : signals) {
    accumulators.push_back(measurable(*signal, context.config) ? signal->make(context)
                                                               : std::make_unique<UndefinedSeries>(*signal));
  }
  if (rows != nullptr) accumulators.push_back(std::move(rows));  // last: the others finish before it goes
  return accumulators;
}

std::uint64_t accumulator_bytes(std::span<const Signal* const> signals, const SweepContext& context) {
  std::uint64_t bytes = 0;
  bool rows = false;
  for (const Signal* signal : signals) {
    if (measurable(*signal, context.config)) bytes += signal->memory_bytes(context);
    rows = rows || signal->needs_rows;
  }
  return bytes + (rows ? SampledRows::memory_bytes(context) : 0);
}

SweepContext make_context(const ModelConfig& config, const Corpus& corpus) {
  SweepContext context{.config = config, .corpus = corpus, .first_token = {0}};
  for (const Window& window : corpus.windows) {
    context.first_token.push_back(context.first_token.back() + static_cast<std::int64_t>(window.ids.size()));
  }
  return context;
}

int SweepContext::finish_threads(std::uint64_t bytes_each, std::uint64_t bytes_once) const {
  const std::uint64_t room = finish_bytes - std::min(finish_bytes, bytes_once);
  const std::uint64_t fit = room / std::max<std::uint64_t>(1, bytes_each);
  return static_cast<int>(std::clamp<std::uint64_t>(fit, 1, static_cast<std::uint64_t>(threads)));
}

std::size_t window_of(const SweepContext& context, std::int64_t token) {
  const auto after = std::upper_bound(context.first_token.begin(), context.first_token.end(), token);
  return static_cast<std::size_t>(after - context.first_token.begin()) - 1;
}

std::vector<std::int64_t> sample_tokens(const SweepContext& context, int document, std::int64_t count) {
  const auto& windows = context.corpus.windows;
  std::int64_t begin = -1, end = -1;
  for (std::size_t w = 0; w < windows.size(); ++w) {
    if (windows[w].document != document) continue;
    if (begin < 0) begin = context.first_token[w];
    end = context.first_token[w + 1];
  }
  STRATA_CHECK(begin >= 0);
  std::vector<std::uint32_t> order(static_cast<std::size_t>(end - begin));
  std::iota(order.begin(), order.end(), 0u);
  Philox rng(
      {.seed = context.seed, .stream = Stream::positions, .a = 3, .b = static_cast<std::uint32_t>(document)});
  shuffle(order, rng);
  order.resize(std::min<std::size_t>(order.size(), static_cast<std::size_t>(count)));
  std::vector<std::int64_t> tokens;
  tokens.reserve(order.size());
  for (const std::uint32_t offset : order) tokens.push_back(begin + offset);
  return tokens;
}

std::vector<std::string_view> ids_of(const Signal& signal) {
  std::vector<std::string_view> ids;
  for (const SeriesInfo& info : signal.series) ids.push_back(info.id);
  ids.insert(ids.end(), signal.matrices.begin(), signal.matrices.end());
  return ids;
}

Series make_series(const SweepContext& context, const SeriesInfo& info, TokenSet tokens) {
  Series series;
  series.id = info.id;
  series.unit = info.unit;
  series.axis = info.axis;
  series.group = info.group;
  series.tokens = tokens;
  const int places = context.config.n_layers + (info.axis == Axis::state ? 1 : 0);
  series.by_doc = Matrix(context.corpus.documents.size(), static_cast<std::size_t>(places),
                         std::numeric_limits<double>::quiet_NaN());
  series.weight.assign(context.corpus.documents.size(), 0.0);
  return series;
}

}  // namespace strata
