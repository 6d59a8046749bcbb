// Gradients of the gated delta rule, chunk by chunk from the last to the first. Names: d_x is the gradient of
// x, n the number of tokens of the chunk; delta_chunk.h has the formulas.
#include <algorithm>
#include <vector>

#include "strata/model/delta_chunk.h"
#include "strata/model/delta_rule.h"

namespace strata {
namespace {

constexpr ComputeDType kDType = ComputeDType::float32;

void room(std::vector<float>& buffer, std::int64_t count) {
  if (buffer.size() < static_cast<std::size_t>(count)) buffer.resize(static_cast<std::size_t>(count));
}

// Row-major values without gaps.
struct Values {
  const float* data;
  std::int64_t rows, columns;
};

// The window's gradients: where they come from, where they go, and scratch.
struct Backward {
  const float* d_mixed;
  const DeltaGradients& to;
  DeltaBackwardScratch& b;
};

// One value head and chunk of the backward pass.
struct Step {
  DeltaGroup& x;
  const DeltaChunk& chunk;
  const float* d_mixed;
  const DeltaGradients& to;
  DeltaBackwardScratch& b;
  std::int64_t member;
  const float* state;  // before the chunk
  float* d_state;      // after the chunk, then before it

  DeltaScratch& s = b.forward;
  std::int64_t n = chunk.rows, keys = x.layout.key_dim, width = x.layout.value_dim;
  float* d_values = b.d_values.data();
  float* d_out = b.d_values.data() + n * width;
  double d_strength[kDeltaChunk] = {}, d_log_decay[kDeltaChunk] = {};
};

// out = left * right^T, or added to it.
void multiply_rows(DeltaBackwardScratch& b, const Values& left, const Values& right, float* out, bool add) {
  b.rows.reset(kDType, left.rows, left.columns);
  b.rows.put(left.data, left.columns);
  b.matrix.reset(kDType, right.rows, right.columns);
  b.matrix.put_rows(0, right.rows, right.data, right.columns);
  multiply(b.rows, b.matrix, {.data = out, .stride = right.rows, .add = add});
}

// out = left * right, or added to it.
void multiply_plain(DeltaBackwardScratch& b, const PackedRows& left, const Values& right, float* out,
                    bool add) {
  b.matrix.reset(kDType, right.columns, right.rows);
  b.matrix.put_transposed(right.data, right.columns);
  multiply(left, b.matrix, {.data = out, .stride = right.columns, .add = add});
}

// out = left^T * right, or added to it.
void multiply_turned(DeltaBackwardScratch& b, const Values& left, const Values& right, float* out, bool add) {
  b.rows.reset(kDType, left.columns, left.rows);
  b.rows.put_transposed(left.data, left.columns);
  multiply_plain(b, b.rows, right, out, add);
}

// The forward pass of the chunk, and d_out.
void recompute_step(Step& y) {
  const std::int64_t column = y.x.value_head(y.member) * y.width;
  prepare_values(y.x, y.chunk, y.member);
  correct_state(y.x, y.chunk, y.state);
  read_state(y.x, y.chunk);
  const DeltaRows& z = y.x.in.z;
  gated_norm_backward_rows(
      {.o = y.s.out.data(),
       .z = {.data = z.data + y.chunk.first * z.stride + column, .stride = z.stride},
       .d_mixed = {.data = y.d_mixed + y.chunk.first * y.x.layout.width() + column,
                   .stride = y.x.layout.width()},
       .d_o = y.d_out,
       .d_z = {.data = y.to.z.data + y.chunk.first * y.to.z.stride + column, .stride = y.to.z.stride}},
      y.x.p.norm, y.x.p.eps, y.n, y.width);
}

// d_written = scores^T d_out + to_end * (K d_state), then `solved` and d_values through the triangular
// system.
void written_backward(Step& y) {
  const DeltaGates& gates = y.x.gates;
  float* d_written = y.b.d_written.data();
  float* from_gradient = y.b.from_gradient.data();
  multiply_turned(y.b, {y.s.scores.data(), y.n, y.n}, {y.d_out, y.n, y.width}, d_written, false);
  multiply_plain(y.b, y.s.key_rows, {y.d_state, y.keys, y.width}, from_gradient, false);
  add_scaled_rows(from_gradient, gates.to_end, d_written, y.n, y.width);
  solve_corrections_backward({.coupling = y.s.coupling.data(), .rows = y.n, .width = y.width}, gates,
                             d_written, y.b.solved.data(), y.d_values);
}

// Gradients of the key scores: those of decay * (K K^T) and decay * (Q K^T) in products, first d_values
// written^T (minus the former), then d_out written^T.
void scores_backward(Step& y) {
  const std::int64_t square = y.n * y.n;
  float* products = y.b.products.data();
  multiply_rows(y.b, {y.d_values, 2 * y.n, y.width}, {y.s.written.data(), y.n, y.width}, products, false);
  add_products(y.s.decay.data(), products, -1.0f, y.b.d_key_scores.data(), square);
  add_products(y.s.decay.data(), products + square, 1.0f, y.b.d_key_scores.data() + square, square);
}

// What only the key head's rows get from the states, and d_state before the chunk.
void states_backward(Step& y) {
  float* d_read = y.b.d_read.data();
  scaled_rows(y.d_values, y.x.gates.from_start, d_read, y.n, y.width);
  scale_values(d_read, -1.0f, y.n * y.width);
  scaled_rows(y.d_out, y.x.gates.from_start, d_read + y.n * y.width, y.n, y.width);
  multiply_rows(y.b, {d_read, 2 * y.n, y.width}, {y.state, y.keys, y.width}, y.b.d_unit.data(), true);
  scaled_rows(y.s.written.data(), y.x.gates.to_end, y.s.decayed.data(), y.n, y.width);
  multiply_rows(y.b, {y.s.decayed.data(), y.n, y.width}, {y.d_state, y.keys, y.width}, y.b.d_unit.data(),
                true);
}

// d g of each token: the sum over everything that its decay multiplies. Each term has its own decay as a
// factor and enters with the same bits where it begins and where it ends, so that strong decays stay exact.
void decay_backward(Step& y) {
  const std::int64_t n = y.n, width = y.width;
  const float* d_key = y.b.d_read.data();  // of K S, then of Q S
  const float* read = y.s.from_state.data();
  const float* products = y.b.products.data();
  double d_cumulative[kDeltaChunk] = {};
  double at_end = y.x.gates.whole * dot_values(y.d_state, y.state, y.x.state_size());
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t row = i * width, query = (n + i) * width;
    d_cumulative[i] +=
        dot_values(d_key + row, read + row, width) + dot_values(d_key + query, read + query, width);
    const double to_end = dot_values(y.s.decayed.data() + row, y.b.from_gradient.data() + row, width);
    d_cumulative[i] -= to_end;
    at_end += to_end;
    y.d_strength[i] = dot_values(y.b.solved.data() + row, y.s.innovation.data() + row, width);
  }
  pair_decay_gradients({.coupling = y.s.coupling.data(),
                        .d_coupling = products,
                        .scores = y.s.scores.data(),
                        .d_scores = products + n * n,
                        .rows = n},
                       d_cumulative);
  double sum = at_end;
  for (std::int64_t i = n - 1; i >= 0; --i) y.d_log_decay[i] = sum += d_cumulative[i];
}

// d b, d a and (before the convolution) d v, to where they go.
void inputs_backward(Step& y) {
  const std::int64_t head = y.x.value_head(y.member);
  for (std::int64_t i = 0; i < y.n; ++i) {
    const std::int64_t token = y.chunk.first + i;
    y.to.b.data[token * y.to.b.stride + head] =
        static_cast<float>(y.d_strength[i] * y.x.gates.strength_slope[i]);
    y.to.a.data[token * y.to.a.stride + head] = static_cast<float>(y.d_log_decay[i] * y.x.gates.slope[i]);
  }
  float* d_qkv = y.to.qkv.data + y.chunk.first * y.to.qkv.stride + y.x.layout.value_column(head);
  silu_backward_rows(y.s.value_raw.data(), y.d_values, d_qkv, y.to.qkv.stride, y.n, y.width);
}

void value_head_backward(Step& y) {
  recompute_step(y);
  written_backward(y);
  scores_backward(y);
  states_backward(y);
  decay_backward(y);
  inputs_backward(y);
  // d_state before the chunk: whole d_state + K^T d(K S) + Q^T d(Q S)
  scale_values(y.d_state, y.x.gates.whole, y.x.state_size());
  multiply_plain(y.b, y.b.unit_turned, {y.b.d_read.data(), 2 * y.n, y.width}, y.d_state, true);
}

// The key head's d q and d k of a chunk (before the convolution), to where they go, after all value heads.
void keys_backward(DeltaGroup& x, const DeltaChunk& chunk, const DeltaGradients& to,
                   DeltaBackwardScratch& b) {
  const DeltaLayout& l = x.layout;
  const std::int64_t n = chunk.rows, size = n * l.key_dim;
  const float *keys = x.s.unit.data(), *queries = keys + size;
  float *d_keys = b.d_unit.data(), *d_queries = d_keys + size;
  float *of_keys = b.d_key_scores.data(), *of_queries = of_keys + n * n;
  // d Q += D K, d K += D^T Q with D = d(Q K^T); d K += (D + D^T) K with D = d(K K^T)
  b.rows.reset(kDType, n, n);
  b.rows.put(of_queries, n);
  multiply_plain(b, b.rows, {keys, n, l.key_dim}, d_queries, true);
  multiply_turned(b, {of_queries, n, n}, {queries, n, l.key_dim}, d_keys, true);
  for (std::int64_t i = 0; i < n; ++i) {
    of_keys[i * n + i] = 0.0f;
    for (std::int64_t j = 0; j < i; ++j) of_keys[j * n + i] = of_keys[i * n + j];
  }
  b.rows.put(of_keys, n);
  multiply_plain(b, b.rows, {keys, n, l.key_dim}, d_keys, true);

  unit_backward_rows(x.s.key_active.data(), x.s.inverse.data(), d_keys, 1.0f, n, l.key_dim);
  unit_backward_rows(x.s.key_active.data() + size, x.s.inverse.data() + n, d_queries, x.query_scale(), n,
                     l.key_dim);
  float* rows = to.qkv.data + chunk.first * to.qkv.stride;
  silu_backward_rows(x.s.key_raw.data(), d_keys, rows + l.key_column(x.key_head), to.qkv.stride, n,
                     l.key_dim);
  silu_backward_rows(x.s.key_raw.data() + size, d_queries, rows + l.query_column(x.key_head), to.qkv.stride,
                     n, l.key_dim);
}

// The state of every member before every chunk.
void keep_states(DeltaGroup& x, DeltaBackwardScratch& b) {
  const std::int64_t size = x.layout.group() * x.state_size();
  float* kept = b.chunk_states.data();
  std::fill_n(kept, size, 0.0f);
  for (std::int64_t first = 0; first + kDeltaChunk < x.in.tokens; first += kDeltaChunk, kept += size) {
    const DeltaChunk chunk{.first = first, .rows = kDeltaChunk};
    std::copy_n(kept, size, kept + size);
    prepare_keys(x, chunk);
    for (std::int64_t member = 0; member < x.layout.group(); ++member) {
      float* state = kept + size + member * x.state_size();
      prepare_values(x, chunk, member);
      correct_state(x, chunk, state);
      advance_state(x, chunk, state);
    }
  }
}

void chunk_backward(DeltaGroup& x, const DeltaChunk& chunk, const float* states, const Backward& back) {
  DeltaBackwardScratch& b = back.b;
  const DeltaLayout& l = x.layout;
  prepare_keys(x, chunk);
  b.unit_turned.reset(kDType, l.key_dim, 2 * chunk.rows);
  b.unit_turned.put_transposed(x.s.unit.data(), l.key_dim);
  std::fill_n(b.d_unit.begin(), 2 * chunk.rows * l.key_dim, 0.0f);
  std::fill_n(b.d_key_scores.begin(), 2 * chunk.rows * chunk.rows, 0.0f);
  for (std::int64_t member = 0; member < l.group(); ++member) {
    Step step{.x = x,
              .chunk = chunk,
              .d_mixed = back.d_mixed,
              .to = back.to,
              .b = b,
              .member = member,
              .state = states + member * x.state_size(),
              .d_state = b.d_states.data() + member * x.state_size()};
    value_head_backward(step);
  }
  keys_backward(x, chunk, back.to, b);
}

void group_backward(DeltaGroup& x, const Backward& back) {
  DeltaBackwardScratch& b = back.b;
  const DeltaLayout& l = x.layout;
  const std::int64_t tokens = x.in.tokens, chunks = (tokens + kDeltaChunk - 1) / kDeltaChunk;
  prepare_group(x);
  keep_states(x, b);
  std::fill_n(b.d_states.begin(), l.group() * x.state_size(), 0.0f);
  for (std::int64_t chunk = chunks - 1; chunk >= 0; --chunk) {
    const std::int64_t first = chunk * kDeltaChunk;
    chunk_backward(x, {.first = first, .rows = std::min(kDeltaChunk, tokens - first)},
                   b.chunk_states.data() + chunk * l.group() * x.state_size(), back);
  }
  const auto convolution = [&](const ShortConvolution& taps, std::int64_t column) {
    convolve_backward_rows(taps, back.to.qkv.data + column, back.to.qkv.stride, tokens);
  };
  convolution(x.queries(), l.query_column(x.key_head));
  convolution(x.keys(), l.key_column(x.key_head));
  for (std::int64_t member = 0; member < l.group(); ++member) {
    convolution(x.values(member), l.value_column(x.value_head(member)));
  }
}

// Everything but the packed operands: (buffer, floats).
template <class Visit>
void visit_buffers(const DeltaLayout& l, std::int64_t tokens, Visit visit) {
  using B = DeltaBackwardScratch;
  const std::int64_t n = std::min(kDeltaChunk, tokens), chunks = (tokens + kDeltaChunk - 1) / kDeltaChunk;
  const std::int64_t states = l.group() * l.key_dim * l.value_dim, rows = n * l.value_dim;
  visit(&B::chunk_states, chunks * states);
  visit(&B::d_states, states);
  visit(&B::d_unit, 2 * n * l.key_dim);
  visit(&B::d_key_scores, 2 * n * n);
  visit(&B::products, 2 * n * n);
  visit(&B::d_values, 2 * rows);
  visit(&B::d_read, 2 * rows);
  for (const auto buffer : {&B::d_written, &B::from_gradient, &B::solved}) visit(buffer, rows);
}

}  // namespace

std::uint64_t delta_backward_scratch_bytes(const DeltaDescription& sizes, int tokens) {
  const DeltaLayout l(sizes);
  const std::int64_t n = std::min<std::int64_t>(kDeltaChunk, tokens);
  const std::int64_t larger = std::max(l.key_dim, l.value_dim);
  std::int64_t floats = 0;
  visit_buffers(l, tokens, [&](auto, std::int64_t count) { floats += count; });
  return static_cast<std::uint64_t>(floats) * sizeof(float) + delta_scratch_bytes(sizes, tokens) +
         packed_rows_bytes(kDType, 2 * n, std::max(larger, n)) + packed_rows_bytes(kDType, l.key_dim, 2 * n) +
         std::max({packed_bytes(kDType, larger, 2 * n), packed_bytes(kDType, larger, larger),
                   packed_bytes(kDType, n, larger)});
}

void delta_rule_backward(const DeltaParameters& parameters, const DeltaInput& input, const float* d_mixed,
                         const DeltaGradients& gradients, DeltaBackwardScratch& scratch) {
  const DeltaLayout layout(parameters.sizes);
  if (input.tokens == 0) return;
  reserve_delta_scratch(layout, input.tokens, scratch.forward);
  visit_buffers(layout, input.tokens, [&](auto buffer, std::int64_t count) { room(scratch.*buffer, count); });
  for (std::int64_t head = 0; head < layout.key_heads; ++head) {
    DeltaGroup group{.p = parameters, .in = input, .s = scratch.forward, .key_head = head};
    group_backward(group, {.d_mixed = d_mixed, .to = gradients, .b = scratch});
  }
}

}  // namespace strata
