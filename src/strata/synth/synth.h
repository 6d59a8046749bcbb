// Checkpoints with random weights, of any size, written as a stream: for tests, benchmarks and as the null
// model (what does strata say of a network that has learnt nothing?).
//
// Weights are standard normal numbers times a scale, each the function of (seed, tensor, row, column)
// alone, so that bytes do not depend on threads and both formats hold the same model:
//
//   embedding            1, or 1/sqrt(hidden) when it is the unembedding too
//   o_proj, down_proj    as the embedding, times 1/sqrt(columns * 2 * blocks)
//   other matrices       1/sqrt(columns)
//   norms, biases        1 + N(0, 0.1^2) and N(0, 0.1^2), on a grid that every type stores exactly
//
// What the 2 L branches add to the residual stream has together about the variance of the embedding,
// whatever the number of blocks, so its size stays within a factor of two from first block to last.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "strata/checkpoint/config.h"
#include "strata/checkpoint/locate.h"

namespace strata {

/// How matrices are stored. In GGUF norms and biases are float32 whatever this says, as llama.cpp has them.
enum class SynthType { f32, f16, bf16, q8_0, q4_0 };
[[nodiscard]] const char* to_string(SynthType type);

/// Factors on the random matrices of one block.
struct SynthScale {
  float query = 1.0f;  ///< q_proj: larger makes attention sharper
  float write = 1.0f;  ///< o_proj and down_proj: what the block adds to the residual stream
};

struct SynthOptions {
  ModelConfig config;  ///< dimensions; biases and QK-norm must be the family's own
  ModelFormat format = ModelFormat::safetensors;
  SynthType type = SynthType::bf16;
  int shards = 1;                       ///< safetensors files
  std::uint64_t seed = 0;               ///< of the weights
  std::vector<SynthScale> scales = {};  ///< one for each block, to plant boundaries; empty = none
  int threads = 1;                      ///< changes speed, never a byte
  std::filesystem::path tokenizer;      ///< file copied beside the weights as tokenizer.json; empty = none
  /// Called now and then with the bytes written so far, from any thread; false stops.
  std::function<bool(std::uint64_t bytes)> progress;
};

/// Bytes of all files that write_synthetic will write for these options, headers included. Throws as it does.
[[nodiscard]] std::uint64_t synthetic_bytes(const SynthOptions& options);

/// Writes the checkpoint: a directory for safetensors, a file for GGUF. It is written under a temporary
/// name beside `path` and renamed when it is whole. Throws Error(usage) for impossible options and where
/// `path` is already there (an empty directory may be), Error(run_failed) where the disk has too little
/// room (checked before anything is written) or fails, Error(interrupted) when `progress` says stop.
void write_synthetic(const SynthOptions& options, const std::filesystem::path& path);

}  // namespace strata
