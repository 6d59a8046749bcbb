// One stored tensor -> float32, row by row, on several threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "strata/checkpoint/dtype.h"

namespace strata {

/// Values that one thread decodes at a time, unless a row has more.
inline constexpr std::size_t kDecodedAtOnce = std::size_t{1} << 17;

struct StoredMatrix {
  DType dtype = DType::f32;
  std::span<const std::byte> bytes;
  std::size_t rows = 1;
  std::size_t columns = 0;  ///< whole blocks of the dtype
  /// Not 0: in each group of so many rows, the stored order (0, n/2, 1, n/2 + 1, ...) is put right. That is
  /// what llama.cpp's converter does to q and k of Llama (LlamaModel.permute of convert_hf_to_gguf.py).
  std::size_t interleaved_rows = 0;
};

/// Writes rows x columns values to `out`, row-major. The values do not depend on `threads`. Returns the
/// position of the first NaN or infinity, or out.size() if there is none.
[[nodiscard]] std::size_t decode_tensor(const StoredMatrix& stored, int threads, std::span<float> out);

/// Takes rows [row, row + values.size() / columns). Called concurrently, each row once.
using RowSink = std::function<void(std::size_t row, std::span<const float> values)>;

/// The same a few rows at a time, for whoever keeps them in another form: no float32 copy of the whole is
/// made. Rows with NaN or infinity are not shown.
[[nodiscard]] std::size_t decode_tensor(const StoredMatrix& stored, int threads, const RowSink& sink);

}  // namespace strata
