// Records that look like what was published of large trained models: block influence and step sizes in a U
// with large first blocks and a large last one, a lens that stays on a plateau and drops, ranks that rise,
// about 1% of CKA lost in each block of the middle.
#include <array>
#include <cmath>
#include <string>

#include "strata/base/philox.h"
#include "strata/calibration/planted.h"
#include "strata/segmentation/layer_series.h"
#include "strata/stats/half_sample.h"

namespace strata {
namespace {

// One signal on its own scale (its logarithm where is_log_scale says so) at relative depth u.
struct Shape {
  const char* id;
  Axis axis;
  Group group;
  double level, sigma;         // in the middle; of one block
  double slope;                // over the depth
  double bow;                  // at both ends over the middle, with the square
  double drop;                 // of a slow sigmoid in the last part
  double rise;                 // of a saturating approach
  double first, second, last;  // of the first two blocks (fading behind them), and of the last
};

constexpr double kAngular = -2.66, kInfluence = -3.5, kUpdate = -1.9, kShift = -4.6;  // ln 0.07 ... ln 0.01
constexpr std::array kShapes = {
    Shape{"attention_distance", Axis::block, Group::attention, 0.75, 0.03, -0.25, 0.10, 0, 0, 0.25, 0.12,
          0.10},
    Shape{"attention_entropy", Axis::block, Group::attention, 0.70, 0.025, -0.20, 0.10, 0, 0, 0.30, 0.10,
          0.10},
    Shape{"cka_shift", Axis::block, Group::representation, kShift, 0.25, 0, 0.5, 0, 0, 3.7, 1.2, 2.5},
    Shape{"angular_step", Axis::block, Group::representation, kAngular, 0.08, 0, 0.7, 0, 0, 1.4, 0.5, 0.9},
    Shape{"block_influence", Axis::block, Group::representation, kInfluence, 0.12, 0, 1.4, 0, 0, 2.5, 0.9,
          1.6},
    Shape{"update_ratio", Axis::block, Group::representation, kUpdate, 0.10, 0, 1.0, 0, 0, 2.3, 0.7, 0.8},
    Shape{"curvature", Axis::state, Group::representation, 0.66, 0.004, -0.03, 0, 0, 0, 0.02, 0.01, -0.02},
    Shape{"adjacent_mi", Axis::block, Group::information, 3.9, 0.08, 0, -0.6, 0, 0, -1.4, -0.5, -0.7},
    Shape{"matrix_entropy", Axis::state, Group::information, 0.78, 0.006, 0, 0, 0, 0.10, -0.08, -0.03, -0.03},
    Shape{"participation_ratio", Axis::state, Group::information, 2.5, 0.07, 0, 0, 0, 1.0, -0.8, -0.3, -0.3},
    Shape{"effective_rank", Axis::state, Group::information, 3.4, 0.05, 0, 0, 0, 1.2, -0.8, -0.3, -0.2},
    Shape{"lens_entropy", Axis::state, Group::output, 8.5, 0.15, 0, 0, -4.5, 0, 1.0, 0.4, -1.0},
    Shape{"lens_kl", Axis::state, Group::output, 2.4, 0.08, 0, 0, -2.4, 0, 0.2, 0.1, -1.0},
    Shape{"lens_information", Axis::state, Group::output, 0.2, 0.10, 0, 0, 3.0, 0, -0.5, -0.2, 0.4},
};
constexpr int kWidth = 128;       // of the states behind the CKA matrix
constexpr double kFading = 0.4;   // of the second block's share, from block to block
constexpr double kRunOver = 0.4;  // of the depth in which the drop goes from 10 to 90%

double smooth_value(const Shape& shape, std::size_t l, std::size_t n, double size, double middle) {
  const double u = (static_cast<double>(l) + 0.5) / static_cast<double>(n), v = 2.0 * u - 1.0;
  double value = shape.slope * (u - 0.5) + shape.bow * v * v;
  value += shape.drop / (1.0 + std::exp(-(u - middle) * 2.0 * std::log(9.0) / kRunOver));
  value += shape.rise * (1.0 - std::exp(-2.5 * u));
  if (l == 0) value += shape.first;
  if (l > 0) value += shape.second * std::pow(kFading, static_cast<double>(l - 1));
  if (l + 1 == n) value += shape.last;
  return shape.level + size * value;
}

// Blocks x signals on their own scales, without document noise.
Matrix published_profile(const PlantedSpec& spec, std::uint32_t stream) {
  Philox rng({.seed = spec.seed, .stream = Stream::planted, .a = stream, .b = 7});
  Philox noise({.seed = spec.seed, .stream = Stream::planted, .a = stream, .b = 8});
  Philox signs({.seed = spec.seed, .stream = Stream::planted, .a = stream, .b = 9});
  const auto n = static_cast<std::size_t>(spec.n_layers);
  Matrix y(n, kShapes.size());
  std::vector<double> shared(n);
  for (double& x : shared) x = noise.normal();
  for (std::size_t j = 0; j < kShapes.size(); ++j) {
    const Shape& shape = kShapes[j];
    const double size = 0.7 + 0.6 * rng.uniform(), middle = 0.68 + 0.1 * rng.uniform();
    for (std::size_t l = 0; l < n; ++l) {
      const double own = std::sqrt(spec.common) * shared[l] + std::sqrt(1.0 - spec.common) * noise.normal();
      y(l, j) = smooth_value(shape, l, n, size, middle) + shape.sigma * own;
    }
    for (const int edge : spec.edges) {
      const double step = (signs.below(2) == 0 ? -1.0 : 1.0) * spec.contrast * shape.sigma;
      for (auto l = static_cast<std::size_t>(edge); l < n; ++l) y(l, j) += step;
    }
  }
  return y;
}

// CKA of a path of unit vectors whose successive members have the cosine 1 - shift. The same `seed` turns
// into the same directions.
Matrix path_of(const std::vector<double>& shift, const PlantedSpec& spec, std::uint32_t stream) {
  Philox rng({.seed = spec.seed, .stream = Stream::planted, .a = stream, .b = 10});
  Matrix h(shift.size() + 1, kWidth);
  const auto dot = [&](std::span<const double> a, std::span<const double> b) {
    double sum = 0.0;
    for (std::size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
    return sum;
  };
  std::vector<double> turn(kWidth);
  for (std::size_t i = 0; i < h.rows; ++i) {
    for (double& x : turn) x = rng.normal();
    const double along = i == 0 ? 0.0 : dot(turn, h.row(i - 1));
    for (std::size_t k = 0; k < turn.size() && i > 0; ++k) turn[k] -= along * h(i - 1, k);
    const double length = std::sqrt(dot(turn, turn)), cosine = i == 0 ? 0.0 : 1.0 - shift[i - 1];
    for (std::size_t k = 0; k < turn.size(); ++k)
      h(i, k) = (i == 0 ? 0.0 : cosine * h(i - 1, k)) + std::sqrt(1.0 - cosine * cosine) * turn[k] / length;
  }
  Matrix cka(h.rows, h.rows);
  for (std::size_t i = 0; i < h.rows; ++i) {
    for (std::size_t k = 0; k < h.rows; ++k) cka(i, k) = i == k ? 1.0 : dot(h.row(i), h.row(k));
  }
  return cka;
}

// 1 - CKA of each block: the planted series and the steps at the edges.
std::vector<double> shifts_of(const Matrix& profile, std::size_t j, const Matrix& noise,
                              const std::vector<std::uint32_t>& documents, const PlantedSpec& spec) {
  std::vector<double> shift(profile.rows);
  for (std::size_t l = 0; l < shift.size(); ++l) {
    double deviation = 0.0;
    for (const std::uint32_t d : documents) deviation += noise(d, l) / static_cast<double>(documents.size());
    shift[l] = std::exp(profile(l, j) + deviation);
  }
  for (const int edge : spec.edges) shift[static_cast<std::size_t>(edge)] += spec.cka_step;
  for (double& x : shift) x = std::min(x, 1.0);
  return shift;
}

}  // namespace

void add_published(Trace& trace, const PlantedSpec& spec, TokenSet tokens) {
  const std::uint32_t stream = tokens == TokenSet::all ? 10 : 0;
  const Matrix profile = published_profile(spec, stream);
  Philox rng({.seed = spec.seed, .stream = Stream::planted, .a = stream, .b = 11});
  const auto documents = static_cast<std::size_t>(spec.documents);
  std::vector<std::uint32_t> all;
  for (std::uint32_t d = 0; d < documents; ++d) all.push_back(d);
  for (std::size_t j = 0; j < kShapes.size(); ++j) {
    const Shape& shape = kShapes[j];
    const std::size_t before = shape.axis == Axis::state ? 1 : 0;
    Matrix noise(documents, profile.rows);
    for (double& x : noise.data) x = spec.document_sigma * shape.sigma * rng.normal();
    Series series{.id = shape.id, .unit = "1", .axis = shape.axis, .group = shape.group, .tokens = tokens};
    series.by_doc = Matrix(documents, profile.rows + before);
    series.weight.assign(documents, 100.0);
    for (std::size_t d = 0; d < documents; ++d) {
      for (std::size_t l = 0; l < profile.rows; ++l) {
        const double value = profile(l, j) + noise(d, l);
        series.by_doc(d, l + before) = is_log_scale(shape.id) ? std::exp(value) : value;
      }
      if (before == 1) series.by_doc(d, 0) = series.by_doc(d, 1);
    }
    if (series.id == "cka_shift") {
      series.joint = shifts_of(profile, j, noise, all, spec);
      CkaRecord record{.tokens = tokens,
                       .scale = StateScale::token_rms,
                       .value = path_of(series.joint, spec, stream),
                       .replicates = {},
                       .n_tokens = 4096,
                       .n_batches = 32,
                       .note = {}};
      for (int r = 0; r < spec.replicates; ++r) {
        Philox half({.seed = spec.seed,
                     .stream = Stream::planted,
                     .a = stream,
                     .b = 12,
                     .c = static_cast<std::uint32_t>(r)});
        record.replicates.push_back(
            path_of(shifts_of(profile, j, noise, stats::half_sample(documents, half), spec), spec, stream));
      }
      trace.cka.push_back(std::move(record));
    }
    trace.series.push_back(std::move(series));
  }
}

}  // namespace strata
