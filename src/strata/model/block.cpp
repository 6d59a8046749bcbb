#include "strata/model/block.h"

#include <algorithm>
#include <map>
#include <utility>

#include "strata/base/error.h"
#include "strata/model/cpu_backend.h"
#include "strata/model/room.h"

namespace strata {
namespace {

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

std::uint64_t matrix_bytes(const FeedForwardDescription& f, std::int64_t d, ComputeDType dtype) {
  const auto mlp = [&](std::int64_t width) {
    return 2 * packed_bytes(dtype, width, d) + packed_bytes(dtype, d, width);
  };
  if (f.experts == 0) return mlp(f.width);
  const std::uint64_t shared = f.shared_width > 0 ? mlp(f.shared_width) : 0;
  return static_cast<std::uint64_t>(f.experts) * mlp(f.width) + shared +
         packed_bytes(ComputeDType::float32, f.experts, d);
}

std::uint64_t matrix_bytes(const DeltaDescription& delta, std::int64_t d, ComputeDType dtype) {
  const std::int64_t values = std::int64_t{delta.value_heads} * delta.value_dim;
  const std::int64_t channels = 2 * std::int64_t{delta.key_heads} * delta.key_dim + values;
  return packed_bytes(dtype, channels, d) + packed_bytes(dtype, values, d) + packed_bytes(dtype, d, values) +
         packed_bytes(ComputeDType::float32, 2 * std::int64_t{delta.value_heads}, d) +
         static_cast<std::uint64_t>(channels * delta.kernel + 2 * delta.value_heads + delta.value_dim) *
             sizeof(float);
}

std::uint64_t bytes_of(const BlockDescription& b, ComputeDType dtype) {
  const HeadLayout layout(b.attention);
  const std::int64_t d = b.hidden, ffn = b.feed_forward.width;
  std::int64_t vectors = 2 * d + 2 * layout.dim + layout.width;
  if (b.attention.output_bias) vectors += d;
  if (b.feed_forward.bias) vectors += 2 * ffn + d;
  if (b.feed_forward.shared_width > 0) vectors += d;
  std::uint64_t mixer = matrix_bytes(b.delta, d, dtype);
  if (b.mixer == Mixer::attention) {
    mixer = packed_bytes(dtype, layout.width, d) + packed_bytes(dtype, d, layout.out_width);
    if (b.attention.output_gate) mixer += packed_bytes(dtype, layout.out_width, d);
  }
  return mixer + matrix_bytes(b.feed_forward, d, dtype) + static_cast<std::uint64_t>(vectors) * sizeof(float);
}

// Rows that the experts of a mixture see at once, about: many enough for each to have some.
constexpr std::int64_t kRowsTogether = 4096;
constexpr std::int64_t kWindowsTogether = 32;

std::uint64_t scratch_of(const BlockDescription& b, int tokens, std::int64_t windows) {
  const HeadLayout layout(b.attention);
  const std::int64_t d = b.hidden;
  const std::uint64_t halves = static_cast<std::uint64_t>(2 * d * tokens * windows) * sizeof(float) +
                               feed_forward_scratch_bytes(b, tokens, windows);
  if (b.mixer == Mixer::delta_rule) {
    const DeltaLayout delta(b.delta);
    const std::int64_t rows =
        delta.channels() + 2 * delta.width() + 2 * delta.value_heads + std::max(d, delta.width());
    return static_cast<std::uint64_t>(tokens) * static_cast<std::uint64_t>(rows) * sizeof(float) +
           delta_scratch_bytes(b.delta, tokens) + halves;
  }
  const std::int64_t gate = b.attention.output_gate ? layout.out_width : 0;
  const std::int64_t each = layout.width + gate + layout.out_width + std::max(d, layout.out_width);
  return static_cast<std::uint64_t>(tokens) * static_cast<std::uint64_t>(each) * sizeof(float) +
         attention_scratch_bytes(b.attention, tokens) + halves;
}

// Takes the roles of a block out of its tensors, each tensor read once.
class BlockReader {
 public:
  BlockReader(const Checkpoint& checkpoint, int layer, Compute compute)
      : checkpoint_(checkpoint), layer_(layer), compute_(compute) {}

  // Stacks the roles that the block has along the rows of a matrix, in this order.
  void matrix(Weight& to, std::initializer_list<Role> roles) { matrix(to, roles, compute_); }
  void matrix(Weight& to, std::initializer_list<Role> roles, Compute compute) {
    std::int64_t rows = 0, columns = 0;
    for (const Role role : roles) {
      if (!checkpoint_.has(role, layer_)) continue;
      const auto shape = checkpoint_.shape(role);
      places_[role].push_back({&to, nullptr, rows});
      rows += shape[shape.size() - 2];
      columns = shape.back();
    }
    if (rows > 0) to = Weight(compute, rows, columns);
  }
  // One matrix of each expert.
  void experts(std::vector<MlpWeights>& to, Weight MlpWeights::*matrix, Role role) {
    if (!checkpoint_.has(role, layer_)) return;
    const auto shape = checkpoint_.shape(role);
    to.resize(static_cast<std::size_t>(shape[0]));
    for (MlpWeights& expert : to) {
      expert.*matrix = Weight(compute_, shape[1], shape[2]);
      places_[role].push_back({&(expert.*matrix), nullptr, 0});
    }
  }
  // One vector after the other.
  void vector(WeightVector& to, std::initializer_list<Role> roles) {
    for (const Role role : roles) {
      if (!checkpoint_.has(role, layer_)) continue;
      places_[role].push_back({nullptr, &to, static_cast<std::int64_t>(to.values.size())});
      to.values.resize(to.values.size() + checkpoint_.element_count(role));
    }
  }

  void read() {
    std::vector<Role> roles;
    for (const auto& [role, places] : places_) roles.push_back(role);
    checkpoint_.load(roles, layer_, [&](const LoadedRows& rows) { put(rows); });
    for (const auto& [role, places] : places_) {
      for (const Place& place : places) {
        if (place.vector != nullptr && place.first == 0)
          *place.vector = WeightVector(std::move(place.vector->values), *compute_.backend);
      }
    }
  }

 private:
  struct Place {
    Weight* matrix;
    WeightVector* vector;
    std::int64_t first;  // row of the matrix, value of the vector
  };

  void put(const LoadedRows& rows) {
    const auto& places = places_.at(rows.role);
    const Place& place = places[places.size() > 1 ? static_cast<std::size_t>(rows.expert) : 0];
    const auto row = static_cast<std::int64_t>(rows.row);
    if (place.vector != nullptr) {
      const std::int64_t columns = checkpoint_.shape(rows.role).back();
      std::copy(rows.values.begin(), rows.values.end(),
                place.vector->values.begin() + place.first + row * columns);
      return;
    }
    const std::int64_t columns = place.matrix->columns();
    place.matrix->put_rows(place.first + row, static_cast<std::int64_t>(rows.values.size()) / columns,
                           rows.values.data(), columns);
  }

  const Checkpoint& checkpoint_;
  int layer_;
  Compute compute_;
  std::map<Role, std::vector<Place>> places_;
};

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
  w.block = describe_block(checkpoint.config(), layer);
  BlockReader reader(checkpoint, layer, compute);
  const Compute exact = compute.in(ComputeDType::float32);
  reader.vector(w.attention_norm, {Role::attention_norm});
  reader.matrix(w.qkv, {Role::query, Role::key, Role::value});
  reader.vector(w.qkv_bias, {Role::query_bias, Role::key_bias, Role::value_bias});
  reader.matrix(w.query_gate, {Role::query_gate});
  reader.vector(w.query_norm, {Role::query_norm});
  reader.vector(w.key_norm, {Role::key_norm});
  reader.matrix(w.attention_output, {Role::attention_output});
  reader.vector(w.output_bias, {Role::output_bias});
  reader.matrix(w.delta.qkv, {Role::delta_qkv});
  reader.matrix(w.delta.gate, {Role::delta_gate});
  reader.matrix(w.delta.write_and_step, {Role::delta_write, Role::delta_step}, exact);
  reader.vector(w.delta.convolution, {Role::delta_convolution});
  reader.vector(w.delta.decay, {Role::delta_decay});
  reader.vector(w.delta.step_bias, {Role::delta_step_bias});
  reader.vector(w.delta.norm, {Role::delta_norm});
  reader.matrix(w.delta.output, {Role::delta_output});
  reader.vector(w.mlp_norm, {Role::mlp_norm});
  reader.matrix(w.mlp.gate, {Role::gate});
  reader.matrix(w.mlp.up, {Role::up});
  reader.matrix(w.mlp.down, {Role::down});
  reader.vector(w.mlp.gate_bias, {Role::gate_bias});
  reader.vector(w.mlp.up_bias, {Role::up_bias});
  reader.vector(w.mlp.down_bias, {Role::down_bias});
  reader.matrix(w.mixture.router, {Role::router}, exact);
  reader.experts(w.mixture.experts, &MlpWeights::gate, Role::expert_gate);
  reader.experts(w.mixture.experts, &MlpWeights::up, Role::expert_up);
  reader.experts(w.mixture.experts, &MlpWeights::down, Role::expert_down);
  reader.vector(w.mixture.shared_gate, {Role::shared_expert_gate});
  reader.matrix(w.mixture.shared.gate, {Role::shared_gate});
  reader.matrix(w.mixture.shared.up, {Role::shared_up});
  reader.matrix(w.mixture.shared.down, {Role::shared_down});
  reader.read();
  return w;
}

std::vector<Weight*> matrices_of(BlockWeights& w) {
  std::vector<Weight*> matrices{&w.qkv,       &w.query_gate, &w.attention_output,
                                &w.delta.qkv, &w.delta.gate, &w.delta.output,
                                &w.mlp.gate,  &w.mlp.up,     &w.mlp.down};
  for (MlpWeights& expert : w.mixture.experts)
    matrices.insert(matrices.end(), {&expert.gate, &expert.up, &expert.down});
  matrices.insert(matrices.end(), {&w.mixture.shared.gate, &w.mixture.shared.up, &w.mixture.shared.down});
  std::erase_if(matrices, [](const Weight* matrix) { return !matrix->defined(); });
  return matrices;
}

std::vector<Weight*> exact_matrices_of(BlockWeights& w) {
  std::vector<Weight*> matrices{&w.delta.write_and_step, &w.mixture.router};
  std::erase_if(matrices, [](const Weight* matrix) { return !matrix->defined(); });
  return matrices;
}

std::uint64_t block_bytes(const ModelConfig& c, ComputeDType dtype) {
  std::uint64_t most = 0;
  for (const BlockDescription& block : distinct_blocks(c)) most = std::max(most, bytes_of(block, dtype));
  return most;
}

std::size_t windows_together(const ModelConfig& c, std::int64_t tokens) {
  if (!c.experts) return 1;
  return static_cast<std::size_t>(
      std::clamp<std::int64_t>(kRowsTogether / std::max<std::int64_t>(1, tokens), 1, kWindowsTogether));
}

std::uint64_t scratch_bytes(const ModelConfig& c, int tokens) {
  std::uint64_t most = 0;
  const auto windows = static_cast<std::int64_t>(windows_together(c, tokens));
  for (const BlockDescription& block : distinct_blocks(c))
    most = std::max(most, scratch_of(block, tokens, windows));
  return most;
}

DeltaParameters delta_parameters(const BlockWeights& w) {
  return {.sizes = w.block.delta,
          .convolution = w.delta.convolution.data(),
          .decay_rate = w.delta.decay.data(),
          .dt_bias = w.delta.step_bias.data(),
          .norm = w.delta.norm.data(),
          .eps = w.block.norm_eps};
}

DeltaInput delta_input(const BlockWeights& w, const float* qkv, const float* gate,
                       const float* write_and_step, std::int64_t tokens) {
  const std::int64_t heads = w.block.delta.value_heads;
  return {.qkv = {qkv, w.delta.qkv.rows()},
          .z = {gate, w.delta.gate.rows()},
          .b = {write_and_step, 2 * heads},
          .a = {write_and_step + heads, 2 * heads},
          .tokens = tokens};
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
    rope_rows(
        qkv,
        {.stride = layout.width, .rows = n, .heads = rotated, .dim = layout.dim, .rotated = layout.rotated},
        angles.cos, angles.sin);
  }
  if (!rope.query_scale.empty())
    scale_rows(qkv, layout.width, rope.query_scale.data(), n, layout.heads * layout.dim);
}

namespace {

void run_delta_rule(const BlockWeights& w, const float* normed, float* branch, std::int64_t n,
                    BlockScratch& scratch, const BlockHooks& hooks) {
  float* qkv = room(scratch.qkv, n * w.delta.qkv.rows());
  float* gate = room(scratch.gate, n * w.delta.gate.rows());
  float* write_and_step = room(scratch.write_and_step, n * w.delta.write_and_step.rows());
  project(w.delta.qkv.packed(), normed, qkv, n, scratch.input);
  project(w.delta.gate.packed(), normed, gate, n, scratch.input);
  project(w.delta.write_and_step.packed(), normed, write_and_step, n, scratch.input);
  float* mixed = room(scratch.attended, n * w.delta.gate.rows());
  delta_rule(delta_parameters(w), delta_input(w, qkv, gate, write_and_step, n), mixed, scratch.delta,
             hooks.delta_sums);
  project(w.delta.output.packed(), mixed, branch, n, scratch.input);
}

// branch (n, d) of the normed rows.
void run_attention(const BlockWeights& w, const RopeTable& rope, const float* normed, float* branch,
                   std::int64_t n, BlockScratch& scratch, const BlockHooks& hooks) {
  const HeadLayout layout(w.block.attention);
  float* qkv = room(scratch.qkv, n * layout.width);
  project(w.qkv.packed(), normed, qkv, n, scratch.input);
  add_qkv_bias(w, qkv, n);
  normalise_and_rotate(w, rope, qkv, n);
  float* attended = room(scratch.attended, n * layout.out_width);
  attend(layout, w.dtype(), qkv, attended, n, scratch.attention, hooks);
  if (w.query_gate.defined()) {
    float* gate = room(scratch.gate, n * layout.out_width);
    project(w.query_gate.packed(), normed, gate, n, scratch.input);
    apply_gate(attended, gate, n * layout.out_width);
  }
  project(w.attention_output.packed(), attended, branch, n, scratch.input);
  add_bias(branch, w.block.hidden, w.output_bias, 0, n, w.block.hidden);
}

}  // namespace

void cpu::forward_block(const BlockWeights& w, const RopeTable& rope, std::span<const BlockPass> windows,
                        BlockScratch& scratch) {
  const std::int64_t d = w.block.hidden;
  const double eps = w.block.norm_eps;
  std::int64_t rows = 0;
  for (const BlockPass& window : windows) rows += window.tokens;
  float* normed = room(scratch.normed, rows * d);
  float* branch = room(scratch.branch, rows * d);
  std::vector<FeedForwardPass> second;
  for (const auto& [h_in, h_out, n, hooks] : windows) {
    if (h_out != h_in) std::copy_n(h_in, n * d, h_out);
    if (!hooks.skip_mixer) {
      rms_norm_rows(h_in, d, normed, d, w.attention_norm.data(), n, d, eps);
      if (w.block.mixer == Mixer::delta_rule) {
        run_delta_rule(w, normed, branch, n, scratch, hooks);
      } else {
        run_attention(w, rope, normed, branch, n, scratch, hooks);
      }
      add_in_place(h_out, branch, n * d);
    }
    if (hooks.skip_feed_forward) continue;
    rms_norm_rows(h_out, d, normed, d, w.mlp_norm.data(), n, d, eps);
    second.push_back({normed, branch, n, &hooks});
    normed += n * d;
    branch += n * d;
  }
  feed_forward(w, second, scratch.feed_forward);
  branch = scratch.branch.data();
  for (const auto& [h_in, h_out, n, hooks] : windows) {
    if (hooks.skip_feed_forward) continue;
    add_in_place(h_out, branch, n * d);
    branch += n * d;
  }
}

}  // namespace strata
