#include "strata/sweep/frozen_network.h"

#include <algorithm>
#include <cmath>

#include "strata/base/error.h"
#include "strata/model/backward.h"
#include "strata/signals/token_math.h"

namespace strata {

FrozenNetwork::FrozenNetwork(const ResidentModel& model, const SweepContext& context,
                             std::span<const TokenClass> classes, const std::vector<LaneWindow>& windows,
                             int state)
    : model_(model), state_(state) {
  STRATA_CHECK(state >= 0 && state <= model.config.n_layers);
  std::int64_t longest = 0;
  for (const LaneWindow& w : windows) longest = std::max(longest, w.tokens);
  rope_ = make_rope_table(model.config, static_cast<int>(longest));
  const std::int64_t d = model.config.hidden;
  BlockScratch scratch;
  for (const LaneWindow& w : windows) {
    Window window{.tokens = w.tokens};
    window.last.resize(static_cast<std::size_t>(w.tokens * d));
    const auto& ids = context.corpus.windows[w.window].ids;
    embed(model.embedding, std::span(ids).first(static_cast<std::size_t>(w.tokens)), window.last.data());
    for (int block = 0; block < model.config.n_layers; ++block) {
      if (block == state) window.state = window.last;
      forward_block(model.blocks[static_cast<std::size_t>(block)], rope_, window.last.data(),
                    window.last.data(), w.tokens, scratch, nullptr);
    }
    if (state == model.config.n_layers) window.state = window.last;
    const auto first = static_cast<std::size_t>(context.first_token[w.window]);
    for (std::int64_t t = 0; t < w.tokens; ++t) {
      const float* h = window.state.data() + t * d;
      const double rms = std::sqrt(dot(h, h, d) / static_cast<double>(d));
      if (classes[first + static_cast<std::size_t>(t)] != TokenClass::ordinary || !(rms > 0.0)) continue;
      window.ordinary.push_back(t);
      window.rms.push_back(rms);
    }
    windows_.push_back(std::move(window));
  }
}

FrozenDecoder FrozenNetwork::decoder() const {
  return {.windows = windows_.size(),
          .rows = [this](std::size_t w) { return rows(windows_.at(w)); },
          .distortion = [this](std::size_t w, const Matrix& u,
                               Matrix* gradient) { return distortion(windows_.at(w), u, gradient); }};
}

Matrix FrozenNetwork::rows(const Window& window) const {
  const std::int64_t d = model_.config.hidden;
  Matrix u(window.ordinary.size(), static_cast<std::size_t>(d));
  double* out = u.data.data();
  for (std::size_t i = 0; i < window.ordinary.size(); ++i) {
    const float* h = window.state.data() + window.ordinary[i] * d;
    for (std::int64_t j = 0; j < d; ++j) *out++ = static_cast<double>(h[j]) / window.rms[i];
  }
  return u;
}

double FrozenNetwork::distortion(const Window& window, const Matrix& u, Matrix* gradient) const {
  const std::int64_t d = model_.config.hidden;
  STRATA_CHECK(u.rows == window.ordinary.size() && u.cols == static_cast<std::size_t>(d));
  const double* in = u.data.data();
  std::vector<std::vector<float>> states(static_cast<std::size_t>(model_.config.n_layers - state_) + 1);
  states[0] = window.state;
  for (std::size_t i = 0; i < window.ordinary.size(); ++i) {
    float* h = states[0].data() + window.ordinary[i] * d;
    for (std::int64_t j = 0; j < d; ++j) h[j] = static_cast<float>(window.rms[i] * *in++);
  }
  BlockScratch scratch;
  for (std::size_t i = 1; i < states.size(); ++i) {
    states[i].resize(states[0].size());
    forward_block(model_.blocks[static_cast<std::size_t>(state_) + i - 1], rope_, states[i - 1].data(),
                  states[i].data(), window.tokens, scratch, nullptr);
  }
  std::vector<float> pulled;
  const double kl = compare_heads(window, states.back(), gradient == nullptr ? nullptr : &pulled);
  if (gradient == nullptr) return kl;
  BackwardScratch backward;
  float* const gradients[] = {pulled.data()};
  for (std::size_t i = states.size() - 1; i > 0; --i) {
    backward_block(model_.blocks[static_cast<std::size_t>(state_) + i - 1], rope_, states[i - 1].data(),
                   gradients, window.tokens, backward);
  }
  *gradient = Matrix(u.rows, u.cols);
  double* out = gradient->data.data();
  for (std::size_t i = 0; i < window.ordinary.size(); ++i) {
    const float* g = pulled.data() + window.ordinary[i] * d;
    for (std::int64_t j = 0; j < d; ++j) *out++ = window.rms[i] * static_cast<double>(g[j]);
  }
  return kl;
}

// Mean KL per scored position; dKL / d logits of the replaced lane is q - p.
double FrozenNetwork::compare_heads(const Window& window, const std::vector<float>& last,
                                    std::vector<float>* gradient) const {
  const std::int64_t d = model_.config.hidden, scored = window.tokens - 1;
  const auto vocab = static_cast<std::size_t>(model_.head.unembedding.rows());
  std::vector<float> clean(kLogitRows * vocab), lane(kLogitRows * vocab);
  std::vector<double> p(vocab), q(vocab);
  LogitScratch scratch;
  if (gradient != nullptr) gradient->assign(last.size(), 0.0f);
  double sum = 0.0;
  const auto n = static_cast<double>(scored);
  for (std::int64_t begin = 0; begin < scored; begin += kLogitRows) {
    const std::int64_t rows = std::min(kLogitRows, scored - begin);
    compute_logits(model_.head, model_.config, window.last.data() + begin * d, rows, clean.data(), scratch);
    compute_logits(model_.head, model_.config, last.data() + begin * d, rows, lane.data(), scratch);
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::span<float> clean_row(clean.data() + static_cast<std::size_t>(r) * vocab, vocab);
      const std::span<float> lane_row(lane.data() + static_cast<std::size_t>(r) * vocab, vocab);
      softmax_row(clean_row, p);
      sum += divergence_from_logits(p, clean_row, lane_row).kl_nats;
      if (gradient == nullptr) continue;
      softmax_row(lane_row, q);
      for (std::size_t v = 0; v < vocab; ++v) lane_row[v] = static_cast<float>((q[v] - p[v]) / n);
    }
    if (gradient == nullptr) continue;
    std::fill(lane.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(rows) * vocab), lane.end(),
              0.0f);
    backward_logits(model_.head, model_.config, last.data() + begin * d, rows, lane.data(),
                    gradient->data() + begin * d, scratch);
  }
  return sum / n;
}

}  // namespace strata
