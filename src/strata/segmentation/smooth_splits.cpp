#include "strata/segmentation/smooth_splits.h"

#include <array>
#include <cmath>

#include "strata/base/parallel.h"
#include "strata/base/philox.h"
#include "strata/segmentation/models.h"
#include "strata/segmentation/noise.h"

namespace strata {
namespace {

constexpr std::uint32_t kNoiseField = 0, kSurrogateField = 1;
constexpr std::uint32_t kPurpose = 1000;  // field a of the stream keys: no detector of the tests has it

// What a detector sees, ready for surrogates.
struct Smooth {
  Models models;
  FittedModel fit;
  Matrix residual;  // blocks x coordinates, scaled to the noise's size
  double rho = 0.0;
};

Profile profile_of(const Trace& trace, TokenSet tokens, std::size_t detector, std::uint64_t seed) {
  if (detector == 0) return kernel_profile(trace, tokens);
  Profile profile = fused_profile(trace, tokens, seed, 0);
  if (profile.undefined.empty()) decorrelate(profile);
  return profile;
}

Smooth make_smooth(const Profile& profile, std::uint32_t detector, const SmoothSplitOptions& options) {
  Models models = models_of(profile);
  FittedModel fit = models.best_smooth(profile.y);
  const StreamKey key{.seed = options.seed,
                      .stream = Stream::surrogate,
                      .a = kPurpose,
                      .b = detector,
                      .c = 0,
                      .d = kNoiseField};
  const NoiseModel noise = estimate_noise(models, fit, fit, profile.y, key, options.threads);
  Matrix residual = profile.y;
  double raw = 0.0, wanted = 0.0;
  for (std::size_t i = 0; i < residual.data.size(); ++i) {
    residual.data[i] -= fit.fitted.data[i];
    raw += residual.data[i] * residual.data[i];
  }
  for (const double sd : noise.sd) wanted += sd * sd * static_cast<double>(residual.rows);
  const double scale = raw > 0.0 ? std::sqrt(wanted / raw) : 0.0;
  for (double& x : residual.data) x *= scale;
  return {std::move(models), std::move(fit), std::move(residual), noise.rho};
}

// fit + A R / sqrt(L), with the innovations of A given.
Matrix draw(const Smooth& smooth, const Matrix& innovations) {
  const std::size_t n = innovations.rows;
  Matrix paths = innovations;
  const double fresh = std::sqrt(1.0 - smooth.rho * smooth.rho);
  for (std::size_t t = 1; t < n; ++t) {
    for (std::size_t s = 0; s < n; ++s)
      paths(t, s) = smooth.rho * paths(t - 1, s) + fresh * innovations(t, s);
  }
  Matrix y = smooth.fit.fitted;
  const double scale = 1.0 / std::sqrt(static_cast<double>(n));
  for (std::size_t t = 0; t < n; ++t) {
    for (std::size_t s = 0; s < n; ++s) {
      const double a = scale * paths(t, s);
      for (std::size_t j = 0; j < y.cols; ++j) y(t, j) += a * smooth.residual(s, j);
    }
  }
  return y;
}

}  // namespace

SmoothSplits smooth_splits(const Trace& trace, TokenSet tokens, const SmoothSplitOptions& options) {
  constexpr std::array kNames = {"kernel_cka", "fused"};
  SmoothSplits result;
  if (max_jumps(trace.n_layers()) < 2) return result;
  std::vector<Smooth> smooth;
  for (std::size_t d = 0; d < kNames.size(); ++d) {
    const Profile profile = profile_of(trace, tokens, d, options.seed);
    if (!profile.undefined.empty()) continue;
    result.detectors.emplace_back(kNames[d]);
    result.edges.emplace_back(static_cast<std::size_t>(options.surrogates), 2u);
    smooth.push_back(make_smooth(profile, static_cast<std::uint32_t>(d), options));
  }
  const auto n = static_cast<std::size_t>(trace.n_layers());
  parallel_for(static_cast<std::size_t>(options.surrogates), options.threads, [&](std::size_t i) {
    Philox rng({.seed = options.seed,
                .stream = Stream::surrogate,
                .a = kPurpose,
                .b = 0,
                .c = static_cast<std::uint32_t>(i),
                .d = kSurrogateField});
    Matrix innovations(n, n);
    for (double& x : innovations.data) x = rng.normal();
    for (std::size_t d = 0; d < smooth.size(); ++d) {
      const auto jumps = smooth[d].models.jumps(draw(smooth[d], innovations), 2);
      for (std::size_t j = 0; j < 2; ++j) result.edges[d](i, j) = jumps.back().edges[j];
    }
  });
  return result;
}

}  // namespace strata
