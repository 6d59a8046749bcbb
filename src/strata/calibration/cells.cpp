#include "strata/calibration/cells.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

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

constexpr double kStrong = 3.0, kWeak = 1.5;  // layer sigmas
constexpr int kPowerLayers = 16;
constexpr double kNetworkContrast = 4.0;

std::string planted_name(int k, double contrast) {
  return fmt::format("{} boundar{}, {} sigma", k, k == 1 ? "y" : "ies", contrast);
}

PlantedSpec steps(int n_layers, int k, double contrast) {
  PlantedSpec spec{.n_layers = n_layers, .edges = even_edges(n_layers, k), .contrast = contrast};
  spec.replicates = 0;  // only intervals need them
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
}

void add_power(std::vector<CalibrationCell>& cells, int n_layers) {
  if (n_layers != kPowerLayers) return;
  for (const int signals : {1, 2, 4, 8}) {
    for (const double contrast : {1.0, 2.0, 3.0, 4.0}) {
      PlantedSpec spec = steps(n_layers, 2, contrast);
      spec.signals = signals;
      cells.push_back({"power", fmt::format("{} sigma in {} signals", contrast, signals), spec});
    }
  }
}

void add_coverage(std::vector<CalibrationCell>& cells, int n_layers) {
  if (n_layers < 12) return;  // an interval of a third of the layers says nothing
  for (const double contrast : {1.0, kWeak}) {
    for (const double document_sigma : {0.5, 2.0, 4.0}) {
      PlantedSpec spec{.n_layers = n_layers, .edges = even_edges(n_layers, 2), .signals = 2};
      spec.contrast = contrast;
      spec.document_sigma = document_sigma;
      cells.push_back(
          {"coverage", fmt::format("{} sigma, documents {} sigma", contrast, document_sigma), spec});
    }
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
    if (asked("power")) add_power(cells, n_layers);
    if (asked("coverage")) add_coverage(cells, n_layers);
    if (asked("networks")) add_networks(cells, n_layers);
    if (asked("random")) add_random_networks(cells, n_layers);
    if (asked("rules")) add_nulls(cells, n_layers, "rules");
  }
  return cells;
}

}  // namespace strata
