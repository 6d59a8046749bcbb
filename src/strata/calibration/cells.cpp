#include "strata/calibration/cells.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace strata {
namespace {

struct Null {
  const char* name;
  PlantedShape shape;
  double rho, common;
};

constexpr std::array kNulls = {
    Null{"white noise", PlantedShape::steps, 0.0, 0.0},
    Null{"white noise, 70% in common", PlantedShape::steps, 0.0, 0.7},
    Null{"AR(1) noise, rho 0.8", PlantedShape::steps, 0.8, 0.0},
    Null{"linear trend", PlantedShape::linear, 0.0, 0.0},
    Null{"quadratic trend", PlantedShape::quadratic, 0.0, 0.0},
    Null{"saturating trend", PlantedShape::monotone, 0.0, 0.0},
    Null{"logistic trend", PlantedShape::logistic, 0.0, 0.0},
    Null{"random walk", PlantedShape::walk, 0.0, 0.0},
    Null{"random walk, 70% in common", PlantedShape::walk, 0.0, 0.7},
};

// Nulls of all 14 signals.
struct WideNull {
  const char* name;
  PlantedShape shape;
  double contrast, common;
};

constexpr std::array kWideNulls = {
    WideNull{"slow sigmoids", PlantedShape::sigmoids, 3.0, 0.0},
    WideNull{"slow sigmoids, 70% in common", PlantedShape::sigmoids, 3.0, 0.7},
    WideNull{"fast relaxation", PlantedShape::relaxation, 3.0, 0.0},
    WideNull{"one odd block, 10 sigma", PlantedShape::odd_block, 10.0, 0.0},
    WideNull{"published shapes", PlantedShape::published, 0.0, 0.0},
    WideNull{"published shapes, 40% in common", PlantedShape::published, 0.0, 0.4},
    WideNull{"published shapes, 70% in common", PlantedShape::published, 0.0, 0.7},
};

struct Trained {
  const char* kind;
  const char* name;
  TrainedKind trained;
};

constexpr std::array kTrained = {
    Trained{"trained", "three blocks repeated", TrainedKind::three_blocks},
    Trained{"trained", "two blocks repeated", TrainedKind::two_blocks},
    Trained{"trained", "middle third writes 0.02", TrainedKind::near_identity},
    Trained{"trained", "middle third writes nothing", TrainedKind::identity},
    Trained{"trained", "first third writes 0.02", TrainedKind::first_identity},
    Trained{"trained", "attention 4 times as sharp", TrainedKind::sharp},
    Trained{"trained", "attention 0.15 times as sharp", TrainedKind::flat},
    Trained{"trained", "two loud blocks", TrainedKind::loud},
    Trained{"trained_null", "one block repeated", TrainedKind::one_block},
    Trained{"trained_null", "doubled blocks", TrainedKind::doubled},
    Trained{"trained_null", "random weights", TrainedKind::random_weights},
    Trained{"trained_null", "constant of 20 RMS on one word", TrainedKind::constant},
    Trained{"trained_null", "random order of blocks", TrainedKind::random_order},
};

constexpr int kAllSignals = 14;
constexpr double kCkaStep = 0.1;
constexpr double kStrong = 3.0, kWeak = 1.5;  // layer sigmas
constexpr std::array kPowerLayers = {12, 16, 28};
constexpr int kFewestInside =
    12;  // fewer layers leave nothing between the transients, and no room for intervals
constexpr double kNetworkContrast = 4.0;

std::string planted_name(int k, double contrast) {
  return fmt::format("{} boundar{}, {} sigma", k, k == 1 ? "y" : "ies", contrast);
}

PlantedSpec steps(int n_layers, int k, double contrast) {
  PlantedSpec spec{.n_layers = n_layers, .edges = even_edges(n_layers, k), .contrast = contrast};
  spec.replicates = 0;  // only intervals need them
  spec.own_scale = true;
  return spec;
}

void add_recovery(std::vector<CalibrationCell>& cells, int n_layers) {
  for (const double contrast : {kStrong, kWeak}) {
    for (const int k : {1, 2, 3}) {
      if (n_layers >= 2 * (k + 1))
        cells.push_back({"recovery", planted_name(k, contrast), steps(n_layers, k, contrast)});
    }
  }
}

void add_nulls(std::vector<CalibrationCell>& cells, int n_layers, const char* kind) {
  for (const Null& null : kNulls) {
    PlantedSpec spec = steps(n_layers, 0, kStrong);
    spec.shape = null.shape;
    spec.rho = null.rho;
    spec.common = null.common;
    cells.push_back({kind, null.name, spec});
  }
  for (const WideNull& null : kWideNulls) {
    PlantedSpec spec = steps(n_layers, 0, null.contrast);
    spec.shape = null.shape;
    spec.common = null.common;
    spec.signals = kAllSignals;
    cells.push_back({kind, null.name, spec});
  }
}

void add_published_shapes(std::vector<CalibrationCell>& cells, int n_layers) {
  if (n_layers < kFewestInside) return;
  for (const double contrast : {3.0, 6.0}) {
    for (const double common : {0.0, 0.4, 0.7}) {
      PlantedSpec spec = steps(n_layers, 2, contrast);
      spec.shape = PlantedShape::published;
      spec.signals = kAllSignals;
      spec.common = common;
      spec.cka_step = kCkaStep;
      cells.push_back(
          {"published", fmt::format("{} sigma, {:.0f}% in common", contrast, 100.0 * common), spec});
    }
  }
}

void add_power(std::vector<CalibrationCell>& cells, int n_layers) {
  if (std::find(kPowerLayers.begin(), kPowerLayers.end(), n_layers) == kPowerLayers.end()) return;
  for (const int signals : {1, 2, 4, 8, kAllSignals}) {
    for (const double contrast : {1.0, 1.5, 2.0, 3.0, 4.0, 6.0}) {
      PlantedSpec spec = steps(n_layers, 2, contrast);
      spec.signals = signals;
      cells.push_back({"power", fmt::format("{} sigma in {} signals", contrast, signals), spec});
    }
  }
}

void add_coverage(std::vector<CalibrationCell>& cells, int n_layers) {
  if (n_layers < kFewestInside) return;
  for (const double contrast : {kStrong, 2.0 * kStrong}) {
    for (const double document_sigma : {0.5, 2.0, 4.0}) {
      PlantedSpec spec{.n_layers = n_layers, .edges = even_edges(n_layers, 2), .own_scale = true};
      spec.contrast = contrast;
      spec.document_sigma = document_sigma;
      cells.push_back(
          {"coverage", fmt::format("{} sigma, documents {} sigma", contrast, document_sigma), spec});
    }
    PlantedSpec spec{.n_layers = n_layers, .shape = PlantedShape::published, .cka_step = kCkaStep};
    spec.edges = even_edges(n_layers, 2);
    spec.signals = kAllSignals;
    spec.contrast = contrast;
    spec.common = 0.4;
    cells.push_back({"coverage", fmt::format("published shapes, {} sigma", contrast), spec});
  }
}

void add_trained(std::vector<CalibrationCell>& cells, int n_layers, std::string_view kind) {
  for (const Trained& one : kTrained) {
    if (one.kind != kind) continue;
    cells.push_back({one.kind,
                     one.name,
                     {.n_layers = n_layers, .shape = PlantedShape::trained, .edges = {}},
                     one.trained});
  }
}

void add_random_networks(std::vector<CalibrationCell>& cells, int n_layers) {
  cells.push_back(
      {"random", "random weights", {.n_layers = n_layers, .shape = PlantedShape::network, .edges = {}}});
}

void add_networks(std::vector<CalibrationCell>& cells, int n_layers) {
  for (const PlantedShape shape : {PlantedShape::network, PlantedShape::regimes}) {
    for (const int k : {1, 2, 3}) {
      if (n_layers < 2 * (k + 1)) continue;
      const PlantedSpec spec{.n_layers = n_layers,
                             .shape = shape,
                             .edges = even_edges(n_layers, k),
                             .contrast = kNetworkContrast};
      const char* what = shape == PlantedShape::network ? "jumps of the state" : "regimes of the blocks";
      cells.push_back({"networks", fmt::format("{}, {} boundar{}", what, k, k == 1 ? "y" : "ies"), spec});
    }
  }
}

}  // namespace

std::vector<int> even_edges(int n_layers, int k) {
  std::vector<int> edges;
  for (int j = 1; j <= k; ++j) edges.push_back((2 * n_layers * j + k + 1) / (2 * (k + 1)));
  return edges;
}

std::vector<CalibrationCell> calibration_cells(const CalibrationOptions& options) {
  std::vector<CalibrationCell> cells;
  const auto asked = [&](const char* kind) {
    return std::find(options.kinds.begin(), options.kinds.end(), kind) != options.kinds.end();
  };
  for (const int n_layers : options.layers) {
    if (asked("recovery")) add_recovery(cells, n_layers);
    if (asked("null")) add_nulls(cells, n_layers, "null");
    if (asked("published")) add_published_shapes(cells, n_layers);
    if (asked("power")) add_power(cells, n_layers);
    if (asked("coverage")) add_coverage(cells, n_layers);
    if (asked("networks")) add_networks(cells, n_layers);
    if (asked("random")) add_random_networks(cells, n_layers);
    if (asked("trained")) add_trained(cells, n_layers, "trained");
    if (asked("trained_null")) add_trained(cells, n_layers, "trained_null");
    if (asked("rules")) add_nulls(cells, n_layers, "rules");
  }
  return cells;
}

}  // namespace strata
