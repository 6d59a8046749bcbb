// The same function on another scale of the residual stream.
#pragma once

#include <filesystem>

namespace strata::test {

/// Writes the safetensors checkpoint at `from` (one file, BF16 or F32) to `to` in F32 with the embedding and
/// every attention output and MLP down projection multiplied by `scale` and rms_norm_eps by scale^2. In a
/// pre-RMSNorm network every state is then `scale` times as large and the logits stay. A tied model gets its
/// unscaled embedding as an unembedding of its own. The tokenizer is not copied.
void write_scaled_checkpoint(const std::filesystem::path& from, const std::filesystem::path& to,
                             double scale);

}  // namespace strata::test
