#include "tests/support/reference_tensors.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "strata/base/file.h"
#include "tests/support/gguf_file.h"

namespace strata::test {
namespace {

using nlohmann::json;
using Tensors = std::map<std::string, Stored>;

std::vector<float> floats_of(const Stored& tensor) {
  const std::string bytes = to_float32(tensor);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

Stored stored_floats(const std::vector<float>& values, std::vector<std::uint64_t> shape) {
  Stored tensor{
      .dtype = "F32", .shape = std::move(shape), .bytes = std::string(values.size() * sizeof(float), '\0')};
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

// The rows of a matrix in the order of `rows`.
Stored rows_of(const Stored& tensor, const std::vector<std::size_t>& rows) {
  const std::size_t each = tensor.bytes.size() / tensor.shape[0];
  Stored out{.dtype = tensor.dtype, .shape = tensor.shape};
  out.shape[0] = rows.size();
  for (const std::size_t row : rows) out.bytes += tensor.bytes.substr(row * each, each);
  return out;
}

Stored columns_of(const Stored& tensor, const std::vector<std::size_t>& columns) {
  const std::size_t each = tensor.bytes.size() / (tensor.shape[0] * tensor.shape[1]);
  Stored out{.dtype = tensor.dtype, .shape = tensor.shape};
  for (std::size_t row = 0; row < tensor.shape[0]; ++row) {
    for (const std::size_t column : columns)
      out.bytes += tensor.bytes.substr((row * tensor.shape[1] + column) * each, each);
  }
  return out;
}

struct Sizes {
  std::size_t keys, values, key_dim, value_dim;

  [[nodiscard]] std::size_t group() const { return values / keys; }
};

// Heads of `each` rows so that those of different key heads take turns, behind `first` rows that stay.
std::vector<std::size_t> in_turn(const Sizes& s, std::size_t first, std::size_t each) {
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < first; ++i) rows.push_back(i);
  for (std::size_t within = 0; within < s.group(); ++within) {
    for (std::size_t key = 0; key < s.keys; ++key) {
      for (std::size_t i = 0; i < each; ++i) rows.push_back(first + (key * s.group() + within) * each + i);
    }
  }
  return rows;
}

Stored with_heads_in_turn(const std::string& name, const Stored& tensor, const Sizes& s) {
  const auto ends = [&](const char* end) { return name.ends_with(end); };
  const std::size_t keys = 2 * s.keys * s.key_dim;
  if (ends("in_proj_qkv.weight") || ends("conv1d.weight"))
    return rows_of(tensor, in_turn(s, keys, s.value_dim));
  if (ends("in_proj_z.weight")) return rows_of(tensor, in_turn(s, 0, s.value_dim));
  if (ends("in_proj_a.weight") || ends("in_proj_b.weight") || ends("A_log") || ends("dt.bias"))
    return rows_of(tensor, in_turn(s, 0, 1));
  if (ends("out_proj.weight")) return columns_of(tensor, in_turn(s, 0, s.value_dim));
  return tensor;
}

// q, k, v and z of each key head -> all q, all k, all v; and all z.
void split_channels(const std::string& name, const Stored& tensor, const Sizes& s, Tensors& out) {
  const std::size_t values = s.group() * s.value_dim, each = 2 * s.key_dim + 2 * values;
  std::vector<std::size_t> qkv, z;
  const auto take = [&](std::vector<std::size_t>& rows, std::size_t first, std::size_t count) {
    for (std::size_t head = 0; head < s.keys; ++head) {
      for (std::size_t i = 0; i < count; ++i) rows.push_back(head * each + first + i);
    }
  };
  take(qkv, 0, s.key_dim);
  take(qkv, s.key_dim, s.key_dim);
  take(qkv, 2 * s.key_dim, values);
  take(z, 2 * s.key_dim + values, values);
  const std::string stem = name.substr(0, name.rfind("in_proj_qkvz"));
  out[stem + "in_proj_qkv.weight"] = rows_of(tensor, qkv);
  out[stem + "in_proj_z.weight"] = rows_of(tensor, z);
}

void split_experts(const std::string& name, const Stored& tensor, Tensors& out) {
  const bool two = name.ends_with("gate_up_proj");
  const std::size_t experts = tensor.shape[0], each = tensor.bytes.size() / experts;
  const std::string stem = name.substr(0, name.rfind('.') + 1);
  for (std::size_t e = 0; e < experts; ++e) {
    Stored one{.dtype = tensor.dtype,
               .shape = {tensor.shape[1], tensor.shape[2]},
               .bytes = tensor.bytes.substr(e * each, each)};
    if (!two) {
      out[fmt::format("{}{}.down_proj.weight", stem, e)] = one;
      continue;
    }
    std::vector<std::size_t> gate, up;
    for (std::size_t i = 0; i < tensor.shape[1] / 2; ++i) {
      gate.push_back(i);
      up.push_back(tensor.shape[1] / 2 + i);
    }
    out[fmt::format("{}{}.gate_proj.weight", stem, e)] = rows_of(one, gate);
    out[fmt::format("{}{}.up_proj.weight", stem, e)] = rows_of(one, up);
  }
}

Stored changed(const std::string& name, const Stored& tensor) {
  std::vector<float> values;
  if (name.ends_with("A_log")) {
    values = floats_of(tensor);
    for (float& x : values) x = -std::exp(x);
  } else if (name.ends_with("norm.weight") && !name.ends_with("linear_attn.norm.weight")) {
    values = floats_of(tensor);
    for (float& x : values) x += 1.0f;
  } else {
    return tensor;
  }
  return stored_floats(values, tensor.shape);
}

}  // namespace

Tensors read_tensors(const std::filesystem::path& folder) {
  Tensors tensors;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".safetensors") continue;
    const std::string file = read_file(entry.path());
    std::uint64_t size = 0;
    std::memcpy(&size, file.data(), 8);
    const json header = json::parse(file.substr(8, size));
    for (const auto& [name, tensor] : header.items()) {
      if (name == "__metadata__") continue;
      const auto span = tensor["data_offsets"].get<std::vector<std::size_t>>();
      tensors[name] = {.dtype = tensor["dtype"],
                       .shape = tensor["shape"],
                       .bytes = file.substr(8 + size + span[0], span[1] - span[0])};
    }
  }
  return tensors;
}

Tensors as_converted(Tensors tensors, const json& config) {
  Tensors out;
  const bool hybrid = config.contains("linear_conv_kernel_dim");
  const auto size = [&](const char* key) { return config.value(key, std::size_t{1}); };
  const Sizes sizes{size("linear_num_key_heads"), size("linear_num_value_heads"), size("linear_key_head_dim"),
                    size("linear_value_head_dim")};
  const bool turns = hybrid && config.at("model_type") != "qwen3_next";
  for (auto& [full, tensor] : tensors) {
    if (full.starts_with("mtp.") || full.starts_with("model.visual.")) continue;
    std::string name = full;
    if (name.starts_with("model.language_model.")) name.erase(6, 15);
    if (name.ends_with("experts.gate_up_proj") || name.ends_with("experts.down_proj")) {
      split_experts(name, tensor, out);
    } else if (name.ends_with("in_proj_qkvz.weight")) {
      split_channels(name, tensor, sizes, out);
    } else if (hybrid) {
      if (name.ends_with("dt_bias")) name.replace(name.size() - 7, 7, "dt.bias");
      if (name.ends_with("conv1d.weight")) tensor.shape = {tensor.shape[0], tensor.shape[2]};
      Stored now = changed(name, tensor);
      if (turns) now = with_heads_in_turn(name, now, sizes);
      if (const auto at = name.find("post_attention_layernorm"); at != std::string::npos)
        name.replace(at, 24, "post_attention_norm");
      out[name] = std::move(now);
    } else {
      out[name] = std::move(tensor);
    }
  }
  return out;
}

}  // namespace strata::test
