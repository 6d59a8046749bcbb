// Which tensor goes where in the files of a synthetic checkpoint, and their headers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "strata/checkpoint/family.h"
#include "strata/synth/synth.h"

namespace strata::synth {

struct PlacedTensor {
  std::string name;  ///< in the file
  const TensorRule* rule = nullptr;
  int layer = 0;
  std::uint64_t first_row = 0;  ///< of the random matrix: experts are slices of one
  SynthType type = SynthType::f32;
  std::vector<std::int64_t> shape;  ///< slowest-running first
  std::uint64_t offset_bytes = 0;   ///< in its file
  std::uint64_t size_bytes = 0;
  /// llama in GGUF: q and k rows of each head are interleaved, because llama.cpp turns neighbouring pairs
  /// where transformers turns halves. 0 = as they are.
  int interleaved_heads = 0;
  std::vector<float> values;  ///< given values instead of random ones (rope factors)

  [[nodiscard]] std::uint64_t rows() const;
  [[nodiscard]] std::uint64_t columns() const;
  /// The row of the Hugging Face tensor that is stored as row `row`.
  [[nodiscard]] std::uint64_t source_row(std::uint64_t row) const;
};

struct WeightFile {
  std::string name;    ///< empty for GGUF: the output is the file
  std::string header;  ///< its first bytes
  std::vector<PlacedTensor> tensors;
  std::uint64_t size_bytes = 0;
};

struct Layout {
  std::vector<WeightFile> files;
  std::vector<std::pair<std::string, std::string>> documents;  ///< name and content: config.json, index
  [[nodiscard]] std::uint64_t size_bytes() const;
};

/// Throws Error(usage) for options that no checkpoint can have.
[[nodiscard]] Layout plan_layout(const SynthOptions& options);

/// config.json in the older spelling, which every version of transformers reads.
[[nodiscard]] std::string config_json(const SynthOptions& options);

/// A GGUF v3 header for these tensors, which get their offsets.
[[nodiscard]] std::string gguf_header(const SynthOptions& options, std::vector<PlacedTensor>& tensors);
}  // namespace strata::synth
