#include "strata/sweep/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>

#include "strata/base/error.h"
#include "strata/model/backward.h"
#include "strata/model/block.h"
#include "strata/model/device.h"
#include "strata/model/head.h"
#include "strata/model/threads.h"
#include "strata/signals/sinks.h"
#include "strata/sweep/backward_sweep.h"
#include "strata/sweep/lanes.h"
#include "strata/sweep/noise_floor.h"
#include "strata/sweep/selection.h"

namespace strata {
namespace {

// Resident size of the program with LibTorch loaded and nothing computed, measured on Debian 12.
constexpr std::uint64_t kProgramBytes = 170ull << 20;

std::uint64_t bytes_of(std::int64_t count, std::uint64_t each) {
  return static_cast<std::uint64_t>(count) * each;
}

double gib(std::uint64_t bytes) {
  return static_cast<double>(bytes) / 1073741824.0;
}

// Multiply-adds times two of one token through one block at this context, and through the head.
double block_flops(const ModelConfig& c, double keys) {
  const double matrices = static_cast<double>(count_parameters(c).per_block);
  return 2.0 * matrices + 4.0 * keys * c.heads * c.head_dim;
}
double head_flops(const ModelConfig& c) {
  return 2.0 * static_cast<double>(c.vocab) * c.hidden;
}

// The rate of this machine's matrix product on the shape of the MLP, on all threads.
double measure_rate(const ModelConfig& c, const MeasureOptions& options) {
  constexpr std::int64_t kRows = 256;
  constexpr double kSeconds = 0.1;
  const std::int64_t columns = std::min(c.ffn, 4096), depth = std::min(c.hidden, 4096);
  const std::vector<float> zero(static_cast<std::size_t>(std::max(columns, kRows) * depth));
  PackedMatrix weight(options.compute, columns, depth);
  weight.put_rows(0, columns, zero.data(), depth);
  std::vector<double> rate(static_cast<std::size_t>(options.threads));
  for_each_window(rate.size(), options.threads, [&](std::size_t i) {
    PackedRows x;
    std::vector<float> out(static_cast<std::size_t>(kRows * columns));
    const auto start = std::chrono::steady_clock::now();
    double elapsed = 0.0, work = 0.0;
    while (elapsed < kSeconds) {
      x.reset(options.compute, kRows, depth);
      x.put(zero.data(), depth);
      multiply(x, weight, {.data = out.data(), .stride = columns});
      work += 2.0 * static_cast<double>(kRows * depth * columns);
      elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    rate[i] = work / elapsed;
  });
  return std::accumulate(rate.begin(), rate.end(), 0.0);
}

// What the backward sweep over the lanes' windows asks for; zero when it is not wanted.
struct Backward {
  std::uint64_t least_bytes = 0;  // the longest window alone
  std::uint64_t whole_bytes = 0;  // every window at once
  std::uint64_t scratch_bytes = 0;
  double passes = 0.0;  // forward, the same again, and one for each draw of the labels
};

Backward plan_backward(const ModelConfig& c, const std::vector<LaneWindow>& sample,
                       const MeasureOptions& options) {
  if (!wants_backward_sweep(options)) return {};
  Backward backward;
  for (const LaneWindow& w : sample) {
    const std::uint64_t bytes = bytes_of(w.tokens, backward_token_bytes(c, options.label_samples));
    backward.least_bytes = std::max(backward.least_bytes, bytes);
    backward.scratch_bytes =
        std::max(backward.scratch_bytes, backward_scratch_bytes(c, static_cast<int>(w.tokens)));
    backward.whole_bytes += bytes;
  }
  backward.passes = 2.0 + options.label_samples;
  return backward;
}

}  // namespace

MeasurePlan plan_measure(const MeasureInput& input, const MeasureOptions& options,
                         std::uint64_t mem_limit_bytes) {
  require_device(options.device);
  require_compute(options.compute);
  const ModelConfig& c = input.checkpoint.config();
  SweepContext context = make_context(c, input.corpus);
  context.seed = options.seed;
  context.positions = options.positions;
  context.lens_positions = options.lens_positions;
  context.threads = options.threads;
  int longest = 0;
  for (const Window& w : input.corpus.windows) longest = std::max(longest, static_cast<int>(w.ids.size()));
  const auto workers = static_cast<std::uint64_t>(std::max(1, std::min(options.threads, options.batch)));
  const std::uint64_t block = block_bytes(c, options.compute), ends = ends_bytes(c, options.compute);

  MeasurePlan plan;
  const auto add = [&](std::string what, std::uint64_t bytes) {
    plan.memory.push_back({std::move(what), bytes});
    plan.peak_bytes += bytes;
  };
  add("program and LibTorch", kProgramBytes);
  add("two blocks of weights (current and next)", 2 * block);
  add("embedding and unembedding", ends);
  const std::uint64_t residual =
      bytes_of(context.token_count(), static_cast<std::uint64_t>(c.hidden) * sizeof(float));
  add("residual stream", residual);
  std::uint64_t kept = SinkTracker::memory_bytes(context);
  for (const Signal* signal : selected_signals(options)) kept += signal->memory_bytes(context);
  add("what the signals keep", kept);
  const auto sample = lane_sample(context, options.lane_tokens);
  const Backward backward = plan_backward(c, sample, options);
  // Per worker: a block's scratch, one window out, and logits of a chunk of rows (two in float32, one in
  // float64).
  add("scratch of the workers",
      workers * (std::max(scratch_bytes(c, longest), backward.scratch_bytes) +
                 static_cast<std::uint64_t>(kLogitRows * c.vocab) * (2 * sizeof(float) + sizeof(double))));

  const std::uint64_t each = lane_bytes(context, sample);
  const LaneCost lanes = lane_cost(context, options);
  const LaneCost joint = options.find_segments ? segment_lane_cost(context, options, 3) : LaneCost{};
  plan.lanes = lanes.lanes;
  plan.segment_lanes = joint.lanes;
  if (const int extra = std::max(lanes.extra_blocks, joint.extra_blocks); extra > 0)
    add("further blocks of weights for lanes", bytes_of(extra, block));
  const std::uint64_t floor_bytes = wants_noise_floor(options) ? noise_floor_bytes(c, each) : 0;
  const std::uint64_t least = std::max(
      {plan.lanes + plan.segment_lanes > 0 ? 2 * each : 0, residual, backward.least_bytes, floor_bytes});
  if (plan.peak_bytes + least > mem_limit_bytes) {
    throw Error(
        ErrorKind::out_of_memory,
        {.where = "--mem-limit",
         .found = fmt::format("the run needs {:.2f} GiB, the limit is {:.2f} GiB",
                              gib(plan.peak_bytes + least), gib(mem_limit_bytes)),
         .hint = fmt::format("fewer windows (--chunks, --limit), a shorter --ctx-size or smaller --positions "
                             "and --lane-tokens need less; without text {:.2f} GiB remain",
                             gib(kProgramBytes + 2 * block + ends))});
  }
  const std::uint64_t room = mem_limit_bytes - plan.peak_bytes;
  const auto fit =
      static_cast<std::int64_t>(room / std::max<std::uint64_t>(1, each)) - 1;  // one is the clean lane
  const std::int64_t per_pass =
      std::min(std::max(plan.lanes, plan.segment_lanes), std::max<std::int64_t>(1, fit));
  const auto passes = [&](std::int64_t count) { return count == 0 ? 0 : (count + per_pass - 1) / per_pass; };
  plan.lane_passes = passes(plan.lanes);
  plan.segment_passes = passes(plan.segment_lanes);
  plan.lane_bytes = bytes_of(per_pass, each);
  // Windows with a late-found sink are swept again before the lanes begin; in the worst case all of them.
  plan.backward_bytes = std::min(room, backward.whole_bytes);
  MeasureOptions chosen = options;
  chosen.backward_bytes = plan.backward_bytes;
  if (backward.whole_bytes > 0) {
    plan.backward_waves = static_cast<std::int64_t>(backward_waves(c, sample, chosen).size());
  }
  add("lanes, states of the backward sweep, or windows swept again for late sinks",
      std::max({plan.lanes + plan.segment_lanes > 0 ? plan.lane_bytes + each : 0, plan.backward_bytes,
                residual, floor_bytes}));

  // The ends of the network are read once, the blocks once in every pass.
  plan.weight_bytes_read = input.checkpoint.weight_bytes();
  for (const TensorInfo& tensor : input.checkpoint.tensors()) {
    if (!tensor.per_block) continue;
    plan.weight_bytes_read +=
        tensor.size_bytes *
        static_cast<std::uint64_t>(plan.lane_passes + plan.segment_passes + 2 * plan.backward_waves);
  }
  // The noise floor: every block in both modes, the ends once more.
  if (wants_noise_floor(options)) {
    for (const TensorInfo& tensor : input.checkpoint.tensors())
      plan.weight_bytes_read += tensor.size_bytes * (tensor.per_block ? 2 : 1);
  }
  std::int64_t lane_tokens = 0;
  for (const LaneWindow& w : sample) lane_tokens += w.tokens;
  const double keys = longest / 2.0;
  plan.flops =
      static_cast<double>(context.token_count()) * (c.n_layers * block_flops(c, keys) + head_flops(c)) +
      static_cast<double>(lane_tokens) *
          ((lanes.blocks + joint.blocks) * block_flops(c, keys) +
           static_cast<double>(plan.lanes + plan.segment_lanes) * head_flops(c)) +
      backward.passes * static_cast<double>(lane_tokens) *
          (c.n_layers * block_flops(c, keys) + head_flops(c)) +
      static_cast<double>(options.lens_positions) * static_cast<double>(input.corpus.documents.size()) *
          (c.n_layers + 1) * head_flops(c);
  plan.flops_per_second = measure_rate(c, options);
  return plan;
}

}  // namespace strata
