// The noise of a fitted model along depth: AR(1) with the small-sample bias taken out.
//
// Residuals of a fit to 12 to 80 layers underestimate both rho and the variance, because the fit follows
// the noise. Surrogates with too small a rho would make every test too eager. So rho and the variance
// are found by simulation (indirect inference, Gourieroux, Monfort and Renault 1993, J. Applied
// Econometrics 8:S85): the values whose simulated data, put through the same fit, give the lag-one ratio
// and the sum of squares that the data gave.
#pragma once

#include <cstdint>
#include <vector>

#include "strata/segmentation/models.h"

namespace strata {

struct NoiseModel {
  double rho = 0.0;
  std::vector<double> sd;  ///< marginal, one per coordinate
};

/// Noise about `model`, measured on the residuals of `probe`: the same model, or a larger one whose
/// residuals are free of what `model` may have missed. `key` names the random stream, `threads` only
/// the speed.
[[nodiscard]] NoiseModel estimate_noise(const Models& models, const FittedModel& model,
                                        const FittedModel& probe, const Matrix& y, const StreamKey& key,
                                        int threads);

/// model.fitted + AR(1) noise.
[[nodiscard]] Matrix surrogate(const FittedModel& model, const NoiseModel& noise, const StreamKey& key);

}  // namespace strata
