#include "strata/workflow/trained_networks.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/philox.h"
#include "strata/checkpoint/inventory.h"
#include "strata/sweep/catalogue.h"
#include "strata/sweep/measure.h"
#include "strata/synth/synth.h"
#include "strata/workflow/planted_constant.h"
#include "strata/workflow/scratch_directory.h"
#include "strata/workflow/text.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kContext = 256, kTrainedWindows = 2;  // of each document
constexpr std::int64_t kTrainedPositions = 2048;

// Sharpness is in the queries, or where queries are normalised in the weight of their norm.
double factor_of(Role role, const TrainedBlock& block, bool query_norm) {
  if (role == Role::attention_output || role == Role::down) return block.write;
  if (role == Role::query_norm) return block.query;
  if (!query_norm && (role == Role::query || role == Role::query_bias)) return block.query;
  return 1.0;
}

struct Tensors {
  Json header = Json::object();
  std::string data;

  void add(const std::string& name, const std::vector<std::int64_t>& shape,
           const std::vector<float>& values) {
    const std::size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    header[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {begin, data.size()}}};
  }
};

std::string little_endian(std::uint64_t value) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>((value >> (8 * i)) & 0xff);
  return bytes;
}

std::string name_of(const TensorRule& rule, std::size_t block) {
  std::string name(rule.name);
  if (rule.scope != Scope::model) name.replace(name.find("{}"), 2, fmt::format("{}", block));
  return name;
}

Tensors tensors_of(const Checkpoint& source, const TrainedPlan& plan, const PlantedConstant* constant) {
  Tensors tensors;
  const bool query_norm = source.has(Role::query_norm);
  for (const TensorRule& rule : family_of(source.config()).tensors) {
    if (!source.has(rule.role)) continue;
    std::vector<float> values(source.element_count(rule.role));
    const bool per_block = rule.scope != Scope::model;
    for (std::size_t l = 0; l < (per_block ? plan.blocks.size() : 1); ++l) {
      const TrainedBlock block = per_block ? plan.blocks[l] : TrainedBlock{};
      source.load(rule.role, block.source, values);
      const auto factor = static_cast<float>(factor_of(rule.role, block, query_norm));
      for (float& x : values) x *= factor;
      if (constant != nullptr)
        plant(*constant, rule.role, per_block ? static_cast<int>(l) : -1,
              static_cast<std::size_t>(source.config().hidden), values);
      tensors.add(name_of(rule, l), source.shape(rule.role), values);
    }
  }
  return tensors;
}

void write_network(const Checkpoint& source, const TrainedPlan& plan, const PlantedConstant* constant,
                   const fs::path& directory) {
  fs::create_directories(directory);
  const Tensors tensors = tensors_of(source, plan, constant);
  std::string header = tensors.header.dump();
  header.append((8 - header.size() % 8) % 8, ' ');
  write_file_atomic(directory / "model.safetensors", little_endian(header.size()) + header + tensors.data);
  const MappedFile file(source.path() / "config.json");
  Json config =
      Json::parse(std::string_view(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()));
  config["num_hidden_layers"] = plan.blocks.size();
  config["torch_dtype"] = "float32";
  write_file_atomic(directory / "config.json", config.dump(1) + "\n");
}

void write_random(const Checkpoint& source, const TrainedPlan& plan, int threads, const fs::path& directory) {
  SynthOptions options{.config = source.config(), .type = SynthType::f32, .seed = plan.seed};
  options.config.n_layers = static_cast<int>(plan.blocks.size());
  options.threads = threads;
  write_synthetic(options, directory);
}

// kTrainedWindows windows of each document, chosen by the seed.
Corpus some_windows(const Corpus& all, std::uint64_t seed) {
  std::map<int, std::vector<const Window*>> by_document;
  for (const Window& window : all.windows) by_document[window.document].push_back(&window);
  Philox rng({.seed = seed, .stream = Stream::planted, .a = 51});
  Corpus some = all;
  some.windows.clear();
  for (auto& [document, windows] : by_document) {
    while (windows.size() > kTrainedWindows)
      windows.erase(windows.begin() + static_cast<std::ptrdiff_t>(rng.below(windows.size())));
    int index = 0;
    for (const Window* window : windows) {
      some.windows.push_back(*window);
      some.windows.back().index = index++;
    }
  }
  return some;
}

struct Source {
  Checkpoint checkpoint;
  LoadedText text;
};

struct Trained {
  int replicates, threads;
  std::vector<Source> sources = {};
  std::mutex mutex = {};

  Trace run(const TrainedPlan& plan) {
    const std::lock_guard lock(mutex);
    const Source& source = sources[plan.model];
    const Corpus corpus = some_windows(source.text.corpus, plan.seed);
    if (!plan.constant) return measure(source, plan, nullptr, corpus, detector_signal_ids());
    const Trace clean = measure(source, plan, nullptr, corpus, {"residual_rms"});
    const auto constant =
        constant_for(corpus, clean, plan.constant->rms, plan.constant->written_by, plan.constant->removed_by,
                     static_cast<std::size_t>(source.checkpoint.config().hidden));
    return measure(source, plan, &constant, corpus, detector_signal_ids());
  }

 private:
  Trace measure(const Source& source, const TrainedPlan& plan, const PlantedConstant* constant,
                const Corpus& corpus, std::vector<std::string> signals) const {
    const ScratchDirectory scratch;  // the weights stay mapped when it is gone
    const fs::path directory = scratch.path() / "network";
    if (plan.random_weights) {
      write_random(source.checkpoint, plan, threads, directory);
    } else {
      write_network(source.checkpoint, plan, constant, directory);
    }
    const Checkpoint network = Checkpoint::open(directory);
    MeasureOptions options{.seed = plan.seed, .threads = threads, .positions = kTrainedPositions};
    options.replicates = replicates;
    options.clean_only = true;
    options.signals = std::move(signals);
    return strata::measure({.checkpoint = network, .corpus = corpus}, options, {});
  }
};

}  // namespace

TrainedModels trained_networks(const std::vector<fs::path>& models, const fs::path& texts, int replicates,
                               int threads) {
  const auto trained = std::make_shared<Trained>(replicates, threads);
  TrainedModels result;
  for (const fs::path& path : models) {
    Checkpoint checkpoint = Checkpoint::open(path);
    if (!fs::exists(checkpoint.path() / "config.json")) {
      throw Error(ErrorKind::usage, {.where = path.string(),
                                     .found = "no config.json",
                                     .expected = "a directory in Hugging Face's format"});
    }
    if (distinct_blocks(checkpoint.config()).size() > 1 || !family_of(checkpoint.config()).packed.empty()) {
      throw Error(ErrorKind::unsupported,
                  {.where = path.string(),
                   .found = "blocks of several kinds, a mixture of experts or the gated delta rule",
                   .expected = "a model whose blocks can be put in any order: dense, all of one kind"});
    }
    const std::int64_t window = text_limit(checkpoint.config());
    const auto context =
        std::min({std::int64_t{kContext}, checkpoint.config().max_context, window > 0 ? window : kContext});
    LoadedText text = load_text(checkpoint, {.path = texts, .context = static_cast<int>(context)});
    result.names.push_back(checkpoint.name());
    result.n_blocks.push_back(checkpoint.config().n_layers);
    trained->sources.push_back({std::move(checkpoint), std::move(text)});
  }
  result.run = [trained](const TrainedPlan& plan) { return trained->run(plan); };
  return result;
}

}  // namespace strata
