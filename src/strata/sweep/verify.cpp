#include "strata/sweep/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "strata/base/error.h"
#include "strata/model/backend.h"
#include "strata/model/head.h"
#include "strata/model/kernels.h"
#include "strata/sweep/forward.h"
#include "strata/sweep/reference.h"

namespace strata {
namespace {

std::string quoted_token(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids, std::size_t at) {
  if (at >= ids.size()) return "nothing";
  if (ids[at] >= tokenizer.vocab_size()) return fmt::format("{} (not in the tokenizer)", ids[at]);
  std::string text;
  for (const char c : tokenizer.token_bytes(ids[at])) {
    const auto byte = static_cast<unsigned char>(c);
    text += byte < 0x20 || byte == 0x7f ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return fmt::format("{} \"{}\"", ids[at], text);
}

IdsCheck compare_ids(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ours,
                     const std::vector<std::int32_t>& reference) {
  IdsCheck check{.ours = static_cast<std::int64_t>(ours.size()),
                 .reference = static_cast<std::int64_t>(reference.size()),
                 .passed = ours == reference};
  if (check.passed) return check;
  const auto [mine, theirs] = std::mismatch(ours.begin(), ours.end(), reference.begin(), reference.end());
  check.first_difference = mine - ours.begin();
  const auto at = static_cast<std::size_t>(check.first_difference);
  check.our_token = quoted_token(tokenizer, ours, at);
  check.reference_token = quoted_token(tokenizer, reference, at);
  return check;
}

// Folds rows of ours into the check of one array, in the order they come.
class ArrayComparison {
 public:
  ArrayComparison(const ReferenceArray& array, std::vector<float> reference, std::size_t width)
      : reference_(std::move(reference)), width_(width) {
    check_.name = array.name;
    if (array.kind == ReferenceKind::state) check_.state = array.state;
  }

  [[nodiscard]] std::span<const float> row(std::size_t r) const {
    return std::span(reference_).subspan(r * width_, width_);
  }

  // Values of ours from row `first` on.
  void add(std::size_t first, std::span<const float> ours) {
    const auto reference = std::span<const float>(reference_).subspan(first * width_, ours.size());
    fold_rows(check_.worst, reference, ours, width_, static_cast<std::int64_t>(first));
  }

  [[nodiscard]] ArrayCheck finish(double tolerance) {
    check_.passed = check_.worst.relative <= tolerance;
    return check_;
  }

 private:
  std::vector<float> reference_;
  std::size_t width_;
  ArrayCheck check_;
};

void add_row(LogitCheck& check, std::span<const float> reference, std::span<const float> ours) {
  std::vector<double> probability(reference.size());
  softmax_row(reference, probability);
  const double kl = divergence_from_logits(probability, reference, ours).kl_nats;
  const auto top = [](std::span<const float> row) {
    return std::max_element(row.begin(), row.end()) - row.begin();
  };
  ++check.rows;
  check.same_top += top(reference) == top(ours) ? 1 : 0;
  check.mean_kl_nats += kl;
  check.largest_kl_nats = std::isfinite(kl) ? std::max(check.largest_kl_nats, kl) : kl;
}

void compare_arrays(const Checkpoint& checkpoint, const Reference& reference,
                    const std::vector<std::int32_t>& ids, const VerifyOptions& options,
                    ReferenceCheck& check) {
  const ModelConfig& config = checkpoint.config();
  for (const ReferenceArray& array : reference.arrays) (void)load_reference(array, ids.size(), config);
  const auto open = [&](const ReferenceArray& array) {
    const int width = array.kind == ReferenceKind::logits ? config.vocab : config.hidden;
    return ArrayComparison(array, load_reference(array, ids.size(), config), static_cast<std::size_t>(width));
  };
  for (const ReferenceArray& array : reference.arrays) {
    if (array.kind == ReferenceKind::logits) require_head(checkpoint);
  }
  // The arrays of the head are open at once, because its rows come in chunks.
  std::vector<ArrayComparison> normed, logits;
  for (const ReferenceArray& array : reference.arrays) {
    if (array.kind == ReferenceKind::final_norm) normed.push_back(open(array));
    if (array.kind == ReferenceKind::logits) logits.push_back(open(array));
  }
  ForwardObserver observer;
  observer.state = [&](int state, std::size_t, std::span<const float> h) {
    for (const ReferenceArray& array : reference.arrays) {
      if (array.kind != ReferenceKind::state || array.state != state) continue;
      ArrayComparison comparison = open(array);
      comparison.add(0, h);
      check.arrays.push_back(comparison.finish(options.tolerance));
    }
  };
  observer.output = [&](std::size_t, std::int64_t first, std::span<const float> norm,
                        std::span<const float> logit) {
    const auto begin = static_cast<std::size_t>(first);
    const auto vocab = static_cast<std::size_t>(config.vocab);
    for (ArrayComparison& comparison : normed) comparison.add(begin, norm);
    for (ArrayComparison& comparison : logits) {
      comparison.add(begin, logit);
      if (!check.logits) check.logits.emplace();
      for (std::size_t r = 0; r < logit.size() / vocab; ++r)
        add_row(*check.logits, comparison.row(begin + r), logit.subspan(r * vocab, vocab));
    }
  };
  forward_windows(checkpoint, {ids},
                  {.threads = options.threads,
                   .compute = {ComputeDType::float32, *options.backend},
                   .progress = options.progress},
                  observer);
  for (ArrayComparison& comparison : normed) check.arrays.push_back(comparison.finish(options.tolerance));
  for (ArrayComparison& comparison : logits) check.arrays.push_back(comparison.finish(options.tolerance));
  if (check.logits) check.logits->mean_kl_nats /= static_cast<double>(check.logits->rows);
}

}  // namespace

ReferenceCheck verify_reference(const Checkpoint& checkpoint, const Tokenizer* tokenizer,
                                const std::filesystem::path& directory, const VerifyOptions& options) {
  require_compute({ComputeDType::float32, *options.backend});
  const Reference reference = open_reference(directory, checkpoint.config());
  ReferenceCheck check{.tolerance = options.tolerance, .notes = reference.notes};
  std::vector<std::int32_t> ids;
  if (reference.text && tokenizer != nullptr) {
    ids = tokenizer->encode(*reference.text, true, (directory / "text.txt").string());
    if (reference.ids) check.ids = compare_ids(*tokenizer, ids, *reference.ids);
  } else if (reference.text && reference.ids) {
    check.notes.emplace_back("text.txt not compared with ids.npy: no tokenizer");
  }
  if (reference.ids) ids = *reference.ids;
  if (ids.empty()) {
    throw Error(ErrorKind::bad_file, {.where = (directory / "ids.npy").string(),
                                      .found = "missing",
                                      .expected = "the token ids, or text.txt and a tokenizer"});
  }
  const auto outside = std::find_if(
      ids.begin(), ids.end(), [&](std::int32_t id) { return id < 0 || id >= checkpoint.config().vocab; });
  if (outside != ids.end()) {
    throw Error(ErrorKind::bad_file,
                {.where = (directory / "text.txt").string(),
                 .found = fmt::format("token id {}", *outside),
                 .expected = fmt::format("ids below {}, the model's vocabulary", checkpoint.config().vocab),
                 .hint = "the tokenizer belongs to another model"});
  }
  check.tokens = static_cast<std::int64_t>(ids.size());
  if (!reference.arrays.empty()) compare_arrays(checkpoint, reference, ids, options, check);
  check.failures = check.ids && !check.ids->passed ? 1 : 0;
  for (const ArrayCheck& array : check.arrays) check.failures += array.passed ? 0 : 1;
  return check;
}

}  // namespace strata
