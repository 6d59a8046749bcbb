#include "strata/model/delta_rule.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "strata/base/error.h"
#include "strata/model/delta_chunk.h"

namespace strata {
namespace {

// The statistics as sums over heads. `state_memory` holds the member's memory before the chunk, then after
// it.
void add_sums(const DeltaGroup& x, const DeltaChunk& chunk, double& state_memory, const DeltaSums& sums) {
  const std::int64_t width = x.layout.value_dim;
  for (std::int64_t r = 0; r < chunk.rows; ++r) {
    const auto token = static_cast<std::size_t>(chunk.first + r);
    const double decay = std::exp(x.gates.log_decay[r]);
    state_memory = 1.0 + decay * state_memory;
    if (!sums.decay.empty()) sums.decay[token] += decay;
    if (!sums.strength.empty()) sums.strength[token] += x.gates.strength[r];
    if (!sums.memory.empty()) sums.memory[token] += state_memory;
    if (sums.surprise.empty()) continue;
    const float* innovation = x.s.innovation.data() + r * width;
    const float* value = x.s.values.data() + r * width;
    sums.surprise[token] += dot_values(innovation, innovation, width);
    x.s.value_squares[token] += dot_values(value, value, width);
  }
}

void begin_sums(const DeltaSums& sums, std::int64_t tokens, DeltaScratch& scratch) {
  for (const std::span<double> of : {sums.decay, sums.strength, sums.memory, sums.surprise}) {
    STRATA_CHECK(of.empty() || of.size() == static_cast<std::size_t>(tokens));
    std::ranges::fill(of, 0.0);
  }
  scratch.value_squares.assign(static_cast<std::size_t>(tokens), 0.0);
}

void end_sums(const DeltaSums& sums, std::int64_t heads, const DeltaScratch& scratch) {
  for (const std::span<double> of : {sums.decay, sums.strength, sums.memory}) {
    for (double& value : of) value /= static_cast<double>(heads);
  }
  for (std::size_t t = 0; t < sums.surprise.size(); ++t) {
    const double square = scratch.value_squares[t];
    sums.surprise[t] =
        square > 0.0 ? std::sqrt(sums.surprise[t] / square) : std::numeric_limits<double>::quiet_NaN();
  }
}

void run_chunk(DeltaGroup& x, const DeltaChunk& chunk, float* mixed, const DeltaSums* sums) {
  const DeltaLayout& l = x.layout;
  prepare_keys(x, chunk);
  for (std::int64_t member = 0; member < l.group(); ++member) {
    const std::int64_t column = x.value_head(member) * l.value_dim;
    float* state = x.s.states.data() + member * x.state_size();
    prepare_values(x, chunk, member);
    correct_state(x, chunk, state);
    read_state(x, chunk);
    gated_norm_rows(x.s.out.data(),
                    {.data = x.in.z.data + chunk.first * x.in.z.stride + column, .stride = x.in.z.stride},
                    x.p.norm, x.p.eps, chunk.rows, l.value_dim,
                    {.data = mixed + chunk.first * l.width() + column, .stride = l.width()});
    if (sums != nullptr) add_sums(x, chunk, x.s.memory[static_cast<std::size_t>(member)], *sums);
    advance_state(x, chunk, state);
  }
}

}  // namespace

std::uint64_t delta_scratch_bytes(const DeltaDescription& sizes, int tokens) {
  const DeltaLayout l(sizes);
  const std::int64_t rows = std::min<std::int64_t>(kDeltaChunk, tokens);
  const std::int64_t floats = l.kernel * (2 * l.key_dim + l.group() * l.value_dim) +
                              l.group() * l.key_dim * l.value_dim + 6 * rows * l.key_dim + 2 * rows +
                              8 * rows * l.value_dim + 5 * rows * rows;
  const ComputeDType dtype = ComputeDType::float32;
  return static_cast<std::uint64_t>(floats) * sizeof(float) +
         static_cast<std::uint64_t>(tokens + l.group()) * sizeof(double) +
         2 * packed_rows_bytes(dtype, rows, l.key_dim) + packed_rows_bytes(dtype, l.key_dim, rows) +
         packed_rows_bytes(dtype, rows, rows) + packed_bytes(dtype, rows, l.key_dim) +
         packed_bytes(dtype, l.value_dim, l.key_dim) + packed_bytes(dtype, l.value_dim, rows);
}

void delta_rule(const DeltaParameters& parameters, const DeltaInput& input, float* mixed,
                DeltaScratch& scratch, const DeltaSums* sums) {
  const DeltaLayout layout(parameters.sizes);
  if (input.tokens == 0) return;
  reserve_delta_scratch(layout, input.tokens, scratch);
  if (sums != nullptr) begin_sums(*sums, input.tokens, scratch);
  for (std::int64_t head = 0; head < layout.key_heads; ++head) {
    DeltaGroup group{.p = parameters, .in = input, .s = scratch, .key_head = head};
    prepare_group(group);
    std::fill_n(scratch.states.begin(), layout.group() * group.state_size(), 0.0f);
    scratch.memory.assign(static_cast<std::size_t>(layout.group()), 0.0);
    for (std::int64_t first = 0; first < input.tokens; first += kDeltaChunk) {
      run_chunk(group, {.first = first, .rows = std::min(kDeltaChunk, input.tokens - first)}, mixed, sums);
    }
  }
  if (sums != nullptr) end_sums(*sums, layout.value_heads, scratch);
}

}  // namespace strata
