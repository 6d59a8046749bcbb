#include "strata/model/backward.h"

#include <algorithm>

#include "strata/base/error.h"
#include "strata/model/backward_kernels.h"
#include "strata/model/cpu_backend.h"
#include "strata/model/kernels.h"

namespace strata {
namespace {

// Columns of gate and up whose gradients are computed at once.
constexpr std::int64_t kGateColumns = 512;

float* room(std::vector<float>& buffer, std::int64_t count) {
  if (buffer.size() < static_cast<std::size_t>(count)) buffer.resize(static_cast<std::size_t>(count));
  return buffer.data();
}

// One window: what its functions need, and what the forward pass leaves for the gradients in `s`.
struct Window {
  const BlockWeights& w;
  const RopeTable& rope;
  std::int64_t n;
  BackwardScratch& s;
  HeadLayout layout = HeadLayout(w.block.attention);
  std::int64_t d = w.block.hidden, ffn = w.block.feed_forward.width;
  double eps = w.block.norm_eps;

  // x (n, columns) as left operand.
  const PackedRows& packed(const float* x, std::int64_t columns) {
    s.input.reset(w.dtype(), n, columns);
    s.input.put(x, columns);
    return s.input;
  }
};

// Everything up to and including the gate and up products, as forward_block computes it.
void recompute(Window& x, const float* h) {
  const BlockWeights& w = x.w;
  const HeadLayout& layout = x.layout;
  float* normed = room(x.s.normed, x.n * x.d);
  rms_norm_rows(h, x.d, normed, x.d, w.attention_norm.data(), x.n, x.d, x.eps);
  float* raw = room(x.s.qkv_raw, x.n * layout.width);
  multiply(x.packed(normed, x.d), w.qkv.packed(), {.data = raw, .stride = layout.width});
  add_qkv_bias(w, raw, x.n);
  float* qkv = room(x.s.qkv, x.n * layout.width);
  std::copy_n(raw, x.n * layout.width, qkv);
  normalise_and_rotate(w, x.rope, qkv, x.n);
  float* attended = room(x.s.attended, x.n * layout.out_width);
  attend(layout, w.dtype(), qkv, attended, x.n, x.s.attention, nullptr);
  float* middle = room(x.s.h_mid, x.n * x.d);
  multiply(x.packed(attended, layout.out_width), w.attention_output.packed(),
           {.data = middle, .stride = x.d});
  if (w.output_bias.defined()) add_bias_rows(middle, x.d, w.output_bias.data(), x.n, x.d);
  add_in_place(middle, h, x.n * x.d);
  rms_norm_rows(middle, x.d, normed, x.d, w.mlp_norm.data(), x.n, x.d, x.eps);
  const PackedRows& input = x.packed(normed, x.d);
  float* gate = room(x.s.gate, x.n * x.ffn);
  float* up = room(x.s.up, x.n * x.ffn);
  multiply(input, w.gate.packed(), {.data = gate, .stride = x.ffn});
  multiply(input, w.up.packed(), {.data = up, .stride = x.ffn});
  if (w.gate_bias.defined()) add_bias_rows(gate, x.ffn, w.gate_bias.data(), x.n, x.ffn);
  if (w.up_bias.defined()) add_bias_rows(up, x.ffn, w.up_bias.data(), x.n, x.ffn);
}

// gradient: d/dh_out -> d/dh_mid.
void mlp_backward(Window& x, float* gradient) {
  float* d_ffn = room(x.s.d_ffn, x.n * x.ffn);
  multiply_transposed(x.packed(gradient, x.d), x.w.down.packed(), {.data = d_ffn, .stride = x.ffn});
  const std::int64_t chunk = std::min(kGateColumns, x.ffn);
  float* d_gate = room(x.s.d_gate, x.n * chunk);
  float* d_up = room(x.s.d_up, x.n * chunk);
  x.s.d_gate_rows.reset(x.w.dtype(), x.n, x.ffn);
  x.s.d_up_rows.reset(x.w.dtype(), x.n, x.ffn);
  for (std::int64_t first = 0; first < x.ffn; first += chunk) {
    const std::int64_t columns = std::min(chunk, x.ffn - first);
    swiglu_backward_rows({.gate = x.s.gate.data() + first,
                          .up = x.s.up.data() + first,
                          .d_out = d_ffn + first,
                          .stride = x.ffn,
                          .d_gate = d_gate,
                          .d_up = d_up,
                          .d_stride = chunk},
                         x.n, columns);
    x.s.d_gate_rows.put(d_gate, chunk, first, columns);
    x.s.d_up_rows.put(d_up, chunk, first, columns);
  }
  float* branch = room(x.s.branch, x.n * x.d);
  multiply_transposed(x.s.d_gate_rows, x.w.gate.packed(), {.data = branch, .stride = x.d});
  multiply_transposed(x.s.d_up_rows, x.w.up.packed(), {.data = branch, .stride = x.d, .add = true});
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
    const std::int64_t angles = x.n * (layout.dim / 2);
    std::transform(view.sin, view.sin + angles, room(x.s.no_sin, angles), std::negate<>());
    rope_rows(d_qkv, layout.width, x.n, rotated, layout.dim, view.cos, x.s.no_sin.data());
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
  attention_backward(x, d_attended);
  rotation_backward(x);
  float* branch = room(x.s.branch, x.n * x.d);
  multiply_transposed(x.packed(x.s.d_qkv.data(), layout.width), x.w.qkv.packed(),
                      {.data = branch, .stride = x.d});
  rms_norm_backward_rows(h, x.d, branch, x.d, gradient, x.d, x.w.attention_norm.data(), x.n, x.d, x.eps);
}

std::uint64_t scratch_of(const BlockDescription& b, int tokens) {
  const HeadLayout layout(b.attention);
  const std::int64_t d = b.hidden, ffn = b.feed_forward.width, chunk = std::min(kGateColumns, ffn);
  const std::int64_t widest = std::max({d, layout.out_width, layout.width});
  const std::int64_t each = 3 * d + 3 * layout.width + 2 * layout.out_width + 5 * ffn + 2 * chunk + widest +
                            3 * layout.dim + layout.dim / 2 + 2 * kQueryRows;
  const std::uint64_t block = packed_bytes(ComputeDType::float32, layout.dim, kQueryRows);
  return static_cast<std::uint64_t>(tokens * each) * sizeof(float) +
         attention_scratch_bytes(b.attention, tokens) + block;
}

}  // namespace

std::uint64_t backward_scratch_bytes(const ModelConfig& c, int tokens) {
  std::uint64_t most = 0;
  for (const BlockDescription& block : distinct_blocks(c)) most = std::max(most, scratch_of(block, tokens));
  return most;
}

void cpu::backward_block(const BlockWeights& weights, const RopeTable& rope, const float* h,
                         std::span<float* const> gradients, std::int64_t tokens, BackwardScratch& scratch) {
  Window x{.w = weights, .rope = rope, .n = tokens, .s = scratch};
  recompute(x, h);
  for (float* gradient : gradients) {
    mlp_backward(x, gradient);
    branch_backward(x, h, gradient);
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
