#include "strata/signals/sinks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "strata/base/error.h"
#include "strata/base/words.h"
#include "strata/signals/sink_paths.h"
#include "strata/signals/token_math.h"
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
    if (onset.empty())
      return fmt::format("; position 0 is massive in none of {}",
                         counted(static_cast<std::uint64_t>(windows), "window"));
    const auto common = std::max_element(dimensions.begin(), dimensions.end(),
                                         [](const auto& a, const auto& b) { return a.second < b.second; });
    return fmt::format(
        "; position 0 is massive in {} of {}: from state {:g} to state {:g}, {:.0f} times the median "
        "token RMS (medians), largest in dimension {} in {} of them",
        onset.size(), counted(static_cast<std::uint64_t>(windows), "window"), stats::median(onset),
        stats::median(offset), stats::median(ratio), common->first, common->second);
  }
};

}  // namespace

SinkTracker::SinkTracker(const SweepContext& context)
    : context_(context),
      tokens_(context.token_count()),
      largest_(std::vector<std::int64_t>(static_cast<std::size_t>(context.config.n_layers + 1), tokens_),
               context.place),
      dimension_(std::vector<std::int64_t>(largest_.slots(), tokens_), context.place),
      rms_(std::vector<std::int64_t>(largest_.slots(), tokens_), context.place),
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
    rms_.open(state);
  }
}

void SinkTracker::observe_state(const StateView& view) {
  const std::int64_t d = context_.config.hidden;
  std::vector<float> largest, dimension, rms;
  for (std::int64_t t = 0; t < view.tokens; ++t) {
    const float* h = view.h + t * d;
    std::int64_t at = 0;
    for (std::int64_t i = 1; i < d; ++i) {
      if (std::fabs(h[i]) > std::fabs(h[at])) at = i;
    }
    largest.push_back(std::fabs(h[at]));
    dimension.push_back(static_cast<float>(at));
    rms.push_back(static_cast<float>(std::sqrt(dot(h, h, d) / static_cast<double>(d))));
  }
  const auto state = static_cast<std::size_t>(view.state);
  largest_.write(state, largest, context_.first_token[view.window]);
  dimension_.write(state, dimension, context_.first_token[view.window]);
  rms_.write(state, rms, context_.first_token[view.window]);
}

void SinkTracker::end_state(int state) {
  const auto& windows = context_.corpus.windows;
  const std::size_t documents = context_.corpus.documents.size();
  std::vector<double> sizes;
  std::vector<float> buffer;
  const float* const rms = rms_.view(static_cast<std::size_t>(state), buffer);
  for (std::size_t begin = 0, end = 0; begin < windows.size(); begin = end) {
    const int document = windows[begin].document;
    while (end < windows.size() && windows[end].document == document) ++end;
    sizes.clear();
    for (std::int64_t t = context_.first_token[begin]; t < context_.first_token[end]; ++t) {
      sizes.push_back(rms[t]);
    }
    const double median = stats::median(sizes);
    median_[static_cast<std::size_t>(state) * documents + static_cast<std::size_t>(document)] = median;
    for (std::size_t w = begin; w < end; ++w) {
      for (std::int64_t t = context_.first_token[w]; t < context_.first_token[w + 1]; ++t) {
        TokenClass& token = classes_[static_cast<std::size_t>(t)];
        if (token == TokenClass::ordinary && rms[t] > kMassiveRatio * median) {
          token = TokenClass::massive;
          latest_onset_[w] = state;
        }
      }
    }
  }
}

// The states of one window: (states, tokens).
struct SinkTracker::WindowSizes {
  Matrix largest, dimension, rms, ratio;
};

SinkTracker::WindowSizes SinkTracker::sizes_of(std::size_t window) const {
  const auto states = static_cast<std::size_t>(context_.config.n_layers + 1);
  const auto length = static_cast<std::size_t>(context_.tokens_in(window));
  const auto doc = static_cast<std::size_t>(context_.corpus.windows[window].document);
  WindowSizes sizes;
  for (Matrix* m : {&sizes.largest, &sizes.dimension, &sizes.rms}) *m = Matrix(states, length);
  read_window(largest_, window, sizes.largest);
  read_window(dimension_, window, sizes.dimension);
  read_window(rms_, window, sizes.rms);
  sizes.ratio = sizes.rms;
  for (std::size_t s = 0; s < states; ++s) {
    for (double& x : sizes.ratio.row(s)) x /= median_[s * context_.corpus.documents.size() + doc];
  }
  return sizes;
}

SinkToken SinkTracker::judge(const WindowSizes& sizes, std::size_t at) {
  SinkToken sink;
  sink.position = static_cast<int>(at);
  sink.onset_state = -1;
  for (std::size_t s = 0; s < sizes.ratio.rows; ++s) {
    const double ratio = sizes.ratio(s, at);
    if (!(ratio > kMassiveRatio)) continue;
    if (sink.onset_state < 0) sink.onset_state = static_cast<int>(s);
    sink.offset_state = static_cast<int>(s);
    if (ratio > sink.peak_ratio) {
      sink.peak_ratio = ratio;
      sink.dimension = static_cast<int>(sizes.dimension(s, at));
    }
  }
  return sink;
}

TokenPath SinkTracker::path_of(const WindowSizes& sizes, std::size_t at) const {
  const double root = std::sqrt(static_cast<double>(context_.config.hidden));
  TokenPath path;
  for (std::size_t s = 0; s < sizes.ratio.rows; ++s) {
    path.length.push_back(static_cast<float>(sizes.rms(s, at) * root));
    path.ratio.push_back(static_cast<float>(sizes.ratio(s, at)));
    path.largest.push_back(static_cast<std::int32_t>(sizes.dimension(s, at)));
  }
  return path;
}

// max_activation of both token sets and sink_rate of one window's tokens.
void SinkTracker::add_window(const WindowSizes& sizes, std::size_t window, Series& largest_ordinary,
                             Series& largest_all, Series& rate) const {
  const auto doc = static_cast<std::size_t>(context_.corpus.windows[window].document);
  const auto raise = [](double& x, double v) { x = std::isnan(x) ? v : std::max(x, v); };
  for (std::size_t at = 0; at < sizes.ratio.cols; ++at) {
    const auto token = static_cast<std::size_t>(context_.first_token[window]) + at;
    const bool ordinary = classes_[token] == TokenClass::ordinary;
    largest_all.weight[doc] += 1.0;
    largest_ordinary.weight[doc] += ordinary ? 1.0 : 0.0;
    rate.weight[doc] += 1.0;
    for (std::size_t s = 0; s < sizes.ratio.rows; ++s) {
      raise(largest_all.by_doc(doc, s), sizes.largest(s, at));
      if (ordinary) raise(largest_ordinary.by_doc(doc, s), sizes.largest(s, at));
      if (std::isnan(rate.by_doc(doc, s))) rate.by_doc(doc, s) = 0.0;
      rate.by_doc(doc, s) += sizes.ratio(s, at) > kMassiveRatio ? 1.0 : 0.0;
    }
  }
}

void SinkTracker::finish(Trace& trace) const {
  Series largest_all = make_series(context_, kMaxActivation, TokenSet::all);
  Series largest_ordinary = make_series(context_, kMaxActivation, TokenSet::ordinary);
  Series rate = make_series(context_, kSinkRate, TokenSet::all);
  rate.note = fmt::format("share of tokens whose RMS exceeds {:g} times the document's median token RMS",
                          kMassiveRatio);
  FirstTokens first;
  SinkPaths paths;
  for (const double ratio : kMaskRatios) trace.mask_counts.push_back({.ratio = ratio});
  for (std::size_t w = 0; w < context_.corpus.windows.size(); ++w) {
    const Window& window = context_.corpus.windows[w];
    const WindowSizes sizes = sizes_of(w);
    add_window(sizes, w, largest_ordinary, largest_all, rate);
    for (std::size_t at = 0; at < sizes.ratio.cols; ++at) {
      SinkToken sink = judge(sizes, at);
      sink.document = window.document;
      sink.window = window.index;
      sink.token_id = window.ids[at];
      paths.count(at == 0, sink.token_id);
      if (sink.onset_state >= 0) paths.follow(at == 0, sink.token_id, path_of(sizes, at));
      // Position 0 is a sink by its class, massive or not; lists and counts are about the others.
      if (at == 0) {
        first.add(sink);
        continue;
      }
      for (MaskCount& count : trace.mask_counts) {
        bool above = false;
        for (std::size_t s = 0; s < sizes.ratio.rows; ++s) above = above || sizes.ratio(s, at) > count.ratio;
        count.tokens += above ? 1 : 0;
      }
      if (sink.onset_state < 0) continue;
      ++trace.n_massive;
      trace.sinks.push_back(sink);
    }
  }
  for (std::size_t doc = 0; doc < rate.by_doc.rows; ++doc) {
    for (double& x : rate.by_doc.row(doc)) x /= std::max(1.0, rate.weight[doc]);
  }
  rate.note += first.words();
  std::stable_sort(trace.sinks.begin(), trace.sinks.end(),
                   [](const SinkToken& a, const SinkToken& b) { return a.peak_ratio > b.peak_ratio; });
  if (trace.sinks.size() > kListed) trace.sinks.resize(kListed);
  trace.sink_paths = paths.finish(kMassiveRatio);
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
  archive(rms_);
  archive.sized(median_);
  archive.sized(classes_);
  archive.sized(latest_onset_);
}

std::uint64_t SinkTracker::memory_bytes(const SweepContext& context) {
  if (context.place.spilled) return 0;
  return static_cast<std::uint64_t>(context.config.n_layers + 1) *
         static_cast<std::uint64_t>(context.token_count()) * 3 * sizeof(float);
}

}  // namespace strata
