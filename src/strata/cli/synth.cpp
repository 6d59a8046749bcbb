// strata synth: a checkpoint with random weights, for tests, benchmarks and the random-weight null.
#include "strata/synth/synth.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <thread>

#include "strata/base/error.h"
#include "strata/base/resources.h"
#include "strata/checkpoint/published.h"
#include "strata/cli/command.h"
#include "strata/cli/number_option.h"
#include "strata/cli/numbers.h"
#include "strata/cli/say.h"
#include "strata/cli/terminal.h"

namespace strata {
namespace {

struct SynthCommand {
  std::filesystem::path output;
  std::string like, family, type, format = "safetensors", shard_size;
  std::filesystem::path tokenizer;
  std::optional<int> layers, hidden, ffn, heads, kv_heads, head_dim, vocab;
  std::optional<int> experts, experts_used, expert_ffn, shared_ffn;
  std::optional<std::int64_t> context;
  std::optional<double> theta, eps;
  std::optional<bool> tied;
  SynthOptions options;
  bool quiet = false;
};

std::atomic<bool> synth_interrupted{false};

void stop_synth(int) {
  synth_interrupted = true;
}

[[noreturn]] void misuse(const char* flag, std::string found, std::string expected) {
  throw Error(ErrorKind::usage, {.where = flag, .found = std::move(found), .expected = std::move(expected)});
}

// A small model where nothing else is said.
ModelConfig default_config() {
  ModelConfig c = config_of(*find_published("llama-2-7b"));
  c.n_layers = 12;
  c.hidden = 256;
  c.ffn = 704;
  c.heads = c.kv_heads = 8;
  c.head_dim = 32;
  c.vocab = 4096;
  c.max_context = 2048;
  return c;
}

ModelConfig like(const std::string& name) {
  if (name.empty()) return default_config();
  if (const PublishedModel* model = find_published(name)) return config_of(*model);
  std::vector<std::string_view> names;
  for (const PublishedModel& m : published_models()) names.push_back(m.name);
  misuse("--like", fmt::format("'{}'", name), fmt::format("one of {}", fmt::join(names, ", ")));
}

void set_family(ModelConfig& config, const std::string& id) {
  for (const Family& family : families()) {
    if (family.id != id) continue;
    config.family = family.id;
    config.architecture = family.architecture;
    config.qkv_bias = family.qkv_bias_default;
    config.qk_norm = family.qk_norm;
    return;
  }
  std::vector<std::string_view> ids;
  for (const Family& family : families()) ids.push_back(family.id);
  misuse("--family", fmt::format("'{}'", id), fmt::format("one of {}", fmt::join(ids, ", ")));
}

// A mixture of small experts where nothing else is said, in every block.
void set_experts(ModelConfig& c, const SynthCommand& command) {
  const Family& family = family_of(c);
  if (!family.has_experts()) {
    if (command.experts || command.experts_used || command.expert_ffn || command.shared_ffn)
      misuse("--experts", "a family without mixtures, " + c.family, "--family qwen3_moe, for one");
    c.experts.reset();
    return;
  }
  const bool shares = family.experts.shared_width > 0;
  if (command.shared_ffn && !shares)
    misuse("--shared-ffn", "a family without a shared expert, " + c.family, "none");
  ExpertConfig experts{.count = 8,
                       .used = 2,
                       .width = std::max(32, c.ffn / 4),
                       .normalise = family.experts.gguf_normalises,
                       .shared_width = shares ? std::max(32, c.ffn / 4) : 0};
  if (c.experts) experts = *c.experts;
  experts.count = command.experts.value_or(experts.count);
  experts.used = command.experts_used.value_or(std::min(experts.used, experts.count));
  experts.width = command.expert_ffn.value_or(experts.width);
  experts.shared_width = command.shared_ffn.value_or(experts.shared_width);
  // Two names for one width.
  if (family.experts.width_key == std::string_view("intermediate_size")) c.ffn = experts.width;
  if (family.defaults.ffn == 0) c.ffn = experts.width;
  experts.blocks.assign(static_cast<std::size_t>(c.n_layers), 1);
  c.experts = std::move(experts);
}

// The gated delta rule in three blocks of four, of a quarter and half as many heads.
void set_delta_rule(ModelConfig& c) {
  if (!family_of(c).delta_rule) return;
  constexpr int kInterval = 4, kTaps = 4;
  c.output_gate = true;
  c.rotary_dim = std::max(2, c.head_dim / 8 * 2);
  c.delta = {.key_heads = std::max(1, c.heads / 4),
             .value_heads = 2 * std::max(1, c.heads / 4),
             .key_dim = c.head_dim,
             .value_dim = c.head_dim,
             .kernel = kTaps};
  c.delta_blocks.clear();
  for (int layer = 0; layer < c.n_layers; ++layer)
    c.delta_blocks.push_back((layer + 1) % kInterval == 0 ? 0 : 1);
}

ModelConfig asked_config(const SynthCommand& command) {
  ModelConfig c = like(command.like);
  if (!command.family.empty()) set_family(c, command.family);
  const auto set = [](auto& member, const auto& flag) {
    if (flag) member = *flag;
  };
  set(c.n_layers, command.layers);
  set(c.hidden, command.hidden);
  set(c.ffn, command.ffn);
  set(c.heads, command.heads);
  set(c.kv_heads, command.kv_heads);
  set(c.vocab, command.vocab);
  set(c.max_context, command.context);
  set(c.rope_theta, command.theta);
  set(c.norm_eps, command.eps);
  set(c.tied_embeddings, command.tied);
  // Another width or number of heads without a head dimension: the usual quotient.
  if (command.head_dim) {
    c.head_dim = *command.head_dim;
  } else if (command.hidden || command.heads) {
    if (c.heads < 1 || c.hidden % c.heads != 0)
      misuse("--heads", fmt::format("{} for hidden {}", c.heads, c.hidden), "a divisor, or --head-dim");
    c.head_dim = c.hidden / c.heads;
  }
  set_experts(c, command);
  set_delta_rule(c);
  return c;
}

SynthType parse_type(const std::string& name) {
  std::string upper = name;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  for (const SynthType type :
       {SynthType::f32, SynthType::f16, SynthType::bf16, SynthType::q8_0, SynthType::q4_0}) {
    if (upper == to_string(type)) return type;
  }
  misuse("--dtype", fmt::format("'{}'", name), "f32, f16, bf16, q8_0 or q4_0");
}

int run_synth(SynthCommand command) {
  SynthOptions& options = command.options;
  options.config = asked_config(command);
  options.type = parse_type(command.type.empty() ? "bf16" : command.type);
  options.format = command.format == "gguf" ? ModelFormat::gguf : ModelFormat::safetensors;
  if (!command.tokenizer.empty()) {
    options.tokenizer = std::filesystem::is_directory(command.tokenizer)
                            ? command.tokenizer / "tokenizer.json"
                            : command.tokenizer;
  }
  const std::uint64_t total = synthetic_bytes(options);
  if (!command.shard_size.empty()) {
    const std::uint64_t each = parse_size(command.shard_size, "--shard-size");
    options.shards = static_cast<int>(
        std::clamp<std::uint64_t>((total + each - 1) / std::max<std::uint64_t>(1, each), 1, 99'999));
  }
  std::signal(SIGINT, stop_synth);
  std::signal(SIGTERM, stop_synth);
  options.progress = [](std::uint64_t) { return !synth_interrupted; };
  const auto start = std::chrono::steady_clock::now();
  write_synthetic(options, command.output);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!command.quiet) {
    say("{}: {} parameters, {} in {:.1f} s ({:.0f} MB/s)\n", command.output.string(),
        count_parameters(options.config).total, human_bytes(total), seconds,
        static_cast<double>(total) / 1e6 / seconds);
  }
  return 0;
}

void add_shape_flags(CLI::App& command, SynthCommand& o) {
  command.add_option("--like", o.like, "Shape of a published model, like llama-2-7b or qwen3-0.6b");
  command.add_option("--family", o.family, "Id of a family, like llama, qwen3 or qwen3_moe");
  add_number(command, "--layers", o.layers, 1, kMostOfAnything, "Blocks");
  add_number(command, "--hidden", o.hidden, 1, kMostOfAnything, "Width of the residual stream");
  add_number(command, "--ffn", o.ffn, 1, kMostOfAnything, "Width of the MLP");
  add_number(command, "--experts", o.experts, 1, kMostOfAnything,
             "Experts of each block, in a family with mixtures");
  add_number(command, "--experts-used", o.experts_used, 1, kMostOfAnything, "Experts that a token takes");
  add_number(command, "--expert-ffn", o.expert_ffn, 1, kMostOfAnything, "Width of an expert");
  add_number(command, "--shared-ffn", o.shared_ffn, 1, kMostOfAnything,
             "Width of the expert that every token uses");
  add_number(command, "--heads", o.heads, 1, kMostOfAnything, "Attention heads");
  add_number(command, "--kv-heads", o.kv_heads, 1, kMostOfAnything, "Key/value heads");
  add_number(command, "--head-dim", o.head_dim, 1, kMostOfAnything,
             "Head dimension (default: hidden / heads)");
  add_number(command, "--vocab", o.vocab, 1, kMostOfAnything, "Vocabulary");
  add_number(command, "--context", o.context, 1, kMostOfAnything, "Longest context");
  add_number(command, "--theta", o.theta, 0.0, 1e15, "RoPE base");
  add_number(command, "--eps", o.eps, 0.0, 1.0, "RMSNorm's epsilon");
  command.add_option("--tied", o.tied, "Whether the embedding is the unembedding too")
      ->check(CLI::IsMember({"true", "false"}));
}

}  // namespace

void register_synth(CLI::App& app, Program& program) {
  auto* command = app.add_subcommand("synth", "Write a checkpoint with random weights (for developers)");
  command->footer(
      "Examples:\n"
      "  strata synth -o /tmp/deep --layers 80 --hidden 64 --heads 4 --kv-heads 4 --ffn 128\n"
      "  strata synth -o /tmp/7b --like llama-2-7b --shard-size 5G\n"
      "  strata synth -o /tmp/70b.gguf --like llama-2-70b --format gguf --dtype q4_0");
  auto o = std::make_shared<SynthCommand>();
  o->options.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  command->add_option("-o,--output", o->output, "New directory, or .gguf file")->required();
  add_shape_flags(*command, *o);
  command->add_option("--dtype", o->type, "f32, f16, bf16; in GGUF also q8_0, q4_0 (default: bf16)");
  command->add_option("--format", o->format, "safetensors or gguf")
      ->check(CLI::IsMember({"safetensors", "gguf"}))
      ->capture_default_str();
  auto* shards =
      add_number(*command, "--shards", o->options.shards, 1, 99'999, "Number of safetensors files");
  command->add_option("--shard-size", o->shard_size, "As many files as this size needs, like 5G")
      ->excludes(shards);
  command->add_option("--tokenizer", o->tokenizer,
                      "tokenizer.json, or a directory with one, to copy beside it");
  add_seed(*command, o->options.seed, "Seed of the weights");
  add_number(*command, "-t,--threads", o->options.threads, 1, 1024, "Threads; changes speed, never a byte");
  command->add_flag("--quiet", o->quiet, "Print nothing but errors");
  command->callback([&program, o] { program.run = [o] { return run_synth(*o); }; });
}

}  // namespace strata
