#include "strata/workflow/planted_constant.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

#include "strata/base/error.h"

namespace strata {
namespace {

constexpr double kShare = 0.02;  // of the tokens
constexpr double kGate = 10.0;   // silu(10) = 10 to 5 in 100,000

// Mean over documents of the RMS of a state.
double rms_of(const Trace& trace, std::size_t state) {
  const auto series = std::find_if(trace.series.begin(), trace.series.end(),
                                   [](const Series& s) { return s.id == "residual_rms"; });
  STRATA_CHECK(series != trace.series.end() && state < series->by_doc.cols);
  double sum = 0.0, weight = 0.0;
  for (std::size_t d = 0; d < series->by_doc.rows; ++d) {
    const double w = series->weight[d], x = series->by_doc(d, state);
    if (!(w > 0.0) || !std::isfinite(x)) continue;
    sum += w * x;
    weight += w;
  }
  return sum / weight;
}

std::int32_t token_with_share(const Corpus& corpus, double share) {
  std::map<std::int32_t, double> counts;
  double all = 0.0;
  for (const Window& window : corpus.windows) {
    for (const auto id : window.ids) {
      counts[static_cast<std::int32_t>(id)] += 1.0;
      all += 1.0;
    }
  }
  STRATA_CHECK(!counts.empty());
  return std::min_element(counts.begin(), counts.end(),
                          [&](const auto& a, const auto& b) {
                            return std::abs(a.second - share * all) < std::abs(b.second - share * all);
                          })
      ->first;
}

// A neuron that reads one dimension, where it finds `seen`, and adds `written` to another.
struct Neuron {
  std::size_t reads, writes;
  double seen, written;
};

void set_neuron(const Neuron& neuron, Role role, std::size_t width, std::vector<float>& values) {
  const std::size_t hidden = values.size() / width;
  if (role == Role::gate || role == Role::up) {
    std::fill_n(values.begin(), width, 0.0f);
    values[neuron.reads] = static_cast<float>((role == Role::gate ? kGate : 1.0) / neuron.seen);
  } else if (role == Role::down) {
    for (std::size_t row = 0; row < width; ++row)
      values[row * hidden] = row == neuron.writes ? static_cast<float>(neuron.written / kGate) : 0.0f;
  }
}

}  // namespace

PlantedConstant constant_for(const Corpus& corpus, const Trace& clean, double factor, int written_by,
                             int removed_by, std::size_t width) {
  PlantedConstant constant{
      .token = token_with_share(corpus, kShare), .written_by = written_by, .removed_by = removed_by};
  const double before = rms_of(clean, static_cast<std::size_t>(written_by)),
               behind = rms_of(clean, static_cast<std::size_t>(removed_by));
  constant.marker = rms_of(clean, 0);
  constant.marker_seen = constant.marker / before;
  constant.size = factor * before;
  constant.size_seen =
      constant.size / std::hypot(behind, constant.size / std::sqrt(static_cast<double>(width)));
  return constant;
}

void plant(const PlantedConstant& constant, Role role, int block, std::size_t width,
           std::vector<float>& values) {
  const std::size_t marker = width - 2, dimension = width - 1, rows = values.size() / width;
  switch (role) {
    case Role::attention_norm:
    case Role::mlp_norm:
    case Role::final_norm:
      values[marker] = values[dimension] = 1.0f;
      break;
    case Role::embedding:
    case Role::unembedding:
    case Role::query:
    case Role::key:
    case Role::value:
    case Role::gate:
    case Role::up:
      for (std::size_t row = 0; row < rows; ++row)
        values[row * width + marker] = values[row * width + dimension] = 0.0f;
      break;
    case Role::attention_output:
    case Role::down:
      std::fill(values.begin() + static_cast<std::ptrdiff_t>(marker * rows), values.end(), 0.0f);
      break;
    default:
      break;
  }
  if (role == Role::embedding)
    values[static_cast<std::size_t>(constant.token) * width + marker] = static_cast<float>(constant.marker);
  if (block == constant.written_by)
    set_neuron({marker, dimension, constant.marker_seen, constant.size}, role, width, values);
  if (block == constant.removed_by)
    set_neuron({dimension, dimension, constant.size_seen, -constant.size}, role, width, values);
}

}  // namespace strata
