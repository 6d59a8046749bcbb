#include "strata/sweep/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "strata/base/error.h"
#include "strata/checkpoint/decode_tensor.h"
#include "strata/model/backend.h"
#include "strata/model/backward.h"
#include "strata/model/block.h"
#include "strata/model/head.h"
#include "strata/signals/sinks.h"
#include "strata/sweep/backward_sweep.h"
#include "strata/sweep/lane_damage.h"
#include "strata/sweep/noise_floor.h"
#include "strata/sweep/selection.h"

namespace strata {
namespace {

constexpr std::uint64_t kMostSegments = 7;          // that segmentation gives: a bottleneck in each
constexpr std::uint64_t kMappedBytes = 2ull << 24;  // of a tensor that is being read, and of the next piece

std::uint64_t floats(std::int64_t count) {
  return static_cast<std::uint64_t>(count) * sizeof(float);
}

double gib(std::uint64_t bytes) {
  return static_cast<double>(bytes) / 1073741824.0;
}

// What does not change with the choices.
struct Facts {
  const ModelConfig& c;
  std::int64_t longest = 0, lane_longest = 0, lane_tokens = 0, tokens = 0;
  std::uint64_t vocabulary = 0;  // a whole embedding or unembedding
  std::uint64_t rows_used = 0;   // the embedding of the tokens of the text
  std::uint64_t block = 0;       // weights of one
  // The same in float32, for the noise floor.
  std::uint64_t exact_vocabulary = 0, exact_rows_used = 0, exact_block = 0;
  std::uint64_t mapped = 0;    // pages of files, at most
  std::uint64_t logits = 0;    // one chunk of rows
  std::uint64_t lane = 0;      // one lane
  std::uint64_t backward = 0;  // states and gradients of the backward sweep; 0 = not wanted
  std::uint64_t residual = 0;
  std::uint64_t text = 0;  // windows of ids
};

Facts facts_of(const MemoryInput& input) {
  const ModelConfig& c = input.checkpoint.config();
  Facts f{.c = c};
  for (std::size_t w = 0; w < input.context.corpus.windows.size(); ++w) {
    f.longest = std::max(f.longest, input.context.tokens_in(w));
  }
  for (const LaneWindow& w : input.sample) {
    f.lane_longest = std::max(f.lane_longest, w.tokens);
    f.lane_tokens += w.tokens;
  }
  f.tokens = input.context.token_count();
  const ComputeDType dtype = input.options.compute.dtype;
  f.vocabulary = packed_bytes(dtype, c.vocab, c.hidden);
  f.exact_vocabulary = packed_bytes(ComputeDType::float32, c.vocab, c.hidden);
  f.block = block_bytes(c, dtype);
  f.exact_block = block_bytes(c, ComputeDType::float32);
  std::vector<char> used(static_cast<std::size_t>(c.vocab), 0);
  for (const Window& window : input.context.corpus.windows) {
    for (const std::int32_t id : window.ids) used.at(static_cast<std::size_t>(id)) = 1;
  }
  const std::int64_t rows = std::count(used.begin(), used.end(), 1);
  f.rows_used = embedding_rows_bytes(c, rows, dtype);
  f.exact_rows_used = embedding_rows_bytes(c, rows, ComputeDType::float32);
  std::uint64_t largest = 0;
  for (const TensorInfo& tensor : input.checkpoint.tensors()) {
    largest = std::max<std::uint64_t>(largest, tensor.size_bytes);
  }
  f.mapped = std::min(largest, kMappedBytes);
  f.logits = c.has_head ? floats(kLogitRows * c.vocab) : 0;
  f.lane = lane_bytes(input.context, input.sample);
  f.residual = floats(f.tokens * c.hidden);
  f.text = input.context.corpus.memory_bytes();
  if (wants_backward_sweep(input.options)) {
    f.backward =
        static_cast<std::uint64_t>(f.lane_tokens) * backward_token_bytes(c, input.options.label_samples);
  }
  return f;
}

class Planner {
 public:
  Planner(const MemoryInput& input, std::uint64_t limit) : input_(input), f_(facts_of(input)), limit_(limit) {
    plan_.threads = input.options.threads;
    // The rows of the text are enough where the table serves nothing else.
    plan_.choice.gather = !f_.c.tied_embeddings;
  }

  MemoryPlan run() {
    const std::function<void()> kGiveUp[] = {[&] { plan_.choice.spill_samples = true; },
                                             [&] { plan_.choice.spill_states = true; },
                                             [&] { plan_.choice.gather = true; },
                                             [&] { plan_.choice.prefetch = false; },
                                             [&] { plan_.threads = std::min(plan_.threads, 2); },
                                             [&] { plan_.threads = 1; }};
    fill();
    for (const auto& give_up : kGiveUp) {
      if (plan_.peak().bytes() <= limit_) return plan_;
      give_up();
      fill();
    }
    if (plan_.peak().bytes() > limit_) refuse();
    return plan_;
  }

 private:
  [[nodiscard]] std::uint64_t workers() const {
    return static_cast<std::uint64_t>(std::max(1, std::min(plan_.threads, input_.options.batch)));
  }
  [[nodiscard]] std::uint64_t threads() const { return static_cast<std::uint64_t>(plan_.threads); }
  [[nodiscard]] std::uint64_t window(std::int64_t tokens) const { return floats(tokens * f_.c.hidden); }
  // One state of the windows that a worker takes at once.
  [[nodiscard]] std::uint64_t together(std::int64_t tokens) const {
    return windows_together(f_.c, tokens) * window(tokens);
  }
  [[nodiscard]] std::uint64_t table() const { return plan_.choice.gather ? f_.rows_used : f_.vocabulary; }
  // Beside table(), which serves as the unembedding of a tied model where it is whole.
  [[nodiscard]] std::uint64_t head() const {
    if (!f_.c.has_head) return 0;
    return f_.c.tied_embeddings && !plan_.choice.gather ? 0 : f_.vocabulary;
  }

  // What loading takes beside what becomes of it, with so many tensors at a time.
  void add_reading(std::vector<MemoryItem>& items, std::uint64_t tensors) const {
    items.push_back({"pages of the checkpoint being read", tensors * f_.mapped});
    items.push_back(
        {"rows on their way into packed matrices", tensors * threads() * kDecodedAtOnce * sizeof(float)});
  }

  // What every phase holds, with `blocks` of weights.
  [[nodiscard]] std::vector<MemoryItem> base(bool blocks) const {
    std::vector<MemoryItem> items{
        {"program", program_bytes()},
        {"token ids of the text", f_.text},
        {plan_.choice.gather ? "embedding (the rows of the text)" : "embedding", table()}};
    if (!blocks) return items;
    items.push_back(
        {plan_.choice.prefetch ? "weights of two blocks (current and next)" : "weights of a block",
         (plan_.choice.prefetch ? 2 : 1) * f_.block});
    add_reading(items, 1);
    return items;
  }

  void add(std::string name, std::vector<MemoryItem> items) {
    std::erase_if(items, [](const MemoryItem& item) { return item.bytes == 0; });
    plan_.phases.push_back({std::move(name), std::move(items)});
  }

  void fill() {
    plan_.phases.clear();
    plan_.spilled_bytes = 0;
    SweepContext context = input_.context;
    context.threads = plan_.threads;
    context.place.spilled = plan_.choice.spill_samples;
    const auto wanted = selected_signals(input_.options, f_.c);
    const auto keeps = [&] {
      return SinkTracker::memory_bytes(context) + accumulator_bytes(wanted, context);
    };
    const std::uint64_t kept = keeps();
    context.place.spilled = false;
    const std::uint64_t kept_resident = keeps();
    if (plan_.choice.spill_samples) plan_.spilled_bytes += kept_resident - kept;
    clean_sweep(kept);
    signals(context, kept);
    if (input_.lanes > 0) lanes();
    if (wants_noise_floor(input_.options)) noise_floor();
    if (f_.backward > 0) backward();
    if (input_.options.plan_bottlenecks) bottleneck();
  }

  void clean_sweep(std::uint64_t kept) {
    auto items = base(true);
    const bool spilled = plan_.choice.spill_states;
    items.push_back({"residual stream", spilled ? 0 : f_.residual});
    if (spilled) plan_.spilled_bytes += f_.residual;
    items.push_back({"what the signals keep", kept});
    items.push_back(
        {"scratch of the workers", workers() * (scratch_bytes(f_.c, static_cast<int>(f_.longest)) +
                                                (spilled ? 2 : 1) * together(f_.longest))});
    if (needs_of(selected_signals(input_.options, f_.c)).expert_directions)
      items.push_back({"directions of the experts' outputs", workers() * together(f_.longest)});
    add("clean sweep", std::move(items));
    const std::uint64_t bytes = plan_.phases.back().bytes();
    plan_.choice.repair_bytes = bytes < limit_ ? limit_ - bytes : 0;
  }

  void signals(SweepContext& context, std::uint64_t kept) {
    auto items = base(false);
    items.push_back({"unembedding", head()});
    items.push_back({"what the signals keep", kept});
    std::uint64_t held = 0, work = threads() * (f_.logits + 2 * window(f_.longest));  // next-token loss
    if (!plan_.choice.spill_states) work += f_.residual;
    for (const MemoryItem& item : items) held += item.bytes;
    plan_.choice.finish_bytes = held < limit_ ? limit_ - held : 0;
    context.finish_bytes = plan_.choice.finish_bytes;
    for (const Signal* signal : selected_signals(input_.options, f_.c)) {
      if (signal->finish_bytes == nullptr || !measurable(*signal, f_.c)) continue;
      const std::uint64_t each = signal->finish_bytes(context);
      const std::uint64_t once =
          signal->finish_once_bytes == nullptr ? 0 : signal->finish_once_bytes(context);
      work = std::max(work, once + each * static_cast<std::uint64_t>(context.finish_threads(each, once)));
    }
    items.push_back({"what the signals compute at the end", work});
    add("signals", std::move(items));
  }

  [[nodiscard]] bool keeps_routes() const {
    const auto wanted = selected_interventions(input_.options);
    return std::any_of(wanted.begin(), wanted.end(), [](const Intervention* w) { return w->fixes_routing; });
  }

  void lanes() {
    auto items = base(true);
    items.push_back(
        {"further blocks of weights", static_cast<std::uint64_t>(input_.extra_blocks) * f_.block});
    items.push_back({"unembedding", head()});
    items.push_back(
        {"scratch of the workers",
         threads() * (scratch_bytes(f_.c, static_cast<int>(f_.lane_longest)) + together(f_.lane_longest) +
                      comparison_bytes(f_.c, *input_.options.compute.backend))});
    if (f_.c.experts && keeps_routes()) {
      const auto floats = static_cast<std::uint64_t>(f_.c.experts->count + 2 * f_.c.experts->used);
      items.push_back({"routes of the clean stream",
                       static_cast<std::uint64_t>(f_.lane_tokens) * floats * sizeof(float)});
    }
    std::uint64_t held = 0;
    for (const MemoryItem& item : items) held += item.bytes;
    const std::uint64_t room = held < limit_ ? limit_ - held : 0;
    const auto fit = static_cast<std::int64_t>(room / std::max<std::uint64_t>(1, f_.lane)) - 1;
    plan_.lanes_at_once = std::clamp<std::int64_t>(fit, 1, input_.lanes);
    plan_.lane_bytes = static_cast<std::uint64_t>(plan_.lanes_at_once) * f_.lane;
    items.push_back({"lanes", plan_.lane_bytes + f_.lane});
    add("lanes", std::move(items));
  }

  // Both modes side by side; the float32 unembedding comes when the blocks have gone.
  void noise_floor() {
    const bool gather = plan_.choice.gather;
    auto items = base(false);
    items.push_back({"unembedding", head()});
    items.push_back({"embedding in float32", gather ? f_.exact_rows_used : f_.exact_vocabulary});
    items.push_back({"weights of blocks in both modes, or the unembedding in float32",
                     std::max<std::uint64_t>((plan_.choice.prefetch ? 2 : 1) * (f_.block + f_.exact_block),
                                             f_.c.tied_embeddings && !gather ? 0 : f_.exact_vocabulary)});
    add_reading(items, 2);
    items.push_back({"states in both modes", 2 * f_.lane});
    // Scratch of a block; then logits of a chunk in both modes, and probabilities in float64.
    items.push_back(
        {"scratch of the workers",
         threads() * std::max(scratch_bytes(f_.c, static_cast<int>(f_.lane_longest)), 3 * f_.logits)});
    add("noise floor", std::move(items));
  }

  void backward() {
    auto items = base(true);
    items.push_back({"unembedding", head()});
    const int longest = static_cast<int>(f_.lane_longest);
    const auto draws = static_cast<std::uint64_t>(input_.options.label_samples);
    items.push_back({"scratch of the workers",
                     threads() * (scratch_bytes(f_.c, longest) + backward_scratch_bytes(f_.c, longest) +
                                  2 * together(longest) + draws * window(longest) + 2 * f_.logits)});
    std::uint64_t held = 0;
    for (const MemoryItem& item : items) held += item.bytes;
    const std::uint64_t room = held < limit_ ? limit_ - held : 0;
    const bool fits = !plan_.choice.spill_states && f_.backward <= room;
    plan_.backward_bytes = fits ? f_.backward : 0;
    if (!fits) plan_.spilled_bytes = std::max(plan_.spilled_bytes, f_.backward);
    items.push_back({"states and gradients", plan_.backward_bytes});
    add("backward sweep", std::move(items));
  }

  // Training visits every weight again and again, in float32: nothing can be given up here.
  void bottleneck() {
    const auto layers = static_cast<std::uint64_t>(f_.c.n_layers),
               d = static_cast<std::uint64_t>(f_.c.hidden);
    auto items = base(false);
    items.push_back({"unembedding", head()});
    items.push_back({"weights in float32", layers * f_.exact_block});
    if (input_.options.compute.dtype != ComputeDType::float32) {
      items.push_back(
          {"embedding and unembedding in float32", (f_.c.tied_embeddings ? 1 : 2) * f_.exact_vocabulary});
    }
    // States there and at the end, rows and the eigenbasis in float64.
    items.push_back({"states and bases", kMostSegments * (4 * f_.lane + 3 * d * d * sizeof(double))});
    const int longest = static_cast<int>(f_.lane_longest);
    // A window's states in every block, logits and probabilities of a chunk, and the channel in float64.
    items.push_back({"scratch of the workers",
                     threads() * (scratch_bytes(f_.c, longest) + backward_scratch_bytes(f_.c, longest) +
                                  (layers + 16) * window(f_.lane_longest) + 2 * f_.logits)});
    add("bottleneck", std::move(items));
  }

  [[noreturn]] void refuse() const {
    const MemoryPhase& peak = plan_.peak();
    std::string largest;
    std::uint64_t most = 0;
    for (const MemoryItem& item : peak.items) {
      if (item.bytes > most) largest = item.what, most = item.bytes;
    }
    throw Error(ErrorKind::out_of_memory,
                {.option = "mem_limit",
                 .found = fmt::format(
                     "the run needs {:.2f} GiB, the limit is {:.2f} GiB; most of it in the {}: {} ({:.2f} "
                     "GiB)",
                     gib(peak.bytes()), gib(limit_), peak.name, largest, gib(most)),
                 .hint = "a shorter --ctx-size, smaller --positions or --lane-tokens and fewer windows "
                         "(--chunks, --limit) "
                         "need less, and so do --signals, --clean-only and no --bottleneck"});
  }

  const MemoryInput& input_;
  Facts f_;
  std::uint64_t limit_;
  MemoryPlan plan_;
};

}  // namespace

MemoryPlan plan_memory(const MemoryInput& input, std::uint64_t limit_bytes) {
  return Planner(input, limit_bytes).run();
}

}  // namespace strata
