#include "tests/support/scaled_checkpoint.h"

#include <bit>
#include <cstring>
#include <stdexcept>

#include "strata/base/file.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"

namespace strata::test {
namespace {

using nlohmann::json;

constexpr std::size_t kPlenty = std::size_t{1} << 30;

std::vector<float> decode(const std::string& dtype, const char* bytes, std::size_t size) {
  std::vector<float> values(size / (dtype == "F32" ? 4 : 2));
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint32_t bits = 0;
    if (dtype == "F32") {
      std::memcpy(&bits, bytes + 4 * i, 4);
    } else if (dtype == "BF16") {
      std::uint16_t half = 0;
      std::memcpy(&half, bytes + 2 * i, 2);
      bits = static_cast<std::uint32_t>(half) << 16;
    } else {
      throw std::invalid_argument("write_scaled_checkpoint: " + dtype);
    }
    values[i] = std::bit_cast<float>(bits);
  }
  return values;
}

bool writes_on_the_residual(const std::string& name) {
  return name == "model.embed_tokens.weight" || name.ends_with("self_attn.o_proj.weight") ||
         name.ends_with("mlp.down_proj.weight");
}

}  // namespace

void write_scaled_checkpoint(const std::filesystem::path& from, const std::filesystem::path& to,
                             double scale) {
  const std::string file = read_file(from / "model.safetensors", kPlenty);
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  const json header = json::parse(file.substr(8, length));
  const char* const data = file.data() + 8 + length;
  json config = json::parse(read_file(from / "config.json", kPlenty));
  const bool tied = config["tie_word_embeddings"].get<bool>();
  std::vector<StoredTensor> tensors;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    const std::size_t begin = entry["data_offsets"][0], end = entry["data_offsets"][1];
    std::vector<float> values = decode(entry["dtype"], data + begin, end - begin);
    const std::vector<std::int64_t> shape = entry["shape"];
    if (tied && name == "model.embed_tokens.weight")
      tensors.push_back({"lm_head.weight", "F32", shape, encode(DType::f32, values)});
    if (writes_on_the_residual(name))
      for (float& value : values) value = static_cast<float>(value * scale);
    tensors.push_back({name, "F32", shape, encode(DType::f32, values)});
  }
  config["tie_word_embeddings"] = false;
  config["torch_dtype"] = "float32";
  config["rms_norm_eps"] = config["rms_norm_eps"].get<double>() * scale * scale;
  write_text(to / "config.json", config.dump(1));
  write_text(to / "model.safetensors", safetensors_bytes(tensors));
}

}  // namespace strata::test
