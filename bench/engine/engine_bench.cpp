// Speed of the engine, as ratios from one run whose parts take turns: what the machine's other jobs do to one
// part they do to the next. Prints wall-clock and processor seconds, the best round of each part.
//
//   strata synth -o /var/tmp/bench --like llama-3.2-1b --vocab 32000 --tied false
//   bench_engine /var/tmp/bench --dtype bfloat16
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "strata/backends/torch/torch_backend.h"
#include "strata/backends/torch/torch_device.h"
#include "strata/base/error.h"
#include "strata/base/parallel.h"
#include "strata/base/philox.h"
#include "strata/checkpoint/checkpoint.h"
#include "strata/model/block.h"
#include "strata/model/head.h"
#include "strata/sweep/forward.h"
#include "strata/sweep/measure.h"
#include "strata/sweep/plan.h"
#include "strata/sweep/scratch.h"

namespace {

using namespace strata;

struct Asked {
  std::string model, dtype = "bfloat16", device = "cpu";
  int threads = 2, rounds = 3, windows = 4, tokens = 512, label_samples = 1;
  int windows_per_document = 1;
  bool sweeps = false, clean_only = false;
  std::vector<std::string> signals;
};

struct Seconds {
  double wall = std::numeric_limits<double>::infinity(), processor = wall;
};

Seconds now() {
  timespec processor{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &processor);
  return {std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(),
          static_cast<double>(processor.tv_sec) + 1e-9 * static_cast<double>(processor.tv_nsec)};
}

Seconds since(const Seconds& start) {
  const Seconds end = now();
  return {end.wall - start.wall, end.processor - start.processor};
}

struct Part {
  std::string name;
  std::function<void()> run;
  Seconds best{};
};

void run_rounds(std::vector<Part>& parts, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    for (Part& part : parts) {
      const Seconds start = now();
      part.run();
      const Seconds took = since(start);
      part.best = {std::min(part.best.wall, took.wall), std::min(part.best.processor, took.processor)};
      fmt::print(stderr, "round {}: {} {:.2f} s, {:.2f} s of processors\n", round, part.name, took.wall,
                 took.processor);
    }
  }
}

// One column for the clock on the wall, one for the processors' time: the second hardly sees other jobs.
void print_row(const std::string& name, const Seconds& part, const Seconds& reference, double tokens) {
  fmt::print("{:<58} {:>8.2f} {:>8.2f} {:>8.1f} {:>8.2f} {:>8.2f}\n", name, part.wall, part.processor,
             tokens / part.wall, part.wall / reference.wall, part.processor / reference.processor);
}

// LibTorch's linear on every shape of the forward pass, operands in the dtype already, nothing between.
class LinearAlone {
 public:
  LinearAlone(const ModelConfig& c, const Asked& asked, Compute compute)
      : asked_(asked), layers_(c.n_layers) {
    const at::ScalarType type = compute.dtype == ComputeDType::bfloat16 ? at::kBFloat16 : at::kFloat;
    const at::Device device = compute.backend == &cuda_backend() ? at::kCUDA : at::kCPU;
    const std::int64_t heads = static_cast<std::int64_t>(c.heads) * c.head_dim;
    const std::int64_t qkv = heads + 2L * c.kv_heads * c.head_dim;
    const auto weight = [&](std::int64_t n, std::int64_t k) {
      weights_.push_back(at::randn({n, k}).to(device, type));
      inputs_.push_back(at::randn({asked.tokens, k}).to(device, type));
    };
    weight(qkv, c.hidden);
    weight(c.hidden, heads);
    weight(2L * c.ffn, c.hidden);
    weight(c.hidden, c.ffn);
    weight(c.vocab, c.hidden);  // the head, last
  }

  void run() const {
    parallel_for(static_cast<std::size_t>(asked_.windows), asked_.threads, [&](std::size_t) {
      on_device([&] {
        for (int layer = 0; layer < layers_; ++layer) {
          for (std::size_t i = 0; i + 1 < weights_.size(); ++i) (void)at::linear(inputs_[i], weights_[i]);
        }
        // A copy to the processor's memory waits for a GPU.
        (void)at::linear(inputs_.back(), weights_.back()).select(0, 0).to(at::kCPU);
      });
    });
  }

 private:
  const Asked& asked_;
  int layers_;
  std::vector<at::Tensor> weights_, inputs_;
};

// All weights in memory.
class Resident {
 public:
  Resident(const Checkpoint& checkpoint, Compute compute, const std::vector<std::vector<std::int32_t>>& ids)
      : config_(checkpoint.config()), ids_(ids), embedding_(load_embedding(checkpoint, compute)) {
    for (int layer = 0; layer < config_.n_layers; ++layer)
      blocks_.push_back(load_block(checkpoint, layer, compute));
    head_ = load_head(checkpoint, embedding_);
    rope_ = make_rope_table(config_, static_cast<int>(ids.front().size()));
    h_.resize(ids.size());
  }

  void run(int threads) {
    const std::int64_t d = config_.hidden;
    parallel_for(ids_.size(), threads, [&](std::size_t w) {
      h_[w].resize(ids_[w].size() * static_cast<std::size_t>(d));
      embed(embedding_, ids_[w], h_[w].data());
    });
    for (const BlockWeights& block : blocks_) {
      parallel_for(ids_.size(), threads, [&](std::size_t w) {
        auto scratch = pool_.lease();
        forward_block(block, rope_, h_[w].data(), h_[w].data(), static_cast<std::int64_t>(ids_[w].size()),
                      *scratch, nullptr);
      });
    }
    parallel_for(ids_.size(), threads, [&](std::size_t w) {
      LogitScratch scratch;
      std::vector<float> logits(static_cast<std::size_t>(kLogitRows * config_.vocab));
      const auto tokens = static_cast<std::int64_t>(ids_[w].size());
      for (std::int64_t begin = 0; begin < tokens; begin += kLogitRows) {
        compute_logits(head_, config_, h_[w].data() + begin * d, std::min(kLogitRows, tokens - begin),
                       logits.data(), scratch);
      }
    });
  }

 private:
  const ModelConfig& config_;
  const std::vector<std::vector<std::int32_t>>& ids_;
  Embedding embedding_;
  std::vector<BlockWeights> blocks_;
  HeadWeights head_;
  RopeTable rope_;
  std::vector<std::vector<float>> h_;
  ScratchPool<BlockScratch> pool_;
};

std::vector<std::vector<std::int32_t>> random_windows(const ModelConfig& c, const Asked& asked) {
  Philox rng({.seed = 1, .stream = Stream::test});
  std::vector<std::vector<std::int32_t>> windows(static_cast<std::size_t>(asked.windows));
  for (auto& ids : windows) {
    for (int i = 0; i < asked.tokens; ++i) {
      ids.push_back(static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(c.vocab))));
    }
  }
  return windows;
}

void print_head() {
  fmt::print("{:<58} {:>8} {:>8} {:>8} {:>8} {:>8}\n", "best of the rounds", "wall s", "cpu s", "tok/s",
             "ratio", "cpu rat.");
}

void bench_forward(const Checkpoint& checkpoint, const Asked& asked, Compute compute) {
  const auto ids = random_windows(checkpoint.config(), asked);
  const LinearAlone linear(checkpoint.config(), asked, compute);
  Resident resident(checkpoint, compute, ids);
  const ForwardObserver nobody{
      .state = [](int, std::size_t, std::span<const float>) {},
      .output = [](std::size_t, std::int64_t, std::span<const float>, std::span<const float>) {}};
  std::vector<Part> parts = {
      {"LibTorch linear alone, the same shapes", [&] { linear.run(); }},
      {"forward, weights in memory", [&] { resident.run(asked.threads); }},
      {"forward, weights streamed from the checkpoint",
       [&] { forward_windows(checkpoint, ids, {.threads = asked.threads, .compute = compute}, nobody); }},
      {"forward, weights in memory, 1 thread", [&] { resident.run(1); }},
  };
  run_rounds(parts, asked.rounds);
  print_head();
  for (const Part& part : parts) {
    print_row(part.name, part.best, parts[0].best, static_cast<double>(asked.windows) * asked.tokens);
  }
}

// Time at which each phase of a measurement began, by the names that measure() reports.
class PhaseTimes {
 public:
  bool operator()(const ProgressEvent& event) {
    if (event.phase != phase_) {
      close();
      phase_ = event.phase;
    }
    return true;
  }
  void close() {
    if (!phase_.empty()) {
      const Seconds took = since(start_);
      Seconds& sum = sums_.try_emplace(phase_, Seconds{0.0, 0.0}).first->second;
      sum = {sum.wall + took.wall, sum.processor + took.processor};
    }
    start_ = now();
  }
  [[nodiscard]] const std::map<std::string, Seconds>& sums() const { return sums_; }

 private:
  std::string phase_;
  Seconds start_ = now();
  std::map<std::string, Seconds> sums_;
};

// Phases of measurements against a bare streamed forward pass over the same windows: every signal and the
// backward sweep over all tokens; then lanes.
void bench_sweeps(const Checkpoint& checkpoint, const Asked& asked, Compute compute) {
  const ModelConfig& c = checkpoint.config();
  Corpus corpus{.name = "random"};
  const auto ids = random_windows(c, asked);
  for (std::size_t w = 0; w < ids.size(); ++w) {
    const int number = static_cast<int>(w), document = number / asked.windows_per_document;
    if (number % asked.windows_per_document == 0)
      corpus.documents.push_back({.name = fmt::format("{}", document)});
    corpus.windows.push_back(
        {.document = document, .index = number % asked.windows_per_document, .ids = ids[w]});
  }
  const MeasureInput input{.checkpoint = checkpoint, .corpus = corpus};
  MeasureOptions signals{.compute = compute, .threads = asked.threads, .label_samples = asked.label_samples};
  signals.signals = asked.signals;
  signals.interventions = {"none"};
  signals.clean_only = asked.clean_only;
  signals.lane_tokens = asked.windows * asked.tokens;
  MeasureOptions lanes{.compute = compute, .threads = asked.threads};
  lanes.signals = {"residual_rms"};
  lanes.interventions = {"relative_noise"};
  lanes.layers = {0, c.n_layers / 2, c.n_layers};  // a lane computes half of the blocks on average
  lanes.lane_tokens = asked.tokens;                // in all
  const MeasurePlan lane_plan = plan_measure(input, lanes, std::uint64_t{1} << 40);
  std::map<std::string, Seconds> of_signals, of_lanes;
  const auto run = [&](const MeasureOptions& options, std::map<std::string, Seconds>& took) {
    const MeasureOptions with_plan = planned(options, plan_measure(input, options, std::uint64_t{1} << 40));
    PhaseTimes phases;
    (void)measure(input, with_plan, [&](const ProgressEvent& event) { return phases(event); });
    phases.close();
    took = phases.sums();
  };
  const ForwardObserver nobody{
      .state = [](int, std::size_t, std::span<const float>) {},
      .output = [](std::size_t, std::int64_t, std::span<const float>, std::span<const float>) {}};
  std::vector<Part> parts = {
      {"bare forward, streamed",
       [&] { forward_windows(checkpoint, ids, {.threads = asked.threads, .compute = compute}, nobody); }},
      {asked.clean_only ? "every signal" : "every signal and the backward sweep",
       [&] { run(signals, of_signals); }},
  };
  if (!asked.clean_only) parts.push_back({"lanes", [&] { run(lanes, of_lanes); }});
  run_rounds(parts, asked.rounds);
  const double tokens = static_cast<double>(asked.windows) * asked.tokens;
  print_head();
  const Seconds& forward = parts[0].best;
  print_row(parts[0].name, forward, forward, tokens);
  for (const auto& [phase, took] : of_signals) print_row("  last round, " + phase, took, forward, tokens);
  if (asked.clean_only) return;
  const double share = static_cast<double>(lane_plan.lanes) / asked.windows;
  const Seconds naive{share * forward.wall, share * forward.processor};
  print_row(fmt::format("{} forward passes over a window, one for each lane", lane_plan.lanes), naive, naive,
            static_cast<double>(lane_plan.lanes) * asked.tokens);
  print_row("  last round, lanes", of_lanes.at("lanes"), naive,
            static_cast<double>(lane_plan.lanes) * asked.tokens);
}

int run(int argc, char** argv) {
  CLI::App app("Speed of the engine: ratios from one run");
  Asked asked;
  app.add_option("model", asked.model)->required();
  app.add_option("--dtype", asked.dtype)->check(CLI::IsMember({"float32", "bfloat16"}));
  app.add_option("--device", asked.device, "cpu, torch-cpu or cuda");
  app.add_option("--threads", asked.threads);
  app.add_option("--rounds", asked.rounds);
  app.add_option("--windows", asked.windows);
  app.add_option("--tokens", asked.tokens);
  app.add_option("--windows-per-document", asked.windows_per_document)->check(CLI::PositiveNumber);
  app.add_option("--label-samples", asked.label_samples);
  app.add_flag("--sweeps", asked.sweeps, "Phases of whole measurements instead of the forward pass");
  app.add_option("--signals", asked.signals, "With --sweeps: these alone");
  app.add_flag("--clean-only", asked.clean_only, "With --sweeps: neither lanes nor backward sweep");
  CLI11_PARSE(app, argc, argv);
  add_backend(torch_cpu_backend());
  add_backend(cuda_backend());
  const Compute compute(asked.dtype == "bfloat16" ? ComputeDType::bfloat16 : ComputeDType::float32,
                        backend_named(asked.device));
  require_compute(compute);
  Checkpoint checkpoint = Checkpoint::open(asked.model);
  checkpoint.set_load_threads(asked.threads);
  fmt::print("{}; {} windows of {} tokens, {} threads, {} on {}, {} rounds\n", checkpoint.name(),
             asked.windows, asked.tokens, asked.threads, asked.dtype,
             compute.backend == &cpu_backend() ? instruction_set(compute.dtype) : asked.device.c_str(),
             asked.rounds);
  asked.sweeps ? bench_sweeps(checkpoint, asked, compute) : bench_forward(checkpoint, asked, compute);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const strata::Error& error) {
    fmt::print(stderr, "bench_engine: {}\n", error.what());
    return strata::exit_code(error.kind());
  }
}
