#include "strata/sweep/bottleneck_sweep.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <utility>

#include "strata/base/error.h"
#include "strata/base/parallel.h"
#include "strata/base/words.h"
#include "strata/sweep/clean_sweep.h"

namespace strata {
namespace {

// Every second window trains, so that both halves see all of a directory's documents in name order.
std::vector<std::size_t> half(std::size_t windows, std::size_t first) {
  std::vector<std::size_t> chosen;
  for (std::size_t w = first; w < windows; w += 2) chosen.push_back(w);
  return chosen;
}

// A state with its frozen decoder and basis.
struct Place {
  std::unique_ptr<FrozenNetwork> network;
  FrozenDecoder decoder;
  ChannelBasis basis;
};

Place make_place(const ResidentModel& model, const LaneEngineInput& input, int state) {
  Place place;
  place.network = std::make_unique<FrozenNetwork>(model, input.context, input.classes, input.sample, state);
  place.decoder = place.network->decoder();
  const std::vector<std::size_t> train = half(input.sample.size(), 0);
  std::int64_t tokens = 0;
  for (const std::size_t w : train) tokens += input.sample[w].tokens;
  Matrix rows(0, static_cast<std::size_t>(model.config.hidden));
  rows.data.reserve(static_cast<std::size_t>(tokens) * rows.cols);
  for (const std::size_t w : train) {
    const Matrix more = place.decoder.rows(w);
    rows.data.insert(rows.data.end(), more.data.begin(), more.data.end());
    rows.rows += more.rows;
  }
  place.basis = channel_basis(std::move(rows));
  return place;
}

struct Mean {
  double value = 0.0, error = std::numeric_limits<double>::quiet_NaN();
};

// Over windows, weighted by their tokens, with the ratio estimator's standard error.
Mean mean_over(const std::vector<double>& values, const std::vector<double>& tokens) {
  double sum = 0.0, weight = 0.0, square = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum += tokens[i] * values[i];
    weight += tokens[i];
  }
  Mean mean{.value = sum / weight};
  for (std::size_t i = 0; i < values.size(); ++i) {
    square += std::pow(tokens[i] / weight * (values[i] - mean.value), 2);
  }
  const auto n = static_cast<double>(values.size());
  if (values.size() > 1) mean.error = std::sqrt(square * n / (n - 1.0));
  return mean;
}

BottleneckPoint train_point(const Place& place, const std::vector<LaneWindow>& sample,
                            const BottleneckStart& start, const TrainOptions& options) {
  const Channel trained = train_channel(place.decoder, place.basis, half(sample.size(), 0), options);
  const Channel gaussian = gaussian_channel(place.basis, start.eps, 0, options.seed);
  std::vector<double> rate, distortion, gaussian_rate, gaussian_distortion, tokens;
  for (const std::size_t w : half(sample.size(), 1)) {
    const WindowResult reached = evaluate_channel(place.decoder, place.basis, trained, w, options);
    const WindowResult before = evaluate_channel(place.decoder, place.basis, gaussian, w, options);
    rate.push_back(reached.rate_nats);
    distortion.push_back(reached.distortion_nats);
    gaussian_rate.push_back(before.rate_nats);
    gaussian_distortion.push_back(before.distortion_nats);
    tokens.push_back(static_cast<double>(sample[w].tokens));
  }
  const Mean r = mean_over(rate, tokens), d = mean_over(distortion, tokens);
  return {.beta = start.beta,
          .rate_nats = r.value,
          .rate_error = r.error,
          .distortion_nats = d.value,
          .distortion_error = d.error,
          .start_strength = start.eps,
          .start_rate_nats = mean_over(gaussian_rate, tokens).value,
          .start_distortion_nats = mean_over(gaussian_distortion, tokens).value};
}

// In float32 whatever the run computes in: rounding would add its own noise to what the channel lets pass.
ResidentModel load_resident(const LaneModel& model, Compute compute) {
  const Compute exact = compute.in(ComputeDType::float32);
  const Checkpoint& checkpoint = model.checkpoint;
  ResidentModel resident{checkpoint.config(), model.embedding, model.head, {}};
  if (compute.dtype != ComputeDType::float32) {
    resident.embedding = load_embedding(checkpoint, exact);
    resident.head = load_head(checkpoint, resident.embedding);
  }
  for (int block = 0; block < checkpoint.config().n_layers; ++block)
    resident.blocks.push_back(load_block(checkpoint, block, exact));
  return resident;
}

}  // namespace

void require_bottleneck_sample(const std::vector<LaneWindow>& sample) {
  if (sample.size() < 4) {
    throw Error(ErrorKind::usage, {.option = "bottleneck",
                                   .found = counted(sample.size(), "document") + " in the lanes",
                                   .expected = "at least 4: half train, half judge",
                                   .hint = "give more documents"});
  }
}

std::vector<BottleneckCurve> run_bottlenecks(const LaneEngineInput& input,
                                             const std::vector<BottleneckTask>& tasks,
                                             const Progress& progress) {
  const std::vector<LaneWindow>& sample = input.sample;
  const MeasureOptions& options = input.options;
  require_bottleneck_sample(sample);
  const ResidentModel model = load_resident(input.model, options.compute);
  std::vector<Place> places(tasks.size());
  parallel_for(places.size(), options.threads,
               [&](std::size_t i) { places[i] = make_place(model, input, tasks[i].state); });
  TrainOptions train;
  std::vector<BottleneckCurve> curves;
  std::vector<std::pair<std::size_t, std::size_t>> jobs;  // task, point
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    BottleneckCurve curve{
        .state = tasks[i].state, .steps = train.steps, .hidden = static_cast<std::int64_t>(train.hidden)};
    for (std::size_t w = 0; w < sample.size(); ++w) {
      (w % 2 == 0 ? curve.train_tokens : curve.held_out_tokens) += sample[w].tokens;
    }
    curve.points.resize(tasks[i].grid.size());
    for (std::size_t p = 0; p < tasks[i].grid.size(); ++p) jobs.emplace_back(i, p);
    curves.push_back(std::move(curve));
  }
  const auto at_once = static_cast<std::size_t>(std::max(1, options.threads));
  for (std::size_t begin = 0; begin < jobs.size(); begin += at_once) {
    report_progress(progress, {"bottleneck", static_cast<int>(begin), static_cast<int>(jobs.size()), 0});
    const std::size_t count = std::min(at_once, jobs.size() - begin);
    parallel_for(count, options.threads, [&](std::size_t i) {
      const auto [task, point] = jobs[begin + i];
      const BottleneckStart& start = tasks[task].grid[point];
      TrainOptions own = train;
      own.beta = start.beta;
      own.eps = start.eps;
      own.seed = input.context.seed;
      curves[task].points[point] = train_point(places[task], sample, start, own);
    });
  }
  return curves;
}

}  // namespace strata
