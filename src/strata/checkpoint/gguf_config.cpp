#include "strata/checkpoint/gguf_config.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <set>
#include <string>

#include "strata/base/error.h"
#include "strata/checkpoint/config_keys.h"
#include "strata/checkpoint/limits.h"
#include "strata/checkpoint/strict_json.h"

namespace strata {
namespace {

// Keys below the architecture's name.
class ArchitectureKeys {
 public:
  ArchitectureKeys(const GgufMetadata& metadata, std::string_view architecture)
      : metadata_(metadata), prefix_(architecture) {}

  [[nodiscard]] std::string name(std::string_view key) const { return fmt::format("{}.{}", prefix_, key); }
  [[nodiscard]] bool has(std::string_view key) const { return metadata_.has(name(key)); }

  /// A size from 1; an array with one entry for each block must hold one value.
  [[nodiscard]] std::optional<std::int64_t> find_size(std::string_view key, std::int64_t limit) const {
    const std::string full = name(key);
    const auto found = metadata_.values().find(full);
    if (found == metadata_.values().end()) return std::nullopt;
    if (found->second.type != GgufValueType::array) return metadata_.integer(full, 1, limit);
    const auto list = metadata_.integers(full);
    const std::set<std::int64_t> distinct(list.begin(), list.end());
    if (distinct.size() > 1) {
      metadata_.refuse(full, fmt::format("{} to {}, by block", *distinct.begin(), *distinct.rbegin()),
                       "the same in every block");
    }
    if (list.empty() || list[0] < 1 || list[0] > limit) {
      metadata_.fail(full, list.empty() ? "an empty array" : fmt::format("{}", list[0]),
                     fmt::format("integers from 1 to {}", limit));
    }
    return list[0];
  }
  [[nodiscard]] int size(std::string_view key, std::int64_t limit) const {
    const auto found = find_size(key, limit);
    if (!found) fail(key, "missing", fmt::format("an integer from 1 to {}", limit));
    return static_cast<int>(*found);
  }
  /// A number of f32 or f64; see shortest().
  [[nodiscard]] std::optional<double> find_number(std::string_view key) const;

  [[noreturn]] void fail(std::string_view key, std::string found, std::string expected) const {
    metadata_.fail(name(key), std::move(found), std::move(expected));
  }
  [[noreturn]] void refuse(std::string_view key, std::string found, std::string expected) const {
    metadata_.refuse(name(key), std::move(found), std::move(expected));
  }
  [[nodiscard]] const GgufMetadata& metadata() const { return metadata_; }

 private:
  const GgufMetadata& metadata_;
  std::string prefix_;
};

// The number whose f32 was stored: 1e-5 for 9.99999974e-6.
double shortest(double value) {
  const auto rounded = static_cast<float>(value);
  if (double{rounded} != value) return value;
  const std::string text = fmt::format("{}", rounded);
  double number = value;
  (void)std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::optional<double> ArchitectureKeys::find_number(std::string_view key) const {
  const auto number = metadata_.find_number(name(key));
  if (!number) return std::nullopt;
  return shortest(*number);
}

const Family& read_family(const GgufMetadata& metadata) {
  constexpr std::string_view kKey = "general.architecture";
  const std::string_view architecture = metadata.string(kKey);
  std::string known;
  for (const Family& family : families()) {
    if (family.gguf_architecture == architecture) return family;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", family.gguf_architecture);
  }
  metadata.refuse(kKey, "\"" + printable(architecture) + "\"", "one of " + known);
}

void read_heads(const ArchitectureKeys& keys, ModelConfig& config) {
  config.heads = keys.size("attention.head_count", kMaxHeads);
  config.kv_heads =
      static_cast<int>(keys.find_size("attention.head_count_kv", kMaxHeads).value_or(config.heads));
  if (config.heads % config.kv_heads != 0) {
    keys.fail("attention.head_count_kv", fmt::format("{}", config.kv_heads),
              fmt::format("a divisor of attention.head_count = {}", config.heads));
  }
  const auto key_length = keys.find_size("attention.key_length", kMaxHeads);
  if (!key_length && config.hidden % config.heads != 0) {
    keys.fail("embedding_length", fmt::format("{}", config.hidden),
              fmt::format("a multiple of attention.head_count = {} where attention.key_length is absent",
                          config.heads));
  }
  config.head_dim = static_cast<int>(key_length.value_or(config.hidden / config.heads));
  if (config.head_dim % 2 != 0) {
    keys.fail("attention.key_length", fmt::format("{}", config.head_dim),
              "an even number (rotary positions turn pairs)");
  }
  const auto value_length = keys.find_size("attention.value_length", kMaxHeads);
  const std::int64_t values = value_length.value_or(config.hidden / config.heads);
  if (values != config.head_dim) {
    keys.refuse("attention.value_length", fmt::format("{}", values),
                fmt::format("the key length, {}", config.head_dim));
  }
}

void read_rope(const ArchitectureKeys& keys, ModelConfig& config) {
  config.rope_theta = keys.find_number("rope.freq_base").value_or(10000.0);
  if (!(config.rope_theta > 0.0)) {
    keys.fail("rope.freq_base", fmt::format("{}", config.rope_theta), "a number above 0");
  }
  const auto turned = keys.find_size("rope.dimension_count", kMaxHeads);
  if (turned && *turned != config.head_dim) {
    keys.refuse("rope.dimension_count", fmt::format("{}", *turned),
                fmt::format("the whole head, {}", config.head_dim));
  }
  const std::string type = keys.name("rope.scaling.type");
  const std::string_view scaling = keys.metadata().find_string(type).value_or("linear");
  if (scaling == "none") return;
  if (scaling != "linear") {
    keys.refuse("rope.scaling.type", "\"" + printable(scaling) + "\"", "none (or none named)");
  }
  // Linear scaling is the default, by a factor that is 1 where it is absent or 0.
  for (const char* key : {"rope.scaling.factor", "rope.scale_linear"}) {
    const double factor = keys.find_number(key).value_or(1.0);
    if (factor != 0.0 && factor != 1.0) keys.refuse(key, fmt::format("{}", factor), "no linear rope scaling");
  }
}

double read_norm_eps(const ArchitectureKeys& keys) {
  constexpr std::string_view kKey = "attention.layer_norm_rms_epsilon";
  const auto eps = keys.find_number(kKey);
  if (!eps) keys.fail(kKey, "missing", "a number between 0 and 1");
  if (!(*eps > 0.0 && *eps < 1.0)) keys.fail(kKey, fmt::format("{}", *eps), "a number between 0 and 1");
  return *eps;
}

// Keys whose harmless values depend on the model; the others are refused by the table.
void refuse_uncomputed(const ArchitectureKeys& keys, const Family& family, ModelConfig& config) {
  check_gguf_keys(keys.metadata(), family, config.notes);
  const double scale = keys.find_number("attention.scale").value_or(0.0);
  const auto usual = static_cast<float>(1.0 / std::sqrt(static_cast<double>(config.head_dim)));
  if (scale != 0.0 && std::fabs(static_cast<float>(scale) - usual) > 1e-6f * usual) {
    keys.refuse("attention.scale", fmt::format("{}", scale),
                fmt::format("none, or {} = 1 / sqrt(key length)", usual));
  }
  const std::string_view act = keys.metadata().find_string(keys.name("hidden_activation")).value_or("silu");
  if (act != "silu" && act != "swish") {
    keys.refuse("hidden_activation", "\"" + printable(act) + "\"", "silu");
  }
  config.window =
      keys.metadata().find_integer(keys.name("attention.sliding_window"), 0, kMaxContext).value_or(0);
}

// Writers put -1 into unsigned ids to say that there is no such token.
std::vector<std::int32_t> read_token_id(const GgufMetadata& metadata, std::string_view key, int vocab) {
  const auto id = metadata.find_integer(key, -1, std::numeric_limits<std::uint32_t>::max());
  if (!id || *id == -1 || *id == std::numeric_limits<std::uint32_t>::max()) return {};
  if (*id >= vocab) metadata.fail(key, fmt::format("{}", *id), fmt::format("a token id below {}", vocab));
  return {static_cast<std::int32_t>(*id)};
}

// The token list and the count, where they are there, against the rows of the embedding.
void check_vocabulary(const ArchitectureKeys& keys, std::int64_t rows) {
  const auto stated = keys.find_size("vocab_size", kMaxVocab);
  if (stated && *stated != rows) {
    keys.fail("vocab_size", fmt::format("{}", *stated),
              fmt::format("{}, the rows of token_embd.weight", rows));
  }
  constexpr std::string_view kTokens = "tokenizer.ggml.tokens";
  const auto tokens = keys.metadata().values().find(kTokens);
  if (tokens == keys.metadata().values().end()) return;
  if (tokens->second.type != GgufValueType::array || tokens->second.element != GgufValueType::string) {
    keys.metadata().fail(kTokens, "other values", "an array of strings");
  }
  if (tokens->second.count > static_cast<std::uint64_t>(rows)) {
    keys.metadata().fail(kTokens, fmt::format("{} tokens", tokens->second.count),
                         fmt::format("at most {}, the rows of token_embd.weight", rows));
  }
}

}  // namespace

ModelConfig parse_gguf_config(const GgufMetadata& metadata, std::int64_t vocab, bool tied) {
  const Family& family = read_family(metadata);
  const ArchitectureKeys keys(metadata, family.gguf_architecture);
  ModelConfig config;
  config.family = family.id;
  config.architecture = family.architecture;
  config.n_layers = keys.size("block_count", kMaxLayers);
  config.hidden = keys.size("embedding_length", kMaxWidth);
  config.ffn = keys.size("feed_forward_length", kMaxFfn);
  if (vocab < 1 || vocab > kMaxVocab) {
    metadata.fail("token_embd.weight", fmt::format("{} rows", vocab), fmt::format("1 to {}", kMaxVocab));
  }
  config.vocab = static_cast<int>(vocab);
  check_vocabulary(keys, vocab);
  config.max_context = metadata.integer(keys.name("context_length"), 1, kMaxContext);
  read_heads(keys, config);
  config.norm_eps = read_norm_eps(keys);
  read_rope(keys, config);
  config.tied_embeddings = tied;
  config.qkv_bias = family.qkv_bias_default;
  config.qk_norm = family.qk_norm;
  config.bos_ids = read_token_id(metadata, "tokenizer.ggml.bos_token_id", config.vocab);
  config.eos_ids = read_token_id(metadata, "tokenizer.ggml.eos_token_id", config.vocab);
  refuse_uncomputed(keys, family, config);
  return config;
}

}  // namespace strata
