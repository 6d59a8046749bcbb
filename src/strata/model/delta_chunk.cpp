#include "strata/model/delta_chunk.h"

#include <algorithm>
#include <cmath>

#include "strata/base/error.h"

namespace strata {
namespace {

constexpr ComputeDType kDType = ComputeDType::float32;

void room(std::vector<float>& buffer, std::int64_t count) {
  if (buffer.size() < static_cast<std::size_t>(count)) buffer.resize(static_cast<std::size_t>(count));
}

// Raw and activated rows of the convolution of a chunk's columns.
void activate(const DeltaGroup& x, const DeltaChunk& chunk, const ShortConvolution& convolution,
              std::int64_t column, float* raw, float* active) {
  convolve_rows(convolution, x.in.qkv.data + column, x.in.qkv.stride, chunk.first, chunk.rows, raw);
  silu_values(raw, active, chunk.rows * convolution.width);
}

}  // namespace

DeltaLayout::DeltaLayout(const DeltaDescription& sizes)
    : key_heads(sizes.key_heads),
      value_heads(sizes.value_heads),
      key_dim(sizes.key_dim),
      value_dim(sizes.value_dim),
      kernel(sizes.kernel) {
  STRATA_CHECK(key_heads > 0 && value_heads > 0 && value_heads % key_heads == 0);
  STRATA_CHECK(key_dim > 0 && value_dim > 0 && kernel > 0);
}

ShortConvolution DeltaGroup::queries() const {
  return {.taps = s.taps.data(), .kernel = layout.kernel, .width = layout.key_dim};
}

ShortConvolution DeltaGroup::keys() const {
  return {.taps = s.taps.data() + layout.kernel * layout.key_dim,
          .kernel = layout.kernel,
          .width = layout.key_dim};
}

ShortConvolution DeltaGroup::values(std::int64_t member) const {
  return {.taps = s.taps.data() + layout.kernel * (2 * layout.key_dim + member * layout.value_dim),
          .kernel = layout.kernel,
          .width = layout.value_dim};
}

float DeltaGroup::query_scale() const {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(layout.key_dim)));
}

void reserve_delta_scratch(const DeltaLayout& l, std::int64_t tokens, DeltaScratch& s) {
  const std::int64_t rows = std::min(kDeltaChunk, tokens);
  room(s.taps, l.kernel * (2 * l.key_dim + l.group() * l.value_dim));
  room(s.states, l.group() * l.key_dim * l.value_dim);
  for (std::vector<float>* keys : {&s.key_raw, &s.key_active, &s.unit}) room(*keys, 2 * rows * l.key_dim);
  room(s.inverse, 2 * rows);
  room(s.from_state, 2 * rows * l.value_dim);
  for (std::vector<float>* values :
       {&s.value_raw, &s.values, &s.innovation, &s.written, &s.decayed, &s.out}) {
    room(*values, rows * l.value_dim);
  }
  room(s.key_scores, 2 * rows * rows);
  for (std::vector<float>* scores : {&s.decay, &s.coupling, &s.scores}) room(*scores, rows * rows);
}

void prepare_group(DeltaGroup& x) {
  const DeltaLayout& l = x.layout;
  float* taps = x.s.taps.data();
  const auto turn = [&](std::int64_t column, std::int64_t width) {
    turn_taps(x.p.convolution + column * l.kernel, l.kernel, width, taps);
    taps += l.kernel * width;
  };
  turn(l.query_column(x.key_head), l.key_dim);
  turn(l.key_column(x.key_head), l.key_dim);
  for (std::int64_t member = 0; member < l.group(); ++member) {
    turn(l.value_column(x.value_head(member)), l.value_dim);
  }
}

void prepare_keys(DeltaGroup& x, const DeltaChunk& chunk) {
  const DeltaLayout& l = x.layout;
  DeltaScratch& s = x.s;
  const std::int64_t rows = chunk.rows, size = rows * l.key_dim;
  activate(x, chunk, x.keys(), l.key_column(x.key_head), s.key_raw.data(), s.key_active.data());
  activate(x, chunk, x.queries(), l.query_column(x.key_head), s.key_raw.data() + size,
           s.key_active.data() + size);
  unit_rows(s.key_active.data(), s.unit.data(), s.inverse.data(), 1.0f, rows, l.key_dim);
  unit_rows(s.key_active.data() + size, s.unit.data() + size, s.inverse.data() + rows, x.query_scale(), rows,
            l.key_dim);
  s.key_rows.reset(kDType, rows, l.key_dim);
  s.key_rows.put(s.unit.data(), l.key_dim);
  s.query_rows.reset(kDType, rows, l.key_dim);
  s.query_rows.put(s.unit.data() + size, l.key_dim);
  s.keys_turned.reset(kDType, l.key_dim, rows);
  s.keys_turned.put_transposed(s.unit.data(), l.key_dim);
  s.key_matrix.reset(kDType, rows, l.key_dim);
  s.key_matrix.put_rows(0, rows, s.unit.data(), l.key_dim);
  multiply(s.key_rows, s.key_matrix, {.data = s.key_scores.data(), .stride = rows});
  multiply(s.query_rows, s.key_matrix, {.data = s.key_scores.data() + rows * rows, .stride = rows});
}

void prepare_values(DeltaGroup& x, const DeltaChunk& chunk, std::int64_t member) {
  const std::int64_t head = x.value_head(member), rows = chunk.rows;
  activate(x, chunk, x.values(member), x.layout.value_column(head), x.s.value_raw.data(), x.s.values.data());
  const auto column = [&](const DeltaRows& of) {
    return DeltaRows{.data = of.data + chunk.first * of.stride + head, .stride = of.stride};
  };
  delta_gates(column(x.in.a), column(x.in.b), x.p.decay_rate[head], x.p.dt_bias[head], rows, x.gates);
  decay_matrix(x.gates.cumulative, rows, x.s.decay.data());
  multiply_values(x.s.decay.data(), x.s.key_scores.data(), x.s.coupling.data(), rows * rows);
}

void correct_state(DeltaGroup& x, const DeltaChunk& chunk, const float* state) {
  const DeltaLayout& l = x.layout;
  DeltaScratch& s = x.s;
  s.state_matrix.reset(kDType, l.value_dim, l.key_dim);
  s.state_matrix.put_transposed(state, l.value_dim);
  multiply(s.key_rows, s.state_matrix, {.data = s.from_state.data(), .stride = l.value_dim});
  solve_corrections({.coupling = s.coupling.data(), .rows = chunk.rows, .width = l.value_dim}, x.gates,
                    s.values.data(), s.from_state.data(), s.innovation.data(), s.written.data());
}

void read_state(DeltaGroup& x, const DeltaChunk& chunk) {
  const DeltaLayout& l = x.layout;
  DeltaScratch& s = x.s;
  const std::int64_t rows = chunk.rows;
  float* read = s.from_state.data() + rows * l.value_dim;
  multiply(s.query_rows, s.state_matrix, {.data = read, .stride = l.value_dim});
  scaled_rows(read, x.gates.from_start, s.out.data(), rows, l.value_dim);
  multiply_values(s.decay.data(), s.key_scores.data() + rows * rows, s.scores.data(), rows * rows);
  s.score_rows.reset(kDType, rows, rows);
  s.score_rows.put(s.scores.data(), rows);
  s.written_matrix.reset(kDType, l.value_dim, rows);
  s.written_matrix.put_transposed(s.written.data(), l.value_dim);
  multiply(s.score_rows, s.written_matrix, {.data = s.out.data(), .stride = l.value_dim, .add = true});
}

void advance_state(DeltaGroup& x, const DeltaChunk& chunk, float* state) {
  const DeltaLayout& l = x.layout;
  DeltaScratch& s = x.s;
  scaled_rows(s.written.data(), x.gates.to_end, s.decayed.data(), chunk.rows, l.value_dim);
  s.written_matrix.reset(kDType, l.value_dim, chunk.rows);
  s.written_matrix.put_transposed(s.decayed.data(), l.value_dim);
  scale_values(state, x.gates.whole, x.state_size());
  multiply(s.keys_turned, s.written_matrix, {.data = state, .stride = l.value_dim, .add = true});
}

}  // namespace strata
