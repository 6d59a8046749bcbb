// Forward rate of every kind of block that a model has, against dense products of the same active parameters:
// our own kernel on the shapes that one token uses, with experts as one MLP of their widths together. The
// parts take turns, so that what other jobs do to one they do to the next.
//
//   strata synth -o /var/tmp/mixture --like qwen3-30b-a3b --layers 2 --vocab 4096
//   blocks_bench /var/tmp/mixture --dtype bfloat16
//
// With --whole it prints tokens per second of the whole model instead, weights read from the file in each
// round, no logits: bench/llama_cpp.py sets that beside llama.cpp.
#include <fmt/format.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <limits>
#include <string>
#include <vector>

#include "strata/base/error.h"
#include "strata/base/parallel.h"
#include "strata/base/philox.h"
#include "strata/checkpoint/checkpoint.h"
#include "strata/model/block.h"
#include "strata/sweep/forward.h"
#include "strata/sweep/groups.h"
#include "strata/sweep/scratch.h"

namespace {

using namespace strata;

struct Asked {
  std::string model, dtype = "float32";
  int threads = 2, rounds = 5, windows = 4, tokens = 512;
  bool whole = false;
};

struct Seconds {
  double wall = std::numeric_limits<double>::infinity(), processor = wall;
};

template <typename Run>
void improve(Seconds& best, const Run& run) {
  const auto processor = [] {
    timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  };
  const auto wall = std::chrono::steady_clock::now();
  const double busy = processor();
  run();
  best.processor = std::min(best.processor, processor() - busy);
  best.wall =
      std::min(best.wall, std::chrono::duration<double>(std::chrono::steady_clock::now() - wall).count());
}

std::vector<float> random_values(std::int64_t count, std::uint64_t seed) {
  Philox rng({.seed = seed, .stream = Stream::test});
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(rng.normal());
  return values;
}

// A product of the stand-in: outputs, inner dimension.
struct Shape {
  std::int64_t rows = 0, columns = 0;
};

std::vector<Shape> active_shapes(const BlockWeights& w) {
  std::vector<Shape> shapes;
  const auto add = [&](const Weight& weight) {
    if (weight.defined()) shapes.push_back({weight.rows(), weight.columns()});
  };
  add(w.qkv), add(w.query_gate), add(w.attention_output);
  add(w.delta.qkv), add(w.delta.gate), add(w.delta.write_and_step), add(w.delta.output);
  const FeedForwardDescription& f = w.block.feed_forward;
  const std::int64_t width = f.experts == 0 ? f.width : f.experts_used * f.width + f.shared_width;
  shapes.insert(shapes.end(), {{width, w.block.hidden}, {width, w.block.hidden}, {w.block.hidden, width}});
  return shapes;
}

class DenseProducts {
 public:
  DenseProducts(const BlockWeights& block, const Asked& asked) : asked_(asked) {
    for (const Shape& shape : active_shapes(block)) {
      PackedMatrix weight(block.dtype(), shape.rows, shape.columns);
      const std::vector<float> row = random_values(shape.columns, 2);
      for (std::int64_t r = 0; r < shape.rows; ++r) weight.put_rows(r, 1, row.data(), shape.columns);
      PackedRows& input = inputs_.emplace_back();
      input.reset(block.dtype(), asked.tokens, shape.columns);
      input.put(random_values(asked.tokens * shape.columns, 3).data(), shape.columns);
      parameters_ += shape.rows * shape.columns;
      weights_.push_back(std::move(weight));
    }
  }
  void run() const {
    parallel_for(static_cast<std::size_t>(asked_.windows), asked_.threads, [&](std::size_t) {
      std::vector<float> out;
      for (std::size_t i = 0; i < weights_.size(); ++i) {
        out.resize(static_cast<std::size_t>(asked_.tokens * weights_[i].rows()));
        multiply(inputs_[i], weights_[i], {.data = out.data(), .stride = weights_[i].rows()});
      }
    });
  }
  [[nodiscard]] double operations() const {
    return 2.0 * static_cast<double>(parameters_) * asked_.tokens * asked_.windows;
  }

 private:
  const Asked& asked_;
  std::vector<PackedMatrix> weights_;
  std::vector<PackedRows> inputs_;
  std::int64_t parameters_ = 0;
};

std::string kind_of(const BlockDescription& block) {
  return fmt::format(
      "{}, {}", block.mixer == Mixer::attention ? "attention" : "delta rule",
      block.feed_forward.experts > 0
          ? fmt::format("{} of {} experts", block.feed_forward.experts_used, block.feed_forward.experts)
          : "dense");
}

void bench_block(const Checkpoint& checkpoint, int layer, const Asked& asked, Compute compute) {
  const ModelConfig& config = checkpoint.config();
  const BlockWeights weights = load_block(checkpoint, layer, compute);
  const RopeTable rope = make_rope_table(config, asked.tokens);
  const DenseProducts dense(weights, asked);
  std::vector<std::vector<float>> states;
  for (int w = 0; w < asked.windows; ++w)
    states.push_back(
        random_values(std::int64_t{asked.tokens} * config.hidden, 100 + static_cast<unsigned>(w)));
  const auto groups = groups_of(states.size(), windows_together(config, asked.tokens), asked.threads);
  ScratchPool<BlockScratch> pool;
  std::vector<std::vector<float>> out = states;
  Seconds of_dense, of_block;
  for (int round = 0; round < asked.rounds; ++round) {
    improve(of_dense, [&] { dense.run(); });
    improve(of_block, [&] {
      parallel_for(groups.size(), asked.threads, [&](std::size_t g) {
        auto scratch = pool.lease();
        std::vector<BlockPass> passes;
        for (std::size_t w = groups[g].begin; w < groups[g].end; ++w)
          passes.push_back({states[w].data(), out[w].data(), asked.tokens});
        forward_block(weights, rope, passes, *scratch);
      });
    });
  }
  fmt::print("{:>5}  {:<36} {:>8.3f} {:>8.3f} {:>9.1f} {:>7.2f} {:>7.2f}\n", layer, kind_of(weights.block),
             of_dense.wall, of_block.wall, dense.operations() / of_block.wall * 1e-9,
             of_dense.wall / of_block.wall, of_dense.processor / of_block.processor);
}

void bench_whole(const Checkpoint& checkpoint, const Asked& asked, Compute compute) {
  Philox rng({.seed = 1, .stream = Stream::test});
  std::vector<std::vector<std::int32_t>> windows(static_cast<std::size_t>(asked.windows));
  for (auto& ids : windows) {
    for (int i = 0; i < asked.tokens; ++i) {
      ids.push_back(
          static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(checkpoint.config().vocab))));
    }
  }
  const ForwardObserver nobody{.state = [](int, std::size_t, std::span<const float>) {}, .output = nullptr};
  Seconds best;
  for (int round = 0; round < asked.rounds; ++round) {
    improve(best, [&] {
      forward_windows(checkpoint, windows, {.threads = asked.threads, .compute = compute}, nobody);
    });
  }
  fmt::print("{:.1f} tokens/s\n", static_cast<double>(asked.windows) * asked.tokens / best.wall);
}

int run(int argc, char** argv) {
  CLI::App app("Forward rate of each kind of block against dense products of its active parameters");
  Asked asked;
  app.add_option("model", asked.model)->required();
  app.add_option("--dtype", asked.dtype)->check(CLI::IsMember({"float32", "bfloat16"}));
  app.add_option("--threads", asked.threads)->check(CLI::PositiveNumber);
  app.add_option("--rounds", asked.rounds)->check(CLI::PositiveNumber);
  app.add_option("--windows", asked.windows)->check(CLI::PositiveNumber);
  app.add_option("--tokens", asked.tokens)->check(CLI::PositiveNumber);
  app.add_flag("--whole", asked.whole, "The whole model, from its file");
  CLI11_PARSE(app, argc, argv);
  const Compute compute(asked.dtype == "bfloat16" ? ComputeDType::bfloat16 : ComputeDType::float32);
  require_compute(compute);
  Checkpoint checkpoint = Checkpoint::open(asked.model);
  checkpoint.set_load_threads(asked.threads);
  fmt::print("{}; {} windows of {} tokens, {} threads, {} on {}; best of {} rounds\n", checkpoint.name(),
             asked.windows, asked.tokens, asked.threads, asked.dtype, instruction_set(compute.dtype),
             asked.rounds);
  if (asked.whole) {
    bench_whole(checkpoint, asked, compute);
    return 0;
  }
  fmt::print("{:>5}  {:<36} {:>8} {:>8} {:>9} {:>7} {:>7}\n", "block", "", "dense s", "block s", "GFLOP/s",
             "ratio", "of cpu");
  std::vector<std::string> seen;
  for (int layer = 0; layer < checkpoint.config().n_layers; ++layer) {
    const std::string kind = kind_of(describe_block(checkpoint.config(), layer));
    if (std::find(seen.begin(), seen.end(), kind) != seen.end()) continue;
    seen.push_back(kind);
    bench_block(checkpoint, layer, asked, compute);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const strata::Error& error) {
    fmt::print(stderr, "blocks_bench: {}\n", error.what());
    return strata::exit_code(error.kind());
  }
}
