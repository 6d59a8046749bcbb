// cka_matrix and cka_shift, and both of raw states: debiased linear CKA (Kornblith et al. 2019,
// arXiv:1905.00414; debiased as in Nguyen et al. 2021, arXiv:2010.15327) between all states. Batches hold one
// position from each window, because tokens of one window depend on each other and would count as agreement.
// Rows are divided by their RMS, as the next block reads them; one Gram matrix serves these and the raw rows.
#pragma once

#include "strata/signals/signal.h"

namespace strata {

/// Fewest rows of a batch; with fewer windows CKA is undefined.
inline constexpr std::size_t kMinBatchWindows = 16;

[[nodiscard]] Signal cka_signal();

}  // namespace strata
