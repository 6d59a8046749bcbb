// What a signal is: an accumulator that looks at states and blocks as the sweep passes, and turns what
// it kept into series of the record. Adding one: a file with an accumulator, and a row in signals.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "strata/base/archive.h"
#include "strata/base/state_store.h"
#include "strata/corpus/corpus.h"
#include "strata/model/head.h"
#include "strata/record/trace.h"

namespace strata {

struct Routing;    // model/routing.h
struct DeltaSums;  // model/delta_rule.h

/// Class of a token, the same at every depth.
enum class TokenClass : std::uint8_t { ordinary, first, massive };

class SampledRows;

/// What is fixed before the sweep begins.
struct SweepContext {
  const ModelConfig& config;
  const Corpus& corpus;
  std::uint64_t seed = 0;
  std::int64_t positions = 4096;     ///< sampled positions in all, for ranks and spectra
  std::int64_t lens_positions = 64;  ///< per document
  int replicates = 200;              ///< half-samples of documents for CKA
  int threads = 1;
  StorePlace place = {};                    ///< where signals keep what grows with the text or the sample
  std::uint64_t finish_bytes = UINT64_MAX;  ///< room for the work of Accumulator::finish
  const SampledRows* rows = nullptr;        ///< where a signal of the sweep needs them
  std::vector<std::int64_t>
      first_token;  ///< of each window, in the order of Corpus::windows; ends with the total

  [[nodiscard]] std::int64_t token_count() const { return first_token.back(); }
  [[nodiscard]] std::int64_t tokens_in(std::size_t window) const {
    return first_token[window + 1] - first_token[window];
  }
  /// Threads for work that takes `bytes_each` on each and `bytes_once` on one of them: as many as
  /// finish_bytes has room for, at least one.
  [[nodiscard]] int finish_threads(std::uint64_t bytes_each, std::uint64_t bytes_once = 0) const;
};
[[nodiscard]] SweepContext make_context(const ModelConfig& config, const Corpus& corpus);

/// State `state` of one window: h is (tokens, hidden), row-major.
struct StateView {
  int state = 0;
  std::size_t window = 0;
  const float* h = nullptr;
  std::int64_t tokens = 0;
};

/// Per query, sums over heads of the attention statistics (see AttentionSums).
struct AttentionView {
  std::span<const double> distance_all, entropy_all, distance_reduced, entropy_reduced;
  std::span<const double>
      window_edge{};  ///< empty where the block has no sliding window, or nothing needs it
};

/// Block `block` of one window: h_in, h_out are (tokens, hidden).
struct BlockView {
  int block = 0;
  std::size_t window = 0;
  const float* h_in = nullptr;
  const float* h_out = nullptr;
  std::int64_t tokens = 0;
  /// Of the block, where it has the part and some signal needs it. Of a window that is swept again for a late
  /// sink, attention alone.
  const AttentionView* attention = nullptr;
  const Routing* routing = nullptr;
  const DeltaSums* delta = nullptr;          ///< strength, memory and surprise
  const float* expert_directions = nullptr;  ///< as BlockHooks', (tokens, hidden)
};

struct FinishContext {
  const SweepContext& sweep;
  std::span<const TokenClass> classes;  ///< per token
  const HeadWeights& head;              ///< without a head the final norm alone
  Trace& trace;
};

/// observe_* are called concurrently for different windows and may write only what belongs to that
/// window; everything else happens in end_state and finish, which are called alone.
class Accumulator {
 public:
  virtual ~Accumulator() = default;
  virtual void observe_state(const StateView&) {}
  virtual void observe_block(const BlockView&) {}
  virtual void end_state(int /*state*/) {}
  virtual void finish(const FinishContext& context) = 0;
  /// Saves what it has seen up to an end_state, or takes up what another of the same context saved.
  virtual void persist(Archive& archive) = 0;
};

struct SeriesInfo {
  std::string_view id, unit;
  Axis axis;
  Group group;
};

/// One row of the registry: what one accumulator produces.
struct Signal {
  std::span<const SeriesInfo> series;
  std::span<const std::string_view> matrices{};  ///< ids of what it records that is no series: cka_matrix
  bool needs_attention;
  bool needs_rows = false;    ///< SweepContext::rows
  bool needs_logits = false;  ///< undefined in a model without a head, where `make` is not called
  bool needs_routing = false;
  bool needs_delta = false;
  bool needs_expert_directions = false;
  bool needs_window_edge = false;  ///< AttentionView::window_edge; with needs_attention
  /// Whether a block has what the signal is of; null: every block. Its series are undefined in the others,
  /// and a model without any such block has none.
  bool (*is_of)(const BlockDescription&) = nullptr;
  std::function<std::unique_ptr<Accumulator>(const SweepContext&)> make;
  /// Bytes it keeps in memory over the whole sweep, for the memory plan; without the sampled rows.
  std::uint64_t (*memory_bytes)(const SweepContext&);
  /// Bytes that one thread of its finish() needs besides; null: too few to count.
  std::uint64_t (*finish_bytes)(const SweepContext&) = nullptr;
  /// Bytes that one of those threads at a time needs beyond that; null: none.
  std::uint64_t (*finish_once_bytes)(const SweepContext&) = nullptr;
};

/// Whether the signal can be measured in this model.
[[nodiscard]] inline bool measurable(const Signal& signal, const ModelConfig& config) {
  return config.has_head || !signal.needs_logits;
}

/// Whether the model has a block that the signal is of.
[[nodiscard]] bool applies(const Signal& signal, const ModelConfig& config);

/// What the clean sweep has to look at inside blocks.
struct BlockNeeds {
  bool attention = false, routing = false, delta = false, expert_directions = false, window_edge = false;
};
[[nodiscard]] BlockNeeds needs_of(std::span<const Signal* const> signals);

[[nodiscard]] std::span<const Signal> signals();
/// Adds a row whose views live as long as the program. Throws Error(usage) for an id that is there already.
/// Not while a run is under way.
void add_signal(const Signal& signal);

/// An accumulator of each, and the one that keeps the sampled rows where any needs them; `context` is given
/// those, and must outlive the accumulators.
[[nodiscard]] std::vector<std::unique_ptr<Accumulator>> make_accumulators(
    std::span<const Signal* const> signals, SweepContext& context);
/// Bytes that all of them keep in memory over the whole sweep.
[[nodiscard]] std::uint64_t accumulator_bytes(std::span<const Signal* const> signals,
                                              const SweepContext& context);

/// Ids under which a signal can be asked for. Asking for one measures everything of its row.
[[nodiscard]] std::vector<std::string_view> ids_of(const Signal& signal);

/// A seeded permutation's first `count` tokens of a document (global token numbers, in sampled order);
/// fewer if the document is shorter. A larger count extends a smaller one.
[[nodiscard]] std::vector<std::int64_t> sample_tokens(const SweepContext& context, int document,
                                                      std::int64_t count);

/// Window that holds a global token number.
[[nodiscard]] std::size_t window_of(const SweepContext& context, std::int64_t token);

/// An empty series (documents x axis length, all NaN) with its identity filled in.
[[nodiscard]] Series make_series(const SweepContext& context, const SeriesInfo& info, TokenSet tokens);

[[nodiscard]] inline bool counts(TokenSet set, TokenClass token) {
  return set == TokenSet::all || token == TokenClass::ordinary;
}

}  // namespace strata
