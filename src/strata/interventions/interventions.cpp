#include <array>

#include "strata/interventions/block_skip.h"
#include "strata/interventions/intervention.h"
#include "strata/interventions/relative_noise.h"

namespace strata {

std::span<const Intervention> interventions() {
  static const std::array kInterventions = {relative_noise_intervention(), block_skip_intervention()};
  return kInterventions;
}

}  // namespace strata
