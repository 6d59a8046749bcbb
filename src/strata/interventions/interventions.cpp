#include <array>

#include "strata/interventions/absolute_noise.h"
#include "strata/interventions/adjacent_swap.h"
#include "strata/interventions/attention_local.h"
#include "strata/interventions/attention_sink_only.h"
#include "strata/interventions/attention_uniform.h"
#include "strata/interventions/block_repeat.h"
#include "strata/interventions/block_skip.h"
#include "strata/interventions/expert_drop.h"
#include "strata/interventions/feed_forward_skip.h"
#include "strata/interventions/head_ablation.h"
#include "strata/interventions/intervention.h"
#include "strata/interventions/joint_noise.h"
#include "strata/interventions/mean_ablation.h"
#include "strata/interventions/mixer_skip.h"
#include "strata/interventions/pooled_noise.h"
#include "strata/interventions/relative_noise.h"
#include "strata/interventions/routed_noise.h"
#include "strata/interventions/scaling.h"
#include "strata/interventions/sink_noise.h"
#include "strata/interventions/translation.h"
#include "strata/interventions/weight_rounding.h"
#include "strata/interventions/zero_ablation.h"

namespace strata {

std::span<const Intervention> interventions() {
  static const std::array kInterventions = {
      relative_noise_intervention(),    absolute_noise_intervention(),      pooled_noise_intervention(),
      sink_noise_intervention(),        joint_noise_intervention(),         scaling_intervention(),
      translation_intervention(),       zero_ablation_intervention(),       mean_ablation_intervention(),
      block_skip_intervention(),        adjacent_swap_intervention(),       block_repeat_intervention(),
      attention_uniform_intervention(), attention_sink_only_intervention(), attention_local_intervention(),
      head_ablation_intervention(),     weight_rounding_intervention(),     mixer_skip_intervention(),
      feed_forward_skip_intervention(), expert_drop_intervention(),         routed_noise_intervention()};
  return kInterventions;
}

const char* to_string(Site site) {
  switch (site) {
    case Site::state:
      return "state";
    case Site::branch:
      return "branch";
    case Site::attention:
      return "attention";
    case Site::weights:
      return "weights";
    case Site::parts:
      return "parts";
  }
  return "";
}

}  // namespace strata
