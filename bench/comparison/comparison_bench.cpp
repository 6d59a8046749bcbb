// What comparing lanes with the clean run costs beside the product with the unembedding alone: the same rows,
// taking turns.
//
//   comparison_bench MODEL --dtype float32
#include <fmt/format.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "strata/base/error.h"
#include "strata/base/parallel.h"
#include "strata/base/philox.h"
#include "strata/model/head.h"
#include "strata/sweep/lane_damage.h"

namespace {

using namespace strata;

double processor_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

template <typename Run>
void improve(double& best, const Run& run) {
  const double before = processor_seconds();
  run();
  best = std::min(best, processor_seconds() - before);
}

struct Asked {
  std::string model, dtype = "float32";
  int threads = 2, rounds = 5, lanes = 60, tokens = 65;
};

int bench(const Asked& asked) {
  const Checkpoint checkpoint = Checkpoint::open(asked.model);
  const Compute compute{asked.dtype == "bfloat16" ? ComputeDType::bfloat16 : ComputeDType::float32,
                        cpu_backend()};
  const Embedding embedding = load_embedding(checkpoint, compute);
  const HeadWeights head = load_head(checkpoint, embedding);
  const ModelConfig& config = checkpoint.config();
  Corpus corpus;
  corpus.documents.resize(1);
  corpus.windows.push_back({.document = 0, .index = 0, .ids = {}});
  Philox rng({.seed = 1, .stream = Stream::test});
  for (int t = 0; t < asked.tokens; ++t)
    corpus.windows[0].ids.push_back(
        static_cast<std::int32_t>(rng.below(static_cast<std::size_t>(config.vocab))));
  const SweepContext context = make_context(config, corpus);
  MeasureOptions options;
  options.compute = compute;
  options.threads = asked.threads;
  const LaneModel model{checkpoint, embedding, head};
  const std::vector<LaneWindow> sample{{0, asked.tokens}};
  const LaneEngineInput input{.model = model, .context = context, .sample = sample, .options = options};
  std::vector<std::vector<float>> states(static_cast<std::size_t>(asked.lanes) + 1);
  std::vector<LaneOutput> outputs;
  for (auto& state : states) {
    state.resize(static_cast<std::size_t>(asked.tokens * config.hidden));
    for (float& x : state) x = static_cast<float>(rng.normal());
    outputs.push_back({state.data(), &model});
  }
  const std::vector<std::int64_t> offset{0, asked.tokens};
  const std::int64_t rows = std::int64_t{asked.lanes} * (asked.tokens - 1);

  std::vector<PackedRows> packed(static_cast<std::size_t>(asked.threads));
  for (PackedRows& x : packed) {
    x.reset(compute.dtype, kVisitedRows, config.hidden);
    std::vector<float> values(static_cast<std::size_t>(kVisitedRows * config.hidden));
    for (float& v : values) v = static_cast<float>(rng.normal());
    x.put(values.data(), config.hidden);
  }
  const std::int64_t products = (rows + kVisitedRows - 1) / kVisitedRows;
  double of_product = std::numeric_limits<double>::infinity(), of_comparison = of_product;
  for (int round = 0; round < asked.rounds; ++round) {
    improve(of_product, [&] {
      parallel_for(packed.size(), asked.threads, [&](std::size_t thread) {
        std::vector<float> out(static_cast<std::size_t>(kVisitedRows * kStripWords));
        for (std::int64_t i = static_cast<std::int64_t>(thread); i < products; i += asked.threads) {
          for (std::int64_t first = 0; first < config.vocab; first += kStripWords) {
            multiply(packed[thread], head.unembedding.packed(), first,
                     std::min<std::int64_t>(first + kStripWords, config.vocab),
                     {.data = out.data(), .stride = kStripWords});
          }
        }
      });
    });
    improve(of_comparison, [&] { (void)compare_lanes(input, offset, outputs, {}); });
  }
  const double work = 2.0 * static_cast<double>(config.vocab) * config.hidden * 1e-9;
  const double product = work * static_cast<double>(products * kVisitedRows) / of_product,
               comparison = work * static_cast<double>(rows) / of_comparison;
  fmt::print("{} words of width {}, {} lanes at {} positions, {}\n", config.vocab, config.hidden, asked.lanes,
             asked.tokens - 1, asked.dtype);
  fmt::print("GFLOP/s of a thread: product alone {:.1f}, lanes compared {:.1f}, ratio {:.2f}\n", product,
             comparison, comparison / product);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Asked asked;
  CLI::App app("Comparison of lanes beside the product with the unembedding");
  app.add_option("model", asked.model)->required();
  app.add_option("--dtype", asked.dtype)->check(CLI::IsMember({"float32", "bfloat16"}));
  app.add_option("--threads", asked.threads);
  app.add_option("--rounds", asked.rounds);
  app.add_option("--lanes", asked.lanes);
  app.add_option("--tokens", asked.tokens);
  CLI11_PARSE(app, argc, argv);
  try {
    return bench(asked);
  } catch (const strata::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
