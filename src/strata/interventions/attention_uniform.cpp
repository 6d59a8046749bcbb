#include "strata/interventions/attention_uniform.h"

#include "strata/interventions/attention_mix.h"

namespace strata {
namespace {

constexpr double kStrengths[] = {0.1, 0.3, 1.0};

void edit(const EditContext& edit, int /*head*/, std::int64_t query, float* probability) {
  mix_attention(edit, query, probability, [](std::int64_t) { return 1.0; });
}

}  // namespace

Intervention attention_uniform_intervention() {
  return {.id = "attention_uniform",
          .strength_unit = "share",
          .site = Site::attention,
          .strengths = kStrengths,
          .edit_attention = edit};
}

}  // namespace strata
