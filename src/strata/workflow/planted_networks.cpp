#include "strata/workflow/planted_networks.h"

#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "strata/checkpoint/published.h"
#include "strata/sweep/measure.h"
#include "strata/synth/synth.h"
#include "strata/workflow/scratch_directory.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr int kDocuments = 16, kWindows = 2, kTokens = 128, kVocab = 512;
constexpr std::int64_t kPositions = 4096;

ModelConfig network_config(int n_layers) {
  ModelConfig c = config_of(*find_published("llama-2-7b"));
  c.n_layers = n_layers;
  c.hidden = 64;
  c.ffn = 176;
  c.heads = c.kv_heads = 4;
  c.head_dim = 16;
  c.vocab = kVocab;
  c.max_context = kTokens;
  return c;
}

Corpus random_corpus(std::uint64_t seed) {
  Corpus corpus;
  corpus.name = "random tokens";
  Philox rng({.seed = seed, .stream = Stream::planted, .a = 50});
  for (int d = 0; d < kDocuments; ++d) {
    corpus.documents.push_back({.name = fmt::format("document-{}", d)});
    for (int w = 0; w < kWindows; ++w) {
      Window window{.document = d, .index = w, .ids = std::vector<std::int32_t>(kTokens)};
      for (std::int32_t& id : window.ids) id = static_cast<std::int32_t>(rng.below(kVocab));
      corpus.windows.push_back(std::move(window));
    }
  }
  return corpus;
}

Checkpoint make_network(const PlantedSpec& spec, const std::vector<PlantedBlock>& blocks, int threads) {
  const ScratchDirectory scratch;  // the weights stay mapped when it is gone
  SynthOptions options{.config = network_config(spec.n_layers), .type = SynthType::f32, .seed = spec.seed};
  options.threads = threads;
  for (const PlantedBlock& block : blocks)
    options.scales.push_back({static_cast<float>(block.query), static_cast<float>(block.write)});
  write_synthetic(options, scratch.path() / "network");
  return Checkpoint::open(scratch.path() / "network");
}

struct Networks {
  int replicates, threads;
  std::mutex mutex = {};
  std::map<std::string, Trace> made = {};

  Trace run(const PlantedSpec& spec, const std::vector<PlantedBlock>& blocks) {
    const std::lock_guard lock(mutex);
    std::string key = fmt::format("{} {}", spec.n_layers, spec.seed);
    for (const PlantedBlock& block : blocks) key += fmt::format(" {} {}", block.query, block.write);
    if (const auto found = made.find(key); found != made.end()) return found->second;
    const Checkpoint checkpoint = make_network(spec, blocks, threads);
    const Corpus corpus = random_corpus(spec.seed);
    MeasureOptions options{.seed = spec.seed, .threads = threads, .positions = kPositions};
    options.replicates = replicates;
    options.clean_only = true;
    options.signals = {"attention_distance", "attention_entropy", "cka_shift",    "angular_step",
                       "update_ratio",       "curvature",         "lens_entropy", "lens_kl"};
    return made[key] = measure({.checkpoint = checkpoint, .corpus = corpus}, options, {});
  }
};

}  // namespace

NetworkSource planted_networks(int replicates, int threads) {
  const auto networks = std::make_shared<Networks>(replicates, threads);
  return [networks](const PlantedSpec& spec, const std::vector<PlantedBlock>& blocks) {
    return networks->run(spec, blocks);
  };
}

}  // namespace strata
