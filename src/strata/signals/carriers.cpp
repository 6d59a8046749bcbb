#include "strata/signals/carriers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "strata/base/parallel.h"
#include "strata/base/philox.h"
#include "strata/model/simd.h"
#include "strata/signals/sampled_rows.h"
#include "strata/signals/token_math.h"

namespace strata {
namespace {

constexpr SeriesInfo kInfo[] = {{"top_token_energy", "share", Axis::state, Group::control},
                                {"top_dimension_energy", "share", Axis::state, Group::control},
                                {"top_component_variance", "share", Axis::state, Group::control}};
constexpr TokenSet kSets[] = {TokenSet::ordinary, TokenSet::all};
constexpr std::size_t kMinRows = 64;  // of all documents
constexpr std::size_t kWords = 5;     // named of each direction
constexpr int kMostSteps = 100;       // of the power iteration
constexpr double kSettled = 1e-5;     // relative growth of the variance at which it ends
constexpr double kOfAWord = 0.9;      // of what a word holds, in CarrierWord::count
constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

// sum_i (x_i - mean_i) v_i, and out_i += factor (x_i - mean_i).
STRATA_VECTORISED
double centred_dot(const float* x, const double* mean, const double* v, std::int64_t width) {
  return simd::sum<double>(width, [&](std::int64_t i) { return (x[i] - mean[i]) * v[i]; });
}

STRATA_VECTORISED
void add_centred(const float* x, const double* mean, double factor, double* out, std::int64_t width) {
  for (std::int64_t i = 0; i < width; ++i) out[i] += factor * (x[i] - mean[i]);
}

STRATA_VECTORISED
double centred_square(const float* x, const double* mean, std::int64_t width) {
  return simd::sum<double>(width, [&](std::int64_t i) { return (x[i] - mean[i]) * (x[i] - mean[i]); });
}

STRATA_VECTORISED
void add_squares(const float* x, double* square, double* sum, std::int64_t width) {
  for (std::int64_t i = 0; i < width; ++i) {
    square[i] += static_cast<double>(x[i]) * x[i];
    sum[i] += x[i];
  }
}

double norm(const std::vector<double>& v) {
  return std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
}

// Rows of one state.
struct Rows {
  std::span<const float> data;
  std::int64_t width;

  [[nodiscard]] std::size_t count() const { return data.size() / static_cast<std::size_t>(width); }
  [[nodiscard]] const float* row(std::size_t i) const {
    return data.data() + i * static_cast<std::size_t>(width);
  }
};

// The first principal component of the rows about `mean`; the start has a part in every direction.
std::vector<double> first_component(const Rows& rows, const std::vector<double>& mean) {
  Philox rng({.seed = 0, .stream = Stream::permutation, .a = 0x706f7765});
  std::vector<double> v(mean.size());
  for (double& x : v) x = rng.next_u32() % 2 == 0 ? 1.0 : -1.0;
  double before = 0.0;
  for (int step = 0; step < kMostSteps; ++step) {
    const double length = norm(v);
    if (!(length > 0.0)) break;
    for (double& x : v) x /= length;
    std::vector<double> next(v.size(), 0.0);
    double variance = 0.0;
    for (std::size_t i = 0; i < rows.count(); ++i) {
      const double along = centred_dot(rows.row(i), mean.data(), v.data(), rows.width);
      variance += along * along;
      add_centred(rows.row(i), mean.data(), along, next.data(), rows.width);
    }
    if (step > 0 && variance - before <= kSettled * variance) break;
    before = variance;
    v = std::move(next);
  }
  const double length = norm(v);
  for (double& x : v) x = length > 0.0 ? x / length : 0.0;
  return v;
}

std::size_t argmax(const std::vector<double>& values) {
  return static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

// Indices of the `count` largest values, the earlier one first among equals.
std::vector<std::size_t> largest(const std::vector<double>& values, std::size_t count) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });
  order.resize(std::min(order.size(), count));
  return order;
}

double total(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

std::uint64_t worker_bytes(const SweepContext& context) {
  const auto rows = static_cast<std::uint64_t>(SampledRows::table_rows(context)),
             width = static_cast<std::uint64_t>(context.config.hidden);
  return rows * width * sizeof(float) + (6 * rows + 4 * width) * sizeof(double);
}

// One row of the sample that counts.
struct Token {
  std::size_t table_row, document;
  std::int32_t id;
};

// Everything happens at the end, on the sampled rows.
class Carriers final : public Accumulator {
 public:
  explicit Carriers(const SweepContext& context) : context_(context) {}

  void persist(Archive&) override {}

  void finish(const FinishContext& context) override {
    std::vector<Series> series;
    for (const SeriesInfo& info : kInfo) {
      for (const TokenSet set : kSets) series.push_back(make_series(context_, info, set));
    }
    for (std::size_t set = 0; set < 2; ++set) {
      measure(tokens_of(context, kSets[set]), kSets[set], {&series[set], &series[2 + set], &series[4 + set]},
              context.trace);
    }
    for (Series& s : series) context.trace.series.push_back(std::move(s));
  }

 private:
  [[nodiscard]] std::vector<Token> tokens_of(const FinishContext& context, TokenSet set) const {
    const DocumentSample& sample = context_.rows->sample();
    std::vector<Token> tokens;
    for (std::size_t d = 0; d < sample.documents.size(); ++d) {
      for (const std::size_t i : sample.kept(context.classes, set, d)) {
        const std::int64_t token = sample.tokens[d][i];
        const std::size_t window = window_of(context_, token);
        tokens.push_back({sample.table_row(d, i), sample.documents[d],
                          context_.corpus.windows[window]
                              .ids[static_cast<std::size_t>(token - context_.first_token[window])]});
      }
    }
    return tokens;
  }

  // Fills the three series of a token set and adds its records.
  void measure(const std::vector<Token>& tokens, TokenSet set, const std::array<Series*, 3>& series,
               Trace& trace) {
    const auto states = static_cast<std::size_t>(context_.config.n_layers + 1);
    for (Series* s : series) {
      s->joint.assign(states, kUndefined);
      s->joint_error.assign(states, kUndefined);
      s->note =
          "one share of all documents together; a document's is its own part of the same tokens, dimension "
          "or component";
    }
    if (tokens.size() < kMinRows) {
      for (Series* s : series)
        s->note = fmt::format("{} sampled tokens, at least {} are needed", tokens.size(), kMinRows);
      return;
    }
    for (const Token& token : tokens) {
      for (Series* s : series) s->weight[token.document] += 1.0;
    }
    std::vector<StateCarrier> records(states);
    parallel_for(states, context_.finish_threads(worker_bytes(context_)), [&](std::size_t state) {
      const auto d = static_cast<std::size_t>(context_.config.hidden);
      std::vector<float> rows(tokens.size() * d);
      for (std::size_t i = 0; i < tokens.size(); ++i) {
        context_.rows->read(state, tokens[i].table_row, std::span(rows).subspan(i * d, d));
      }
      const StateLead lead = state_lead(rows, context_.config.hidden);
      records[state] = record_of(lead, tokens, static_cast<int>(state), set);
      std::vector<double> top(tokens.size(), 0.0);
      for (std::size_t i = 0; i < top.size(); ++i) top[i] = lead.top_token[i] != 0 ? lead.energy[i] : 0.0;
      add_shares(tokens, top, lead.energy, state, *series[0]);
      add_shares(tokens, lead.in_dimension, lead.energy, state, *series[1]);
      add_shares(tokens, lead.along, lead.variance, state, *series[2]);
    });
    for (StateCarrier& record : records) trace.carriers.push_back(std::move(record));
  }

  [[nodiscard]] static StateCarrier record_of(const StateLead& lead, const std::vector<Token>& tokens,
                                              int state, TokenSet set) {
    StateCarrier record;
    record.state = state;
    record.tokens = set;
    record.n_tokens = std::ssize(tokens);
    record.top_token_energy = lead.top_token_energy;
    std::vector<std::int32_t> ids;
    for (const Token& token : tokens) ids.push_back(token.id);
    record.dimension = direction(lead.in_dimension, lead.dimension_energy, ids);
    record.dimension.dimension = lead.dimension;
    record.component = direction(lead.along, lead.component_variance, ids);
    record.component.dimension = lead.component_dimension;
    record.component.alignment = lead.component_in_dimension;
    return record;
  }

  [[nodiscard]] static CarrierDirection direction(const std::vector<double>& held, double share,
                                                  const std::vector<std::int32_t>& ids) {
    CarrierDirection out;
    out.share = share;
    const double all = total(held);
    if (!(all > 0.0)) return out;
    double few = 0.0;
    const auto top = largest(held, (held.size() + kFewTokens - 1) / kFewTokens);
    for (const std::size_t i : top) few += held[i];
    out.few_tokens = few / all;
    out.few_size = std::sqrt(few / static_cast<double>(top.size()));
    out.words = carrier_words(ids, held, kWords);
    return out;
  }

  // What each document has of `part` over what it has of `whole`, and the ratio of the sums.
  static void add_shares(const std::vector<Token>& tokens, const std::vector<double>& part,
                         const std::vector<double>& whole, std::size_t state, Series& series) {
    const std::size_t documents = series.by_doc.rows;
    Matrix share(documents, 1, kUndefined);
    std::vector<double> held(documents, 0.0), of(documents, 0.0);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      held[tokens[i].document] += part[i];
      of[tokens[i].document] += whole[i];
    }
    for (std::size_t d = 0; d < documents; ++d) {
      if (of[d] > 0.0) series.by_doc(d, state) = share(d, 0) = held[d] / of[d];
    }
    series.joint[state] = weighted_mean(share, of)[0];
    series.joint_error[state] = weighted_standard_error(share, of)[0];
  }

  const SweepContext& context_;
};

std::uint64_t carriers_bytes(const SweepContext& context) {
  return static_cast<std::uint64_t>(context.config.n_layers + 1) * 2 *
         (sizeof(StateCarrier) + 2 * kWords * sizeof(CarrierWord));
}

}  // namespace

StateLead state_lead(std::span<const float> values, std::int64_t width) {
  const Rows rows{values, width};
  const std::size_t n = rows.count();
  StateLead lead;
  std::vector<double> square(static_cast<std::size_t>(width), 0.0), mean = square;
  for (std::size_t i = 0; i < n; ++i) {
    lead.energy.push_back(dot(rows.row(i), rows.row(i), width));
    add_squares(rows.row(i), square.data(), mean.data(), width);
  }
  for (double& m : mean) m /= static_cast<double>(n);
  const double energy = total(lead.energy);
  lead.dimension = static_cast<int>(argmax(square));
  lead.top_token.assign(n, 0);
  double top = 0.0;
  for (const std::size_t i : largest(lead.energy, (n + 99) / 100)) {
    lead.top_token[i] = 1;
    top += lead.energy[i];
  }
  const auto dimension = static_cast<std::size_t>(lead.dimension);
  for (std::size_t i = 0; i < n; ++i) {
    const double x = rows.row(i)[dimension];
    lead.in_dimension.push_back(x * x);
  }
  lead.top_token_energy = energy > 0.0 ? top / energy : kUndefined;
  lead.dimension_energy = energy > 0.0 ? square[dimension] / energy : kUndefined;
  const std::vector<double> component = first_component(rows, mean);
  std::vector<double> entry(component.size());
  std::transform(component.begin(), component.end(), entry.begin(), [](double x) { return x * x; });
  lead.component_dimension = static_cast<int>(argmax(entry));
  lead.component_in_dimension = entry[argmax(entry)];
  for (std::size_t i = 0; i < n; ++i) {
    lead.variance.push_back(centred_square(rows.row(i), mean.data(), width));
    const double along = centred_dot(rows.row(i), mean.data(), component.data(), width);
    lead.along.push_back(along * along);
  }
  const double variance = total(lead.variance);
  lead.component_variance = variance > 1e-12 * energy ? total(lead.along) / variance : kUndefined;
  return lead;
}

std::vector<CarrierWord> carrier_words(std::span<const std::int32_t> token_ids,
                                       std::span<const double> weight, std::size_t most) {
  std::map<std::int32_t, std::vector<double>> by_word;
  double all = 0.0;
  for (std::size_t i = 0; i < token_ids.size(); ++i) {
    by_word[token_ids[i]].push_back(weight[i]);
    all += weight[i];
  }
  std::vector<CarrierWord> words;
  if (!(all > 0.0)) return words;
  for (auto& [id, held] : by_word) {
    const double sum = total(held);
    std::sort(held.begin(), held.end(), std::greater<>());
    std::int64_t count = 0;
    for (double so_far = 0.0; so_far < kOfAWord * sum; ++count)
      so_far += held[static_cast<std::size_t>(count)];
    words.push_back(
        {.token_id = id, .text = {}, .occurrences = std::ssize(held), .count = count, .share = sum / all});
  }
  std::stable_sort(words.begin(), words.end(),
                   [](const auto& a, const auto& b) { return a.share > b.share; });
  if (words.size() > most) words.resize(most);
  return words;
}

Signal carriers_signal() {
  return {.series = kInfo,
          .needs_attention = false,
          .needs_rows = true,
          .make = [](const SweepContext& context) -> std::unique_ptr<Accumulator> {
            return std::make_unique<Carriers>(context);
          },
          .memory_bytes = carriers_bytes,
          .finish_bytes = worker_bytes};
}

}  // namespace strata
