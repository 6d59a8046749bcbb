#include "strata/signals/sinks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "strata/base/error.h"
#include "strata/stats/quantile.h"

namespace strata {
namespace {

constexpr SeriesInfo kMaxActivation = {"max_activation", "residual units", Axis::state, Group::control};
constexpr SeriesInfo kSinkRate = {"sink_rate", "share", Axis::state, Group::control};
constexpr std::size_t kListed = 100;  // massive tokens listed in the record

// What the tokens at position 0 do. They are sinks by their place and not listed one by one.
struct FirstTokens {
  std::size_t windows = 0;
  std::vector<double> onset, offset, ratio;  // of those that are massive at some state
  std::map<int, int> dimensions;

  void add(const SinkToken& sink) {
    ++windows;
    if (sink.onset_state < 0) return;
    onset.push_back(sink.onset_state);
    offset.push_back(sink.offset_state);
    ratio.push_back(sink.peak_ratio);
    ++dimensions[sink.dimension];
  }

  [[nodiscard]] std::string words() const {
    if (onset.empty()) return fmt::format("; position 0 is massive in none of {} windows", windows);
    const auto common = std::max_element(dimensions.begin(), dimensions.end(),
                                         [](const auto& a, const auto& b) { return a.second < b.second; });
    return fmt::format(
        "; position 0 is massive in {} of {} windows: from state {:g} to state {:g}, {:.0f} times the median "
        "token maximum (medians), largest in dimension {} in {} of them",
        onset.size(), windows, stats::median(onset), stats::median(offset), stats::median(ratio),
        common->first, common->second);
  }
};

}  // namespace

SinkTracker::SinkTracker(const SweepContext& context)
    : context_(context),
      tokens_(context.token_count()),
      largest_(std::vector<std::int64_t>(static_cast<std::size_t>(context.config.n_layers + 1), tokens_),
               context.place),
      dimension_(std::vector<std::int64_t>(largest_.slots(), tokens_), context.place),
      median_(static_cast<std::size_t>(context.config.n_layers + 1) * context.corpus.documents.size()),
      classes_(static_cast<std::size_t>(tokens_), TokenClass::ordinary),
      latest_onset_(context.corpus.windows.size(), -1) {
  for (std::size_t w = 0; w < context.corpus.windows.size(); ++w) {
    classes_[static_cast<std::size_t>(context.first_token[w])] = TokenClass::first;
  }
  STRATA_CHECK(context.config.hidden <= (1 << 24));  // exact as float
  for (std::size_t state = 0; state < largest_.slots(); ++state) {
    largest_.open(state);
    dimension_.open(state);
  }
}

void SinkTracker::observe_state(const StateView& view) {
  const std::int64_t d = context_.config.hidden;
  std::vector<float> largest, dimension;
  for (std::int64_t t = 0; t < view.tokens; ++t) {
    const float* h = view.h + t * d;
    std::int64_t at = 0;
    for (std::int64_t i = 1; i < d; ++i) {
      if (std::fabs(h[i]) > std::fabs(h[at])) at = i;
    }
    largest.push_back(std::fabs(h[at]));
    dimension.push_back(static_cast<float>(at));
  }
  const auto state = static_cast<std::size_t>(view.state);
  largest_.write(state, largest, context_.first_token[view.window]);
  dimension_.write(state, dimension, context_.first_token[view.window]);
}

void SinkTracker::end_state(int state) {
  const auto& windows = context_.corpus.windows;
  const std::size_t documents = context_.corpus.documents.size();
  std::vector<double> maxima;
  std::vector<float> buffer;
  const float* const largest = largest_.view(static_cast<std::size_t>(state), buffer);
  for (std::size_t begin = 0, end = 0; begin < windows.size(); begin = end) {
    const int document = windows[begin].document;
    while (end < windows.size() && windows[end].document == document) ++end;
    maxima.clear();
    for (std::int64_t t = context_.first_token[begin]; t < context_.first_token[end]; ++t) {
      maxima.push_back(largest[t]);
    }
    const double median = stats::median(maxima);
    median_[static_cast<std::size_t>(state) * documents + static_cast<std::size_t>(document)] = median;
    for (std::size_t w = begin; w < end; ++w) {
      for (std::int64_t t = context_.first_token[w]; t < context_.first_token[w + 1]; ++t) {
        TokenClass& token = classes_[static_cast<std::size_t>(t)];
        if (token == TokenClass::ordinary && largest[t] > kMassiveRatio * median) {
          token = TokenClass::massive;
          latest_onset_[w] = state;
        }
      }
    }
  }
}

void SinkTracker::finish(Trace& trace) const {
  const std::size_t documents = context_.corpus.documents.size();
  const auto states = static_cast<std::size_t>(context_.config.n_layers + 1);
  Series largest_all = make_series(context_, kMaxActivation, TokenSet::all);
  Series largest_ordinary = make_series(context_, kMaxActivation, TokenSet::ordinary);
  Series rate = make_series(context_, kSinkRate, TokenSet::all);
  rate.note = "share of tokens whose largest component exceeds 50 times the document's median token maximum";
  FirstTokens first;
  for (std::size_t w = 0; w < context_.corpus.windows.size(); ++w) {
    const auto& window = context_.corpus.windows[w];
    const auto doc = static_cast<std::size_t>(window.document);
    const auto raise = [](double& x, double v) { x = std::isnan(x) ? v : std::max(x, v); };
    const auto length = static_cast<std::size_t>(context_.tokens_in(w));
    Matrix largest(states, length), dimension(states, length);
    read_window(largest_, w, largest);
    read_window(dimension_, w, dimension);
    for (std::int64_t t = context_.first_token[w]; t < context_.first_token[w + 1]; ++t) {
      const bool ordinary = classes_[static_cast<std::size_t>(t)] == TokenClass::ordinary;
      largest_all.weight[doc] += 1.0;
      largest_ordinary.weight[doc] += ordinary ? 1.0 : 0.0;
      rate.weight[doc] += 1.0;
      SinkToken sink;
      sink.document = window.document;
      sink.window = window.index;
      sink.onset_state = -1;
      for (std::size_t s = 0; s < states; ++s) {
        const auto at = static_cast<std::size_t>(t - context_.first_token[w]);
        const double value = largest(s, at);
        const double ratio = value / median_[s * documents + doc];
        raise(largest_all.by_doc(doc, s), value);
        if (ordinary) raise(largest_ordinary.by_doc(doc, s), value);
        if (std::isnan(rate.by_doc(doc, s))) rate.by_doc(doc, s) = 0.0;
        if (!(ratio > kMassiveRatio)) continue;
        rate.by_doc(doc, s) += 1.0;
        if (sink.onset_state < 0) sink.onset_state = static_cast<int>(s);
        sink.offset_state = static_cast<int>(s);
        if (ratio > sink.peak_ratio) {
          sink.peak_ratio = ratio;
          sink.dimension = static_cast<int>(dimension(s, at));
        }
      }
      // Position 0 is a sink by its class, massive or not; the list is about the others.
      if (classes_[static_cast<std::size_t>(t)] == TokenClass::first) {
        first.add(sink);
        continue;
      }
      if (sink.onset_state < 0) continue;
      ++trace.n_massive;
      sink.position = static_cast<int>(t - context_.first_token[w]);
      sink.token_id = window.ids[static_cast<std::size_t>(sink.position)];
      trace.sinks.push_back(sink);
    }
  }
  for (std::size_t doc = 0; doc < documents; ++doc) {
    for (std::size_t s = 0; s < states; ++s) rate.by_doc(doc, s) /= std::max(1.0, rate.weight[doc]);
  }
  rate.note += first.words();
  std::stable_sort(trace.sinks.begin(), trace.sinks.end(),
                   [](const SinkToken& a, const SinkToken& b) { return a.peak_ratio > b.peak_ratio; });
  if (trace.sinks.size() > kListed) trace.sinks.resize(kListed);
  trace.series.push_back(std::move(largest_ordinary));
  trace.series.push_back(std::move(largest_all));
  trace.series.push_back(std::move(rate));
}

void SinkTracker::read_window(const StateStore& store, std::size_t window, Matrix& out) const {
  std::vector<float> row(out.cols);
  for (std::size_t state = 0; state < out.rows; ++state) {
    store.read(state, row, context_.first_token[window]);
    std::copy(row.begin(), row.end(), out.row(state).begin());
  }
}

void SinkTracker::persist(Archive& archive) {
  archive(largest_);
  archive(dimension_);
  archive.sized(median_);
  archive.sized(classes_);
  archive.sized(latest_onset_);
}

std::uint64_t SinkTracker::memory_bytes(const SweepContext& context) {
  if (context.place.spilled) return 0;
  return static_cast<std::uint64_t>(context.config.n_layers + 1) *
         static_cast<std::uint64_t>(context.token_count()) * 2 * sizeof(float);
}

}  // namespace strata
