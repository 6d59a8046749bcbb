// A record made up from planted profiles, for the tests of everything right of the record: known edges or
// a known absence of edges, layer noise shared by documents, and document noise.
#pragma once

#include <cstdint>
#include <vector>

#include "strata/record/trace.h"

namespace strata::test {

enum class Shape { steps, linear, quadratic, monotone, logistic, walk };

struct SyntheticSpec {
  int n_layers = 16;
  Shape shape = Shape::steps;
  std::vector<int> edges = {};  ///< of Shape::steps; none = white noise about a constant
  int signals = 4;        ///< fused signals, at most 8; the features of the CKA matrix have twice as many
  double contrast = 3.0;  ///< height of each step in layer sigmas; trends and walks span three of them
  double document_sigma = 0.5;  ///< noise of one document in layer sigmas, independent between layers
  double rho = 0.0;             ///< AR(1) of the layer noise
  double common = 0.0;  ///< share of the layer noise, and of a walk's steps, that all signals have in common
  int documents = 16;
  int replicates = 40;  ///< half-samples of the CKA matrix
  std::uint64_t seed = 1;
};

/// The profile of one kind of coordinate without document noise: n_layers x coordinates, layer sigma 1.
[[nodiscard]] Matrix synthetic_profile(const SyntheticSpec& spec, int coordinates, std::uint32_t stream);

/// A whole record: cards, documents, fused signals and controls, CKA matrices with replicates for both
/// token sets (`all` is an independent draw of the same plan), dose curves with
/// KL = kappa_l eps^2 / 2 (kappa_l = planted_kappa) for relative noise, and block_skip.
[[nodiscard]] Trace synthetic_trace(const SyntheticSpec& spec);

/// kappa of a state: 4 in front of the first edge, halved at each edge.
[[nodiscard]] double planted_kappa(const SyntheticSpec& spec, int state);

}  // namespace strata::test
