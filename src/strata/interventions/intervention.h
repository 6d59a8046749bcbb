// What an intervention is: an edit of one site of the network, with a strength. Adding one: a file with
// the edit, and a row in interventions.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "strata/signals/signal.h"

namespace strata {

/// Where the edit is made: the residual stream before a block, or a block's output.
enum class Site { state, branch };

/// One window of one lane at the place of the edit.
struct EditContext {
  int place = 0;                 ///< state or block
  int document = 0, window = 0;  ///< key of the random numbers
  std::uint64_t seed = 0;
  std::uint32_t repeat = 0;  ///< repeats with the same number share their random numbers
  double sign = 1.0;         ///< -1 in the second lane of an antithetic pair
  double strength = 0.0;
  std::int64_t tokens = 0, width = 0;
  std::span<const TokenClass> classes;  ///< of the window's tokens
};

/// Strength 0 leaves every bit as it is.
struct Intervention {
  std::string_view id, strength_unit;
  Site site;
  int span;                                          ///< blocks it spans
  bool continuous;                                   ///< whether strengths between the grid's mean something
  std::span<const double> strengths;                 ///< default grid
  bool antithetic;                                   ///< runs in pairs with opposite sign
  void (*edit_state)(const EditContext&, float* h);  ///< site state: h (tokens, width)
  void (*edit_branch)(const EditContext&, const float* h_in, float* h_out);  ///< site branch
};

[[nodiscard]] std::span<const Intervention> interventions();

}  // namespace strata
