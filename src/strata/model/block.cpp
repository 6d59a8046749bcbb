#include "strata/model/block.h"

#include <algorithm>
#include <utility>

#include "strata/base/error.h"
#include "strata/model/cpu_backend.h"

namespace strata {
namespace {

// Columns of gate and up that are computed at once: what lies between the products stays in the cache.
constexpr std::int64_t kGateColumns = 512;

WeightVector load_vectors(const Checkpoint& checkpoint, std::initializer_list<Role> roles, int layer,
                          const Backend& backend) {
  std::vector<float> values;
  for (const Role role : roles) {
    const std::size_t size = checkpoint.element_count(role);
    values.resize(values.size() + size);
    checkpoint.load(role, layer, std::span(values).last(size));
  }
  return {std::move(values), backend};
}

float* room(std::vector<float>& buffer, std::int64_t count) {
  if (buffer.size() < static_cast<std::size_t>(count)) buffer.resize(static_cast<std::size_t>(count));
  return buffer.data();
}

void add_bias(float* x, std::int64_t stride, const WeightVector& bias, std::int64_t first, std::int64_t rows,
              std::int64_t width) {
  if (bias.defined()) add_bias_rows(x, stride, bias.data() + first, rows, width);
}

// branch (n, d) = x (n, k) * w^T.
void project(const PackedMatrix& w, const float* x, float* branch, std::int64_t n, PackedRows& packed) {
  packed.reset(w.dtype(), n, w.columns());
  packed.put(x, w.columns());
  multiply(packed, w, {.data = branch, .stride = w.rows()});
}

void run_mlp(const BlockWeights& w, const float* normed, float* branch, std::int64_t n,
             BlockScratch& scratch) {
  const std::int64_t ffn = w.gate.rows(), chunk = std::min(kGateColumns, ffn);
  scratch.input.reset(w.dtype(), n, w.gate.columns());
  scratch.input.put(normed, w.gate.columns());
  scratch.hidden.reset(w.dtype(), n, ffn);
  float* gate = room(scratch.gate, n * chunk);
  float* up = room(scratch.up, n * chunk);
  for (std::int64_t first = 0; first < ffn; first += chunk) {
    const std::int64_t end = std::min(ffn, first + chunk);
    multiply(scratch.input, w.gate.packed(), first, end, {.data = gate, .stride = chunk});
    multiply(scratch.input, w.up.packed(), first, end, {.data = up, .stride = chunk});
    add_bias(gate, chunk, w.gate_bias, first, n, end - first);
    add_bias(up, chunk, w.up_bias, first, n, end - first);
    swiglu_rows(gate, chunk, up, chunk, n, end - first);
    scratch.hidden.put(gate, chunk, first, end - first);
  }
  multiply(scratch.hidden, w.down.packed(), {.data = branch, .stride = w.down.rows()});
  add_bias(branch, w.down.rows(), w.down_bias, 0, n, w.down.rows());
}

std::uint64_t bytes_of(const BlockDescription& b, ComputeDType dtype) {
  const HeadLayout layout(b.attention);
  const std::int64_t d = b.hidden, ffn = b.feed_forward.width;
  std::int64_t vectors = 2 * d + 2 * layout.dim + layout.width;
  if (b.attention.output_bias) vectors += d;
  if (b.feed_forward.bias) vectors += 2 * ffn + d;
  return packed_bytes(dtype, layout.width, d) + packed_bytes(dtype, d, layout.out_width) +
         2 * packed_bytes(dtype, ffn, d) + packed_bytes(dtype, d, ffn) +
         static_cast<std::uint64_t>(vectors) * sizeof(float);
}

std::uint64_t scratch_of(const BlockDescription& b, int tokens) {
  const HeadLayout layout(b.attention);
  const std::int64_t d = b.hidden, ffn = b.feed_forward.width;
  const std::int64_t each = 2 * d + layout.width + layout.out_width + 2 * std::min(kGateColumns, ffn) +
                            std::max(d, layout.out_width) + ffn;
  return static_cast<std::uint64_t>(tokens) * static_cast<std::uint64_t>(each) * sizeof(float) +
         attention_scratch_bytes(b.attention, tokens);
}

}  // namespace

Weight load_weight(const Checkpoint& checkpoint, std::initializer_list<Role> roles, int layer,
                   Compute compute) {
  std::int64_t rows = 0;
  for (const Role role : roles) rows += checkpoint.shape(role)[0];
  const std::int64_t columns = checkpoint.shape(*roles.begin())[1];
  Weight weight(compute, rows, columns);
  std::int64_t first = 0;
  for (const Role role : roles) {
    checkpoint.load(role, layer, [&](std::size_t row, std::span<const float> values) {
      weight.put_rows(first + static_cast<std::int64_t>(row),
                      static_cast<std::int64_t>(values.size()) / columns, values.data(), columns);
    });
    first += checkpoint.shape(role)[0];
  }
  return weight;
}

BlockWeights load_block(const Checkpoint& checkpoint, int layer, Compute compute) {
  BlockWeights w;
  const Backend& backend = *compute.backend;
  const auto vector = [&](Role role) { return load_vectors(checkpoint, {role}, layer, backend); };
  w.block = describe_block(checkpoint.config(), layer);
  w.attention_norm = vector(Role::attention_norm);
  w.qkv = load_weight(checkpoint, {Role::query, Role::key, Role::value}, layer, compute);
  if (w.block.attention.qkv_bias) {
    w.qkv_bias =
        load_vectors(checkpoint, {Role::query_bias, Role::key_bias, Role::value_bias}, layer, backend);
  }
  if (w.block.attention.qk_norm) {
    w.query_norm = vector(Role::query_norm);
    w.key_norm = vector(Role::key_norm);
  }
  w.attention_output = load_weight(checkpoint, {Role::attention_output}, layer, compute);
  if (w.block.attention.output_bias) w.output_bias = vector(Role::output_bias);
  w.mlp_norm = vector(Role::mlp_norm);
  w.gate = load_weight(checkpoint, {Role::gate}, layer, compute);
  w.up = load_weight(checkpoint, {Role::up}, layer, compute);
  w.down = load_weight(checkpoint, {Role::down}, layer, compute);
  if (w.block.feed_forward.bias) {
    w.gate_bias = vector(Role::gate_bias);
    w.up_bias = vector(Role::up_bias);
    w.down_bias = vector(Role::down_bias);
  }
  return w;
}

std::uint64_t block_bytes(const ModelConfig& c, ComputeDType dtype) {
  std::uint64_t most = 0;
  for (const BlockDescription& block : distinct_blocks(c)) most = std::max(most, bytes_of(block, dtype));
  return most;
}

std::uint64_t scratch_bytes(const ModelConfig& c, int tokens) {
  std::uint64_t most = 0;
  for (const BlockDescription& block : distinct_blocks(c)) most = std::max(most, scratch_of(block, tokens));
  return most;
}

void add_qkv_bias(const BlockWeights& w, float* qkv, std::int64_t n) {
  const std::int64_t width = w.qkv.rows();
  add_bias(qkv, width, w.qkv_bias, 0, n, width);
}

void normalise_and_rotate(const BlockWeights& w, const RopeTable& rope, float* qkv, std::int64_t n) {
  const HeadLayout layout(w.block.attention);
  const std::int64_t rotated = layout.heads + layout.kv_heads;
  for (std::int64_t head = 0; w.query_norm.defined() && head < rotated; ++head) {
    const WeightVector& norm = head < layout.heads ? w.query_norm : w.key_norm;
    float* rows = qkv + head * layout.dim;
    rms_norm_rows(rows, layout.width, rows, layout.width, norm.data(), n, layout.dim, w.block.norm_eps);
  }
  if (w.block.attention.rope) {
    const RopeTable::View angles = rope.of(n);
    rope_rows(qkv, layout.width, n, rotated, layout.dim, angles.cos, angles.sin);
  }
  if (!rope.query_scale.empty())
    scale_rows(qkv, layout.width, rope.query_scale.data(), n, layout.heads * layout.dim);
}

void cpu::forward_block(const BlockWeights& w, const RopeTable& rope, const float* h_in, float* h_out,
                        std::int64_t n, BlockScratch& scratch, const BlockHooks& hooks) {
  const HeadLayout layout(w.block.attention);
  const std::int64_t d = w.block.hidden;
  const double eps = w.block.norm_eps;
  float* normed = room(scratch.normed, n * d);
  float* branch = room(scratch.branch, n * d);

  rms_norm_rows(h_in, d, normed, d, w.attention_norm.data(), n, d, eps);
  float* qkv = room(scratch.qkv, n * layout.width);
  project(w.qkv.packed(), normed, qkv, n, scratch.input);
  add_qkv_bias(w, qkv, n);
  normalise_and_rotate(w, rope, qkv, n);
  float* attended = room(scratch.attended, n * layout.out_width);
  attend(layout, w.dtype(), qkv, attended, n, scratch.attention, hooks);
  project(w.attention_output.packed(), attended, branch, n, scratch.input);
  add_bias(branch, d, w.output_bias, 0, n, d);
  if (h_out != h_in) std::copy_n(h_in, n * d, h_out);
  add_in_place(h_out, branch, n * d);

  rms_norm_rows(h_out, d, normed, d, w.mlp_norm.data(), n, d, eps);
  run_mlp(w, normed, branch, n, scratch);
  add_in_place(h_out, branch, n * d);
}

}  // namespace strata
