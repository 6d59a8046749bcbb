// Is what strata computes right? Against the arrays of another engine, and, without one, against itself.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "strata/checkpoint/checkpoint.h"
#include "strata/corpus/corpus.h"
#include "strata/sweep/options.h"
#include "strata/sweep/row_difference.h"

namespace strata {

/// Largest difference allowed in the units of RowDifference. Rounding of float32 in another order of
/// summation gives at most 1e-5 on our reference arrays (F32 and BF16 weights, 8 and 12 blocks); against
/// float64, on SmolLM2-135M (30 blocks), 2e-5 of states and 6e-5 of logits. A rope theta 20% off gives 1e-2
/// after one block, a norm eps ten times too small 2e-2. Engines that multiply quantized weights with 8-bit
/// activations differ by more.
inline constexpr double kReferenceTolerance = 1e-4;

struct VerifyOptions {
  double tolerance = kReferenceTolerance;
  int threads = 1;
  const Backend* backend = &cpu_backend();
  Progress progress = {};
};

/// One array of the reference.
struct ArrayCheck {
  std::string name;     ///< "l_out-3"
  int state = -1;       ///< 0..n_layers; -1 for result_norm and logits
  RowDifference worst;  ///< residual or logit units
  bool passed = false;  ///< worst.relative <= tolerance; false where ours is not finite
};

/// Logits as predictions.
struct LogitCheck {
  std::int64_t rows = 0;
  std::int64_t same_top = 0;  ///< rows whose largest logit is at the same token
  double mean_kl_nats = 0.0;  ///< KL(reference || ours) over the rows
  double largest_kl_nats = 0.0;
};

/// The tokenizer's ids of text.txt against ids.npy.
struct IdsCheck {
  std::int64_t ours = 0, reference = 0;    ///< number of ids
  std::int64_t first_difference = -1;      ///< position; -1 = equal
  std::string our_token, reference_token;  ///< there, with their text; "nothing" past the end
  bool passed = false;
};

struct ReferenceCheck {
  std::int64_t tokens = 0;
  double tolerance = 0.0;
  std::optional<IdsCheck> ids;
  std::vector<ArrayCheck> arrays;
  std::optional<LogitCheck> logits;
  int failures = 0;  ///< of ids and arrays
  std::vector<std::string> notes;
};

/// Compares with a reference directory (sweep/reference.h says what may be in it). Ids come from ids.npy;
/// without it, text.txt is tokenized. `tokenizer` may be null where ids.npy is there. Every array of the
/// reference is checked before anything is computed: Error(bad_file) for one that is not what it should be.
[[nodiscard]] ReferenceCheck verify_reference(const Checkpoint& checkpoint, const Tokenizer* tokenizer,
                                              const std::filesystem::path& directory,
                                              const VerifyOptions& options);

/// The check of the loss, which means nothing on random ids.
inline constexpr const char* kLossCheck = "loss";

/// One line of the check without a reference.
struct Check {
  std::string name;
  bool passed = false;
  std::string detail;  ///< what was found, in words
};

/// Every tensor read and finite, one line in all or one for each that is not.
[[nodiscard]] std::vector<Check> verify_weights(const Checkpoint& checkpoint);

/// Every document, encoded and decoded, is the text again, or a text with the same ids (a tokenizer may
/// normalise what it reads).
[[nodiscard]] Check verify_round_trip(const Tokenizer& tokenizer, const std::vector<RawDocument>& documents);

/// The forward pass against itself on `windows`: finite states and logits; the same bits for a window alone
/// on one thread and among others on several; a changed token changes what follows and leaves every
/// earlier state as it was, bit for bit; a finite loss. On another device than the processor also: states
/// and logits of the first window within the tolerance of the processor's.
[[nodiscard]] std::vector<Check> verify_forward(const Checkpoint& checkpoint,
                                                const std::vector<std::vector<std::int32_t>>& windows,
                                                const VerifyOptions& options);

}  // namespace strata
