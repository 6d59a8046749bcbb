// What a comparison of twins takes.
#include <fmt/format.h>

#include <algorithm>

#include "strata/base/error.h"
#include "strata/model/backend.h"
#include "strata/model/block.h"
#include "strata/model/head.h"
#include "strata/signals/sinks.h"
#include "strata/sweep/divergence.h"
#include "strata/sweep/lane_damage.h"
#include "strata/sweep/lanes.h"

namespace strata {
namespace {

double in_gib(std::uint64_t bytes) {
  return static_cast<double>(bytes) / 1073741824.0;
}

}  // namespace

void require_same_shape(const Checkpoint& original, const Checkpoint& other) {
  require_head(original);
  require_head(other);
  struct Dimension {
    const char* name;
    int original, other;
  };
  const ModelConfig &a = original.config(), &b = other.config();
  std::string found;
  for (const Dimension& d :
       {Dimension{"blocks", a.n_layers, b.n_layers}, Dimension{"hidden size", a.hidden, b.hidden},
        Dimension{"vocabulary", a.vocab, b.vocab}}) {
    if (d.original == d.other) continue;
    found += fmt::format("{}{} {} against {}", found.empty() ? "" : ", ", d.name, d.original, d.other);
  }
  if (found.empty()) return;
  throw Error(ErrorKind::usage,
              {.where = fmt::format("{} and {}", original.path().string(), other.path().string()),
               .found = found,
               .expected = "two versions of one model: the same depth, width and vocabulary"});
}

DivergencePlan plan_divergence(const DivergenceInput& input, const MeasureOptions& options,
                               std::uint64_t mem_limit_bytes) {
  require_same_shape(input.original, input.other);
  const ModelConfig &c = input.original.config(), &o = input.other.config();
  SweepContext context = make_context(c, input.corpus);
  context.seed = options.seed;
  const auto tokens = static_cast<std::uint64_t>(context.token_count());
  const auto width = static_cast<std::uint64_t>(c.hidden) * sizeof(float);
  int longest = 0;
  for (const Window& w : input.corpus.windows) longest = std::max(longest, static_cast<int>(w.ids.size()));
  const auto workers = static_cast<std::uint64_t>(std::max(1, std::min(options.threads, options.batch)));
  DivergencePlan plan;
  const auto add = [&](std::string what, std::uint64_t bytes) {
    plan.memory.push_back({std::move(what), bytes});
    plan.peak_bytes += bytes;
  };
  add("program", program_bytes());
  add("token ids of the text", input.corpus.memory_bytes());
  add("two blocks of each model (current and next)", 2 * (block_bytes(c) + block_bytes(o)));
  add("embeddings and unembeddings of both", ends_bytes(c) + ends_bytes(o));
  add("values per token and place", static_cast<std::uint64_t>(3 * c.n_layers + 2) * tokens * sizeof(float) +
                                        SinkTracker::memory_bytes(context));
  add("scratch of the workers",
      workers * (std::max(scratch_bytes(c, longest), scratch_bytes(o, longest)) +
                 2 * static_cast<std::uint64_t>(longest) * width +
                 static_cast<std::uint64_t>(kLogitRows * c.vocab) * (2 * sizeof(float) + sizeof(double)) +
                 comparison_bytes(c, cpu_backend())));
  const auto sample = lane_sample(context, options.lane_tokens);
  const std::uint64_t each = lane_bytes(context, sample), residual = 2 * tokens * width;
  const std::uint64_t least = std::max(2 * each, residual);  // the sweep's streams are gone when lanes begin
  if (plan.peak_bytes + least > mem_limit_bytes) {
    throw Error(
        ErrorKind::out_of_memory,
        {.option = "mem_limit",
         .found = fmt::format("the comparison needs {:.2f} GiB, the limit is {:.2f} GiB",
                              in_gib(plan.peak_bytes + least), in_gib(mem_limit_bytes)),
         .hint =
             "fewer windows (--chunks, --limit), a shorter --ctx-size or smaller --lane-tokens need less"});
  }
  const std::uint64_t fit = (mem_limit_bytes - plan.peak_bytes) / std::max<std::uint64_t>(1, each) - 1;
  plan.lane_bytes =
      std::min<std::uint64_t>(std::max<std::uint64_t>(1, fit), static_cast<std::uint64_t>(c.n_layers) + 3) *
      each;
  add("residual streams of both, or lanes", std::max(plan.lane_bytes + each, residual));
  return plan;
}

}  // namespace strata
