#include "strata/model/backward.h"

#include <algorithm>

#include "strata/base/error.h"
#include "strata/model/backward_kernels.h"
#include "strata/model/cpu_backend.h"
#include "strata/model/kernels.h"
#include "strata/model/room.h"

namespace strata {
namespace {

// One window: what its functions need, and what the forward pass leaves for the gradients in `s`.
struct Window {
  const BlockWeights& w;
  const RopeTable& rope;
  std::int64_t n;
  BackwardScratch& s;
  HeadLayout layout = HeadLayout(w.block.attention);
  std::int64_t d = w.block.hidden;
  double eps = w.block.norm_eps;

  // x (n, columns) as left operand.
  const PackedRows& packed(const float* x, std::int64_t columns) {
    s.input.reset(w.dtype(), n, columns);
    s.input.put(x, columns);
    return s.input;
  }
};

// Keeps what was attended and the gate; `attended` is multiplied by it.
void gate_attention(Window& x, const float* normed, float* attended) {
  const std::int64_t count = x.n * x.layout.out_width;
  std::copy_n(attended, count, room(x.s.ungated, count));
  float* gate = room(x.s.gate, count);
  multiply(x.packed(normed, x.d), x.w.query_gate.packed(), {.data = gate, .stride = x.layout.out_width});
  apply_gate(attended, gate, count);
}

// attended (n, out_width) of the normed rows.
const float* recompute_attention(Window& x, const float* normed) {
  const BlockWeights& w = x.w;
  const HeadLayout& layout = x.layout;
  float* raw = room(x.s.qkv_raw, x.n * layout.width);
  multiply(x.packed(normed, x.d), w.qkv.packed(), {.data = raw, .stride = layout.width});
  add_qkv_bias(w, raw, x.n);
  float* qkv = room(x.s.qkv, x.n * layout.width);
  std::copy_n(raw, x.n * layout.width, qkv);
  normalise_and_rotate(w, x.rope, qkv, x.n);
  float* attended = room(x.s.attended, x.n * layout.out_width);
  attend(layout, w.dtype(), qkv, attended, x.n, x.s.attention, nullptr);
  if (w.query_gate.defined()) gate_attention(x, normed, attended);
  return attended;
}

// x (n, columns) * w^T, for the products of the delta rule.
float* multiply_rows(Window& x, const float* rows, const Weight& w, std::vector<float>& out) {
  float* to = room(out, x.n * w.rows());
  x.s.input.reset(w.dtype(), x.n, w.columns());
  x.s.input.put(rows, w.columns());
  multiply(x.s.input, w.packed(), {.data = to, .stride = w.rows()});
  return to;
}

const float* recompute_delta_rule(Window& x, const float* normed) {
  const DeltaWeights& w = x.w.delta;
  const float* qkv = multiply_rows(x, normed, w.qkv, x.s.qkv_raw);
  const float* gate = multiply_rows(x, normed, w.gate, x.s.gate);
  const float* write_and_step = multiply_rows(x, normed, w.write_and_step, x.s.write_and_step);
  float* mixed = room(x.s.attended, x.n * w.gate.rows());
  delta_rule(delta_parameters(x.w), delta_input(x.w, qkv, gate, write_and_step, x.n), mixed,
             x.s.delta.forward);
  return mixed;
}

// The forward pass as far as the gradients need it, as forward_block computes it.
void recompute(Window& x, const float* h) {
  const BlockWeights& w = x.w;
  const bool delta = w.block.mixer == Mixer::delta_rule;
  float* normed = room(x.s.normed, x.n * x.d);
  rms_norm_rows(h, x.d, normed, x.d, w.attention_norm.data(), x.n, x.d, x.eps);
  const float* mixed = delta ? recompute_delta_rule(x, normed) : recompute_attention(x, normed);
  const Weight& output = delta ? w.delta.output : w.attention_output;
  float* middle = room(x.s.h_mid, x.n * x.d);
  multiply(x.packed(mixed, output.columns()), output.packed(), {.data = middle, .stride = x.d});
  if (w.output_bias.defined()) add_bias_rows(middle, x.d, w.output_bias.data(), x.n, x.d);
  add_in_place(middle, h, x.n * x.d);
  rms_norm_rows(middle, x.d, normed, x.d, w.mlp_norm.data(), x.n, x.d, x.eps);
  feed_forward_recompute(w, normed, x.n, x.s.feed_forward);
}

// gradient: d/dh_out -> d/dh_mid.
void feed_forward_half_backward(Window& x, float* gradient, bool frozen_routing) {
  float* branch = room(x.s.branch, x.n * x.d);
  feed_forward_backward(x.w, gradient, x.n, branch, frozen_routing, x.s.feed_forward);
  rms_norm_backward_rows(x.s.h_mid.data(), x.d, branch, x.d, gradient, x.d, x.w.mlp_norm.data(), x.n, x.d,
                         x.eps);
}

// One head, one block of queries: its part of the gradients of q, k and v.
void query_block_backward(Window& x, std::int64_t head, const QueryRows& queries, const float* d_attended) {
  const HeadLayout& layout = x.layout;
  const ComputeDType dtype = x.w.dtype();
  const std::int64_t kv = head / layout.group(), rows = queries.rows, dim = layout.dim;
  const float* q = x.s.qkv.data() + queries.first * layout.width + head * dim;
  const float* d_out = d_attended + queries.first * layout.out_width + head * dim;
  float* d_qkv = x.s.d_qkv.data();
  float* p = room(x.s.attention.scores, kQueryRows * x.n);
  float* d_scores = room(x.s.d_scores, kQueryRows * x.n);
  attention_probabilities(layout, q, queries, p, x.s.attention, nullptr);

  x.s.attention.queries.reset(dtype, rows, dim);
  x.s.attention.queries.put(d_out, layout.out_width);
  multiply(x.s.attention.queries, x.s.value_rows, 0, queries.keys,
           {.data = d_scores, .stride = queries.stride});

  // d v += p^T d_out
  x.s.turned.reset(dtype, queries.keys, rows);
  x.s.turned.put_transposed(p, queries.stride);
  x.s.block.reset(dtype, dim, rows);
  x.s.block.put_transposed(d_out, layout.out_width);
  multiply(x.s.turned, x.s.block,
           {.data = d_qkv + layout.value_column(kv), .stride = layout.width, .add = true});

  causal_softmax_backward(p, d_scores, queries, layout.scale);

  // d q = d_scores k
  x.s.attention.probabilities.reset(dtype, rows, queries.keys);
  x.s.attention.probabilities.put(d_scores, queries.stride);
  multiply(x.s.attention.probabilities, x.s.turned_keys,
           {.data = d_qkv + queries.first * layout.width + head * dim, .stride = layout.width});

  // d k += d_scores^T q
  x.s.turned.put_transposed(d_scores, queries.stride);
  x.s.block.put_transposed(q, layout.width);
  multiply(x.s.turned, x.s.block,
           {.data = d_qkv + layout.key_column(kv), .stride = layout.width, .add = true});
}

// Gradients of the rotated q, k and v of every head, into s.d_qkv.
void attention_backward(Window& x, const float* d_attended) {
  const HeadLayout& layout = x.layout;
  const ComputeDType dtype = x.w.dtype();
  std::fill_n(room(x.s.d_qkv, x.n * layout.width), x.n * layout.width, 0.0f);
  for (std::int64_t kv = 0; kv < layout.kv_heads; ++kv) {
    const float* keys = x.s.qkv.data() + layout.key_column(kv);
    const float* values = x.s.qkv.data() + layout.value_column(kv);
    x.s.attention.keys.reset(dtype, x.n, layout.dim);
    x.s.attention.keys.put_rows(0, x.n, keys, layout.width);
    x.s.turned_keys.reset(dtype, layout.dim, x.n);
    x.s.turned_keys.put_transposed(keys, layout.width);
    x.s.value_rows.reset(dtype, x.n, layout.dim);
    x.s.value_rows.put_rows(0, x.n, values, layout.width);
    for (std::int64_t first = 0; first < x.n; first += kQueryRows) {
      const std::int64_t rows = std::min(kQueryRows, x.n - first);
      const QueryRows queries{
          .first = first, .rows = rows, .stride = x.n, .keys = first + rows, .window = layout.window};
      for (std::int64_t head = kv * layout.group(); head < (kv + 1) * layout.group(); ++head) {
        query_block_backward(x, head, queries, d_attended);
      }
    }
  }
}

// d_qkv of the rotated and normed heads -> of the products' rows.
void rotation_backward(Window& x) {
  const HeadLayout& layout = x.layout;
  const std::int64_t rotated = layout.heads + layout.kv_heads;
  float* d_qkv = x.s.d_qkv.data();
  if (!x.rope.query_scale.empty())
    scale_rows(d_qkv, layout.width, x.rope.query_scale.data(), x.n, layout.heads * layout.dim);
  if (x.w.block.attention.rope) {
    // The transpose of a rotation, whatever its length: the same angles with the sine's sign turned.
    const RopeTable::View view = x.rope.of(x.n);
    const std::int64_t angles = x.n * (layout.rotated / 2);
    std::transform(view.sin, view.sin + angles, room(x.s.no_sin, angles), std::negate<>());
    rope_rows(
        d_qkv,
        {.stride = layout.width, .rows = x.n, .heads = rotated, .dim = layout.dim, .rotated = layout.rotated},
        view.cos, x.s.no_sin.data());
  }
  for (std::int64_t head = 0; x.w.query_norm.defined() && head < rotated; ++head) {
    const WeightVector& norm = head < layout.heads ? x.w.query_norm : x.w.key_norm;
    float* column = d_qkv + head * layout.dim;
    float* d_raw = room(x.s.d_head, x.n * layout.dim);
    std::fill_n(d_raw, x.n * layout.dim, 0.0f);
    rms_norm_backward_rows(x.s.qkv_raw.data() + head * layout.dim, layout.width, column, layout.width, d_raw,
                           layout.dim, norm.data(), x.n, layout.dim, x.eps);
    for (std::int64_t r = 0; r < x.n; ++r) {
      std::copy_n(d_raw + r * layout.dim, layout.dim, column + r * layout.width);
    }
  }
}

// gradient: d/dh_mid -> d/dh_in.
void branch_backward(Window& x, const float* h, float* gradient) {
  const HeadLayout& layout = x.layout;
  float* d_attended = room(x.s.d_attended, x.n * layout.out_width);
  multiply_transposed(x.packed(gradient, x.d), x.w.attention_output.packed(),
                      {.data = d_attended, .stride = layout.out_width});
  const bool gated = x.w.query_gate.defined();
  if (gated)
    apply_gate_backward(x.s.ungated.data(), x.s.gate.data(), x.n * layout.out_width, d_attended,
                        room(x.s.d_gate, x.n * layout.out_width));
  attention_backward(x, d_attended);
  rotation_backward(x);
  float* branch = room(x.s.branch, x.n * x.d);
  multiply_transposed(x.packed(x.s.d_qkv.data(), layout.width), x.w.qkv.packed(),
                      {.data = branch, .stride = x.d});
  if (gated) {
    multiply_transposed(x.packed(x.s.d_gate.data(), layout.out_width), x.w.query_gate.packed(),
                        {.data = branch, .stride = x.d, .add = true});
  }
  rms_norm_backward_rows(h, x.d, branch, x.d, gradient, x.d, x.w.attention_norm.data(), x.n, x.d, x.eps);
}

// Through the delta rule.
void delta_branch_backward(Window& x, const float* h, float* gradient) {
  const DeltaWeights& w = x.w.delta;
  const std::int64_t width = w.gate.rows(), channels = w.qkv.rows(), heads = x.w.block.delta.value_heads;
  float* d_mixed = room(x.s.d_attended, x.n * width);
  multiply_transposed(x.packed(gradient, x.d), w.output.packed(), {.data = d_mixed, .stride = width});
  float* d_qkv = room(x.s.d_qkv, x.n * channels);
  float* d_gate = room(x.s.d_gate, x.n * width);
  float* d_write_and_step = room(x.s.d_write_and_step, 2 * x.n * heads);
  delta_rule_backward(delta_parameters(x.w),
                      delta_input(x.w, x.s.qkv_raw.data(), x.s.gate.data(), x.s.write_and_step.data(), x.n),
                      d_mixed,
                      {.qkv = {d_qkv, channels},
                       .z = {d_gate, width},
                       .b = {d_write_and_step, 2 * heads},
                       .a = {d_write_and_step + heads, 2 * heads}},
                      x.s.delta);
  float* branch = room(x.s.branch, x.n * x.d);
  multiply_transposed(x.packed(d_qkv, channels), w.qkv.packed(), {.data = branch, .stride = x.d});
  multiply_transposed(x.packed(d_gate, width), w.gate.packed(), {.data = branch, .stride = x.d, .add = true});
  x.s.input.reset(w.write_and_step.dtype(), x.n, 2 * heads);
  x.s.input.put(d_write_and_step, 2 * heads);
  multiply_transposed(x.s.input, w.write_and_step.packed(), {.data = branch, .stride = x.d, .add = true});
  rms_norm_backward_rows(h, x.d, branch, x.d, gradient, x.d, x.w.attention_norm.data(), x.n, x.d, x.eps);
}

std::uint64_t delta_scratch_of(const BlockDescription& b, int tokens) {
  const DeltaLayout delta(b.delta);
  const std::int64_t d = b.hidden;
  const std::int64_t each = 3 * d + 2 * delta.channels() + 4 * delta.width() + 4 * delta.value_heads +
                            std::max({d, delta.width(), delta.channels()});
  return static_cast<std::uint64_t>(tokens * each) * sizeof(float) +
         delta_backward_scratch_bytes(b.delta, tokens) + feed_forward_backward_bytes(b, tokens);
}

std::uint64_t scratch_of(const BlockDescription& b, int tokens) {
  if (b.mixer == Mixer::delta_rule) return delta_scratch_of(b, tokens);
  const HeadLayout layout(b.attention);
  const std::int64_t d = b.hidden;
  const std::int64_t widest = std::max({d, layout.out_width, layout.width});
  const std::int64_t gate = b.attention.output_gate ? 3 * layout.out_width : 0;
  const std::int64_t each = 3 * d + 3 * layout.width + 2 * layout.out_width + gate + widest + 3 * layout.dim +
                            layout.dim / 2 + 2 * kQueryRows;
  const std::uint64_t block = packed_bytes(ComputeDType::float32, layout.dim, kQueryRows);
  return static_cast<std::uint64_t>(tokens * each) * sizeof(float) +
         attention_scratch_bytes(b.attention, tokens) + block + feed_forward_backward_bytes(b, tokens);
}

}  // namespace

std::uint64_t backward_scratch_bytes(const ModelConfig& c, int tokens) {
  std::uint64_t most = 0;
  for (const BlockDescription& block : distinct_blocks(c)) most = std::max(most, scratch_of(block, tokens));
  return most;
}

void cpu::backward_block(const BlockWeights& weights, const RopeTable& rope, const float* h,
                         std::span<float* const> gradients, std::int64_t tokens, BackwardScratch& scratch,
                         const BackwardOptions& options) {
  Window x{.w = weights, .rope = rope, .n = tokens, .s = scratch};
  recompute(x, h);
  for (float* gradient : gradients) {
    feed_forward_half_backward(x, gradient, options.frozen_routing);
    if (weights.block.mixer == Mixer::delta_rule) {
      delta_branch_backward(x, h, gradient);
    } else {
      branch_backward(x, h, gradient);
    }
  }
}

void cpu::backward_logits(const HeadWeights& head, const ModelConfig& config, const float* h,
                          std::int64_t rows, const float* d_logits, float* d_h, LogitScratch& scratch) {
  const std::int64_t d = config.hidden, vocab = head.unembedding.rows();
  scratch.input.reset(head.dtype(), rows, vocab);
  scratch.input.put(d_logits, vocab);
  multiply_transposed(scratch.input, head.unembedding.packed(), {.data = scratch.normed.data(), .stride = d});
  std::fill_n(d_h, rows * d, 0.0f);
  rms_norm_backward_rows(h, d, scratch.normed.data(), d, d_h, d, head.final_norm.data(), rows, d,
                         config.norm_eps);
}

}  // namespace strata
