// What a detector looks at: one row for each block, one column for each coordinate, made from a record.
// Row l stands for block l, represented by its output (state l+1), so a change planted at block e is
// edge e for every detector.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "strata/record/trace.h"

namespace strata {

struct Profile {
  Matrix y;  ///< blocks x coordinates, columns centred, signal weights folded in as sqrt
  /// Effective number of coordinates that hold noise: (sum v)^2 / sum v^2 over the eigenvalues v of the
  /// covariance of second differences over depth (which take the trend out).
  double dimension = 0.0;
  /// What resampling the documents adds to y: half-sample minus whole, same shape. Empty = not known.
  std::vector<Matrix> deviations;
  std::vector<std::string> used, left_out;
  std::string note;       ///< limits of the profile, in words
  std::string undefined;  ///< why there is no profile; empty = there is one
};

/// Blocks in the shortest segment: max(2, ceil(0.06 L)).
[[nodiscard]] int min_segment(int n_layers);
/// Most jumps tried: min(6, floor(L / min_segment) - 1); less than 1 = too few layers.
[[nodiscard]] int max_jumps(int n_layers);

/// Why a CKA record cannot be used, or empty.
[[nodiscard]] std::string cka_problem(const CkaRecord& record, int n_layers);
/// States 1..L of a matrix over states 0..L.
[[nodiscard]] Matrix block_outputs(const Matrix& cka);

/// Kernel profile: the CKA matrix of states 1..L, negative eigenvalues clipped, factored Z Z'. The
/// deviations come from the record's half-sample replicates, aligned by using the symmetric square root
/// (both roots have the layers as coordinates, so no rotation is left free).
[[nodiscard]] Profile kernel_profile(const Trace& trace, TokenSet tokens);

/// Fused profile: block and state series that are not controls, mean over documents, robustly scaled
/// within the model (median/MAD), each group with the same total weight. The deviations come from
/// `resamples` half-samples of the documents. `without` names a group to leave out.
[[nodiscard]] Profile fused_profile(const Trace& trace, TokenSet tokens, std::uint64_t seed, int resamples,
                                    std::optional<Group> without = {});

/// Centres the columns of y and sets `dimension`; `undefined` when every block has the same value.
void finish_profile(Profile& profile);

/// Turns the coordinates to the principal axes of their second differences over depth, where the noise of
/// different coordinates is uncorrelated, as the surrogates assume. Signals share much of their layer noise
/// (angular_step and block_influence are nearly one signal); taken for independent they would seem to
/// confirm each other, and noise would pass for boundaries. Distances between blocks stay as they are.
/// For the fused profile; the kernel's coordinates are principal axes already.
void decorrelate(Profile& profile);

}  // namespace strata
