#include "strata/checkpoint/inventory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "strata/base/error.h"
#include "strata/checkpoint/strict_json.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBasePrefix = "model.";

// Whether the config was read from that tensor too.
bool uses_rope_factors(const ModelConfig& config, std::string_view name) {
  if (name == kRopeFactorsName) return !config.rope_factors.empty();
  return config.scaled_rope && config.scaled_rope->type == RopeType::longrope;
}

// What the inventory is taken of.
struct Source {
  const Shards& shards;
  const ModelConfig& config;
  TensorNames names;
  const fs::path& path;
  std::string prefix;  // what Hugging Face's names have in place of "model."
};

// As the classes write it: whole models, base models, the text part of a multimodal one.
std::string prefix_of(const Shards& shards) {
  for (const char* prefix : {"model.", "", "model.language_model."}) {
    if (shards.tensors.contains(std::string(prefix) + "embed_tokens.weight")) return prefix;
  }
  return "model.";
}

std::string full_name(const Source& source, std::string_view name, int layer, int expert) {
  if (source.names == TensorNames::gguf) return fmt::format(fmt::runtime(name), layer, expert);
  const bool body = name.starts_with(kBasePrefix);
  if (body) name.remove_prefix(kBasePrefix.size());
  return (body ? source.prefix : "") + fmt::format(fmt::runtime(name), layer, expert);
}

// What files of another kind are told by.
std::string missing_hint(const Source& source, Role role) {
  const auto& tensors = source.shards.tensors;
  const bool meta = tensors.contains("tok_embeddings.weight");
  if (meta) return "the file has Meta's names (tok_embeddings.weight); convert it with transformers";
  for (const auto& [name, tensor] : tensors) {
    if (name.find("lora_A") != std::string::npos || name.find("lora_B") != std::string::npos)
      return "the file holds an adapter; merge it into its base model and give the result";
  }
  if (role == Role::unembedding)
    return "a base model without an output head gives no predictions, which the analysis needs; give the "
           "whole model, or tie_word_embeddings true if it is tied";
  return {};
}

// The shape, and the same without extents of 1, as converters squeeze it.
bool is_shape(const std::vector<std::int64_t>& found, const TensorShape& expected) {
  if (found == expected) return true;
  TensorShape squeezed;
  std::copy_if(expected.begin(), expected.end(), std::back_inserter(squeezed),
               [](std::int64_t extent) { return extent != 1; });
  return squeezed.size() != expected.size() && found == squeezed;
}

TensorInfo take(const Source& source, const std::string& name, Role role, const TensorShape& expected) {
  const auto& [shards, config, names, path, prefix] = source;
  const auto found = shards.tensors.find(name);
  if (found == shards.tensors.end()) {
    throw Error(ErrorKind::bad_file,
                {.where = path.string(),
                 .found = fmt::format("no tensor \"{}\"", name),
                 .expected = fmt::format("it, for a {} of {} layers", config.architecture, config.n_layers),
                 .hint = missing_hint(source, role)});
  }
  if (!is_shape(found->second.shape, expected)) {
    throw Error(ErrorKind::bad_file,
                {.where = fmt::format("{}: tensor \"{}\"", shards.paths[found->second.file].string(), name),
                 .found = fmt::format("shape [{}]", fmt::join(found->second.shape, ", ")),
                 .expected = fmt::format("[{}] from {}", fmt::join(expected, ", "),
                                         names == TensorNames::gguf ? "the metadata" : "config.json")});
  }
  return found->second;
}

// The packed tensor that holds a role of a block in these files; nullptr where none does.
const PackedRule* find_packed(const Source& source, Role role, int layer) {
  for (const PackedRule& packed : family_of(source.config).packed) {
    const std::string_view name = source.names == TensorNames::gguf ? packed.gguf_name : packed.name;
    const bool holds = std::find(packed.roles.begin(), packed.roles.end(), role) != packed.roles.end();
    if (holds && !name.empty() && source.shards.tensors.contains(full_name(source, name, layer, 0)))
      return &packed;
  }
  return nullptr;
}

// Where the value heads of the delta rule lie in GGUF files: those of different key heads alternate. `first`:
// rows before them that stay; `each`: rows of a head.
std::vector<RowRange> tiled_heads(const DeltaDescription& delta, std::int64_t first, std::int64_t each) {
  const std::int64_t group = delta.value_heads / delta.key_heads;
  std::vector<RowRange> ranges;
  if (first > 0) ranges.push_back({.from = 0, .to = 0, .count = first});
  for (std::int64_t at = 0; at < delta.value_heads; ++at) {
    const std::int64_t head = at % delta.key_heads * group + at / delta.key_heads;
    ranges.push_back({.from = first + at * each, .to = first + head * each, .count = each});
  }
  return ranges;
}

// What converters reordered.
void put_in_order(const Source& source, TensorUse& use) {
  const ModelConfig& c = source.config;
  if (source.names != TensorNames::gguf || !family_of(c).gguf_tiles_value_heads) return;
  const std::int64_t keys = 2 * std::int64_t{c.delta.key_heads} * c.delta.key_dim;
  switch (use.role) {
    case Role::delta_qkv:
    case Role::delta_convolution:
      use.rows = tiled_heads(c.delta, keys, c.delta.value_dim);
      break;
    case Role::delta_gate:
      use.rows = tiled_heads(c.delta, 0, c.delta.value_dim);
      break;
    case Role::delta_output:
      use.columns = tiled_heads(c.delta, 0, c.delta.value_dim);
      break;
    case Role::delta_write:
    case Role::delta_step:
      use.rows = tiled_heads(c.delta, 0, 1);
      break;
    case Role::delta_decay:
    case Role::delta_step_bias:
      use.columns = tiled_heads(c.delta, 0, 1);
      break;
    default:
      break;
  }
}

// Finds every role of the family's table in the files.
class Taker {
 public:
  explicit Taker(const Source& source) : source_(source) {}

  void take_role(const TensorRule& rule, int layer) {
    const ModelConfig& config = source_.config;
    const PackedRule* packed = rule.scope == Scope::model ? nullptr : find_packed(source_, rule.role, layer);
    for (int expert = 0; expert < copies_of(rule, config); ++expert) {
      TensorUse use{.role = rule.role, .layer = layer, .expert = expert};
      if (packed != nullptr) {
        use.rows = packed->rows(config, rule.role, expert);
        add(name_of(packed->name, packed->gguf_name, layer, 0), packed->shape(config), rule, std::move(use));
      } else {
        put_in_order(source_, use);
        add(name_in_files(rule, layer, expert), rule.shape(config), rule, std::move(use));
      }
    }
  }

  // Tensors by name, with what they are used for.
  std::map<std::string, std::pair<TensorInfo, std::vector<TensorUse>>> found;

 private:
  [[nodiscard]] std::string name_of(std::string_view name, std::string_view gguf, int layer,
                                    int expert) const {
    return full_name(source_, source_.names == TensorNames::gguf ? gguf : name, layer, expert);
  }
  // A role that is only part of packed tensors is missing under the name of one, of its own where there is
  // one.
  [[nodiscard]] std::string name_in_files(const TensorRule& rule, int layer, int expert) const {
    if (!(source_.names == TensorNames::gguf ? rule.gguf_name : rule.name).empty())
      return name_of(rule.name, rule.gguf_name, layer, expert);
    std::string name;
    for (const PackedRule& packed : family_of(source_.config).packed) {
      const bool named = !(source_.names == TensorNames::gguf ? packed.gguf_name : packed.name).empty();
      const bool holds = std::find(packed.roles.begin(), packed.roles.end(), rule.role) != packed.roles.end();
      if (named && holds && (name.empty() || packed.roles.size() == 1))
        name = name_of(packed.name, packed.gguf_name, layer, 0);
    }
    STRATA_CHECK(!name.empty());
    return name;
  }

  void add(const std::string& name, const TensorShape& shape, const TensorRule& rule, TensorUse use) {
    auto at = found.find(name);
    if (at == found.end()) {
      TensorInfo tensor = take(source_, name, rule.role, shape);
      tensor.per_block = rule.scope != Scope::model;
      at = found.emplace(name, std::pair(std::move(tensor), std::vector<TensorUse>())).first;
    }
    at->second.second.push_back(std::move(use));
  }

  const Source& source_;
};

// A tied model may store its unembedding too. If it differs from the embedding, programs disagree about
// which of them the model is, so the bytes are compared here, once, in pieces that go back to the kernel.
void check_tied_copy(const Shards& shards, const TensorInfo& copy, const TensorInfo& embedding) {
  constexpr std::size_t kPiece = std::size_t{1} << 24;
  bool same = copy.dtype == embedding.dtype && copy.shape == embedding.shape;
  const auto a = shards.bytes(copy), b = shards.bytes(embedding);
  for (std::size_t at = 0; same && at < a.size(); at += kPiece) {
    const std::size_t size = std::min(kPiece, a.size() - at);
    same = std::memcmp(a.data() + at, b.data() + at, size) == 0;
    shards.maps[copy.file].release(a.subspan(at, size));
    shards.maps[embedding.file].release(b.subspan(at, size));
  }
  if (same) return;
  throw Error(ErrorKind::unsupported,
              {.where = fmt::format("{}: tensor \"{}\"", shards.paths[copy.file].string(), copy.name),
               .found = "an unembedding that differs from the embedding, in a model whose config says tied",
               .expected = "the same weights or tie_word_embeddings false"});
}

// Tensors of parts that the text model does not use, by the beginning of their names or, in GGUF, their
// block.
bool is_left_alone(const Source& source, const std::string& name) {
  const Family& family = family_of(source.config);
  if (source.names == TensorNames::hugging_face) {
    return std::any_of(family.left_alone.begin(), family.left_alone.end(),
                       [&](std::string_view prefix) { return name.starts_with(prefix); });
  }
  for (int block = 0; block < source.config.unused_blocks; ++block) {
    if (name.starts_with(fmt::format("blk.{}.", source.config.n_layers + block))) return true;
  }
  return false;
}

void check_extra_tensors(const Source& source, Inventory& inventory) {
  const auto& [shards, config, names, path, prefix] = source;
  const auto known = [&](const std::string& name) {
    const auto at = std::lower_bound(inventory.tensors.begin(), inventory.tensors.end(), name,
                                     [](const TensorInfo& t, const std::string& n) { return t.name < n; });
    return at != inventory.tensors.end() && at->name == name;
  };
  std::map<std::string, int> alone;
  for (const auto& [name, tensor] : shards.tensors) {
    if (known(name) || is_rotary_buffer(name)) continue;
    if (is_left_alone(source, name)) {
      const std::size_t end = name.find('.', name.starts_with("mtp.") ? 0 : name.find('.') + 1);
      ++alone[name.substr(0, end)];
      continue;
    }
    if (config.tied_embeddings && name == "lm_head.weight") {
      check_tied_copy(shards, tensor, inventory.tensors[inventory.slot.at({Role::embedding, 0}).front()]);
      continue;
    }
    throw Error(ErrorKind::unsupported,
                {.where = shards.paths[tensor.file].string(),
                 .found = fmt::format("tensor \"{}\"", printable(name)),
                 .expected = fmt::format("only the tensors of a {} of {} layers{}", config.architecture,
                                         config.n_layers, config.tied_embeddings ? ", tied" : ""),
                 .hint = "a weight that strata does not use means another model than it would compute"});
  }
  for (const auto& [part, count] : alone) {
    inventory.notes.push_back(fmt::format("{} tensors of {} are not part of the text model and left alone",
                                          count, printable(part)));
  }
}

}  // namespace

bool is_rope_factors(std::string_view name) {
  return name == kRopeFactorsName || name == kShortFactorsName || name == kLongFactorsName;
}

bool is_rotary_buffer(std::string_view name) {
  constexpr std::string_view kEnd = "rotary_emb.inv_freq";
  return name == kEnd || (name.ends_with(kEnd) && name[name.size() - kEnd.size() - 1] == '.');
}

Inventory take_inventory(const Shards& shards, const ModelConfig& config, TensorNames names,
                         const fs::path& path) {
  const Source source{shards, config, names, path, prefix_of(shards)};
  Taker taker(source);
  for (const TensorRule& rule : family_of(config).tensors) {
    for (int layer = 0; layer < places_of(rule, config); ++layer) {
      if (has_tensor(rule, config, layer)) taker.take_role(rule, layer);
    }
  }
  // Part of the model (and of its digest), but read when the file is opened, not by role.
  for (const auto& [name, tensor] : shards.tensors) {
    if (names == TensorNames::gguf && is_rope_factors(name) && uses_rope_factors(config, name))
      taker.found.emplace(name, std::pair(tensor, std::vector<TensorUse>()));
  }
  Inventory inventory;
  for (auto& [name, entry] : taker.found) {
    auto& [tensor, uses] = entry;
    for (const TensorUse& use : uses) {
      auto& holders = inventory.slot[{use.role, use.layer}];
      if (holders.empty() || holders.back() != inventory.tensors.size())
        holders.push_back(inventory.tensors.size());
    }
    inventory.tensors.push_back(std::move(tensor));
    inventory.uses.push_back(std::move(uses));
  }
  check_extra_tensors(source, inventory);
  return inventory;
}

}  // namespace strata
