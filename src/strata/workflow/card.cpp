#include "strata/workflow/card.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/resources.h"
#include "strata/base/words.h"
#include "strata/checkpoint/pooling.h"
#include "strata/checkpoint/weight_files.h"
#include "strata/model/backend.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr double kAssumedFlopsPerSecond = 100e9;
constexpr double kCardContext = 512.0;
constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 24;
constexpr const char* kUnknown = "cannot be told from the configuration";

// Of a base model. One that analyze refuses is said all the same.
std::string pooling_text(const Checkpoint& checkpoint) {
  if (checkpoint.config().has_head) return {};
  try {
    const PoolingChoice choice = read_pooling(checkpoint);
    return fmt::format("{} ({})", to_string(choice.pooling), choice.source);
  } catch (const Error& error) {
    return fmt::format("cannot be analyzed: {}", error.what());
  }
}

void add_weights(Card& card, const std::string& model) {
  const Checkpoint checkpoint = Checkpoint::open(model);
  card.has_weights = true;
  card.pooling = pooling_text(checkpoint);
  card.config = checkpoint.config();
  card.notes = checkpoint.notes();
  card.tensors = checkpoint.tensors();
  card.weight_bytes = checkpoint.weight_bytes();
  for (const fs::path& file : checkpoint.files()) card.files.push_back(file.filename().string());
  for (const TensorInfo& tensor : card.tensors) {
    DTypeCount& count = card.dtypes[to_string(tensor.dtype)];
    ++count.tensors;
    count.bytes += tensor.size_bytes;
  }
}

std::string rope_scaling_text(const ModelConfig& c) {
  if (!c.rope_factors.empty()) return "as factors of the frequencies (GGUF)";
  if (c.scaled_rope) {
    const ScaledRope& s = *c.scaled_rope;
    const std::string factor = s.type == RopeType::longrope ? "" : fmt::format(", factor {:g}", s.factor);
    return fmt::format(
        "{}{}{}{}", to_string(s.type), factor,
        s.original_context > 0.0 ? fmt::format(" from a context of {:g}", s.original_context) : "",
        s.attention_factor != 1.0 ? fmt::format(", attention factor {:.6g}", s.attention_factor) : "");
  }
  if (!c.rope_scaling) return "none";
  return fmt::format("llama3, factor {:g} from a context of {:g}", c.rope_scaling->factor,
                     c.rope_scaling->original_context);
}

std::string biases_text(const ModelConfig& c) {
  std::vector<std::string_view> on;
  if (c.qkv_bias) on.push_back("q, k, v");
  if (c.output_bias) on.push_back("attention output");
  if (c.mlp_bias) on.push_back("gate, up, down");
  return on.empty() ? "none" : fmt::format("on {}", fmt::join(on, ", "));
}

// "in every block", "in blocks 0, 2".
std::string blocks_text(const std::vector<char>& marks) {
  std::vector<std::size_t> blocks;
  for (std::size_t i = 0; i < marks.size(); ++i) {
    if (marks[i] != 0) blocks.push_back(i);
  }
  return blocks.size() == marks.size() ? "in every block"
                                       : fmt::format("in blocks {}", fmt::join(blocks, ", "));
}

std::string tokenizer_text(const TokenizerKind& t) {
  if (t.kind.empty()) return "none here";
  return fmt::format("{}{} ({})", t.kind,
                     t.tokens > 0 ? ", " + counted(static_cast<std::uint64_t>(t.tokens), "token") : "",
                     t.source);
}

// "63.1 %" of the parameters of a part.
std::string share(std::int64_t part, std::int64_t whole) {
  return fmt::format("{:.1f} %", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

}  // namespace

CostEstimate estimate_cost(const ModelConfig& c) {
  const ParameterCount count = count_parameters(c);
  const double keys = std::min(kCardContext, static_cast<double>(c.max_context)) / 2.0;
  double attention = 0.0;  // of all blocks that have it
  for (int layer = 0; layer < c.n_layers; ++layer) {
    if (describe_block(c, layer).mixer == Mixer::attention) attention += 4.0 * keys * c.heads * c.head_dim;
  }
  const double head = 2.0 * static_cast<double>(c.vocab) * c.hidden;
  return {.weight_bytes = sizeof(float) * static_cast<std::uint64_t>(2 * count.per_block + count.embedding),
          .program_bytes = program_bytes(),
          .bytes_per_ktoken = 1000 * sizeof(float) * static_cast<std::uint64_t>(c.hidden),
          .flops_per_ktoken = 1000.0 * (2.0 * static_cast<double>(count.active_blocks) + attention + head),
          .assumed_flops_per_second = kAssumedFlopsPerSecond};
}

Card make_card(const std::string& model) {
  Card card;
  card.location = locate_model(model);
  const fs::path config = card.location.path / "config.json";
  std::error_code unreadable;
  if (card.location.format == ModelFormat::safetensors && !has_weights(card.location.path) &&
      fs::exists(config, unreadable)) {
    card.config = parse_config(read_file(config, kMaxConfigBytes), config.string());
    card.notes = card.config.notes;
  } else {
    add_weights(card, model);
  }
  card.parameters = count_parameters(card.config);
  card.origin = origin_of(card.config);
  card.tokenizer = tokenizer_kind(card.location);
  card.cost = estimate_cost(card.config);
  return card;
}

std::string card_text(const Card& card, bool tensors) {
  const ModelConfig& c = card.config;
  const ParameterCount& p = card.parameters;
  std::string out;
  const auto line = [&](std::string_view key, const std::string& value) {
    out += fmt::format("{:<18} {}\n", key, value);
  };
  line("checkpoint", card.location.path.string());
  if (!card.location.hub_id.empty())
    line("hub", fmt::format("{} at {}", card.location.hub_id, card.location.revision));
  line("family", fmt::format("{} ({})", c.family, c.architecture));
  line("generation", card.origin.generation.empty() ? kUnknown : card.origin.generation);
  if (!card.origin.same_shape.empty())
    line("same shape as", fmt::format("{}", fmt::join(card.origin.same_shape, ", ")));
  line("blocks", fmt::format("{} (0-based: 0 to {})", c.n_layers, c.n_layers - 1));
  line("residual stream", fmt::format("d = {}, ffn {}", c.hidden, c.ffn));
  line("attention",
       fmt::format("{}, {}, head dimension {}", counted(static_cast<std::uint64_t>(c.heads), "head"),
                   counted(static_cast<std::uint64_t>(c.kv_heads), "key/value head"), c.head_dim));
  if (c.output_gate)
    line("", fmt::format("output gate; {} of {} dimensions rotated", rotated_dims(c), c.head_dim));
  if (!c.delta_blocks.empty())
    line("gated delta rule", fmt::format("{} key heads of {}, {} value heads of {}, convolution of {}; {}",
                                         c.delta.key_heads, c.delta.key_dim, c.delta.value_heads,
                                         c.delta.value_dim, c.delta.kernel, blocks_text(c.delta_blocks)));
  if (c.experts) {
    line("experts",
         fmt::format(
             "{} of width {}, {} for each token (weights {}){}; {}", c.experts->count, c.experts->width,
             c.experts->used, c.experts->normalise ? "made to sum to 1" : "as routed",
             c.experts->shared_width > 0 ? fmt::format(", a shared one of {}", c.experts->shared_width) : "",
             blocks_text(c.experts->blocks)));
  }
  line("biases", biases_text(c));
  line("QK-norm", c.qk_norm ? "yes" : "no");
  line("vocabulary", fmt::format("{}, embeddings {}", c.vocab, c.tied_embeddings ? "tied" : "untied"));
  line("tokenizer", tokenizer_text(card.tokenizer));
  line("context", counted(static_cast<std::uint64_t>(c.max_context), "token"));
  if (c.window > 0)
    line("sliding window",
         c.slides.empty() ? fmt::format("{} tokens; text is computed in windows that are no longer", c.window)
                          : fmt::format("{} tokens, {}", c.window, blocks_text(c.slides)));
  if (!c.no_rope.empty()) line("no rotation", blocks_text(c.no_rope));
  if (c.query_scale_beta != 0.0)
    line("queries", fmt::format("times 1 + {:g} ln(1 + floor(position / {:g}))", c.query_scale_beta,
                                c.query_scale_context));
  if (!c.has_head) line("head", "none: states and no predictions; brittleness is of the embedding");
  if (!card.pooling.empty()) line("embedding", card.pooling);
  line("rope", fmt::format("theta {:g}, scaling {}", c.rope_theta, rope_scaling_text(c)));
  line("norm", fmt::format("RMSNorm, eps {:g}", c.norm_eps));
  line("parameters", fmt::format("{} in all, {} in embeddings ({}), {} in each block", p.total, p.embedding,
                                 share(p.embedding, p.total), p.per_block));
  if (c.experts) line("", fmt::format("{} of them used by a token", p.active));
  if (!card.has_weights) line("weights", "none here: only config.json");
  for (const auto& [dtype, count] : card.dtypes)
    line("stored as", fmt::format("{}: {} tensor{}, {}", dtype, count.tensors, count.tensors == 1 ? "" : "s",
                                  human_bytes(count.bytes)));
  if (card.has_weights)
    line("files", fmt::format("{}, {} of weights", card.files.size(), human_bytes(card.weight_bytes)));
  for (const std::string& note : card.notes) line("note", note);
  line("memory",
       fmt::format("at least {}: two blocks and the embeddings in float32 {}, program {}; and {} for "
                   "each 1,000 tokens of text",
                   human_bytes(card.cost.weight_bytes + card.cost.program_bytes),
                   human_bytes(card.cost.weight_bytes), human_bytes(card.cost.program_bytes),
                   human_bytes(card.cost.bytes_per_ktoken)));
  line("time", fmt::format("about {:.3g} s for each 1,000 tokens of the clean sweep, assuming {:.0f} GFLOP/s",
                           card.cost.seconds_per_ktoken(), card.cost.assumed_flops_per_second / 1e9));
  line("", "perturbed lanes come on top: strata analyze --dry-run counts them and measures this machine");
  if (!tensors) return out;
  out += "\n";
  for (const TensorInfo& t : card.tensors)
    out += fmt::format("{:<60} {:<5} ({})\n", t.name, to_string(t.dtype), fmt::join(t.shape, ", "));
  return out;
}

std::string card_json(const Card& card, bool tensors) {
  using Json = nlohmann::ordered_json;
  const ModelConfig& c = card.config;
  const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  Json json;
  json["path"] = card.location.path.string();
  json["name"] = card.location.name;
  json["hub_id"] = or_null(card.location.hub_id);
  json["revision"] = or_null(card.location.revision);
  json["family"] = c.family;
  json["architecture"] = c.architecture;
  json["generation"] = or_null(card.origin.generation);
  json["same_shape"] = card.origin.same_shape;
  json["n_layers"] = c.n_layers;
  json["hidden"] = c.hidden;
  json["ffn"] = c.ffn;
  json["heads"] = c.heads;
  json["kv_heads"] = c.kv_heads;
  json["head_dim"] = c.head_dim;
  json["vocab"] = c.vocab;
  json["max_context"] = c.max_context;
  json["sliding_window"] = c.window > 0 ? Json(c.window) : Json();
  json["blocks"] = Json::array();
  for (int layer = 0; layer < c.n_layers; ++layer) {
    const BlockDescription block = describe_block(c, layer);
    const AttentionDescription& a = block.attention;
    const bool attends = block.mixer == Mixer::attention;
    json["blocks"].push_back({{"mixer", attends ? "attention" : "gated_delta_rule"},
                              {"window", a.window > 0 ? Json(a.window) : Json()},
                              {"rope", attends ? Json(a.rope) : Json()},
                              {"experts", block.feed_forward.experts}});
  }
  json["rope"] = {{"theta", c.rope_theta}, {"scaling", rope_scaling_name(c)}};
  if (c.scaled_rope) {
    json["rope"]["factor"] = c.scaled_rope->factor;
    json["rope"]["original_context"] = c.scaled_rope->original_context;
    json["rope"]["attention_factor"] = c.scaled_rope->attention_factor;
  }
  if (c.rope_scaling) {
    json["rope"]["factor"] = c.rope_scaling->factor;
    json["rope"]["original_context"] = c.rope_scaling->original_context;
  }
  json["norm_eps"] = c.norm_eps;
  json["tied_embeddings"] = c.tied_embeddings;
  json["qkv_bias"] = c.qkv_bias;
  json["output_bias"] = c.output_bias;
  json["mlp_bias"] = c.mlp_bias;
  json["has_head"] = c.has_head;
  json["pooling"] = or_null(card.pooling);
  json["qk_norm"] = c.qk_norm;
  json["tokenizer"] = card.tokenizer.kind.empty() ? Json()
                                                  : Json{{"kind", card.tokenizer.kind},
                                                         {"source", card.tokenizer.source},
                                                         {"tokens", card.tokenizer.tokens}};
  json["parameters"] = {{"total", card.parameters.total},
                        {"embedding", card.parameters.embedding},
                        {"per_block", card.parameters.per_block},
                        {"active", card.parameters.active}};
  json["has_weights"] = card.has_weights;
  json["dtypes"] = Json::object();
  for (const auto& [dtype, count] : card.dtypes)
    json["dtypes"][dtype] = {{"tensors", count.tensors}, {"bytes", count.bytes}};
  json["notes"] = card.notes;
  json["weight_bytes"] = card.weight_bytes;
  json["files"] = card.files;
  json["estimate"] = {{"resident_weight_bytes", card.cost.weight_bytes},
                      {"program_bytes", card.cost.program_bytes},
                      {"bytes_per_1000_tokens", card.cost.bytes_per_ktoken},
                      {"flops_per_1000_tokens", card.cost.flops_per_ktoken},
                      {"assumed_flops_per_second", card.cost.assumed_flops_per_second},
                      {"seconds_per_1000_tokens", card.cost.seconds_per_ktoken()}};
  if (tensors) {
    json["tensors"] = Json::array();
    for (const TensorInfo& t : card.tensors)
      json["tensors"].push_back({{"name", t.name}, {"dtype", to_string(t.dtype)}, {"shape", t.shape}});
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace strata
