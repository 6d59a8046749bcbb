#include "strata/interventions/routed_noise.h"

#include "strata/interventions/relative_noise.h"
#include "strata/signals/block_fold.h"

namespace strata {

Intervention routed_noise_intervention() {
  Intervention noise = relative_noise_intervention();
  noise.id = "routed_noise";
  noise.by_default = false;
  noise.fixes_routing = true;
  noise.is_of = has_experts;
  return noise;
}

}  // namespace strata
