// Writes small Hugging Face checkpoints with random weights, and corrupt twins of them.
//
//   test::TemporaryDirectory dir;
//   test::write_checkpoint(dir.path(), {.family = "qwen2", .tied = true});
//   const Checkpoint checkpoint = Checkpoint::open(dir.path());
//
// A corrupt twin edits the config or the tensors just before they are written:
//
//   test::TinyCheckpoint tiny;
//   tiny.edit_config = [](nlohmann::json& config) { config.erase("rope_theta"); };
//   tiny.edit_tensors = [](std::vector<test::StoredTensor>& tensors) { tensors.pop_back(); };
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "strata/checkpoint/checkpoint.h"

namespace strata::test {

/// One tensor as it is stored: dtype word of the format, shape, raw bytes.
struct StoredTensor {
  std::string name;
  std::string dtype;  ///< "F32", "F16", "BF16" or, in a corrupt twin, anything
  std::vector<std::int64_t> shape;
  std::string bytes;
};

struct TinyCheckpoint {
  std::string family = "llama";  ///< id in families()
  int layers = 3;
  int hidden = 16;
  int ffn = 24;
  int heads = 4;
  int kv_heads = 2;
  int head_dim = 4;
  int vocab = 40;
  int context = 128;
  double rope_theta = 10000.0;
  double norm_eps = 1e-5;
  bool tied = false;
  DType dtype = DType::f32;
  std::uint64_t seed = 1;
  bool biases = false;      ///< on q, k, v, o and the MLP, of a family that has the keys
  bool delta_first = true;  ///< of a hybrid: the delta rule in blocks 0, 2 and so on, else in 1, 3 and so on
  int shards = 1;           ///< more than 1: model.safetensors.index.json and that many files
  std::function<void(nlohmann::json&)> edit_config{};
  std::function<void(std::vector<StoredTensor>&)> edit_tensors{};
};

/// Sizes of the mixtures (in every block but the first, where the family has such blocks) and of the delta
/// rule (in every other block).
inline constexpr int kTinyExperts = 6, kTinyExpertWidth = 20, kTinySharedWidth = 12;
inline constexpr DeltaDescription kTinyDelta{
    .key_heads = 2, .value_heads = 4, .key_dim = 4, .value_dim = 6, .kernel = 3};

/// config.json, older spelling, before edit_config.
[[nodiscard]] nlohmann::json tiny_config(const TinyCheckpoint& tiny);

/// The family's tensors before edit_tensors. Matrices are N(0, 1/columns), embeddings N(0, 1), norms
/// 1 + N(0, 0.1^2), biases N(0, 0.1^2); the values depend on seed and name, rounded to the dtype.
[[nodiscard]] std::vector<StoredTensor> tiny_tensors(const TinyCheckpoint& tiny);

/// A .safetensors file: the tensors one after the other, in the order given.
[[nodiscard]] std::string safetensors_bytes(const std::vector<StoredTensor>& tensors);
/// The same from a header of your own, for headers that lie.
[[nodiscard]] std::string safetensors_bytes(const std::string& header, const std::string& data);

/// float32 values -> stored bytes, rounded to nearest, ties to even.
[[nodiscard]] std::string encode(DType dtype, const std::vector<float>& values);

/// Writes config.json and the weights into `directory`.
void write_checkpoint(const std::filesystem::path& directory, const TinyCheckpoint& tiny);

}  // namespace strata::test
