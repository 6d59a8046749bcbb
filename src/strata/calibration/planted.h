// Profiles and records with planted boundaries, or with a known absence of them: what calibration and tests
// put in front of the detectors. Layer noise, shared by documents, and document noise are drawn apart.
#pragma once

#include <cstdint>
#include <vector>

#include "strata/record/trace.h"

namespace strata {

enum class PlantedShape {
  steps,
  linear,
  quadratic,
  monotone,
  logistic,
  walk,
  sigmoids,    ///< 10 to 90% in 0.4 of the depth, every coordinate with its own midpoint and height
  relaxation,  ///< exponential approach to a level, as of one block repeated
  odd_block,   ///< one block off by `contrast` in every coordinate
  published,   ///< what published models look like (planted_published.cpp), with steps at `edges`
  network,
  regimes,
  trained,  ///< a network of trained blocks (trained.h)
};

[[nodiscard]] const char* to_string(PlantedShape shape);

struct PlantedSpec {
  int n_layers = 16;
  /// PlantedShape::network and regimes: a transformer whose weights make the boundaries (planted_blocks).
  /// Only depth, edges, contrast and seed apply to it.
  PlantedShape shape = PlantedShape::steps;
  std::vector<int> edges = {};  ///< of PlantedShape::steps; none = white noise about a constant
  int signals = 4;  ///< at most 14, which published shapes always have; the features of the CKA matrix have
                    ///< twice as many
  double contrast = 3.0;        ///< height of each step in layer sigmas; trends and walks span three of them
  double document_sigma = 0.5;  ///< noise of one document in layer sigmas, independent between layers
  double rho = 0.0;             ///< AR(1) of the layer noise
  double common = 0.0;  ///< share of the layer noise, and of a walk's steps, that all signals have in common
  int documents = 16;
  int replicates = 40;  ///< half-samples of the CKA matrix
  std::uint64_t seed = 1;
  /// Plants the profile on the scale on which the detectors see a signal: those that enter as logarithms
  /// change by 5% for each layer sigma. Otherwise the profile is the signal itself, about 10.
  bool own_scale = false;
  double cka_step = 0.0;  ///< published shapes: added to 1 - CKA of the block behind each edge
};

/// The profile of one kind of coordinate without document noise: n_layers x coordinates, layer sigma 1. Steps
/// have random signs in each coordinate. `stream` keeps independent profiles of one seed apart.
[[nodiscard]] Matrix planted_profile(const PlantedSpec& spec, int coordinates, std::uint32_t stream);

/// Adds what the detectors look at for one token set: fused signals, a control, and the CKA matrix with its
/// replicates. Token sets are independent draws of the same plan.
void add_planted(Trace& trace, const PlantedSpec& spec, TokenSet tokens);

/// The part of add_planted for published shapes: 14 signals and a CKA matrix in which 1 - CKA of successive
/// states is the planted cka_shift.
void add_published(Trace& trace, const PlantedSpec& spec, TokenSet tokens);

/// What to do with one block of a network with planted boundaries.
struct PlantedBlock {
  double query = 1.0;  ///< factor on its queries: how sharply its heads attend
  double write = 1.0;  ///< factor on what it adds to the residual stream
};

/// A transformer block by block, random weights everywhere.
/// - network: a block that opens a segment writes `contrast` times as much as the blocks within segments do,
/// so that
///   the residual stream is another one from there on; attention is sharp in every other segment.
/// - regimes: in every other segment all blocks attend `contrast` times as sharply and write twice as much;
/// no
///   block stands out in its segment, and the residual stream drifts on.
/// Without edges: random weights as they are, a network without boundaries.
[[nodiscard]] std::vector<PlantedBlock> planted_blocks(const PlantedSpec& spec);

/// A record with documents and the planted token set `ordinary`; nothing else.
[[nodiscard]] Trace planted_trace(const PlantedSpec& spec);

}  // namespace strata
