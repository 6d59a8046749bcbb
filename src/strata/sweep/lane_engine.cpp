#include "strata/sweep/lane_engine.h"

#include <algorithm>
#include <map>
#include <utility>

#include "strata/base/error.h"
#include "strata/base/parallel.h"
#include "strata/model/block.h"
#include "strata/sweep/block_stream.h"
#include "strata/sweep/clean_sweep.h"
#include "strata/sweep/groups.h"
#include "strata/sweep/lane_damage.h"
#include "strata/sweep/lane_embedding.h"
#include "strata/sweep/lane_weights.h"
#include "strata/sweep/scratch.h"
#include "strata/sweep/snapshots.h"

namespace strata {
namespace {

// Of one stream's window on its way through a block.
struct StepWindow {
  std::vector<float> out;
  EditContext edit;
  AttentionEdit change;
};

struct StepScratch {
  BlockScratch block;
  std::vector<StepWindow> windows;
};

bool at_site(const Lane& lane, Site site) {
  return lane.edit.intervention != nullptr && lane.edit.intervention->site == site;
}

// Whether the lane's edit acts on this state or block.
bool edits(const Lane& lane, Site site, int place) {
  return at_site(lane, site) && lane.edit.place <= place && place < lane.edit.place + lane.edit.span;
}

bool borrows_block(const Lane& lane, int block) {
  return lane.other.begin <= block && block < lane.other.end;
}

// Whether the lane runs the blocks of its span in an order of its own.
bool reorders(const Lane& lane) {
  return lane.edit.intervention != nullptr && lane.edit.intervention->block_order != nullptr;
}

// Whether the lane keeps to the routes of the clean stream.
bool fixes_routing(const Lane& lane) {
  return lane.edit.intervention != nullptr && lane.edit.intervention->fixes_routing;
}

// Whether the lane has a stream of its own; one that borrows the head alone reads the clean one.
bool has_stream(const Lane& lane) {
  return lane.edit.intervention != nullptr || lane.other.embedding || lane.other.begin < lane.other.end;
}

// One pass over the weights for a group of lanes. Stream 0 is the clean one; lane i has stream i + 1.
class LanePass {
 public:
  LanePass(const LaneEngineInput& input, std::span<const Lane> lanes)
      : input_(input), lanes_(lanes), config_(input.model.checkpoint.config()), streams_(lanes.size() + 1) {
    offset_.push_back(0);
    std::int64_t longest = 0;
    for (const LaneWindow& w : input.sample) {
      offset_.push_back(offset_.back() + w.tokens);
      longest = std::max(longest, w.tokens);
    }
    together_ = windows_together(config_, longest);
    rope_ = make_rope_table(config_, static_cast<int>(longest));
    if (input.other != nullptr)
      other_rope_ = make_rope_table(input.other->checkpoint.config(), static_cast<int>(longest));
    for (const Lane& lane : lanes) {
      if (reorders(lane)) kept_blocks_ = std::max(kept_blocks_, lane.edit.span - 1);
      fixes_routing_ = fixes_routing_ || fixes_routing(lane);
    }
    clean_routing_.resize(fixes_routing_ ? input.sample.size() : 0);
  }

  std::vector<std::vector<Damage>> run(const Progress& progress) {
    streams_[0] = embedded(input_.model.embedding);
    BlockStream blocks(input_.model.checkpoint, 0, input_.options.compute, BlockOrder::ascending,
                       input_.options.memory.prefetch);
    const int n_layers = config_.n_layers;
    const std::string phase(input_.phase);
    for (int place = 0; place <= n_layers; ++place) {
      report_progress(progress, {phase, place, n_layers + 1, alive() * offset_.back()});
      fork(place);
      edit_states(place);
      if (place == n_layers) break;
      held_.push_back(blocks.next());
      step(place);
      if (held_.size() > static_cast<std::size_t>(kept_blocks_)) held_.erase(held_.begin());
    }
    held_.clear();
    report_progress(progress, {phase, n_layers + 1, n_layers + 1, 0});
    return config_.has_head ? compare_lanes(input_, offset_, outputs(), progress)
                            : compare_embeddings(input_, offset_, outputs());
  }

 private:
  // What one stream does at one block: its weights, in order, and the edits around them.
  struct Task {
    std::size_t stream = 0;
    const Lane* lane = nullptr;  // null = clean
    std::vector<const BlockWeights*> weights;
  };

  float* at(std::size_t stream, std::size_t window) {
    return streams_[stream].data() + offset_[window] * config_.hidden;
  }

  [[nodiscard]] std::int64_t alive() const {
    return std::count_if(streams_.begin(), streams_.end(), [](const auto& s) { return !s.empty(); });
  }

  [[nodiscard]] std::vector<float> embedded(const Embedding& table) const {
    std::vector<float> stream(static_cast<std::size_t>(offset_.back() * config_.hidden));
    for (std::size_t w = 0; w < input_.sample.size(); ++w) {
      const auto& ids = input_.context.corpus.windows[input_.sample[w].window].ids;
      embed(table, std::span(ids).first(static_cast<std::size_t>(input_.sample[w].tokens)),
            stream.data() + offset_[w] * config_.hidden);
    }
    return stream;
  }

  void fork(int place) {
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      if (lanes_[i].fork != place || !has_stream(lanes_[i])) continue;
      streams_[i + 1] = lanes_[i].other.embedding ? embedded(input_.other->embedding) : streams_[0];
    }
  }

  [[nodiscard]] EditContext context_of(const Lane& lane, int place, std::size_t window) const {
    const Window& w = input_.context.corpus.windows[input_.sample[window].window];
    const std::int64_t tokens = input_.sample[window].tokens;
    const auto first = static_cast<std::size_t>(input_.context.first_token[input_.sample[window].window]);
    return {.place = place,
            .document = w.document,
            .window = w.index,
            .seed = input_.context.seed,
            .repeat = lane.edit.repeat,
            .sign = lane.edit.sign,
            .strength = lane.edit.strength,
            .span = lane.edit.span,
            .head = lane.edit.head,
            .tokens = tokens,
            .width = config_.hidden,
            .classes = input_.classes.subspan(first, static_cast<std::size_t>(tokens))};
  }

  void edit_states(int place) {
    std::vector<std::size_t> chosen;
    for (std::size_t i = 0; i < lanes_.size(); ++i)
      if (edits(lanes_[i], Site::state, place)) chosen.push_back(i);
    each(chosen.size(), [&](std::size_t i, std::size_t window) {
      const Lane& lane = lanes_[chosen[i]];
      lane.edit.intervention->edit_state(context_of(lane, place, window), at(chosen[i] + 1, window));
    });
  }

  // body(item, window) for every pair, in parallel.
  template <class Body>
  void each(std::size_t items, const Body& body) {
    const std::size_t windows = input_.sample.size();
    parallel_for(items * windows, input_.options.threads,
                 [&](std::size_t task) { body(task / windows, task % windows); });
  }

  // Every stream through block `block`. Streams are grouped by where their weights come from, so that only
  // one edited copy of a block exists at a time.
  void step(int block) {
    const BlockWeights& own = held_.back();
    std::vector<Task> plain{{.weights = {&own}}}, borrowed;
    std::map<std::pair<const Intervention*, double>, std::vector<Task>> edited;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      const Lane& lane = lanes_[i];
      if (streams_[i + 1].empty()) continue;
      Task task{.stream = i + 1, .lane = &lane};
      if (borrows_block(lane, block)) {
        borrowed.push_back(std::move(task));
      } else if (edits(lane, Site::weights, block) && lane.edit.strength != 0.0) {
        edited[{lane.edit.intervention, lane.edit.strength}].push_back(std::move(task));
      } else {
        task.weights = order_of(lane, block);
        plain.push_back(std::move(task));
      }
    }
    if (fixes_routing_) {  // the routes of the clean stream come first
      run_tasks({plain.front()}, rope_, block);
      plain.erase(plain.begin());
    }
    run_tasks(plain, rope_, block);
    if (!borrowed.empty()) {
      const BlockWeights others = load_block(input_.other->checkpoint, block, input_.options.compute);
      for (Task& task : borrowed) task.weights = {&others};
      run_tasks(borrowed, other_rope_, block);
    }
    for (auto& [edit, tasks] : edited) {
      const BlockWeights copy = edited_weights(own, *edit.first, edit.second, input_.options.threads);
      for (Task& task : tasks) task.weights = {&copy};
      run_tasks(tasks, rope_, block);
    }
  }

  // The blocks that a lane runs now. Where a span has an order of its own the lane waits for its last block;
  // then all of them are held.
  [[nodiscard]] std::vector<const BlockWeights*> order_of(const Lane& lane, int block) const {
    const int last = lane.edit.place + lane.edit.span - 1;
    if (!reorders(lane) || block < lane.edit.place || block > last) return {&held_.back()};
    if (block < last) return {};
    std::vector<const BlockWeights*> order;
    const std::size_t first = held_.size() - static_cast<std::size_t>(lane.edit.span);
    for (const int i : lane.edit.intervention->block_order(lane.edit.strength))
      order.push_back(&held_.at(first + static_cast<std::size_t>(i)));
    return order;
  }

  // A pair of a task and a window of the sample.
  struct Step {
    const Task* task = nullptr;
    std::size_t window = 0;
  };

  void run_tasks(const std::vector<Task>& tasks, const RopeTable& rope, int block) {
    const BlockWeights* shared = nullptr;  // by the tasks that run one block, most of them
    std::vector<Step> together;
    std::vector<const Task*> alone;
    for (const Task& task : tasks) {
      if (task.weights.size() == 1 && shared == nullptr) shared = task.weights.front();
      if (task.weights.size() != 1 || task.weights.front() != shared) {
        alone.push_back(&task);
        continue;
      }
      for (std::size_t window = 0; window < input_.sample.size(); ++window)
        together.push_back({&task, window});
    }
    const auto groups = groups_of(together.size(), together_, input_.options.threads);
    parallel_for(groups.size(), input_.options.threads, [&](std::size_t g) {
      const auto steps = std::span(together).subspan(groups[g].begin, groups[g].end - groups[g].begin);
      run_steps(*shared, rope, block, steps, *pool_.lease());
    });
    each(alone.size(), [&](std::size_t i, std::size_t window) {
      const Step step{alone[i], window};
      for (const BlockWeights* weights : alone[i]->weights)
        run_steps(*weights, rope, block, {&step, 1}, *pool_.lease());
    });
  }

  // What the task's routing needs: the clean stream shows its routes where a lane keeps to them.
  void set_routing(const BlockWeights& weights, const Task& task, std::size_t window, BlockHooks& hooks) {
    if (!fixes_routing_ || weights.block.feed_forward.experts == 0) return;
    if (task.lane == nullptr) {
      hooks.routing = &clean_routing_[window];
    } else if (fixes_routing(*task.lane)) {
      hooks.frozen_routing = &clean_routing_[window];
    }
  }

  [[nodiscard]] static bool acts(const Task& task, Site site, int block) {
    return task.lane != nullptr && edits(*task.lane, site, block);
  }
  // Whether the edit acts on what the block has added.
  [[nodiscard]] static bool edits_branch(const Task& task, int block) {
    return acts(task, Site::branch, block) && !reorders(*task.lane);
  }

  BlockPass pass_of(const BlockWeights& weights, const Step& step, int block, StepWindow& own) {
    const Task& task = *step.task;
    float* const h = at(task.stream, step.window);
    BlockPass pass{h, h, input_.sample[step.window].tokens};
    set_routing(weights, task, step.window, pass.hooks);
    if (acts(task, Site::attention, block)) {
      own.edit = context_of(*task.lane, block, step.window);
      own.edit.reach = weights.block.attention.window;
      own.change = [&own, lane = task.lane](int head, std::int64_t query, float* probability) {
        lane->edit.intervention->edit_attention(own.edit, head, query, probability);
      };
      pass.hooks.edit_attention = &own.change;
    } else if (edits_branch(task, block)) {
      own.out.resize(static_cast<std::size_t>(pass.tokens * weights.block.hidden));
      pass.h_out = own.out.data();
    } else if (acts(task, Site::parts, block)) {
      task.lane->edit.intervention->edit_parts(context_of(*task.lane, block, step.window), pass.hooks);
    }
    return pass;
  }

  void run_steps(const BlockWeights& weights, const RopeTable& rope, int block, std::span<const Step> steps,
                 StepScratch& scratch) {
    if (scratch.windows.size() < steps.size()) scratch.windows.resize(steps.size());
    std::vector<BlockPass> passes;
    for (std::size_t i = 0; i < steps.size(); ++i)
      passes.push_back(pass_of(weights, steps[i], block, scratch.windows[i]));
    forward_block(weights, rope, passes, scratch.block);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const Task& task = *steps[i].task;
      if (!edits_branch(task, block)) continue;
      float* const h = at(task.stream, steps[i].window);
      std::vector<float>& out = scratch.windows[i].out;
      task.lane->edit.intervention->edit_branch(context_of(*task.lane, block, steps[i].window), h,
                                                out.data());
      std::copy_n(out.data(), passes[i].tokens * weights.block.hidden, h);
    }
  }

  [[nodiscard]] std::vector<LaneOutput> outputs() const {
    std::vector<LaneOutput> outputs{{streams_[0].data(), &input_.model}};
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      const auto& stream = streams_[i + 1].empty() ? streams_[0] : streams_[i + 1];
      outputs.push_back({stream.data(), lanes_[i].other.head ? input_.other : &input_.model});
    }
    return outputs;
  }

  const LaneEngineInput& input_;
  std::span<const Lane> lanes_;
  const ModelConfig& config_;
  std::vector<std::vector<float>> streams_;
  std::vector<std::int64_t> offset_;  // first row of each lane window
  std::vector<BlockWeights> held_;    // the current block, after as many earlier ones as a span needs
  int kept_blocks_ = 0;
  std::size_t together_ = 1;  // windows_together
  bool fixes_routing_ = false;
  std::vector<Routing> clean_routing_;  // of each window in the current block
  RopeTable rope_, other_rope_;
  ScratchPool<StepScratch> pool_{};
};

}  // namespace

std::vector<std::vector<Damage>> run_lanes(const LaneEngineInput& input, std::span<const Lane> lanes,
                                           const Progress& progress) {
  const std::uint64_t each = std::max<std::uint64_t>(1, lane_bytes(input.context, input.sample));
  const auto per_pass = static_cast<std::size_t>(std::max<std::uint64_t>(1, input.options.lane_bytes / each));
  std::vector<std::vector<Damage>> damage;
  const std::string name(input.phase);
  const auto save = [&](Archive& archive) { archive(damage); };
  Snapshots* const snapshots = input.options.snapshots;
  if (snapshots != nullptr) (void)snapshots->load(name, save);
  for (std::size_t begin = damage.size(); begin < lanes.size(); begin = damage.size()) {
    LanePass pass(input, lanes.subspan(begin, std::min(per_pass, lanes.size() - begin)));
    auto part = pass.run(progress);
    std::move(part.begin(), part.end(), std::back_inserter(damage));
    if (snapshots != nullptr) snapshots->save(name, save);
  }
  return damage;
}

std::uint64_t lane_bytes(const SweepContext& context, const std::vector<LaneWindow>& sample) {
  std::int64_t tokens = 0;
  for (const LaneWindow& w : sample) tokens += w.tokens;
  return static_cast<std::uint64_t>(tokens) *
         (static_cast<std::uint64_t>(context.config.hidden) * sizeof(float) + kComparedTokenBytes);
}

int lane_extra_blocks(std::span<const Lane> lanes) {
  int kept = 0, copies = 0;
  for (const Lane& lane : lanes) {
    if (reorders(lane)) kept = std::max(kept, lane.edit.span - 1);
    if (at_site(lane, Site::weights) || lane.other.begin < lane.other.end) copies = 1;
  }
  return kept + copies;
}

}  // namespace strata
