#include "strata/checkpoint/inventory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

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
  bool base_names;  // Hugging Face's without "model.": the base class was saved
};

std::string tensor_name(const Source& source, const TensorRule& rule, int layer) {
  std::string_view name = source.names == TensorNames::gguf ? rule.gguf_name : rule.name;
  if (source.base_names && name.starts_with(kBasePrefix)) name.remove_prefix(kBasePrefix.size());
  return rule.per_block ? fmt::format(fmt::runtime(name), layer) : std::string(name);
}

// What files of another kind are told by.
std::string missing_hint(const Source& source, const TensorRule& rule) {
  const auto& tensors = source.shards.tensors;
  const bool meta = tensors.contains("tok_embeddings.weight");
  if (meta) return "the file has Meta's names (tok_embeddings.weight); convert it with transformers";
  for (const auto& [name, tensor] : tensors) {
    if (name.find("lora_A") != std::string::npos || name.find("lora_B") != std::string::npos)
      return "the file holds an adapter; merge it into its base model and give the result";
  }
  if (rule.role == Role::unembedding)
    return "a base model without an output head gives no predictions, which the analysis needs; give the "
           "whole model, or tie_word_embeddings true if it is tied";
  return {};
}

TensorInfo take(const Source& source, const TensorRule& rule, int layer) {
  const auto& [shards, config, names, path, base_names] = source;
  const std::string name = tensor_name(source, rule, layer);
  const auto found = shards.tensors.find(name);
  if (found == shards.tensors.end()) {
    throw Error(ErrorKind::bad_file,
                {.where = path.string(),
                 .found = fmt::format("no tensor \"{}\"", name),
                 .expected = fmt::format("it, for a {} of {} layers", config.architecture, config.n_layers),
                 .hint = missing_hint(source, rule)});
  }
  const auto expected = rule.shape(config);
  if (found->second.shape != expected) {
    throw Error(ErrorKind::bad_file,
                {.where = fmt::format("{}: tensor \"{}\"", shards.paths[found->second.file].string(), name),
                 .found = fmt::format("shape [{}]", fmt::join(found->second.shape, ", ")),
                 .expected = fmt::format("[{}] from {}", fmt::join(expected, ", "),
                                         names == TensorNames::gguf ? "the metadata" : "config.json")});
  }
  TensorInfo tensor = found->second;
  tensor.per_block = rule.per_block;
  return tensor;
}

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

void check_extra_tensors(const Shards& shards, const Inventory& inventory, const ModelConfig& config) {
  const auto known = [&](const std::string& name) {
    const auto at = std::lower_bound(inventory.tensors.begin(), inventory.tensors.end(), name,
                                     [](const TensorInfo& t, const std::string& n) { return t.name < n; });
    return at != inventory.tensors.end() && at->name == name;
  };
  for (const auto& [name, tensor] : shards.tensors) {
    if (known(name) || is_rotary_buffer(name)) continue;
    if (config.tied_embeddings && name == "lm_head.weight") {
      check_tied_copy(shards, tensor, inventory.tensors[inventory.slot.at({Role::embedding, 0})]);
      continue;
    }
    throw Error(ErrorKind::unsupported,
                {.where = shards.paths[tensor.file].string(),
                 .found = fmt::format("tensor \"{}\"", printable(name)),
                 .expected = fmt::format("only the tensors of a {} of {} layers{}", config.architecture,
                                         config.n_layers, config.tied_embeddings ? ", tied" : ""),
                 .hint = "a weight that strata does not use means another model than it would compute"});
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
  const bool base = names == TensorNames::hugging_face && shards.tensors.contains("embed_tokens.weight") &&
                    !shards.tensors.contains("model.embed_tokens.weight");
  const Source source{shards, config, names, path, base};
  Inventory inventory;
  std::map<std::string, std::pair<Role, int>> use;
  for (const TensorRule& rule : family_of(config).tensors) {
    if (!has_tensor(rule, config)) continue;
    for (int layer = 0; layer < (rule.per_block ? config.n_layers : 1); ++layer) {
      inventory.tensors.push_back(take(source, rule, layer));
      use.emplace(inventory.tensors.back().name, std::pair(rule.role, layer));
    }
  }
  // Part of the model (and of its digest), but read when the file is opened, not by role.
  for (const auto& [name, tensor] : shards.tensors) {
    if (names == TensorNames::gguf && is_rope_factors(name) && uses_rope_factors(config, name))
      inventory.tensors.push_back(tensor);
  }
  std::sort(inventory.tensors.begin(), inventory.tensors.end(),
            [](const TensorInfo& a, const TensorInfo& b) { return a.name < b.name; });
  for (std::size_t i = 0; i < inventory.tensors.size(); ++i) {
    const auto found = use.find(inventory.tensors[i].name);
    if (found != use.end()) inventory.slot.emplace(found->second, i);
  }
  check_extra_tensors(shards, inventory, config);
  return inventory;
}

const TensorRule* find_rule(const ModelConfig& config, Role role) {
  for (const TensorRule& rule : family_of(config).tensors) {
    if (rule.role == role && has_tensor(rule, config)) return &rule;
  }
  return nullptr;
}

}  // namespace strata
