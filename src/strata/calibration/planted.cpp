#include "strata/calibration/planted.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "strata/segmentation/layer_series.h"
#include "strata/stats/half_sample.h"

namespace strata {
namespace {

constexpr double kLogSigma = 0.05;  // one layer sigma of a signal that enters as its logarithm

struct SignalName {
  const char* id;
  Axis axis;
  Group group;
};

constexpr std::array kSignals = {
    SignalName{"attention_distance", Axis::block, Group::attention},
    SignalName{"matrix_entropy", Axis::state, Group::information},
    SignalName{"angular_step", Axis::block, Group::representation},
    SignalName{"lens_entropy", Axis::state, Group::output},
    SignalName{"attention_entropy", Axis::block, Group::attention},
    SignalName{"effective_rank", Axis::state, Group::information},
    SignalName{"update_ratio", Axis::block, Group::representation},
    SignalName{"lens_kl", Axis::state, Group::output},
    SignalName{"adjacent_mi", Axis::block, Group::information},
    SignalName{"block_influence", Axis::block, Group::representation},
    SignalName{"lens_information", Axis::state, Group::output},
    SignalName{"curvature", Axis::state, Group::representation},
    SignalName{"participation_ratio", Axis::state, Group::information},
    SignalName{"cka_shift", Axis::block, Group::representation},
};

// Height of the shape at depth u in (0, 1), from 0 to 1; `bend` in (0, 1) varies it between coordinates.
double smooth_height(PlantedShape shape, double u, double bend) {
  switch (shape) {
    case PlantedShape::linear:
      return u;
    case PlantedShape::quadratic:
      return 4.0 * (u - 0.35 - 0.3 * bend) * (u - 0.35 - 0.3 * bend);
    case PlantedShape::monotone:
      return (1.0 - std::exp(-(1.5 + 2.0 * bend) * u)) / (1.0 - std::exp(-(1.5 + 2.0 * bend)));
    case PlantedShape::logistic: {  // 10% to 90% within 0.4 of the depth, one midpoint for all coordinates
      return 1.0 / (1.0 + std::exp(-(u - 0.45) * 2.0 * std::log(9.0) / 0.4));
    }
    default:
      break;
  }
  return 0.0;
}

double sign(Philox& rng) {
  return rng.below(2) == 0 ? -1.0 : 1.0;
}

// The block that is off, the same in every coordinate: in the middle half of the depth.
std::size_t odd_block(const PlantedSpec& spec) {
  Philox rng({.seed = spec.seed, .stream = Stream::planted, .b = 6});
  const auto n = static_cast<std::uint64_t>(spec.n_layers);
  return static_cast<std::size_t>(n / 4 + rng.below(std::max<std::uint64_t>(1, n / 2)));
}

// Shapes whose coordinates differ in more than a bend.
double own_height(const PlantedSpec& spec, std::size_t t, double u, double bend, double size) {
  if (spec.shape == PlantedShape::sigmoids)
    return 10.0 * size / (1.0 + std::exp(-(u - 0.25 - 0.5 * bend) * 2.0 * std::log(9.0) / 0.4));
  if (spec.shape == PlantedShape::relaxation)
    return 10.0 * size * std::exp(-static_cast<double>(t) / (0.8 + 2.2 * bend));
  return t == odd_block(spec) ? 1.0 : 0.0;
}

// Adds the planted shape of one coordinate.
void add_shape(Matrix& y, std::size_t j, const PlantedSpec& spec, const std::vector<double>& shared,
               Philox& rng) {
  const double side = sign(rng), bend = rng.uniform();
  const bool own = spec.shape == PlantedShape::sigmoids || spec.shape == PlantedShape::relaxation ||
                   spec.shape == PlantedShape::odd_block;
  const double size = own ? rng.uniform() : 0.0;
  std::size_t segment = 0;
  double level = 0.0;
  for (std::size_t t = 0; t < y.rows; ++t) {
    const double u = (static_cast<double>(t) + 0.5) / static_cast<double>(y.rows);
    if (spec.shape == PlantedShape::steps) {
      while (segment < spec.edges.size() && static_cast<std::size_t>(spec.edges[segment]) == t) {
        level += spec.contrast * sign(rng);
        ++segment;
      }
    } else if (spec.shape == PlantedShape::walk) {
      const double step = std::sqrt(spec.common) * shared[t] + std::sqrt(1.0 - spec.common) * rng.normal();
      level += 3.0 * spec.contrast / std::sqrt(static_cast<double>(y.rows)) * step;
    } else if (own) {
      level = spec.contrast * side * own_height(spec, t, u, bend, size);
    } else {
      level = 3.0 * spec.contrast * side * smooth_height(spec.shape, u, bend);
    }
    y(t, j) += level;
  }
}

// Documents x (layers) around one column of the profile; a state series has one more value in front.
Series make_series(const SignalName& name, const Matrix& profile, std::size_t j, const PlantedSpec& spec,
                   TokenSet tokens, Philox& rng) {
  Series series{.id = name.id,
                .unit = "1",
                .axis = name.axis,
                .group = name.group,
                .tokens = tokens,
                .by_doc = {},
                .weight = {},
                .note = {}};
  const auto documents = static_cast<std::size_t>(spec.documents);
  const std::size_t shift = name.axis == Axis::state ? 1 : 0;
  const bool log = spec.own_scale && is_log_scale(name.id);
  series.by_doc = Matrix(documents, profile.rows + shift);
  series.weight.assign(documents, 100.0);
  for (std::size_t d = 0; d < documents; ++d) {
    for (std::size_t t = 0; t < profile.rows + shift; ++t) {
      const std::size_t from = t < shift ? 0 : t - shift;
      const double value = profile(from, j) + spec.document_sigma * rng.normal();
      series.by_doc(d, t) = log ? 10.0 * std::exp(kLogSigma * value) : 10.0 + value;
    }
  }
  return series;
}

// Mean feature vector of each state over some documents: a constant part and the profile.
Matrix mean_features(const std::vector<Matrix>& by_document, const std::vector<std::uint32_t>& chosen) {
  Matrix mean(by_document.front().rows, by_document.front().cols);
  for (const std::uint32_t d : chosen) {
    for (std::size_t i = 0; i < mean.data.size(); ++i) {
      mean.data[i] += by_document[d].data[i] / static_cast<double>(chosen.size());
    }
  }
  return mean;
}

Matrix cosines(const Matrix& features) {
  Matrix result(features.rows, features.rows);
  const auto dot = [&](std::size_t i, std::size_t j) {
    double sum = 0.0;
    for (std::size_t k = 0; k < features.cols; ++k) sum += features(i, k) * features(j, k);
    return sum;
  };
  for (std::size_t i = 0; i < features.rows; ++i) {
    for (std::size_t j = 0; j < features.rows; ++j)
      result(i, j) = dot(i, j) / std::sqrt(dot(i, i) * dot(j, j));
    result(i, i) = 1.0;
  }
  return result;
}

CkaRecord make_cka(const PlantedSpec& spec, TokenSet tokens, std::uint32_t stream) {
  const Matrix profile = planted_profile(spec, 2 * spec.signals, stream);
  Philox rng({.seed = spec.seed, .stream = Stream::planted, .a = stream, .b = 1});
  // The shared part makes every pair similar, as the residual stream does.
  const double shared = 4.0 * spec.contrast * std::sqrt(static_cast<double>(profile.cols));
  std::vector<Matrix> documents(static_cast<std::size_t>(spec.documents),
                                Matrix(profile.rows + 1, profile.cols + 1));
  for (Matrix& features : documents) {
    for (std::size_t t = 0; t < features.rows; ++t) {
      features(t, 0) = shared;
      for (std::size_t j = 0; j < profile.cols; ++j) {
        features(t, j + 1) = profile(t == 0 ? 0 : t - 1, j) + spec.document_sigma * rng.normal();
      }
    }
  }
  std::vector<std::uint32_t> all;
  for (std::uint32_t d = 0; d < documents.size(); ++d) all.push_back(d);
  CkaRecord record{.tokens = tokens,
                   .value = cosines(mean_features(documents, all)),
                   .replicates = {},
                   .n_tokens = 4096,
                   .n_batches = 32,
                   .note = {}};
  for (int r = 0; r < spec.replicates; ++r) {
    Philox half({.seed = spec.seed,
                 .stream = Stream::planted,
                 .a = stream,
                 .b = 2,
                 .c = static_cast<std::uint32_t>(r)});
    record.replicates.push_back(
        cosines(mean_features(documents, stats::half_sample(documents.size(), half))));
  }
  return record;
}

}  // namespace

Matrix planted_profile(const PlantedSpec& spec, int coordinates, std::uint32_t stream) {
  Philox rng({.seed = spec.seed, .stream = Stream::planted, .a = stream, .b = 0});
  Matrix y(static_cast<std::size_t>(spec.n_layers), static_cast<std::size_t>(coordinates));
  const double fresh = std::sqrt(1.0 - spec.rho * spec.rho);
  std::vector<double> shared(y.rows);
  if (spec.common > 0.0) {
    Philox other({.seed = spec.seed, .stream = Stream::planted, .a = stream, .b = 4});
    for (double& x : shared) x = other.normal();
  }
  for (std::size_t j = 0; j < y.cols; ++j) {
    double noise = 0.0;
    for (std::size_t t = 0; t < y.rows; ++t) {
      const double step = std::sqrt(spec.common) * shared[t] + std::sqrt(1.0 - spec.common) * rng.normal();
      noise = t == 0 ? step : spec.rho * noise + fresh * step;
      if (spec.shape != PlantedShape::walk) y(t, j) = noise;  // a walk has no noise of its own
    }
    add_shape(y, j, spec, shared, rng);
  }
  return y;
}

void add_planted(Trace& trace, const PlantedSpec& spec, TokenSet tokens) {
  if (spec.shape == PlantedShape::published) {
    add_published(trace, spec, tokens);
    return;
  }
  const std::uint32_t stream = tokens == TokenSet::all ? 10 : 0;
  const Matrix profile = planted_profile(spec, spec.signals, stream);
  Philox rng({.seed = spec.seed, .stream = Stream::planted, .a = stream, .b = 3});
  for (std::size_t j = 0; j < profile.cols; ++j) {
    trace.series.push_back(make_series(kSignals.at(j), profile, j, spec, tokens, rng));
  }
  const SignalName control{"residual_rms", Axis::state, Group::control};
  trace.series.push_back(make_series(control, profile, 0, spec, tokens, rng));
  trace.cka.push_back(make_cka(spec, tokens, stream + 1));
}

std::vector<PlantedBlock> planted_blocks(const PlantedSpec& spec) {
  constexpr double kWithin = 0.5;  // of what a block of a network with random weights writes
  constexpr double kSharp = 4.0;
  std::vector<PlantedBlock> blocks(static_cast<std::size_t>(spec.n_layers));
  if (spec.edges.empty()) return blocks;
  const bool regimes = spec.shape == PlantedShape::regimes;
  bool odd = false;  // in every other segment
  auto next = spec.edges.begin();
  for (int l = 0; l < spec.n_layers; ++l) {
    const bool opens = next != spec.edges.end() && *next == l;
    if (opens) {
      odd = !odd;
      ++next;
    }
    PlantedBlock& block = blocks[static_cast<std::size_t>(l)];
    block.write = regimes ? (odd ? 2.0 : 1.0) : kWithin * (opens ? spec.contrast : 1.0);
    if (odd) block.query = regimes ? spec.contrast : kSharp;
  }
  return blocks;
}

Trace planted_trace(const PlantedSpec& spec) {
  STRATA_CHECK(spec.shape != PlantedShape::network && spec.shape != PlantedShape::regimes &&
               spec.shape != PlantedShape::trained);  // the engine makes those
  Trace trace;
  trace.model.n_layers = spec.n_layers;
  for (int d = 0; d < spec.documents; ++d) {
    Document document;
    document.name = "document-" + std::to_string(d);
    trace.documents.push_back(document);
  }
  add_planted(trace, spec, TokenSet::ordinary);
  return trace;
}

const char* to_string(PlantedShape shape) {
  switch (shape) {
    case PlantedShape::steps:
      return "steps";
    case PlantedShape::linear:
      return "linear";
    case PlantedShape::quadratic:
      return "quadratic";
    case PlantedShape::monotone:
      return "saturating";
    case PlantedShape::logistic:
      return "logistic";
    case PlantedShape::walk:
      return "walk";
    case PlantedShape::sigmoids:
      return "sigmoids";
    case PlantedShape::relaxation:
      return "relaxation";
    case PlantedShape::odd_block:
      return "odd block";
    case PlantedShape::published:
      return "published";
    case PlantedShape::trained:
      return "trained";
    case PlantedShape::network:
      return "network";
    case PlantedShape::regimes:
      return "regimes";
  }
  return "";
}

}  // namespace strata
