#include "strata/checkpoint/gguf_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>

#include "strata/base/checked.h"
#include "strata/base/error.h"
#include "strata/checkpoint/gguf_config.h"
#include "strata/checkpoint/inventory.h"
#include "strata/gguf/gguf.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMaxSplits = 65535;  // split.no and split.count are u16

[[noreturn]] void bad(std::string where, std::string found, std::string expected, std::string hint = {}) {
  throw Error(ErrorKind::bad_file, {.where = std::move(where),
                                    .found = std::move(found),
                                    .expected = std::move(expected),
                                    .hint = std::move(hint)});
}

std::string split_suffix(std::int64_t number, std::int64_t count, std::string_view ending = ".gguf") {
  return fmt::format("-{:05}-of-{:05}{}", number + 1, count, ending);
}

std::string ending_of(const fs::path& path) {
  return has_gguf_name(path) ? path.extension().string() : "";
}

// Files in GGUF that are no language model, by general.type and by what they hold.
void refuse_other_kinds(const GgufMetadata& metadata) {
  constexpr std::string_view kType = "general.type";
  const std::string_view type = metadata.find_string(kType).value_or("model");
  const std::string_view architecture = metadata.find_string("general.architecture").value_or("");
  const auto refuse = [&](std::string_view what, std::string_view hint) {
    throw Error(ErrorKind::unsupported, {.where = metadata.where(),
                                         .found = std::string(what),
                                         .expected = "a language model",
                                         .hint = std::string(hint)});
  };
  if (type == "imatrix" || metadata.has("imatrix.chunk_count") || metadata.has("imatrix.datasets"))
    refuse("an importance matrix (llama-imatrix)", "give the model that it was made of");
  if (type == "adapter" || metadata.has("adapter.type"))
    refuse("an adapter", "merge it into its base model (llama-export-lora) and give the result");
  if (type == "mmproj" || architecture == "clip")
    refuse("the projector of a multimodal model", "give the file of the language model");
  if (architecture == "controlvector") refuse("a control vector", "give the model that it was made for");
}

TensorInfo read_tensor(const GgufTensor& stored, const GgufHeader& header, std::size_t file_size,
                       const std::string& where) {
  const std::string place = fmt::format("{}: tensor \"{}\"", where, stored.name);
  const auto dtype = find_ggml_type(stored.type);
  if (!dtype) {
    throw Error(ErrorKind::unsupported, {.where = place,
                                         .found = "weights of " + ggml_type_name(stored.type),
                                         .expected = "a type of docs/formats.md",
                                         .hint = "strata does not compute with other weight types"});
  }
  const DTypeFacts& type = facts(*dtype);
  if (stored.extents[0] % type.block_elements != 0) {
    bad(place, fmt::format("rows of {}", stored.extents[0]),
        fmt::format("a multiple of {} for {}", type.block_elements, type.name));
  }
  // The parser has checked that the product of the extents fits.
  std::uint64_t blocks = stored.extents[0] / type.block_elements;
  for (std::size_t i = 1; i < stored.extents.size(); ++i) blocks *= stored.extents[i];
  const auto size = checked_mul(blocks, type.block_bytes);
  const std::uint64_t begin = header.data_begin + stored.offset_bytes;  // within the file: checked there
  if (!size || *size > file_size - begin) {
    bad(place,
        fmt::format("{} bytes from byte {} on in a file of {}",
                    size ? std::to_string(*size) : "more than 2^64", begin, file_size),
        "data within the file", "the file may be cut short; download it again");
  }
  TensorInfo info{.name = stored.name, .dtype = *dtype, .offset_bytes = begin, .size_bytes = *size};
  for (const std::uint64_t extent : stored.extents) {
    info.shape.insert(info.shape.begin(), static_cast<std::int64_t>(extent));
  }
  return info;
}

void check_overlaps(std::vector<TensorInfo>& tensors, const std::string& where) {
  std::sort(tensors.begin(), tensors.end(),
            [](const TensorInfo& a, const TensorInfo& b) { return a.offset_bytes < b.offset_bytes; });
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    const TensorInfo& before = tensors[i - 1];
    if (before.offset_bytes + before.size_bytes <= tensors[i].offset_bytes) continue;
    bad(fmt::format("{}: tensor \"{}\"", where, tensors[i].name),
        fmt::format("data that overlaps tensor \"{}\"", before.name), "bytes of its own");
  }
}

GgufHeader add_file(Shards& shards, const fs::path& path) {
  const std::string where = path.string();
  shards.paths.push_back(path);
  const auto bytes = shards.maps.emplace_back(path).bytes();
  GgufHeader header = parse_gguf(bytes, where);
  refuse_other_kinds(header.metadata);
  std::vector<TensorInfo> tensors;
  for (const GgufTensor& stored : header.tensors) {
    tensors.push_back(read_tensor(stored, header, bytes.size(), where));
    tensors.back().file = shards.maps.size() - 1;
  }
  check_overlaps(tensors, where);
  for (TensorInfo& tensor : tensors) shards.add(std::move(tensor));
  return header;
}

// The path without "-00001-of-0000N.gguf".
std::string split_prefix(const fs::path& path, std::int64_t count) {
  const std::string text = path.string(), suffix = split_suffix(0, count, ending_of(path));
  if (text.ends_with(suffix)) return text.substr(0, text.size() - suffix.size());
  bad(text, "the first of several files under another name", "a name that ends in " + suffix,
      "the names of the others follow from it; rename it");
}

void add_splits(Shards& shards, const GgufMetadata& first, const fs::path& path) {
  const std::int64_t count = first.find_integer("split.count", 0, kMaxSplits).value_or(0);
  if (count <= 1) return;
  if (const std::int64_t number = first.integer("split.no", 0, kMaxSplits); number != 0) {
    throw Error(ErrorKind::usage, {.where = path.string(),
                                   .found = fmt::format("split {} of {}", number + 1, count),
                                   .expected = "the first, whose name ends in " + split_suffix(0, count)});
  }
  const std::string prefix = split_prefix(path, count);
  for (std::int64_t number = 1; number < count; ++number) {
    const fs::path other = prefix + split_suffix(number, count, ending_of(path));
    std::error_code unreadable;  // a path that cannot be looked up is as good as absent
    if (!fs::exists(other, unreadable)) {
      bad(other.string(), "missing split", fmt::format("all {} files of the model side by side", count));
    }
    const GgufMetadata metadata = add_file(shards, other).metadata;
    if (metadata.integer("split.no", 0, kMaxSplits) != number) {
      metadata.fail("split.no", fmt::format("{}", metadata.integer("split.no", 0, kMaxSplits)),
                    fmt::format("{}, as the file's name says", number));
    }
    if (metadata.integer("split.count", 0, kMaxSplits) != count) {
      metadata.fail("split.count", fmt::format("{}", metadata.integer("split.count", 0, kMaxSplits)),
                    fmt::format("{}, as in the first", count));
    }
  }
  const auto stated = first.find_integer("split.tensors.count", 0, std::numeric_limits<std::int32_t>::max());
  if (stated && static_cast<std::uint64_t>(*stated) != shards.tensors.size()) {
    first.fail("split.tensors.count", fmt::format("{}", *stated),
               fmt::format("{}, the tensors of all {} files", shards.tensors.size(), count));
  }
}

// Divisors of the rotary frequencies: of the llama3 rope type, and of longrope.
std::vector<float> read_rope_factors(const Shards& shards, const ModelConfig& config, std::string_view name) {
  const auto found = shards.tensors.find(std::string(name));
  if (found == shards.tensors.end()) return {};
  const TensorInfo& tensor = found->second;
  const std::string place = fmt::format("{}: tensor \"{}\"", shards.paths[tensor.file].string(), tensor.name);
  if (!family_of(config).gguf_rope_factors) {
    throw Error(ErrorKind::unsupported, {.where = place,
                                         .found = "rope factors in a model of family " + config.family,
                                         .expected = "them in a llama only"});
  }
  const std::vector<std::int64_t> expected{rotated_dims(config) / 2};
  if (tensor.dtype != DType::f32 || tensor.shape != expected) {
    bad(place, fmt::format("{} of shape [{}]", to_string(tensor.dtype), fmt::join(tensor.shape, ", ")),
        fmt::format("F32 of shape [{}]", expected[0]));
  }
  std::vector<float> factors(static_cast<std::size_t>(expected[0]));
  convert_to_float32(tensor.dtype, shards.bytes(tensor), factors);
  for (const float factor : factors) {
    if (!std::isfinite(factor) || !(factor > 0.0f)) bad(place, fmt::format("{}", factor), "numbers above 0");
  }
  return factors;
}

// What only the tensors say: divisors of the frequencies, and whether there are biases.
void read_tensors(const Shards& shards, const fs::path& path, ModelConfig& config) {
  const Family& family = family_of(config);
  const auto has = [&](const char* name) { return shards.tensors.contains(name); };
  if (family.bias_keys) {
    config.qkv_bias = has("blk.0.attn_q.bias");
    config.output_bias = has("blk.0.attn_output.bias");
  }
  if (family.mlp_bias_key) config.mlp_bias = has("blk.0.ffn_gate.bias");
  for (int layer = 0; config.experts && family.experts.some_blocks && layer < config.n_layers; ++layer) {
    if (shards.tensors.contains(fmt::format("blk.{}.ffn_gate.weight", layer)))
      config.experts->blocks[static_cast<std::size_t>(layer)] = 0;
  }
  const bool factors_absent = !has(kShortFactorsName.data()) && !has(kLongFactorsName.data());
  if (family.longrope_alone && factors_absent && config.scaled_rope->attention_factor == 1.0)
    config.scaled_rope.reset();
  if (!config.scaled_rope || config.scaled_rope->type != RopeType::longrope) {
    config.rope_factors = read_rope_factors(shards, config, kRopeFactorsName);
    return;
  }
  const auto list = [&](std::string_view name) {
    const auto factors = read_rope_factors(shards, config, name);
    if (factors.empty()) bad(path.string(), fmt::format("no tensor \"{}\"", name), "it, for longrope");
    return std::vector<double>(factors.begin(), factors.end());
  };
  config.scaled_rope->short_factors = list(kShortFactorsName);
  config.scaled_rope->long_factors = list(kLongFactorsName);
}

}  // namespace

bool has_gguf_name(const fs::path& path) {
  std::string ending = path.extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return ending == ".gguf";
}

std::string gguf_model_name(const fs::path& path) {
  std::string name = has_gguf_name(path) ? path.stem().string() : path.filename().string();
  const std::string pattern = "-ddddd-of-ddddd";
  if (name.size() <= pattern.size()) return name;
  const std::string_view tail = std::string_view(name).substr(name.size() - pattern.size());
  const bool split = std::equal(tail.begin(), tail.end(), pattern.begin(),
                                [](char c, char p) { return p == 'd' ? c >= '0' && c <= '9' : c == p; });
  if (split) name.resize(name.size() - pattern.size());
  return name;
}

GgufModel open_gguf(const fs::path& path) {
  GgufModel model;
  const GgufHeader header = add_file(model.shards, path);
  add_splits(model.shards, header.metadata, path);
  const auto embedding = model.shards.tensors.find("token_embd.weight");
  if (embedding == model.shards.tensors.end()) {
    bad(path.string(), "no tensor \"token_embd.weight\"", "the weights of a language model");
  }
  const bool tied = !model.shards.tensors.contains("output.weight");
  model.config = parse_gguf_config(header.metadata, embedding->second.shape[0], tied);
  read_tensors(model.shards, path, model.config);
  for (const MappedFile& map : model.shards.maps) map.release(map.bytes());
  return model;
}

}  // namespace strata
