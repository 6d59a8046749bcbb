#include "strata/sweep/plan.h"

#include <algorithm>
#include <numeric>

#include "strata/model/backend.h"
#include "strata/model/head.h"
#include "strata/sweep/bottleneck_sweep.h"
#include "strata/sweep/cost.h"
#include "strata/sweep/lanes.h"
#include "strata/sweep/noise_floor.h"
#include "strata/sweep/selection.h"

namespace strata {
namespace {

// The rate of this machine's matrix product on the shape of the MLP, on all threads.
double measure_rate(const ModelConfig& c, const MeasureOptions& options) {
  constexpr std::int64_t kRows = 256;
  constexpr double kSeconds = 0.1;
  const std::int64_t columns = std::min(c.ffn, 4096), depth = std::min(c.hidden, 4096);
  const auto [dtype, backend] = options.compute;
  return backend->rate(dtype, kRows, depth, columns, kSeconds, options.threads);
}

}  // namespace

MeasurePlan plan_measure(const MeasureInput& input, const MeasureOptions& options,
                         std::uint64_t mem_limit_bytes) {
  require_compute(options.compute);
  if (options.plan_bottlenecks) require_head(input.checkpoint);
  if (!input.checkpoint.config().has_head) (void)read_pooling(input.checkpoint);
  const ModelConfig& c = input.checkpoint.config();
  SweepContext context = make_context(c, input.corpus);
  context.seed = options.seed;
  context.positions = options.positions;
  context.lens_positions = options.lens_positions;
  context.threads = options.threads;
  const auto sample = lane_sample(context, options.lane_tokens);
  if (options.plan_bottlenecks) require_bottleneck_sample(sample);
  MeasurePlan plan;
  const LaneCost lanes = lane_cost(context, sample, options);
  const LaneCost joint = options.find_segments ? segment_lane_cost(context, sample, options, 3) : LaneCost{};
  plan.lanes = lanes.lanes;
  plan.segment_lanes = joint.lanes;
  plan.memory = plan_memory({.checkpoint = input.checkpoint,
                             .context = context,
                             .options = options,
                             .sample = sample,
                             .lanes = std::max(plan.lanes, plan.segment_lanes),
                             .extra_blocks = std::max(lanes.extra_blocks, joint.extra_blocks)},
                            mem_limit_bytes);
  plan.peak_bytes = plan.memory.peak().bytes();
  plan.lane_passes = lanes.passes(context, sample, plan.memory.lane_bytes);
  plan.segment_passes = joint.passes(context, sample, plan.memory.lane_bytes);
  plan.backward_sweeps = (wants_backward_sweep(options) ? 1 : 0) + (wants_frozen_sweep(options, c) ? 1 : 0);

  // The ends of the network are read once, the blocks once in every pass.
  plan.weight_bytes_read = input.checkpoint.weight_bytes();
  for (const TensorInfo& tensor : input.checkpoint.tensors()) {
    if (!tensor.per_block) continue;
    plan.weight_bytes_read +=
        tensor.size_bytes *
        static_cast<std::uint64_t>(plan.lane_passes + plan.segment_passes + 2 * plan.backward_sweeps);
  }
  // A tied table serves at both ends, and is read for each where it does not stay.
  if (c.tied_embeddings && plan.memory.choice.gather) {
    plan.weight_bytes_read += input.checkpoint.stored_bytes(Role::embedding);
  }
  // The noise floor: every block in both modes, the ends once more.
  if (wants_noise_floor(options)) {
    for (const TensorInfo& tensor : input.checkpoint.tensors())
      plan.weight_bytes_read += tensor.size_bytes * (tensor.per_block ? 2 : 1);
    if (c.tied_embeddings && plan.memory.choice.gather)
      plan.weight_bytes_read += input.checkpoint.stored_bytes(Role::embedding);
  }
  // Bottlenecks: a float32 network of their own, but for the ends that are float32 already.
  if (options.plan_bottlenecks) {
    const bool ends = options.compute.dtype != ComputeDType::float32;
    for (const TensorInfo& tensor : input.checkpoint.tensors())
      plan.weight_bytes_read += tensor.per_block || ends ? tensor.size_bytes : 0;
  }
  const std::int64_t back = tokens_of(documents_of(context, sample, 0, options.backward_documents));
  plan.forward_flops = forward_flops(context, context.token_count());
  plan.phases = {
      {"clean sweep", plan.forward_flops},
      {"signals", static_cast<double>(options.lens_positions) *
                      static_cast<double>(input.corpus.documents.size()) * (c.n_layers + 1) * head_flops(c)},
      {"backward sweep",
       static_cast<double>(plan.backward_sweeps) * backward_flops(context, back, options.label_samples)},
      {"lanes", lanes.flops},
      {"lanes over segments", joint.flops}};
  std::erase_if(plan.phases, [](const PhaseCost& phase) { return phase.flops == 0.0; });
  for (const PhaseCost& phase : plan.phases) plan.flops += phase.flops;
  plan.flops_per_second = measure_rate(c, options);
  return plan;
}

}  // namespace strata
