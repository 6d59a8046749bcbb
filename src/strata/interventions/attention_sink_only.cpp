#include "strata/interventions/attention_sink_only.h"

#include "strata/interventions/attention_mix.h"

namespace strata {
namespace {

constexpr double kStrengths[] = {0.1, 0.3, 1.0};

void edit(const EditContext& edit, int /*head*/, std::int64_t query, float* probability) {
  mix_attention(edit, query, probability, [&](std::int64_t key) {
    const bool sink = edit.classes[static_cast<std::size_t>(key)] != TokenClass::ordinary;
    return sink ? static_cast<double>(probability[key]) : 0.0;
  });
}

}  // namespace

Intervention attention_sink_only_intervention() {
  return {.id = "attention_sink_only",
          .strength_unit = "share",
          .site = Site::attention,
          .strengths = kStrengths,
          .edit_attention = edit};
}

}  // namespace strata
