// What an intervention is: an edit of one site of the network, with a strength. Adding one: a file with
// the edit, and a row in interventions.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "strata/model/attention.h"
#include "strata/signals/signal.h"

namespace strata {

/// Where the edit is made: the residual stream before a block; a block's output, or the order of blocks; its
/// attention probabilities; a copy of its weights; what it computes at all.
enum class Site { state, branch, attention, weights, parts };
[[nodiscard]] const char* to_string(Site site);

/// Intervention::span of one that acts on a whole segment at once; segments are known after the boundaries.
inline constexpr int kSegmentSpan = 0;

/// One window of one lane at the place of the edit.
struct EditContext {
  int place = 0;                 ///< state or block
  int document = 0, window = 0;  ///< key of the random numbers
  std::uint64_t seed = 0;
  std::uint32_t repeat = 0;  ///< repeats with the same number share their random numbers
  double sign = 1.0;         ///< -1 in the second lane of an antithetic pair
  double strength = 0.0;
  int span = 1;            ///< states or blocks that the lane edits in all
  int head = -1;           ///< of an intervention on one attention head, or expert
  std::int64_t reach = 0;  ///< keys that a query of the block sees (its sliding window); 0 = all before it
  std::int64_t tokens = 0, width = 0;
  std::span<const TokenClass> classes;  ///< of the window's tokens
};

/// One row of the registry. The member of its site is set, the others are null; block_order is an alternative
/// to edit_branch. Strength 0 leaves every bit as it is.
struct Intervention {
  std::string_view id, strength_unit;
  Site site;
  int span = 1;                       ///< states or blocks it spans, or kSegmentSpan
  bool continuous = true;             ///< whether strengths between the grid's mean something
  std::span<const double> strengths;  ///< default grid, rising, positive
  bool antithetic = false;            ///< runs in pairs with opposite sign
  bool by_default = false;            ///< runs unless others are asked for
  bool per_head = false;              ///< one curve for each attention head
  bool per_expert = false;            ///< one curve for each expert of a block
  bool fixes_routing = false;  ///< from its place on tokens take the experts of the clean run, with its
                               ///< weights
  /// Whether a block has what the intervention is about; null: every block, those with attention at that
  /// site. Of a state: whether some block of the model has it.
  bool (*is_of)(const BlockDescription&) = nullptr;
  bool uses_whole_window = false;  ///< a token's edit depends on the tokens after it too (means over tokens)

  /// h (tokens, width) before the block.
  void (*edit_state)(const EditContext&, float* h) = nullptr;
  /// h_out = block(h_in), both (tokens, width).
  void (*edit_branch)(const EditContext&, const float* h_in, float* h_out) = nullptr;
  /// The blocks of the span in the order they run, 0 = the first; any number of them.
  std::vector<int> (*block_order)(double strength) = nullptr;
  /// Probabilities of one head and query over its query + 1 keys.
  void (*edit_attention)(const EditContext&, int head, std::int64_t query, float* probability) = nullptr;
  /// One row of a matrix, (columns), of q, k, v, attention output, gate, up or down.
  void (*edit_weights)(double strength, float* row, std::int64_t columns) = nullptr;
  /// Leaves parts of the block out.
  void (*edit_parts)(const EditContext&, BlockHooks& hooks) = nullptr;
};

[[nodiscard]] std::span<const Intervention> interventions();

}  // namespace strata
