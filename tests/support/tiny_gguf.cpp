#include "tests/support/tiny_gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include "tests/support/paths.h"
#include "tests/support/reference_gguf.h"

namespace strata::test {
namespace {

std::uint32_t ggml_type(const std::string& dtype) {
  for (const DTypeFacts& type : dtypes()) {
    if (type.name == dtype) return type.ggml_type;
  }
  throw std::invalid_argument(dtype);
}

// Row s * half + i of each head goes to row 2 i + s.
std::string interleave(const StoredTensor& tensor, int head_dim) {
  const auto rows = static_cast<std::size_t>(tensor.shape[0]);
  const std::size_t row_bytes = tensor.bytes.size() / rows;
  const auto group = static_cast<std::size_t>(head_dim);
  std::string out(tensor.bytes.size(), '\0');
  for (std::size_t head = 0; head < rows; head += group) {
    for (std::size_t s = 0; s < 2; ++s) {
      for (std::size_t i = 0; i < group / 2; ++i) {
        out.replace((head + 2 * i + s) * row_bytes, row_bytes, tensor.bytes,
                    (head + s * group / 2 + i) * row_bytes, row_bytes);
      }
    }
  }
  return out;
}

// The rule and the block of each of tiny_tensors, in its order.
std::vector<std::pair<const TensorRule*, int>> order(const Family& family, const TinyCheckpoint& tiny,
                                                     const std::vector<StoredTensor>& tensors) {
  std::vector<std::pair<const TensorRule*, int>> out;
  for (const TensorRule& rule : family.tensors) {
    for (int layer = 0; layer < (rule.scope != Scope::model ? tiny.layers : 1); ++layer) {
      const std::string name =
          rule.scope != Scope::model ? fmt::format(fmt::runtime(rule.name), layer) : std::string(rule.name);
      if (out.size() < tensors.size() && tensors[out.size()].name == name) out.emplace_back(&rule, layer);
    }
  }
  return out;
}

void set_tokens(GgufFile& file, const TinyCheckpoint& tiny) {
  std::vector<std::string> tokens;
  for (int i = 0; i < tiny.vocab; ++i) tokens.push_back(fmt::format("token{}", i));
  file.set("tokenizer.ggml.tokens", gguf_strings(tokens));
  file.set("tokenizer.ggml.bos_token_id", gguf_u32(0));
  file.set("tokenizer.ggml.eos_token_id", gguf_u32(1));
}

void set_metadata(GgufFile& file, const TinyCheckpoint& tiny, const std::string& family) {
  const auto number = [&](const char* key, int value) {
    file.set(fmt::format("{}.{}", family, key), gguf_u32(static_cast<std::uint32_t>(value)));
  };
  file.set("general.architecture", gguf_string(family));
  number("block_count", tiny.layers);
  number("context_length", tiny.context);
  number("embedding_length", tiny.hidden);
  number("feed_forward_length", tiny.ffn);
  number("attention.head_count", tiny.heads);
  number("attention.head_count_kv", tiny.kv_heads);
  number("attention.key_length", tiny.head_dim);
  number("attention.value_length", tiny.head_dim);
  number("rope.dimension_count", tiny.head_dim);
  number("vocab_size", tiny.vocab);
  file.set(family + ".rope.freq_base", gguf_f32(static_cast<float>(tiny.rope_theta)));
  file.set(family + ".attention.layer_norm_rms_epsilon", gguf_f32(static_cast<float>(tiny.norm_eps)));
  set_tokens(file, tiny);
}

}  // namespace

GgufFile tiny_gguf(const TinyCheckpoint& tiny) {
  const auto all = families();
  const Family& family =
      *std::find_if(all.begin(), all.end(), [&](const Family& f) { return f.id == tiny.family; });
  const auto tensors = tiny_tensors(tiny);
  if (!family.packed.empty()) {
    std::map<std::string, Stored> stored;
    for (const StoredTensor& t : tensors)
      stored[t.name] = {.dtype = t.dtype, .shape = {t.shape.begin(), t.shape.end()}, .bytes = t.bytes};
    GgufFile converted = converted_gguf(tiny_config(tiny), stored);
    set_tokens(converted, tiny);
    return converted;
  }
  GgufFile file;
  set_metadata(file, tiny, std::string(family.gguf_architecture));
  const auto rules = order(family, tiny, tensors);
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    const auto& [rule, layer] = rules[t];
    const bool turned = family.gguf_interleaves_qk && (rule->role == Role::query || rule->role == Role::key);
    GgufEntry entry;
    entry.name =
        rule->scope != Scope::model ? fmt::format(fmt::runtime(rule->gguf_name), layer) : rule->gguf_name;
    entry.type = ggml_type(tensors[t].dtype);
    for (const std::int64_t extent : tensors[t].shape) {
      entry.extents.insert(entry.extents.begin(), static_cast<std::uint64_t>(extent));
    }
    entry.bytes = turned ? interleave(tensors[t], tiny.head_dim) : tensors[t].bytes;
    file.tensors.push_back(entry);
  }
  return file;
}

std::filesystem::path write_splits(const std::filesystem::path& directory, const GgufFile& file, int count) {
  const auto path = [&](int number) {
    return directory / fmt::format("model-{:05}-of-{:05}.gguf", number + 1, count);
  };
  const auto u16 = [](std::size_t value) { return GgufStored{2, little_endian(value, 2)}; };
  for (int number = 0; number < count; ++number) {
    GgufFile part;
    if (number == 0) part.pairs = file.pairs;
    part.set("split.no", u16(static_cast<std::size_t>(number)));
    part.set("split.count", u16(static_cast<std::size_t>(count)));
    part.set("split.tensors.count", {5, little_endian(file.tensors.size(), 4)});
    for (std::size_t t = static_cast<std::size_t>(number); t < file.tensors.size();
         t += static_cast<std::size_t>(count)) {
      part.tensors.push_back(file.tensors[t]);
    }
    write_text(path(number), part.bytes());
  }
  return path(0);
}

}  // namespace strata::test
