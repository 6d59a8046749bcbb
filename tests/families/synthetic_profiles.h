// Brittleness over depth, made up: what kappa and skip costs of networks look like, with and without jumps.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/families/synthetic_evidence.h"

namespace strata::test {

/// ln kappa and ln skip cost: a quadratic in depth, AR(1) noise along it, errors of measurement, start-up and
/// read-out blocks that lie far off, and jumps.
struct ProfileSpec {
  double rho = 0.0;        ///< of the noise along depth
  double noise = 0.1;      ///< its SD, nats
  double shared = 0.0;     ///< correlation between the noise of kappa and of the skip cost
  double document = 0.0;   ///< SD of errors of measurement; three times as large in every fourth block
  double transient = 0.0;  ///< of the first two blocks, and with the other sign of the last two, nats
  double tail = 0.0;       ///< decay of the transient over blocks, e-folding; 0 = two blocks and no more
  double height = 0.0;     ///< of the jumps, up and down in turn, nats
  std::vector<int> jumps;  ///< edges
};

inline void add_profiles(Evidence& e, const ProfileSpec& spec, Philox& rng) {
  const int n = e.n_layers;
  const double fresh = std::sqrt(1.0 - spec.rho * spec.rho);
  double common = rng.normal(), own[] = {rng.normal(), rng.normal()};
  const double curve[] = {-4.0 + rng.normal(), 2.0 + rng.normal()};
  e.ln_kappa.clear();
  e.ln_skip_kl.clear();
  for (int l = 0; l < n; ++l) {
    const double u = static_cast<double>(l) / n;
    double x = 6.0 + curve[0] * u + curve[1] * u * u;
    const auto off = [&](int from_end) {
      if (from_end < 2) return spec.transient * (from_end == 0 ? 1.0 : 0.6);
      return spec.tail > 0.0 ? 0.6 * spec.transient * std::exp(-(from_end - 1) / spec.tail) : 0.0;
    };
    x += off(l) - 0.7 * off(n - 1 - l);
    double sign = 1.0;
    for (const int edge : spec.jumps) {
      x += l >= edge ? sign * spec.height : 0.0;
      sign = -sign;
    }
    for (const std::size_t measure : {0u, 1u}) {
      const double mixed = std::sqrt(spec.shared) * common + std::sqrt(1.0 - spec.shared) * own[measure];
      const double error = spec.document * (l % 4 == 0 ? 3.0 : 1.0) * rng.normal();
      (measure == 0 ? e.ln_kappa : e.ln_skip_kl)
          .push_back(x - (measure == 0 ? 0.0 : 5.0) + spec.noise * mixed + error);
    }
    common = spec.rho * common + fresh * rng.normal();
    for (double& z : own) z = spec.rho * z + fresh * rng.normal();
  }
}

/// A model of this depth with these two selected boundaries.
inline Evidence synthetic_model(int index, int n_layers, int first, int second) {
  Evidence e = synthetic_evidence(index % 2 == 0 ? "llama" : "qwen", index, 0.25, 0.7);
  e.n_layers = n_layers;
  e.split = e.with_sinks = synthetic_split(first, second, n_layers);
  e.by_detector = {e.split, e.split};
  return e;
}

/// Two different edges within [margin, L - margin].
inline std::vector<int> random_edges(int n_layers, int margin, Philox& rng) {
  const auto draw = [&] {
    return margin + static_cast<int>(rng.below(static_cast<std::uint64_t>(n_layers - 2 * margin + 1)));
  };
  int a = draw(), b = draw();
  while (a == b) b = draw();
  return {std::min(a, b), std::max(a, b)};
}

}  // namespace strata::test
