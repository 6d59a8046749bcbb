#include "strata/sweep/joint_sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "strata/base/error.h"
#include "strata/base/parallel.h"
#include "strata/signals/token_math.h"
#include "strata/sweep/block_stream.h"
#include "strata/sweep/clean_sweep.h"

namespace strata {
namespace {

constexpr SeriesInfo kRelativeDifference = {"relative_difference", "1", Axis::state, Group::control};
constexpr SeriesInfo kCosineDistance = {"cosine_distance", "1", Axis::state, Group::control};
constexpr SeriesInfo kLocalError = {"local_error", "1", Axis::block, Group::control};

// |error| / |size|: 0 where there is no error, undefined where there is nothing to compare it with.
double relative(double square_error, double square_size) {
  if (square_error == 0.0) return 0.0;
  return square_size > 0.0 ? std::sqrt(square_error / square_size) : std::numeric_limits<double>::quiet_NaN();
}

void check_finite(const float* h, std::int64_t count, const Checkpoint& checkpoint, int block) {
  if (std::all_of(h, h + count, [](float x) { return std::isfinite(x); })) return;
  throw Error(ErrorKind::run_failed, {.where = checkpoint.path().string(),
                                      .found = fmt::format("block {} puts out NaN or infinity", block),
                                      .expected = "finite activations in float32",
                                      .hint = "the weights may be damaged"});
}

}  // namespace

JointSweep::JointSweep(const DivergenceInput& input, const SweepContext& context,
                       const MeasureOptions& options)
    : input_(input),
      context_(context),
      options_(options),
      relative_(context.config.n_layers + 1, context),
      cosine_(context.config.n_layers + 1, context),
      local_(context.config.n_layers, context),
      tracker_(context) {
  std::int64_t longest = 0;
  for (std::size_t w = 0; w < windows(); ++w) longest = std::max(longest, context.tokens_in(w));
  rope_ = make_rope_table(context.config, static_cast<int>(longest));
  other_rope_ = make_rope_table(input.other.config(), static_cast<int>(longest));
  const auto size = static_cast<std::size_t>(context.token_count() * context.config.hidden);
  h_.resize(size);
  other_h_.resize(size);
}

std::size_t JointSweep::offset(std::size_t window) const {
  return static_cast<std::size_t>(context_.first_token[window] * context_.config.hidden);
}

void JointSweep::each_window(const std::function<void(std::size_t)>& body) const {
  const auto batch = static_cast<std::size_t>(std::max(1, options_.batch));
  for (std::size_t begin = 0; begin < windows(); begin += batch) {
    parallel_for(std::min(batch, windows() - begin), options_.threads,
                 [&](std::size_t i) { body(begin + i); });
  }
}

void JointSweep::persist(Archive& archive) {
  persist_digests(archive, input_.other);
  archive(block_);
  archive.sized(h_);
  archive.sized(other_h_);
  archive(relative_);
  archive(cosine_);
  archive(local_);
  archive(tracker_);
}

void JointSweep::begin(const Embedding& embedding, const Embedding& other_embedding) {
  each_window([&](std::size_t w) {
    embed(embedding, context_.corpus.windows[w].ids, h_.data() + offset(w));
    embed(other_embedding, context_.corpus.windows[w].ids, other_h_.data() + offset(w));
    observe(0, w);
  });
  tracker_.end_state(0);
}

void JointSweep::run(const Embedding& embedding, const Embedding& other_embedding, const Progress& progress) {
  const int n_layers = context_.config.n_layers;
  const auto save = [&](Archive& archive) { persist(archive); };
  const bool resumed = options_.snapshots != nullptr && options_.snapshots->load(kJointBlocks, save);
  STRATA_CHECK(block_ >= 0 && block_ <= n_layers);
  if (!resumed) begin(embedding, other_embedding);
  BlockStream blocks(input_.original, block_, options_.compute),
      other_blocks(input_.other, block_, options_.compute);
  for (; block_ < n_layers; ++block_) {
    report_and_save(progress, {"joint sweep", block_, n_layers, 2 * context_.token_count()},
                    options_.snapshots, kJointBlocks, save);
    const BlockWeights weights = blocks.next(), others = other_blocks.next();
    each_window([&](std::size_t w) { step(weights, others, w); });
    tracker_.end_state(block_ + 1);
  }
  report_and_save(progress, {"joint sweep", n_layers, n_layers, 0}, options_.snapshots, kJointBlocks, save);
}

std::vector<OutputSums> JointSweep::compare_outputs(const HeadWeights& head,
                                                    const HeadWeights& other_head) const {
  std::vector<OutputSums> sums(windows());
  parallel_for(windows(), options_.threads, [&](std::size_t w) { sums[w] = output_of(head, other_head, w); });
  return sums;
}

void JointSweep::add_series(const HeadWeights& head, DivergenceRecord& record) const {
  Trace unused;
  const FinishContext finish{.sweep = context_, .classes = tracker_.classes(), .head = head, .trace = unused};
  for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
    record.series.push_back(fold_table(relative_, finish, kRelativeDifference, set, Fold::median));
    record.series.push_back(fold_table(cosine_, finish, kCosineDistance, set, Fold::median));
    record.series.push_back(fold_table(local_, finish, kLocalError, set, Fold::median));
  }
  for (int s = 0; s <= context_.config.n_layers; ++s) {
    const std::vector<float> row = relative_.row(s);
    record.differing_tokens.push_back(
        std::count_if(row.begin(), row.end(), [](float x) { return x != 0.0f; }));
  }
}

void JointSweep::step(const BlockWeights& weights, const BlockWeights& others, std::size_t w) {
  const std::int64_t n = context_.tokens_in(w), d = context_.config.hidden, count = n * d;
  auto scratch = pool_.lease();
  scratch->out.resize(static_cast<std::size_t>(count));
  scratch->crossed.resize(static_cast<std::size_t>(count));
  float *const h = h_.data() + offset(w), *const other = other_h_.data() + offset(w),
               *const out = scratch->out.data();
  forward_block(weights, rope_, h, out, n, scratch->block, nullptr);
  check_finite(out, count, input_.original, block_);
  // The other block on the original's input: its own error, without what came before.
  forward_block(others, other_rope_, h, scratch->crossed.data(), n, scratch->block, nullptr);
  std::vector<float> local;
  for (std::int64_t t = 0; t < n; ++t) {
    local.push_back(
        static_cast<float>(relative(squared_distance(scratch->crossed.data() + t * d, out + t * d, d),
                                    squared_distance(out + t * d, h + t * d, d))));
  }
  local_.write(block_, context_.first_token[w], local);
  std::copy_n(out, count, h);
  forward_block(others, other_rope_, other, other, n, scratch->block, nullptr);
  check_finite(other, count, input_.other, block_);
  observe(block_ + 1, w);
}

void JointSweep::observe(int place, std::size_t w) {
  const std::int64_t n = context_.tokens_in(w), d = context_.config.hidden, first = context_.first_token[w];
  const float *const h = h_.data() + offset(w), *const other = other_h_.data() + offset(w);
  tracker_.observe_state({.state = place, .window = w, .h = h, .tokens = n});
  std::vector<float> relatives, cosines;
  for (std::int64_t t = 0; t < n; ++t) {
    const float *const a = h + t * d, *const b = other + t * d;
    const double square = squared_distance(b, a, d);
    relatives.push_back(static_cast<float>(relative(square, dot(a, a, d))));
    cosines.push_back(square == 0.0 ? 0.0f : static_cast<float>(cosine_distance(a, b, d)));
  }
  relative_.write(place, first, relatives);
  cosine_.write(place, first, cosines);
}

OutputSums JointSweep::output_of(const HeadWeights& head, const HeadWeights& other_head,
                                 std::size_t w) const {
  const auto vocab = static_cast<std::size_t>(context_.config.vocab);
  const std::int64_t d = context_.config.hidden;
  const auto& ids = context_.corpus.windows[w].ids;
  LogitScratch scratch;
  std::vector<float> logits(kLogitRows * vocab), other_logits(kLogitRows * vocab);
  std::vector<double> probability(vocab);
  OutputSums sums{.scored = static_cast<std::int64_t>(ids.size()) - 1};
  for (std::int64_t begin = 0; begin < sums.scored; begin += kLogitRows) {
    const std::int64_t rows = std::min(kLogitRows, sums.scored - begin);
    compute_logits(head, context_.config, h_.data() + offset(w) + begin * d, rows, logits.data(), scratch);
    compute_logits(other_head, input_.other.config(), other_h_.data() + offset(w) + begin * d, rows,
                   other_logits.data(), scratch);
    for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) {
      const std::span<const float> row(logits.data() + r * vocab, vocab);
      const std::span<const float> other(other_logits.data() + r * vocab, vocab);
      const auto next = static_cast<std::size_t>(ids[static_cast<std::size_t>(begin) + r + 1]);
      softmax_row(row, probability);
      sums.kl += divergence_from_logits(probability, row, other).kl_nats;
      sums.nll_original += log_sum_exp(row) - row[next];
      sums.nll_other += log_sum_exp(other) - other[next];
      sums.same_top += std::max_element(row.begin(), row.end()) - row.begin() ==
                               std::max_element(other.begin(), other.end()) - other.begin()
                           ? 1
                           : 0;
      sums.differing += std::equal(row.begin(), row.end(), other.begin()) ? 0 : 1;
    }
  }
  return sums;
}

void persist_digests(Archive& archive, const Checkpoint& other) {
  std::vector<std::string> digests = other.tensor_digests();
  archive.sized(digests);
  if (archive.reading()) other.expect_digests(digests);
}

}  // namespace strata
