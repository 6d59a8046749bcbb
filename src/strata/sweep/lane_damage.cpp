#include "strata/sweep/lane_damage.h"

#include <algorithm>

#include "strata/base/parallel.h"
#include "strata/model/logit_comparison.h"
#include "strata/sweep/clean_sweep.h"
#include "strata/sweep/scratch.h"

namespace strata {
namespace {

// Lanes that are compared at one position after the other, by one head.
struct Batch {
  std::vector<std::size_t> lanes;  // indices into the outputs
  bool own_head = true;            // the head of the clean lane
  std::int64_t positions = 1;      // at once
};

struct Task {
  const Batch* batch = nullptr;
  std::size_t window = 0;
  std::int64_t begin = 0, count = 0;  // positions
};

struct TaskScratch {
  LogitScratch logits;
  std::vector<float> rows;        // states: of each position the clean lane's, where its head is theirs, and
                                  // every lane's
  std::vector<float> clean_rows;  // else states of the clean lane
  std::vector<float> clean_logits;  // and (positions, vocab)
  std::vector<ReferenceRow> clean;
  std::vector<ComparedRow> lanes;
};

// What is kept of one position of one lane.
struct Point {
  double kl = 0.0, delta_nll = 0.0;
  bool same_top = false;
};
static_assert(sizeof(Point) == kComparedTokenBytes);

class Comparison {
 public:
  Comparison(const LaneEngineInput& input, std::span<const std::int64_t> offset,
             std::span<const LaneOutput> outputs)
      : input_(input),
        config_(input.context.config),
        offset_(offset),
        outputs_(outputs),
        vocab_(static_cast<std::size_t>(config_.vocab)) {
    make_batches();
    for (const Batch& batch : batches_) {
      for (std::size_t w = 0; w < input.sample.size(); ++w) {
        const std::int64_t scored = input.sample[w].tokens - 1;
        for (std::int64_t begin = 0; begin < scored; begin += batch.positions)
          tasks_.push_back({&batch, w, begin, std::min(batch.positions, scored - begin)});
      }
    }
  }

  std::vector<std::vector<Damage>> run(const Progress& progress) {
    points_.assign(outputs_.size() - 1, std::vector<Point>(static_cast<std::size_t>(offset_.back())));
    const std::string phase = std::string(input_.phase) + ", comparison";
    const std::size_t each = tasks_at_once();
    const auto steps = static_cast<int>((tasks_.size() + each - 1) / each);
    for (int step = 0; step < steps; ++step) {
      report_progress(progress, {phase, step, steps, 0});
      const std::size_t begin = static_cast<std::size_t>(step) * each;
      parallel_for(std::min(each, tasks_.size() - begin), input_.options.threads, [&](std::size_t i) {
        auto scratch = pool_.lease();
        compare(tasks_[begin + i], *scratch);
      });
    }
    report_progress(progress, {phase, steps, steps, 0});
    return sums();
  }

 private:
  // Lanes of one head go together, as many as the rows of one product; few lanes leave room for positions.
  void make_batches() {
    const auto add = [&](bool own_head) {
      const std::size_t room = static_cast<std::size_t>(kVisitedRows) - (own_head ? 1 : 0);
      std::vector<std::size_t> lanes;
      for (std::size_t i = 1; i < outputs_.size(); ++i) {
        if ((outputs_[i].model == outputs_[0].model) == own_head) lanes.push_back(i);
      }
      for (std::size_t begin = 0; begin < lanes.size(); begin += room) {
        Batch batch{.own_head = own_head};
        const auto first = lanes.begin() + static_cast<std::ptrdiff_t>(begin);
        batch.lanes.assign(first, first + static_cast<std::ptrdiff_t>(std::min(room, lanes.size() - begin)));
        const auto rows = static_cast<std::int64_t>(batch.lanes.size() + (own_head ? 1 : 0));
        batch.positions = std::min(kVisitedRows / rows, own_head ? kVisitedRows : kLogitRows);
        batches_.push_back(std::move(batch));
      }
    };
    add(true);
    add(false);
  }

  // So that a step takes about a second on one core.
  [[nodiscard]] std::size_t tasks_at_once() const {
    constexpr double kWork = 1e11;
    const double task =
        2.0 * static_cast<double>(kVisitedRows) * static_cast<double>(vocab_) * config_.hidden;
    return static_cast<std::size_t>(input_.options.threads) *
           static_cast<std::size_t>(std::clamp(kWork / task, 1.0, 1e6));
  }

  [[nodiscard]] const float* state(std::size_t output, const Task& task, std::int64_t position) const {
    return outputs_[output].state + (offset_[task.window] + task.begin + position) * config_.hidden;
  }

  void compare(const Task& task, TaskScratch& scratch) {
    const Batch& batch = *task.batch;
    const std::size_t lanes = batch.lanes.size(), positions = static_cast<std::size_t>(task.count);
    scratch.rows.clear();
    scratch.clean_rows.clear();
    const auto copy = [&](std::vector<float>& to, std::size_t output, std::int64_t position) {
      const float* from = state(output, task, position);
      to.insert(to.end(), from, from + config_.hidden);
    };
    for (std::int64_t p = 0; p < task.count; ++p) {
      copy(batch.own_head ? scratch.rows : scratch.clean_rows, 0, p);
      for (const std::size_t lane : batch.lanes) copy(scratch.rows, lane, p);
    }
    scratch.clean.assign(positions, {});
    scratch.lanes.assign(positions * lanes, {});
    if (!batch.own_head) keep_clean_logits(task, scratch);
    const std::size_t rows = lanes + (batch.own_head ? 1 : 0);
    const LaneModel& model = *outputs_[batch.lanes.front()].model;
    visit_logits(model.head, model.checkpoint.config(), scratch.rows.data(),
                 static_cast<std::int64_t>(positions * rows), scratch.logits,
                 [&](std::int64_t first, std::int64_t count, const float* logits, std::int64_t stride) {
                   for (std::size_t p = 0; p < positions; ++p) {
                     const auto row = [&](std::size_t i) {
                       return std::span(logits + static_cast<std::int64_t>(p * rows + i) * stride,
                                        static_cast<std::size_t>(count));
                     };
                     const auto clean = batch.own_head
                                            ? row(0)
                                            : std::span<const float>(scratch.clean_logits)
                                                  .subspan(p * vocab_ + static_cast<std::size_t>(first),
                                                           static_cast<std::size_t>(count));
                     add_strip(task, p, first, clean, scratch,
                               [&](std::size_t lane) { return row(lane + (batch.own_head ? 1 : 0)); });
                   }
                 });
    for (std::size_t p = 0; p < positions; ++p) {
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        Point& point = point_of(task, p, batch.lanes[lane]);
        const LogitDivergence divergence = scratch.lanes[p * lanes + lane].result(scratch.clean[p]);
        point.kl = divergence.kl_nats;
        point.delta_nll += divergence.delta_log_normaliser;
        point.same_top = divergence.same_top;
      }
    }
  }

  // row(lane): this strip of a lane's logits at position `p` of the task.
  template <class Row>
  void add_strip(const Task& task, std::size_t p, std::int64_t first, std::span<const float> clean,
                 TaskScratch& scratch, const Row& row) {
    const Batch& batch = *task.batch;
    const auto& ids = input_.context.corpus.windows[input_.sample[task.window].window].ids;
    const std::int64_t next = ids[static_cast<std::size_t>(task.begin) + p + 1] - first;
    const bool here = next >= 0 && next < static_cast<std::int64_t>(clean.size());
    scratch.clean[p].add(clean);
    for (std::size_t lane = 0; lane < batch.lanes.size(); ++lane) {
      const std::span<const float> logits = row(lane);
      scratch.lanes[p * batch.lanes.size() + lane].add(scratch.clean[p], clean, logits);
      if (!here) continue;
      const auto at = static_cast<std::size_t>(next);
      point_of(task, p, batch.lanes[lane]).delta_nll -= static_cast<double>(logits[at]) - clean[at];
    }
  }

  // Where lanes read another head, the clean logits wait for theirs.
  void keep_clean_logits(const Task& task, TaskScratch& scratch) {
    scratch.clean_logits.resize(static_cast<std::size_t>(task.count) * vocab_);
    visit_logits(outputs_[0].model->head, config_, scratch.clean_rows.data(), task.count, scratch.logits,
                 [&](std::int64_t first, std::int64_t count, const float* logits, std::int64_t stride) {
                   for (std::int64_t p = 0; p < task.count; ++p) {
                     std::copy_n(logits + p * stride, count,
                                 scratch.clean_logits.data() + static_cast<std::size_t>(p) * vocab_ + first);
                   }
                 });
  }

  Point& point_of(const Task& task, std::size_t p, std::size_t output) {
    return points_[output - 1][static_cast<std::size_t>(offset_[task.window] + task.begin) + p];
  }

  // In the order of the positions, whatever was compared at once.
  [[nodiscard]] std::vector<std::vector<Damage>> sums() const {
    std::vector<std::vector<Damage>> damage(points_.size(), std::vector<Damage>(input_.sample.size()));
    for (std::size_t lane = 0; lane < points_.size(); ++lane) {
      for (std::size_t w = 0; w < input_.sample.size(); ++w) {
        Damage& sum = damage[lane][w];
        for (std::int64_t t = 0; t + 1 < input_.sample[w].tokens; ++t) {
          const Point& point = points_[lane][static_cast<std::size_t>(offset_[w] + t)];
          sum.kl += point.kl;
          sum.delta_nll += point.delta_nll;
          sum.same_top += point.same_top ? 1 : 0;
        }
      }
    }
    return damage;
  }

  const LaneEngineInput& input_;
  const ModelConfig& config_;
  std::span<const std::int64_t> offset_;
  std::span<const LaneOutput> outputs_;
  std::size_t vocab_;
  std::vector<Batch> batches_;
  std::vector<Task> tasks_;
  std::vector<std::vector<Point>> points_;  // [lane][row of the sample]
  ScratchPool<TaskScratch> pool_{};
};

}  // namespace

std::uint64_t comparison_bytes(const ModelConfig& config, const Backend& backend) {
  if (!config.has_head) return 0;
  const std::int64_t words = &backend == &cpu_backend() ? kStripWords : config.vocab;
  return static_cast<std::uint64_t>(kVisitedRows * (words + 2 * config.hidden)) * sizeof(float) +
         packed_rows_bytes(ComputeDType::float32, kVisitedRows, config.hidden) +
         static_cast<std::uint64_t>(kVisitedRows * kStripWords) * sizeof(float);  // weights of the clean rows
}

std::vector<std::vector<Damage>> compare_lanes(const LaneEngineInput& input,
                                               std::span<const std::int64_t> offset,
                                               std::span<const LaneOutput> outputs,
                                               const Progress& progress) {
  return Comparison(input, offset, outputs).run(progress);
}

}  // namespace strata
